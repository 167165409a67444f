/* SPDX-License-Identifier: BSD-3-Clause */
/* The file source: one file of manifests, read whole or not at all. */
#include <stdlib.h>

#include "object_yaml.h"
#include "source_file.h"
#include "text_file.h"
#include "yaml_tree.h"

struct object_set *source_file_parse(const char *text, size_t len, const char *name,
				     struct problems *problems)
{
	return object_yaml_read(text, len, name, problems);
}

struct object_set *source_file_load(const char *path, struct problems *problems)
{
	struct object_set *set;
	size_t len;
	char *text;

	if (text_file_read(path, YAML_TREE_MAX_BYTES, 0, problems, &text, &len) < 0)
		return NULL;
	set = source_file_parse(text, len, path, problems);
	free(text);
	return set;
}
