/* SPDX-License-Identifier: BSD-3-Clause */
/* Plain scalars as go-yaml 2 resolves them, which is what kubectl and the API server read with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "yaml_tree.h"

static bool in(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(text, *words) == 0)
			return true;
	return false;
}

/* Copies a number without the underscores that YAML 1.1 allows; false: too long to be one. */
static bool without_underscores(const char *text, char *out, size_t room)
{
	size_t used = 0;

	for (; *text != '\0'; text++) {
		if (*text == '_')
			continue;
		if (used + 1 >= room)
			return false;
		out[used++] = *text;
	}
	out[used] = '\0';
	return used > 0;
}

static bool is_integer(const char *text, int64_t *value)
{
	const char *digits = text;
	bool negative = *text == '-';
	int base = 10;
	char *end;

	if (*digits == '-' || *digits == '+')
		digits++;
	if (digits[0] == '0' && digits[1] != '\0') {
		char letter = digits[1] | 0x20;

		base = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 8;
		digits += letter == 'x' || letter == 'o' || letter == 'b' ? 2 : 1;
	}
	/* strtoll would take a second sign, a second prefix and blanks */
	if (strspn(digits, "0123456789abcdefABCDEF") != strlen(digits) || *digits == '\0')
		return false;
	errno = 0;
	*value = strtoll(digits, &end, base);
	if (*end != '\0' || errno != 0)
		return false;
	if (negative)
		*value = -*value;
	return true;
}

static bool is_float(const char *text)
{
	const char *p = text + (*text == '-' || *text == '+');
	size_t whole, part = 0;

	whole = strspn(p, "0123456789");
	p += whole;
	if (*p == '.') {
		part = strspn(p + 1, "0123456789");
		p += 1 + part;
	}
	if (whole + part == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		p += 1 + (p[1] == '-' || p[1] == '+');
		if (*p == '\0')
			return false;
		p += strspn(p, "0123456789");
	}
	return *p == '\0';
}

void yaml_scalar_resolve(struct tree_node *node)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const trues[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
					    "True", "TRUE", "on",  "On",  "ON",	 NULL};
	static const char *const falses[] = {"n",     "N",     "no",  "No",  "NO",  "false",
					     "False", "FALSE", "off", "Off", "OFF", NULL};
	static const char *const floats[] = {".inf",  ".Inf",  ".INF",	"+.inf", "+.Inf",
					     "+.INF", "-.inf", "-.Inf", "-.INF", ".nan",
					     ".NaN",  ".NAN",  NULL};
	const char *text = node->text;
	char number[80];

	node->kind = TREE_STRING;
	if (in(text, nulls))
		node->kind = TREE_NULL;
	else if (in(text, trues) || in(text, falses)) {
		node->kind = TREE_BOOL;
		node->boolean = in(text, trues);
	} else if (in(text, floats))
		node->kind = TREE_FLOAT;
	else if (strchr("+-.0123456789", *text) != NULL &&
		 without_underscores(text, number, sizeof(number))) {
		if (is_integer(number, &node->integer))
			node->kind = TREE_INT;
		else if (is_float(number))
			node->kind = TREE_FLOAT;
	}
}
