/* SPDX-License-Identifier: BSD-3-Clause */
/* The VIP table: found or not, owned or not, open or not; full to its limit. */
#include <errno.h>

#include "lab.h"

static struct ip numbered(uint32_t i)
{
	struct ip ip = lab_ip(i % 2 ? "10.0.0.0" : "2001:db8::");

	ip.b[12] ^= (uint8_t)(i >> 24);
	ip.b[13] = (uint8_t)(i >> 16);
	ip.b[14] = (uint8_t)(i >> 8);
	ip.b[15] = (uint8_t)i;
	return ip;
}

static void every_vip_of_a_full_table_is_found_and_no_other(void **state)
{
	static struct vip_spec vips[VIP_TABLE_MAX + 1];
	struct vip_table *table;

	(void)state;
	for (uint32_t i = 0; i < COUNT(vips); i++)
		vips[i] = (struct vip_spec){.address = numbered(i), .owned = i % 3 == 0};
	table = vip_table_create(vips, VIP_TABLE_MAX);
	assert_non_null(table);
	assert_int_equal(vip_table_count(table), VIP_TABLE_MAX);
	for (uint32_t i = 0; i < VIP_TABLE_MAX; i++) {
		struct ip other = numbered(i + VIP_TABLE_MAX);

		assert_int_equal(vip_table_lookup(table, &vips[i].address), i);
		assert_int_equal(vip_table_owned(table, (int)i), i % 3 == 0);
		assert_int_equal(vip_table_lookup(table, &other), -1);
	}
	vip_table_free(table);
	errno = 0;
	assert_null(vip_table_create(vips, VIP_TABLE_MAX + 1));
	assert_int_equal(errno, EINVAL);
}

static void an_address_listed_twice_is_refused(void **state)
{
	const struct vip_spec vips[] = {
		{.address = lab_ip(LAB_VIP4)},
		{.address = lab_ip(LAB_VIP6)},
		{.address = lab_ip(LAB_VIP4)},
	};
	struct vip_table *table = vip_table_create(vips, 2);

	(void)state;
	assert_non_null(table);
	vip_table_free(table);
	errno = 0;
	assert_null(vip_table_create(vips, 3));
	assert_int_equal(errno, EEXIST);
}

static void an_empty_table_and_no_table_know_nobody(void **state)
{
	struct vip_table *table = vip_table_create(NULL, 0);
	struct ip ip = lab_ip(LAB_VIP4);

	(void)state;
	assert_non_null(table);
	assert_int_equal(vip_table_count(table), 0);
	assert_int_equal(vip_table_lookup(table, &ip), -1);
	assert_int_equal(vip_table_lookup(NULL, &ip), -1);
	assert_int_equal(vip_table_count(NULL), 0);
	vip_table_free(table);
	vip_table_free(NULL);
}

static void ownership_is_of_one_vip(void **state)
{
	struct vip_table *table = lab_vips();
	struct ip vip = lab_ip(LAB_VIP4), peer = lab_ip(LAB_PEER_VIP4);
	int a = vip_table_lookup(table, &vip), b = vip_table_lookup(table, &peer);

	(void)state;
	assert_true(vip_table_owned(table, a));
	assert_false(vip_table_owned(table, b));
	vip_table_own(table, a, false);
	vip_table_own(table, b, true);
	assert_false(vip_table_owned(table, a));
	assert_true(vip_table_owned(table, b));
	vip_table_free(table);
}

static void ports_and_sources_decide(void **state)
{
	const struct ip_prefix office[] = {lab_prefix("198.51.100.0/24"),
					   lab_prefix("2001:db8:1::/48")};
	const struct ip_prefix lab_net[] = {lab_prefix("203.0.113.0/28")};
	/* Not sorted; 443 is listed twice, with other sources each. */
	const struct vip_port ports[] = {
		{17, 53, NULL, 0},    {6, 443, office, 2}, {6, 80, NULL, 0},
		{6, 443, lab_net, 1}, {17, 80, office, 2}, {6, 65535, NULL, 0},
	};
	const struct vip_port others[] = {{6, 81, NULL, 0}};
	const struct vip_spec vips[] = {
		{lab_ip(LAB_PEER_VIP4), false, others, 1},
		{lab_ip(LAB_VIP4), true, ports, COUNT(ports)},
		{lab_ip(LAB_VIP6), true, NULL, 0},
		{lab_ip(LAB_PEER_VIP6), true, others, 1},
	};
	static const struct {
		const char *source;
		int vip;
		uint8_t protocol;
		uint16_t port;
		enum vip_table_match match;
	} cases[] = {
		{LAB_CLIENT4, 1, 6, 80, VIP_TABLE_OPEN},
		{LAB_CLIENT4, 1, 6, 65535, VIP_TABLE_OPEN},
		{LAB_CLIENT4, 1, 17, 53, VIP_TABLE_OPEN},
		{LAB_CLIENT4, 1, 6, 53, VIP_TABLE_CLOSED_PORT},
		{LAB_CLIENT4, 1, 6, 81, VIP_TABLE_CLOSED_PORT},
		{LAB_CLIENT4, 1, 6, 0, VIP_TABLE_CLOSED_PORT},
		{LAB_CLIENT4, 1, 255, 65535, VIP_TABLE_CLOSED_PORT},
		{"198.51.100.255", 1, 6, 443, VIP_TABLE_OPEN},
		{"2001:db8:1::1", 1, 6, 443, VIP_TABLE_OPEN},
		{"203.0.113.15", 1, 6, 443, VIP_TABLE_OPEN},
		{"203.0.113.16", 1, 6, 443, VIP_TABLE_SOURCE_RANGE},
		{"198.51.101.0", 1, 17, 80, VIP_TABLE_SOURCE_RANGE},
		{"2001:db8:2::1", 1, 17, 80, VIP_TABLE_SOURCE_RANGE},
		{LAB_CLIENT4, 0, 6, 81, VIP_TABLE_OPEN},
		{LAB_CLIENT4, 0, 6, 80, VIP_TABLE_CLOSED_PORT},
		{LAB_CLIENT6, 2, 6, 80, VIP_TABLE_CLOSED_PORT},
		{LAB_CLIENT6, 3, 6, 81, VIP_TABLE_OPEN},
	};
	struct vip_table *table = vip_table_create(vips, COUNT(vips));

	(void)state;
	assert_non_null(table);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip source = lab_ip(cases[i].source);
		enum vip_table_match match = vip_table_match(table, cases[i].vip, cases[i].protocol,
							     cases[i].port, &source);

		if (match != cases[i].match)
			fail_msg("%s to %u/%u: %d", cases[i].source, cases[i].protocol,
				 cases[i].port, match);
	}
	vip_table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_vip_of_a_full_table_is_found_and_no_other),
		cmocka_unit_test(an_address_listed_twice_is_refused),
		cmocka_unit_test(an_empty_table_and_no_table_know_nobody),
		cmocka_unit_test(ownership_is_of_one_vip),
		cmocka_unit_test(ports_and_sources_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
