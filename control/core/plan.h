/* SPDX-License-Identifier: BSD-3-Clause */
/* Where VIPs should be: for each VIP the ordered list of nodes that may hold it (design §7). */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include <stddef.h>

#include "core/ipam.h"
#include "core/object.h"

struct plan_vip {
	struct ip address;
	const char *class;
	const char **nodes; /* preferred first */
	size_t node_count;
};

/* Self-contained: owns its strings, so that it outlives the objects it was made from. */
struct plan {
	struct arena *arena;
	struct plan_vip *vips; /* sorted by address */
	size_t vip_count;
};

/*
 * Spreads every Service's VIPs as evenly as can be over its candidates, then each node's total,
 * then second choices, changing as little of `previous` (NULL at first) as that needs. Candidates
 * are the set's Nodes that the class selects, minus excluded ones (label, NetworkUnavailable, and
 * with externalTrafficPolicy Local those without a serving endpoint). Returns NULL and ENOMEM.
 */
struct plan *plan_build(const struct object_set *set, const struct ipam_result *allocations,
			const struct plan *previous);
void plan_free(struct plan *plan);

const struct plan_vip *plan_find(const struct plan *plan, const struct ip *address);

/* Why a node is no candidate for a VIP: static text such as "not selected by class front", or NULL.
 */
const char *plan_excluded(const struct object_set *set, const struct ipam_vip *vip,
			  const char *node);

#endif
