/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose a VIP is: vacancy, claims, conflicts and withdrawals (rules 5, 6, 7 and 9). */
#include "core/election_internal.h"

static struct election_action *vip_action(struct election *e, enum election_action_type type,
					  const struct vip *vip, uint32_t other,
					  enum election_cause cause)
{
	struct election_action *action = action_add(e, type);

	if (action == NULL)
		return NULL;
	action->vip.address = vip->address;
	action->vip.epoch = vip->epoch;
	action->vip.owner = other;
	action->vip.cause = cause;
	return action;
}

/* Notes an epoch that somebody used: new ones are larger, also after a restart. */
void claim_seen(struct election *e, struct vip *vip, uint64_t epoch)
{
	struct election_action *action;

	if (epoch <= vip->seen || epoch >= HEARTBEAT_EPOCH_LIMIT)
		return;
	vip->seen = epoch;
	action = vip_action(e, ELECTION_EPOCH, vip, 0, ELECTION_CAUSE_NONE);
	if (action != NULL)
		action->vip.epoch = epoch;
}

static void claim_best(struct election *e, struct vip *vip, uint64_t epoch, uint32_t owner,
		       uint32_t offered_to, enum election_cause cause)
{
	vip->claimed = vip->had_owner = true;
	vip->epoch = epoch;
	vip->owner = owner;
	vip->offered_to = offered_to;
	vip->since_ns = e->now_ns;
	vip->vacant_since_ns = vip->unlisted_since_ns = 0;
	vip_action(e, ELECTION_CLAIM, vip, owner, cause);
	vip_dirty(e, vip);
}

/*
 * Two owners that only a chain of relays connects are gone to each other by rule 5 and would outbid
 * each other with every message. A node claims a VIP so often in a second and then waits, whoever
 * answers meanwhile: no more answerers than the cut makes anyway (G6).
 */
static bool claim_too_often(struct election *e, const struct vip *vip)
{
	const uint64_t oldest = vip->claim_ns[vip->claim_next];

	if (WITHOUT(RULE_CLAIM_LIMIT) || oldest == 0 || e->now_ns - oldest >= CLAIM_PERIOD_NS)
		return false;
	if (oldest + CLAIM_PERIOD_NS < e->due_ns)
		e->due_ns = oldest + CLAIM_PERIOD_NS;
	return true;
}

void claim_make(struct election *e, struct vip *vip, enum election_cause cause)
{
	const uint32_t former = vip->owner;
	const uint64_t epoch = vip->seen + 1;

	if (epoch >= HEARTBEAT_EPOCH_LIMIT || claim_too_often(e, vip))
		return; /* nobody could hear it, or not now */
	vip->claim_ns[vip->claim_next] = e->now_ns;
	vip->claim_next = (vip->claim_next + 1) % CLAIMS_SECOND;
	if (!vip->mine)
		e->owned++;
	vip->mine = true;
	vip->outbid_epoch = 0;
	vip->withdrawn_until_ns = 0;
	claim_seen(e, vip, epoch);
	claim_best(e, vip, epoch, e->config.node, 0, cause);
	vip_action(e, ELECTION_OWN, vip, former, cause);
	vip_action(e, ELECTION_ANNOUNCE, vip, former, cause);
	e->rows_changed = true;
}

void claim_stop(struct election *e, struct vip *vip, enum election_cause cause, uint32_t other)
{
	if (!vip->mine)
		return;
	offer_close(e, vip);
	vip->mine = false;
	vip->outbid_epoch = 0;
	e->owned--;
	vip_action(e, ELECTION_DISOWN, vip, other, cause);
	e->rows_changed = true;
	vip_dirty(e, vip);
}

/* Whether rule 5 (a) or (b) holds for the node itself, or it is fenced (rule 4). */
static bool owner_gone(const struct election *e, uint32_t owner)
{
	const int slot = peer_slot(e, owner);

	return slot == NO_SLOT || e->peers[slot].gone;
}

static bool claim_higher(uint64_t epoch, uint32_t owner, const struct vip *vip)
{
	return !vip->claimed || epoch > vip->epoch || (epoch == vip->epoch && owner > vip->owner);
}

/* A live node claims what is ours with the lower claim: clients may have heard it (rule 7). */
static void claim_beats(struct election *e, struct vip *vip, uint64_t epoch, uint32_t owner)
{
	if (WITHOUT(RULE_ANNOUNCE_AGAIN) || !vip->mine || owner == 0 || owner_gone(e, owner) ||
	    (epoch == vip->beaten_epoch && owner == vip->beaten_owner))
		return;
	vip->beaten_epoch = epoch;
	vip->beaten_owner = owner;
	vip_action(e, ELECTION_ANNOUNCE, vip, owner, ELECTION_CAUSE_CONFLICT);
	e->rows_again = true;
}

/* We hold on to what a gone node claims, and claim it anew when the turn ends and we are able. */
static void claim_outbid(struct election *e, struct vip *vip, uint64_t epoch, uint32_t owner)
{
	if (vip->outbid_epoch == 0)
		vip->outbid_since_ns = e->now_ns;
	if (epoch >= vip->outbid_epoch) {
		vip->outbid_epoch = epoch;
		vip->outbid_owner = owner;
	}
	vip_dirty(e, vip);
}

/*
 * A claim, or with owner 0 a withdrawal, that its owner states (direct) or another node relays.
 * Rule 7.
 */
void claim_heard(struct election *e, struct vip *vip, uint64_t epoch, uint32_t owner,
		 uint32_t offered_to, bool direct)
{
	const bool given = vip->mine && vip->offered_to != 0 && vip->offered_to == owner;
	bool gone;

	claim_seen(e, vip, epoch);
	vip->had_owner = true;
	if (owner == e->config.node) {
		/* Relayed, so of our former life, unless it is the one that we hold. */
		if (!claim_higher(epoch, owner, vip))
			return;
		if (vip->mine) {
			claim_outbid(e, vip, epoch, owner);
		} else {
			claim_best(e, vip, epoch, owner, 0, ELECTION_CAUSE_NONE);
		}
		return;
	}
	if (!claim_higher(epoch, owner, vip)) {
		if (vip->owner != owner || vip->epoch != epoch) {
			if (direct)
				claim_beats(e, vip, epoch, owner);
		} else if (direct && vip->offered_to != offered_to) {
			vip->offered_to = offered_to;
			vip_dirty(e, vip);
		}
		return;
	}
	gone = owner != 0 && owner_gone(e, owner);
	if (vip->mine && WITHOUT(RULE_CONFLICT) && !given)
		return;
	if (vip->mine && gone && !WITHOUT(RULE_OUTBID)) {
		claim_outbid(e, vip, epoch, owner);
		return;
	}
	if (!direct && gone)
		return;
	claim_stop(e, vip, given ? ELECTION_CAUSE_OFFER : ELECTION_CAUSE_CONFLICT, owner);
	if (owner != 0 && (slot_bit(peer_slot(e, owner)) & peers_unheard(e)))
		e->relay_due = true;
	claim_best(e, vip, epoch, owner, offered_to,
		   given ? ELECTION_CAUSE_OFFER : ELECTION_CAUSE_NONE);
}

/*
 * Rule 5: whether the VIP is vacant to us, and why. Runs the timer of an owner whose current rows
 * do not list it; they must be held, else they are not known.
 */
static enum election_cause claim_vacant(struct election *e, struct vip *vip, uint64_t *due_ns)
{
	const int slot = peer_slot(e, vip->owner);
	const struct peer *owner;
	uint64_t until;

	if (!vip->had_owner)
		return ELECTION_CAUSE_FIRST;
	if (!vip->claimed) /* only relayed, of a node that was gone already */
		return ELECTION_CAUSE_SILENT;
	if (vip->owner == 0)
		return ELECTION_CAUSE_WITHDRAWN;
	if (vip->owner == e->config.node)
		return ELECTION_CAUSE_LEFT;
	if (slot == NO_SLOT)
		return ELECTION_CAUSE_SILENT;
	owner = &e->peers[slot];
	if (owner->gone)
		return owner->state == NODE_LEAVING || owner->state == NODE_JOINING
			       ? ELECTION_CAUSE_LEFT
		       : owner->live || owner->managed ? ELECTION_CAUSE_FENCED
						       : ELECTION_CAUSE_SILENT;
	if ((vip->listed & slot_bit(slot)) || !(owner->live || owner->managed) ||
	    owner->rows_held != owner->rows_version) {
		vip->unlisted_since_ns = 0;
		return ELECTION_CAUSE_NONE;
	}
	if (vip->unlisted_since_ns == 0)
		vip->unlisted_since_ns = e->now_ns;
	until = vip->unlisted_since_ns + silence_ns(owner->interval_ns, owner->multiplier);
	if (e->now_ns >= until && !WITHOUT(RULE_UNLISTED))
		return ELECTION_CAUSE_LEFT;
	if (until < *due_ns)
		*due_ns = until;
	return ELECTION_CAUSE_NONE;
}

/* Better: healthy before unhealthy, ACTIVE before STANDBY, then plan order. */
unsigned int claim_order(bool healthy, enum node_state state)
{
	return (healthy ? 0 : 2) + (state == NODE_ACTIVE ? 0 : 1);
}

/* Rule 6: how many better candidates of our plan we or a live peer hear. */
unsigned int claim_rank(const struct election *e, const struct vip *vip)
{
	const unsigned int mine = claim_order(vip->healthy, e->state);
	bool before_me = true;
	unsigned int rank = 0;

	for (size_t i = 0; i < vip->node_count; i++) {
		const int slot = peer_slot(e, vip->nodes[i]);
		const struct peer *peer;
		unsigned int order;

		if (vip->nodes[i] == e->config.node)
			before_me = false;
		if (slot == NO_SLOT)
			continue;
		peer = &e->peers[slot];
		if (!peer->live && !peer->heard_too)
			continue;
		order = claim_order(!(vip->unhealthy & slot_bit(slot)), peer->state);
		/* Of a node that only others hear, the state is unknown: it counts. */
		if (peer->live || peer->managed) {
			if (peer->fenced || peer->state > NODE_ACTIVE ||
			    (peer->state == NODE_JOINING && vip->had_owner))
				continue;
		}
		if (order < mine || (order == mine && before_me))
			rank++;
	}
	return rank;
}

static void claim_vacancy(struct election *e, struct vip *vip, uint64_t *due_ns)
{
	const enum election_cause cause = claim_vacant(e, vip, due_ns);
	const uint64_t step = vip->had_owner ? 3 * e->config.interval_ns : FIRST_STEP_NS;
	uint64_t since, until;

	if (cause == ELECTION_CAUSE_NONE) {
		vip->vacant_since_ns = 0;
		return;
	}
	if (vip->vacant_since_ns == 0)
		vip->vacant_since_ns = e->now_ns;
	if (!vip->lists_me || !self_able(e))
		return; /* rule 9: never without our own plan listing us */
	/* While we joined we were no candidate, and better ones may just have done the same. */
	since = vip->vacant_since_ns > e->joined_ns ? vip->vacant_since_ns : e->joined_ns;
	until = since + (WITHOUT(RULE_RANK) ? 0 : claim_rank(e, vip) * step);
	if (e->now_ns >= until)
		claim_make(e, vip, cause);
	else if (until < *due_ns)
		*due_ns = until;
}

/* Rule 9: nothing of it is in the plan any more. */
static void claim_withdraw(struct election *e, struct vip *vip)
{
	claim_stop(e, vip, ELECTION_CAUSE_WITHDRAWN, 0);
	if (vip->seen + 1 >= HEARTBEAT_EPOCH_LIMIT)
		return;
	claim_seen(e, vip, vip->seen + 1);
	claim_best(e, vip, vip->seen, 0, 0, ELECTION_CAUSE_WITHDRAWN);
	vip->withdrawn_until_ns = e->now_ns + WITHDRAWN_NS;
}

/*
 * Rule 7 at the end of the turn: the higher claim's owner may have turned out to be there. Its
 * rows, sent at once, may come before its next beat, which alone makes it live: without an
 * interval's wait three owners of a healed partition outbid each other with every message until
 * that beat.
 */
static void claim_contest(struct election *e, struct vip *vip)
{
	const uint32_t owner = vip->outbid_owner;
	const uint64_t epoch = vip->outbid_epoch;

	if (owner != e->config.node && !owner_gone(e, owner)) {
		claim_stop(e, vip, ELECTION_CAUSE_CONFLICT, owner);
		claim_best(e, vip, epoch, owner, 0, ELECTION_CAUSE_NONE);
	} else if (e->now_ns < vip->outbid_since_ns + e->config.interval_ns &&
		   !WITHOUT(RULE_OUTBID_WAIT)) {
		if (vip->outbid_since_ns + e->config.interval_ns < e->due_ns)
			e->due_ns = vip->outbid_since_ns + e->config.interval_ns;
	} else if (self_able(e)) {
		claim_make(e, vip, ELECTION_CAUSE_CONFLICT);
	}
}

static void claim_update(struct election *e, struct vip *vip)
{
	vip->dirty = false;
	if (vip->withdrawn_until_ns != 0) {
		if (vip->owner != 0 || e->now_ns >= vip->withdrawn_until_ns) {
			vip->withdrawn_until_ns = 0;
			e->rows_changed = true;
		} else if (vip->withdrawn_until_ns < e->due_ns) {
			e->due_ns = vip->withdrawn_until_ns;
		}
	}
	if (e->state == NODE_LEAVING)
		return;
	if (vip->mine && !vip->planned && !WITHOUT(RULE_WITHDRAW))
		claim_withdraw(e, vip);
	if (vip->mine && vip->outbid_epoch != 0)
		claim_contest(e, vip);
	if (vip->mine)
		offer_update(e, vip, &e->due_ns);
	else if (!offer_take(e, vip))
		claim_vacancy(e, vip, &e->due_ns);
}

void claims_turn_end(struct election *e)
{
	const size_t count = e->dirty_count;

	/* What changes on the way is marked anew and looked at in the next turn. */
	if (e->dirty_all || e->now_ns >= e->due_ns) {
		e->due_ns = UINT64_MAX;
		e->dirty_all = false;
		e->dirty_count = 0;
		for (size_t i = 0; i < e->vip_count; i++)
			claim_update(e, e->vips[i]);
		return;
	}
	for (size_t i = 0; i < count; i++)
		claim_update(e, e->dirty[i]);
	e->dirty_count -= count;
	for (size_t i = 0; i < e->dirty_count; i++)
		e->dirty[i] = e->dirty[count + i];
}

void claims_announce(struct election *e)
{
	for (size_t i = 0; e->owned > 0 && i < e->vip_count; i++)
		if (e->vips[i]->mine)
			vip_action(e, ELECTION_ANNOUNCE, e->vips[i], 0, ELECTION_CAUSE_NONE);
}

/*
 * A peer is heard again whose last rows claim what is ours by now: it went on answering and
 * announcing meanwhile, and stops when it hears us, without a word that we would notice.
 */
void claims_healed(struct election *e, int slot)
{
	if (WITHOUT(RULE_ANNOUNCE_AGAIN))
		return;
	for (size_t i = 0; e->owned > 0 && i < e->vip_count; i++)
		if (e->vips[i]->mine && (e->vips[i]->listed & slot_bit(slot)))
			vip_action(e, ELECTION_ANNOUNCE, e->vips[i], e->nodes[slot],
				   ELECTION_CAUSE_CONFLICT);
}
