/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One reading of the source and all that follows from it: objects, allocations, plan, and what
 * workers, elections and health prober need of them. Immutable once built; may be built in any
 * thread.
 */
#ifndef CONTROL_GENERATION_H
#define CONTROL_GENERATION_H

#include <stdbool.h>
#include <stddef.h>

#include "derive.h"
#include "problems.h"

/* A line worth logging once: a warning of the source, or what IPAM says of an object. */
struct generation_note {
	bool warning;
	const char *text;
};

struct config;

struct generation {
	struct arena *arena;
	struct object_set *set;
	struct ipam_result *allocations;
	struct plan *plan;
	struct derive_interface *interfaces; /* index for index as in the configuration */
	struct health_target *targets;
	size_t target_count;
	struct ipam_previous *previous; /* these allocations, as the next generation wants them */
	size_t previous_count;
	struct generation_note *notes; /* sorted by text */
	size_t note_count;
};

struct generation_input {
	const char *node;
	const char *const *interfaces;
	size_t interface_count;
	const struct ip *reserved; /* beside the Nodes' addresses */
	size_t reserved_count;
	const struct ipam_previous *previous;
	size_t previous_count;
	const struct plan *plan; /* the former one, or NULL */
};

/*
 * Builds a generation from a set, which it owns from then on (also when it fails); problems are the
 * source's warnings. Returns NULL and ENOMEM.
 */
struct generation *generation_build(struct object_set *set, const struct problems *problems,
				    const struct generation_input *input);

/*
 * Reads a file source and builds a generation from it for a running configuration, with this node's
 * addresses and gateways reserved. plan: the former one, or NULL. Every problem of the source goes
 * to problems. NULL: one of them is an error, or no memory.
 */
struct generation *generation_read(const struct config *config, const char *source,
				   const struct ipam_previous *previous, size_t previous_count,
				   const struct plan *plan, struct problems *problems);
void generation_free(struct generation *generation);

/* Whether a generation has this note; false for NULL. */
bool generation_has_note(const struct generation *generation, const char *text);

/* Whether the set has a Node of this name. */
bool generation_has_node(const struct generation *generation, const char *name);

/* The allocation of a VIP, or NULL. */
const struct ipam_vip *generation_vip(const struct generation *generation,
				      const struct ip *address);

#endif
