/* SPDX-License-Identifier: BSD-3-Clause */
/* The wire format between peers: beats that say "alive, and I hear these", rows that say who holds
 * what. */
#ifndef PACKET_HEARTBEAT_H
#define PACKET_HEARTBEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/ip.h"

#define HEARTBEAT_ETHERTYPE   0x88B5 /* IEEE 802 local experimental */
#define HEARTBEAT_VERSION     1
#define HEARTBEAT_MAX_PEERS   64
#define HEARTBEAT_TAG_LEN     16   /* HMAC-SHA256 cut to 128 bits, the last bytes of a message */
#define HEARTBEAT_MAX_LEN     1472 /* of a message: fits UDP over IPv4 at MTU 1500, and a frame */
#define HEARTBEAT_LAPSED_EVER 65535
#define HEARTBEAT_EPOCH_LIMIT (UINT64_C(1) << 47) /* a row with this or more is malformed */

/* Destination of the front path: a local group address, forwarded by bridges, left by snooping. */
#define HEARTBEAT_MAC                                                                              \
	{                                                                                          \
		{                                                                                  \
			0x03, 0x00, 0x00, 0x00, 0x88, 0xb5                                         \
		}                                                                                  \
	}

enum heartbeat_kind {
	HEARTBEAT_BEAT = 1,
	HEARTBEAT_ROWS = 2,
};

enum heartbeat_path {
	HEARTBEAT_FRONT = 0,
	HEARTBEAT_MANAGEMENT = 1,
	HEARTBEAT_PATHS,
};

enum node_state {
	NODE_JOINING = 0,
	NODE_STANDBY = 1,
	NODE_ACTIVE = 2,
	NODE_DRAINING = 3,
	NODE_LEAVING = 4,
};

/* What a beat says of one other node from which an authentic beat came in the last second. */
struct heartbeat_peer {
	uint32_t node;
	uint32_t boot_low;     /* low 32 bits of its boot id */
	uint32_t seq_low;      /* low 32 bits of its last accepted seq */
	uint32_t rows_version; /* of its rows, the version that the sender holds */
	bool hears;	       /* live to the sender, and not fenced */
};

enum heartbeat_row_kind {
	HEARTBEAT_ROW_CLAIM = 0,     /* own: node = the node it is offered to, or 0 */
	HEARTBEAT_ROW_UNHEALTHY = 1, /* own: epoch and node are 0 */
	HEARTBEAT_ROW_RELAYED = 2,   /* another node's best claim: node = its owner */
	HEARTBEAT_ROW_WITHDRAWN = 3, /* epoch, owner 0 */
};

struct heartbeat_row {
	struct ip vip;
	uint64_t epoch;
	uint32_t node;
	uint8_t kind; /* enum heartbeat_row_kind */
};

/*
 * Rows of one message; a page carries at most this many. With them it fits UDP over IPv6 at MTU
 * 1280, the smallest that an interface may have.
 */
#define HEARTBEAT_PAGE_ROWS 40
#define HEARTBEAT_SMALL_LEN (1280 - 40 - 8)

struct heartbeat {
	uint8_t version; /* of the sender */
	uint8_t kind;	 /* enum heartbeat_kind */
	uint8_t path;	 /* enum heartbeat_path */
	uint8_t state;	 /* enum node_state */
	uint32_t group;	 /* first 32 bits of SHA-256(group name) */
	uint32_t node;	 /* first 32 bits of SHA-256(node name) */
	uint64_t boot_id;
	uint64_t seq;
	uint32_t interval_us;
	uint8_t multiplier;
	uint8_t key_id;	    /* newest key that the sender holds */
	uint16_t lapsed_ms; /* since its lease ran out: 0 valid, HEARTBEAT_LAPSED_EVER for ever */
	uint32_t rows_version; /* of the sender's own rows */
	/* beat */
	uint8_t peer_count;
	struct heartbeat_peer peers[HEARTBEAT_MAX_PEERS];
	/* rows */
	/*
	 * Page k of n, from 0. pages 0 (and page 0): relayed rows only, no part of the version that
	 * rows_version names.
	 */
	uint16_t page, pages;
	uint16_t row_count;
	struct heartbeat_row rows[HEARTBEAT_PAGE_ROWS];
};

/*
 * Writes a message into buf of HEARTBEAT_MAX_LEN bytes: an Ethernet payload or UDP datagram whose
 * tag is still zero. Returns its length, tag included. seq and lapsed may be stamped later.
 */
size_t heartbeat_encode(const struct heartbeat *message, uint8_t *buf);

/* Fills in what must be fresh when an encoded message leaves; the caller signs it afterwards. */
void heartbeat_stamp(uint8_t *buf, size_t len, uint64_t seq, uint16_t lapsed_ms);

/*
 * The cheap checks that need no key, on the payload (an Ethernet payload may have trailing
 * padding): length ≥ the fixed part and = the stated one. Returns the message's length or -EBADMSG.
 */
int heartbeat_length(const uint8_t *buf, size_t len);

/* group, node, boot id and seq of a message that heartbeat_length() accepted. */
struct heartbeat_id {
	uint32_t group;
	uint32_t node;
	uint64_t boot_id;
	uint64_t seq;
};
void heartbeat_peek(const uint8_t *buf, struct heartbeat_id *id);

/* Whether such a message says that it is rows: they come in bursts that beats never make. */
bool heartbeat_is_rows(const uint8_t *buf);

/*
 * Decodes an authenticated message of exactly len bytes. Returns 0, or -EBADMSG when the content is
 * out of range (unknown kind of this version, epoch too large, page ≥ pages, counts beyond the
 * length). Bytes and row kinds that a later version appended are skipped.
 */
int heartbeat_decode(const uint8_t *buf, size_t len, struct heartbeat *message);

/*
 * What a beat says of one boot of a node, or NULL. A sender may list two boots of a node: the one
 * that it accepted and one that is only present; so both ids select the entry.
 */
const struct heartbeat_peer *heartbeat_find_peer(const struct heartbeat *message, uint32_t node,
						 uint32_t boot_low);

#endif
