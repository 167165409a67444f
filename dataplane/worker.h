/* SPDX-License-Identifier: BSD-3-Clause */
/* The poll-mode thread: turns over its lanes, and waits when there is nothing to do. */
#ifndef DATAPLANE_WORKER_H
#define DATAPLANE_WORKER_H

#include "runtime.h"

/* For rte_eal_remote_launch(): runs a struct worker until dp->stop. */
int worker_main(void *arg);

/* Wakes a worker that waits, after something was put where it looks. Control's thread only. */
void worker_wake(struct worker *worker);

#endif
