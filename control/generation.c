/* SPDX-License-Identifier: BSD-3-Clause */
/* Builds generations: IPAM, plan and everything derived, in the order in which they depend. */
#include "generation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "name.h"
#include "source_file.h"

#define NOTE_LEN 512

static int note_cmp(const void *a, const void *b)
{
	const struct generation_note *one = a, *other = b;

	return strcmp(one->text, other->text);
}

static int notes_build(struct generation *generation, const struct problems *problems)
{
	const struct ipam_result *allocations = generation->allocations;
	struct arena *arena = generation->arena;
	char line[NOTE_LEN];
	struct generation_note *note;

	generation->notes = arena_array(arena, problems->count + allocations->message_count + 1,
					sizeof(*generation->notes));
	if (generation->notes == NULL)
		return -ENOMEM;
	note = generation->notes;
	for (size_t i = 0; i < problems->count; i++, note++) {
		note->warning = true;
		note->text =
			arena_strdup(arena, problem_format(&problems->list[i], line, sizeof(line)));
	}
	for (size_t i = 0; i < allocations->message_count; i++, note++) {
		const struct ipam_message *message = &allocations->messages[i];
		const struct object_meta *meta = message->object;
		const char *namespace = meta != NULL ? meta->namespace : "";

		note->warning = message->severity == IPAM_WARNING;
		note->text = arena_printf(
			arena, "%s%s%s: %s: %s", namespace, namespace[0] != '\0' ? "/" : "",
			meta != NULL ? meta->name : "ipam", message->reason, message->text);
	}
	generation->note_count = (size_t)(note - generation->notes);
	for (size_t i = 0; i < generation->note_count; i++) {
		if (generation->notes[i].text == NULL)
			return -ENOMEM;
	}
	qsort(generation->notes, generation->note_count, sizeof(*generation->notes), note_cmp);
	return 0;
}

static int derive_all(struct generation *generation, const struct generation_input *input)
{
	struct arena *arena = generation->arena;
	int ret = 0;

	generation->interfaces =
		arena_array(arena, input->interface_count + 1, sizeof(*generation->interfaces));
	if (generation->interfaces == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < input->interface_count && ret == 0; i++)
		ret = derive_interface(arena, generation->allocations, generation->plan,
				       input->interfaces[i], name_id, &generation->interfaces[i]);
	if (ret == 0)
		ret = derive_health_targets(arena, generation->set, generation->allocations,
					    input->node, &generation->targets,
					    &generation->target_count);
	if (ret == 0)
		ret = derive_previous(arena, generation->allocations, &generation->previous,
				      &generation->previous_count);
	return ret;
}

struct generation *generation_build(struct object_set *set, const struct problems *problems,
				    const struct generation_input *input)
{
	struct generation *generation = calloc(1, sizeof(*generation));

	if (generation == NULL) {
		object_set_free(set);
		goto fail;
	}
	generation->set = set;
	generation->arena = arena_create();
	if (generation->arena == NULL)
		goto fail;
	generation->allocations = ipam_run(set, input->previous, input->previous_count,
					   input->reserved, input->reserved_count);
	if (generation->allocations == NULL)
		goto fail;
	generation->plan = plan_build(set, generation->allocations, input->plan);
	if (generation->plan == NULL || derive_all(generation, input) < 0 ||
	    notes_build(generation, problems) < 0)
		goto fail;
	return generation;
fail:
	generation_free(generation);
	errno = ENOMEM;
	return NULL;
}

/* The addresses of this node and its gateways; NULL only counts them. */
static size_t reserved_fill(const struct config *config, struct ip *reserved)
{
	size_t count = 0;

	for (size_t i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		for (size_t j = 0; j < interface->address_count; j++, count++) {
			if (reserved != NULL)
				reserved[count] = interface->addresses[j].addr;
		}
		for (size_t j = 0; j < interface->gateway_count; j++, count++) {
			if (reserved != NULL)
				reserved[count] = interface->gateways[j];
		}
	}
	return count;
}

struct generation *generation_read(const struct config *config, const char *source,
				   const struct ipam_previous *previous, size_t previous_count,
				   const struct plan *plan, struct problems *problems)
{
	const char *interfaces[DATAPLANE_MAX_INTERFACES];
	struct generation_input input = {
		.node = config->node,
		.interfaces = interfaces,
		.interface_count = config->interface_count,
		.previous = previous,
		.previous_count = previous_count,
		.plan = plan,
	};
	struct ip *reserved = calloc(reserved_fill(config, NULL) + 1, sizeof(*reserved));
	struct generation *generation = NULL;
	struct object_set *set;

	if (reserved == NULL)
		return NULL;
	input.reserved = reserved;
	input.reserved_count = reserved_fill(config, reserved);
	for (size_t i = 0; i < config->interface_count; i++)
		interfaces[i] = config->interfaces[i].name;
	set = source_file_load(source, problems);
	if (set != NULL)
		generation = generation_build(set, problems, &input);
	free(reserved);
	return generation;
}

void generation_free(struct generation *generation)
{
	if (generation == NULL)
		return;
	plan_free(generation->plan);
	ipam_result_free(generation->allocations);
	object_set_free(generation->set);
	arena_free(generation->arena);
	free(generation);
}

bool generation_has_note(const struct generation *generation, const char *text)
{
	const struct generation_note wanted = {.text = text};

	return generation != NULL && bsearch(&wanted, generation->notes, generation->note_count,
					     sizeof(*generation->notes), note_cmp) != NULL;
}

bool generation_has_node(const struct generation *generation, const char *name)
{
	for (size_t i = 0; i < generation->set->node_count; i++) {
		if (strcmp(generation->set->nodes[i].meta.name, name) == 0)
			return true;
	}
	return false;
}

static int vip_cmp(const void *key, const void *element)
{
	const struct ipam_vip *vip = element;

	return ip_cmp(key, &vip->address);
}

const struct ipam_vip *generation_vip(const struct generation *generation, const struct ip *address)
{
	return bsearch(address, generation->allocations->vips, generation->allocations->vip_count,
		       sizeof(*generation->allocations->vips), vip_cmp);
}
