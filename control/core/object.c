/* SPDX-License-Identifier: BSD-3-Clause */
/* What every reader and user of an object set needs: making one, freeing it, looking into maps. */
#include <string.h>

#include "core/arena.h"
#include "core/object.h"

const char *object_map_get(const struct object_map *map, const char *key)
{
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->pairs[i].key, key) == 0)
			return map->pairs[i].value;
	return NULL;
}

struct object_set *object_set_create(void)
{
	struct arena *arena = arena_create();
	struct object_set *set;

	if (arena == NULL)
		return NULL;
	set = arena_alloc(arena, sizeof(*set));
	if (set == NULL) {
		arena_free(arena);
		return NULL;
	}
	set->arena = arena;
	return set;
}

void object_set_free(struct object_set *set)
{
	if (set != NULL)
		arena_free(set->arena); /* the set itself lives in there */
}
