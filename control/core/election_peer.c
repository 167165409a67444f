/* SPDX-License-Identifier: BSD-3-Clause */
/* Who is heard: peers, their boot ids, silence (rule 1), fences (rule 4) and hearsay. */
#include "core/election_internal.h"

#include <stdlib.h>
#include <string.h>

int peer_slot(const struct election *e, uint32_t node)
{
	for (int slot = 0; slot < e->slot_count; slot++)
		if (e->nodes[slot] == node)
			return node == 0 ? NO_SLOT : slot;
	return NO_SLOT;
}

static void peer_forget(struct election *e, int slot)
{
	struct peer *peer = &e->peers[slot];

	vips_forget_slot(e, slot);
	for (int i = 0; i < e->slot_count; i++)
		e->peers[i].hears &= ~slot_bit(slot);
	free(peer->assembly.have);
	memset(peer, 0, sizeof(*peer));
	e->nodes[slot] = 0;
	e->peers_dirty = true;
}

static bool peer_silent(const struct election *e, const struct peer *peer, uint64_t ns)
{
	for (int path = 0; path < HEARTBEAT_PATHS; path++)
		if (peer->heard_ns[path] != 0 && e->now_ns - peer->heard_ns[path] < ns)
			return false;
	return peer->candidate.heard_ns == 0 || e->now_ns - peer->candidate.heard_ns >= ns;
}

int peer_slot_get(struct election *e, uint32_t node)
{
	int slot = peer_slot(e, node), oldest = NO_SLOT;

	if (slot != NO_SLOT || node == 0 || node == e->config.node)
		return slot;
	for (slot = 0; slot < e->slot_count; slot++) {
		const struct peer *peer = &e->peers[slot];

		/* The one that has been away for longest may make room. */
		if (!peer->live && peer_silent(e, peer, TWIN_NS) &&
		    e->now_ns - peer->mentioned_ns >= TWIN_NS &&
		    (oldest == NO_SLOT || peer->mentioned_ns < e->peers[oldest].mentioned_ns))
			oldest = slot;
	}
	if (slot == ELECTION_SLOTS) {
		if (oldest == NO_SLOT)
			return NO_SLOT;
		peer_forget(e, oldest);
		slot = oldest;
	} else {
		e->slot_count++;
	}
	e->nodes[slot] = node;
	e->peers[slot] = (struct peer){
		.interval_ns = e->config.interval_ns,
		.multiplier = e->config.multiplier,
		.mentioned_ns = e->now_ns,
		.lapsed_ms = HEARTBEAT_LAPSED_EVER,
		.management_lapsed_ms = HEARTBEAT_LAPSED_EVER,
		.gone = true,
	};
	e->peers_dirty = true;
	return slot;
}

bool peer_able(const struct peer *peer)
{
	return peer->live && peer->lapsed_ms == 0 &&
	       (peer->state == NODE_STANDBY || peer->state == NODE_ACTIVE);
}

static bool peer_counts_as_fenced(const struct peer *peer)
{
	return peer->lapsed_ms == HEARTBEAT_LAPSED_EVER ||
	       peer->lapsed_ms * MS >= silence_ns(peer->interval_ns, peer->multiplier);
}

static bool silent_on(const struct election *e, const struct peer *peer, enum heartbeat_path path)
{
	return peer->heard_ns[path] == 0 || e->counted_ns - peer->heard_counted[path] >=
						    silence_ns(peer->interval_ns, peer->multiplier);
}

/*
 * Whether some live unfenced peer says that it hears the node. Its word is about one boot of it; of
 * a node that we have not heard for a second ourselves we may not know the boot of today.
 */
static bool heard_by_others(const struct election *e, int slot)
{
	const struct peer *peer = &e->peers[slot];
	const bool outdated = peer->boot_id == 0 || peer_silent(e, peer, PRESENT_NS);

	for (int i = 0; i < e->slot_count; i++) {
		const struct peer *other = &e->peers[i];

		if (i != slot && e->nodes[i] != 0 && other->live && !other->fenced &&
		    (other->hears & slot_bit(slot)) &&
		    (outdated || other->hears_boot[slot] == (uint32_t)peer->boot_id))
			return true;
	}
	return false;
}

/* Rule 5, the part that is about the owner alone. */
static bool peer_is_gone(const struct peer *peer)
{
	if (peer->boot_id != 0 && peer->state == NODE_LEAVING)
		return true; /* it said so, and that boot never returns */
	if ((peer->live || peer->managed) &&
	    (peer->state == NODE_JOINING || (peer->fenced && !WITHOUT(RULE_FENCE))))
		return true; /* (a) */
	if (peer->live || peer->heard_too)
		return false;
	return WITHOUT(RULE_MANAGEMENT) || !peer->managed ||
	       peer->management_lapsed_ms > 0; /* (b) */
}

static void peer_report(struct election *e, int slot)
{
	const struct peer *peer = &e->peers[slot];
	struct election_action *action = action_add(e, ELECTION_PEER);

	if (action == NULL)
		return;
	action->peer.node = e->nodes[slot];
	action->peer.live = peer->live;
	action->peer.cause = peer->live			   ? ELECTION_CAUSE_NONE
			     : peer->state == NODE_LEAVING ? ELECTION_CAUSE_LEFT
							   : ELECTION_CAUSE_SILENT;
}

/* Silence, fence and absence of one peer as they are now; its message may just have changed them.
 */
void peer_judge(struct election *e, int slot)
{
	struct peer *peer = &e->peers[slot];
	const bool live = peer->boot_id != 0 && !silent_on(e, peer, HEARTBEAT_FRONT);
	const bool managed = peer->boot_id != 0 && !silent_on(e, peer, HEARTBEAT_MANAGEMENT);
	const bool fenced = peer_counts_as_fenced(peer);
	const bool gone = peer->gone;

	if (live != peer->live || managed != peer->managed || fenced != peer->fenced)
		e->peers_dirty = true;
	peer->managed = managed;
	peer->fenced = fenced;
	if (live != peer->live) {
		peer->live = live;
		peer_report(e, slot);
		if (live)
			claims_healed(e, slot);
		if (live && peer->rows_echo != e->rows_version)
			e->rows_again = true;
	}
	peer->gone = peer_is_gone(peer);
	if (gone != peer->gone)
		e->peers_dirty = true;
}

/* Judges all, and derives what VIPs depend on; called when a turn has read its messages. */
void peers_update(struct election *e)
{
	for (int slot = 0; slot < e->slot_count; slot++)
		if (e->nodes[slot] != 0)
			peer_judge(e, slot);
	/* Some of what follows changes by time alone, and slowly. */
	if (!e->peers_dirty && e->now_ns - e->peers_checked_ns < PROBE_NS)
		return;
	e->peers_dirty = false;
	e->peers_checked_ns = e->now_ns;
	for (int slot = 0; slot < e->slot_count; slot++) {
		struct peer *peer = &e->peers[slot];
		uint32_t signature;

		if (e->nodes[slot] == 0)
			continue;
		peer->heard_too = !WITHOUT(RULE_CORROBORATION) && heard_by_others(e, slot);
		peer->gone = peer_is_gone(peer);
		signature = 1u | (uint32_t)peer->live << 1 | (uint32_t)peer->managed << 2 |
			    (uint32_t)peer->fenced << 3 | (uint32_t)peer->gone << 4 |
			    (uint32_t)peer->heard_too << 5 | (uint32_t)(peer->lapsed_ms == 0) << 6 |
			    (uint32_t)peer->state << 8;
		if (signature != peer->signature)
			e->dirty_all = true;
		peer->signature = signature;
	}
}

static void peer_twin(struct election *e, uint32_t node)
{
	struct election_action *action;

	if (e->twin_ns != 0 && e->now_ns - e->twin_ns < TWIN_NS)
		return;
	e->twin_ns = e->now_ns;
	action = action_add(e, ELECTION_TWIN);
	if (action != NULL)
		action->peer.node = node;
}

void peer_self_twin(struct election *e)
{
	peer_twin(e, e->config.node);
}

/* The new boot's life starts from nothing; claims of the old one stay known. */
static void peer_boot(struct election *e, int slot, uint64_t boot_id)
{
	struct peer *peer = &e->peers[slot];
	const bool returns =
		boot_id == peer->previous_boot && e->now_ns - peer->accepted_ns < TWIN_NS;
	const uint64_t retired = peer->boot_id;
	struct assembly assembly = peer->assembly;
	const bool was_live = peer->live;

	assembly.version = 0;
	assembly.pages = assembly.got = 0;
	vips_forget_slot(e, slot);
	*peer = (struct peer){
		.boot_id = boot_id,
		.assembly = assembly,
		.mentioned_ns = e->now_ns,
		.previous_boot = retired,
		.accepted_ns = e->now_ns,
		.live = was_live,
		.gone = true,
		.lapsed_ms = HEARTBEAT_LAPSED_EVER,
		.management_lapsed_ms = HEARTBEAT_LAPSED_EVER,
	};
	if (returns) { /* accepted by turns: two machines; the one that came later has to wait */
		peer->ignored_boot = retired;
		peer->ignored_until_ns = e->now_ns + TWIN_NS;
		peer_twin(e, e->nodes[slot]);
	}
	e->peers_dirty = true;
	e->beat_now = true;
	e->rows_again = true;
}

/*
 * Whether the message is of the boot that we hold, after perhaps accepting its boot: an echo of
 * what we sent in the last second is the nonce that no replay has.
 */
bool peer_accept(struct election *e, int slot, const struct election_event *event)
{
	const struct heartbeat *m = event->message.heartbeat;
	struct peer *peer = &e->peers[slot];
	struct candidate *candidate = &peer->candidate;
	const uint64_t echo_ns = event->message.echo_sent_ns;

	peer->mentioned_ns = e->now_ns;
	if (m->boot_id == peer->boot_id)
		return true;
	if (m->boot_id == peer->ignored_boot && e->now_ns < peer->ignored_until_ns)
		return false;
	if (m->kind != HEARTBEAT_BEAT)
		return false;
	if (candidate->boot_id != m->boot_id)
		*candidate = (struct candidate){.boot_id = m->boot_id};
	candidate->heard_ns = e->now_ns;
	candidate->path = m->path;
	candidate->seq[m->path] = m->seq;
	if (echo_ns == 0 || e->now_ns - echo_ns > NONCE_NS ||
	    heartbeat_find_peer(m, e->config.node, (uint32_t)e->config.boot_id) == NULL)
		return false;
	/*
	 * The boot before, again: frames of it may have waited while those of the next came by
	 * another path. Only an echo of what we sent since then shows that it still runs.
	 */
	if (m->boot_id == peer->previous_boot && echo_ns <= peer->accepted_ns &&
	    !WITHOUT(RULE_RETIRED_BOOT))
		return false;
	peer_boot(e, slot, m->boot_id);
	return true;
}

bool election_seq_fresh(const struct election *e, uint32_t node, uint64_t boot_id,
			enum heartbeat_path path, uint64_t seq)
{
	const int slot = peer_slot(e, node);
	const struct peer *peer;

	if (node == e->config.node)
		return boot_id != e->config.boot_id; /* our own come back: nothing in them */
	if (slot == NO_SLOT || path >= HEARTBEAT_PATHS)
		return path < HEARTBEAT_PATHS;
	peer = &e->peers[slot];
	if (boot_id == peer->boot_id)
		return seq > peer->seq[path];
	if (boot_id == peer->candidate.boot_id)
		return seq > peer->candidate.seq[path];
	return true;
}

/* Rule 3: each live peer was heard since the run-out was noted, and its stated rows are held. */
bool peers_renewal_ready(const struct election *e)
{
	for (int slot = 0; slot < e->slot_count; slot++) {
		const struct peer *peer = &e->peers[slot];

		if (e->nodes[slot] != 0 && peer->live && peer->heard_turn <= e->noted_turn)
			return false;
	}
	return peers_rows_held(e);
}

bool peers_rows_held(const struct election *e)
{
	for (int slot = 0; slot < e->slot_count; slot++) {
		const struct peer *peer = &e->peers[slot];

		if (e->nodes[slot] != 0 && peer->live && peer->rows_held != peer->rows_version)
			return false;
	}
	return true;
}

/* Slots of nodes that we or some live peer do not hear: their claims need relaying. */
uint64_t peers_unheard(const struct election *e)
{
	uint64_t heard = 0, known = 0;

	for (int slot = 0; slot < e->slot_count; slot++) {
		if (e->nodes[slot] == 0)
			continue;
		known |= slot_bit(slot);
		if (e->peers[slot].live)
			heard |= slot_bit(slot);
	}
	for (int slot = 0; slot < e->slot_count; slot++)
		if (e->nodes[slot] != 0 && e->peers[slot].live)
			heard &= e->peers[slot].hears | slot_bit(slot);
	return known & ~heard;
}
