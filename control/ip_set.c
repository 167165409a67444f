/* SPDX-License-Identifier: BSD-3-Clause */
/* A sorted set of addresses, as an array. */
#include "ip_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static size_t position(const struct ip_set *set, const struct ip *ip)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip_cmp(&set->list[middle], ip) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool ip_set_has(const struct ip_set *set, const struct ip *ip)
{
	size_t at = position(set, ip);

	return at < set->count && ip_equal(&set->list[at], ip);
}

static int reserve(struct ip_set *set, size_t more)
{
	size_t capacity =
		2 * set->capacity > set->count + more ? 2 * set->capacity : set->count + more + 8;
	struct ip *list;

	if (set->capacity - set->count >= more)
		return 0;
	list = reallocarray(set->list, capacity, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	set->list = list;
	set->capacity = capacity;
	return 0;
}

int ip_set_add(struct ip_set *set, const struct ip *ip)
{
	size_t at = position(set, ip);

	if (at < set->count && ip_equal(&set->list[at], ip))
		return 0;
	if (reserve(set, 1) < 0)
		return -ENOMEM;
	memmove(&set->list[at + 1], &set->list[at], (set->count - at) * sizeof(*ip));
	set->list[at] = *ip;
	set->count++;
	return 0;
}

void ip_set_remove(struct ip_set *set, const struct ip *ip)
{
	size_t at = position(set, ip);

	if (at == set->count || !ip_equal(&set->list[at], ip))
		return;
	set->count--;
	memmove(&set->list[at], &set->list[at + 1], (set->count - at) * sizeof(*ip));
}

static int compare(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

int ip_set_add_all(struct ip_set *set, const struct ip *list, size_t count)
{
	size_t kept = 0;

	if (count == 0)
		return 0;
	if (reserve(set, count) < 0)
		return -ENOMEM;
	memcpy(&set->list[set->count], list, count * sizeof(*list));
	set->count += count;
	qsort(set->list, set->count, sizeof(*list), compare);
	for (size_t i = 0; i < set->count; i++)
		if (kept == 0 || !ip_equal(&set->list[kept - 1], &set->list[i]))
			set->list[kept++] = set->list[i];
	set->count = kept;
	return 0;
}

void ip_set_fini(struct ip_set *set)
{
	free(set->list);
	*set = (struct ip_set){0};
}
