/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the kernel's settings were before vipgate changed them, in a file below /run that outlives a
 * SIGKILL: a clean stop after that still puts back what an operator had, not what a predecessor
 * set. Keyed by network namespace, since namespaces of one host share /run.
 */
#ifndef CONTROL_SAVED_H
#define CONTROL_SAVED_H

#include <stdbool.h>
#include <stddef.h>

#define SAVED_DIR "/run/vipgate"

struct saved_entry {
	char *key; /* without blanks */
	char *value;
	bool fresh; /* saved by this process, not read from the file */
};

struct saved {
	char path[64];
	struct saved_entry *list;
	size_t count;
	bool changed;
};

/* Reads the file of this namespace; no file is an empty one. 0 or −errno. */
int saved_init(struct saved *saved);
void saved_fini(struct saved *saved); /* the file stays */

/* The value of a key, or NULL. */
const char *saved_get(const struct saved *saved, const char *key);
/* A key given twice has its last value. 0 or -ENOMEM. */
int saved_set(struct saved *saved, const char *key, const char *value);
/* Forgets every key that begins with prefix. */
void saved_drop(struct saved *saved, const char *prefix);

/* Writes the file when something changed, whole and atomically; an empty one is removed. 0, −errno.
 */
int saved_commit(struct saved *saved);

#endif
