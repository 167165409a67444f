/* SPDX-License-Identifier: BSD-3-Clause */
/* What a Service asks for: class, families, count, pins, sharing. Internal to IPAM. */
#ifndef CORE_IPAM_WISH_H
#define CORE_IPAM_WISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ipam.h"
#include "core/ipam_pool.h"

#define IPAM_MAX_COUNT 64

/* One thing to say of a Service, kept until all are put in order. */
struct ipam_note {
	enum ipam_severity severity;
	const char *reason, *text;
	struct ipam_note *next;
};

struct ipam_family {
	bool v6;
	struct ip *pins; /* of the first indices; no address: a pin that could not be read */
	size_t pin_count;
	uint32_t *vips; /* by index: number of the VIP + 1, or 0 */
};

struct ipam_wish {
	const struct object_service *service;
	struct ipam_pool *pool; /* NULL: not ours */
	const char *bound;	/* class of an earlier allocation, or NULL */
	bool had_v4, had_v6;	/* earlier allocations that its class still has */
	unsigned int count;	/* VIPs of each family */
	struct ipam_family families[2];
	size_t family_count;
	const char *shared_key; /* or NULL */
	size_t key;		/* number of the shared key */
	struct ipam_note *notes, **notes_end;
	const char *failures; /* why something is missing, or NULL */
};

/* Fills everything but service, bound and had_*. Texts live in arena. 0 or -ENOMEM. */
int ipam_wish_read(struct ipam_wish *wish, struct arena *arena);

/* Appends to a Service's notes. 0 or -ENOMEM. */
int ipam_note_add(struct ipam_wish *wish, struct arena *arena, enum ipam_severity severity,
		  const char *reason, const char *text);
/* Adds to failures, after "; ". 0 or -ENOMEM. */
int ipam_failure_add(struct ipam_wish *wish, struct arena *arena, const char *text);

/* Whether two Services may have one VIP together. */
bool ipam_wish_shares(const struct ipam_wish *a, const struct ipam_wish *b);

#endif
