/* SPDX-License-Identifier: BSD-3-Clause */
/* vipgate check: what a start would say of configuration and objects, and where VIPs would be. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "daemon.h"
#include "derive.h"
#include "generation.h"
#include "state_file.h"
#include "table.h"

static void problems_print(const struct problems *problems)
{
	char line[1024];

	for (size_t i = 0; i < problems->count; i++)
		fprintf(stderr, "%s\n", problem_format(&problems->list[i], line, sizeof(line)));
}

/* The notes of a generation include the warnings of its source. */
static void notes_print(const struct generation *generation)
{
	for (size_t i = 0; i < generation->note_count; i++) {
		if (generation->notes[i].warning)
			fprintf(stderr, "%s\n", generation->notes[i].text);
	}
}

/* The allocations of the state file, so that the plan is the one that a start would make. A file
 * that is missing or damaged is no matter for check. */
static void allocations_load(const char *dir, struct state *state)
{
	char path[4096], message[256], *text = NULL;
	size_t len = 0, size = 0;
	ssize_t got;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, state_file_name(STATE_ALLOCATIONS));
	file = fopen(path, "re");
	if (file == NULL)
		return;
	got = getdelim(&text, &size, '\0', file);
	fclose(file);
	if (got > 0) {
		len = (size_t)got;
		if (state_decode(state, STATE_ALLOCATIONS, text, len, message, sizeof(message)) < 0)
			fprintf(stderr, "%s: warning: %s\n", path, message);
	}
	free(text);
}

static void plan_print(const struct generation *generation)
{
	static const char *const titles[] = {"ADDRESS", "CLASS", "SERVICES", "NODES"};
	struct table table = {.columns = 4};

	for (size_t i = 0; i < 4; i++)
		table_cell(&table, titles[i]);
	for (size_t i = 0; i < generation->allocations->vip_count; i++) {
		const struct ipam_vip *vip = &generation->allocations->vips[i];
		const struct plan_vip *planned = plan_find(generation->plan, &vip->address);
		char address[IP_STRLEN], *services = NULL, *nodes = NULL;
		size_t len;
		FILE *out = open_memstream(&services, &len);

		for (size_t j = 0; out != NULL && j < vip->owner_count; j++)
			fprintf(out, "%s%s/%s", j > 0 ? "," : "",
				vip->owners[j].service->meta.namespace,
				vip->owners[j].service->meta.name);
		if (out != NULL)
			fclose(out);
		out = open_memstream(&nodes, &len);
		for (size_t j = 0; out != NULL && planned != NULL && j < planned->node_count; j++)
			fprintf(out, "%s%s", j > 0 ? "," : "", planned->nodes[j]);
		if (out != NULL)
			fclose(out);
		table_cell(&table, ip_format(&vip->address, address));
		table_cell(&table, vip->class->meta.name);
		table_cell(&table, services);
		table_cell(&table, nodes);
		free(services);
		free(nodes);
	}
	table_print(&table, stdout);
	table_fini(&table);
}

static bool has_result(const struct ipam_result *allocations, const struct object_service *service)
{
	for (size_t i = 0; i < allocations->service_count; i++) {
		if (allocations->services[i].service == service)
			return true;
	}
	return false;
}

/* What is legal and yet hardly meant: Services that are left alone, classes that are nowhere, VIPs
 * that nobody may hold. */
static void hints_print(const struct generation *generation, const struct config *config)
{
	const char *source = config->source_file;
	const struct object_set *set = generation->set;

	for (size_t i = 0; i < set->service_count; i++) {
		const struct object_service *service = &set->services[i];
		const struct object_where *where = &service->meta.where;

		if (service->load_balancer && !has_result(generation->allocations, service))
			fprintf(stderr,
				"%s:%u:%u: warning: Service %s/%s is left alone: no "
				"MetalLoadBalancerClass here is the one that it names, nor the "
				"default\n",
				source, where->line, where->column, service->meta.namespace,
				service->meta.name);
	}
	for (size_t i = 0; i < set->class_count; i++) {
		const struct object_class *class = &set->classes[i];
		bool here = false;

		for (size_t j = 0; j < config->interface_count; j++)
			here |= derive_class_on_interface(class, config->interfaces[j].name);
		if (!here)
			fprintf(stderr,
				"%s:%u:%u: warning: class %s is on no interface of this node: "
				"none of the configuration is in its spec.l2.interfaces\n",
				source, class->meta.where.line, class->meta.where.column,
				class->meta.name);
	}
	for (size_t i = 0; i < generation->allocations->vip_count; i++) {
		const struct ipam_vip *vip = &generation->allocations->vips[i];
		const struct plan_vip *planned = plan_find(generation->plan, &vip->address);
		char address[IP_STRLEN];

		if (planned == NULL || planned->node_count == 0)
			fprintf(stderr,
				"%s: warning: no Node may hold VIP %s of class %s: see the "
				"nodeSelector of the class and the labels of the Nodes\n",
				source, ip_format(&vip->address, address), vip->class->meta.name);
	}
}

static int check_objects(const struct config *config)
{
	struct problems problems = {0};
	struct state state = {0};
	struct generation *generation;

	allocations_load(config->state_dir, &state);
	generation = generation_read(config, config->source_file, state.allocations,
				     state.allocation_count, NULL, &problems);
	if (generation == NULL) {
		problems_print(&problems);
	} else {
		notes_print(generation);
		if (!generation_has_node(generation, config->node))
			fprintf(stderr, "%s: warning: no Node %s: this node will hold no VIP\n",
				config->source_file, config->node);
		hints_print(generation, config);
		plan_print(generation);
	}
	problems_fini(&problems);
	generation_free(generation);
	state_fini(&state);
	return generation != NULL ? EXIT_DONE : EXIT_USAGE;
}

int cli_check(const char *config_path)
{
	struct problems problems = {0};
	struct config *config = config_load(config_path, &problems);
	int code = config != NULL ? EXIT_DONE : EXIT_USAGE;

	problems_print(&problems);
	problems_fini(&problems);
	if (config != NULL && config->source_file != NULL)
		code = check_objects(config);
	config_free(config);
	return code;
}
