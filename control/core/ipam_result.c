/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes out of a run: VIPs, each Service's ingress, and the messages about both, in order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/ipam_run.h"

/* An earlier allocation, found by Service and address. */
struct had {
	const struct ipam_wish *wish;
	struct ip address;
	const char *lost;
};

struct builder {
	struct ipam_run *run;
	struct ipam_result *result;
	struct had *had; /* sorted, one for each Service and address */
	size_t had_count, message_capacity;
};

static int had_cmp(const void *left, const void *right)
{
	const struct had *a = left, *b = right;

	if (a->wish != b->wish)
		return a->wish < b->wish ? -1 : 1;
	return ip_cmp(&a->address, &b->address);
}

static const struct had *had_find(const struct builder *builder, const struct ipam_wish *wish,
				  const struct ip *address)
{
	struct had key = {.wish = wish, .address = *address};

	return bsearch(&key, builder->had, builder->had_count, sizeof(key), had_cmp);
}

static int had_collect(struct builder *builder)
{
	struct ipam_run *run = builder->run;
	size_t kept = 0;

	builder->had = arena_array(run->arena, run->claim_count + 1, sizeof(*builder->had));
	if (!builder->had)
		return -ENOMEM;
	for (size_t i = 0; i < run->claim_count; i++)
		builder->had[i] = (struct had){.wish = run->claims[i].wish,
					       .address = run->claims[i].address,
					       .lost = run->claims[i].lost};
	qsort(builder->had, run->claim_count, sizeof(builder->had[0]), had_cmp);
	for (size_t i = 0; i < run->claim_count; i++) {
		if (kept > 0 && had_cmp(&builder->had[kept - 1], &builder->had[i]) == 0) {
			if (!builder->had[kept - 1].lost)
				builder->had[kept - 1].lost = builder->had[i].lost;
			continue;
		}
		builder->had[kept++] = builder->had[i];
	}
	builder->had_count = kept;
	return 0;
}

/* Appends a message; text lives in the result's arena, or is made NULL by a lack of memory. */
static int message_add(struct builder *builder, enum ipam_severity severity, const char *reason,
		       const struct object_meta *object, const char *text)
{
	struct ipam_result *result = builder->result;

	if (!text)
		return -ENOMEM;
	if (result->message_count == builder->message_capacity) {
		size_t capacity = builder->message_capacity ? builder->message_capacity * 2 : 64;
		struct ipam_message *grown =
			arena_array(result->arena, capacity, sizeof(*result->messages));

		if (!grown)
			return -ENOMEM;
		if (result->message_count > 0)
			memcpy(grown, result->messages, result->message_count * sizeof(*grown));
		result->messages = grown;
		builder->message_capacity = capacity;
	}
	result->messages[result->message_count++] = (struct ipam_message){
		.severity = severity, .reason = reason, .object = object, .text = text};
	return 0;
}

/* What is wrong with the classes themselves. */
static int tell_classes(struct builder *builder)
{
	const struct ipam_pools *pools = &builder->run->pools;
	struct arena *arena = builder->result->arena;
	const struct object_class *chosen = NULL;
	int err = 0;

	for (size_t i = 0; !err && i < pools->count; i++) {
		const struct ipam_pool *pool = &pools->list[i];
		const struct object_class *class = pool->class;

		if (pool->bad_ranges)
			err = message_add(builder, IPAM_WARNING, "InvalidPool", &class->meta,
					  arena_printf(arena,
						       "%zu entries of addressPool are reversed or "
						       "mix families, and are left out",
						       pool->bad_ranges));
		if (!err && pool->overlapped)
			err = message_add(builder, IPAM_WARNING, "PoolOverlap", &class->meta,
					  arena_printf(arena,
						       "the pool overlaps that of class %s, which "
						       "is served: no new VIPs",
						       pool->overlapped->meta.name));
		if (!err && class->is_default && chosen)
			err = message_add(
				builder, IPAM_WARNING, "SecondDefault", &class->meta,
				arena_printf(arena, "class %s is the default", chosen->meta.name));
		if (class->is_default && !chosen)
			chosen = class;
	}
	return err;
}

static int tell_lost(struct builder *builder, const struct ipam_wish *wish)
{
	struct had key = {.wish = wish};
	size_t low = 0, high = builder->had_count;
	char text[IP_STRLEN];
	int err = 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (had_cmp(&builder->had[mid], &key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; !err && low < builder->had_count && builder->had[low].wish == wish; low++) {
		const struct had *had = &builder->had[low];
		bool kept = false;

		for (size_t f = 0; f < wish->family_count; f++)
			for (unsigned int i = 0; i < wish->count; i++) {
				uint32_t vip = wish->families[f].vips[i];

				kept |= vip && ip_equal(&builder->run->vips[vip - 1].address,
							&had->address);
			}
		if (!kept)
			err = message_add(builder, IPAM_NORMAL, "ClearAssignment",
					  &wish->service->meta,
					  arena_printf(builder->result->arena, "Withdrew %s: it %s",
						       ip_format(&had->address, text),
						       had->lost ? had->lost : "is not kept"));
	}
	return err;
}

static int tell_assigned(struct builder *builder, const struct ipam_wish *wish,
			 const struct ipam_service *service)
{
	struct arena *arena = builder->result->arena;
	const char *list = NULL;
	char text[IP_STRLEN];
	int err = 0;

	for (size_t i = 0; i < service->ingress_count; i++) {
		const struct ip *ip = &service->ingress[i];

		if (had_find(builder, wish, ip))
			continue;
		ip_format(ip, text);
		list = list ? arena_printf(builder->run->arena, "%s \"%s\"", list, text)
			    : arena_printf(builder->run->arena, "\"%s\"", text);
		if (!list)
			return -ENOMEM;
	}
	if (list)
		err = message_add(builder, IPAM_NORMAL, "IPAllocated", &wish->service->meta,
				  arena_printf(arena, "Assigned IP [%s]", list));
	if (!err && service->ingress_count < service->wanted)
		err = message_add(builder, IPAM_WARNING, "AllocationFailed", &wish->service->meta,
				  arena_printf(arena, "%zu of %zu public IPs were assigned: %s",
					       service->ingress_count, service->wanted,
					       wish->failures ? wish->failures : "none left"));
	return err;
}

static int service_build(struct builder *builder, const struct ipam_wish *wish)
{
	struct ipam_result *result = builder->result;
	struct ipam_service *service = &result->services[result->service_count++];
	int err = 0;

	service->service = wish->service;
	service->class = wish->pool->class;
	service->wanted = wish->family_count * wish->count;
	service->ingress = arena_array(result->arena, service->wanted, sizeof(struct ip));
	if (!service->ingress)
		return -ENOMEM;
	for (size_t f = 0; f < wish->family_count; f++)
		for (unsigned int i = 0; i < wish->count; i++)
			if (wish->families[f].vips[i])
				service->ingress[service->ingress_count++] =
					builder->run->vips[wish->families[f].vips[i] - 1].address;
	for (const struct ipam_note *note = wish->notes; !err && note; note = note->next)
		err = message_add(builder, note->severity, note->reason, &wish->service->meta,
				  arena_strdup(result->arena, note->text));
	if (!err)
		err = tell_lost(builder, wish);
	return err ? err : tell_assigned(builder, wish, service);
}

static int owner_cmp(const void *left, const void *right)
{
	const struct ipam_owner *a = left, *b = right;
	int order = strcmp(a->service->meta.namespace, b->service->meta.namespace);

	if (order == 0)
		order = strcmp(a->service->meta.name, b->service->meta.name);
	if (order == 0)
		order = strcmp(a->service->meta.uid, b->service->meta.uid);
	return order;
}

static int vip_cmp(const void *left, const void *right)
{
	const struct ipam_vip *a = left, *b = right;

	return ip_cmp(&a->address, &b->address);
}

static int vips_build(struct builder *builder)
{
	struct ipam_run *run = builder->run;
	struct ipam_result *result = builder->result;

	result->vip_count = run->vip_count;
	result->vips = arena_array(result->arena, run->vip_count + 1, sizeof(*result->vips));
	if (!result->vips)
		return -ENOMEM;
	for (size_t i = 0; i < run->vip_count; i++) {
		const struct ipam_run_vip *from = &run->vips[i];
		struct ipam_vip *vip = &result->vips[i];

		vip->address = from->address;
		vip->class = from->pool->class;
		vip->owners = arena_array(result->arena, from->owner_count, sizeof(*vip->owners));
		if (!vip->owners)
			return -ENOMEM;
		for (const struct ipam_run_owner *owner = from->owners; owner; owner = owner->next)
			vip->owners[vip->owner_count++] = (struct ipam_owner){
				.service = owner->wish->service, .index = owner->index};
		qsort(vip->owners, vip->owner_count, sizeof(*vip->owners), owner_cmp);
	}
	qsort(result->vips, result->vip_count, sizeof(*result->vips), vip_cmp);
	return 0;
}

struct ipam_result *ipam_result_build(struct ipam_run *run)
{
	struct arena *arena = arena_create();
	struct builder builder = {.run = run};
	struct ipam_result *result;
	int err;

	result = arena ? arena_alloc(arena, sizeof(*result)) : NULL;
	if (!result)
		goto fail;
	result->arena = arena;
	builder.result = result;
	result->services = arena_array(arena, run->count + 1, sizeof(*result->services));
	if (!result->services || had_collect(&builder) < 0 || vips_build(&builder) < 0)
		goto fail;
	err = tell_classes(&builder);
	for (size_t i = 0; !err && i < run->count; i++)
		err = run->by_name[i]->pool ? service_build(&builder, run->by_name[i])
					    : tell_lost(&builder, run->by_name[i]);
	if (err)
		goto fail;
	return result;
fail:
	arena_free(arena);
	errno = ENOMEM;
	return NULL;
}

void ipam_result_free(struct ipam_result *result)
{
	if (result)
		arena_free(result->arena); /* the result itself lives in there */
}

const struct ipam_previous *ipam_remember(struct ipam_result *result, size_t *count)
{
	struct ipam_previous *list;
	size_t most = 1, used = 0;

	*count = 0;
	for (size_t i = 0; i < result->vip_count; i++)
		most += result->vips[i].owner_count;
	list = arena_array(result->arena, most, sizeof(*list));
	if (!list)
		return NULL;
	for (size_t i = 0; i < result->vip_count; i++) {
		const struct ipam_vip *vip = &result->vips[i];

		for (size_t j = 0; j < vip->owner_count; j++) {
			const struct object_meta *meta = &vip->owners[j].service->meta;

			list[used++] = (struct ipam_previous){.address = vip->address,
							      .class = vip->class->meta.name,
							      .namespace = meta->namespace,
							      .name = meta->name,
							      .uid = meta->uid,
							      .index = vip->owners[j].index};
		}
	}
	*count = used;
	return list;
}
