/* SPDX-License-Identifier: BSD-3-Clause */
/* Authentication of heartbeats: rate limits, replay windows, keys and constant-time HMAC checks. */
#include "auth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#define SECOND_NS UINT64_C(1000000000)

#define NODES_MAX	(2 * HEARTBEAT_MAX_PEERS)
#define BOOTS_MAX	4   /* replay windows kept of one node */
#define STRANGER_RATE	100 /* messages a second of all nodes that are not known */
#define PEER_PER_I	4   /* beats of a known node per interval of its own */
#define PEER_BURST	64
#define ROWS_RATE	4000 /* pages of rows a second of a known node */
#define ROWS_BURST	2048 /* all of one version come at once, and again until we have them */
#define KEYS_MAX	2
#define SHA256_TAG_FULL 32

/* Tokens are nanoseconds, so that refilling is an addition. */
struct bucket {
	uint64_t filled_ns; /* when tokens was right */
	uint64_t tokens_ns;
};

/* What replays of a former boot say must not touch what is known of this one: all is by boot. */
struct boot {
	uint64_t id;
	uint64_t used_ns; /* last authentic message; 0 the slot is free */
	uint64_t seq[HEARTBEAT_PATHS];
	uint64_t source[HEARTBEAT_PATHS];
	uint64_t interval_ns; /* as it states */
	/* Pages would use up the beats' budget, and a node whose beats are rejected looks dead. */
	struct bucket beats, rows;
};

struct node {
	uint32_t id; /* 0 the slot is free */
	uint64_t used_ns;
	struct boot boots[BOOTS_MAX];
};

struct auth {
	struct auth_config config;
	EVP_MAC_CTX *keys[KEYS_MAX];
	size_t key_count;
	struct bucket strangers;
	struct node nodes[NODES_MAX];
	struct auth_counters counters;
};

static const char *const reject_names[] = {
#define X(NAME, text) [AUTH_REJECT_##NAME] = text,
	AUTH_REJECTS(X)
#undef X
};

const char *auth_reject_name(enum auth_reject reject)
{
	return reject_names[reject];
}

static EVP_MAC_CTX *key_create(const struct config_key *key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;

	EVP_MAC_free(mac); /* the context holds its own reference */
	if (ctx != NULL && EVP_MAC_init(ctx, key->bytes, sizeof(key->bytes), params) != 1) {
		EVP_MAC_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

int auth_keys_set(struct auth *auth, const struct config_key *keys, size_t count)
{
	EVP_MAC_CTX *fresh[KEYS_MAX] = {NULL};

	if (count == 0 || count > KEYS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < count; i++) {
		fresh[i] = key_create(&keys[i]);
		if (fresh[i] == NULL) {
			EVP_MAC_CTX_free(fresh[0]);
			return -ENOMEM;
		}
	}
	for (size_t i = 0; i < KEYS_MAX; i++) {
		EVP_MAC_CTX_free(auth->keys[i]);
		auth->keys[i] = fresh[i];
	}
	auth->key_count = count;
	return 0;
}

uint8_t auth_key_id(const struct config_key *key)
{
	static const char label[] = "vipgate key id";
	uint8_t text[sizeof(label) + sizeof(key->bytes)];
	uint8_t digest[SHA256_DIGEST_LENGTH];

	memcpy(text, label, sizeof(label));
	memcpy(&text[sizeof(label)], key->bytes, sizeof(key->bytes));
	SHA256(text, sizeof(text), digest);
	OPENSSL_cleanse(text, sizeof(text));
	return digest[0];
}

struct auth *auth_create(const struct auth_config *config)
{
	struct auth *auth = calloc(1, sizeof(*auth));
	int ret;

	if (auth == NULL)
		return NULL;
	auth->config = *config;
	auth->config.keys = NULL; /* the caller's; contexts hold what is needed */
	ret = auth_keys_set(auth, config->keys, config->key_count);
	if (ret < 0) {
		free(auth);
		errno = -ret;
		return NULL;
	}
	return auth;
}

void auth_free(struct auth *auth)
{
	if (auth == NULL)
		return;
	for (size_t i = 0; i < KEYS_MAX; i++)
		EVP_MAC_CTX_free(auth->keys[i]);
	free(auth);
}

static bool bucket_take(struct bucket *bucket, uint64_t now_ns, uint64_t cost_ns, uint64_t depth)
{
	uint64_t full = cost_ns * depth;
	uint64_t gained = now_ns - bucket->filled_ns;

	if (bucket->filled_ns == 0 || gained > full)
		gained = full; /* of a bucket that was never used, too */
	bucket->tokens_ns += gained;
	if (bucket->tokens_ns > full)
		bucket->tokens_ns = full;
	bucket->filled_ns = now_ns;
	if (bucket->tokens_ns < cost_ns)
		return false;
	bucket->tokens_ns -= cost_ns;
	return true;
}

static struct node *node_find(struct auth *auth, uint32_t id)
{
	for (size_t i = 0; i < NODES_MAX; i++) {
		if (auth->nodes[i].id == id)
			return &auth->nodes[i];
	}
	return NULL;
}

/* The node's slot; for one that was never authenticated the slot that was silent for longest. */
static struct node *node_make(struct auth *auth, uint32_t id)
{
	struct node *node = node_find(auth, id);

	if (node != NULL)
		return node;
	node = &auth->nodes[0];
	for (size_t i = 1; i < NODES_MAX; i++) {
		if (auth->nodes[i].used_ns < node->used_ns)
			node = &auth->nodes[i];
	}
	*node = (struct node){.id = id};
	return node;
}

static struct boot *boot_find(struct node *node, uint64_t id)
{
	for (size_t i = 0; i < BOOTS_MAX; i++) {
		if (node->boots[i].used_ns != 0 && node->boots[i].id == id)
			return &node->boots[i];
	}
	return NULL;
}

static struct boot *boot_make(struct node *node, uint64_t id)
{
	struct boot *boot = boot_find(node, id);

	if (boot != NULL)
		return boot;
	boot = &node->boots[0];
	for (size_t i = 1; i < BOOTS_MAX; i++) {
		if (node->boots[i].used_ns < boot->used_ns)
			boot = &node->boots[i];
	}
	*boot = (struct boot){.id = id};
	return boot;
}

static bool rate_allows(struct auth *auth, struct boot *boot, uint64_t now_ns,
			enum heartbeat_path path, uint64_t source, bool rows)
{
	if (boot == NULL || boot->source[path] != source)
		return bucket_take(&auth->strangers, now_ns, SECOND_NS / STRANGER_RATE,
				   STRANGER_RATE / 4);
	if (rows)
		return bucket_take(&boot->rows, now_ns, SECOND_NS / ROWS_RATE, ROWS_BURST);
	return bucket_take(&boot->beats, now_ns, boot->interval_ns / PEER_PER_I, PEER_BURST);
}

static bool tag_make(EVP_MAC_CTX *key, const uint8_t *payload, size_t len,
		     uint8_t made[SHA256_TAG_FULL])
{
	size_t made_len = 0;

	return EVP_MAC_init(key, NULL, 0, NULL) == 1 &&
	       EVP_MAC_update(key, payload, len - HEARTBEAT_TAG_LEN) == 1 &&
	       EVP_MAC_final(key, made, &made_len, SHA256_TAG_FULL) == 1 &&
	       made_len == SHA256_TAG_FULL;
}

static bool signature_valid(struct auth *auth, const uint8_t *payload, size_t len)
{
	const uint8_t *tag = &payload[len - HEARTBEAT_TAG_LEN];
	bool valid = false;

	for (size_t i = 0; i < auth->key_count; i++) {
		uint8_t made[SHA256_TAG_FULL];

		if (tag_make(auth->keys[i], payload, len, made))
			valid |= CRYPTO_memcmp(made, tag, HEARTBEAT_TAG_LEN) == 0;
	}
	return valid;
}

int auth_sign(struct auth *auth, uint8_t *message, size_t len)
{
	uint8_t made[SHA256_TAG_FULL];

	if (!tag_make(auth->keys[0], message, len, made))
		return -ENOMEM;
	memcpy(&message[len - HEARTBEAT_TAG_LEN], made, HEARTBEAT_TAG_LEN);
	return 0;
}

/* The checks that need no key, in order. Returns the message's length or -1. */
static int check_cheap(struct auth *auth, uint64_t now_ns, enum heartbeat_path path,
		       uint64_t source, const uint8_t *payload, size_t len, struct heartbeat_id *id,
		       enum auth_reject *reject)
{
	int length = heartbeat_length(payload, len);
	struct node *node;
	struct boot *boot;

	*reject = AUTH_REJECT_LENGTH;
	if (length < 0)
		return -1;
	heartbeat_peek(payload, id);
	*reject = AUTH_REJECT_GROUP;
	if (id->group != auth->config.group)
		return -1;
	*reject = AUTH_REJECT_SELF;
	if (id->node == auth->config.node && id->boot_id == auth->config.boot_id)
		return -1;
	node = id->node != 0 ? node_find(auth, id->node) : NULL;
	*reject = AUTH_REJECT_RATE;
	boot = node != NULL ? boot_find(node, id->boot_id) : NULL;
	if (!rate_allows(auth, boot, now_ns, path, source, heartbeat_is_rows(payload)))
		return -1;
	*reject = AUTH_REJECT_SEQ;
	if (boot != NULL && id->seq <= boot->seq[path])
		return -1;
	return length;
}

static void remember(struct auth *auth, uint64_t now_ns, enum heartbeat_path path, uint64_t source,
		     const struct heartbeat *message)
{
	struct node *node = node_make(auth, message->node);
	struct boot *boot = boot_make(node, message->boot_id);

	node->used_ns = boot->used_ns = now_ns;
	boot->source[path] = source;
	boot->seq[path] = message->seq;
	boot->interval_ns = message->interval_us * UINT64_C(1000);
}

bool auth_check(struct auth *auth, uint64_t now_ns, enum heartbeat_path path, uint64_t source,
		const uint8_t *payload, size_t len, struct heartbeat *message,
		enum auth_reject *reject)
{
	struct heartbeat_id id;
	int length = check_cheap(auth, now_ns, path, source, payload, len, &id, reject);

	if (length < 0)
		goto rejected;
	*reject = AUTH_REJECT_SIGNATURE;
	if (!signature_valid(auth, payload, (size_t)length))
		goto rejected;
	*reject = AUTH_REJECT_DUPLICATE;
	if (id.node == auth->config.node)
		goto rejected;
	*reject = AUTH_REJECT_CONTENT;
	if (id.node == 0 || heartbeat_decode(payload, (size_t)length, message) < 0 ||
	    message->path != path)
		goto rejected;
	remember(auth, now_ns, path, source, message);
	auth->counters.accepted++;
	auth->counters.heard[path]++;
	return true;
rejected:
	auth->counters.rejected[*reject]++;
	return false;
}

static bool node_is_at(const struct node *node, enum heartbeat_path path, uint64_t source)
{
	for (size_t i = 0; i < BOOTS_MAX; i++) {
		if (node->boots[i].used_ns != 0 && node->boots[i].source[path] == source)
			return true;
	}
	return false;
}

uint32_t auth_node_at(const struct auth *auth, enum heartbeat_path path, uint64_t source)
{
	for (size_t i = 0; i < NODES_MAX; i++) {
		if (auth->nodes[i].id != 0 && node_is_at(&auth->nodes[i], path, source))
			return auth->nodes[i].id;
	}
	return 0;
}

void auth_counters(const struct auth *auth, struct auth_counters *counters)
{
	*counters = auth->counters;
}
