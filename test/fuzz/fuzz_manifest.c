/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as manifests: accepted whole, with everything in its range, or refused with a reason.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "source_file.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads every byte, so that the sanitizer sees one that is not ours. */
static void touch(const char *text)
{
	CHECK(text != NULL && strlen(text) < SIZE_MAX);
}

static void check_map(const struct object_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		touch(map->pairs[i].key);
		touch(map->pairs[i].value);
		CHECK(object_map_get(map, map->pairs[i].key) == map->pairs[i].value);
	}
}

static void check_meta(const struct object_meta *meta)
{
	touch(meta->name);
	touch(meta->namespace);
	touch(meta->uid);
	CHECK(meta->name[0] != '\0' && meta->uid[0] != '\0');
	CHECK(strcmp(meta->where.file, "o.yaml") == 0 && meta->where.line > 0);
	check_map(&meta->labels);
	check_map(&meta->annotations);
}

static void check_classes(const struct object_set *set)
{
	for (size_t i = 0; i < set->class_count; i++) {
		const struct object_class *class = &set->classes[i];

		check_meta(&class->meta);
		check_map(&class->node_selector);
		CHECK(class->pool_count > 0);
		for (size_t j = 0; j < class->pool_count; j++) {
			CHECK(ip_cmp(&class->pool[j].first, &class->pool[j].last) <= 0);
			CHECK(ip_is_v4(&class->pool[j].first) == ip_is_v4(&class->pool[j].last));
		}
		for (size_t j = 0; j < class->interface_count; j++)
			touch(class->interfaces[j]);
	}
}

static void check_services(const struct object_set *set)
{
	for (size_t i = 0; i < set->service_count; i++) {
		const struct object_service *service = &set->services[i];

		check_meta(&service->meta);
		check_map(&service->selector);
		CHECK(service->meta.namespace[0] != '\0' && service->family_count <= 2);
		for (size_t j = 0; j < service->port_count; j++) {
			CHECK(service->ports[j].port != 0 && service->ports[j].protocol != 0);
			touch(service->ports[j].name);
		}
		for (size_t j = 0; j < service->ingress_count; j++)
			CHECK(!ip_is_none(&service->ingress[j]));
		for (size_t j = 0; j < service->source_count; j++)
			CHECK(service->sources[j].len <= 128);
	}
}

static void check_others(const struct object_set *set)
{
	for (size_t i = 0; i < set->node_count; i++) {
		check_meta(&set->nodes[i].meta);
		for (size_t j = 0; j < set->nodes[i].address_count; j++)
			CHECK(!ip_is_none(&set->nodes[i].addresses[j]));
	}
	for (size_t i = 0; i < set->slice_count; i++) {
		check_meta(&set->slices[i].meta);
		touch(set->slices[i].service);
		for (size_t j = 0; j < set->slices[i].endpoint_count; j++)
			for (size_t k = 0; k < set->slices[i].endpoints[j].address_count; k++)
				CHECK(!ip_is_none(&set->slices[i].endpoints[j].addresses[k]));
	}
	for (size_t i = 0; i < set->virtual_ip_count; i++) {
		check_meta(&set->virtual_ips[i].meta);
		touch(set->virtual_ips[i].class);
		CHECK(!ip_is_none(&set->virtual_ips[i].address));
		for (size_t j = 0; j < set->virtual_ips[i].service_count; j++)
			touch(set->virtual_ips[i].services[j].name);
		for (size_t j = 0; j < set->virtual_ips[i].node_count; j++)
			touch(set->virtual_ips[i].nodes[j]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems problems = {0};
	struct object_set *set = source_file_parse((const char *)data, size, "o.yaml", &problems);

	CHECK((set == NULL) == (problems.errors > 0));
	if (set != NULL) {
		check_classes(set);
		check_services(set);
		check_others(set);
	}
	object_set_free(set);
	for (size_t i = 0; i < problems.count; i++)
		for (const char *p = problems.list[i].text; *p != '\0'; p++)
			CHECK((uint8_t)*p >= 0x20);
	problems_fini(&problems);
	return 0;
}
