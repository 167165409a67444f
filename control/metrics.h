/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's counters as Prometheus text (exposition format 0.0.4). */
#ifndef CONTROL_METRICS_H
#define CONTROL_METRICS_H

#include <stddef.h>
#include <stdio.h>

struct daemon;

void metrics_write(const struct daemon *daemon, FILE *out);

/* Writes a label's value with \, " and newline escaped. */
void metrics_escape(const char *value, FILE *out);

#endif
