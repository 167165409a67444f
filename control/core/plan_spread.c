/* SPDX-License-Identifier: BSD-3-Clause */
/* First choices, balanced over all nodes; then second choices, balanced behind each first one. */
#include <errno.h>
#include <string.h>

#include "core/arena.h"
#include "core/plan_balance.h"
#include "core/plan_run.h"

/* One balancing problem: some groups over some nodes, both renumbered from 0. */
struct problem_nodes {
	uint32_t *local;  /* of a node's number, or PLAN_NONE */
	uint32_t *global; /* and back */
	size_t count;
};

/* What is dealt together: things of one group, each with a wish where to stay and a home. */
struct deal {
	const struct plan_run *run;
	const uint32_t *things; /* numbers of works */
	size_t count;
	const uint32_t *stay, *home; /* by number of a work */
	uint32_t *choice;	     /* likewise: the answer */
	const struct problem_nodes *nodes;
	uint32_t *quota; /* of each local node */
	uint32_t *given; /* of each local node */
	uint64_t hash;
};

static void nodes_add(struct problem_nodes *nodes, uint32_t global)
{
	if (nodes->local[global] != PLAN_NONE)
		return;
	nodes->local[global] = (uint32_t)nodes->count;
	nodes->global[nodes->count++] = global;
}

static void deal_one(struct deal *deal, uint32_t thing, uint32_t local)
{
	deal->choice[thing] = deal->nodes->global[local];
	deal->quota[local]--;
	deal->given[local]++;
}

/* Gives each thing without a node the one that `want` says, where that still takes one. */
static void deal_wanted(struct deal *deal, const uint32_t *want, const uint32_t *also)
{
	for (size_t i = 0; i < deal->count; i++) {
		uint32_t thing = deal->things[i], local;

		if (deal->choice[thing] != PLAN_NONE || want[thing] == PLAN_NONE ||
		    (also && want[thing] != also[thing]))
			continue;
		local = deal->nodes->local[want[thing]];
		if (local != PLAN_NONE && deal->quota[local] > 0)
			deal_one(deal, thing, local);
	}
}

/*
 * The node for the next thing: with the fewest so far, then by hash. Things come in order of their
 * family, so that each family goes round all nodes.
 */
static uint32_t deal_next(const struct deal *deal)
{
	uint32_t best = PLAN_NONE, best_given = UINT32_MAX;
	uint64_t best_hash = 0;

	for (uint32_t n = 0; n < deal->nodes->count; n++) {
		uint64_t hash;

		if (deal->quota[n] == 0 || deal->given[n] > best_given)
			continue;
		hash = balance_mix(deal->hash ^ deal->run->node_hash[deal->nodes->global[n]]);
		if (best != PLAN_NONE && deal->given[n] == best_given && hash >= best_hash)
			continue;
		best = n;
		best_given = deal->given[n];
		best_hash = hash;
	}
	return best;
}

/* Which thing of a group goes to which node, now that it is known how many each node gets. */
static void deal_group(struct deal *deal)
{
	memset(deal->given, 0, deal->nodes->count * sizeof(*deal->given));
	for (size_t i = 0; i < deal->count; i++)
		deal->choice[deal->things[i]] = PLAN_NONE;
	deal_wanted(deal, deal->stay, deal->home);
	deal_wanted(deal, deal->stay, NULL);
	deal_wanted(deal, deal->home, NULL);
	for (size_t i = 0; i < deal->count; i++) {
		uint32_t thing = deal->things[i], local;

		if (deal->choice[thing] != PLAN_NONE)
			continue;
		local = deal_next(deal);
		if (local != PLAN_NONE)
			deal_one(deal, thing, local);
	}
}

/* Marks the nodes where a group has more things by `want` than its even share. */
static void group_mark(struct balance *balance, size_t g, enum balance_bits kind,
		       const struct problem_nodes *nodes, const uint32_t *things, size_t count,
		       const uint32_t *want, uint32_t *counts)
{
	uint32_t size = 0;

	for (size_t w = 0; w < balance->words; w++)
		size += (uint32_t)__builtin_popcountll(balance_row(balance, g, BALANCE_NODES)[w]);
	memset(counts, 0, nodes->count * sizeof(*counts));
	for (size_t i = 0; i < count; i++) {
		uint32_t local = want[things[i]];

		if (local != PLAN_NONE)
			local = nodes->local[local];
		if (local == PLAN_NONE || !balance_get(balance, g, BALANCE_NODES, local))
			continue;
		if (++counts[local] > (uint32_t)count / size)
			balance_set(balance, g, kind, local, true);
	}
}

/* A group, or the part of one that has the same first choice. */
struct part {
	const uint32_t *things;
	size_t count;
	uint64_t hash;
};

/*
 * Balances parts over nodes and writes the choice of each of their things. load: what each local
 * node has anyway. skip: a node that no part may use, or PLAN_NONE.
 */
static int solve(struct plan_run *run, const struct problem_nodes *nodes, const struct part *parts,
		 size_t part_count, uint32_t skip, const uint32_t *load, const uint32_t *stay,
		 const uint32_t *home, uint32_t *choice)
{
	struct arena *arena = arena_create();
	struct balance balance = {0};
	struct deal deal = {
		.run = run, .stay = stay, .home = home, .choice = choice, .nodes = nodes};
	int err = -ENOMEM;

	if (!arena || balance_init(&balance, nodes->count, part_count, arena) < 0)
		goto out;
	deal.quota = arena_array(arena, nodes->count + 1, sizeof(*deal.quota));
	deal.given = arena_array(arena, nodes->count + 1, sizeof(*deal.given));
	if (!deal.quota || !deal.given)
		goto out;
	for (size_t n = 0; n < nodes->count; n++) {
		balance.load[n] = load[n];
		balance.node_hash[n] = run->node_hash[nodes->global[n]];
	}
	for (size_t g = 0; g < part_count; g++) {
		const struct part *part = &parts[g];
		const struct plan_candidates *candidates = run->works[part->things[0]].candidates;

		balance.groups[g].count = (uint32_t)part->count;
		balance.groups[g].hash = part->hash;
		for (size_t i = 0; i < candidates->count; i++)
			if (candidates->nodes[i] != skip)
				balance_set(&balance, g, BALANCE_NODES,
					    nodes->local[candidates->nodes[i]], true);
		group_mark(&balance, g, BALANCE_STAY, nodes, part->things, part->count, stay,
			   deal.quota);
		group_mark(&balance, g, BALANCE_HOME, nodes, part->things, part->count, home,
			   deal.quota);
	}
	err = balance_run(&balance, arena);
	for (size_t g = 0; !err && g < part_count; g++) {
		for (size_t n = 0; n < nodes->count; n++)
			deal.quota[n] = balance_get(&balance, g, BALANCE_NODES, n)
						? balance.groups[g].base +
							  balance_get(&balance, g, BALANCE_EXTRA, n)
						: 0;
		deal.things = parts[g].things;
		deal.count = parts[g].count;
		deal.hash = parts[g].hash;
		deal_group(&deal);
	}
out:
	arena_free(arena);
	return err;
}

/* Root of a node's component, with the path to it halved. */
static uint32_t component(uint32_t *parent, uint32_t node)
{
	while (parent[node] != node) {
		parent[node] = parent[parent[node]];
		node = parent[node];
	}
	return node;
}

/* What plan_spread() needs beside its arguments. */
struct spread {
	struct plan_run *run;
	struct arena *arena;
	struct problem_nodes nodes;
	uint32_t *load; /* by local number */
	struct part *parts;
	uint32_t *things; /* by first choice, in plan order */
};

static bool group_is_free(const struct plan_run *run, const struct plan_group *group)
{
	const struct plan_work *work = &run->works[run->order[group->start]];

	return work->preferred_count == 0 && work->candidates->count > 0;
}

static int spread_init(struct spread *spread)
{
	struct plan_run *run = spread->run;
	size_t nodes = run->node_count + 1;

	spread->arena = arena_create();
	if (!spread->arena)
		return -ENOMEM;
	spread->nodes.local = arena_array(spread->arena, nodes, sizeof(uint32_t));
	spread->nodes.global = arena_array(spread->arena, nodes, sizeof(uint32_t));
	spread->load = arena_array(spread->arena, nodes, sizeof(uint32_t));
	spread->parts = arena_array(spread->arena, run->group_count + 1, sizeof(struct part));
	spread->things = arena_array(spread->arena, run->count + 1, sizeof(uint32_t));
	if (!spread->nodes.local || !spread->nodes.global || !spread->load || !spread->parts ||
	    !spread->things)
		return -ENOMEM;
	return 0;
}

static void nodes_clear(struct spread *spread)
{
	memset(spread->nodes.local, 0xff, spread->run->node_count * sizeof(uint32_t));
	spread->nodes.count = 0;
}

/* First choices of all groups whose nodes hang together. */
static int first_component(struct spread *spread, uint32_t *parent, uint32_t root,
			   const uint32_t *fixed, const uint32_t *stay, const uint32_t *home,
			   uint32_t *choice)
{
	struct plan_run *run = spread->run;
	size_t count = 0;

	nodes_clear(spread);
	for (uint32_t n = 0; n < run->node_count; n++) {
		if (component(parent, n) != root)
			continue;
		spread->load[spread->nodes.count] = fixed[n];
		nodes_add(&spread->nodes, n);
	}
	for (size_t g = 0; g < run->group_count; g++) {
		const struct plan_group *group = &run->groups[g];
		const struct plan_work *work = &run->works[run->order[group->start]];

		if (group_is_free(run, group) &&
		    component(parent, work->candidates->nodes[0]) == root)
			spread->parts[count++] =
				(struct part){&run->order[group->start], group->count, group->hash};
	}
	return solve(run, &spread->nodes, spread->parts, count, PLAN_NONE, spread->load, stay, home,
		     choice);
}

static int first_choices(struct spread *spread, const uint32_t *stay, const uint32_t *home,
			 uint32_t *choice)
{
	struct plan_run *run = spread->run;
	uint32_t *parent = arena_array(spread->arena, run->node_count + 1, sizeof(*parent));
	uint32_t *fixed = arena_array(spread->arena, run->node_count + 1, sizeof(*fixed));
	bool *used = arena_array(spread->arena, run->node_count + 1, sizeof(*used));
	int err = 0;

	if (!parent || !fixed || !used)
		return -ENOMEM;
	for (uint32_t n = 0; n < run->node_count; n++)
		parent[n] = n;
	for (size_t g = 0; g < run->group_count; g++) {
		const struct plan_group *group = &run->groups[g];
		const struct plan_work *work = &run->works[run->order[group->start]];

		for (size_t i = 0; i < group->count; i++)
			choice[run->order[group->start + i]] =
				work->preferred_count ? work->preferred[0] : PLAN_NONE;
		if (work->preferred_count)
			fixed[work->preferred[0]] += (uint32_t)group->count;
		for (size_t i = 1; group_is_free(run, group) && i < work->candidates->count; i++)
			parent[component(parent, work->candidates->nodes[i])] =
				component(parent, work->candidates->nodes[0]);
	}
	for (size_t g = 0; g < run->group_count; g++)
		if (group_is_free(run, &run->groups[g]))
			used[component(parent, run->works[run->order[run->groups[g].start]]
						       .candidates->nodes[0])] = true;
	for (uint32_t n = 0; !err && n < run->node_count; n++)
		if (used[n])
			err = first_component(spread, parent, n, fixed, stay, home, choice);
	return err;
}

/* Second choices of the VIPs whose first choice is one node: things[0] to things[count - 1]. */
static int second_behind(struct spread *spread, uint32_t first, const uint32_t *things,
			 size_t count, const uint32_t *stay, const uint32_t *home,
			 const size_t *group_of, uint32_t *choice)
{
	struct plan_run *run = spread->run;
	size_t parts = 0;

	nodes_clear(spread);
	memset(spread->load, 0, run->node_count * sizeof(*spread->load));
	for (size_t i = 0; i < count; i++) {
		const struct plan_work *work = &run->works[things[i]];

		for (size_t j = 0; j < work->candidates->count; j++)
			if (work->candidates->nodes[j] != first)
				nodes_add(&spread->nodes, work->candidates->nodes[j]);
		if (work->preferred_count > 1) {
			choice[things[i]] = work->preferred[1];
			spread->load[spread->nodes.local[work->preferred[1]]]++;
			continue;
		}
		if (work->candidates->count < 2)
			continue;
		if (parts > 0 && group_of[things[i]] == group_of[things[i - 1]]) {
			spread->parts[parts - 1].count++;
			continue;
		}
		spread->parts[parts++] =
			(struct part){&things[i], 1, run->groups[group_of[things[i]]].hash};
	}
	if (parts == 0)
		return 0;
	return solve(run, &spread->nodes, spread->parts, parts, first, spread->load, stay, home,
		     choice);
}

static int second_choices(struct spread *spread, const struct plan_choice *stay,
			  const struct plan_choice *home, struct plan_choice *choice)
{
	struct plan_run *run = spread->run;
	size_t *start = arena_array(spread->arena, run->node_count + 2, sizeof(*start));
	size_t *group_of = arena_array(spread->arena, run->count + 1, sizeof(*group_of));
	int err = 0;

	if (!start || !group_of)
		return -ENOMEM;
	for (size_t i = 0; i < run->count; i++) {
		choice->second[i] = PLAN_NONE;
		if (choice->first[i] != PLAN_NONE)
			start[choice->first[i] + 1]++;
	}
	for (size_t n = 1; n <= run->node_count; n++)
		start[n] += start[n - 1];
	for (size_t g = 0; g < run->group_count; g++)
		for (size_t i = 0; i < run->groups[g].count; i++) {
			uint32_t thing = run->order[run->groups[g].start + i];

			group_of[thing] = g;
			if (choice->first[thing] != PLAN_NONE)
				spread->things[start[choice->first[thing]]++] = thing;
		}
	/* start[n] is now the end of n's things and start[n - 1] their beginning. */
	for (uint32_t n = 0; !err && n < run->node_count; n++) {
		size_t begin = n ? start[n - 1] : 0;

		if (start[n] > begin)
			err = second_behind(spread, n, &spread->things[begin], start[n] - begin,
					    stay->second, home->second, group_of, choice->second);
	}
	return err;
}

int plan_spread(struct plan_run *run, const struct plan_choice *stay,
		const struct plan_choice *home, struct plan_choice *choice)
{
	struct spread spread = {.run = run};
	int err = spread_init(&spread);

	if (!err)
		err = first_choices(&spread, stay->first, home->first, choice->first);
	if (!err)
		err = second_choices(&spread, stay, home, choice);
	arena_free(spread.arena);
	return err;
}
