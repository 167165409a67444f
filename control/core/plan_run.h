/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of one plan_build(), shared by its parts. Internal to planning. */
#ifndef CORE_PLAN_RUN_H
#define CORE_PLAN_RUN_H

#include "core/plan.h"

#define PLAN_NONE UINT32_MAX

/* Nodes by their number in plan_run.nodes, which are sorted by name. */
struct plan_candidates {
	uint32_t *nodes; /* ascending */
	size_t count;
};

struct plan_work {
	const struct ipam_vip *vip;
	const struct plan_candidates *candidates;
	uint32_t *preferred; /* candidates that the Service names, in its order */
	size_t preferred_count;
	uint64_t hash;
};

/* VIPs next to each other in plan_run.order that are to be spread together: of one Service, with
 * the same candidates.
 */
struct plan_group {
	size_t start, count;
	uint64_t hash;
};

/* A choice for every VIP: a node's number, or PLAN_NONE. */
struct plan_choice {
	uint32_t *first, *second;
};

struct plan_run {
	const struct object_set *set;
	struct arena *arena;
	const struct object_node **nodes; /* sorted by name, each name once */
	uint64_t *node_hash;
	size_t node_count;
	struct plan_work *works; /* as ipam_result.vips: by address */
	size_t count;
	uint32_t *order; /* numbers of works: by Service, family, index */
	struct plan_group *groups;
	size_t group_count;
};

uint64_t plan_hash(const void *bytes, size_t len);

/* A node's number, or PLAN_NONE. */
uint32_t plan_node(const struct plan_run *run, const char *name);

/* Fills nodes, works, order and groups. 0 or -ENOMEM. */
int plan_prepare(struct plan_run *run, const struct ipam_result *allocations);

/*
 * Chooses a first and a second node for every VIP. stay: the choices of before; home: where VIPs
 * belong without history. 0 or -ENOMEM.
 */
int plan_spread(struct plan_run *run, const struct plan_choice *stay,
		const struct plan_choice *home, struct plan_choice *choice);

#endif
