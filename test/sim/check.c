/* SPDX-License-Identifier: BSD-3-Clause */
/* The guarantees G1 to G6 of the design, as far as an observer of all nodes can judge them. */
#include "sim.h"

#include <string.h>

#define SETTLED (500 * MS) /* after the network's last disturbance */

static uint64_t lease_length(const struct sim *sim)
{
	return sim->interval * sim->multiplier;
}

static uint64_t silence(const struct sim *sim)
{
	return lease_length(sim) + sim->interval / 4;
}

static uint64_t turn(const struct sim *sim)
{
	return sim->interval / 10;
}

/*
 * A rows message is sent, arrives and is read. Lost ones are repeated with the next beats, and one
 * that another overtook is lost: its seq is too low.
 */
static uint64_t one_message(const struct sim *sim)
{
	return sim->delay_max + 2 * turn(sim) +
	       (sim->loss > 0 || sim->reorders ? 4 * sim->interval : 0);
}

static bool network_calm(const struct sim *sim)
{
	return sim->disturbances == 0 && sim->now > sim->net_ns + SETTLED;
}

void check_disturbed(struct sim *sim, int change)
{
	sim->disturbances = (unsigned int)((int)sim->disturbances + change);
	sim->net_ns = sim->now;
}

static uint64_t answering(const struct sim *sim)
{
	uint64_t mask = 0;

	for (unsigned int i = 0; i < sim->node_count; i++)
		if (node_answers(sim, i))
			mask |= UINT64_C(1) << i;
	return mask;
}

/* G1: only what came back confirmed, or being alone without a gateway, extends a lease. */
void check_lease(struct sim *sim, unsigned int index, uint64_t until)
{
	const struct sim_node *node = &sim->nodes[index];

	if (until == 0 || until <= node->confirmed_ns + lease_length(sim))
		return;
	if (sim->gateways || until > node_now(sim, node) + lease_length(sim) ||
	    node_now(sim, node) - node->company_ns < silence(sim))
		sim_fail(sim, "G1: n%u leases until %llu us, confirmed at %llu us", index,
			 (unsigned long long)(until / US),
			 (unsigned long long)(node->confirmed_ns / US));
}

/* G5, and the second half of G6: who takes a VIP from whom, and how often. */
void check_own(struct sim *sim, unsigned int index, unsigned int vip,
	       const struct election_action *action)
{
	const enum election_cause cause = action->vip.cause;
	const uint64_t others = sim->owns[vip] & answering(sim) & ~(UINT64_C(1) << index);
	struct sim_node *node = &sim->nodes[index];
	uint64_t *claims = sim->claims[vip];
	struct election_view view;

	election_view(node->election, &view);
	if (view.state == NODE_LEAVING || view.state == NODE_JOINING)
		sim_fail(sim, "n%u claims v%u while %s", index, vip, node_state_name(view.state));
	for (unsigned int i = 0; i < sim->node_count; i++) {
		if (!(others >> i & 1) || cause == ELECTION_CAUSE_OFFER || !network_calm(sim) ||
		    sim->nodes[i].claimed_ns[vip] + one_message(sim) >= sim->now)
			continue;
		/* Its last beat said that it is fenced, and the renewal was on its way. */
		if (sim->nodes[i].renewed_ns + sim->interval + one_message(sim) >= sim->now)
			continue;
		sim_fail(sim, "G5: n%u takes v%u (%s) from n%u, which answers for it", index, vip,
			 election_cause_name(cause), i);
	}
	if (claims[7] != 0 && sim->now - claims[7] < SEC)
		sim_fail(sim, "G6: v%u is claimed more than 8 times in a second", vip);
	memmove(&claims[1], &claims[0], 7 * sizeof(claims[0]));
	claims[0] = sim->now;
	node->claimed_ns[vip] = sim->now;
	if (cause != ELECTION_CAUSE_OFFER)
		sim->taken[vip]++;
}

/* When the node could answer last; it can now if that is now. */
static uint64_t last_answer(const struct sim *sim, unsigned int index)
{
	return node_answers(sim, index) ? sim->now : sim->nodes[index].answered_ns;
}

/* Its lease changes, or its worker or itself stops: notes when it could answer last. */
void check_ends(struct sim *sim, unsigned int index)
{
	struct sim_node *node = &sim->nodes[index];
	uint64_t end = node->lease_until < node_now(sim, node) ? node->lease_until : sim->now;

	if (node->worker_paused_ns >= sim->now && node->worker_since < end)
		end = node->worker_since;
	if (end > node->answered_ns)
		node->answered_ns = end;
}

/* Its own plan lists it, and it is in a state to take the VIP. */
static bool plan_candidate(const struct sim *sim, unsigned int index, unsigned int vip)
{
	const struct sim_node *node = &sim->nodes[index];
	const struct sim_plan *plan = &sim->plans[node->plan];
	struct election_view view;

	if (!plan->has[vip])
		return false;
	election_view(node->election, &view);
	if (view.state != NODE_STANDBY && view.state != NODE_ACTIVE)
		return false;
	for (size_t i = 0; i < plan->count[vip]; i++)
		if (plan->order[vip][i] == index)
			return true;
	return false;
}

static bool able_candidate(const struct sim *sim, unsigned int index, unsigned int vip)
{
	return node_answers(sim, index) && sim->now >= sim->nodes[index].control_until &&
	       plan_candidate(sim, index, vip);
}

static bool undisturbed_since(const struct sim *sim, unsigned int index, uint64_t since)
{
	const struct sim_node *node = &sim->nodes[index];

	return node->running && node->link_up && node->worker_until < since &&
	       node->control_until < since;
}

/*
 * Whether a node undisturbed since then must have a lease by rule 2, whatever it makes of it: a
 * gateway or a peer answers it, or there is no gateway and nobody that it could hear.
 */
static bool must_have_lease(const struct sim *sim, unsigned int index, uint64_t since)
{
	bool alone = !sim->gateways;

	if (!undisturbed_since(sim, index, since))
		return false;
	if (sim->gateways && !sim->nodes[index].gateway_cut)
		return true;
	for (unsigned int i = 0; i < sim->node_count; i++) {
		const struct sim_node *peer = &sim->nodes[i];

		if (i == index || !peer->running)
			continue;
		if (!sim->cut[i][index])
			alone = alone && !peer->link_up;
		if (!sim->cut[i][index] && !sim->cut[index][i] && undisturbed_since(sim, i, since))
			return true;
	}
	return alone;
}

/* G6: how long it may take; who knows of no claim gives each better candidate a second. */
static uint64_t claim_patience(const struct sim *sim, unsigned int index, unsigned int vip)
{
	const struct ip address = sim_vip(vip);
	struct election_vip_view view;
	const bool known =
		election_vip(sim->nodes[index].election, &address, &view) && view.epoch != 0;

	return 2 * SEC + (known ? 0 : sim->node_count) * SEC + 100 * MS;
}

/* Whether somebody had that long for a VIP that nobody answers for since then. */
static bool any_candidate(const struct sim *sim, unsigned int vip, uint64_t since)
{
	for (unsigned int i = 0; i < sim->node_count; i++) {
		uint64_t patience;

		if (!sim->nodes[i].running || !plan_candidate(sim, i, vip))
			continue;
		patience = claim_patience(sim, i, vip);
		if (since + patience < sim->now && must_have_lease(sim, i, sim->now - patience))
			return true;
	}
	return false;
}

/*
 * Rule 8: who drains gives every VIP away before it goes, if for all the time nothing else happened
 * and somebody whom all plans know could have taken it.
 */
static void check_drained(struct sim *sim, unsigned int index, unsigned int vip)
{
	const struct sim_node *node = &sim->nodes[index];
	const uint64_t since = sim->now - 1900 * MS;
	bool taker = false;

	if (!node->drained || !network_calm(sim) || sim->fault_ns > since || sim->net_ns > since ||
	    !undisturbed_since(sim, index, since))
		return;
	for (unsigned int i = 0; i < sim->node_count; i++) {
		if (sim->nodes[i].running && sim->nodes[i].plan != node->plan)
			return;
		if (i != index && must_have_lease(sim, i, since) && plan_candidate(sim, i, vip) &&
		    (node->unhealthy[vip] || !sim->nodes[i].unhealthy[vip]))
			taker = true;
	}
	if (taker)
		sim_fail(sim, "rule 8: n%u leaves with v%u, which it could have given away", index,
			 vip);
}

/*
 * G5: nobody yields to a node that cannot answer. That it cannot is known once it was silent for S;
 * who hears of it only from another knows it S later, and a turn and a message of each.
 */
void check_stop(struct sim *sim, unsigned int index, unsigned int vip,
		const struct election_action *action)
{
	const struct sim_node *node = &sim->nodes[index];
	const int winner = sim_node_index(sim, action->vip.owner);
	const uint64_t patience = 2 * silence(sim) + 3 * sim->interval + 4 * sim->delay_max;

	if (action->vip.cause == ELECTION_CAUSE_STOPPED)
		check_drained(sim, index, vip);
	if (action->vip.cause != ELECTION_CAUSE_CONFLICT || winner < 0 ||
	    sim->now < node->control_paused_ns + patience ||
	    sim->now < node->worker_paused_ns + patience)
		return;
	if (last_answer(sim, (unsigned int)winner) + patience < sim->now)
		sim_fail(sim, "G5: n%u yields v%u to n%d, which cannot answer", index, vip, winner);
}

/* A third node that has heard and been heard by both of two nodes since then. */
static bool relayed_since(const struct sim *sim, unsigned int a, unsigned int b, uint64_t since)
{
	if (!undisturbed_since(sim, a, since) || !undisturbed_since(sim, b, since))
		return false;
	for (unsigned int c = 0; c < sim->node_count; c++)
		if (c != a && c != b && undisturbed_since(sim, c, since) && !sim->cut[a][c] &&
		    !sim->cut[c][a] && !sim->cut[b][c] && !sim->cut[c][b])
			return true;
	return false;
}

/* While links are cut: with a third node in between two do not answer for long. */
static void check_dual_cut(struct sim *sim, unsigned int vip, uint64_t both)
{
	const uint64_t patience = 2 * silence(sim) + 300 * MS;
	const unsigned int a = (unsigned int)__builtin_ctzll(both);
	const unsigned int b = (unsigned int)__builtin_ctzll(both & (both - 1));

	if (sim->now < patience || sim->now - sim->nodes[a].owned_ns[vip] <= patience ||
	    sim->now - sim->nodes[b].owned_ns[vip] <= patience ||
	    sim->now - sim->fault_ns <= patience || sim->loss + sim->burst_loss > 0)
		return;
	if (relayed_since(sim, a, b, sim->now - patience))
		sim_fail(sim, "G2: n%u and n%u answer for v%u, and a third node hears both", a, b,
			 vip);
}

/* G2: two answerers for no longer than one delivered message, while the network is calm. */
static void check_dual(struct sim *sim, unsigned int vip, uint64_t mask)
{
	const uint64_t both = sim->owns[vip] & mask;

	if ((both & (both - 1)) == 0) {
		sim->dual_since[vip] = 0;
		return;
	}
	if (sim->dual_since[vip] == 0)
		sim->dual_since[vip] = sim->now;
	check_dual_cut(sim, vip, both);
	if (!network_calm(sim) || sim->now - sim->dual_since[vip] <= one_message(sim))
		return;
	for (unsigned int i = 0; i < sim->node_count; i++)
		if ((both >> i & 1) &&
		    sim->now < sim->nodes[i].control_paused_ns + one_message(sim))
			return; /* until its lease ends */
	sim_fail(sim, "G2: two nodes answer for v%u: set %llx", vip, (unsigned long long)both);
}

/* G6: a VIP without owner although somebody could have it, and nothing changed for two seconds. */
static void check_ownerless(struct sim *sim, unsigned int vip, uint64_t mask)
{
	uint64_t since;

	if ((sim->owns[vip] & mask) != 0) {
		sim->ownerless_since[vip] = 0;
		return;
	}
	if (sim->ownerless_since[vip] == 0)
		sim->ownerless_since[vip] = sim->now;
	since = sim->ownerless_since[vip];
	since = sim->net_ns > since ? sim->net_ns : since;
	since = sim->fault_ns > since ? sim->fault_ns : since;
	/* Cut links that stay cut change nothing; random losses under them do. */
	if (sim->now > since + 2 * SEC &&
	    (sim->disturbances == 0 || sim->loss + sim->burst_loss == 0) &&
	    any_candidate(sim, vip, since))
		sim_fail(sim, "G6: nobody answers for v%u", vip);
}

/* Rule 9: who answers for a VIP that its own plan does not have stops with its next turn. */
static void check_withdrawn(struct sim *sim, unsigned int vip, uint64_t both)
{
	for (; both != 0; both &= both - 1) {
		const unsigned int i = (unsigned int)__builtin_ctzll(both);
		const struct sim_node *node = &sim->nodes[i];

		if (!sim->plans[node->plan].has[vip] && sim->now > sim->fault_ns + 2 * turn(sim) &&
		    undisturbed_since(sim, i, sim->now - 2 * turn(sim)))
			sim_fail(sim, "rule 9: n%u answers for v%u, which is not in its plan", i,
				 vip);
	}
}

void check_after(struct sim *sim)
{
	const uint64_t mask = answering(sim);

	for (unsigned int vip = 0; vip < sim->vip_count && !sim->failed; vip++) {
		check_dual(sim, vip, mask);
		check_withdrawn(sim, vip, sim->owns[vip] & mask);
		if ((sim->owns[vip] & mask) == 0 || sim->ownerless_since[vip] != 0)
			check_ownerless(sim, vip, mask);
	}
}

static bool one_plan(const struct sim *sim)
{
	for (unsigned int i = 0; i < sim->node_count; i++)
		if (sim->nodes[i].running && sim->nodes[i].plan != sim->plan)
			return false;
	return true;
}

/* G3 holds when nothing else happens around the crash. A disagreeing candidate adds 3 I. */
void check_crash_begin(struct sim *sim, unsigned int index)
{
	const bool undisturbed = network_calm(sim) && sim->now > sim->fault_ns + SEC &&
				 sim->loss == 0 && !sim->reorders && node_answers(sim, index);
	const uint64_t more = one_plan(sim) ? 0 : sim->node_count * 3 * sim->interval;

	sim->fault_ns = sim->crashed_ns[index] = sim->now;
	sim->crash_vips[index] = 0;
	memset(sim->taken, 0, sizeof(sim->taken));
	if (!undisturbed)
		return;
	for (unsigned int vip = 0; vip < sim->vip_count; vip++) {
		if (!(sim->owns[vip] >> index & 1))
			continue;
		for (unsigned int i = 0; i < sim->node_count; i++)
			if (i != index && able_candidate(sim, i, vip))
				sim->crash_vips[index] |= UINT64_C(1) << vip;
	}
	if (sim->crash_vips[index] != 0)
		sim_push(sim, sim->now + (sim->multiplier + 1u) * sim->interval + 10 * MS + more,
			 SIM_CHECK_CRASH, index, NULL, 0);
}

void check_crash(struct sim *sim, unsigned int index)
{
	const uint64_t mask = answering(sim);
	const uint64_t crashed = sim->crashed_ns[index];
	bool agree = one_plan(sim);

	if (sim->fault_ns != crashed || sim->net_ns > crashed)
		return;
	/* Rule 6: who is not the first to take it waits for the first, if all have one plan. */
	for (unsigned int i = 0; i < sim->node_count; i++)
		if (sim->nodes[i].running && !undisturbed_since(sim, i, crashed - SEC))
			agree = false;
	for (unsigned int vip = 0; vip < sim->vip_count; vip++) {
		if (!(sim->crash_vips[index] >> vip & 1))
			continue;
		if ((sim->owns[vip] & mask) == 0)
			sim_fail(sim, "G3: v%u of the crashed n%u is not replaced in time", vip,
				 index);
		else if (sim->taken[vip] > 1 && agree)
			sim_fail(sim, "G3: %u nodes take v%u of the crashed n%u", sim->taken[vip],
				 vip, index);
	}
}

void check_heal_begin(struct sim *sim)
{
	const uint64_t mask = answering(sim);

	sim->heal_dual = 0;
	sim->healed_ns = sim->now;
	for (unsigned int vip = 0; vip < sim->vip_count; vip++) {
		uint64_t both = sim->owns[vip] & mask;

		for (unsigned int i = 0; i < sim->node_count; i++)
			if (sim->nodes[i].owned_ns[vip] + one_message(sim) + 4 * sim->interval >=
			    sim->now)
				both &= ~(UINT64_C(1)
					  << i); /* an offer that it took, not the cut */
		if (both & (both - 1))
			sim->heal_dual |= UINT64_C(1) << vip;
	}
	if (sim->loss == 0 && !sim->reorders)
		sim_push(sim, sim->now + 2 * sim->interval + 3 * (sim->delay_max + 2 * turn(sim)),
			 SIM_CHECK_HEAL, 0, NULL, sim->now);
}

/* G4: one answerer soon after the network is whole, and it announced again. */
void check_heal(struct sim *sim)
{
	const uint64_t mask = answering(sim);

	if (sim->disturbances > 0 || sim->fault_ns > sim->healed_ns || sim->net_ns > sim->healed_ns)
		return;
	for (unsigned int vip = 0; vip < sim->vip_count; vip++) {
		uint64_t both = sim->owns[vip] & mask;

		for (unsigned int i = 0; i < sim->node_count; i++)
			if (sim->nodes[i].owned_ns[vip] + one_message(sim) >= sim->now)
				both &= ~(UINT64_C(1) << i); /* it just took an offer */
		if (both & (both - 1))
			sim_fail(sim, "G4: v%u has two answerers after the network healed: %llx",
				 vip, (unsigned long long)both);
		for (unsigned int i = 0; i < sim->node_count; i++)
			if ((sim->heal_dual >> vip & 1) && (both >> i & 1) &&
			    sim->nodes[i].announced_ns[vip] < sim->healed_ns)
				sim_fail(sim, "G4: n%u kept v%u and did not announce it again", i,
					 vip);
	}
}
