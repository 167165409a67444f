/* SPDX-License-Identifier: BSD-3-Clause */
/* Which VIPs a Service has. Pure: (objects, what was allocated before) → allocations and messages.
 */
#ifndef CORE_IPAM_H
#define CORE_IPAM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/object.h"

struct ipam_owner {
	const struct object_service *service;
	unsigned int index; /* within the Service and family, from 0 */
};

/* One VIP and the Services that have it (several only with a shared key). */
struct ipam_vip {
	struct ip address;
	const struct object_class *class;
	struct ipam_owner *owners;
	size_t owner_count;
};

/* What one of our Services got. */
struct ipam_service {
	const struct object_service *service;
	const struct object_class *class;
	struct ip *ingress; /* in the order of status.loadBalancer.ingress */
	size_t ingress_count;
	size_t wanted; /* "n of m": ingress_count of wanted */
};

enum ipam_severity {
	IPAM_NORMAL,
	IPAM_WARNING,
};

/* An event on an object, as it will be an Event in a cluster and a log line everywhere. */
struct ipam_message {
	enum ipam_severity severity;
	const char *reason; /* IPAllocated, AllocationFailed, ClearAssignment, … */
	const struct object_meta *object;
	const char *text;
};

struct ipam_result {
	struct arena *arena;
	struct ipam_vip *vips; /* sorted by address */
	size_t vip_count;
	struct ipam_service *services; /* sorted by namespace, name */
	size_t service_count;
	struct ipam_message *messages;
	size_t message_count;
};

/* An allocation made before: from VirtualIPs, the state file, or the last result. */
struct ipam_previous {
	struct ip address;
	const char *class;
	const char *namespace, *name, *uid;
	unsigned int index;
};

/*
 * Allocates, in the order of design §6: earlier allocations, adoption from status, pins, then the
 * lowest free addresses for Services by age, namespace and name.
 *
 * Families: as stated; with a dual-stack policy the other one too, IPv4 first when none is stated.
 * Single stack and none stated (the file source; an API server always states them): the family of
 * the first pin, else of what the Service has already, else IPv4 when the class has IPv4 addresses,
 * else IPv6.
 * Pins: index i gets pin i of its family or nothing; indices without a pin are served as usual.
 * A class whose pool overlaps that of an older one keeps its allocations and makes no new ones.
 *
 * What was allocated before decides, so nodes that each allocate from one file agree only if they
 * remember the same, or nothing, or the file pins addresses (or holds VirtualIPs).
 *
 * Reasons of messages. On Services: IPAllocated (new ones only), ClearAssignment, and the warnings
 * AllocationFailed ("2 of 3 public IPs were assigned: …"), ClassMismatch, InvalidCount, InvalidPin.
 * On classes, all warnings: InvalidPool, PoolOverlap, SecondDefault. Warnings come with every run
 * as long as their cause lasts.
 *
 * The result points into `set`, which must outlive it. reserved: addresses that are
 * never allocated beside those of the set's Nodes (this node's own, gateways). previous: in any
 * order. Returns NULL and ENOMEM. The order of the set's arrays never changes the result.
 */
struct ipam_result *ipam_run(const struct object_set *set, const struct ipam_previous *previous,
			     size_t previous_count, const struct ip *reserved,
			     size_t reserved_count);
void ipam_result_free(struct ipam_result *result);

/*
 * The allocations of a result in the form that the next ipam_run() takes as previous. Lives as long
 * as the result, and its names as long as the set. Returns NULL (and 0 in count) and ENOMEM.
 */
const struct ipam_previous *ipam_remember(struct ipam_result *result, size_t *count);

/*
 * The class of a Service: how it is named (design §6 "Whose Service"), or NULL when it is not ours.
 * bound: the class that it is bound to by an earlier allocation, or NULL.
 */
const struct object_class *ipam_class_of(const struct object_set *set,
					 const struct object_service *service, const char *bound);

#endif
