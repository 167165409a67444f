/* SPDX-License-Identifier: BSD-3-Clause */
/* YAML text into trees, one for each document. */
#ifndef CONTROL_YAML_TREE_H
#define CONTROL_YAML_TREE_H

#include "tree.h"

/* Beyond these a text is refused. An alias counts as all that it stands for. */
#define YAML_TREE_MAX_BYTES (16u << 20)
#define YAML_TREE_MAX_NODES (1u << 20)
#define YAML_TREE_MAX_DEPTH 64

struct yaml_documents {
	const struct tree_node **roots;
	size_t count;
};

/*
 * Parses a text, whose name is used in messages. Plain scalars get their types as Kubernetes' own
 * reader gives them (YAML 1.1: yes and on are booleans, 010 is eight). Keys twice in one map,
 * merge keys, unknown tags and aliases, and what is no YAML go to problems; the documents before a
 * break are still delivered. All memory is the arena's. Returns 0 or -ENOMEM.
 */
int yaml_tree_parse(struct arena *arena, const char *text, size_t len, const char *name,
		    struct problems *problems, struct yaml_documents *documents);

/* Gives a plain scalar, by its text, the kind and value that YAML 1.1 has for it. */
void yaml_scalar_resolve(struct tree_node *node);

#endif
