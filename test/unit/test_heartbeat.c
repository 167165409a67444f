/* SPDX-License-Identifier: BSD-3-Clause */
/* The heartbeat codec: what goes in comes out, and nothing else gets in. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "packet/heartbeat.h"

#define HEADER_LEN 52

static struct heartbeat some_header(enum heartbeat_kind kind)
{
	return (struct heartbeat){
		.version = HEARTBEAT_VERSION,
		.kind = (uint8_t)kind,
		.path = HEARTBEAT_MANAGEMENT,
		.state = NODE_ACTIVE,
		.group = 0x01020304,
		.node = 0xa1b2c3d4,
		.boot_id = 0x1122334455667788,
		.seq = 0x99aabbccddeeff00,
		.interval_us = 20000,
		.multiplier = 3,
		.key_id = 7,
		.lapsed_ms = 513,
		.rows_version = 0xdeadbeef,
	};
}

static struct heartbeat full_beat(void)
{
	struct heartbeat beat = some_header(HEARTBEAT_BEAT);

	beat.peer_count = HEARTBEAT_MAX_PEERS;
	for (uint32_t i = 0; i < HEARTBEAT_MAX_PEERS; i++)
		beat.peers[i] = (struct heartbeat_peer){.node = i + 1,
							.boot_low = i << 8,
							.seq_low = ~i,
							.rows_version = i * 3,
							.hears = i % 2};
	return beat;
}

static struct heartbeat full_rows(void)
{
	struct heartbeat rows = some_header(HEARTBEAT_ROWS);

	rows.page = 2;
	rows.pages = 5;
	rows.row_count = HEARTBEAT_PAGE_ROWS;
	for (uint32_t i = 0; i < HEARTBEAT_PAGE_ROWS; i++) {
		rows.rows[i].vip = ip_from_v4(i + 1);
		rows.rows[i].epoch = HEARTBEAT_EPOCH_LIMIT - 1 - i;
		rows.rows[i].node = i;
		rows.rows[i].kind = i % 4;
	}
	return rows;
}

static void assert_same(const struct heartbeat *a, const struct heartbeat *b)
{
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->path, b->path);
	assert_int_equal(a->state, b->state);
	assert_int_equal(a->group, b->group);
	assert_int_equal(a->node, b->node);
	assert_true(a->boot_id == b->boot_id);
	assert_true(a->seq == b->seq);
	assert_int_equal(a->interval_us, b->interval_us);
	assert_int_equal(a->multiplier, b->multiplier);
	assert_int_equal(a->key_id, b->key_id);
	assert_int_equal(a->lapsed_ms, b->lapsed_ms);
	assert_int_equal(a->rows_version, b->rows_version);
	assert_int_equal(a->peer_count, b->peer_count);
	for (size_t i = 0; i < a->peer_count; i++) {
		assert_int_equal(a->peers[i].node, b->peers[i].node);
		assert_int_equal(a->peers[i].boot_low, b->peers[i].boot_low);
		assert_int_equal(a->peers[i].seq_low, b->peers[i].seq_low);
		assert_int_equal(a->peers[i].rows_version, b->peers[i].rows_version);
		assert_int_equal(a->peers[i].hears, b->peers[i].hears);
	}
	assert_int_equal(a->page, b->page);
	assert_int_equal(a->pages, b->pages);
	assert_int_equal(a->row_count, b->row_count);
	for (size_t i = 0; i < a->row_count; i++) {
		assert_true(ip_equal(&a->rows[i].vip, &b->rows[i].vip));
		assert_true(a->rows[i].epoch == b->rows[i].epoch);
		assert_int_equal(a->rows[i].node, b->rows[i].node);
		assert_int_equal(a->rows[i].kind, b->rows[i].kind);
	}
}

static void what_is_encoded_is_decoded(void **state)
{
	const struct heartbeat messages[] = {
		full_beat(),
		full_rows(),
		some_header(HEARTBEAT_BEAT),
	};
	uint8_t buf[HEARTBEAT_MAX_LEN];
	struct heartbeat decoded;

	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		const size_t len = heartbeat_encode(&messages[i], buf);

		assert_int_equal(heartbeat_length(buf, len), len);
		assert_int_equal(heartbeat_decode(buf, len, &decoded), 0);
		assert_same(&messages[i], &decoded);
	}
}

static void the_first_bytes_are_as_documented(void **state)
{
	static const uint8_t expected[HEADER_LEN] = {
		1,    1,    0,	  68,	0x01, 0x02, 0x03, 0x04, 0xa1, 0xb2, 0xc3, 0xd4, 0x11,
		0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
		0xff, 0x00, 1,	  2,	3,    7,    0,	  0,	0x4e, 0x20, 0x02, 0x01, 52,
		17,   0xde, 0xad, 0xbe, 0xef, 0,    0,	  0,	0,    0,    0,	  0,	0,
	};
	const struct heartbeat beat = some_header(HEARTBEAT_BEAT);
	uint8_t buf[HEARTBEAT_MAX_LEN];

	(void)state;
	assert_int_equal(heartbeat_encode(&beat, buf), HEADER_LEN + HEARTBEAT_TAG_LEN);
	assert_memory_equal(buf, expected, sizeof(expected));
}

static void stamping_changes_seq_and_lapsed_alone(void **state)
{
	struct heartbeat beat = full_beat(), decoded;
	uint8_t buf[HEARTBEAT_MAX_LEN];
	const size_t len = heartbeat_encode(&beat, buf);
	struct heartbeat_id id;

	(void)state;
	heartbeat_stamp(buf, len, 42, HEARTBEAT_LAPSED_EVER);
	beat.seq = 42;
	beat.lapsed_ms = HEARTBEAT_LAPSED_EVER;
	assert_int_equal(heartbeat_decode(buf, len, &decoded), 0);
	assert_same(&beat, &decoded);
	heartbeat_peek(buf, &id);
	assert_int_equal(id.group, beat.group);
	assert_int_equal(id.node, beat.node);
	assert_true(id.boot_id == beat.boot_id);
	assert_true(id.seq == 42);
}

static void every_truncation_is_refused(void **state)
{
	const struct heartbeat messages[] = {full_beat(), full_rows()};
	uint8_t buf[HEARTBEAT_MAX_LEN];
	struct heartbeat decoded;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const size_t len = heartbeat_encode(&messages[i], buf);

		for (size_t cut = 0; cut < len; cut++) {
			/* in memory of its own, so that a sanitizer sees any byte too many */
			uint8_t *copy = malloc(cut + 1);

			memcpy(copy, buf, cut);
			assert_int_equal(heartbeat_length(copy, cut), -EBADMSG);
			assert_int_equal(heartbeat_decode(copy, cut, &decoded), -EBADMSG);
			free(copy);
		}
	}
}

static void padding_is_cut_off_by_the_stated_length(void **state)
{
	const struct heartbeat beat = some_header(HEARTBEAT_BEAT);
	uint8_t buf[HEARTBEAT_MAX_LEN + 100] = {0};
	const size_t len = heartbeat_encode(&beat, buf);

	(void)state;
	assert_int_equal(heartbeat_length(buf, len + 20), len);
}

/* A later version: four more header bytes, three more a row, eight more before the tag. */
static void what_later_versions_append_is_skipped(void **state)
{
	const struct heartbeat rows = full_rows();
	uint8_t buf[HEARTBEAT_MAX_LEN], later[HEARTBEAT_MAX_LEN] = {0};
	struct heartbeat few = rows, decoded;
	uint8_t *at = later + HEADER_LEN + 4;
	size_t len;

	(void)state;
	few.row_count = 3;
	few.version = 9;
	heartbeat_encode(&few, buf);
	memcpy(later, buf, HEADER_LEN);
	memset(later + HEADER_LEN, 0xee, 4);
	for (size_t i = 0; i < 3; i++) {
		memcpy(at, buf + HEADER_LEN + i * 29, 29);
		memset(at + 29, 0xee, 3);
		at += 32;
	}
	len = (size_t)(at - later) + 8 + HEARTBEAT_TAG_LEN;
	later[2] = (uint8_t)(len >> 8);
	later[3] = (uint8_t)len;
	later[38] = HEADER_LEN + 4;
	later[39] = 32;
	assert_int_equal(heartbeat_decode(later, len, &decoded), 0);
	assert_same(&few, &decoded);
}

static void a_row_kind_of_a_later_version_is_skipped(void **state)
{
	struct heartbeat rows = full_rows(), decoded;
	uint8_t buf[HEARTBEAT_MAX_LEN];
	size_t len;

	(void)state;
	rows.rows[1].kind = 200;
	len = heartbeat_encode(&rows, buf);
	assert_int_equal(heartbeat_decode(buf, len, &decoded), 0);
	assert_int_equal(decoded.row_count, HEARTBEAT_PAGE_ROWS - 1);
	assert_true(ip_equal(&decoded.rows[1].vip, &rows.rows[2].vip));
}

static void content_out_of_range_is_refused(void **state)
{
	static const struct {
		const char *what;
		size_t offset;
		uint8_t value;
		bool rows;
	} cases[] = {
		{"version 0", 0, 0, false},
		{"unknown kind", 1, 3, false},
		{"unknown path", 28, 2, false},
		{"unknown node state", 29, 5, false},
		{"multiplier too small", 30, 1, false},
		{"multiplier too large", 30, 11, false},
		{"interval too long", 32, 1, false},
		{"interval too short", 34, 0, false},
		{"header shorter than ours", 38, 51, false},
		{"items shorter than ours", 39, 16, false},
		{"items longer than the message", 39, 18, false},
		{"more items than the message has", 45, 65, false},
		{"page not below pages", 47, 5, true},
		{"a page of no pages", 49, 0, true},
		{"more rows than a page has", 44, 1, true},
		{"epoch of 2^47", HEADER_LEN + 18, 0x80, true},
	};
	struct heartbeat decoded;
	uint8_t buf[HEARTBEAT_MAX_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct heartbeat message = cases[i].rows ? full_rows() : full_beat();
		const size_t len = heartbeat_encode(&message, buf);

		assert_int_equal(heartbeat_decode(buf, len, &decoded), 0);
		buf[cases[i].offset] = cases[i].value;
		if (heartbeat_decode(buf, len, &decoded) != -EBADMSG)
			fail_msg("%s was accepted", cases[i].what);
	}
}

static void relayed_rows_alone_are_no_page(void **state)
{
	struct heartbeat rows = full_rows(), decoded;
	uint8_t buf[HEARTBEAT_MAX_LEN];
	size_t len;

	(void)state;
	rows.page = rows.pages = 0;
	len = heartbeat_encode(&rows, buf);
	assert_int_equal(heartbeat_decode(buf, len, &decoded), 0);
	assert_same(&rows, &decoded);
}

static void an_entry_is_found_by_node_and_boot(void **state)
{
	struct heartbeat beat = full_beat();

	(void)state;
	beat.peers[3].node = beat.peers[2].node;
	assert_ptr_equal(heartbeat_find_peer(&beat, 3, 3 << 8), &beat.peers[3]);
	assert_ptr_equal(heartbeat_find_peer(&beat, 3, 2 << 8), &beat.peers[2]);
	assert_null(heartbeat_find_peer(&beat, 3, 4 << 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(the_first_bytes_are_as_documented),
		cmocka_unit_test(stamping_changes_seq_and_lapsed_alone),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(padding_is_cut_off_by_the_stated_length),
		cmocka_unit_test(what_later_versions_append_is_skipped),
		cmocka_unit_test(a_row_kind_of_a_later_version_is_skipped),
		cmocka_unit_test(content_out_of_range_is_refused),
		cmocka_unit_test(relayed_rows_alone_are_no_page),
		cmocka_unit_test(an_entry_is_found_by_node_and_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
