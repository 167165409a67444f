/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Spreads groups of equal things over nodes. Internal to planning.
 *
 * Each group gives every one of its nodes count / nodes things, and `rest` of them one more: an
 * extra. Where the extras go is decided, in this order, by: the sum of the squares of all nodes'
 * loads is least; most extras stay where there was one (`stay`); most go where they would be
 * without any history (`home`). The answer is exact up to BALANCE_EXACT nodes, greedy beyond.
 */
#ifndef CORE_PLAN_BALANCE_H
#define CORE_PLAN_BALANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BALANCE_EXACT 256

struct arena;

enum balance_bits {
	BALANCE_NODES, /* the nodes of the group */
	BALANCE_STAY,
	BALANCE_HOME,
	BALANCE_EXTRA, /* the answer */
	BALANCE_BITS,
};

struct balance_group {
	uint32_t count;	     /* things */
	uint32_t base, rest; /* set by balance_run() */
	uint64_t hash;	     /* breaks ties, with the nodes' */
};

struct balance {
	size_t node_count, group_count, words;
	uint32_t *load; /* of each node; in: what it has anyway; out: all */
	uint64_t *node_hash;
	struct balance_group *groups; /* in an order that does not depend on the input's */
	uint64_t *bits;
};

/* Room for a problem, zeroed. 0 or -ENOMEM. */
int balance_init(struct balance *balance, size_t nodes, size_t groups, struct arena *arena);

/* Solves it. arena: for what is needed meanwhile. 0 or -ENOMEM. */
int balance_run(struct balance *balance, struct arena *arena);

static inline uint64_t *balance_row(const struct balance *balance, size_t group,
				    enum balance_bits kind)
{
	return &balance->bits[(group * BALANCE_BITS + kind) * balance->words];
}

static inline bool balance_get(const struct balance *balance, size_t group, enum balance_bits kind,
			       size_t node)
{
	return balance_row(balance, group, kind)[node / 64] >> node % 64 & 1;
}

static inline void balance_set(struct balance *balance, size_t group, enum balance_bits kind,
			       size_t node, bool on)
{
	uint64_t *word = &balance_row(balance, group, kind)[node / 64];
	uint64_t bit = UINT64_C(1) << node % 64;

	*word = on ? *word | bit : *word & ~bit;
}

/* A well-mixed 64-bit number (the finaliser of splitmix64). */
static inline uint64_t balance_mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

#endif
