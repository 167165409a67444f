/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of problems: copies everything, so that it outlives what it speaks of. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "problems.h"

void problems_add(struct problems *problems, bool error, const struct object_where *where,
		  const char *format, ...)
{
	struct problem *list, *problem;
	va_list args;

	/* Counted before memory is asked for: a problem that cannot be kept still fails the load.
	 */
	if (error)
		problems->errors++;
	if ((problems->count & (problems->count - 1)) == 0) {
		size_t capacity = problems->count == 0 ? 1 : 2 * problems->count;

		list = reallocarray(problems->list, capacity, sizeof(*list));
		if (list == NULL)
			return;
		problems->list = list;
	}
	problem = &problems->list[problems->count];
	*problem = (struct problem){.error = error};
	va_start(args, format);
	if (vasprintf(&problem->text, format, args) < 0)
		problem->text = NULL;
	va_end(args);
	if (problem->text == NULL)
		return;
	if (where != NULL)
		problem->where = *where;
	problem->where.file = NULL;
	if (where != NULL && where->file != NULL)
		problem->where.file = strdup(where->file);
	problems->count++;
}

char *problem_format(const struct problem *problem, char *buf, size_t len)
{
	const char *severity = problem->error ? "error" : "warning";
	const struct object_where *where = &problem->where;

	if (where->file == NULL)
		snprintf(buf, len, "%s: %s", severity, problem->text);
	else if (where->line == 0)
		snprintf(buf, len, "%s: %s: %s", where->file, severity, problem->text);
	else
		snprintf(buf, len, "%s:%u:%u: %s: %s", where->file, where->line, where->column,
			 severity, problem->text);
	return buf;
}

void problems_fini(struct problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		free(problems->list[i].text);
		free((char *)problems->list[i].where.file); /* a copy, made in problems_add() */
	}
	free(problems->list);
	*problems = (struct problems){0};
}
