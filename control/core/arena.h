/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that is allocated piece by piece and freed as a whole. */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_create(void); /* NULL and ENOMEM */
void arena_free(struct arena *arena);

/* Zeroed memory, aligned for any type, that lives as long as the arena. NULL and ENOMEM. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_array(struct arena *arena, size_t count, size_t size); /* overflow checked */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t len);
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
