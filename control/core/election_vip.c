/* SPDX-License-Identifier: BSD-3-Clause */
/* The VIPs of an election: found by address, planned, marked for another look. */
#include "core/election_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Mixed until every bit of the address reaches the low ones: neighbours differ in the last byte. */
static size_t hash_of(const struct ip *address)
{
	uint64_t high, low;

	memcpy(&high, address->b, sizeof(high));
	memcpy(&low, address->b + 8, sizeof(low));
	low ^= high * UINT64_C(0x9e3779b97f4a7c15);
	low = (low ^ low >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
	low = (low ^ low >> 32) * UINT64_C(0x94d049bb133111eb);
	return (size_t)(low ^ low >> 32);
}

struct vip *vip_find(const struct election *e, const struct ip *address)
{
	if (e->table_size == 0)
		return NULL;
	for (size_t at = hash_of(address);; at++) {
		const uint32_t entry = e->table[at & (e->table_size - 1)];

		if (entry == 0)
			return NULL;
		if (ip_equal(&e->vips[entry - 1]->address, address))
			return e->vips[entry - 1];
	}
}

static void table_insert(struct election *e, uint32_t index)
{
	size_t at = hash_of(&e->vips[index]->address);

	while (e->table[at & (e->table_size - 1)] != 0)
		at++;
	e->table[at & (e->table_size - 1)] = index + 1;
}

static bool table_rebuild(struct election *e, size_t size)
{
	uint32_t *table = calloc(size, sizeof(*table));

	if (table == NULL)
		return false;
	free(e->table);
	e->table = table;
	e->table_size = size;
	for (size_t i = 0; i < e->vip_count; i++)
		table_insert(e, (uint32_t)i);
	return true;
}

static bool vips_grow(struct election *e)
{
	const size_t capacity = e->vip_capacity == 0 ? 64 : e->vip_capacity * 2;
	struct vip **vips;

	if (e->vip_count == e->vip_capacity) {
		vips = reallocarray(e->vips, capacity, sizeof(struct vip *));
		if (vips == NULL)
			return false;
		e->vips = vips;
		e->vip_capacity = capacity;
	}
	if ((e->vip_count + 1) * 2 > e->table_size)
		return table_rebuild(e, e->table_size == 0 ? 128 : e->table_size * 2);
	return true;
}

struct vip *vip_get(struct election *e, const struct ip *address)
{
	struct vip *vip = vip_find(e, address);

	if (vip != NULL)
		return vip;
	if (!vips_grow(e)) {
		e->out_of_memory = true;
		return NULL;
	}
	vip = calloc(1, sizeof(*vip));
	if (vip == NULL) {
		e->out_of_memory = true;
		return NULL;
	}
	vip->address = *address;
	vip->healthy = true; /* until told otherwise: an unknown health moves nothing */
	vip->since_ns = vip->health_since_ns = e->now_ns;
	e->vips[e->vip_count] = vip;
	table_insert(e, (uint32_t)e->vip_count++);
	vip_dirty(e, vip);
	return vip;
}

/* Has claims_turn_end() look at it. */
void vip_dirty(struct election *e, struct vip *vip)
{
	if (vip->dirty || e->dirty_all)
		return;
	if (e->dirty_count == ELECTION_DIRTY) {
		e->dirty_all = true;
		return;
	}
	vip->dirty = true;
	e->dirty[e->dirty_count++] = vip;
}

/* Nothing is known of it that anybody still needs. */
static bool vip_useless(const struct election *e, const struct vip *vip)
{
	return !vip->planned && !vip->mine && vip->withdrawn_until_ns == 0 && vip->listed == 0 &&
	       vip->listed_next == 0 && vip->unhealthy == 0 && vip->unhealthy_next == 0 &&
	       e->now_ns - vip->since_ns > WITHDRAWN_NS && vip != e->rebalance;
}

static void vips_collect(struct election *e)
{
	size_t kept = 0;

	for (size_t i = 0; i < e->vip_count; i++) {
		if (vip_useless(e, e->vips[i]))
			free(e->vips[i]);
		else
			e->vips[kept++] = e->vips[i];
	}
	if (kept == e->vip_count)
		return;
	e->vip_count = kept;
	memset(e->table, 0, e->table_size * sizeof(*e->table));
	for (size_t i = 0; i < kept; i++)
		table_insert(e, (uint32_t)i);
}

static void vip_apply_plan(struct election *e, struct vip *vip,
			   const struct election_plan_vip *plan, uint32_t *nodes)
{
	memcpy(nodes, plan->nodes, plan->node_count * sizeof(*nodes));
	vip->planned = true;
	vip->nodes = nodes;
	vip->node_count = plan->node_count;
	vip->lists_me = false;
	for (size_t i = 0; i < plan->node_count; i++)
		if (nodes[i] == e->config.node)
			vip->lists_me = true;
}

int vip_plan(struct election *e, const struct election_plan_vip *vips, size_t count)
{
	size_t total = 0, used = 0;
	uint32_t *nodes;

	for (size_t i = 0; i < count; i++) {
		total += vips[i].node_count;
		if (vip_get(e, &vips[i].address) == NULL)
			return -ENOMEM; /* the former plan still holds */
	}
	nodes = calloc(total + 1, sizeof(*nodes));
	if (nodes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < e->vip_count; i++) {
		e->vips[i]->planned = e->vips[i]->lists_me = false;
		e->vips[i]->nodes = NULL;
		e->vips[i]->node_count = 0;
	}
	for (size_t i = 0; i < count; i++) {
		vip_apply_plan(e, vip_find(e, &vips[i].address), &vips[i], nodes + used);
		used += vips[i].node_count;
	}
	free(e->plan_nodes);
	e->plan_nodes = nodes;
	e->dirty_count = 0; /* dirty_all stands for the list, whose VIPs may go now */
	e->dirty_all = true;
	e->rows_changed = true;
	vips_collect(e);
	return 0;
}

/* What the peer in this slot said holds no longer. */
void vips_forget_slot(struct election *e, int slot)
{
	const uint64_t keep = ~slot_bit(slot);

	for (size_t i = 0; i < e->vip_count; i++) {
		struct vip *vip = e->vips[i];

		vip->listed &= keep;
		vip->listed_next &= keep;
		vip->unhealthy &= keep;
		vip->unhealthy_next &= keep;
		vip->offer_tried &= keep;
	}
	e->dirty_all = true;
}

void vips_fini(struct election *e)
{
	for (size_t i = 0; i < e->vip_count; i++)
		free(e->vips[i]);
	free(e->vips);
	free(e->table);
	free(e->plan_nodes);
}
