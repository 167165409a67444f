/* SPDX-License-Identifier: BSD-3-Clause */
/* One way out for what the dataplane and DPDK have to say: the caller's log function. */
#ifndef DATAPLANE_DPLOG_H
#define DATAPLANE_DPLOG_H

#include <stddef.h>

#include "dataplane.h"

typedef void dplog_fn(enum dataplane_log_level level, const char *message);

/*
 * The calling thread becomes the one from which log is called; log may be NULL (then errors and
 * warnings go to stderr). DPDK's lines take the same way from here on.
 */
void dplog_open(dplog_fn *log);

__attribute__((format(printf, 2, 3))) void dplog(enum dataplane_log_level level, const char *format,
						 ...);

/* Once drivers are loaded: libbpf and libxdp, where one of them uses these, take the same way. */
void dplog_hush_bpf(void);

/* Hands over the lines that other threads left. Called by the thread that called dplog_open(). */
void dplog_flush(void);

/* What a driver last complained of, or "" since dplog_forget(). */
const char *dplog_last_error(void);
void dplog_forget(void);

#endif
