/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buckets of one cache line. A flow is kept as a keyed 64-bit digest instead of its key: an entry
 * then is two words that any worker may read and write without a lock, and that a stranger's packet
 * matches by chance once in 2^61 tries.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "packet/flow.h"
#include "packet/hash.h"

#define WAYS	  4
#define SECOND_NS UINT64_C(1000000000)

/* TCP tells when it lives only by its keepalives, two hours apart by default (RFC 9293 §3.8.4). */
#define LIFETIME_TCP_NS	  (7500 * SECOND_NS)
#define LIFETIME_OTHER_NS (180 * SECOND_NS)

struct entry {
	_Atomic uint64_t digest; /* 0 = free */
	_Atomic uint64_t seen_ns;
};

struct flow_table {
	uint64_t seed;
	size_t mask; /* of buckets */
	struct entry (*buckets)[WAYS];
};

struct flow_table *flow_table_create(size_t entries)
{
	struct flow_table *table;
	size_t buckets = 1;

	if (entries > SIZE_MAX / 4 / sizeof(struct entry)) {
		errno = ENOMEM;
		return NULL;
	}
	while (buckets * WAYS < entries)
		buckets *= 2;
	table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->buckets = aligned_alloc(sizeof(*table->buckets), buckets * sizeof(*table->buckets));
	if (!table->buckets) {
		free(table);
		errno = ENOMEM;
		return NULL;
	}
	memset(table->buckets, 0, buckets * sizeof(*table->buckets));
	table->mask = buckets - 1;
	table->seed = hash_seed(table);
	return table;
}

void flow_table_free(struct flow_table *table)
{
	if (!table)
		return;
	free(table->buckets);
	free(table);
}

static uint64_t flow_digest(const struct flow_table *table, const struct flow_key *key)
{
	uint64_t rest =
		(uint64_t)key->vip_port << 32 | (uint64_t)key->remote_port << 16 | key->protocol;
	uint64_t digest = hash_ip(table->seed, &key->vip);

	digest = hash_ip(digest ^ table->seed, &key->remote);
	/* One multiplication alone leaves neighbouring ports in few buckets. */
	digest = hash_mix(hash_mix(digest ^ rest, table->seed ^ HASH_K1) ^ digest, HASH_K0);
	return digest ? digest : 1;
}

static uint64_t flow_lifetime_ns(const struct flow_key *key)
{
	return key->protocol == IPPROTO_TCP ? LIFETIME_TCP_NS : LIFETIME_OTHER_NS;
}

static struct entry *entry_find(struct entry *bucket, uint64_t digest)
{
	for (size_t i = 0; i < WAYS; i++)
		if (atomic_load_explicit(&bucket[i].digest, memory_order_relaxed) == digest)
			return &bucket[i];
	return NULL;
}

static struct entry *entry_oldest(struct entry *bucket)
{
	struct entry *oldest = &bucket[0];

	/* A free entry was seen at 0, so it is the oldest. */
	for (size_t i = 1; i < WAYS; i++)
		if (atomic_load_explicit(&bucket[i].seen_ns, memory_order_relaxed) <
		    atomic_load_explicit(&oldest->seen_ns, memory_order_relaxed))
			oldest = &bucket[i];
	return oldest;
}

void flow_table_note(struct flow_table *table, const struct flow_key *key, uint64_t now_ns)
{
	uint64_t digest = flow_digest(table, key);
	struct entry *bucket = table->buckets[digest & table->mask];
	struct entry *entry = entry_find(bucket, digest);

	if (!entry) {
		entry = entry_oldest(bucket);
		/* Between the two stores the new flow may look as old as the one that goes: it is
		 * then unknown for that moment, as it was before. */
		atomic_store_explicit(&entry->digest, digest, memory_order_relaxed);
	}
	atomic_store_explicit(&entry->seen_ns, now_ns, memory_order_relaxed);
}

bool flow_table_known(struct flow_table *table, const struct flow_key *key, uint64_t now_ns)
{
	uint64_t digest = flow_digest(table, key);
	struct entry *entry = entry_find(table->buckets[digest & table->mask], digest);
	uint64_t seen_ns;

	if (!entry)
		return false;
	seen_ns = atomic_load_explicit(&entry->seen_ns, memory_order_relaxed);
	/* Another worker's clock reading may be a little ahead of ours. */
	if (seen_ns < now_ns && now_ns - seen_ns >= flow_lifetime_ns(key))
		return false;
	atomic_store_explicit(&entry->seen_ns, now_ns, memory_order_relaxed);
	return true;
}
