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
	struct object_set *set = object_yaml_read(text, len, name, problems);
	const struct object_where where = {.file = name, .line = 1, .column = 1};

	if (set == NULL || set->node_count > 0 || set->class_count > 0 || set->service_count > 0 ||
	    set->slice_count > 0 || set->virtual_ip_count > 0)
		return set;
	/* Nobody asks for nothing on purpose: the file was emptied, or is another one. */
	problems_add(problems, true, &where,
		     "found no object, expected manifests of Node, MetalLoadBalancerClass and "
		     "Service");
	object_set_free(set);
	return NULL;
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
