/* SPDX-License-Identifier: BSD-3-Clause */
/* What a node remembers: written and read back, refused when damaged, never lost silently. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "state_file.h"

#define MINUTE_MS INT64_C(60000)
#define NOW_MS	  INT64_C(1795398000000)
#define SECOND_NS UINT64_C(1000000000)

static struct ip ip(const char *text)
{
	struct ip address;

	assert_int_equal(ip_parse(text, &address), 0);
	return address;
}

static void path_in(char *path, const char *dir, const char *name)
{
	assert_in_range(snprintf(path, PATH_MAX, "%s/%s", dir, name), 1, PATH_MAX - 1);
}

/* A directory of this test's own, removed by drop(). */
static char *directory(void)
{
	char *path = strdup("/tmp/vipgate-state-XXXXXX");

	assert_non_null(mkdtemp(path));
	return path;
}

static void drop(char *dir)
{
	static const char *const names[] = {"allocations",     "election",     "allocations.bad",
					    "election.bad",    "election.tmp", "allocations.tmp",
					    "sub/allocations", "sub"};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_in(path, dir, names[i]);
		remove(path);
	}
	assert_int_equal(rmdir(dir), 0);
	free(dir);
}

static bool exists(const char *dir, const char *name)
{
	char path[PATH_MAX];

	path_in(path, dir, name);
	return access(path, F_OK) == 0;
}

static void put(const char *dir, const char *name, const char *text, size_t len)
{
	char path[PATH_MAX];
	FILE *file;

	path_in(path, dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

/* Names with everything that the format has to hide. */
static struct state sample(void)
{
	const struct ipam_previous list[] = {
		{ip("192.0.2.80"), "front", "default", "web", "default/web", 0},
		{ip("192.0.2.81"), "front", "default", "web", "default/web", 63},
		{ip("2001:db8::80"), "a b%c\n\t", "-", "", "\x7f%41\xc3\xa9", 1},
	};
	struct state state = {0};
	struct ip vip = ip("192.0.2.80"), vip6 = ip("2001:db8::80");

	assert_int_equal(state_allocations_set(&state, list, 3), 0);
	assert_int_equal(state_group_begin(&state, "front", NOW_MS), 0);
	assert_int_equal(state_group_incident(&state, "front", NOW_MS), 0);
	assert_int_equal(state_group_incident(&state, "front", NOW_MS + 1), 0);
	assert_int_equal(state_epoch_raise(&state, "front", &vip6, (UINT64_C(1) << 47) - 1), 1);
	assert_int_equal(state_epoch_raise(&state, "front", &vip, 7), 1);
	assert_int_equal(state_group_leave(&state, "other net"), 0);
	return state;
}

static void assert_sample(const struct state *state)
{
	const struct state_group *group = state_group_find(state, "front");

	assert_int_equal(state->allocation_count, 3);
	assert_int_equal(state->allocations[1].index, 63);
	assert_string_equal(state->allocations[0].uid, "default/web");
	assert_string_equal(state->allocations[2].class, "a b%c\n\t");
	assert_string_equal(state->allocations[2].namespace, "-");
	assert_string_equal(state->allocations[2].name, "");
	assert_string_equal(state->allocations[2].uid, "\x7f%41\xc3\xa9");
	assert_int_equal(state->group_count, 2);
	assert_false(group->clean);
	assert_int_equal(group->incident_count, 2);
	assert_int_equal(group->incidents[1], NOW_MS + 1);
	assert_int_equal(group->epoch_count, 2);
	assert_int_equal(group->epochs[0].epoch, 7);
	assert_int_equal(group->epochs[1].epoch, (UINT64_C(1) << 47) - 1);
	assert_true(state_group_find(state, "other net")->clean);
}

static void what_is_saved_is_loaded(void **unused)
{
	struct state state = sample(), loaded = {0};
	char *dir = directory(), message[256] = "x";

	(void)unused;
	assert_int_equal(state_save(dir, &state, STATE_ALLOCATIONS), 0);
	assert_int_equal(state_save(dir, &state, STATE_ELECTION), 0);
	assert_false(exists(dir, "election.tmp"));
	assert_int_equal(state_load(dir, &loaded, message, sizeof(message)), 0);
	assert_string_equal(message, "");
	assert_sample(&loaded);
	state_fini(&loaded);
	state_fini(&state);
	drop(dir);
}

static void the_text_is_what_its_documentation_says(void **unused)
{
	static const char expect[] = "vipgate-state 1 election\n"
				     "group front running\n"
				     "incident front 1795398000000\n"
				     "incident front 1795398000001\n"
				     "epoch front 192.0.2.80 7\n"
				     "epoch front 2001:db8::80 140737488355327\n"
				     "group other%20net clean\n"
				     "sha256 ";
	struct state state = sample();
	char *text;
	size_t len;

	(void)unused;
	assert_int_equal(state_encode(&state, STATE_ELECTION, &text, &len), 0);
	assert_int_equal(len, sizeof(expect) - 1 + 64 + 1);
	assert_memory_equal(text, expect, sizeof(expect) - 1);
	free(text);
	state_fini(&state);
}

static void the_first_run_finds_nothing_and_is_content(void **unused)
{
	struct state state = {0};
	char *dir = directory(), message[256], path[PATH_MAX];

	(void)unused;
	assert_int_equal(state_load(dir, &state, message, sizeof(message)), 0);
	assert_string_equal(message, "");
	path_in(path, dir, "sub");
	assert_int_equal(state_load(path, &state, message, sizeof(message)), 0);
	assert_string_equal(message, "");
	assert_int_equal(state_save(path, &state, STATE_ALLOCATIONS), 0); /* makes it */
	assert_true(exists(path, "allocations"));
	assert_int_equal(state_load(path, &state, message, sizeof(message)), 0);
	state_fini(&state);
	drop(dir);
}

static void a_damaged_file_is_kept_aside_and_the_other_one_still_counts(void **unused)
{
	struct state state = sample();
	char *text;
	size_t len;

	(void)unused;
	assert_int_equal(state_encode(&state, STATE_ELECTION, &text, &len), 0);
	/* cut anywhere, or one bit changed anywhere */
	for (size_t i = 0; i < 2 * len; i += 7) {
		char *dir = directory(), message[512];
		struct state loaded = {0};

		assert_int_equal(state_save(dir, &state, STATE_ALLOCATIONS), 0);
		if (i < len) {
			put(dir, "election", text, i);
		} else {
			text[i - len] ^= 4;
			put(dir, "election", text, len);
			text[i - len] ^= 4;
		}
		assert_int_equal(state_load(dir, &loaded, message, sizeof(message)), -EBADMSG);
		assert_non_null(strstr(message, "election.bad"));
		assert_non_null(strstr(message, dir));
		assert_int_equal(loaded.allocation_count, 3);
		assert_int_equal(loaded.group_count, 0);
		assert_true(exists(dir, "election.bad"));
		assert_false(exists(dir, "election"));
		state_fini(&loaded);
		/* it was told once, and is out of the way */
		assert_int_equal(state_load(dir, &loaded, message, sizeof(message)), 0);
		state_fini(&loaded);
		drop(dir);
	}
	free(text);
	state_fini(&state);
}

/* Decodes lines after a right header, with a right seal. */
static int decode(struct state *state, enum state_file file, const char *head, const char *lines,
		  char *message, size_t size)
{
	char text[1024];

	snprintf(text, sizeof(text) - 80, "%s%s", head, lines);
	state_seal(text, strlen(text), text + strlen(text));
	return state_decode(state, file, text, strlen(text), message, size);
}

static void what_is_wrong_is_named_with_its_line(void **unused)
{
	static const struct {
		const char *head, *lines, *message; /* part of it; NULL: it is accepted */
	} cases[] = {
		{"vipgate-state 1 election\n", "", NULL},
		{"vipgate-state 1 election\n", "epoch g 192.0.2.1 1\n", NULL},
		/* later versions may add records, and fields at the end */
		{"vipgate-state 1 election later\n", "news g 1\nepoch g 192.0.2.1 1 x y\n", NULL},
		{"vipgate-state 1 election\n", "group g clean since yesterday\n", NULL},
		{"vipgate-state 2 election\n", "",
		 "found version 2, expected 1: written by a newer"},
		{"vipgate-state 0 election\n", "", "an older"},
		{"vipgate-state 1 allocations\n", "", "found a file of \"allocations\""},
		{"vipgate-state x election\n", "", "line 1: found no"},
		{"", "", "empty file"},
		{"hello\n", "", "not a state file"},
		{"vipgate-state 1 election", "", "no end of the line"},
		{"vipgate-state 1 election\n", "\n", "line 2: found an empty line"},
		{"vipgate-state 1 election\n", "epoch\n", "line 2: found no group"},
		{"vipgate-state 1 election\n", "group g clean\nepoch g 192.0.2 1\n", "line 3: exp"},
		{"vipgate-state 1 election\n", "epoch g 192.0.2.1 -1\n", "epoch under 2^47"},
		{"vipgate-state 1 election\n", "epoch g 192.0.2.1 140737488355328\n", "2^47"},
		{"vipgate-state 1 election\n", "epoch g 192.0.2.1 99999999999999999999\n", "2^47"},
		{"vipgate-state 1 election\n", "epoch g%2 192.0.2.1 1\n", "no group's name"},
		{"vipgate-state 1 election\n", "epoch g%00 192.0.2.1 1\n", "no group's name"},
		{"vipgate-state 1 election\n", "group g dirty\n", "\"clean\" or \"running\""},
		{"vipgate-state 1 election\n", "incident g 1.5\n", "ms since 1970"},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct state state = {0};
		char message[256];
		int err = decode(&state, STATE_ELECTION, cases[i].head, cases[i].lines, message,
				 sizeof(message));

		assert_int_equal(err, cases[i].message ? -EBADMSG : 0);
		if (cases[i].message) {
			assert_non_null(strstr(message, cases[i].message));
			assert_int_equal(state.group_count, 0);
		}
		state_fini(&state);
	}
}

static void wrong_allocations_are_refused_too(void **unused)
{
	static const char *const lines[] = {
		"allocation\n",
		"allocation x front default web uid 0\n",
		"allocation 192.0.2.1 front default web uid\n",
		"allocation 192.0.2.1 front default web uid 65536\n",
		"allocation 192.0.2.1 front  web uid 0\n",
		"allocation ::ffff:192.0.2.1 front default web uid 0\n",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct state state = {0};
		char message[256];

		assert_int_equal(decode(&state, STATE_ALLOCATIONS, "vipgate-state 1 allocations\n",
					lines[i], message, sizeof(message)),
				 -EBADMSG);
		assert_non_null(strstr(message, "line 2: "));
		assert_int_equal(state.allocation_count, 0);
		state_fini(&state);
	}
}

static void a_newer_version_is_named_though_it_is_sealed_in_another_way(void **unused)
{
	static const char text[] = "vipgate-state 7 election\nblake3 0123\n";
	struct state state = {0};
	char message[256];

	(void)unused;
	assert_int_equal(state_decode(&state, STATE_ELECTION, text, sizeof(text) - 1, message,
				      sizeof(message)),
			 -EBADMSG);
	assert_non_null(strstr(message, "found version 7, expected 1: written by a newer"));
}

static void a_file_that_cannot_be_read_is_kept_aside(void **unused)
{
	struct state state = {0};
	char *dir = directory(), message[256], path[PATH_MAX], target[PATH_MAX];

	(void)unused;
	/* Not even root follows a link here: state_dir may be shared with who should not lead us.
	 */
	path_in(path, dir, "election");
	path_in(target, dir, "allocations");
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(state_load(dir, &state, message, sizeof(message)), -EBADMSG);
	assert_non_null(strstr(message, "cannot be read"));
	assert_false(exists(dir, "election"));
	drop(dir);
}

static void saving_replaces_the_file_whole_or_not_at_all(void **unused)
{
	struct state state = sample(), loaded = {0};
	char *dir = directory(), message[256], path[PATH_MAX];

	(void)unused;
	assert_int_equal(state_save(dir, &state, STATE_ELECTION), 0);
	/* a directory in the way of the temporary file makes every write fail */
	path_in(path, dir, "election.tmp");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(state_save(dir, &loaded, STATE_ELECTION) < 0);
	assert_int_equal(state_load(dir, &loaded, message, sizeof(message)), 0);
	assert_int_equal(loaded.group_count, 2);
	state_fini(&loaded);
	state_fini(&state);
	drop(dir);
}

static void only_an_unclean_end_is_an_incident(void **unused)
{
	struct state state = {0};

	(void)unused;
	/* the first run of all */
	assert_int_equal(state_group_begin(&state, "front", NOW_MS), 0);
	assert_int_equal(state_hold_ns(&state, "front", NOW_MS, SECOND_NS), SECOND_NS);
	/* it crashed */
	assert_int_equal(state_group_begin(&state, "front", NOW_MS), 0);
	assert_int_equal(state_hold_ns(&state, "front", NOW_MS, SECOND_NS), 2 * SECOND_NS);
	/* it left */
	assert_int_equal(state_group_leave(&state, "front"), 0);
	assert_int_equal(state_group_begin(&state, "front", NOW_MS), 0);
	assert_int_equal(state_hold_ns(&state, "front", NOW_MS, SECOND_NS), 2 * SECOND_NS);
	/* it fenced itself */
	assert_int_equal(state_group_incident(&state, "front", NOW_MS), 0);
	assert_int_equal(state_hold_ns(&state, "front", NOW_MS, SECOND_NS), 4 * SECOND_NS);
	/* another group's troubles are its own */
	assert_int_equal(state_hold_ns(&state, "back", NOW_MS, SECOND_NS), SECOND_NS);
	state_fini(&state);
}

static void hold_doubles_for_half_an_hour_up_to_half_an_hour(void **unused)
{
	static const struct {
		unsigned int incidents;
		int64_t later_ms;
		uint64_t hold_s, expect_s;
	} cases[] = {
		{0, 0, 60, 60},
		{1, 0, 60, 120},
		{4, 0, 60, 960},
		{5, 0, 60, 1800},
		{500, 0, 60, 1800},
		{1, 30 * MINUTE_MS - 1, 60, 120},
		{1, 30 * MINUTE_MS, 60, 60},
		{1, -MINUTE_MS, 60, 120}, /* the clock was set back */
		{3, 0, 0, 0},
		{1, 0, 3600, 3600},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct state state = {0};

		for (unsigned int n = 0; n < cases[i].incidents; n++)
			assert_int_equal(state_group_incident(&state, "front", NOW_MS), 0);
		assert_int_equal(state_hold_ns(&state, "front", NOW_MS + cases[i].later_ms,
					       cases[i].hold_s * SECOND_NS),
				 cases[i].expect_s * SECOND_NS);
		state_fini(&state);
	}
}

static void an_epoch_floor_only_rises(void **unused)
{
	struct state state = {0};
	const struct state_group *group;

	(void)unused;
	for (uint32_t i = 0; i < 1000; i++) {
		struct ip vip = ip_from_v4(i * 2654435761u);

		assert_int_equal(state_epoch_raise(&state, "front", &vip, 5), 1);
		assert_int_equal(state_epoch_raise(&state, "front", &vip, 5), 0);
		assert_int_equal(state_epoch_raise(&state, "front", &vip, 4), 0);
		assert_int_equal(state_epoch_raise(&state, "front", &vip, 6 + i), 1);
	}
	group = state_group_find(&state, "front");
	assert_int_equal(group->epoch_count, 1000);
	for (size_t i = 1; i < group->epoch_count; i++)
		assert_true(ip_cmp(&group->epochs[i - 1].vip, &group->epochs[i].vip) < 0);
	assert_null(state_group_find(&state, "back"));
	state_fini(&state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_saved_is_loaded),
		cmocka_unit_test(the_text_is_what_its_documentation_says),
		cmocka_unit_test(the_first_run_finds_nothing_and_is_content),
		cmocka_unit_test(a_damaged_file_is_kept_aside_and_the_other_one_still_counts),
		cmocka_unit_test(what_is_wrong_is_named_with_its_line),
		cmocka_unit_test(wrong_allocations_are_refused_too),
		cmocka_unit_test(a_newer_version_is_named_though_it_is_sealed_in_another_way),
		cmocka_unit_test(a_file_that_cannot_be_read_is_kept_aside),
		cmocka_unit_test(saving_replaces_the_file_whole_or_not_at_all),
		cmocka_unit_test(only_an_unclean_end_is_an_incident),
		cmocka_unit_test(hold_doubles_for_half_an_hour_up_to_half_an_hour),
		cmocka_unit_test(an_epoch_floor_only_rises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
