/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of nodes and groups, and the 32-bit ids that stand for them on the wire. */
#ifndef CONTROL_NAME_H
#define CONTROL_NAME_H

#include <stddef.h>
#include <stdint.h>

/* The first 32 bits of SHA-256(name), never 0 (which means "nobody"). */
uint32_t name_id(const char *name);

/* Names that are known, by id. Zero-initialised is empty. */
struct names {
	struct name {
		uint32_t id;
		char *text;
	} * list; /* sorted by id */
	size_t count;
};

/*
 * Adds a name; one that is there already is no error. Returns 0, -ENOMEM, or -EEXIST when another
 * name has the same id: *other is that name.
 */
int names_add(struct names *names, const char *name, const char **other);
void names_fini(struct names *names);

#define NAME_HEX_LEN 9

/* The name of an id; an unknown one is written in hex into buf, of NAME_HEX_LEN bytes. NULL for 0.
 */
const char *names_get(const struct names *names, uint32_t id, char *buf);

#endif
