/* SPDX-License-Identifier: BSD-3-Clause */
/* The plan: prepares, spreads once without and once with history, and writes the lists down. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/plan_balance.h"
#include "core/plan_run.h"

static int choice_init(struct plan_choice *choice, struct plan_run *run)
{
	choice->first = arena_array(run->arena, run->count + 1, sizeof(*choice->first));
	choice->second = arena_array(run->arena, run->count + 1, sizeof(*choice->second));
	if (!choice->first || !choice->second)
		return -ENOMEM;
	memset(choice->first, 0xff, run->count * sizeof(*choice->first));
	memset(choice->second, 0xff, run->count * sizeof(*choice->second));
	return 0;
}

static bool is_candidate(const struct plan_work *work, uint32_t node)
{
	size_t low = 0, high = work->candidates->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (work->candidates->nodes[mid] == node)
			return true;
		if (work->candidates->nodes[mid] < node)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

/*
 * What was chosen before. A place in a list that came free is not something to stay at, but who
 * moves up into it is as good as a home: the second node holds the VIP by now.
 */
static void recall(const struct plan_run *run, const struct plan *previous,
		   struct plan_choice *stay, struct plan_choice *home)
{
	for (size_t i = 0; i < run->count; i++) {
		const struct plan_work *work = &run->works[i];
		const struct plan_vip *old = plan_find(previous, &work->vip->address);
		size_t left = 0;

		for (size_t j = 0; old && j < old->node_count && left < 2; j++) {
			struct plan_choice *to = j == left ? stay : home;
			uint32_t node = plan_node(run, old->nodes[j]);

			if (node == PLAN_NONE || !is_candidate(work, node))
				continue;
			(left == 0 ? to->first : to->second)[i] = node;
			left++;
		}
	}
}

/* The low bits of a sort key that hold a node's number; the others are its hash. */
#define NODE_BITS 24

/* Shell's sort: lists are short, and qsort's calls would take most of the time of a large plan. */
static void keys_sort(uint64_t *keys, size_t count)
{
	static const size_t gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1}; /* Ciura's */

	for (size_t g = 0; g < sizeof(gaps) / sizeof(gaps[0]); g++)
		for (size_t i = gaps[g]; i < count; i++) {
			uint64_t key = keys[i];
			size_t j = i;

			for (; j >= gaps[g] && keys[j - gaps[g]] > key; j -= gaps[g])
				keys[j] = keys[j - gaps[g]];
			keys[j] = key;
		}
}

/* The whole list of one VIP: preferred, first and second choice, the others by hash. */
static size_t list_nodes(const struct plan_run *run, const struct plan_work *work, uint32_t first,
			 uint32_t second, uint32_t *list, uint64_t *keys)
{
	size_t count = 0, others = 0;

	for (size_t i = 0; i < work->preferred_count; i++)
		list[count++] = work->preferred[i];
	if (first != PLAN_NONE && count == 0)
		list[count++] = first;
	if (second != PLAN_NONE && count == 1)
		list[count++] = second;
	for (size_t i = 0; i < work->candidates->count; i++) {
		uint32_t node = work->candidates->nodes[i];
		bool listed = false;

		for (size_t j = 0; j < count && !listed; j++)
			listed = list[j] == node;
		if (!listed)
			keys[others++] =
				balance_mix(work->hash ^ run->node_hash[node]) << NODE_BITS | node;
	}
	keys_sort(keys, others);
	for (size_t i = 0; i < others; i++)
		list[count++] = keys[i] & ((1u << NODE_BITS) - 1);
	return count;
}

/* Copies each name once, however many VIPs have it. */
static const char *class_copy(struct plan *plan, const struct plan_run *run,
			      const struct object_class *class, const char **copies)
{
	const char **copy = &copies[class - run->set->classes];

	if (!*copy)
		*copy = arena_strdup(plan->arena, class->meta.name);
	return *copy;
}

static int write_down(struct plan *plan, struct plan_run *run, const struct plan_choice *choice)
{
	const char **names = arena_array(run->arena, run->node_count + 1, sizeof(char *));
	const char **classes = arena_array(run->arena, run->set->class_count + 1, sizeof(char *));
	uint32_t *list = arena_array(run->arena, run->node_count + 1, sizeof(*list));
	uint64_t *keys = arena_array(run->arena, run->node_count + 1, sizeof(*keys));

	plan->vips = arena_array(plan->arena, run->count + 1, sizeof(*plan->vips));
	if (!names || !classes || !list || !keys || !plan->vips)
		return -ENOMEM;
	for (size_t n = 0; n < run->node_count; n++) {
		names[n] = arena_strdup(plan->arena, run->nodes[n]->meta.name);
		if (!names[n])
			return -ENOMEM;
	}
	for (size_t i = 0; i < run->count; i++) {
		const struct plan_work *work = &run->works[i];
		struct plan_vip *vip = &plan->vips[plan->vip_count++];

		vip->address = work->vip->address;
		vip->class = class_copy(plan, run, work->vip->class, classes);
		vip->node_count =
			list_nodes(run, work, choice->first[i], choice->second[i], list, keys);
		vip->nodes = arena_array(plan->arena, vip->node_count + 1, sizeof(char *));
		if (!vip->class || !vip->nodes)
			return -ENOMEM;
		for (size_t j = 0; j < vip->node_count; j++)
			vip->nodes[j] = names[list[j]];
	}
	return 0;
}

/* Spreads without history; with history that answer becomes the home of every VIP. */
static int choose(struct plan_run *run, const struct plan *previous, struct plan_choice *choice)
{
	struct plan_choice none, stay, home;

	if (choice_init(&none, run) < 0 || choice_init(&stay, run) < 0 ||
	    choice_init(&home, run) < 0 || choice_init(choice, run) < 0)
		return -ENOMEM;
	if (!previous)
		return plan_spread(run, &none, &none, choice);
	if (plan_spread(run, &none, &none, &home) < 0)
		return -ENOMEM;
	recall(run, previous, &stay, &home);
	return plan_spread(run, &stay, &home, choice);
}

struct plan *plan_build(const struct object_set *set, const struct ipam_result *allocations,
			const struct plan *previous)
{
	struct plan_run run = {.set = set, .arena = arena_create()};
	struct arena *arena = arena_create();
	struct plan *plan = arena ? arena_alloc(arena, sizeof(*plan)) : NULL;
	struct plan_choice choice;
	int err = -ENOMEM;

	if (!run.arena || !plan)
		goto out;
	plan->arena = arena;
	err = plan_prepare(&run, allocations);
	if (!err)
		err = choose(&run, previous, &choice);
	if (!err)
		err = write_down(plan, &run, &choice);
out:
	arena_free(run.arena);
	if (!err)
		return plan;
	arena_free(arena);
	errno = -err;
	return NULL;
}

void plan_free(struct plan *plan)
{
	if (plan)
		arena_free(plan->arena); /* the plan itself lives in there */
}

const struct plan_vip *plan_find(const struct plan *plan, const struct ip *address)
{
	size_t low = 0, high = plan->vip_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = ip_cmp(&plan->vips[mid].address, address);

		if (order == 0)
			return &plan->vips[mid];
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
