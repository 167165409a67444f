/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses and prefixes: what is read, what is refused, what is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "packet/ip.h"

static void an_address_is_written_as_rfc_5952_says(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"192.0.2.11", "192.0.2.11"},
		{"2001:DB8:0:0:0:0:0:11", "2001:db8::11"},
		{"fe80::1", "fe80::1"},
	};
	char buf[IP_STRLEN];
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ip_parse(cases[i].in, &ip), 0);
		assert_string_equal(ip_format(&ip, buf), cases[i].out);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const cases[] = {
		"", "192.0.2", "192.0.2.256", "::ffff:192.0.2.1", "2001:db8", "192.0.2.1 ", "x"};
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_not_equal(ip_parse(cases[i], &ip), 0);
}

static void a_prefix_clears_host_bits_and_contains_its_ends(void **state)
{
	struct ip_prefix prefix;
	struct ip ip;
	char buf[IP_PREFIX_STRLEN];

	(void)state;
	assert_int_equal(ip_prefix_parse("192.0.2.77/26", &prefix), 0);
	assert_string_equal(ip_prefix_format(&prefix, buf), "192.0.2.64/26");
	assert_int_equal(ip_parse("192.0.2.127", &ip), 0);
	assert_true(ip_prefix_contains(&prefix, &ip));
	assert_int_equal(ip_parse("192.0.2.128", &ip), 0);
	assert_false(ip_prefix_contains(&prefix, &ip));
	assert_int_equal(ip_prefix_parse("2001:db8::1/64", &prefix), 0);
	assert_string_equal(ip_prefix_format(&prefix, buf), "2001:db8::/64");
	assert_int_equal(ip_prefix_parse("0.0.0.0/0", &prefix), 0);
	assert_true(ip_prefix_contains(&prefix, &ip));
	assert_int_not_equal(ip_prefix_parse("192.0.2.0/33", &prefix), 0);
	assert_int_not_equal(ip_prefix_parse("192.0.2.0/", &prefix), 0);
	assert_int_not_equal(ip_prefix_parse("192.0.2.0/024", &prefix), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_written_as_rfc_5952_says),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(a_prefix_clears_host_bits_and_contains_its_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
