/* SPDX-License-Identifier: BSD-3-Clause */
/* The memory of flows: what it knows, what it forgets, that it stays bounded. */
#include "lab.h"

#define SECOND_NS UINT64_C(1000000000)

static struct flow_key key_of(uint8_t protocol, uint16_t vip_port)
{
	return (struct flow_key){
		.vip = lab_ip(LAB_VIP4),
		.remote = lab_ip(LAB_CLIENT4),
		.vip_port = vip_port,
		.remote_port = 53,
		.protocol = protocol,
	};
}

static void a_flow_is_known_by_all_its_fields(void **state)
{
	struct flow_table *table = flow_table_create(64);
	struct flow_key key = key_of(17, 1000), other;

	(void)state;
	assert_non_null(table);
	assert_false(flow_table_known(table, &key, LAB_NOW_NS));
	flow_table_note(table, &key, LAB_NOW_NS);
	assert_true(flow_table_known(table, &key, LAB_NOW_NS));
	other = key;
	other.vip = lab_ip(LAB_PEER_VIP4);
	assert_false(flow_table_known(table, &other, LAB_NOW_NS));
	other = key;
	other.remote = lab_ip("192.0.2.51");
	assert_false(flow_table_known(table, &other, LAB_NOW_NS));
	other = key;
	other.vip_port++;
	assert_false(flow_table_known(table, &other, LAB_NOW_NS));
	other = key;
	other.remote_port++;
	assert_false(flow_table_known(table, &other, LAB_NOW_NS));
	other = key;
	other.protocol = 6;
	assert_false(flow_table_known(table, &other, LAB_NOW_NS));
	/* The addresses in each other's place. */
	other = key;
	other.vip = key.remote;
	other.remote = key.vip;
	assert_false(flow_table_known(table, &other, LAB_NOW_NS));
	flow_table_free(table);
}

static void a_flow_lives_as_long_as_it_is_used(void **state)
{
	static const struct {
		uint8_t protocol;
		uint64_t lifetime_ns;
	} cases[] = {{17, 180 * SECOND_NS}, {1, 180 * SECOND_NS}, {6, 7500 * SECOND_NS}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct flow_table *table = flow_table_create(64);
		struct flow_key key = key_of(cases[i].protocol, 1000);
		uint64_t now = LAB_NOW_NS, lifetime = cases[i].lifetime_ns;

		flow_table_note(table, &key, now);
		now += lifetime - 1;
		assert_true(flow_table_known(table, &key, now)); /* which refreshes it */
		now += lifetime - 1;
		assert_true(flow_table_known(table, &key, now));
		flow_table_note(table, &key, now + 1);
		now += lifetime;
		assert_true(flow_table_known(table, &key, now));
		assert_false(flow_table_known(table, &key, now + lifetime));
		/* A worker whose clock reading is a little older is not told that it expired. */
		flow_table_note(table, &key, now);
		assert_true(flow_table_known(table, &key, now - 1000));
		flow_table_free(table);
	}
}

static void a_full_table_forgets_the_oldest(void **state)
{
	enum { FLOWS = 4, BUSY = 60000 };
	struct flow_table *table = flow_table_create(FLOWS);
	size_t known = 0;

	(void)state;
	for (uint16_t port = 1; port <= BUSY; port++) {
		struct flow_key key = key_of(17, port);

		flow_table_note(table, &key, LAB_NOW_NS + port);
	}
	for (uint16_t port = 1; port <= BUSY; port++) {
		struct flow_key key = key_of(17, port);
		bool is_known = flow_table_known(table, &key, LAB_NOW_NS + BUSY);

		known += is_known;
		assert_int_equal(is_known, port > BUSY - FLOWS);
	}
	assert_int_equal(known, FLOWS);
	flow_table_free(table);
}

static void most_flows_fit_into_a_table_of_twice_their_number(void **state)
{
	struct flow_table *table = flow_table_create(65536);
	size_t known = 0;

	(void)state;
	for (uint32_t i = 0; i < 32768; i++) {
		struct flow_key key = key_of(6, (uint16_t)i);

		flow_table_note(table, &key, LAB_NOW_NS + i);
	}
	for (uint32_t i = 0; i < 32768; i++) {
		struct flow_key key = key_of(6, (uint16_t)i);

		known += flow_table_known(table, &key, LAB_NOW_NS + 40000);
	}
	/* Poisson with mean 2 in buckets of 4 loses 2.8 %: more says that the hash is bad. */
	assert_in_range(known, 32768 * 95 / 100, 32768);
	flow_table_free(table);
	flow_table_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_is_known_by_all_its_fields),
		cmocka_unit_test(a_flow_lives_as_long_as_it_is_used),
		cmocka_unit_test(a_full_table_forgets_the_oldest),
		cmocka_unit_test(most_flows_fit_into_a_table_of_twice_their_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
