/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which messages of peers are believed. The checks are ordered so that what a flood can send costs
 * no HMAC where that can be helped (design §8): length, group, rate, seq, HMAC, content.
 */
#ifndef CONTROL_AUTH_H
#define CONTROL_AUTH_H

#include <stddef.h>
#include <stdint.h>

#include "packet/heartbeat.h"

#include "config.h"

/* X(NAME, "text in stats and metrics") in the order of the checks */
#define AUTH_REJECTS(X)                                                                            \
	X(LENGTH, "length")	       /* too short, or not as long as stated */                   \
	X(GROUP, "group")	       /* of another group */                                      \
	X(SELF, "self")		       /* our own message, come back */                            \
	X(RATE, "rate")		       /* more than a peer sends, or too many strangers */         \
	X(SEQ, "seq")		       /* not above the last one: a replay or a duplicate */       \
	X(SIGNATURE, "signature")      /* no key of ours made it */                                \
	X(CONTENT, "content")	       /* authentic, but out of range */                           \
	X(DUPLICATE, "duplicate_name") /* authentic, from another machine with our name */

enum auth_reject {
#define X(NAME, text) AUTH_REJECT_##NAME,
	AUTH_REJECTS(X)
#undef X
		AUTH_REJECT_COUNT,
};
const char *auth_reject_name(enum auth_reject reject);

struct auth_config {
	uint32_t group, node;
	uint64_t boot_id;
	const struct config_key *keys;
	size_t key_count;
};

struct auth;

struct auth *auth_create(const struct auth_config *config); /* NULL and errno */
void auth_free(struct auth *auth);

/* New keys, live. Returns 0 or −errno, then the former ones stay. */
int auth_keys_set(struct auth *auth, const struct config_key *keys, size_t count);

/* A number that says which key a key is, without saying what it is. */
uint8_t auth_key_id(const struct config_key *key);

/*
 * Checks one received payload (trailing padding allowed) and decodes it into message. source names
 * where it came from (a MAC address): a message of a known boot from elsewhere is a stranger's
 * until it is authenticated, so that neither a forger nor replays of a former boot can use up a
 * peer's rate. Beats and rows have rates of their own. Returns true when it is to be believed,
 * else *reject says why not; every rejection is counted.
 */
bool auth_check(struct auth *auth, uint64_t now_ns, enum heartbeat_path path, uint64_t source,
		const uint8_t *payload, size_t len, struct heartbeat *message,
		enum auth_reject *reject);

/*
 * Signs a message of len bytes, its last HEARTBEAT_TAG_LEN ones, with the first key. Returns 0 or
 * -ENOMEM.
 */
int auth_sign(struct auth *auth, uint8_t *message, size_t len);

/* The node whose authenticated messages come from a source, or 0. */
uint32_t auth_node_at(const struct auth *auth, enum heartbeat_path path, uint64_t source);

struct auth_counters {
	uint64_t accepted;		 /* on all paths */
	uint64_t heard[HEARTBEAT_PATHS]; /* of these, on each */
	uint64_t rejected[AUTH_REJECT_COUNT];
};
void auth_counters(const struct auth *auth, struct auth_counters *counters);

#endif
