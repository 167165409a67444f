/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a tree by tables of fields into structs. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tree.h"

void tree_complain(struct tree_reader *reader, const struct tree_field *field,
		   const struct tree_node *node, const char *expected)
{
	char found[TREE_FOUND_LEN];

	problems_add(reader->problems, true, &node->where, "%s: found %s, expected %s", field->key,
		     tree_found(node, found), expected != NULL ? expected : field->expected);
}

const char *tree_copy(struct tree_reader *reader, const char *text)
{
	const char *copy = arena_strdup(reader->arena, text);

	if (copy == NULL)
		reader->no_memory = true;
	return copy;
}

static const struct tree_field *field_find(const struct tree_field *fields, size_t count,
					   const char *key, int (*cmp)(const char *, const char *))
{
	for (size_t i = 0; i < count; i++)
		if (cmp(fields[i].key, key) == 0)
			return &fields[i];
	return NULL;
}

static void complain_unknown(struct tree_reader *reader, const struct tree_entry *entry,
			     const struct tree_field *fields, size_t count, bool error)
{
	const char *names[32], *name;
	char quoted[TREE_FOUND_LEN];
	size_t n = 0, used = 0;
	char list[512] = "";

	for (size_t i = 0; i < count && n < 31; i++) {
		names[n++] = fields[i].key;
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
					 i == 0		  ? ""
					 : i + 1 == count ? " or "
							  : ", ",
					 fields[i].key);
		if (used >= sizeof(list))
			used = sizeof(list) - 1;
	}
	names[n] = NULL;
	tree_quote(entry->key, quoted);
	name = tree_suggest(entry->key, names);
	if (name != NULL)
		problems_add(reader->problems, error, &entry->where,
			     "found the unknown key %s, did you mean %s?", quoted, name);
	else
		problems_add(reader->problems, error, &entry->where,
			     "found the unknown key %s, expected %s", quoted, list);
}

/* Which field a key means, when it is written in another case than it should be. */
static const struct tree_field *near_miss(struct tree_reader *reader, const struct tree_node *map,
					  const struct tree_entry *entry,
					  const struct tree_field *fields, size_t count)
{
	const struct tree_field *field = field_find(fields, count, entry->key, strcasecmp);
	char quoted[TREE_FOUND_LEN];

	if (field == NULL)
		return NULL;
	tree_quote(entry->key, quoted);
	if (tree_get(map, field->key) != NULL) {
		problems_add(reader->problems, false, &entry->where,
			     "found %s beside %s: ignored, Kubernetes knows only %s", quoted,
			     field->key, field->key);
		return NULL;
	}
	problems_add(reader->problems, false, &entry->where,
		     "found %s, read as %s: Kubernetes knows only this spelling", quoted,
		     field->key);
	return field;
}

void tree_read(struct tree_reader *reader, const struct tree_node *map,
	       const struct tree_field *fields, size_t count, enum tree_unknown unknown, void *out)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < map->count; i++) {
		const struct tree_entry *entry = &map->entries[i];
		const struct tree_field *field = field_find(fields, count, entry->key, strcmp);

		if (field == NULL && unknown != TREE_UNKNOWN_ERROR) {
			field = near_miss(reader, map, entry, fields, count);
			if (field == NULL && (unknown == TREE_UNKNOWN_IGNORED ||
					      field_find(fields, count, entry->key, strcasecmp)))
				continue;
		}
		if (field == NULL) {
			complain_unknown(reader, entry, fields, count,
					 unknown == TREE_UNKNOWN_ERROR);
			continue;
		}
		if (entry->value->kind == TREE_NULL && reader->null_is_absent)
			continue;
		seen |= UINT64_C(1) << (field - fields);
		if (entry->value->kind != TREE_BROKEN && field->read != NULL)
			field->read(reader, field, entry->value, (uint8_t *)out + field->offset);
	}
	for (size_t i = 0; i < count; i++)
		if (fields[i].required && (seen & UINT64_C(1) << i) == 0)
			problems_add(reader->problems, true, &map->where,
				     "found no %s, expected %s", fields[i].key, fields[i].expected);
}

bool tree_is_string(struct tree_reader *reader, const struct tree_field *field,
		    const struct tree_node *node)
{
	char found[TREE_FOUND_LEN];

	if (node->kind == TREE_STRING)
		return true;
	if (node->kind == TREE_BOOL || node->kind == TREE_INT || node->kind == TREE_FLOAT)
		problems_add(reader->problems, true, &node->where,
			     "%s: found the %s %s, expected %s (write it in quotes: %s)",
			     field->key, node->kind == TREE_BOOL ? "boolean" : "number", node->text,
			     field->expected, tree_quote(node->text, found));
	else if (node->kind != TREE_BROKEN)
		tree_complain(reader, field, node, NULL);
	return false;
}

bool tree_is_list(struct tree_reader *reader, const struct tree_field *field,
		  const struct tree_node *node)
{
	if (node->kind != TREE_LIST && node->kind != TREE_BROKEN)
		tree_complain(reader, field, node, NULL);
	return node->kind == TREE_LIST;
}

bool tree_is_map(struct tree_reader *reader, const struct tree_field *field,
		 const struct tree_node *node)
{
	if (node->kind != TREE_MAP && node->kind != TREE_BROKEN)
		tree_complain(reader, field, node, NULL);
	return node->kind == TREE_MAP;
}

void tree_read_string(struct tree_reader *reader, const struct tree_field *field,
		      const struct tree_node *node, void *out)
{
	size_t len = strlen(node->text);

	if (!tree_is_string(reader, field, node))
		return;
	if (field->max != 0 && (len < field->min || len > field->max))
		tree_complain(reader, field, node, NULL);
	else
		*(const char **)out = tree_copy(reader, node->text);
}

void tree_read_bool(struct tree_reader *reader, const struct tree_field *field,
		    const struct tree_node *node, void *out)
{
	if (node->kind == TREE_BOOL)
		*(bool *)out = node->boolean;
	else
		tree_complain(reader, field, node, "true or false");
}

static void store_unsigned(void *out, size_t size, uint64_t value)
{
	uint16_t u16 = (uint16_t)value;
	uint32_t u32 = (uint32_t)value;

	if (size == 1)
		*(uint8_t *)out = (uint8_t)value;
	else if (size == 2)
		memcpy(out, &u16, sizeof(u16));
	else if (size == 4)
		memcpy(out, &u32, sizeof(u32));
	else
		memcpy(out, &value, sizeof(value));
}

void tree_read_unsigned(struct tree_reader *reader, const struct tree_field *field,
			const struct tree_node *node, void *out)
{
	char expected[96];

	if (node->kind == TREE_INT && node->integer >= 0 && (uint64_t)node->integer >= field->min &&
	    (uint64_t)node->integer <= field->max) {
		store_unsigned(out, field->size, (uint64_t)node->integer);
		return;
	}
	snprintf(expected, sizeof(expected), "%s from %" PRIu64 " to %" PRIu64 "%s",
		 field->expected != NULL ? field->expected : "a number", field->min, field->max,
		 node->kind == TREE_STRING && isdigit((uint8_t)node->text[0]) ? ", without quotes"
									      : "");
	tree_complain(reader, field, node, expected);
}

void tree_read_enum(struct tree_reader *reader, const struct tree_field *field,
		    const struct tree_node *node, void *out)
{
	const char *text = node->text;
	char expected[160] = "";
	size_t used = 0;

	if (node->kind == TREE_BOOL)
		text = node->boolean ? "yes" : "no";
	for (size_t i = 0; field->names[i] != NULL; i++) {
		if ((node->kind == TREE_STRING || node->kind == TREE_BOOL) &&
		    strcmp(field->names[i], text) == 0) {
			store_unsigned(out, field->size, i);
			return;
		}
		if (used < sizeof(expected))
			used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s%s",
						 i == 0			       ? ""
						 : field->names[i + 1] == NULL ? " or "
									       : ", ",
						 field->names[i]);
	}
	tree_complain(reader, field, node, expected);
}

void tree_read_string_map(struct tree_reader *reader, const struct tree_field *field,
			  const struct tree_node *node, void *out)
{
	struct object_pair *pairs;
	size_t count = 0;

	if (!tree_is_map(reader, field, node) || node->count == 0)
		return;
	pairs = arena_array(reader->arena, node->count, sizeof(*pairs));
	if (pairs == NULL) {
		reader->no_memory = true;
		return;
	}
	for (size_t i = 0; i < node->count; i++) {
		const struct tree_entry *entry = &node->entries[i];
		struct tree_field item = {.key = entry->key, .expected = "a string"};

		if (entry->value->kind == TREE_NULL && reader->null_is_absent)
			pairs[count].value = ""; /* as the API server stores it */
		else if (tree_is_string(reader, &item, entry->value))
			pairs[count].value = tree_copy(reader, entry->value->text);
		else
			continue;
		pairs[count++].key = tree_copy(reader, entry->key);
	}
	*(struct object_map *)out = (struct object_map){.pairs = pairs, .count = count};
}

void *tree_list_alloc(struct tree_reader *reader, const struct tree_field *field,
		      const struct tree_node *node, size_t size)
{
	void *items;

	if (!tree_is_list(reader, field, node) || node->count == 0)
		return NULL;
	items = arena_array(reader->arena, node->count, size);
	if (items == NULL)
		reader->no_memory = true;
	return items;
}

void tree_read_map(struct tree_reader *reader, const struct tree_field *field,
		   const struct tree_node *node, void *out)
{
	if (tree_is_map(reader, field, node))
		tree_read(reader, node, field->fields, field->field_count, field->unknown, out);
}

void tree_read_list(struct tree_reader *reader, const struct tree_field *field,
		    const struct tree_node *node, void *out)
{
	const struct tree_field *item = field->fields;
	uint8_t *items;

	if (node->kind == TREE_LIST && field->max != 0 &&
	    (node->count < field->min || node->count > field->max)) {
		tree_complain(reader, field, node, NULL);
		return;
	}
	items = tree_list_alloc(reader, field, node, field->size);
	if (items == NULL)
		return;
	for (size_t i = 0; i < node->count; i++)
		if (node->items[i]->kind != TREE_BROKEN)
			item->read(reader, item, node->items[i], items + i * field->size);
	*(void **)out = items;
	*(size_t *)((uint8_t *)out - field->offset + field->count_offset) = node->count;
}
