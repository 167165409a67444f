/* SPDX-License-Identifier: BSD-3-Clause */
/* The pools of all classes: merged within a class, compared between classes, walked in order. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/ipam_pool.h"

#define AVOID_BUGGY_IPS "vipgate.io/avoid-buggy-ips"

int ipam_meta_cmp(const struct object_meta *a, const struct object_meta *b)
{
	int64_t age_a = a->created ? a->created : INT64_MAX;
	int64_t age_b = b->created ? b->created : INT64_MAX;
	int order;

	if (age_a != age_b)
		return age_a < age_b ? -1 : 1;
	order = strcmp(a->namespace, b->namespace);
	if (order == 0)
		order = strcmp(a->name, b->name);
	return order ? order : strcmp(a->uid, b->uid);
}

static bool range_overlaps(const struct object_range *a, const struct object_range *b)
{
	return ip_cmp(&a->first, &b->last) <= 0 && ip_cmp(&b->first, &a->last) <= 0;
}

/*
 * Adds a range; what it overlaps is joined with it at the place of the earliest of them. The others
 * do not overlap each other, so one pass is enough: growing meets nothing that was passed.
 */
static void walk_add(struct ipam_walk *walk, struct object_range range)
{
	size_t place = walk->count, i = 0;

	while (i < walk->count) {
		struct object_range *other = &walk->ranges[i];

		if (!range_overlaps(other, &range)) {
			i++;
			continue;
		}
		if (ip_cmp(&other->first, &range.first) < 0)
			range.first = other->first;
		if (ip_cmp(&other->last, &range.last) > 0)
			range.last = other->last;
		if (i < place)
			place = i;
		walk->count--;
		memmove(other, other + 1, (walk->count - i) * sizeof(*other));
	}
	if (place > walk->count)
		place = walk->count;
	memmove(&walk->ranges[place + 1], &walk->ranges[place],
		(walk->count - place) * sizeof(range));
	walk->ranges[place] = range;
	walk->count++;
}

/* Whether a range of more than one address is exactly a CIDR: then its first one has host bits 0,
 * its last one host bits 1, and all bits before are equal.
 */
static bool range_is_cidr(const struct object_range *range)
{
	bool host = false;

	for (unsigned int i = 0; i < 128; i++) {
		unsigned int shift = 7 - i % 8;
		unsigned int first = range->first.b[i / 8] >> shift & 1;
		unsigned int last = range->last.b[i / 8] >> shift & 1;

		if (host && (first != 0 || last != 1))
			return false;
		if (!host && first != last) {
			if (first != 0)
				return false;
			host = true;
		}
	}
	return host;
}

static int pool_init(struct ipam_pool *pool, const struct object_class *class, struct arena *arena)
{
	const char *avoid = object_map_get(&class->meta.annotations, AVOID_BUGGY_IPS);

	pool->class = class;
	pool->avoid = avoid && strcmp(avoid, "true") == 0;
	for (int v6 = 0; v6 < 2; v6++) {
		pool->walks[v6].ranges =
			arena_array(arena, class->pool_count + 1, sizeof(struct object_range));
		if (!pool->walks[v6].ranges)
			return -ENOMEM;
	}
	pool->avoided = arena_array(arena, class->pool_count + 1, sizeof(*pool->avoided));
	if (!pool->avoided)
		return -ENOMEM;
	for (size_t i = 0; i < class->pool_count; i++) {
		const struct object_range *range = &class->pool[i];
		bool v6 = !ip_is_v4(&range->first);

		if (v6 == ip_is_v4(&range->last) || ip_cmp(&range->first, &range->last) > 0) {
			pool->bad_ranges++;
			continue;
		}
		/* The subnet-router anycast address (RFC 4291 §2.6.1), were the CIDR a subnet. */
		if (pool->avoid && v6 && range_is_cidr(range))
			pool->avoided[pool->avoided_count++] = range->first;
		walk_add(&pool->walks[v6], *range);
	}
	return 0;
}

static bool pool_overlaps(const struct ipam_pool *a, const struct ipam_pool *b)
{
	for (int v6 = 0; v6 < 2; v6++)
		for (size_t i = 0; i < a->walks[v6].count; i++)
			for (size_t j = 0; j < b->walks[v6].count; j++)
				if (range_overlaps(&a->walks[v6].ranges[i],
						   &b->walks[v6].ranges[j]))
					return true;
	return false;
}

static int pool_cmp(const void *a, const void *b)
{
	const struct object_class *const *left = a, *const *right = b;

	return ipam_meta_cmp(&(*left)->meta, &(*right)->meta);
}

int ipam_pools_init(struct ipam_pools *pools, const struct object_set *set, struct arena *arena)
{
	const struct object_class **classes;

	pools->count = set->class_count;
	pools->list = arena_array(arena, set->class_count + 1, sizeof(*pools->list));
	classes = arena_array(arena, set->class_count + 1, sizeof(*classes));
	if (!pools->list || !classes)
		return -ENOMEM;
	for (size_t i = 0; i < set->class_count; i++)
		classes[i] = &set->classes[i];
	qsort(classes, set->class_count, sizeof(classes[0]), pool_cmp);
	for (size_t i = 0; i < pools->count; i++) {
		struct ipam_pool *pool = &pools->list[i];

		if (pool_init(pool, classes[i], arena) < 0)
			return -ENOMEM;
		for (size_t j = 0; j < i && !pool->overlapped; j++)
			if (!pools->list[j].overlapped && pool_overlaps(pool, &pools->list[j]))
				pool->overlapped = pools->list[j].class;
	}
	return 0;
}

struct ipam_pool *ipam_pool_find(const struct ipam_pools *pools, const struct object_class *class)
{
	for (size_t i = 0; i < pools->count; i++)
		if (pools->list[i].class == class)
			return &pools->list[i];
	return NULL;
}

static bool pool_avoids(const struct ipam_pool *pool, const struct ip *ip)
{
	if (!pool->avoid)
		return false;
	if (ip_is_v4(ip))
		return ip->b[15] == 0 || ip->b[15] == 255;
	for (size_t i = 0; i < pool->avoided_count; i++)
		if (ip_equal(&pool->avoided[i], ip))
			return true;
	return false;
}

bool ipam_pool_contains(const struct ipam_pool *pool, const struct ip *ip)
{
	const struct ipam_walk *walk = &pool->walks[!ip_is_v4(ip)];

	for (size_t i = 0; i < walk->count; i++)
		if (ip_cmp(&walk->ranges[i].first, ip) <= 0 &&
		    ip_cmp(ip, &walk->ranges[i].last) <= 0)
			return !pool_avoids(pool, ip);
	return false;
}

static void ip_increment(struct ip *ip)
{
	for (int i = 15; i >= 0 && ++ip->b[i] == 0; i--)
		;
}

bool ipam_pool_next(struct ipam_pool *pool, bool v6, struct ip *ip)
{
	struct ipam_walk *walk = &pool->walks[v6];

	while (walk->at < walk->count) {
		const struct object_range *range = &walk->ranges[walk->at];

		if (!walk->started) {
			walk->started = true;
			walk->next = range->first;
		} else if (ip_equal(&walk->next, &range->last)) {
			walk->started = false;
			walk->at++;
			continue;
		} else {
			ip_increment(&walk->next);
		}
		if (pool_avoids(pool, &walk->next))
			continue;
		*ip = walk->next;
		return true;
	}
	return false;
}
