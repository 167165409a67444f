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
 * Chooses nodes for every VIP, in this order of importance:
 * 1. Each Service's VIPs are even over its candidates (max − min ≤ 1).
 * 2. So are the first choices of each node over all Services (sum of squares least).
 * 3. As few VIPs as can be get another first node than in `previous` (NULL at first).
 * 4. As many as can be are where a plan without history has them, so that a node that comes back
 *    gets its own VIPs, and nodes with different pasts come to agree.
 *
 * A VIP whose first node is gone goes to its second one, which holds it by then, where balance
 * allows it. VIPs with one first node have their second choices balanced by the same rules over the
 * others; from the third place on the order is by a hash of node and address. Nodes that the
 * annotation vipgate.io/preferred-nodes names come before all; they weigh on the others' balance.
 *
 * Candidates are the set's Nodes that the class selects, minus excluded ones (label,
 * NetworkUnavailable, and with externalTrafficPolicy Local those without a serving endpoint, unless
 * nobody has one). A VIP's list holds all of its candidates; it is empty when there is none.
 *
 * The order of the set's arrays never matters, nor does the machine. What `previous` was does: two
 * nodes that read the same file but saw other ones before it may differ in which of equally
 * balanced VIPs sits where. Without history a new Service or node moves few others, not none: first
 * choices are then by hash with bounded loads. Safety does not need agreement (design §8); a VIP on
 * which two plans disagree stays with its owner.
 *
 * Limits: 2 and 3 are exact up to 256 candidates that hang together by shared Services, greedy
 * beyond. A shared VIP is spread with its first Service by name; if its candidates differ from
 * those of that Service's other VIPs, 1 holds for both parts on their own.
 *
 * Returns NULL and ENOMEM.
 */
struct plan *plan_build(const struct object_set *set, const struct ipam_result *allocations,
			const struct plan *previous);
void plan_free(struct plan *plan);

const struct plan_vip *plan_find(const struct plan *plan, const struct ip *address);

/* Why a node is no candidate for a VIP: static text such as "not selected by the nodeSelector of
 * its class", or NULL when it is one.
 */
const char *plan_excluded(const struct object_set *set, const struct ipam_vip *vip,
			  const char *node);

#endif
