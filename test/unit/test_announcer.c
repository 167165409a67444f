/* SPDX-License-Identifier: BSD-3-Clause */
/* The announcement schedule: its rounds, restarts and rates, in a test's own time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "core/announcer.h"

#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)
#define START  (5 * SECOND)

struct said {
	size_t count;
	struct ip last;
};

static void say(void *arg, const struct ip *vip)
{
	struct said *said = arg;

	said->count++;
	said->last = *vip;
}

static struct ip vip(uint32_t n)
{
	return ip_from_v4(htonl(0x0a000000 + n));
}

/* Runs the announcer whenever it asks to be run, and notes when it said something. */
static size_t times_until(struct announcer *announcer, uint64_t now, uint64_t until,
			  uint64_t *times, size_t max)
{
	struct said said = {0};
	size_t count = 0;

	for (now = announcer_next(announcer, now); now <= until;
	     now = announcer_next(announcer, now)) {
		said.count = 0;
		announcer_run(announcer, now, say, &said);
		for (; said.count > 0 && count < max; said.count--)
			times[count++] = now;
	}
	return count;
}

static void a_vip_is_announced_at_the_documented_times(void **state)
{
	static const uint64_t expected_ms[] = {0, 20, 100, 400, 1100, 2200, 5000, 65000, 125000};
	struct announcer *announcer = announcer_create();
	const struct ip one = vip(1);
	uint64_t times[16];

	(void)state;
	assert_int_equal(announcer_start(announcer, &one, START), 0);
	assert_int_equal(times_until(announcer, START, START + 130 * SECOND, times, 16), 9);
	for (size_t i = 0; i < 9; i++)
		assert_int_equal((times[i] - START) / MS, expected_ms[i]);
	announcer_free(announcer);
}

static void nothing_is_due_without_vips(void **state)
{
	struct announcer *announcer = announcer_create();
	const struct ip one = vip(1);

	(void)state;
	assert_true(announcer_next(announcer, START) == UINT64_MAX);
	announcer_stop(announcer, &one);
	announcer_start(announcer, &one, START);
	assert_true(announcer_next(announcer, START) == START);
	announcer_stop(announcer, &one);
	assert_true(announcer_next(announcer, START) == UINT64_MAX);
	announcer_free(announcer);
	announcer_free(NULL);
}

static void a_restart_begins_with_the_first_round_again(void **state)
{
	struct announcer *announcer = announcer_create();
	const struct ip one = vip(1), two = vip(2);
	uint64_t times[8];
	struct said said = {0};

	(void)state;
	announcer_start(announcer, &one, START);
	announcer_start(announcer, &two, START);
	times_until(announcer, START, START + 10 * SECOND, times, 0);
	assert_true(announcer_next(announcer, START + 10 * SECOND) > START + 60 * SECOND);
	announcer_restart_all(announcer, START + 10 * SECOND);
	assert_int_equal(announcer_run(announcer, START + 10 * SECOND, say, &said), 2);
	assert_true(announcer_next(announcer, START + 10 * SECOND) ==
		    START + 10 * SECOND + 20 * MS);
	announcer_start(announcer, &one, START + 11 * SECOND);
	said.count = 0;
	announcer_run(announcer, START + 11 * SECOND, say, &said);
	assert_true(ip_equal(&said.last, &one) || said.count > 1);
	announcer_free(announcer);
}

static void the_first_round_goes_at_ten_thousand_a_second(void **state)
{
	struct announcer *announcer = announcer_create();
	struct said said = {0};
	size_t first;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		const struct ip one = vip(i);

		assert_int_equal(announcer_start(announcer, &one, START), 0);
	}
	/* 10 ms before the second round begins: the first is all that there is */
	for (uint64_t now = START; now <= START + 10 * MS; now += MS)
		announcer_run(announcer, now, say, &said);
	first = said.count;
	assert_in_range(first, 190, 210); /* 100 saved up, 100 in 10 ms */
	for (uint64_t now = START + 10 * MS; now <= START + 490 * MS; now += MS)
		announcer_run(announcer, now, say, &said);
	/* the first round is through after half a second, beside later ones at 1,000 a second */
	assert_in_range(said.count, 4900 + 400, 5000 + 500);
	announcer_free(announcer);
}

static void stopped_ones_are_never_announced_and_others_all_are(void **state)
{
	struct announcer *announcer = announcer_create();
	struct said said = {0};

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		const struct ip one = vip(i * 7919);

		announcer_start(announcer, &one, START);
	}
	for (uint32_t i = 0; i < 300; i += 2) {
		const struct ip one = vip(i * 7919);

		announcer_stop(announcer, &one);
	}
	for (uint64_t now = START; now < START + 19 * MS; now += MS)
		announcer_run(announcer, now, say, &said);
	assert_int_equal(said.count, 150);
	for (uint32_t i = 1; i < 300; i += 2) {
		const struct ip one = vip(i * 7919);

		announcer_stop(announcer, &one);
	}
	assert_true(announcer_next(announcer, START) == UINT64_MAX);
	announcer_free(announcer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vip_is_announced_at_the_documented_times),
		cmocka_unit_test(nothing_is_due_without_vips),
		cmocka_unit_test(a_restart_begins_with_the_first_round_again),
		cmocka_unit_test(the_first_round_goes_at_ten_thousand_a_second),
		cmocka_unit_test(stopped_ones_are_never_announced_and_others_all_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
