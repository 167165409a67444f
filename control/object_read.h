/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files that read and check objects share. */
#ifndef CONTROL_OBJECT_READ_H
#define CONTROL_OBJECT_READ_H

#include "core/object.h"
#include "tree.h"

/* A kind of object, and where it goes in a set: an array and its count. */
struct object_kind {
	const char *api_version, *kind;
	bool namespaced;
	/* An L2LoadBalancer becomes a class: it is understood with this warning. */
	const char *warning;
	const struct tree_field *fields;
	size_t field_count;
	size_t size, array, count;		    /* of an object; offsets in struct object_set */
	bool (*skip)(const struct tree_node *node); /* whether this one is passed by */
	void (*finish)(struct tree_reader *reader, const struct tree_node *node, void *object);
};

#define OBJECT_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
#define OBJECT_TABLE(table)    .fields = (table), .field_count = OBJECT_ELEMENTS(table)
#define OBJECT_IN_SET(type, list, number)                                                          \
	.size = sizeof(struct type), .array = offsetof(struct object_set, list),                   \
	.count = offsetof(struct object_set, number)

/* Fields of the tables: metadata, which every kind has, and a map that may be missing. */
#define OBJECT_META_FIELDS 6
extern const struct tree_field object_meta_fields[OBJECT_META_FIELDS];
#define OBJECT_METADATA                                                                            \
	{                                                                                          \
		.key = "metadata", .read = tree_read_map, .expected = "a map with a name",         \
		.required = true, .unknown = TREE_UNKNOWN_IGNORED, TREE_FIELDS(object_meta_fields) \
	}
#define OBJECT_SECTION(name, table, policy)                                                        \
	{                                                                                          \
		.key = (name), .read = tree_read_map, .expected = "a map", .unknown = (policy),    \
		TREE_FIELDS(table)                                                                 \
	}

/* An object that was found in a tree, and later also read. */
struct object_item {
	const struct object_kind *kind;
	const struct tree_node *node;
	struct object_meta *meta; /* the object itself: every kind begins with it */
};

/* All kinds that are read, then NULL. */
extern const struct object_kind *const object_kinds[];
extern const struct object_kind object_service_kind, object_slice_kind;

#define OBJECT_READER(name)                                                                        \
	void name(struct tree_reader *reader, const struct tree_field *field,                      \
		  const struct tree_node *node, void *out)

/* Readers of single values, for tables of fields (tree.h). */
OBJECT_READER(object_read_dns_name); /* const char * */
OBJECT_READER(object_read_time);     /* int64_t seconds since 1970 */
OBJECT_READER(object_read_address);  /* struct ip */
OBJECT_READER(object_read_prefix);   /* struct ip_prefix, host bits cleared */
OBJECT_READER(object_read_range);    /* struct object_range */
OBJECT_READER(object_read_protocol); /* uint8_t */

/* The message of the condition of a type, when its status is True; else NULL. */
const char *object_condition(struct tree_reader *reader, const struct tree_field *field,
			     const struct tree_node *node, const char *type);

/* Errors between objects: the same one twice, a pool that overlaps another class's. */
void object_check(struct tree_reader *reader, struct object_item *items, size_t count);

#endif
