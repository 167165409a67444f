/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A document as a tree of nodes that remember where they were written, and table-driven reading of
 * such a tree into structs. Neutral about the text's format: YAML and JSON fill the same tree.
 */
#ifndef CONTROL_TREE_H
#define CONTROL_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/object.h"
#include "problems.h"

enum tree_kind {
	TREE_BROKEN, /* already reported: readers pass it by in silence */
	TREE_NULL,
	TREE_BOOL,
	TREE_INT,
	TREE_FLOAT, /* also an integer beyond 64 bits; only its text is kept */
	TREE_STRING,
	TREE_LIST,
	TREE_MAP,
};

struct tree_node {
	enum tree_kind kind;
	bool boolean; /* TREE_BOOL */
	struct object_where where;
	const char *text;		      /* of a scalar, as written; "" for the others */
	int64_t integer;		      /* TREE_INT */
	size_t count;			      /* of items or entries */
	const struct tree_node *const *items; /* TREE_LIST */
	const struct tree_entry *entries;     /* TREE_MAP, in the order written, no key twice */
	size_t weight;			      /* nodes in here, itself included */
	unsigned int height;		      /* 1 for a scalar */
};

struct tree_entry {
	const char *key;
	struct object_where where;
	const struct tree_node *value;
};

/* The value of a key of a map; NULL when it is absent, null, or node (which may be NULL) no map. */
const struct tree_node *tree_get(const struct tree_node *node, const char *key);

/* What is shared by the readers of one document. Memory goes to arena, complaints to problems. */
struct tree_reader {
	struct arena *arena;
	struct problems *problems;
	bool null_is_absent; /* as in Kubernetes objects */
	bool no_memory;	     /* something was lost: the result is to be thrown away */
};

enum tree_unknown {
	TREE_UNKNOWN_ERROR,   /* an unknown key is an error, with a suggestion */
	TREE_UNKNOWN_WARNING, /* the same, as a warning */
	TREE_UNKNOWN_IGNORED, /* only a known key in other upper and lower case is warned of */
};

/*
 * One key of a map and how its value is read. `read` checks the node and stores what it says at
 * out, which is the struct given to tree_read() plus offset.
 */
struct tree_field {
	const char *key;
	void (*read)(struct tree_reader *reader, const struct tree_field *field,
		     const struct tree_node *node, void *out); /* NULL: known, not looked at */
	size_t offset, size;
	const char *expected; /* "a duration such as 20ms" */
	uint64_t min, max;
	const char *const *names; /* of an enum, in its order, then NULL */
	bool required;
	/* of tree_read_map(): the keys of the map; of tree_read_list(): the one field is an item */
	const struct tree_field *fields;
	size_t field_count;
	enum tree_unknown unknown;
	size_t count_offset; /* of tree_read_list() */
};

/* For a map: its keys. */
#define TREE_FIELDS(table) .fields = (table), .field_count = sizeof(table) / sizeof((table)[0])
/* For a list: where its array and its size_t of a count go, and how an item is read. */
#define TREE_ITEMS(type, member, count, item)                                                      \
	.offset = offsetof(type, member), .count_offset = offsetof(type, count),                   \
	.size = sizeof(*((type *)NULL)->member), .fields = (item), .field_count = 1

#define TREE_MEMBER(type, member)                                                                  \
	.offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)

/* Reads a map by a table. A key with other upper and lower case than in the table is understood,
 * with a warning, unless unknown keys are errors. */
void tree_read(struct tree_reader *reader, const struct tree_node *map,
	       const struct tree_field *fields, size_t count, enum tree_unknown unknown, void *out);

/* "KEY: found X, expected Y" about a node. expected NULL: the field's own. */
void tree_complain(struct tree_reader *reader, const struct tree_field *field,
		   const struct tree_node *node, const char *expected);

/* "found" texts: `"20"`, `nothing`, `a list`. Returns buf. */
#define TREE_FOUND_LEN 80
char *tree_found(const struct tree_node *node, char buf[TREE_FOUND_LEN]);
/* Text of a document made fit for a message: quotes around it, no control characters, cut. */
char *tree_quote(const char *text, char buf[TREE_FOUND_LEN]);

/* The one of the names (ended by NULL) that a misspelled word most likely means, or NULL. */
const char *tree_suggest(const char *word, const char *const *names);

/* Checks of a node's kind; each complains when it is another. */
bool tree_is_string(struct tree_reader *reader, const struct tree_field *field,
		    const struct tree_node *node);
bool tree_is_list(struct tree_reader *reader, const struct tree_field *field,
		  const struct tree_node *node);
bool tree_is_map(struct tree_reader *reader, const struct tree_field *field,
		 const struct tree_node *node);

/* Readers for tables. Copies go to the reader's arena. */

/* const char *; min and max are lengths, when max is set. */
void tree_read_string(struct tree_reader *reader, const struct tree_field *field,
		      const struct tree_node *node, void *out);
/* bool */
void tree_read_bool(struct tree_reader *reader, const struct tree_field *field,
		    const struct tree_node *node, void *out);
/* An unsigned integer of the field's size, from min to max. */
void tree_read_unsigned(struct tree_reader *reader, const struct tree_field *field,
			const struct tree_node *node, void *out);
/* An enum: the index of the text in names. Booleans count as yes and no. */
void tree_read_enum(struct tree_reader *reader, const struct tree_field *field,
		    const struct tree_node *node, void *out);
/* struct object_map of strings */
void tree_read_string_map(struct tree_reader *reader, const struct tree_field *field,
			  const struct tree_node *node, void *out);

/* A map by the field's own table, into the struct at out. */
void tree_read_map(struct tree_reader *reader, const struct tree_field *field,
		   const struct tree_node *node, void *out);
/*
 * An array of items of the field's size in the arena, from min to max of them when max is set.
 * Items that cannot be read stay zero.
 */
void tree_read_list(struct tree_reader *reader, const struct tree_field *field,
		    const struct tree_node *node, void *out);

/*
 * Makes room for the items of a list in the arena: zeroed, count × size bytes. NULL with a
 * complaint when node is no list, and for an empty one.
 */
void *tree_list_alloc(struct tree_reader *reader, const struct tree_field *field,
		      const struct tree_node *node, size_t size);

/* A copy in the reader's arena; notes when there is no memory. */
const char *tree_copy(struct tree_reader *reader, const char *text);

#endif
