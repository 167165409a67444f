/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What follows from objects, allocations and plan for the parts that do the work: what the workers
 * let through, what an election may claim, what is probed. Pure; results live in an arena.
 */
#ifndef CONTROL_DERIVE_H
#define CONTROL_DERIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/vip_table.h"

#include "core/arena.h"
#include "core/election.h"
#include "core/ipam.h"
#include "core/object.h"
#include "core/plan.h"
#include "health.h"

/* "namespace/name" of a Service, the key of its health. NULL: no memory. */
char *derive_service_key(struct arena *arena, const struct object_service *service);

/* Whether a Service with this key has the VIP. */
bool derive_vip_has_service(const struct ipam_vip *vip, const char *key);

/* Whether a class serves an interface: spec.l2.interfaces names it, or names none. */
bool derive_class_on_interface(const struct object_class *class, const char *interface);

/* The VIPs of one interface, in the order of the allocations, index for index the same in each. */
struct derive_interface {
	const struct ipam_vip **vips;
	struct vip_spec *specs; /* owned is false: whose it is only the election knows */
	struct election_plan_vip *plan;
	struct ip *addresses;
	size_t count;
};
/* Returns 0 or -ENOMEM. node_id turns a node's name into its id. */
int derive_interface(struct arena *arena, const struct ipam_result *allocations,
		     const struct plan *plan, const char *interface,
		     uint32_t (*node_id)(const char *name), struct derive_interface *out);

/*
 * What to probe on this node: of each Service that got VIPs its TCP ports, at its serving endpoints
 * here if EndpointSlices name any, else at its first VIP of each family. Returns 0 or -ENOMEM.
 */
int derive_health_targets(struct arena *arena, const struct object_set *set,
			  const struct ipam_result *allocations, const char *node,
			  struct health_target **targets, size_t *count);

/* The allocations as IPAM wants to be told them next time. Returns 0 or -ENOMEM. */
int derive_previous(struct arena *arena, const struct ipam_result *allocations,
		    struct ipam_previous **previous, size_t *count);

/* Addresses in the pools of a class, capped at 2^53, and how many of them are VIPs. */
void derive_pool_usage(const struct ipam_result *allocations, const struct object_class *class,
		       uint64_t *total, uint64_t *used);

#endif
