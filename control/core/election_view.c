/* SPDX-License-Identifier: BSD-3-Clause */
/* What others may see of an election: status, explain, metrics, the simulator's assertions. */
#include "core/election_internal.h"

const char *election_cause_name(enum election_cause cause)
{
	switch (cause) {
	case ELECTION_CAUSE_NONE:
		return "none";
	case ELECTION_CAUSE_FIRST:
		return "first";
	case ELECTION_CAUSE_SILENT:
		return "silent";
	case ELECTION_CAUSE_FENCED:
		return "fenced";
	case ELECTION_CAUSE_LEFT:
		return "left";
	case ELECTION_CAUSE_OFFER:
		return "offer";
	case ELECTION_CAUSE_CONFLICT:
		return "conflict";
	case ELECTION_CAUSE_WITHDRAWN:
		return "withdrawn";
	case ELECTION_CAUSE_STOPPED:
		return "stopped";
	}
	return "unknown";
}

const char *node_state_name(enum node_state state)
{
	switch (state) {
	case NODE_JOINING:
		return "JOINING";
	case NODE_STANDBY:
		return "STANDBY";
	case NODE_ACTIVE:
		return "ACTIVE";
	case NODE_DRAINING:
		return "DRAINING";
	case NODE_LEAVING:
		return "LEAVING";
	}
	return "UNKNOWN";
}

static void vip_view(const struct vip *vip, struct election_vip_view *view)
{
	*view = (struct election_vip_view){
		.address = vip->address,
		.epoch = vip->epoch,
		.owner = vip->owner,
		.offered_to = vip->offered_to,
		.since_ns = vip->since_ns,
		.mine = vip->mine,
		.planned = vip->planned,
		.healthy = vip->healthy,
	};
}

bool election_vip(const struct election *e, const struct ip *vip, struct election_vip_view *view)
{
	const struct vip *found = vip_find(e, vip);

	if (found == NULL)
		return false;
	vip_view(found, view);
	return true;
}

void election_vips(const struct election *e,
		   void (*each)(void *arg, const struct election_vip_view *view), void *arg)
{
	struct election_vip_view view;

	for (size_t i = 0; i < e->vip_count; i++) {
		vip_view(e->vips[i], &view);
		each(arg, &view);
	}
}

void election_peers(const struct election *e,
		    void (*each)(void *arg, const struct election_peer_view *view), void *arg)
{
	for (int slot = 0; slot < e->slot_count; slot++) {
		const struct peer *peer = &e->peers[slot];
		const struct election_peer_view view = {
			.node = e->nodes[slot],
			.boot_id = peer->boot_id,
			.state = peer->state,
			.live = peer->live,
			.fenced = peer->fenced,
			.lapsed_ms = peer->lapsed_ms,
			.heard_ns = {peer->heard_ns[0], peer->heard_ns[1]},
			.lost = {peer->lost[0], peer->lost[1]},
			.interval_ns = peer->interval_ns,
			.multiplier = peer->multiplier,
			.key_id = peer->key_id,
		};

		if (e->nodes[slot] != 0)
			each(arg, &view);
	}
}

void election_view(const struct election *e, struct election_view *view)
{
	*view = (struct election_view){
		.state = e->state,
		.lease_until_ns = e->lease_until_ns,
		.rows_version = e->rows_version,
		.owned = e->owned,
	};
}

/* Why a node that is heard is no candidate, or NULL (rule 6). */
static const char *excluded(enum node_state state, bool fenced, bool claimed)
{
	if (state == NODE_DRAINING)
		return "draining";
	if (state == NODE_LEAVING)
		return "leaving";
	if (fenced)
		return "fenced: its lease ran out";
	if (state == NODE_JOINING && claimed)
		return "joining";
	return NULL;
}

static void candidate_view(const struct election *e, const struct vip *vip, uint32_t node,
			   struct election_candidate *out)
{
	const int slot = peer_slot(e, node);
	const struct peer *peer;

	*out = (struct election_candidate){.node = node, .excluded = "not heard"};
	if (node == e->config.node) {
		out->heard = true;
		out->healthy = vip->healthy;
		out->able = self_able(e);
		out->excluded = excluded(e->state, self_fenced(e), vip->had_owner);
		return;
	}
	if (slot == NO_SLOT)
		return;
	peer = &e->peers[slot];
	out->heard = peer->live || peer->managed || peer->heard_too;
	out->healthy = !(vip->unhealthy & slot_bit(slot));
	out->able = peer_able(peer);
	if (peer->live || peer->managed)
		out->excluded = excluded(peer->state, peer->fenced, vip->had_owner);
	else if (peer->heard_too)
		out->excluded = NULL;
}

size_t election_candidates(const struct election *e, const struct ip *address,
			   struct election_candidate *out, size_t max)
{
	const struct vip *vip = vip_find(e, address);
	size_t count = 0;

	if (vip == NULL)
		return 0;
	for (; count < vip->node_count && count < max; count++)
		candidate_view(e, vip, vip->nodes[count], &out[count]);
	return count;
}
