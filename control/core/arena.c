/* SPDX-License-Identifier: BSD-3-Clause */
/* A chain of chunks: allocating moves a mark, freeing walks the chain once. */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

/* Under the sanitizer every piece is a chunk of its own, so that an overrun of one is seen. */
#ifdef __SANITIZE_ADDRESS__
#define ARENA_CHUNK 0
#else
#define ARENA_CHUNK ((size_t)8192)
#endif

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, size;
	max_align_t data[];
};

struct arena {
	struct arena_chunk *chunks; /* the newest first; only it has room */
};

struct arena *arena_create(void)
{
	return calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	while (arena->chunks != NULL) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
	free(arena);
}

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_chunk *chunk = arena->chunks;
	size_t align = _Alignof(max_align_t), need;
	void *piece;

	if (size > SIZE_MAX / 2) {
		errno = ENOMEM;
		return NULL;
	}
#ifdef __SANITIZE_ADDRESS__
	need = size;
	(void)align;
#else
	need = (size + align - 1) / align * align;
#endif
	if (chunk == NULL || chunk->size - chunk->used < need || ARENA_CHUNK == 0) {
		size_t room = need > ARENA_CHUNK / 4 ? need : ARENA_CHUNK;

		chunk = calloc(1, sizeof(*chunk) + room);
		if (chunk == NULL)
			return NULL;
		chunk->size = room;
		if (room == need && arena->chunks != NULL) {
			/* a large piece does not end the use of the chunk that still has room */
			chunk->next = arena->chunks->next;
			arena->chunks->next = chunk;
		} else {
			chunk->next = arena->chunks;
			arena->chunks = chunk;
		}
	}
	piece = (uint8_t *)chunk->data + chunk->used;
	chunk->used += need;
	return piece;
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return arena_alloc(arena, total);
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
	size_t n = strnlen(text, len);
	char *copy = arena_alloc(arena, n + 1);

	if (copy != NULL)
		memcpy(copy, text, n);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return NULL;
	text = arena_alloc(arena, (size_t)n + 1);
	if (text == NULL)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return text;
}
