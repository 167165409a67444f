/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether the local ingress serves: TCP connects to each Service's local endpoints, with
 * hysteresis. */
#ifndef CONTROL_HEALTH_H
#define CONTROL_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/ip.h"

struct event_base;
struct health;

/* One thing to probe. key names the Service ("ns/name"); all targets of a key decide together. */
struct health_target {
	const char *key;
	struct ip address;
	uint16_t port;
};

/*
 * changed: a key's health was learned (known false before) or changed. Called from the loop; it may
 * set new targets, as its last act on key, but not free.
 */
struct health *health_create(struct event_base *base,
			     void (*changed)(void *arg, const char *key, bool healthy), void *arg);
void health_free(struct health *health);

/*
 * Replaces the targets; what a surviving key knew stays. A key is healthy when at least one of its
 * targets accepts a connection on every one of its ports; a Service without TCP ports is not probed
 * and counts as healthy: pass no target for it. Probes run every 100 ms, each with a 100 ms limit;
 * a first failure is repeated after 20 ms, two in a row are unhealthy, three successes in a row
 * healthy again; one success will do when nothing is known yet. At most 1024 connects are open at
 * once, and at most a quarter of RLIMIT_NOFILE: with more silent targets than that the interval
 * grows. What the process itself lacks (descriptors, memory) is no failure of a target. Copied. 0
 * or -ENOMEM, and then the old targets stay.
 */
int health_targets_set(struct health *health, const struct health_target *targets, size_t count);

/* Whether every key has been judged at least once. */
bool health_known(const struct health *health);
bool health_of(const struct health *health, const char *key, bool *healthy);

#endif
