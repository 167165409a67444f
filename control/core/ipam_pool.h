/* SPDX-License-Identifier: BSD-3-Clause */
/* The addresses of a class as IPAM walks them. Internal to IPAM. */
#ifndef CORE_IPAM_POOL_H
#define CORE_IPAM_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/object.h"

struct arena;

/* Ranges of one family that do not overlap each other, in list order, and how far they were tried.
 */
struct ipam_walk {
	struct object_range *ranges;
	size_t count;
	size_t at;
	struct ip next;
	bool started;
};

struct ipam_pool {
	const struct object_class *class;
	struct ipam_walk walks[2]; /* [true] is IPv6 */
	bool avoid;		   /* annotated vipgate.io/avoid-buggy-ips: "true" */
	struct ip *avoided;	   /* first addresses of the v6 entries, when avoid */
	size_t avoided_count;
	/* An older class has an address of this pool: what was allocated stays, nothing is added.
	 */
	const struct object_class *overlapped;
	size_t bad_ranges; /* reversed, or of two families: left out */
};

struct ipam_pools {
	struct ipam_pool *list; /* by age of the class, then its name */
	size_t count;
};

/* Older first, then the smaller name; an unknown age is the youngest. */
int ipam_meta_cmp(const struct object_meta *a, const struct object_meta *b);

/* 0 or -ENOMEM. */
int ipam_pools_init(struct ipam_pools *pools, const struct object_set *set, struct arena *arena);
struct ipam_pool *ipam_pool_find(const struct ipam_pools *pools, const struct object_class *class);

/* Whether an address of the pool may be a VIP. */
bool ipam_pool_contains(const struct ipam_pool *pool, const struct ip *ip);

/*
 * The next address of a family in pool order that was not returned before; false at the end. A
 * caller that never frees asks for each address once, so that a v6 /64 costs what is taken of it.
 */
bool ipam_pool_next(struct ipam_pool *pool, bool v6, struct ip *ip);

#endif
