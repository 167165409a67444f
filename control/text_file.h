/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a whole file whose name a user gave. */
#ifndef CONTROL_TEXT_FILE_H
#define CONTROL_TEXT_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "problems.h"

/*
 * Reads a regular file of at most max bytes. forbidden: mode bits that it must not have, such as
 * 077 for secrets. Whatever is wrong goes to problems. *text, ended by a NUL, is the caller's to
 * free. Returns 0 or −errno.
 */
int text_file_read(const char *path, size_t max, mode_t forbidden, struct problems *problems,
		   char **text, size_t *len);

/*
 * What a path in a file stands for: relative ones start at the directory of that file. Copied into
 * the arena; NULL and ENOMEM.
 */
struct arena;
const char *text_file_path(struct arena *arena, const char *file, const char *path);

#endif
