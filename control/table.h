/* SPDX-License-Identifier: BSD-3-Clause */
/* Aligned columns on a terminal, as kubectl prints them. */
#ifndef CONTROL_TABLE_H
#define CONTROL_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 12

/* Zero-initialised but for columns is empty. The first row is the header. */
struct table {
	size_t columns;
	char **cells; /* rows one after another */
	size_t count, capacity;
	int error; /* −ENOMEM once a cell was lost */
};

/* Appends the next cell, row by row. NULL and "" are shown as "<none>". */
void table_cell(struct table *table, const char *text);
void table_cellf(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Writes all whole rows, columns three blanks apart, no blanks at the end of a line. */
void table_print(const struct table *table, FILE *out);
void table_fini(struct table *table);

#endif
