/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the peers of one group are on the management path. A peer's own authenticated heartbeats
 * say it best; where none come, what its Node says is tried.
 */
#ifndef CONTROL_MGMT_PEER_H
#define CONTROL_MGMT_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/heartbeat.h"

#include "core/election.h"
#include "core/object.h"
#include "mgmt.h"

#define MGMT_PEER_ADDRESSES 4 /* of one Node, in our family */
/* To one peer at once: where it was, where somebody says it is now, and its Node's. */
#define MGMT_PEER_TARGETS (MGMT_PEER_ADDRESSES + 2)
#define MGMT_TARGETS	  (HEARTBEAT_MAX_PEERS * MGMT_PEER_TARGETS)

struct mgmt_peer {
	uint32_t node; /* 0 the slot is free */
	bool planned;
	struct mgmt_address learnt, candidate; /* port 0: none */
	uint64_t learnt_ns, candidate_ns;
	struct ip addresses[MGMT_PEER_ADDRESSES];
	size_t address_count;
};

struct mgmt_peers {
	uint32_t self;
	struct mgmt_address local;
	struct mgmt_peer list[HEARTBEAT_MAX_PEERS];
};

void mgmt_peers_init(struct mgmt_peers *peers, uint32_t self, const struct mgmt_address *local);

/* The nodes of a new plan, and the addresses that their Nodes have. */
void mgmt_peers_plan(struct mgmt_peers *peers, const struct election_plan_vip *vips, size_t count,
		     const struct object_set *set);

/*
 * An authenticated message of a node came from an address. accepted: it is of the boot that the
 * election hears. Any other boot may be a replay's, which must not lead away what the node needs.
 */
void mgmt_peers_heard(struct mgmt_peers *peers, uint64_t now_ns, uint32_t node,
		      const struct mgmt_address *from, bool accepted);

/* Where to send what is for a node (0: for all), at most max addresses. Returns how many. */
size_t mgmt_peers_targets(const struct mgmt_peers *peers, uint64_t now_ns, uint32_t node,
			  struct mgmt_address *out, size_t max);

#endif
