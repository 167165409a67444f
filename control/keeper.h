/* SPDX-License-Identifier: BSD-3-Clause */
/* Keeps the node's memory (state_file.h) on disk while the loop runs: changes are gathered for a
 * second and written by a thread, because fsync blocks. */
#ifndef CONTROL_KEEPER_H
#define CONTROL_KEEPER_H

#include <stdint.h>

#include "core/ipam.h"
#include "state_file.h"

struct event_base;
struct keeper;

/* Loads dir and starts the writer. What could not be used is logged and kept aside. NULL, errno. */
struct keeper *keeper_create(struct event_base *base, const char *dir);
/* Writes what is not written yet, stops the writer. NULL is legal. */
void keeper_free(struct keeper *keeper);

const struct state *keeper_state(const struct keeper *keeper);

/* A run of the group begins. Written before this returns, so that a crash is remembered as one. */
void keeper_group_begin(struct keeper *keeper, const char *group);
void keeper_group_incident(struct keeper *keeper, const char *group);
void keeper_group_leave(struct keeper *keeper, const char *group);

/* How long the group's node stays STANDBY now, after all that happened lately. */
uint64_t keeper_hold_ns(const struct keeper *keeper, const char *group, uint64_t hold_ns);

void keeper_epoch_raise(struct keeper *keeper, const char *group, const struct ip *vip,
			uint64_t epoch);
void keeper_allocations_set(struct keeper *keeper, const struct ipam_previous *list, size_t count);

/* Writes that failed since start. */
uint64_t keeper_failures(const struct keeper *keeper);

#endif
