/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking into a tree, and the words in which its content is shown and corrected. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "tree.h"

const struct tree_node *tree_get(const struct tree_node *node, const char *key)
{
	if (node == NULL || node->kind != TREE_MAP)
		return NULL;
	for (size_t i = 0; i < node->count; i++)
		if (strcmp(node->entries[i].key, key) == 0)
			return node->entries[i].value->kind == TREE_NULL ? NULL
									 : node->entries[i].value;
	return NULL;
}

char *tree_quote(const char *text, char buf[TREE_FOUND_LEN])
{
	size_t used = 0;

	buf[used++] = '"';
	for (; *text != '\0'; text++) {
		/* whole UTF-8 sequences only, and room for the end */
		if (used > TREE_FOUND_LEN - 12 && ((uint8_t)*text & 0xc0) != 0x80) {
			memcpy(buf + used, "...", 3);
			used += 3;
			break;
		}
		if (used >= TREE_FOUND_LEN - 6)
			break;
		buf[used++] = iscntrl((uint8_t)*text) ? '?' : *text;
	}
	buf[used++] = '"';
	buf[used] = '\0';
	return buf;
}

char *tree_found(const struct tree_node *node, char buf[TREE_FOUND_LEN])
{
	switch (node->kind) {
	case TREE_BROKEN:
	case TREE_NULL:
		return strcpy(buf, "nothing");
	case TREE_LIST:
		snprintf(buf, TREE_FOUND_LEN, node->count == 0 ? "an empty list" : "a list of %zu",
			 node->count);
		return buf;
	case TREE_MAP:
		return strcpy(buf, "a map");
	case TREE_BOOL:
	case TREE_INT:
	case TREE_FLOAT:
	case TREE_STRING:
		break;
	}
	return tree_quote(node->text, buf);
}

/* Levenshtein's distance, letters compared without case; words beyond 31 bytes are not compared. */
static unsigned int distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned int row[32];

	if (n >= 32 || m >= 32)
		return 32;
	for (size_t j = 0; j <= m; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int diagonal = row[0];

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= m; j++) {
			bool same = tolower((uint8_t)a[i - 1]) == tolower((uint8_t)b[j - 1]);
			unsigned int best = diagonal + (same ? 0 : 1);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

const char *tree_suggest(const char *word, const char *const *names)
{
	unsigned int best = strlen(word) < 4 ? 2 : 3; /* suggest only what is nearer than this */
	const char *name = NULL;

	for (; *names != NULL; names++) {
		unsigned int d = distance(word, *names);

		if (d < best) {
			best = d;
			name = *names;
		}
	}
	return name;
}
