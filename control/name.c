/* SPDX-License-Identifier: BSD-3-Clause */
/* Ids of names by SHA-256, and the way back for names that are known. */
#include "name.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

uint32_t name_id(const char *name)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	uint32_t id;

	SHA256((const unsigned char *)name, strlen(name), digest);
	id = (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
	     (uint32_t)digest[3];
	return id != 0 ? id : 1;
}

/* Where id is, or where it belongs. */
static size_t position(const struct names *names, uint32_t id)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (names->list[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int names_add(struct names *names, const char *name, const char **other)
{
	uint32_t id = name_id(name);
	size_t at = position(names, id);
	struct name *list;
	char *text;

	if (at < names->count && names->list[at].id == id) {
		if (strcmp(names->list[at].text, name) == 0)
			return 0;
		*other = names->list[at].text;
		return -EEXIST;
	}
	list = reallocarray(names->list, names->count + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	names->list = list;
	text = strdup(name);
	if (text == NULL)
		return -ENOMEM;
	memmove(&list[at + 1], &list[at], (names->count - at) * sizeof(*list));
	list[at] = (struct name){.id = id, .text = text};
	names->count++;
	return 0;
}

void names_fini(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].text);
	free(names->list);
	*names = (struct names){0};
}

const char *names_get(const struct names *names, uint32_t id, char *buf)
{
	size_t at = position(names, id);

	if (id == 0)
		return NULL;
	if (at < names->count && names->list[at].id == id)
		return names->list[at].text;
	snprintf(buf, NAME_HEX_LEN, "%08x", id);
	return buf;
}
