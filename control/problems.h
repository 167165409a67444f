/* SPDX-License-Identifier: BSD-3-Clause */
/* Collects everything that is wrong with an input, so that a user sees it all at once. */
#ifndef CONTROL_PROBLEMS_H
#define CONTROL_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/object.h"

struct problem {
	bool error; /* else a warning */
	struct object_where where;
	char *text; /* "found X, expected Y" */
};

/* Zero-initialised is empty. */
struct problems {
	struct problem *list;
	size_t count, errors;
};

void problems_add(struct problems *problems, bool error, const struct object_where *where,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Writes one problem as "file:line:column: error: text" into buf and returns buf. */
char *problem_format(const struct problem *problem, char *buf, size_t len);
void problems_fini(struct problems *problems);

#endif
