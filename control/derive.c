/* SPDX-License-Identifier: BSD-3-Clause */
/* Turns allocations and plan into VIP tables, election plans, health targets and pool usage. */
#include "derive.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define POOL_TOTAL_MAX (UINT64_C(1) << 53) /* what JSON numbers carry exactly */

char *derive_service_key(struct arena *arena, const struct object_service *service)
{
	return arena_printf(arena, "%s/%s", service->meta.namespace, service->meta.name);
}

bool derive_vip_has_service(const struct ipam_vip *vip, const char *key)
{
	const char *slash = strchr(key, '/');
	size_t len;

	if (slash == NULL)
		return false;
	len = (size_t)(slash - key);
	for (size_t i = 0; i < vip->owner_count; i++) {
		const struct object_meta *meta = &vip->owners[i].service->meta;

		if (strlen(meta->namespace) == len && memcmp(meta->namespace, key, len) == 0 &&
		    strcmp(meta->name, slash + 1) == 0)
			return true;
	}
	return false;
}

bool derive_class_on_interface(const struct object_class *class, const char *interface)
{
	for (size_t i = 0; i < class->interface_count; i++) {
		if (strcmp(class->interfaces[i], interface) == 0)
			return true;
	}
	return class->interface_count == 0;
}

/* The union of the ports of all Services of a VIP, each with its own source ranges. */
static int spec_fill(struct arena *arena, const struct ipam_vip *vip, struct vip_spec *spec)
{
	struct vip_port *ports;
	size_t count = 0;

	for (size_t i = 0; i < vip->owner_count; i++)
		count += vip->owners[i].service->port_count;
	ports = arena_array(arena, count, sizeof(*ports));
	if (ports == NULL && count > 0)
		return -ENOMEM;
	*spec = (struct vip_spec){
		.address = vip->address,
		.ports = ports,
		.port_count = count,
	};
	for (size_t i = 0; i < vip->owner_count; i++) {
		const struct object_service *service = vip->owners[i].service;

		for (size_t j = 0; j < service->port_count; j++) {
			*ports++ = (struct vip_port){
				.protocol = service->ports[j].protocol,
				.port = service->ports[j].port,
				.sources = service->sources,
				.source_count = service->source_count,
			};
		}
	}
	return 0;
}

static int plan_fill(struct arena *arena, const struct plan *plan, const struct ip *address,
		     uint32_t (*node_id)(const char *name), struct election_plan_vip *out)
{
	const struct plan_vip *planned = plan_find(plan, address);
	uint32_t *nodes = NULL;

	*out = (struct election_plan_vip){.address = *address};
	if (planned == NULL || planned->node_count == 0)
		return 0;
	nodes = arena_array(arena, planned->node_count, sizeof(*nodes));
	if (nodes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < planned->node_count; i++)
		nodes[i] = node_id(planned->nodes[i]);
	out->nodes = nodes;
	out->node_count = planned->node_count;
	return 0;
}

int derive_interface(struct arena *arena, const struct ipam_result *allocations,
		     const struct plan *plan, const char *interface,
		     uint32_t (*node_id)(const char *name), struct derive_interface *out)
{
	size_t max = allocations->vip_count;
	int ret;

	*out = (struct derive_interface){
		.vips = arena_array(arena, max + 1, sizeof(*out->vips)),
		.specs = arena_array(arena, max + 1, sizeof(*out->specs)),
		.plan = arena_array(arena, max + 1, sizeof(*out->plan)),
		.addresses = arena_array(arena, max + 1, sizeof(*out->addresses)),
	};
	if (out->vips == NULL || out->specs == NULL || out->plan == NULL || out->addresses == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < max; i++) {
		const struct ipam_vip *vip = &allocations->vips[i];
		size_t at = out->count;

		if (!derive_class_on_interface(vip->class, interface))
			continue;
		ret = spec_fill(arena, vip, &out->specs[at]);
		if (ret == 0)
			ret = plan_fill(arena, plan, &vip->address, node_id, &out->plan[at]);
		if (ret < 0)
			return ret;
		out->vips[at] = vip;
		out->addresses[at] = vip->address;
		out->count++;
	}
	return 0;
}

/* Targets that grow while they are found; a NULL list only counts. */
struct target_list {
	struct health_target *list;
	size_t count;
};

static void target_add(struct target_list *targets, const char *key, const struct ip *address,
		       uint16_t port)
{
	if (targets->list != NULL)
		targets->list[targets->count] = (struct health_target){key, *address, port};
	targets->count++;
}

static void slice_targets(const struct object_endpoint_slice *slice, const char *node,
			  const char *key, struct target_list *targets)
{
	for (size_t i = 0; i < slice->endpoint_count; i++) {
		const struct object_endpoint *endpoint = &slice->endpoints[i];

		if (!endpoint->serving || endpoint->node == NULL ||
		    strcmp(endpoint->node, node) != 0)
			continue;
		for (size_t j = 0; j < slice->port_count; j++) {
			if (slice->ports[j].protocol != IPPROTO_TCP || slice->ports[j].port == 0)
				continue;
			for (size_t k = 0; k < endpoint->address_count; k++)
				target_add(targets, key, &endpoint->addresses[k],
					   slice->ports[j].port);
		}
	}
}

static void vip_targets(const struct ipam_service *got, const char *key,
			struct target_list *targets)
{
	bool have_v4 = false, have_v6 = false;

	for (size_t i = 0; i < got->ingress_count; i++) {
		bool *have = ip_is_v4(&got->ingress[i]) ? &have_v4 : &have_v6;

		if (*have)
			continue;
		*have = true;
		for (size_t j = 0; j < got->service->port_count; j++) {
			if (got->service->ports[j].protocol == IPPROTO_TCP)
				target_add(targets, key, &got->ingress[i],
					   got->service->ports[j].port);
		}
	}
}

static void service_targets(const struct object_set *set, const struct ipam_service *got,
			    const char *node, const char *key, struct target_list *targets)
{
	size_t before = targets->count;

	for (size_t i = 0; i < set->slice_count; i++) {
		const struct object_endpoint_slice *slice = &set->slices[i];

		if (slice->service != NULL &&
		    strcmp(slice->service, got->service->meta.name) == 0 &&
		    strcmp(slice->meta.namespace, got->service->meta.namespace) == 0)
			slice_targets(slice, node, key, targets);
	}
	if (targets->count == before)
		vip_targets(got, key, targets);
}

int derive_health_targets(struct arena *arena, const struct object_set *set,
			  const struct ipam_result *allocations, const char *node,
			  struct health_target **targets, size_t *count)
{
	struct target_list found = {0};

	for (size_t i = 0; i < allocations->service_count; i++)
		service_targets(set, &allocations->services[i], node, NULL, &found);
	found.list = arena_array(arena, found.count + 1, sizeof(*found.list));
	if (found.list == NULL)
		return -ENOMEM;
	found.count = 0;
	for (size_t i = 0; i < allocations->service_count; i++) {
		char *key = derive_service_key(arena, allocations->services[i].service);

		if (key == NULL)
			return -ENOMEM;
		service_targets(set, &allocations->services[i], node, key, &found);
	}
	*targets = found.list;
	*count = found.count;
	return 0;
}

int derive_previous(struct arena *arena, const struct ipam_result *allocations,
		    struct ipam_previous **previous, size_t *count)
{
	struct ipam_previous *list;
	size_t max = 0;

	for (size_t i = 0; i < allocations->vip_count; i++)
		max += allocations->vips[i].owner_count;
	list = arena_array(arena, max + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	*previous = list;
	*count = max;
	for (size_t i = 0; i < allocations->vip_count; i++) {
		const struct ipam_vip *vip = &allocations->vips[i];

		for (size_t j = 0; j < vip->owner_count; j++) {
			const struct object_meta *meta = &vip->owners[j].service->meta;

			*list++ = (struct ipam_previous){
				.address = vip->address,
				.class = vip->class->meta.name,
				.namespace = meta->namespace,
				.name = meta->name,
				.uid = meta->uid,
				.index = vip->owners[j].index,
			};
		}
	}
	return 0;
}

/* last − first + 1, or POOL_TOTAL_MAX when that is more. */
static uint64_t range_size(const struct object_range *range)
{
	unsigned __int128 first = 0, last = 0;

	for (size_t i = 0; i < sizeof(range->first.b); i++) {
		first = first << 8 | range->first.b[i];
		last = last << 8 | range->last.b[i];
	}
	return last - first >= POOL_TOTAL_MAX ? POOL_TOTAL_MAX : (uint64_t)(last - first) + 1;
}

void derive_pool_usage(const struct ipam_result *allocations, const struct object_class *class,
		       uint64_t *total, uint64_t *used)
{
	*total = *used = 0;
	for (size_t i = 0; i < class->pool_count; i++) {
		*total += range_size(&class->pool[i]);
		if (*total > POOL_TOTAL_MAX)
			*total = POOL_TOTAL_MAX;
	}
	for (size_t i = 0; i < allocations->vip_count; i++)
		*used += allocations->vips[i].class == class;
}
