/* SPDX-License-Identifier: BSD-3-Clause */
/* Gives addresses to Services: what was theirs first, then pins, then the lowest free ones. */
#include <errno.h>
#include <string.h>

#include "core/arena.h"
#include "core/ipam_run.h"

/* Why an address is not to be had; also what a lost allocation is told. */
static const char *const not_of_pool = "is not in the pool of the class";
static const char *const is_reserved = "is an address of a node or gateway";
static const char *const is_taken = "belongs to another Service";
static const char *const is_overlapped = "is of a class whose pool overlaps that of an older one";
static const char *const is_own = "is already one of this Service";

static struct ipam_run_vip *vip_add(struct ipam_run *run, struct ipam_wish *wish,
				    const struct ip *address)
{
	struct ipam_run_vip *vip = &run->vips[run->vip_count++];

	vip->address = *address;
	vip->pool = wish->pool;
	vip->owners_end = &vip->owners;
	ipam_book_get(&run->book, address)->vip = (uint32_t)run->vip_count;
	if (wish->shared_key) {
		vip->next_of_key = run->keys[wish->key];
		run->keys[wish->key] = (uint32_t)run->vip_count;
	}
	return vip;
}

static int vip_give(struct ipam_run *run, struct ipam_run_vip *vip, struct ipam_wish *wish,
		    size_t family, unsigned int index)
{
	struct ipam_run_owner *owner = arena_alloc(run->arena, sizeof(*owner));

	if (!owner)
		return -ENOMEM;
	owner->wish = wish;
	owner->index = index;
	*vip->owners_end = owner;
	vip->owners_end = &owner->next;
	vip->owner_count++;
	wish->families[family].vips[index] = (uint32_t)(vip - run->vips) + 1;
	return 0;
}

/* Whether a Service may join the owners of a VIP. */
static bool vip_admits(const struct ipam_run_vip *vip, const struct ipam_wish *wish)
{
	for (const struct ipam_run_owner *owner = vip->owners; owner; owner = owner->next)
		if (!ipam_wish_shares(owner->wish, wish))
			return false;
	return true;
}

static bool vip_has(const struct ipam_run_vip *vip, const struct ipam_wish *wish)
{
	for (const struct ipam_run_owner *owner = vip->owners; owner; owner = owner->next)
		if (owner->wish == wish)
			return true;
	return false;
}

/* Gives one certain address. 0, -ENOMEM, or 1 and why it is not to be had. */
static int take(struct ipam_run *run, struct ipam_wish *wish, size_t family, unsigned int index,
		const struct ip *address, const char **why)
{
	const struct ipam_entry *entry = ipam_book_find(&run->book, address);
	struct ipam_run_vip *vip = NULL;

	*why = NULL;
	if (!ipam_pool_contains(wish->pool, address))
		*why = not_of_pool;
	else if (entry && entry->reserved)
		*why = is_reserved;
	else if (entry && entry->held && strcmp(entry->held, wish->pool->class->meta.name) != 0)
		*why = is_taken; /* still leaving another class */
	else if (entry && entry->vip)
		vip = &run->vips[entry->vip - 1];
	if (vip && vip_has(vip, wish))
		*why = is_own;
	else if (vip && !vip_admits(vip, wish))
		*why = is_taken;
	if (*why)
		return 1;
	if (!vip)
		vip = vip_add(run, wish, address);
	return vip_give(run, vip, wish, family, index);
}

/* Like take(), of an address that the Service did not have. */
static int take_new(struct ipam_run *run, struct ipam_wish *wish, size_t family, unsigned int index,
		    const struct ip *address, const char **why)
{
	if (wish->pool->overlapped) {
		*why = is_overlapped;
		return 1;
	}
	return take(run, wish, family, index, address, why);
}

static bool pinned_elsewhere(const struct ipam_family *family, unsigned int index,
			     const struct ip *address)
{
	for (size_t i = 0; i < family->pin_count; i++)
		if (i != index && ip_equal(&family->pins[i], address))
			return true;
	return false;
}

/* Keeps one earlier allocation, or says why not. */
static int claim_keep(struct ipam_run *run, struct ipam_claim *claim)
{
	struct ipam_wish *wish = claim->wish;
	struct ipam_family *family = NULL;
	uint32_t had;
	size_t i;
	int err;

	if (!wish->pool) {
		claim->lost = "is no longer wanted: the Service is not of a class of vipgate";
		return 0;
	}
	if (strcmp(claim->class, wish->pool->class->meta.name) != 0) {
		claim->lost = "is of the class that the Service had before";
		return 0;
	}
	for (i = 0; i < wish->family_count; i++)
		if (wish->families[i].v6 == !ip_is_v4(&claim->address))
			break;
	if (i < wish->family_count)
		family = &wish->families[i];
	if (!family || claim->index >= wish->count) {
		claim->lost = family ? "is more than the Service now asks for"
				     : "is of a family that the Service no longer has";
		return 0;
	}
	if (claim->index < family->pin_count
		    ? !ip_equal(&family->pins[claim->index], &claim->address)
		    : pinned_elsewhere(family, claim->index, &claim->address)) {
		claim->lost = "is not what the Service pins";
		return 0;
	}
	had = family->vips[claim->index];
	if (had) {
		if (!ip_equal(&run->vips[had - 1].address, &claim->address))
			claim->lost = "is a second one for the same place";
		return 0;
	}
	err = take(run, wish, i, claim->index, &claim->address, &claim->lost);
	return err < 0 ? err : 0;
}

/* An address in the status of a Service of ours that nobody has keeps it. */
static int adopt(struct ipam_run *run, struct ipam_wish *wish)
{
	const struct object_service *service = wish->service;

	for (size_t i = 0; i < service->ingress_count; i++) {
		const struct ip *ip = &service->ingress[i];
		const char *why;
		int err;

		for (size_t f = 0; f < wish->family_count; f++) {
			struct ipam_family *family = &wish->families[f];
			unsigned int index = (unsigned int)family->pin_count;

			if (family->v6 == ip_is_v4(ip) || pinned_elsewhere(family, UINT32_MAX, ip))
				continue;
			while (index < wish->count && family->vips[index])
				index++;
			if (index == wish->count)
				continue;
			err = take_new(run, wish, f, index, ip, &why);
			if (err < 0)
				return err;
		}
	}
	return 0;
}

static int pin(struct ipam_run *run, struct ipam_wish *wish)
{
	char text[IP_STRLEN];
	const char *why;

	for (size_t f = 0; f < wish->family_count; f++) {
		struct ipam_family *family = &wish->families[f];

		for (unsigned int i = 0; i < family->pin_count; i++) {
			int err;

			if (family->vips[i])
				continue;
			if (ip_is_none(&family->pins[i]))
				err = ipam_failure_add(wish, run->arena,
						       "a pinned IP is no address");
			else
				err = take_new(run, wish, f, i, &family->pins[i], &why);
			if (err > 0)
				err = ipam_failure_add(
					wish, run->arena,
					arena_printf(run->arena, "the pinned IP %s %s",
						     ip_format(&family->pins[i], text), why));
			if (err < 0)
				return err;
		}
	}
	return 0;
}

/* The lowest VIP that a Service may share, or NULL. */
static struct ipam_run_vip *shared_find(struct ipam_run *run, const struct ipam_wish *wish, bool v6)
{
	struct ipam_run_vip *best = NULL;

	if (!wish->shared_key)
		return NULL;
	for (uint32_t at = run->keys[wish->key]; at; at = run->vips[at - 1].next_of_key) {
		struct ipam_run_vip *vip = &run->vips[at - 1];

		if (v6 == ip_is_v4(&vip->address) ||
		    (best && ip_cmp(&best->address, &vip->address) < 0))
			continue;
		if (vip_admits(vip, wish))
			best = vip;
	}
	return best;
}

/* The lowest free address in pool order. */
static bool free_find(struct ipam_run *run, struct ipam_wish *wish, bool v6, struct ip *ip)
{
	if (wish->pool->overlapped)
		return false;
	while (ipam_pool_next(wish->pool, v6, ip)) {
		const struct ipam_entry *entry = ipam_book_find(&run->book, ip);

		if (!entry ||
		    (!entry->reserved && !entry->vip &&
		     (!entry->held || strcmp(entry->held, wish->pool->class->meta.name) == 0)))
			return true;
	}
	return false;
}

static const char *shortage(struct ipam_run *run, const struct ipam_wish *wish, bool v6)
{
	const struct ipam_pool *pool = wish->pool;
	const char *name = pool->class->meta.name, *family = v6 ? "IPv6" : "IPv4";

	if (pool->overlapped)
		return arena_printf(run->arena, "the pool of class %s overlaps that of class %s",
				    name, pool->overlapped->meta.name);
	if (pool->walks[v6].count == 0)
		return arena_printf(run->arena, "class %s has no %s addresses", name, family);
	return arena_printf(run->arena, "class %s has no free %s address left", name, family);
}

static int fill(struct ipam_run *run, struct ipam_wish *wish)
{
	for (size_t f = 0; f < wish->family_count; f++) {
		struct ipam_family *family = &wish->families[f];
		bool missed = false;

		for (unsigned int i = (unsigned int)family->pin_count; i < wish->count; i++) {
			struct ipam_run_vip *vip;
			struct ip ip;

			if (family->vips[i])
				continue;
			vip = shared_find(run, wish, family->v6);
			if (!vip && free_find(run, wish, family->v6, &ip))
				vip = vip_add(run, wish, &ip);
			if (vip && vip_give(run, vip, wish, f, i) < 0)
				return -ENOMEM;
			if (!vip && !missed &&
			    ipam_failure_add(wish, run->arena, shortage(run, wish, family->v6)) < 0)
				return -ENOMEM;
			missed |= !vip;
		}
	}
	return 0;
}

/* The phases, in the order that design §6 gives. */
static int run_phases(struct ipam_run *run)
{
	static int (*const phases[])(struct ipam_run * run, struct ipam_wish * wish) = {adopt, pin,
											fill};
	int err = 0;

	for (size_t i = 0; !err && i < run->claim_count; i++)
		err = claim_keep(run, &run->claims[i]);
	for (size_t p = 0; p < sizeof(phases) / sizeof(phases[0]); p++)
		for (size_t i = 0; !err && i < run->count; i++)
			if (run->wishes[i].pool)
				err = phases[p](run, &run->wishes[i]);
	return err;
}

struct ipam_result *ipam_run(const struct object_set *set, const struct ipam_previous *previous,
			     size_t previous_count, const struct ip *reserved,
			     size_t reserved_count)
{
	struct ipam_run run = {.set = set, .arena = arena_create()};
	struct ipam_result *result = NULL;

	if (!run.arena)
		return NULL;
	if (ipam_prepare(&run, previous, previous_count, reserved, reserved_count) < 0 ||
	    run_phases(&run) < 0)
		errno = ENOMEM;
	else
		result = ipam_result_build(&run);
	arena_free(run.arena);
	return result;
}
