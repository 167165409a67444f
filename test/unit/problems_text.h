/* SPDX-License-Identifier: BSD-3-Clause */
/* All problems of a list as one text, to be compared whole. */
#ifndef TEST_PROBLEMS_TEXT_H
#define TEST_PROBLEMS_TEXT_H

#include <stdio.h>
#include <string.h>

#include "problems.h"

/* One problem a line; frees the list. Returns buf. */
static inline char *problems_text(struct problems *problems, char *buf, size_t len)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < problems->count && used + 1 < len; i++) {
		problem_format(&problems->list[i], buf + used, len - used);
		used += strlen(buf + used);
		used += (size_t)snprintf(buf + used, len - used, "\n");
	}
	problems_fini(problems);
	return buf;
}

#endif
