/* SPDX-License-Identifier: BSD-3-Clause */
/* The signature of a heartbeat against the test vectors of RFC 4231. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "packet/heartbeat.h"
#include "sign.h"

/* RFC 4231 §4.2, whose key of 20 bytes HMAC fills up with zeros as it does ours. */
static const uint8_t key1[32] = {[0 ... 19] = 0x0b};
static const uint8_t tag1[] = {0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53,
			       0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b};
/* RFC 4231 §4.4: 50 bytes of 0xdd under 20 of 0xaa. */
static const uint8_t key3[32] = {[0 ... 19] = 0xaa};
static const uint8_t tag3[] = {0x77, 0x3e, 0xa9, 0x1e, 0x36, 0x80, 0x0e, 0x46,
			       0x85, 0x4d, 0xb8, 0xeb, 0xd0, 0x91, 0x81, 0xa7};

static void tags_are_those_of_the_rfc(void **state)
{
	uint8_t message[50 + HEARTBEAT_TAG_LEN];
	struct signer *signer = signer_create(key1);

	(void)state;
	assert_non_null(signer);
	memcpy(message, "Hi There", 8);
	assert_int_equal(signer_sign(signer, message, 8 + HEARTBEAT_TAG_LEN), 0);
	assert_memory_equal(message + 8, tag1, sizeof(tag1));
	assert_memory_equal(message, "Hi There", 8);
	signer_free(signer);

	signer = signer_create(key3);
	assert_non_null(signer);
	memset(message, 0xdd, 50);
	assert_int_equal(signer_sign(signer, message, sizeof(message)), 0);
	assert_memory_equal(message + 50, tag3, sizeof(tag3));
	signer_free(signer);
}

static void a_signer_serves_any_number_of_messages(void **state)
{
	struct signer *signer = signer_create(key1);
	uint8_t message[8 + HEARTBEAT_TAG_LEN];

	(void)state;
	assert_non_null(signer);
	for (int i = 0; i < 1000; i++) {
		memcpy(message, i % 2 == 0 ? "Hi There" : "Hi Where", 8);
		memset(message + 8, i, HEARTBEAT_TAG_LEN); /* what stood there does not count */
		assert_int_equal(signer_sign(signer, message, sizeof(message)), 0);
		assert_int_equal(memcmp(message + 8, tag1, sizeof(tag1)) == 0, i % 2 == 0);
	}
	signer_free(signer);
	signer_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags_are_those_of_the_rfc),
		cmocka_unit_test(a_signer_serves_any_number_of_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
