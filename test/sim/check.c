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
	if (sim->gateways || until > sim->now + lease_length(sim) ||
	    sim->now - node->company_ns < silence(sim))
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
		sim_fail(sim, "G5: n%u takes v%u (%s) from n%u, which answers for it", index, vip,
			 election_cause_name(cause), i);
	}
	if (claims[7] != 0 && sim->now - claims[7] < SEC)
		sim_fail(sim, "G6: v%u is claimed more than 8 times in a second", vip);
	memmove(&claims[1], &claims[0], 7 * sizeof(claims[0]));
	claims[0] = sim->now;
	node->claimed_ns[vip] = sim->now;
	sim->had_owner[vip] = true;
	sim->takeovers++;
}

static bool able_candidate(const struct sim *sim, unsigned int index, unsigned int vip)
{
	const struct sim_node *node = &sim->nodes[index];
	const struct sim_plan *plan = &sim->plans[node->plan];
	struct election_view view;

	if (!node_answers(sim, index) || sim->now < node->control_until || !plan->has[vip])
		return false;
	election_view(node->election, &view);
	if (view.state != NODE_STANDBY && view.state != NODE_ACTIVE)
		return false;
	for (size_t i = 0; i < plan->count[vip]; i++)
		if (plan->order[vip][i] == index)
			return true;
	return false;
}

static bool any_candidate(const struct sim *sim, unsigned int vip)
{
	for (unsigned int i = 0; i < sim->node_count; i++)
		if (able_candidate(sim, i, vip))
			return true;
	return false;
}

static bool undisturbed_since(const struct sim *sim, unsigned int index, uint64_t since)
{
	const struct sim_node *node = &sim->nodes[index];

	return node->running && node->link_up && node->worker_until < since &&
	       node->control_until < since;
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

	if (sim->now < patience || sim->now - sim->dual_since[vip] <= patience ||
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
	const uint64_t patience =
		2 * SEC + (sim->had_owner[vip] ? 0 : sim->node_count) * SEC + 100 * MS;

	if ((sim->owns[vip] & mask) != 0 || sim->disturbances > 0 || !any_candidate(sim, vip)) {
		sim->ownerless_since[vip] = 0;
		return;
	}
	if (sim->ownerless_since[vip] == 0)
		sim->ownerless_since[vip] = sim->now;
	if (sim->now - sim->ownerless_since[vip] > patience && sim->now > sim->net_ns + patience &&
	    sim->now > sim->fault_ns + patience)
		sim_fail(sim, "G6: nobody answers for v%u", vip);
}

void check_after(struct sim *sim)
{
	const uint64_t mask = answering(sim);

	for (unsigned int vip = 0; vip < sim->vip_count && !sim->failed; vip++) {
		check_dual(sim, vip, mask);
		if ((sim->owns[vip] & mask) == 0 || sim->ownerless_since[vip] != 0)
			check_ownerless(sim, vip, mask);
	}
}

/* G3 holds when nothing else happens around the crash. */
void check_crash_begin(struct sim *sim, unsigned int index)
{
	const bool undisturbed = network_calm(sim) && sim->now > sim->fault_ns + SEC &&
				 sim->loss == 0 && !sim->reorders && node_answers(sim, index);

	sim->fault_ns = sim->now;
	sim->crash_vips[index] = 0;
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
		sim_push(sim, sim->now + (sim->multiplier + 1u) * sim->interval + 10 * MS,
			 SIM_CHECK_CRASH, index, NULL, sim->now);
}

void check_crash(struct sim *sim, unsigned int index)
{
	const uint64_t mask = answering(sim);
	const uint64_t crashed = sim->now - (sim->multiplier + 1u) * sim->interval - 10 * MS;

	if (sim->fault_ns != crashed || sim->net_ns > crashed)
		return;
	for (unsigned int vip = 0; vip < sim->vip_count; vip++)
		if ((sim->crash_vips[index] >> vip & 1) && (sim->owns[vip] & mask) == 0)
			sim_fail(sim, "G3: v%u of the crashed n%u is not replaced in time", vip,
				 index);
}

void check_heal_begin(struct sim *sim)
{
	const uint64_t mask = answering(sim);

	sim->heal_dual = 0;
	sim->healed_ns = sim->now;
	for (unsigned int vip = 0; vip < sim->vip_count; vip++) {
		const uint64_t both = sim->owns[vip] & mask;

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
		const uint64_t both = sim->owns[vip] & mask;

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
