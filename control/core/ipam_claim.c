/* SPDX-License-Identifier: BSD-3-Clause */
/* What was allocated before: gathered from VirtualIPs and from memory, put in order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/ipam_run.h"

static int name_cmp(const struct object_meta *meta, const char *namespace, const char *name)
{
	int order = strcmp(meta->namespace, namespace);

	return order ? order : strcmp(meta->name, name);
}

/* The Service that an allocation was made for: the same name, and not one made anew since. */
static struct ipam_wish *wish_find(const struct ipam_run *run, const char *namespace,
				   const char *name, const char *uid)
{
	size_t low = 0, high = run->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (name_cmp(&run->by_name[mid]->service->meta, namespace, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < run->count; low++) {
		const struct object_meta *meta = &run->by_name[low]->service->meta;

		if (name_cmp(meta, namespace, name) != 0)
			break;
		if (!uid || *uid == '\0' || strcmp(uid, meta->uid) == 0)
			return run->by_name[low];
	}
	return NULL;
}

static bool status_has(const struct object_service *service, const struct ip *ip)
{
	for (size_t i = 0; i < service->ingress_count; i++)
		if (ip_equal(&service->ingress[i], ip))
			return true;
	return false;
}

static void claim_add(struct ipam_run *run, struct ipam_claim claim)
{
	claim.in_status = status_has(claim.wish->service, &claim.address);
	run->claims[run->claim_count++] = claim;
}

static int claim_cmp(const void *left, const void *right)
{
	const struct ipam_claim *a = left, *b = right;
	bool v4 = ip_is_v4(&a->address);

	if (a->is_object != b->is_object)
		return a->is_object ? -1 : 1;
	if (a->wish != b->wish)
		return a->wish < b->wish ? -1 : 1;
	if (v4 != ip_is_v4(&b->address))
		return v4 ? -1 : 1;
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	if (a->in_status != b->in_status)
		return a->in_status ? -1 : 1;
	if (a->created != b->created)
		return a->created < b->created ? -1 : 1;
	return ip_cmp(&a->address, &b->address);
}

static size_t claims_most(const struct ipam_run *run, size_t previous_count)
{
	size_t most = previous_count + 1;

	for (size_t i = 0; i < run->set->virtual_ip_count; i++)
		most += run->set->virtual_ips[i].service_count;
	return most;
}

int ipam_claims_collect(struct ipam_run *run, const struct ipam_previous *previous, size_t count)
{
	run->claims = arena_array(run->arena, claims_most(run, count), sizeof(*run->claims));
	if (!run->claims)
		return -ENOMEM;
	for (size_t i = 0; i < run->set->virtual_ip_count; i++) {
		const struct object_virtual_ip *vip = &run->set->virtual_ips[i];

		for (size_t j = 0; j < vip->service_count; j++) {
			const struct object_vip_service *user = &vip->services[j];
			struct ipam_wish *wish =
				wish_find(run, user->namespace, user->name, user->uid);

			if (wish)
				claim_add(run, (struct ipam_claim){.wish = wish,
								   .address = vip->address,
								   .class = vip->class,
								   .index = user->index,
								   .is_object = true,
								   .created = vip->meta.created});
		}
	}
	for (size_t i = 0; i < count; i++) {
		const struct ipam_previous *one = &previous[i];
		struct ipam_wish *wish = wish_find(run, one->namespace, one->name, one->uid);

		if (wish)
			claim_add(run, (struct ipam_claim){.wish = wish,
							   .address = one->address,
							   .class = one->class,
							   .index = one->index});
	}
	qsort(run->claims, run->claim_count, sizeof(run->claims[0]), claim_cmp);
	for (size_t i = 0; i < run->claim_count; i++)
		if (!run->claims[i].wish->bound)
			run->claims[i].wish->bound = run->claims[i].class;
	return 0;
}
