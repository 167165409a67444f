/* SPDX-License-Identifier: BSD-3-Clause */
/* The page for people: nodes as columns, VIPs as rows. */
#ifndef CONTROL_PAGE_H
#define CONTROL_PAGE_H

#include <stdio.h>

struct daemon;

/* One HTML page without outside assets that reloads itself. */
void page_write(const struct daemon *daemon, FILE *out);

/* Writes text with what HTML gives a meaning escaped. */
void page_escape(const char *text, FILE *out);

#endif
