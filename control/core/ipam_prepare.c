/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known before the first address is given: Services in order, their wishes, the book. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/ipam_run.h"

static int wish_cmp(const void *a, const void *b)
{
	const struct ipam_wish *left = a, *right = b;

	return ipam_meta_cmp(&left->service->meta, &right->service->meta);
}

static int by_name_cmp(const void *a, const void *b)
{
	const struct object_meta *left = &(*(struct ipam_wish *const *)a)->service->meta;
	const struct object_meta *right = &(*(struct ipam_wish *const *)b)->service->meta;
	int order = strcmp(left->namespace, right->namespace);

	if (order == 0)
		order = strcmp(left->name, right->name);
	return order ? order : strcmp(left->uid, right->uid);
}

static int key_cmp(const void *a, const void *b)
{
	const struct ipam_wish *left = *(struct ipam_wish *const *)a;
	const struct ipam_wish *right = *(struct ipam_wish *const *)b;

	return strcmp(left->shared_key, right->shared_key);
}

/* Numbers the shared keys, so that the VIPs of one are found without looking at the others. */
static int keys_number(struct ipam_run *run)
{
	struct ipam_wish **sorted =
		arena_array(run->arena, run->count + 1, sizeof(struct ipam_wish *));
	size_t count = 0, key = 0;

	run->keys = arena_array(run->arena, run->count + 1, sizeof(*run->keys));
	if (!sorted || !run->keys)
		return -ENOMEM;
	for (size_t i = 0; i < run->count; i++)
		if (run->wishes[i].pool && run->wishes[i].shared_key)
			sorted[count++] = &run->wishes[i];
	qsort(sorted, count, sizeof(struct ipam_wish *), key_cmp);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && strcmp(sorted[i]->shared_key, sorted[i - 1]->shared_key) != 0)
			key++;
		sorted[i]->key = key;
	}
	return 0;
}

/* Learns what every Service asks for. */
static int wishes_read(struct ipam_run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct ipam_wish *wish = &run->wishes[i];
		const struct object_class *class =
			ipam_class_of(run->set, wish->service, wish->bound);

		if (class)
			wish->pool = ipam_pool_find(&run->pools, class);
	}
	for (size_t i = 0; i < run->claim_count; i++) {
		struct ipam_wish *wish = run->claims[i].wish;

		if (!wish->pool ||
		    strcmp(run->claims[i].class, wish->pool->class->meta.name) != 0 ||
		    !ipam_pool_contains(wish->pool, &run->claims[i].address))
			continue;
		if (ip_is_v4(&run->claims[i].address))
			wish->had_v4 = true;
		else
			wish->had_v6 = true;
	}
	for (size_t i = 0; i < run->count; i++)
		if (run->wishes[i].pool && ipam_wish_read(&run->wishes[i], run->arena) < 0)
			return -ENOMEM;
	return keys_number(run);
}

/* Makes room for every VIP that can be, and marks what is no one's to have. */
static int book_open(struct ipam_run *run, const struct ip *reserved, size_t reserved_count)
{
	const struct object_set *set = run->set;
	size_t wanted = 0, others = reserved_count + set->virtual_ip_count;

	for (size_t i = 0; i < run->count; i++)
		wanted += run->wishes[i].family_count * run->wishes[i].count;
	for (size_t i = 0; i < set->node_count; i++)
		others += set->nodes[i].address_count;
	run->vips = arena_array(run->arena, wanted + 1, sizeof(*run->vips));
	if (!run->vips || ipam_book_init(&run->book, wanted + others, run->arena) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < reserved_count; i++)
		if (!ip_is_none(&reserved[i]))
			ipam_book_get(&run->book, &reserved[i])->reserved = true;
	for (size_t i = 0; i < set->node_count; i++)
		for (size_t j = 0; j < set->nodes[i].address_count; j++)
			if (!ip_is_none(&set->nodes[i].addresses[j]))
				ipam_book_get(&run->book, &set->nodes[i].addresses[j])->reserved =
					true;
	for (size_t i = 0; i < set->virtual_ip_count; i++)
		if (!ip_is_none(&set->virtual_ips[i].address))
			ipam_book_get(&run->book, &set->virtual_ips[i].address)->held =
				set->virtual_ips[i].class;
	return 0;
}

static int services_sort(struct ipam_run *run)
{
	const struct object_set *set = run->set;

	run->count = set->service_count;
	run->wishes = arena_array(run->arena, run->count + 1, sizeof(*run->wishes));
	run->by_name = arena_array(run->arena, run->count + 1, sizeof(struct ipam_wish *));
	if (!run->wishes || !run->by_name || ipam_pools_init(&run->pools, set, run->arena) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < run->count; i++)
		run->wishes[i].service = &set->services[i];
	qsort(run->wishes, run->count, sizeof(run->wishes[0]), wish_cmp);
	for (size_t i = 0; i < run->count; i++)
		run->by_name[i] = &run->wishes[i];
	qsort(run->by_name, run->count, sizeof(struct ipam_wish *), by_name_cmp);
	return 0;
}

int ipam_prepare(struct ipam_run *run, const struct ipam_previous *previous, size_t previous_count,
		 const struct ip *reserved, size_t reserved_count)
{
	int err = services_sort(run);

	if (!err)
		err = ipam_claims_collect(run, previous, previous_count);
	if (!err)
		err = wishes_read(run);
	return err ? err : book_open(run, reserved, reserved_count);
}
