/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bytes of a heartbeat. Everything is big-endian:
 *
 *	 0 version 8, kind 8, length 16 (of the message, tag included)
 *	 4 group 32
 *	 8 node 32
 *	12 boot id 64
 *	20 seq 64
 *	28 path 8, node state 8, multiplier 8, key id 8
 *	32 interval in µs 32
 *	36 lapsed 16, header length 8, item length 8
 *	40 rows version 32
 *	44 item count 16, page 16, pages 16, zero 16
 *	52 items, then what later versions append, then the tag
 *
 *	a beat's item:	node 32, boot low 32, seq low 32, rows version 32, flags 8 (1 = hears)
 *	a rows item:	address 128, epoch 64, node 32, kind 8
 *
 * Later versions lengthen the header or the items; receivers step by the stated lengths.
 */
#include "packet/heartbeat.h"

#include <errno.h>
#include <string.h>

#define HEADER_LEN 52
#define PEER_LEN   17
#define ROW_LEN	   29

#define OFFSET_LENGTH 2
#define OFFSET_SEQ    20
#define OFFSET_LAPSED 36

#define PEER_HEARS 0x01

#define INTERVAL_MIN_US 1000
#define INTERVAL_MAX_US 1000000
#define MULTIPLIER_MIN	2
#define MULTIPLIER_MAX	10

_Static_assert(HEARTBEAT_SMALL_LEN <= HEARTBEAT_MAX_LEN, "what fits small links fits all");
_Static_assert(HEADER_LEN + HEARTBEAT_MAX_PEERS * PEER_LEN + HEARTBEAT_TAG_LEN <=
		       HEARTBEAT_SMALL_LEN,
	       "a beat fits");
_Static_assert(HEADER_LEN + HEARTBEAT_PAGE_ROWS * ROW_LEN + HEARTBEAT_TAG_LEN <=
		       HEARTBEAT_SMALL_LEN,
	       "a page of rows fits");

static uint8_t *put(uint8_t *at, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
	return at + bytes;
}

static uint64_t get(const uint8_t *at, unsigned int bytes)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

static uint8_t *put_peer(uint8_t *at, const struct heartbeat_peer *peer)
{
	at = put(at, peer->node, 4);
	at = put(at, peer->boot_low, 4);
	at = put(at, peer->seq_low, 4);
	at = put(at, peer->rows_version, 4);
	return put(at, peer->hears ? PEER_HEARS : 0, 1);
}

static uint8_t *put_row(uint8_t *at, const struct heartbeat_row *row)
{
	memcpy(at, row->vip.b, sizeof(row->vip.b));
	at = put(at + sizeof(row->vip.b), row->epoch, 8);
	at = put(at, row->node, 4);
	return put(at, row->kind, 1);
}

size_t heartbeat_encode(const struct heartbeat *message, uint8_t *buf)
{
	const bool rows = message->kind == HEARTBEAT_ROWS;
	const size_t limit = rows ? HEARTBEAT_PAGE_ROWS : HEARTBEAT_MAX_PEERS;
	size_t count = rows ? message->row_count : message->peer_count;
	uint8_t *at = buf;
	size_t len;

	if (count > limit)
		count = limit;
	len = HEADER_LEN + count * (rows ? ROW_LEN : PEER_LEN) + HEARTBEAT_TAG_LEN;
	at = put(at, message->version, 1);
	at = put(at, message->kind, 1);
	at = put(at, len, 2);
	at = put(at, message->group, 4);
	at = put(at, message->node, 4);
	at = put(at, message->boot_id, 8);
	at = put(at, message->seq, 8);
	at = put(at, message->path, 1);
	at = put(at, message->state, 1);
	at = put(at, message->multiplier, 1);
	at = put(at, message->key_id, 1);
	at = put(at, message->interval_us, 4);
	at = put(at, message->lapsed_ms, 2);
	at = put(at, HEADER_LEN, 1);
	at = put(at, rows ? ROW_LEN : PEER_LEN, 1);
	at = put(at, message->rows_version, 4);
	at = put(at, count, 2);
	at = put(at, rows ? message->page : 0, 2);
	at = put(at, rows ? message->pages : 0, 2);
	at = put(at, 0, 2);
	for (size_t i = 0; i < count; i++)
		at = rows ? put_row(at, &message->rows[i]) : put_peer(at, &message->peers[i]);
	memset(at, 0, HEARTBEAT_TAG_LEN);
	return len;
}

void heartbeat_stamp(uint8_t *buf, size_t len, uint64_t seq, uint16_t lapsed_ms)
{
	if (len < HEADER_LEN + HEARTBEAT_TAG_LEN)
		return;
	put(buf + OFFSET_SEQ, seq, 8);
	put(buf + OFFSET_LAPSED, lapsed_ms, 2);
}

int heartbeat_length(const uint8_t *buf, size_t len)
{
	size_t stated;

	if (len < HEADER_LEN + HEARTBEAT_TAG_LEN)
		return -EBADMSG;
	stated = get(buf + OFFSET_LENGTH, 2);
	if (stated < HEADER_LEN + HEARTBEAT_TAG_LEN || stated > len || stated > HEARTBEAT_MAX_LEN)
		return -EBADMSG;
	return (int)stated;
}

void heartbeat_peek(const uint8_t *buf, struct heartbeat_id *id)
{
	id->group = (uint32_t)get(buf + 4, 4);
	id->node = (uint32_t)get(buf + 8, 4);
	id->boot_id = get(buf + 12, 8);
	id->seq = get(buf + OFFSET_SEQ, 8);
}

bool heartbeat_is_rows(const uint8_t *buf)
{
	return buf[1] == HEARTBEAT_ROWS;
}

static int decode_peers(const uint8_t *items, size_t item_len, size_t count,
			struct heartbeat *message)
{
	if (count > HEARTBEAT_MAX_PEERS)
		return -EBADMSG;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *at = items + i * item_len;

		message->peers[i] = (struct heartbeat_peer){
			.node = (uint32_t)get(at, 4),
			.boot_low = (uint32_t)get(at + 4, 4),
			.seq_low = (uint32_t)get(at + 8, 4),
			.rows_version = (uint32_t)get(at + 12, 4),
			.hears = at[16] & PEER_HEARS,
		};
	}
	message->peer_count = (uint8_t)count;
	return 0;
}

static int decode_rows(const uint8_t *items, size_t item_len, size_t count,
		       struct heartbeat *message)
{
	if (count > HEARTBEAT_PAGE_ROWS ||
	    (message->page >= message->pages && (message->page != 0 || message->pages != 0)))
		return -EBADMSG;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *at = items + i * item_len;
		struct heartbeat_row *row = &message->rows[message->row_count];

		memcpy(row->vip.b, at, sizeof(row->vip.b));
		row->epoch = get(at + 16, 8);
		row->node = (uint32_t)get(at + 24, 4);
		row->kind = at[28];
		if (row->kind > HEARTBEAT_ROW_WITHDRAWN)
			continue; /* a later version's */
		if (row->epoch >= HEARTBEAT_EPOCH_LIMIT || ip_is_none(&row->vip))
			return -EBADMSG;
		message->row_count++;
	}
	return 0;
}

static bool header_valid(const struct heartbeat *message)
{
	return message->version >= 1 && message->path < HEARTBEAT_PATHS &&
	       message->state <= NODE_LEAVING && message->node != 0 && message->boot_id != 0 &&
	       message->interval_us >= INTERVAL_MIN_US && message->interval_us <= INTERVAL_MAX_US &&
	       message->multiplier >= MULTIPLIER_MIN && message->multiplier <= MULTIPLIER_MAX;
}

int heartbeat_decode(const uint8_t *buf, size_t len, struct heartbeat *message)
{
	size_t header_len, item_len, count, need;

	memset(message, 0, sizeof(*message));
	if (heartbeat_length(buf, len) != (int)len)
		return -EBADMSG;
	message->version = buf[0];
	message->kind = buf[1];
	message->group = (uint32_t)get(buf + 4, 4);
	message->node = (uint32_t)get(buf + 8, 4);
	message->boot_id = get(buf + 12, 8);
	message->seq = get(buf + OFFSET_SEQ, 8);
	message->path = buf[28];
	message->state = buf[29];
	message->multiplier = buf[30];
	message->key_id = buf[31];
	message->interval_us = (uint32_t)get(buf + 32, 4);
	message->lapsed_ms = (uint16_t)get(buf + OFFSET_LAPSED, 2);
	header_len = buf[38];
	item_len = buf[39];
	message->rows_version = (uint32_t)get(buf + 40, 4);
	count = get(buf + 44, 2);
	message->page = (uint16_t)get(buf + 46, 2);
	message->pages = (uint16_t)get(buf + 48, 2);
	need = message->kind == HEARTBEAT_ROWS ? ROW_LEN : PEER_LEN;
	if (!header_valid(message) || header_len < HEADER_LEN || item_len < need ||
	    header_len + count * item_len + HEARTBEAT_TAG_LEN > len)
		return -EBADMSG;
	switch (message->kind) {
	case HEARTBEAT_BEAT:
		message->page = message->pages = 0;
		return decode_peers(buf + header_len, item_len, count, message);
	case HEARTBEAT_ROWS:
		return decode_rows(buf + header_len, item_len, count, message);
	default:
		return -EBADMSG;
	}
}

const struct heartbeat_peer *heartbeat_find_peer(const struct heartbeat *message, uint32_t node,
						 uint32_t boot_low)
{
	for (size_t i = 0; i < message->peer_count; i++)
		if (message->peers[i].node == node && message->peers[i].boot_low == boot_low)
			return &message->peers[i];
	return NULL;
}
