/* SPDX-License-Identifier: BSD-3-Clause */
/* Planned moves: offers that an owner makes and that another node takes (rule 8). */
#include "core/election_internal.h"

/* Takes an offer of the best claim known. Returns whether the VIP is ours now. */
bool offer_take(struct election *e, struct vip *vip)
{
	const int slot = peer_slot(e, vip->owner);
	const struct peer *owner;
	size_t mine = SIZE_MAX, theirs = SIZE_MAX;

	if (WITHOUT(RULE_OFFER) || vip->offered_to != e->config.node || slot == NO_SLOT ||
	    !vip->lists_me || !self_able(e))
		return false;
	owner = &e->peers[slot];
	for (size_t i = 0; i < vip->node_count; i++) {
		if (vip->nodes[i] == e->config.node)
			mine = i;
		else if (vip->nodes[i] == vip->owner)
			theirs = i;
	}
	/*
	 * Nothing on the wire tells a rebalance offer. One that the owner had no need to make is
	 * one: our plan must agree with it, and we take one a second. An owner that its own plan
	 * dropped while ours still has it first is refused until our plan follows.
	 */
	if (owner->state != NODE_DRAINING && !(vip->unhealthy & slot_bit(slot)) &&
	    theirs != SIZE_MAX) {
		if (mine > theirs)
			return false;
		if (e->rebalance_taken_ns != 0 && e->now_ns - e->rebalance_taken_ns < OFFER_NS) {
			if (e->rebalance_taken_ns + OFFER_NS < e->due_ns)
				e->due_ns = e->rebalance_taken_ns + OFFER_NS;
			return false;
		}
		e->rebalance_taken_ns = e->now_ns;
	}
	/* The owner may not know yet that we are no better off: then it stays with the owner. */
	if (!vip->healthy && owner->state != NODE_DRAINING && theirs != SIZE_MAX)
		return false;
	claim_make(e, vip, ELECTION_CAUSE_OFFER);
	return vip->mine;
}

void offer_close(struct election *e, struct vip *vip)
{
	if (e->rebalance == vip) {
		e->rebalance = NULL;
		e->dirty_all = true; /* the next one may go */
	}
	if (vip->offered_to != 0)
		e->rows_changed = true;
	vip->offered_to = 0;
	vip->offer_tried = 0;
	vip->offer_since_ns = 0;
}

static bool healthy_at(const struct vip *vip, int slot)
{
	return !(vip->unhealthy & slot_bit(slot));
}

static bool target_able(const struct election *e, int slot)
{
	return slot != NO_SLOT && peer_able(&e->peers[slot]);
}

/*
 * The best node to give the VIP to at once, not yet tried. It is healthy, or we must go and are
 * unhealthy too: a healthy owner never yields to an unhealthy node, it stays until it has to leave.
 */
static int target_at_once(const struct election *e, const struct vip *vip, bool must_go)
{
	unsigned int best_order = 0;
	int best = NO_SLOT;

	for (size_t i = 0; i < vip->node_count; i++) {
		const int slot = peer_slot(e, vip->nodes[i]);
		unsigned int order;

		if (!target_able(e, slot) || (vip->offer_tried & slot_bit(slot)))
			continue;
		if (!healthy_at(vip, slot) && (vip->healthy || !must_go))
			continue;
		order = claim_order(healthy_at(vip, slot), e->peers[slot].state);
		if (best == NO_SLOT || order < best_order) {
			best = slot;
			best_order = order;
		}
	}
	return best;
}

/* Rebalance: the first ACTIVE healthy node of the plan, if it comes before us. */
static int target_rebalance(struct election *e, const struct vip *vip, uint64_t *due_ns)
{
	for (size_t i = 0; i < vip->node_count && vip->nodes[i] != e->config.node; i++) {
		const int slot = peer_slot(e, vip->nodes[i]);

		if (!target_able(e, slot) || e->peers[slot].state != NODE_ACTIVE ||
		    !healthy_at(vip, slot))
			continue;
		/* Healthy for `hold`: any change of anybody's health for this VIP restarts it. */
		if (e->now_ns - vip->health_since_ns >= e->config.hold_ns)
			return slot;
		if (vip->health_since_ns + e->config.hold_ns < *due_ns)
			*due_ns = vip->health_since_ns + e->config.hold_ns;
		return NO_SLOT;
	}
	return NO_SLOT;
}

static void offer_make(struct election *e, struct vip *vip, int slot, uint64_t *due_ns)
{
	if (vip->offered_to != e->nodes[slot]) {
		vip->offered_to = e->nodes[slot];
		vip->offer_since_ns = e->now_ns;
		e->rows_changed = true;
	}
	if (vip->offer_since_ns + OFFER_NS < *due_ns)
		*due_ns = vip->offer_since_ns + OFFER_NS;
}

/* An offer that was open for a second, or whose target is no longer able, goes to the next. */
static void offer_expire(struct election *e, struct vip *vip)
{
	const int slot = peer_slot(e, vip->offered_to);

	if (vip->offered_to == 0 ||
	    (target_able(e, slot) && e->now_ns - vip->offer_since_ns < OFFER_NS))
		return;
	vip->offer_tried |= slot_bit(slot);
	vip->offered_to = 0;
	vip->offer_pause_ns = e->now_ns + OFFER_NS;
	e->rows_changed = true;
}

static void offer_rebalance(struct election *e, struct vip *vip, uint64_t *due_ns)
{
	int slot = NO_SLOT;

	if (e->config.failback && (e->rebalance == NULL || e->rebalance == vip) &&
	    (e->state == NODE_STANDBY || e->state == NODE_ACTIVE))
		slot = target_rebalance(e, vip, due_ns);
	if (slot != NO_SLOT && (vip->offer_tried & slot_bit(slot))) {
		/*
		 * Not taken, perhaps only because the target takes one a second and others offered
		 * too: let other VIPs try, and ask again after an offer's time.
		 */
		if (e->now_ns < vip->offer_pause_ns) {
			if (vip->offer_pause_ns < *due_ns)
				*due_ns = vip->offer_pause_ns;
			if (e->rebalance == vip) {
				e->rebalance = NULL;
				e->dirty_all = true;
			}
			return;
		}
		vip->offer_tried = 0;
	}
	if (slot == NO_SLOT) {
		if (vip->offered_to != 0 || e->rebalance == vip || vip->offer_tried != 0)
			offer_close(e, vip);
		return;
	}
	e->rebalance = vip;
	offer_make(e, vip, slot, due_ns);
}

/* Opens, keeps, moves on or closes the offer of a VIP that is ours. */
void offer_update(struct election *e, struct vip *vip, uint64_t *due_ns)
{
	const bool must_go = e->state == NODE_DRAINING || !vip->lists_me;
	int slot;

	if (e->state == NODE_JOINING || e->state == NODE_LEAVING)
		return;
	offer_expire(e, vip);
	if (!must_go && vip->healthy) {
		offer_rebalance(e, vip, due_ns);
		return;
	}
	if (e->rebalance == vip)
		offer_close(e, vip);
	if (vip->offered_to != 0) {
		offer_make(e, vip, peer_slot(e, vip->offered_to), due_ns);
		return;
	}
	slot = target_at_once(e, vip, must_go);
	if (slot != NO_SLOT) {
		offer_make(e, vip, slot, due_ns);
	} else if (vip->offer_tried != 0) {
		/* Nobody took it: the owner stays, and asks all again a second later. */
		if (e->now_ns >= vip->offer_pause_ns) {
			vip->offer_tried = 0;
			vip->offer_pause_ns = e->now_ns + OFFER_NS;
			vip_dirty(e, vip);
		} else if (vip->offer_pause_ns < *due_ns) {
			*due_ns = vip->offer_pause_ns;
		}
	}
}
