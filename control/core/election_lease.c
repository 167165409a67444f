/* SPDX-License-Identifier: BSD-3-Clause */
/* Until when this node may answer: the lease and its renewal (rules 2 and 3). */
#include "core/election_internal.h"

static uint64_t lease_ns(const struct election *e)
{
	return e->config.interval_ns * e->config.multiplier;
}

static void lease_note(struct election *e)
{
	e->run_out = true;
	e->noted_ns = e->now_ns;
	e->noted_turn = e->turn;
}

static void lease_say(struct election *e)
{
	struct election_action *action;

	if (e->lease_said_ns == e->lease_until_ns)
		return;
	e->lease_said_ns = e->lease_until_ns;
	action = action_add(e, ELECTION_LEASE);
	if (action != NULL)
		action->until_ns = e->lease_until_ns;
}

void lease_end(struct election *e)
{
	e->lease_until_ns = 0;
	e->echo_ns = e->gateway_ns = 0;
	lease_note(e);
	lease_say(e);
}

void lease_link(struct election *e, bool up)
{
	if (up == e->link_up)
		return;
	e->link_up = up;
	lease_end(e); /* up: the wait of rule 3 starts now */
	if (up)
		claims_announce(e);
}

/* The smallest interval that anyone states: a pause of ours counts as no more silence than that. */
static uint64_t pause_limit(const struct election *e)
{
	uint64_t limit = e->config.interval_ns;

	for (int slot = 0; slot < e->slot_count; slot++)
		if (e->nodes[slot] != 0 && e->peers[slot].live &&
		    e->peers[slot].interval_ns < limit)
			limit = e->peers[slot].interval_ns;
	return limit;
}

/* First thing in a turn, before messages are read. */
void lease_turn_begin(struct election *e, uint64_t polled_ns)
{
	const uint64_t interval = e->config.interval_ns;
	const uint64_t passed = e->now_ns - e->turn_ns;
	const uint64_t limit = pause_limit(e);
	const uint64_t unpolled = polled_ns < e->now_ns ? e->now_ns - polled_ns : 0;
	const bool stuck = unpolled >= silence_ns(interval, e->config.multiplier);

	e->turn++;
	e->turn_ns = e->now_ns;
	/*
	 * Rule 1. A worker that waits on its descriptors comes round at least once an interval, so
	 * within one interval it counts as polling.
	 */
	if (unpolled <= interval)
		e->counted_ns += passed < limit || WITHOUT(RULE_PAUSE) ? passed : limit;
	if (stuck && !e->worker_stuck)
		lease_end(e);
	e->worker_stuck = stuck;
	if (!e->run_out && e->now_ns >= e->lease_until_ns)
		lease_note(e);
	else if (e->run_out && (passed > interval + interval / 10 || unpolled > 2 * interval))
		lease_note(e); /* rule 3: late by more than I, the wait starts again */
	/* Others may have begun while we stood still: who was alone before listens for S again. */
	if (passed >= lease_ns(e) || unpolled >= lease_ns(e))
		e->company_counted = e->counted_ns;
}

/* Rule 2 (c): nobody who could take over is in sight, and no gateway could tell us more. */
static bool lease_alone(const struct election *e)
{
	return !WITHOUT(RULE_ALONE) && !e->config.has_gateways &&
	       e->counted_ns - e->company_counted >= e->company_silence_ns;
}

/* Until when the confirmations newer than since_ns let this node answer; 0 none. */
static uint64_t lease_confirmed(const struct election *e, uint64_t since_ns)
{
	uint64_t until = 0;

	if (e->echo_ns > since_ns)
		until = e->echo_ns + lease_ns(e) * (WITHOUT(RULE_LEASE) ? 3 : 1); /* (a) */
	/*
	 * (b) has no effect before (a) has run out, because (a) is valid then anyway; taking the
	 * later of both lets one follow the other without a gap and its renewal wait.
	 */
	if (!WITHOUT(RULE_GATEWAY) && e->gateway_ns > since_ns &&
	    e->gateway_ns + lease_ns(e) > until)
		until = e->gateway_ns + lease_ns(e);
	/* (c) The turn may have been stopped since it began: what it knows is of then. */
	if (lease_alone(e))
		until = e->turn_ns + lease_ns(e);
	return until;
}

static void lease_renew(struct election *e)
{
	uint64_t until;

	if (!e->link_up || e->worker_stuck || e->state == NODE_LEAVING)
		return;
	if (!e->run_out) {
		until = lease_confirmed(e, 0);
		if (until > e->lease_until_ns)
			e->lease_until_ns = until;
		return;
	}
	if (!WITHOUT(RULE_RENEWAL_WAIT) &&
	    (e->now_ns < e->noted_ns + e->config.interval_ns || !peers_renewal_ready(e)))
		return;
	until = lease_confirmed(e, WITHOUT(RULE_RENEWAL_WAIT) ? 0 : e->noted_ns);
	if (until <= e->now_ns || until <= e->lease_until_ns)
		return;
	e->lease_until_ns = until;
	e->run_out = false;
	e->beat_now = true;
	claims_announce(e); /* announcements of the time without a lease were not sent */
}

static void lease_probe(struct election *e)
{
	const uint64_t interval = e->config.interval_ns;
	const uint64_t since = e->now_ns - e->probe_ns;

	if (!e->config.has_gateways || e->state == NODE_LEAVING || !e->link_up)
		return;
	if (since < PROBE_NS &&
	    (since < interval || e->now_ns - e->echo_ns <= interval + interval / 2))
		return;
	e->probe_ns = e->now_ns;
	action_add(e, ELECTION_PROBE);
}

void lease_turn_end(struct election *e)
{
	lease_renew(e);
	lease_say(e);
	lease_probe(e);
}
