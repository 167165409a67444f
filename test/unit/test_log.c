/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines: one line each whatever is in them, both formats, and repeats that are held back. */
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "log.h"

/* The linker routes the log's clock through here (--wrap), so that a window passes at once. */
static time_t ahead;

int __real_clock_gettime(clockid_t clock, struct timespec *ts);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	int result = __real_clock_gettime(clock, ts);

	if (clock == CLOCK_MONOTONIC)
		ts->tv_sec += ahead;
	return result;
}

static int saved_stderr, ends[2];

static void capture_begin(void)
{
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(saved_stderr >= 0);
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
}

/* What was written to stderr since capture_begin(). */
static char *capture_end(char *buf, size_t len)
{
	ssize_t n;

	assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
	close(saved_stderr);
	close(ends[1]);
	n = read(ends[0], buf, len - 1);
	close(ends[0]);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static bool matches(const char *text, const char *pattern)
{
	regex_t regex;
	bool match;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	match = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return match;
}

static size_t lines(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += *text == '\n';
	return count;
}

static void a_text_line_has_time_level_and_message(void **state)
{
	char buf[4096];

	(void)state;
	log_init(CONFIG_LOG_INFO, false);
	capture_begin();
	log_warning("found %d of %s", 3, "x");
	log_debug("not at this level");
	capture_end(buf, sizeof(buf));
	assert_true(matches(buf,
			    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
			    "warning found 3 of x\n$"));
	assert_true(log_enabled(CONFIG_LOG_INFO));
	assert_false(log_enabled(CONFIG_LOG_DEBUG));
}

static void a_json_line_is_json_whatever_it_says(void **state)
{
	static const struct {
		const char *message, *text;
	} cases[] = {
		{"plain", "plain"},
		{"quote \" back \\ slash", "quote \" back \\ slash"},
		{"two\nlines\x1b", "two\nlines\x1b"},
		{"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
		 "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
		{"bad \xff \xc0\x80 \xed\xa0\x80 \xe2\x82",
		 "bad \xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
		 "\xef\xbf\xbd\xef\xbf\xbd"},
	};
	char buf[4096];

	(void)state;
	log_init(CONFIG_LOG_INFO, true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *line;

		capture_begin();
		log_error("%s", cases[i].message);
		capture_end(buf, sizeof(buf));
		assert_int_equal(lines(buf), 1);
		line = json_loads(buf, 0, NULL);
		assert_non_null(line);
		assert_string_equal(json_string_value(json_object_get(line, "message")),
				    cases[i].text);
		assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
		assert_true(matches(json_string_value(json_object_get(line, "time")),
				    "^[0-9]{4}-.*\\.[0-9]{3}Z$"));
		json_decref(line);
	}
}

static void text_cannot_forge_a_second_line(void **state)
{
	char buf[4096];

	(void)state;
	log_init(CONFIG_LOG_INFO, false);
	capture_begin();
	log_info("name %s", "x\n2026-01-01T00:00:00.000Z error forged");
	capture_end(buf, sizeof(buf));
	assert_int_equal(lines(buf), 1);
	assert_non_null(strstr(buf, "x\\u000a2026"));
}

static void a_long_line_is_cut_and_ends(void **state)
{
	char message[5000], buf[32768];

	(void)state;
	memset(message, '\x01', sizeof(message) - 1);
	message[sizeof(message) - 1] = '\0';
	log_init(CONFIG_LOG_INFO, true);
	capture_begin();
	log_info("%s", message);
	capture_end(buf, sizeof(buf));
	assert_int_equal(lines(buf), 1);
	assert_string_equal(buf + strlen(buf) - 3, "\"}\n");
}

static void the_same_line_is_held_back_but_others_are_not(void **state)
{
	char buf[65536];

	(void)state;
	log_init(CONFIG_LOG_INFO, false);
	ahead = 0;
	capture_begin();
	for (int i = 0; i < 50; i++)
		log_info("again and %s", "again");
	capture_end(buf, sizeof(buf));
	assert_int_equal(lines(buf), 5);
	assert_null(strstr(buf, "suppressed"));
	ahead += 11;
	capture_begin();
	log_info("again and %s", "again");
	log_info("again and %s", "again");
	capture_end(buf, sizeof(buf));
	assert_int_equal(lines(buf), 2);
	assert_true(matches(buf, "info again and again \\(45 lines like this were suppressed\\)\n"
				 ".*info again and again\n$"));
	capture_begin();
	for (int i = 0; i < 50; i++)
		log_info("line %d", i);
	capture_end(buf, sizeof(buf));
	assert_int_equal(lines(buf), 50);
	/* a loop that always says something new is held back in the end, too */
	capture_begin();
	for (int i = 0; i < 1000; i++)
		log_info("flood %d", i);
	capture_end(buf, sizeof(buf));
	assert_int_equal(lines(buf), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_line_has_time_level_and_message),
		cmocka_unit_test(a_json_line_is_json_whatever_it_says),
		cmocka_unit_test(text_cannot_forge_a_second_line),
		cmocka_unit_test(a_long_line_is_cut_and_ends),
		cmocka_unit_test(the_same_line_is_held_back_but_others_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
