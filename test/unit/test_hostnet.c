/* SPDX-License-Identifier: BSD-3-Clause */
/* VIPs on lo, their groups, and a kernel port's settings, against a real kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <net/if.h>

#include "hostnet.h"
#include "mld.h"

#include "netns.h"
#include "hostnet_fixture.h"

static void vips_come_and_go_on_lo_and_others_addresses_stay(void **state)
{
	struct ip vips[] = {ip_of("203.0.113.5"), ip_of("2001:db8:5::5"), ip_of("203.0.113.6"),
			    ip_of("203.0.113.7")};
	struct hostnet *hostnet = create();

	(void)state;
	run("ip link set lo down");
	run("ip addr add 203.0.113.7/32 dev lo");
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", vips, 4), 0);
	assert_true(shows("ip link show dev lo", "UP"));
	assert_true(shows("ip -o addr show dev lo", "203.0.113.5/32 scope global noprefixroute"));
	assert_true(shows("ip -o addr show dev lo",
			  "2001:db8:5::5/128 scope global nodad noprefixroute"));
	assert_true(shows("ip -o addr show dev lo", "203.0.113.6/32"));
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", vips, 2), 0);
	assert_true(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	assert_false(shows("ip -o addr show dev lo", "203.0.113.6/32"));
	assert_true(shows("ip -o addr show dev lo", "203.0.113.7/32"));
	hostnet_free(hostnet);
	assert_false(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	assert_false(shows("ip -o addr show dev lo", "2001:db8:5::5"));
	assert_true(shows("ip -o addr show dev lo", "203.0.113.7/32"));
}

static void vips_that_somebody_flushed_are_put_on_lo_again(void **state)
{
	struct ip vips[] = {ip_of("203.0.113.5"), ip_of("2001:db8:5::5")};
	struct hostnet *hostnet = create();

	(void)state;
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", vips, 2), 0);
	run("ip addr flush dev lo scope global");
	assert_false(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	hostnet_repair(hostnet);
	assert_true(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	assert_true(shows("ip -o addr show dev lo", "2001:db8:5::5/128"));
	hostnet_free(hostnet);
}

static void sets_vips(struct hostnet *hostnet)
{
	struct ip vips[] = {ip_of("203.0.113.5"), ip_of("2001:db8:5::5"), ip_of("203.0.113.6"),
			    ip_of("2001:db8:5::6")};

	(void)hostnet_vips_set(hostnet, 0, "k0", vips, 4);
}

static void a_killed_predecessors_vips_are_adopted(void **state)
{
	struct config_interface first = {.name = "a", .kernel_name = "k0"};
	struct config_interface second = {.name = "b", .kernel_name = "k1"};
	struct ip kept = ip_of("203.0.113.5"), other = ip_of("2001:db8:5::5");
	struct hostnet *hostnet;

	(void)state;
	in_a_process_that_is_killed(sets_vips);
	assert_true(shows("ip -o addr show dev lo", "203.0.113.6/32"));
	hostnet = create();
	assert_int_equal(hostnet_port_setup(hostnet, &first), 0);
	assert_int_equal(hostnet_port_setup(hostnet, &second), 0);
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", &kept, 1), 0);
	/* It may be the second interface's. */
	assert_true(shows("ip -o addr show dev lo", "2001:db8:5::5/128"));
	assert_int_equal(hostnet_vips_set(hostnet, 1, "k1", &other, 1), 0);
	assert_true(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	assert_true(shows("ip -o addr show dev lo", "2001:db8:5::5/128"));
	assert_false(shows("ip -o addr show dev lo", "203.0.113.6/32"));
	assert_false(shows("ip -o addr show dev lo", "2001:db8:5::6"));
	hostnet_free(hostnet);
	assert_false(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	assert_false(shows("ip -o addr show dev lo", "2001:db8:5::5"));
}

static void the_kernel_port_joins_and_leaves_solicited_node_groups(void **state)
{
	struct ip vips[] = {ip_of("2001:db8:5::12:3456"), ip_of("2001:db8:6::12:3456"),
			    ip_of("2001:db8:5::78:9abc"), ip_of("203.0.113.5")};
	struct hostnet *hostnet = create();

	(void)state;
	run("ip link set k0 up");
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", vips, 4), 0);
	assert_true(shows("ip maddr show dev k0", "ff02::1:ff12:3456"));
	assert_true(shows("ip maddr show dev k0", "ff02::1:ff78:9abc"));
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", &vips[1], 1), 0);
	assert_true(shows("ip maddr show dev k0", "ff02::1:ff12:3456"));
	assert_false(shows("ip maddr show dev k0", "ff02::1:ff78:9abc"));
	hostnet_free(hostnet);
	assert_false(shows("ip maddr show dev k0", "ff02::1:ff12:3456"));
}

static void thousands_of_groups_fit(void **state)
{
	enum { COUNT = 3000 };
	struct ip *vips = calloc(COUNT, sizeof(*vips));
	struct mld mld;
	size_t lines = 0;

	(void)state;
	run("ip link set k0 up");
	for (size_t i = 0; i < COUNT; i++) {
		vips[i] = ip_of("2001:db8:5::");
		vips[i].b[14] = (uint8_t)(i >> 8);
		vips[i].b[15] = (uint8_t)i;
	}
	mld_init(&mld, if_nametoindex("k0"));
	assert_int_equal(mld_set(&mld, vips, COUNT), 0);
	for (const char *at = output("ip maddr show dev k0");
	     (at = strstr(at, "ff02::1:ff00:")) != NULL; at++)
		lines++;
	assert_true(lines > 0);
	assert_int_equal(mld.group_count, COUNT);
	assert_int_equal(mld_set(&mld, vips, 0), 0);
	assert_false(shows("ip maddr show dev k0", "ff02::1:ff00:"));
	mld_fini(&mld);
	free(vips);
}

static void a_kernel_port_gets_its_settings_and_loses_them(void **state)
{
	static const struct {
		const char *path, *value;
	} wanted[] = {
		{"net/ipv4/conf/k0/rp_filter", "2\n"},
		{"net/ipv4/conf/k0/src_valid_mark", "1\n"},
		{"net/ipv4/conf/k0/send_redirects", "0\n"},
		{"net/ipv4/conf/k0/accept_redirects", "0\n"},
		{"net/ipv4/conf/k0/arp_announce", "2\n"},
		{"net/ipv4/conf/all/send_redirects", "0\n"},
		{"net/ipv4/conf/all/arp_announce", "2\n"},
		{"net/ipv6/conf/k0/accept_redirects", "0\n"},
		{"net/ipv6/conf/k0/disable_ipv6", "0\n"},
	};
	enum { COUNT = sizeof(wanted) / sizeof(wanted[0]) };
	const struct ip_prefix addresses[] = {prefix_of("192.0.2.11", 24),
					      prefix_of("2001:db8::11", 64)};
	const struct config_interface interface = {
		.name = "front", .kernel_name = "k0", .addresses = addresses, .address_count = 2};
	struct hostnet *hostnet;
	char before[COUNT][32];

	(void)state;
	write_sysctl("/proc/sys/net/ipv6/conf/k0/disable_ipv6", "1");
	for (size_t i = 0; i < COUNT; i++)
		(void)snprintf(before[i], sizeof(before[i]), "%s", sysctl_of(wanted[i].path));
	hostnet = create();
	assert_int_equal(hostnet_port_setup(hostnet, &interface), 0);
	for (size_t i = 0; i < COUNT; i++)
		assert_string_equal(sysctl_of(wanted[i].path), wanted[i].value);
	assert_true(shows("ip -o addr show dev k0", "192.0.2.11/24 brd 192.0.2.255 scope global"));
	assert_true(shows("ip -o addr show dev k0", "2001:db8::11/64 scope global nodad"));
	assert_true(shows("ip link show dev k0", "UP"));
	run("ip addr flush dev k0");
	run("ip link set k0 down");
	write_sysctl("/proc/sys/net/ipv4/conf/k0/rp_filter", "1");
	hostnet_repair(hostnet);
	assert_true(shows("ip -o addr show dev k0", "192.0.2.11/24"));
	assert_true(shows("ip -o addr show dev k0", "2001:db8::11/64"));
	assert_true(shows("ip link show dev k0", "UP"));
	assert_string_equal(sysctl_of("net/ipv4/conf/k0/rp_filter"), "2\n");
	hostnet_free(hostnet);
	for (size_t i = 0; i < COUNT; i++)
		assert_string_equal(sysctl_of(wanted[i].path), before[i]);
	assert_string_equal(output("ip -o addr show dev k0"), "");
	assert_false(shows("ip link show dev k0", ",UP"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(vips_come_and_go_on_lo_and_others_addresses_stay,
				       fresh_namespace),
		cmocka_unit_test_setup(vips_that_somebody_flushed_are_put_on_lo_again,
				       fresh_namespace),
		cmocka_unit_test_setup(a_killed_predecessors_vips_are_adopted, fresh_namespace),
		cmocka_unit_test_setup(the_kernel_port_joins_and_leaves_solicited_node_groups,
				       fresh_namespace),
		cmocka_unit_test_setup(thousands_of_groups_fit, fresh_namespace),
		cmocka_unit_test_setup(a_kernel_port_gets_its_settings_and_loses_them,
				       fresh_namespace),
	};
	const char *missing = netns_missing();

	if (missing != NULL) {
		printf("SKIP: %s\n", missing);
		return 77; /* meson: skipped */
	}
	log_init(CONFIG_LOG_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
