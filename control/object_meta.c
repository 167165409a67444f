/* SPDX-License-Identifier: BSD-3-Clause */
/* What objects of all kinds have: metadata and conditions. */
#include <string.h>

#include "object_read.h"

#define MEMBER(member) TREE_MEMBER(struct object_meta, member)

const struct tree_field object_meta_fields[OBJECT_META_FIELDS] = {
	{.key = "name",
	 .read = object_read_dns_name,
	 MEMBER(name),
	 .max = 253,
	 .required = true,
	 .expected = "a name of lower-case letters, digits, - and ."},
	{.key = "namespace",
	 .read = object_read_dns_name,
	 MEMBER(namespace),
	 .max = 63,
	 .expected = "a namespace of lower-case letters, digits and -"},
	{.key = "uid", .read = tree_read_string, MEMBER(uid), .expected = "a uid"},
	{.key = "creationTimestamp", .read = object_read_time, MEMBER(created)},
	{.key = "labels",
	 .read = tree_read_string_map,
	 MEMBER(labels),
	 .expected = "a map of strings"},
	{.key = "annotations",
	 .read = tree_read_string_map,
	 MEMBER(annotations),
	 .expected = "a map of strings"},
};

struct condition {
	const char *type, *status, *message;
};

static const struct tree_field condition_fields[] = {
	{.key = "type",
	 .read = tree_read_string,
	 TREE_MEMBER(struct condition, type),
	 .expected = "a string"},
	{.key = "status",
	 .read = tree_read_string,
	 TREE_MEMBER(struct condition, status),
	 .expected = "\"True\", \"False\" or \"Unknown\""},
	{.key = "message",
	 .read = tree_read_string,
	 TREE_MEMBER(struct condition, message),
	 .expected = "a string"},
};

const char *object_condition(struct tree_reader *reader, const struct tree_field *field,
			     const struct tree_node *node, const char *type)
{
	static const struct tree_field item = {.key = "conditions",
					       .expected = "a map with type and status"};
	const char *message = NULL;

	if (!tree_is_list(reader, field, node))
		return NULL;
	for (size_t i = 0; i < node->count; i++) {
		struct condition condition = {0};

		if (!tree_is_map(reader, &item, node->items[i]))
			continue;
		tree_read(reader, node->items[i], condition_fields,
			  OBJECT_ELEMENTS(condition_fields), TREE_UNKNOWN_IGNORED, &condition);
		if (condition.type != NULL && strcmp(condition.type, type) == 0 &&
		    condition.status != NULL && strcmp(condition.status, "True") == 0)
			message = condition.message != NULL ? condition.message : "";
	}
	return message;
}
