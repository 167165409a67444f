/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the objects in trees, makes room for them in a set, and reads each by its kind's table. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "object_read.h"
#include "object_tree.h"

#define MAX_STRANGERS 64 /* kinds that are warned of; nobody reads further than this */

struct finder {
	struct tree_reader *reader;
	struct object_item *items;
	size_t count;
	struct {
		const char *api_version, *kind;
	} strangers[MAX_STRANGERS];
	size_t stranger_count;
};

static const struct object_kind *kind_find(const char *api_version, const char *name, size_t len)
{
	for (size_t i = 0; object_kinds[i] != NULL; i++)
		if (strcmp(object_kinds[i]->api_version, api_version) == 0 &&
		    strlen(object_kinds[i]->kind) == len &&
		    memcmp(object_kinds[i]->kind, name, len) == 0)
			return object_kinds[i];
	return NULL;
}

/* Whether an API version is one of a group, such as "vipgate.io/". */
static bool in_group(const char *api_version, const char *group)
{
	return strncmp(api_version, group, strlen(group)) == 0;
}

/*
 * The kind of this group that a kind most likely means, or NULL. A kind that is spelled as it
 * should be is its own: then the version is wrong.
 */
static const struct object_kind *kind_meant(const char *group, const char *kind)
{
	const struct object_kind *of_group[16];
	const char *names[16];
	const char *name;
	size_t n = 0;

	for (size_t i = 0; object_kinds[i] != NULL; i++) {
		if (!in_group(object_kinds[i]->api_version, group))
			continue;
		names[n] = object_kinds[i]->kind;
		of_group[n++] = object_kinds[i];
	}
	names[n] = NULL;
	name = tree_suggest(kind, names);
	for (size_t i = 0; name != NULL && i < n; i++)
		if (names[i] == name)
			return of_group[i];
	return NULL;
}

/*
 * A kind that is not read: a mistake in our own API group, and when it is nearly one of those that
 * we read; else none of our business, also in Deckhouse's group, which holds other kinds as well.
 */
static void report_stranger(struct finder *finder, const struct tree_node *api_version,
			    const struct tree_node *kind)
{
	static const char *const groups[] = {"network.deckhouse.io/", "vipgate.io/"};
	char version_text[TREE_FOUND_LEN], kind_text[TREE_FOUND_LEN];

	tree_quote(api_version->text, version_text);
	tree_quote(kind->text, kind_text);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		const struct object_kind *meant;

		if (!in_group(api_version->text, groups[i]))
			continue;
		meant = kind_meant(groups[i], kind->text);
		if (meant == NULL && in_group(api_version->text, "network.deckhouse.io/"))
			break;
		problems_add(finder->reader->problems, true, &kind->where,
			     "found kind %s of %s, expected %s of %s", kind_text, version_text,
			     meant != NULL ? meant->kind : "VirtualIP",
			     meant != NULL ? meant->api_version : "vipgate.io/v1alpha1");
		return;
	}
	for (size_t i = 0; i < finder->stranger_count; i++)
		if (strcmp(finder->strangers[i].kind, kind->text) == 0 &&
		    strcmp(finder->strangers[i].api_version, api_version->text) == 0)
			return;
	if (finder->stranger_count == MAX_STRANGERS)
		return;
	finder->strangers[finder->stranger_count].kind = kind->text;
	finder->strangers[finder->stranger_count++].api_version = api_version->text;
	problems_add(finder->reader->problems, false, &kind->where,
		     "found kind %s of %s: ignored, vipgate does not read it", kind_text,
		     version_text);
}

static void add_item(struct finder *finder, const struct object_kind *kind,
		     const struct tree_node *node)
{
	struct object_item item = {.kind = kind, .node = node};

	if (kind->skip != NULL && kind->skip(node))
		return;
	if ((finder->count & (finder->count - 1)) == 0) {
		size_t capacity = finder->count == 0 ? 1 : 2 * finder->count;
		struct object_item *items = reallocarray(finder->items, capacity, sizeof(*items));

		if (items == NULL) {
			finder->reader->no_memory = true;
			return;
		}
		finder->items = items;
	}
	finder->items[finder->count++] = item;
}

static void find(struct finder *finder, const struct tree_node *node,
		 const struct object_kind *listed);

static void find_in_list(struct finder *finder, const struct tree_node *node,
			 const struct object_kind *listed)
{
	static const struct tree_field items_field = {.key = "items",
						      .expected = "a list of objects"};
	const struct tree_node *items = tree_get(node, "items");

	if (items == NULL || !tree_is_list(finder->reader, &items_field, items))
		return;
	for (size_t i = 0; i < items->count; i++)
		find(finder, items->items[i], listed);
}

/* listed: the kind that a typed list such as ServiceList gives to items that name none. */
static void find(struct finder *finder, const struct tree_node *node,
		 const struct object_kind *listed)
{
	static const struct tree_field object_field = {
		.key = "object", .expected = "a map with apiVersion, kind and metadata"};
	static const struct tree_field version_field = {.key = "apiVersion",
							.expected = "an API version such as v1"};
	static const struct tree_field kind_field = {.key = "kind",
						     .expected = "a kind such as Service"};
	const struct tree_node *api_version = tree_get(node, "apiVersion");
	const struct tree_node *name = tree_get(node, "kind");
	const struct object_kind *kind;
	size_t len;

	if (node->kind == TREE_NULL || !tree_is_map(finder->reader, &object_field, node))
		return;
	if (listed != NULL && name == NULL && api_version == NULL) {
		add_item(finder, listed, node);
		return;
	}
	if (name == NULL || api_version == NULL) {
		problems_add(finder->reader->problems, true, &node->where,
			     "found no %s, expected %s", name == NULL ? "kind" : "apiVersion",
			     name == NULL ? kind_field.expected : version_field.expected);
		return;
	}
	if (!tree_is_string(finder->reader, &version_field, api_version) ||
	    !tree_is_string(finder->reader, &kind_field, name))
		return;
	len = strlen(name->text);
	kind = kind_find(api_version->text, name->text, len);
	if (kind != NULL) {
		add_item(finder, kind, node);
		return;
	}
	if (len >= 4 && strcmp(name->text + len - 4, "List") == 0)
		kind = kind_find(api_version->text, name->text, len - 4);
	if (kind != NULL ||
	    (strcmp(name->text, "List") == 0 && strcmp(api_version->text, "v1") == 0))
		find_in_list(finder, node, kind);
	else
		report_stranger(finder, api_version, name);
}

/* Memory for all objects of each kind; kinds that share an array are counted together. */
static void make_room(struct tree_reader *reader, struct object_set *set, struct object_item *items,
		      size_t item_count)
{
	size_t *count;

	for (size_t i = 0; i < item_count; i++) {
		count = (size_t *)((uint8_t *)set + items[i].kind->count);
		++*count;
	}
	for (size_t i = 0; object_kinds[i] != NULL; i++) {
		const struct object_kind *kind = object_kinds[i];
		void **array = (void **)((uint8_t *)set + kind->array);

		count = (size_t *)((uint8_t *)set + kind->count);
		if (*count == 0 || *array != NULL)
			continue;
		*array = arena_array(reader->arena, *count, kind->size);
		if (*array == NULL)
			reader->no_memory = true;
		*count = 0;
	}
}

/* What a manifest may leave out and the API server would fill in. */
static void complete_meta(struct tree_reader *reader, const struct object_kind *kind,
			  struct object_meta *meta)
{
	if (meta->name == NULL)
		return; /* reported */
	if (!kind->namespaced)
		meta->namespace = "";
	else if (meta->namespace == NULL)
		meta->namespace = "default";
	if (meta->uid != NULL && meta->uid[0] != '\0')
		return;
	meta->uid = arena_printf(reader->arena, "%s%s%s", meta->namespace,
				 kind->namespaced ? "/" : "", meta->name);
	if (meta->uid == NULL)
		reader->no_memory = true;
}

static void read_item(struct tree_reader *reader, struct object_set *set, const char *file,
		      struct object_item *item)
{
	const struct object_kind *kind = item->kind;
	size_t *count = (size_t *)((uint8_t *)set + kind->count);

	item->meta = (void *)(*(uint8_t **)((uint8_t *)set + kind->array) + *count * kind->size);
	++*count;
	item->meta->where = item->node->where;
	item->meta->where.file = file;
	if (kind->warning != NULL)
		problems_add(reader->problems, false, &item->node->where, "%s", kind->warning);
	tree_read(reader, item->node, kind->fields, kind->field_count, TREE_UNKNOWN_IGNORED,
		  item->meta);
	complete_meta(reader, kind, item->meta);
	if (kind->finish != NULL && !reader->no_memory)
		kind->finish(reader, item->node, item->meta);
}

struct object_set *object_tree_read(const struct tree_node *const *roots, size_t count,
				    const char *file, struct problems *problems)
{
	struct object_set *set = object_set_create();
	struct tree_reader reader = {.problems = problems, .null_is_absent = true};
	struct finder finder = {.reader = &reader};

	if (set == NULL)
		return NULL;
	reader.arena = set->arena;
	file = tree_copy(&reader, file);
	for (size_t i = 0; i < count; i++)
		find(&finder, roots[i], NULL);
	if (!reader.no_memory)
		make_room(&reader, set, finder.items, finder.count);
	for (size_t i = 0; i < finder.count && !reader.no_memory; i++)
		read_item(&reader, set, file, &finder.items[i]);
	if (!reader.no_memory)
		object_check(&reader, finder.items, finder.count);
	free(finder.items);
	if (reader.no_memory) {
		object_set_free(set);
		return NULL;
	}
	return set;
}
