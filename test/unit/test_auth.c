/* SPDX-License-Identifier: BSD-3-Clause */
/* Which messages are believed: the order of the checks, keys, replays, rates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "packet/heartbeat.h"

#include "auth.h"

#define ME    0x11111111u
#define PEER  0x22222222u
#define GROUP 0x33333333u
#define BOOT  UINT64_C(0x0123456789abcdef)
#define MAC   UINT64_C(0x020000000001)
#define I_NS  UINT64_C(20000000)
#define T0    UINT64_C(5000000000)

static const struct config_key keys[] = {
	{.bytes = {1, 2, 3}},
	{.bytes = {4, 5, 6}},
};

static struct auth *create(const struct config_key *list, size_t count)
{
	const struct auth_config config = {
		.group = GROUP,
		.node = ME,
		.boot_id = BOOT,
		.keys = list,
		.key_count = count,
	};
	struct auth *auth = auth_create(&config);

	assert_non_null(auth);
	return auth;
}

static struct heartbeat beat(uint64_t seq)
{
	return (struct heartbeat){
		.version = HEARTBEAT_VERSION,
		.kind = HEARTBEAT_BEAT,
		.path = HEARTBEAT_FRONT,
		.state = NODE_ACTIVE,
		.group = GROUP,
		.node = PEER,
		.boot_id = 7,
		.seq = seq,
		.interval_us = 20000,
		.multiplier = 3,
	};
}

static size_t sign(const struct heartbeat *message, const struct config_key *key, uint8_t *buf)
{
	size_t len = heartbeat_encode(message, buf);
	uint8_t tag[EVP_MAX_MD_SIZE];
	unsigned int tag_len;

	heartbeat_stamp(buf, len, message->seq, message->lapsed_ms);
	assert_non_null(HMAC(EVP_sha256(), key->bytes, sizeof(key->bytes), buf,
			     len - HEARTBEAT_TAG_LEN, tag, &tag_len));
	memcpy(&buf[len - HEARTBEAT_TAG_LEN], tag, HEARTBEAT_TAG_LEN);
	return len;
}

/* AUTH_REJECT_COUNT: believed. */
static enum auth_reject offer_from(struct auth *auth, uint64_t now, uint64_t mac,
				   const struct heartbeat *message, const struct config_key *key)
{
	uint8_t buf[HEARTBEAT_MAX_LEN];
	size_t len = sign(message, key, buf);
	struct heartbeat out;
	enum auth_reject reject;

	if (!auth_check(auth, now, HEARTBEAT_FRONT, mac, buf, len, &out, &reject))
		return reject;
	assert_int_equal(out.seq, message->seq);
	return AUTH_REJECT_COUNT;
}

static enum auth_reject offer(struct auth *auth, uint64_t now, const struct heartbeat *message,
			      const struct config_key *key)
{
	return offer_from(auth, now, MAC, message, key);
}

static void a_signed_message_is_believed_once(void **state)
{
	struct auth *auth = create(keys, 1);
	struct heartbeat message = beat(10);
	struct auth_counters counters;

	(void)state;
	assert_int_equal(offer(auth, T0, &message, &keys[0]), AUTH_REJECT_COUNT);
	assert_int_equal(offer(auth, T0, &message, &keys[0]), AUTH_REJECT_SEQ);
	message = beat(9);
	assert_int_equal(offer(auth, T0, &message, &keys[0]), AUTH_REJECT_SEQ);
	message = beat(11);
	assert_int_equal(offer(auth, T0, &message, &keys[0]), AUTH_REJECT_COUNT);
	auth_counters(auth, &counters);
	assert_int_equal(counters.accepted, 2);
	assert_int_equal(counters.rejected[AUTH_REJECT_SEQ], 2);
	auth_free(auth);
}

static void each_check_comes_before_the_next(void **state)
{
	struct heartbeat foreign = beat(1), mine = beat(1), twin = beat(1), wrong = beat(1);
	struct heartbeat other_path = beat(1);
	const struct {
		const char *name;
		const struct heartbeat *message;
		const struct config_key *key;
		size_t cut;
		enum auth_reject expected;
	} cases[] = {
		{"short and foreign", &foreign, &keys[1], 1, AUTH_REJECT_LENGTH},
		{"foreign and badly signed", &foreign, &keys[1], 0, AUTH_REJECT_GROUP},
		{"ours, badly signed", &mine, &keys[1], 0, AUTH_REJECT_SELF},
		{"of our name, badly signed", &twin, &keys[1], 0, AUTH_REJECT_SIGNATURE},
		{"of our name, well signed", &twin, &keys[0], 0, AUTH_REJECT_DUPLICATE},
		{"badly signed, no content", &wrong, &keys[1], 0, AUTH_REJECT_SIGNATURE},
		{"well signed, no content", &wrong, &keys[0], 0, AUTH_REJECT_CONTENT},
		{"for the other path", &other_path, &keys[0], 0, AUTH_REJECT_CONTENT},
	};

	(void)state;
	foreign.group++;
	mine.node = twin.node = ME;
	mine.boot_id = BOOT;
	wrong.node = 0;
	other_path.path = HEARTBEAT_MANAGEMENT;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth *auth = create(keys, 1);
		uint8_t buf[HEARTBEAT_MAX_LEN];
		size_t len = sign(cases[i].message, cases[i].key, buf);
		struct heartbeat out;
		enum auth_reject reject;

		assert_false(auth_check(auth, T0, HEARTBEAT_FRONT, MAC, buf, len - cases[i].cut,
					&out, &reject));
		if (reject != cases[i].expected)
			fail_msg("%s: %s", cases[i].name, auth_reject_name(reject));
		auth_free(auth);
	}
}

static void no_changed_bit_is_believed(void **state)
{
	struct auth *auth = create(keys, 1);
	struct heartbeat message = beat(1), out;
	uint8_t buf[HEARTBEAT_MAX_LEN];
	size_t len = sign(&message, &keys[0], buf);
	enum auth_reject reject;

	(void)state;
	for (size_t bit = 0; bit < 8 * len; bit++) {
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(auth_check(auth, T0 + bit * UINT64_C(1000000000), HEARTBEAT_FRONT, MAC,
					buf, len, &out, &reject));
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_true(auth_check(auth, T0 + 8 * len * UINT64_C(1000000000), HEARTBEAT_FRONT, MAC, buf,
			       len, &out, &reject));
	auth_free(auth);
}

static void both_keys_are_good_during_a_rotation(void **state)
{
	struct auth *auth = create(keys, 2);
	struct heartbeat message = beat(1);

	(void)state;
	assert_int_equal(offer(auth, T0, &message, &keys[1]), AUTH_REJECT_COUNT);
	message = beat(2);
	assert_int_equal(offer(auth, T0, &message, &keys[0]), AUTH_REJECT_COUNT);
	assert_int_equal(auth_keys_set(auth, &keys[1], 1), 0);
	message = beat(3);
	assert_int_equal(offer(auth, T0, &message, &keys[0]), AUTH_REJECT_SIGNATURE);
	assert_int_equal(offer(auth, T0, &message, &keys[1]), AUTH_REJECT_COUNT);
	assert_int_not_equal(auth_key_id(&keys[0]), auth_key_id(&keys[1]));
	auth_free(auth);
}

static void replays_of_a_former_boot_do_not_move_the_window_of_this_one(void **state)
{
	struct auth *auth = create(keys, 1);
	struct heartbeat old = beat(1000), new = beat(5);

	(void)state;
	new.boot_id = 8;
	assert_int_equal(offer(auth, T0, &old, &keys[0]), AUTH_REJECT_COUNT);
	assert_int_equal(offer(auth, T0, &new, &keys[0]), AUTH_REJECT_COUNT);
	assert_int_equal(offer(auth, T0, &old, &keys[0]), AUTH_REJECT_SEQ);
	assert_int_equal(offer(auth, T0, &new, &keys[0]), AUTH_REJECT_SEQ);
	for (uint64_t boot = 100; boot < 120; boot++) {
		old.boot_id = boot;
		new.seq++;
		assert_int_equal(offer(auth, T0 + boot * I_NS, &old, &keys[0]), AUTH_REJECT_COUNT);
		assert_int_equal(offer(auth, T0 + boot * I_NS, &new, &keys[0]), AUTH_REJECT_COUNT);
		assert_int_equal(offer(auth, T0 + boot * I_NS, &new, &keys[0]), AUTH_REJECT_SEQ);
	}
	auth_free(auth);
}

static void the_two_paths_have_windows_of_their_own(void **state)
{
	struct auth *auth = create(keys, 1);
	struct heartbeat front = beat(50), management = beat(40), out;
	uint8_t buf[HEARTBEAT_MAX_LEN];
	enum auth_reject reject;
	size_t len;

	(void)state;
	management.path = HEARTBEAT_MANAGEMENT;
	assert_int_equal(offer(auth, T0, &front, &keys[0]), AUTH_REJECT_COUNT);
	len = sign(&management, &keys[0], buf);
	assert_true(auth_check(auth, T0, HEARTBEAT_MANAGEMENT, MAC, buf, len, &out, &reject));
	auth_free(auth);
}

static void a_peer_may_send_four_messages_an_interval(void **state)
{
	struct auth *auth = create(keys, 1);
	unsigned int believed = 0;

	(void)state;
	/* 16 an interval for 100 intervals: four of them each, and the burst once */
	for (uint64_t seq = 1; seq <= 1600; seq++) {
		struct heartbeat message = beat(seq);

		if (offer(auth, T0 + seq * I_NS / 16, &message, &keys[0]) == AUTH_REJECT_COUNT)
			believed++;
	}
	assert_in_range(believed, 400, 400 + 70);
	auth_free(auth);
}

static void the_interval_is_the_senders(void **state)
{
	struct auth *auth = create(keys, 1);

	(void)state;
	for (uint64_t seq = 1; seq <= 2000; seq++) {
		struct heartbeat message = beat(seq);

		message.interval_us = 1000;
		assert_int_equal(offer(auth, T0 + seq * UINT64_C(1000000), &message, &keys[0]),
				 AUTH_REJECT_COUNT);
	}
	auth_free(auth);
}

static void a_node_with_many_rows_is_still_heard(void **state)
{
	struct auth *auth = create(keys, 1);
	uint64_t seq = 0, now = T0;

	(void)state;
	for (int round = 0; round < 3; round++) {
		struct heartbeat message = beat(++seq);

		assert_int_equal(offer(auth, now, &message, &keys[0]), AUTH_REJECT_COUNT);
		for (uint16_t page = 0; page < 500; page++) {
			message = beat(++seq);
			message.kind = HEARTBEAT_ROWS;
			message.page = page;
			message.pages = 500;
			assert_int_equal(offer(auth, now, &message, &keys[0]), AUTH_REJECT_COUNT);
		}
		now += I_NS;
	}
	/* Rows have an end, too, and it is not the end of beats. */
	for (int i = 0; i < 3000; i++) {
		struct heartbeat message = beat(++seq);

		message.kind = HEARTBEAT_ROWS;
		message.pages = 1;
		if (offer(auth, now, &message, &keys[0]) == AUTH_REJECT_RATE)
			break;
		assert_int_not_equal(i, 2999);
	}
	{
		struct heartbeat message = beat(++seq);

		assert_int_equal(offer(auth, now, &message, &keys[0]), AUTH_REJECT_COUNT);
	}
	auth_free(auth);
}

static void replays_of_a_former_boot_make_nobody_a_stranger(void **state)
{
	struct auth *auth = create(keys, 1);

	(void)state;
	for (uint64_t seq = 1; seq <= 200; seq++) {
		struct heartbeat message = beat(seq), former = beat(seq), junk = beat(1);

		former.boot_id = 99;
		junk.node = PEER + 1;
		offer_from(auth, T0 + seq * I_NS, MAC + 1, &former, &keys[0]);
		for (int i = 0; i < 50; i++) /* uses up what strangers have */
			offer_from(auth, T0 + seq * I_NS, MAC + 1, &junk, &keys[1]);
		if (seq == 1)
			continue; /* itself a stranger once */
		assert_int_equal(offer(auth, T0 + seq * I_NS + I_NS / 2, &message, &keys[0]),
				 AUTH_REJECT_COUNT);
	}
	auth_free(auth);
}

static void strangers_share_a_hundred_messages_a_second(void **state)
{
	struct auth *auth = create(keys, 1);
	struct auth_counters counters;

	(void)state;
	for (uint32_t i = 1; i <= 10000; i++) {
		struct heartbeat message = beat(1);

		message.node = i;
		assert_int_not_equal(offer(auth, T0 + i * UINT64_C(1000000), &message, &keys[1]),
				     AUTH_REJECT_COUNT);
	}
	auth_counters(auth, &counters);
	assert_in_range(counters.rejected[AUTH_REJECT_SIGNATURE], 1000, 1030);
	assert_int_equal(counters.rejected[AUTH_REJECT_SIGNATURE] +
				 counters.rejected[AUTH_REJECT_RATE],
			 10000);
	auth_free(auth);
}

static void a_forger_elsewhere_cannot_use_up_the_rate_of_a_peer(void **state)
{
	struct auth *auth = create(keys, 1);

	(void)state;
	for (uint64_t seq = 1; seq <= 100; seq++) {
		struct heartbeat message = beat(seq), forged = beat(seq + 1000);

		assert_int_equal(offer(auth, T0 + seq * I_NS, &message, &keys[0]),
				 AUTH_REJECT_COUNT);
		for (int i = 0; i < 50; i++)
			assert_int_not_equal(
				offer_from(auth, T0 + seq * I_NS, MAC + 1, &forged, &keys[1]),
				AUTH_REJECT_COUNT);
	}
	assert_int_equal(auth_node_at(auth, HEARTBEAT_FRONT, MAC), PEER);
	assert_int_equal(auth_node_at(auth, HEARTBEAT_FRONT, MAC + 1), 0);
	auth_free(auth);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signed_message_is_believed_once),
		cmocka_unit_test(each_check_comes_before_the_next),
		cmocka_unit_test(no_changed_bit_is_believed),
		cmocka_unit_test(both_keys_are_good_during_a_rotation),
		cmocka_unit_test(replays_of_a_former_boot_do_not_move_the_window_of_this_one),
		cmocka_unit_test(the_two_paths_have_windows_of_their_own),
		cmocka_unit_test(a_peer_may_send_four_messages_an_interval),
		cmocka_unit_test(the_interval_is_the_senders),
		cmocka_unit_test(a_node_with_many_rows_is_still_heard),
		cmocka_unit_test(replays_of_a_former_boot_make_nobody_a_stranger),
		cmocka_unit_test(strangers_share_a_hundred_messages_a_second),
		cmocka_unit_test(a_forger_elsewhere_cannot_use_up_the_rate_of_a_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
