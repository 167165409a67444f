/* SPDX-License-Identifier: BSD-3-Clause */
/* Object sets written in a few words, for the tests of IPAM and planning. */
#ifndef TEST_SET_BUILDER_H
#define TEST_SET_BUILDER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/object.h"

#define SET_MAX_CLASSES 32
#define SET_MAX_NODES	256

static inline struct ip set_ip(const char *text)
{
	struct ip ip;

	if (ip_parse(text, &ip) < 0) {
		fprintf(stderr, "not an address in a test: %s\n", text);
		abort();
	}
	return ip;
}

/* An empty set with room for some Services; pointers to what is added stay valid. */
static inline struct object_set *set_new(size_t services)
{
	struct object_set *set = object_set_create();

	set->nodes = arena_array(set->arena, SET_MAX_NODES, sizeof(*set->nodes));
	set->classes = arena_array(set->arena, SET_MAX_CLASSES, sizeof(*set->classes));
	set->services = arena_array(set->arena, services + 1, sizeof(*set->services));
	set->slices = arena_array(set->arena, services * 2 + 1, sizeof(*set->slices));
	set->virtual_ips = arena_array(set->arena, services + 1, sizeof(*set->virtual_ips));
	return set;
}

/* "k=v,k=v" */
static inline struct object_map set_map(struct object_set *set, const char *text)
{
	struct object_pair *pairs = arena_array(set->arena, strlen(text) + 1, sizeof(*pairs));
	struct object_map map = {.pairs = pairs};
	char *copy = arena_strdup(set->arena, text), *save = NULL;

	for (char *one = strtok_r(copy, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		char *value = strchr(one, '=');

		if (value)
			*value++ = '\0';
		pairs[map.count++] = (struct object_pair){one, value ? value : ""};
	}
	return map;
}

static inline void set_meta(struct object_set *set, struct object_meta *meta, const char *namespace,
			    const char *name)
{
	meta->namespace = namespace;
	meta->name = arena_strdup(set->arena, name);
	meta->uid = arena_printf(set->arena, "%s/%s", namespace, name);
}

/* Adds a key to a map that set_annotate() alone fills. */
static inline void set_annotate(struct object_set *set, struct object_meta *meta, const char *key,
				const char *value)
{
	struct object_pair *pairs =
		arena_array(set->arena, meta->annotations.count + 1, sizeof(*pairs));

	for (size_t i = 0; i < meta->annotations.count; i++)
		pairs[i] = meta->annotations.pairs[i];
	pairs[meta->annotations.count] = (struct object_pair){key, value};
	meta->annotations.pairs = pairs;
	meta->annotations.count++;
}

/* pool: "a-b", "prefix/len" or "a", separated by commas. */
static inline struct object_class *set_class(struct object_set *set, const char *name,
					     const char *pool)
{
	struct object_class *class = &set->classes[set->class_count++];
	struct object_range *ranges = arena_array(set->arena, strlen(pool) + 1, sizeof(*ranges));
	char *copy = arena_strdup(set->arena, pool), *save = NULL;

	set_meta(set, &class->meta, "", name);
	class->pool = ranges;
	for (char *one = strtok_r(copy, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
		struct object_range *range = &ranges[class->pool_count++];
		char *dash = strchr(one, '-');
		struct ip_prefix prefix;

		if (dash) {
			*dash = '\0';
			range->first = set_ip(one);
			range->last = set_ip(dash + 1);
			continue;
		}
		if (ip_prefix_parse(one, &prefix) < 0)
			abort();
		range->first = range->last = prefix.addr;
		for (unsigned int bit = prefix.len; bit < 128; bit++)
			range->last.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	}
	return class;
}

static inline struct object_node *set_node(struct object_set *set, const char *name,
					   const char *labels)
{
	struct object_node *node = &set->nodes[set->node_count++];

	set_meta(set, &node->meta, "", name);
	node->meta.labels = set_map(set, labels);
	return node;
}

/* A LoadBalancer Service in namespace "default". class, count: NULL leaves them out. */
static inline struct object_service *set_service(struct object_set *set, const char *name,
						 const char *class, const char *count)
{
	struct object_service *service = &set->services[set->service_count++];

	set_meta(set, &service->meta, "default", name);
	service->load_balancer = true;
	service->class_field = class;
	if (count)
		set_annotate(set, &service->meta, OBJECT_ANNOTATION_COUNT, count);
	return service;
}

static inline void set_port(struct object_set *set, struct object_service *service,
			    uint8_t protocol, uint16_t port)
{
	struct object_port *ports = arena_alloc(set->arena, sizeof(*ports));

	*ports = (struct object_port){.name = "", .protocol = protocol, .port = port};
	service->ports = ports;
	service->port_count = 1;
}

/* Endpoints of a Service on some nodes, "fe-1,fe-2=down": all serve but those that are down. */
static inline void set_endpoints(struct object_set *set, const struct object_service *service,
				 const char *nodes)
{
	struct object_endpoint_slice *slice = &set->slices[set->slice_count++];
	struct object_map map = set_map(set, nodes);
	struct object_endpoint *list = arena_array(set->arena, map.count + 1, sizeof(*list));

	set_meta(set, &slice->meta, service->meta.namespace, service->meta.name);
	slice->service = service->meta.name;
	slice->endpoints = list;
	slice->endpoint_count = map.count;
	for (size_t i = 0; i < map.count; i++)
		list[i] = (struct object_endpoint){.node = map.pairs[i].key,
						   .serving = map.pairs[i].value[0] == '\0'};
}

/* A VirtualIP for one Service. */
static inline struct object_virtual_ip *set_virtual_ip(struct object_set *set, const char *address,
						       const char *class,
						       const struct object_service *service,
						       unsigned int index)
{
	struct object_virtual_ip *vip = &set->virtual_ips[set->virtual_ip_count++];
	struct object_vip_service *user = arena_alloc(set->arena, sizeof(*user));

	set_meta(set, &vip->meta, "", address);
	vip->address = set_ip(address);
	vip->class = class;
	*user = (struct object_vip_service){.namespace = service->meta.namespace,
					    .name = service->meta.name,
					    .uid = service->meta.uid,
					    .index = index};
	vip->services = user;
	vip->service_count = 1;
	return vip;
}

/* A small generator: the same sequence for the same seed everywhere. */
static inline uint32_t set_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*seed >> 33);
}

/* Puts every array of a set in another order. */
static inline void set_shuffle(struct object_set *set, uint64_t *seed)
{
#define SHUFFLE(list, count)                                                                       \
	for (size_t i = (count); i > 1; i--) {                                                     \
		size_t j = set_random(seed) % i;                                                   \
		__typeof__((list)[0]) one = (list)[j];                                             \
                                                                                                   \
		(list)[j] = (list)[i - 1];                                                         \
		(list)[i - 1] = one;                                                               \
	}
	SHUFFLE(set->nodes, set->node_count)
	SHUFFLE(set->classes, set->class_count)
	SHUFFLE(set->services, set->service_count)
	SHUFFLE(set->slices, set->slice_count)
	SHUFFLE(set->virtual_ips, set->virtual_ip_count)
#undef SHUFFLE
}

#endif
