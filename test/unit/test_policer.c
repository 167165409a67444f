/* SPDX-License-Identifier: BSD-3-Clause */
/* The token bucket: its burst, its rate, and clocks that jump or stand. */
#include "lab.h"

#define SECOND_NS UINT64_C(1000000000)

static unsigned int taken(struct policer *policer, uint64_t now_ns, unsigned int tries)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < tries; i++)
		count += policer_take(policer, now_ns);
	return count;
}

static void a_fresh_bucket_gives_its_burst_and_no_more(void **state)
{
	struct policer policer;

	(void)state;
	policer_init(&policer, 100, 7);
	assert_int_equal(taken(&policer, LAB_NOW_NS, 50), 7);
}

static void it_fills_at_its_rate_up_to_its_burst(void **state)
{
	struct policer policer;

	(void)state;
	policer_init(&policer, 100, 7);
	taken(&policer, LAB_NOW_NS, 50);
	assert_int_equal(taken(&policer, LAB_NOW_NS + SECOND_NS / 100 - 1, 50), 0);
	assert_int_equal(taken(&policer, LAB_NOW_NS + SECOND_NS / 100, 50), 1);
	assert_int_equal(taken(&policer, LAB_NOW_NS + 4 * SECOND_NS / 100, 50), 3);
	assert_int_equal(taken(&policer, LAB_NOW_NS + 1000 * SECOND_NS, 50), 7);
	assert_int_equal(taken(&policer, UINT64_MAX, 50), 7);
}

static void asked_often_it_gives_its_rate(void **state)
{
	struct policer policer;
	unsigned int count = 0;

	(void)state;
	policer_init(&policer, 1000, 1);
	for (uint64_t now = 0; now < SECOND_NS; now += 1000)
		count += policer_take(&policer, LAB_NOW_NS + now);
	assert_in_range(count, 999, 1001);
}

static void a_clock_that_goes_back_gives_nothing(void **state)
{
	struct policer policer;

	(void)state;
	policer_init(&policer, 100, 7);
	taken(&policer, LAB_NOW_NS, 50);
	assert_int_equal(taken(&policer, LAB_NOW_NS - SECOND_NS, 50), 0);
	assert_int_equal(taken(&policer, LAB_NOW_NS, 50), 0);
	assert_int_equal(taken(&policer, LAB_NOW_NS + SECOND_NS / 100, 50), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_bucket_gives_its_burst_and_no_more),
		cmocka_unit_test(it_fills_at_its_rate_up_to_its_burst),
		cmocka_unit_test(asked_often_it_gives_its_rate),
		cmocka_unit_test(a_clock_that_goes_back_gives_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
