/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums of any length, against the sum as RFC 1071 spells it. */
#include "lab.h"

#include "packet/inet.h"

static void the_sum_is_that_of_rfc_1071_for_every_length(void **state)
{
	uint8_t bytes[80];
	uint32_t random = 1;

	(void)state;
	for (size_t round = 0; round < 50; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			random = random * 1664525 + 1013904223;
			/* Every other round of ones, so that carries run all the way. */
			bytes[i] = round % 2 ? 0xff : (uint8_t)(random >> 24);
		}
		for (size_t len = 0; len <= sizeof(bytes); len++) {
			uint16_t sum = inet_fold(inet_sum(bytes, len, 0));

			assert_int_equal(rte_be_to_cpu_16(sum),
					 (uint16_t)~lab_checksum(bytes, len, 0));
		}
	}
}

static void the_pseudo_header_is_of_the_address_s_family(void **state)
{
	static const struct {
		const char *src, *dst;
	} cases[] = {{LAB_CLIENT4, LAB_VIP4}, {LAB_CLIENT6, LAB_VIP6}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip src = lab_ip(cases[i].src), dst = lab_ip(cases[i].dst);
		uint16_t sum = inet_fold(inet_pseudo_sum(&src, &dst, 17, 1234));
		uint8_t none = 0;

		/* The naive sum over the pseudo header alone, for a part of 1234 bytes. */
		assert_int_equal(
			rte_be_to_cpu_16(sum),
			(uint16_t)~lab_checksum(
				&none, 0,
				(uint16_t)~lab_l4_checksum(&src, &dst, 17, &none, 0) + 1234u));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sum_is_that_of_rfc_1071_for_every_length),
		cmocka_unit_test(the_pseudo_header_is_of_the_address_s_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
