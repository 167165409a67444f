/* SPDX-License-Identifier: BSD-3-Clause */
/* The file source: a multi-document YAML file of ordinary manifests, read whole into an object set.
 */
#ifndef CONTROL_SOURCE_FILE_H
#define CONTROL_SOURCE_FILE_H

#include "core/object.h"
#include "problems.h"

/*
 * Reads and checks a file. Overlapping pools, bad ranges, unknown kinds of our groups and wrong
 * types are errors; spelling that is understood (LoadBalancerClass) and other kinds are warnings.
 * Returns NULL when any problem is an error, so that the caller keeps its last good set.
 */
struct object_set *source_file_load(const char *path, struct problems *problems);
/* The same from memory; name is for messages. */
struct object_set *source_file_parse(const char *text, size_t len, const char *name,
				     struct problems *problems);

/*
 * A descriptor that becomes readable when the file, or the file that its name stands for after a
 * rename or a symlink swap (as ConfigMap mounts do), changes. Returns −errno. Close with
 * source_file_unwatch().
 */
struct source_file_watch;
struct source_file_watch *source_file_watch(const char *path); /* NULL and errno */
int source_file_watch_fd(const struct source_file_watch *watch);
/* Drains the descriptor. True: the file itself may have changed. */
bool source_file_changed(struct source_file_watch *watch);
void source_file_unwatch(struct source_file_watch *watch);

#endif
