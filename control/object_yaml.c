/* SPDX-License-Identifier: BSD-3-Clause */
/* Manifests: YAML documents as trees, trees as objects; the trees go once they are read. */
#include "core/arena.h"
#include "object_tree.h"
#include "object_yaml.h"
#include "yaml_tree.h"

struct object_set *object_yaml_read(const char *text, size_t len, const char *name,
				    struct problems *problems)
{
	size_t errors = problems->errors;
	struct arena *arena = arena_create();
	struct object_set *set = NULL;
	struct yaml_documents documents;

	if (arena != NULL && yaml_tree_parse(arena, text, len, name, problems, &documents) == 0)
		set = object_tree_read(documents.roots, documents.count, name, problems);
	if (set == NULL)
		problems_add(problems, true, NULL, "out of memory");
	arena_free(arena);
	if (problems->errors == errors)
		return set;
	object_set_free(set);
	return NULL;
}
