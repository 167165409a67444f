/* SPDX-License-Identifier: BSD-3-Clause */
/* Greedy placement, then negative cycles are cancelled until there is none: the optimum. */
#include <errno.h>
#include <string.h>

#include "core/arena.h"
#include "core/plan_balance.h"

#define NONE	UINT32_MAX
#define CLASSES 9 /* of edges: what moving an extra does to `stay` and to `home`, -1 to 1 each */
#define NO_EDGE (INT64_MAX / 4)

int balance_init(struct balance *balance, size_t nodes, size_t groups, struct arena *arena)
{
	balance->node_count = nodes;
	balance->group_count = groups;
	balance->words = nodes / 64 + 1;
	balance->load = arena_array(arena, nodes + 1, sizeof(*balance->load));
	balance->node_hash = arena_array(arena, nodes + 1, sizeof(*balance->node_hash));
	balance->groups = arena_array(arena, groups + 1, sizeof(*balance->groups));
	balance->bits = arena_array(arena, (groups + 1) * BALANCE_BITS,
				    balance->words * sizeof(*balance->bits));
	if (!balance->load || !balance->node_hash || !balance->groups || !balance->bits)
		return -ENOMEM;
	return 0;
}

/* How full nodes may become before others are: `share` each, and `more` of them one more. */
struct room {
	uint64_t share;
	size_t more;
};

static bool has_room(const struct balance *balance, size_t n, const struct room *room)
{
	return balance->load[n] < room->share ||
	       (balance->load[n] == room->share && room->more > 0);
}

/* Shares out what is equal for all, and says what room that leaves for the extras. */
static struct room spread_bases(struct balance *balance)
{
	struct room room;
	uint64_t total = 0;

	for (size_t g = 0; g < balance->group_count; g++) {
		struct balance_group *group = &balance->groups[g];
		uint32_t nodes = 0;

		for (size_t w = 0; w < balance->words; w++)
			nodes += (uint32_t)__builtin_popcountll(
				balance_row(balance, g, BALANCE_NODES)[w]);
		group->base = nodes ? group->count / nodes : 0;
		group->rest = nodes ? group->count % nodes : 0;
		total += group->rest;
		for (size_t n = 0; n < balance->node_count; n++)
			if (group->base && balance_get(balance, g, BALANCE_NODES, n))
				balance->load[n] += group->base;
	}
	for (size_t n = 0; n < balance->node_count; n++)
		total += balance->load[n];
	room.share = total / balance->node_count;
	room.more = total % balance->node_count;
	for (size_t n = 0; n < balance->node_count; n++)
		if (balance->load[n] > room.share && room.more > 0)
			room.more--;
	return room;
}

/*
 * The node that a group's next extra goes to: the first by hash that has room, as in
 * consistent hashing with bounded loads, so that one more group moves few others even without any
 * history; else the least loaded.
 */
static size_t choose(const struct balance *balance, size_t g, const struct room *room)
{
	size_t best = balance->node_count;
	uint64_t best_load = UINT64_MAX, best_hash = 0;

	for (size_t n = 0; n < balance->node_count; n++) {
		uint64_t hash, load = balance->load[n];

		if (!balance_get(balance, g, BALANCE_NODES, n) ||
		    balance_get(balance, g, BALANCE_EXTRA, n))
			continue;
		if (has_room(balance, n, room))
			load = 0;
		hash = balance_mix(balance->groups[g].hash ^ balance->node_hash[n]);
		if (load > best_load || (load == best_load && hash >= best_hash))
			continue;
		best = n;
		best_load = load;
		best_hash = hash;
	}
	return best;
}

static void extra_place(struct balance *balance, size_t g, size_t n, struct room *room,
			uint32_t *left)
{
	if (balance->load[n] == room->share && room->more > 0)
		room->more--;
	balance_set(balance, g, BALANCE_EXTRA, n, true);
	balance->load[n]++;
	(*left)--;
}

/* Places every extra: where one was, if there is room, then at home likewise, then by hash. */
static int place(struct balance *balance, struct room *room, struct arena *arena)
{
	uint32_t *left = arena_array(arena, balance->group_count + 1, sizeof(*left));

	if (!left)
		return -ENOMEM;
	for (size_t g = 0; g < balance->group_count; g++)
		left[g] = balance->groups[g].rest;
	for (int kind = BALANCE_STAY; kind <= BALANCE_HOME; kind++)
		for (size_t g = 0; g < balance->group_count; g++)
			for (size_t n = 0; left[g] && n < balance->node_count; n++)
				if (balance_get(balance, g, (enum balance_bits)kind, n) &&
				    balance_get(balance, g, BALANCE_NODES, n) &&
				    !balance_get(balance, g, BALANCE_EXTRA, n) &&
				    has_room(balance, n, room))
					extra_place(balance, g, n, room, &left[g]);
	for (size_t g = 0; g < balance->group_count; g++)
		while (left[g])
			extra_place(balance, g, choose(balance, g, room), room, &left[g]);
	return 0;
}

/* Whether nothing can be better: loads as even as can be, and each group as it would be alone. */
static bool is_best(const struct balance *balance)
{
	uint32_t most = 0, least = UINT32_MAX;

	for (size_t n = 0; n < balance->node_count; n++) {
		most = balance->load[n] > most ? balance->load[n] : most;
		least = balance->load[n] < least ? balance->load[n] : least;
	}
	if (most - least > 1)
		return false;
	for (size_t g = 0; g < balance->group_count; g++) {
		const uint64_t *stay = balance_row(balance, g, BALANCE_STAY);
		const uint64_t *home = balance_row(balance, g, BALANCE_HOME);
		const uint64_t *extra = balance_row(balance, g, BALANCE_EXTRA);
		bool wishes = false, denied = false;

		for (size_t w = 0; w < balance->words; w++) {
			wishes |= (extra[w] & ~(stay[w] & home[w])) != 0;
			denied |= ((stay[w] | home[w]) & ~extra[w]) != 0;
		}
		if (balance->groups[g].rest && wishes && denied)
			return false;
	}
	return true;
}

/* An extra of a group that may move along one edge of the graph of nodes. */
struct option {
	uint32_t group, next;
};

/*
 * The residual graph. Its vertices are the nodes and the number node_count, which stands for "a
 * load goes up here and down there": a path from a to b closed over it moves one load from a to b.
 */
struct graph {
	struct balance *balance;
	size_t size; /* vertices */
	int64_t big, huge;
	uint32_t *heads; /* [from][to][class] → options; stale ones are dropped when they surface */
	int64_t *cost;	 /* [from][to] */
	int64_t *distance; /* Bellman and Ford's */
	uint32_t *parent, *mark;
	struct option *options;
	size_t option_count, option_capacity;
	struct arena *arena;
};

static int edge_class(const struct balance *balance, size_t g, size_t from, size_t to)
{
	int stay = balance_get(balance, g, BALANCE_STAY, from) -
		   balance_get(balance, g, BALANCE_STAY, to);
	int home = balance_get(balance, g, BALANCE_HOME, from) -
		   balance_get(balance, g, BALANCE_HOME, to);

	return (stay + 1) * 3 + home + 1;
}

static bool edge_valid(const struct balance *balance, size_t g, size_t from, size_t to)
{
	return balance_get(balance, g, BALANCE_EXTRA, from) &&
	       balance_get(balance, g, BALANCE_NODES, to) &&
	       !balance_get(balance, g, BALANCE_EXTRA, to);
}

static uint32_t *edge_head(const struct graph *graph, size_t from, size_t to, int class)
{
	return &graph->heads[(from * graph->balance->node_count + to) * CLASSES + (size_t) class];
}

static int edge_add(struct graph *graph, size_t g, size_t from, size_t to)
{
	uint32_t *head = edge_head(graph, from, to, edge_class(graph->balance, g, from, to));

	if (graph->option_count == graph->option_capacity) {
		size_t capacity = graph->option_capacity * 2 + 1024;
		struct option *grown = arena_array(graph->arena, capacity, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		if (graph->option_count > 0)
			memcpy(grown, graph->options, graph->option_count * sizeof(*grown));
		graph->options = grown;
		graph->option_capacity = capacity;
	}
	graph->options[graph->option_count] = (struct option){(uint32_t)g, *head};
	*head = (uint32_t)graph->option_count++;
	return 0;
}

/* Finds the cheapest edge between two nodes again. */
static void edge_update(struct graph *graph, size_t from, size_t to)
{
	int64_t *cost = &graph->cost[from * graph->size + to];

	*cost = NO_EDGE;
	for (int class = 0; class < CLASSES; class ++) {
		uint32_t *head = edge_head(graph, from, to, class);

		while (*head != NONE &&
		       !edge_valid(graph->balance, graph->options[*head].group, from, to))
			*head = graph->options[*head].next;
		if (*head != NONE) {
			*cost = (class / 3 - 1) * graph->big + class % 3 - 1;
			return;
		}
	}
}

static void load_update(struct graph *graph, size_t n)
{
	int64_t load = graph->balance->load[n];
	size_t hub = graph->balance->node_count;

	graph->cost[n * graph->size + hub] = (2 * load + 1) * graph->huge;
	graph->cost[hub * graph->size + n] = -(2 * load - 1) * graph->huge;
}

static int graph_init(struct graph *graph, struct balance *balance, struct arena *arena)
{
	size_t nodes = balance->node_count, heads = nodes * nodes * CLASSES;

	graph->balance = balance;
	graph->arena = arena;
	graph->size = nodes + 1;
	graph->big = 2 * (int64_t)graph->size + 1;
	graph->huge = graph->big * graph->big;
	graph->heads = arena_array(arena, heads + 1, sizeof(*graph->heads));
	graph->cost = arena_array(arena, graph->size * graph->size, sizeof(*graph->cost));
	graph->distance = arena_array(arena, graph->size, sizeof(*graph->distance));
	graph->parent = arena_array(arena, graph->size, sizeof(*graph->parent));
	graph->mark = arena_array(arena, graph->size, sizeof(*graph->mark));
	if (!graph->heads || !graph->cost || !graph->distance || !graph->parent || !graph->mark)
		return -ENOMEM;
	memset(graph->heads, 0xff, heads * sizeof(*graph->heads));
	for (size_t g = 0; g < balance->group_count; g++)
		for (size_t from = 0; balance->groups[g].rest && from < nodes; from++)
			for (size_t to = 0;
			     balance_get(balance, g, BALANCE_EXTRA, from) && to < nodes; to++)
				if (edge_valid(balance, g, from, to) &&
				    edge_add(graph, g, from, to) < 0)
					return -ENOMEM;
	for (size_t i = 0; i < graph->size * graph->size; i++)
		graph->cost[i] = NO_EDGE;
	for (size_t from = 0; from < nodes; from++) {
		load_update(graph, from);
		for (size_t to = 0; to < nodes; to++)
			if (from != to)
				edge_update(graph, from, to);
	}
	return 0;
}

/* A vertex on a cycle of parents, or NONE. */
static uint32_t parent_cycle(struct graph *graph)
{
	memset(graph->mark, 0xff, graph->size * sizeof(*graph->mark));
	for (uint32_t start = 0; start < graph->size; start++) {
		uint32_t at = start;

		while (at != NONE && graph->mark[at] == NONE) {
			graph->mark[at] = start;
			at = graph->parent[at];
		}
		if (at != NONE && graph->mark[at] == start)
			return at;
	}
	return NONE;
}

/* Bellman and Ford from everywhere at once: a vertex on a negative cycle, or NONE. */
static uint32_t negative_cycle(struct graph *graph)
{
	bool changed = true;

	memset(graph->distance, 0, graph->size * sizeof(*graph->distance));
	memset(graph->parent, 0xff, graph->size * sizeof(*graph->parent));
	while (changed) {
		uint32_t found;

		changed = false;
		for (size_t from = 0; from < graph->size; from++) {
			const int64_t *cost = &graph->cost[from * graph->size];
			int64_t distance = graph->distance[from];

			for (size_t to = 0; to < graph->size; to++) {
				if (cost[to] == NO_EDGE ||
				    distance + cost[to] >= graph->distance[to])
					continue;
				graph->distance[to] = distance + cost[to];
				graph->parent[to] = (uint32_t)from;
				changed = true;
			}
		}
		found = changed ? parent_cycle(graph) : NONE;
		if (found != NONE)
			return found;
	}
	return NONE;
}

/* Moves the cheapest extra from one node to another and brings the graph up to date. */
static int edge_follow(struct graph *graph, size_t from, size_t to)
{
	struct balance *balance = graph->balance;
	size_t g = 0;

	for (int class = 0; class < CLASSES; class ++) {
		uint32_t head = *edge_head(graph, from, to, class);

		if (head == NONE)
			continue;
		g = graph->options[head].group;
		break;
	}
	balance_set(balance, g, BALANCE_EXTRA, from, false);
	balance_set(balance, g, BALANCE_EXTRA, to, true);
	balance->load[from]--;
	balance->load[to]++;
	for (size_t n = 0; n < balance->node_count; n++) {
		if (!balance_get(balance, g, BALANCE_NODES, n))
			continue;
		if (edge_valid(balance, g, to, n) && edge_add(graph, g, to, n) < 0)
			return -ENOMEM;
		if (edge_valid(balance, g, n, from) && n != to && edge_add(graph, g, n, from) < 0)
			return -ENOMEM;
		edge_update(graph, from, n);
		edge_update(graph, n, to);
		edge_update(graph, to, n);
		edge_update(graph, n, from);
	}
	load_update(graph, from);
	load_update(graph, to);
	return 0;
}

/* Follows a cycle once round. Its edges use different groups or leave each other valid, because no
 * vertex is passed twice.
 */
static int cycle_cancel(struct graph *graph, uint32_t start)
{
	size_t length = 0;
	uint32_t at = start;

	do { /* mark[] becomes the list of the cycle's vertices, backwards */
		graph->mark[length++] = at;
		at = graph->parent[at];
	} while (at != start);
	for (size_t i = 0; i < length; i++) {
		size_t to = graph->mark[i], from = graph->mark[(i + 1) % length];

		if (from == graph->balance->node_count || to == graph->balance->node_count)
			continue; /* the loads follow from the rest of the cycle */
		if (edge_follow(graph, from, to) < 0)
			return -ENOMEM;
	}
	return 0;
}

int balance_run(struct balance *balance, struct arena *arena)
{
	struct graph graph = {0};
	struct room room;
	uint32_t at;
	int err;

	if (balance->node_count == 0)
		return 0;
	room = spread_bases(balance);
	err = place(balance, &room, arena);
	if (err || balance->node_count > BALANCE_EXACT || is_best(balance))
		return err;
	err = graph_init(&graph, balance, arena);
	while (!err && (at = negative_cycle(&graph)) != NONE)
		err = cycle_cancel(&graph, at);
	return err;
}
