/* SPDX-License-Identifier: BSD-3-Clause */
/* Collects cells, then prints each column as wide as its widest cell. */
#include "table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define GAP 3

/* Takes text over. */
static void append(struct table *table, char *text)
{
	if (text != NULL && table->count == table->capacity) {
		size_t capacity = table->capacity > 0 ? 2 * table->capacity : 64;
		char **cells = reallocarray(table->cells, capacity, sizeof(*cells));

		if (cells == NULL) {
			free(text);
			text = NULL;
		} else {
			table->cells = cells;
			table->capacity = capacity;
		}
	}
	if (text == NULL) {
		table->error = -ENOMEM;
		return;
	}
	table->cells[table->count++] = text;
}

void table_cell(struct table *table, const char *text)
{
	append(table, strdup(text != NULL && text[0] != '\0' ? text : "<none>"));
}

void table_cellf(struct table *table, const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	append(table, text);
}

void table_print(const struct table *table, FILE *out)
{
	size_t width[TABLE_COLUMNS_MAX] = {0};
	size_t rows = table->count / table->columns;

	for (size_t i = 0; i < rows * table->columns; i++) {
		size_t len = strlen(table->cells[i]);

		if (len > width[i % table->columns])
			width[i % table->columns] = len;
	}
	for (size_t i = 0; i < rows * table->columns; i++) {
		if (i % table->columns == table->columns - 1)
			fprintf(out, "%s\n", table->cells[i]);
		else
			fprintf(out, "%-*s", (int)(width[i % table->columns] + GAP),
				table->cells[i]);
	}
}

void table_fini(struct table *table)
{
	for (size_t i = 0; i < table->count; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct table){.columns = table->columns};
}
