/* SPDX-License-Identifier: BSD-3-Clause */
/* What a seed does to its group: its shape, and faults until a while before the end. */
#include "sim.h"

#include <string.h>

/* A fault in an event's value: type, undo, two nodes, a set of nodes. */
static uint64_t pack(enum sim_fault_type type, bool undo, unsigned int a, unsigned int b,
		     uint32_t set)
{
	return (uint64_t)type | (uint64_t)undo << 7 | (uint64_t)a << 8 | (uint64_t)b << 16 |
	       (uint64_t)set << 32;
}

static void plan_shuffle(struct sim *sim, struct sim_plan *plan)
{
	for (unsigned int v = 0; v < sim->vip_count; v++) {
		plan->has[v] = !sim_chance(sim, 50);
		plan->count[v] = sim->node_count;
		for (unsigned int i = 0; i < sim->node_count; i++)
			plan->order[v][i] = (i + v) % (unsigned int)sim->node_count;
		for (size_t i = sim->node_count; i > 1 && sim_chance(sim, 700); i--) {
			const size_t other = sim_between(sim, 0, i - 1);
			const unsigned int node = plan->order[v][i - 1];

			plan->order[v][i - 1] = plan->order[v][other];
			plan->order[v][other] = node;
		}
		if (sim->node_count > 2 && sim_chance(sim, 200))
			plan->count[v]--; /* one node is no candidate */
	}
}

static const struct {
	enum sim_fault_type type;
	unsigned int weight;
	const char *name;
} mix[] = {
	{FAULT_CRASH, 4, "crash"},
	{FAULT_PAUSE, 3, "pause"},
	{FAULT_PAUSE_WORKER, 2, "pause-worker"},
	{FAULT_PAUSE_CONTROL, 2, "pause-control"},
	{FAULT_CUT, 2, "cut"},
	{FAULT_ONE_WAY, 2, "one-way"},
	{FAULT_PARTITION, 4, "partition"},
	{FAULT_LOSS, 1, "loss"},
	{FAULT_LINK, 2, "link"},
	{FAULT_HEALTH, 3, "health"},
	{FAULT_PLAN, 1, "plan"},
	{FAULT_DRAIN, 2, "drain"},
	{FAULT_LEAVE, 1, "leave"},
	{FAULT_GATEWAY, 1, "gateway"},
	{FAULT_BURST, 1, "burst"},
	{FAULT_MANAGEMENT, 1, "management"},
	{FAULT_DEAF, 2, "deaf"},
	{FAULT_UNLIST, 2, "unlist"},
	{FAULT_WITHDRAW, 1, "withdraw"},
	{FAULT_ROTATE, 1, "rotate"},
};
#define MIX (sizeof(mix) / sizeof(mix[0]))

bool fault_parse(const char *names, uint32_t *faults)
{
	*faults = 0;
	while (*names != '\0') {
		const size_t len = strcspn(names, ",");
		size_t i = 0;

		while (i < MIX && (strlen(mix[i].name) != len || strncmp(mix[i].name, names, len)))
			i++;
		if (i == MIX)
			return false;
		*faults |= UINT32_C(1) << mix[i].type;
		names += len + (names[len] == ',');
	}
	return *faults != 0;
}

static enum sim_fault_type draw(struct sim *sim)
{
	unsigned int total = 0, at;

	for (size_t i = 0; i < MIX; i++)
		if (sim->faults == 0 || (sim->faults >> mix[i].type & 1))
			total += mix[i].weight;
	at = (unsigned int)sim_between(sim, 0, total - 1);
	for (size_t i = 0;; i++) {
		if (sim->faults != 0 && !(sim->faults >> mix[i].type & 1))
			continue;
		if (at < mix[i].weight)
			return mix[i].type;
		at -= mix[i].weight;
	}
}

/*
 * 1 ms to 5 s, evenly in the exponent, but every fourth lasts so long that all must have settled
 * under it: G6 holds then too.
 */
static uint64_t duration(struct sim *sim)
{
	const unsigned int shift =
		(unsigned int)sim_between(sim, sim_chance(sim, 250) ? 12 : 0, 12);

	return sim_between(sim, MS << shift, (MS << shift) * 5 / 4);
}

static void schedule_one(struct sim *sim, enum sim_fault_type type, uint64_t at, uint64_t end)
{
	const unsigned int a = (unsigned int)sim_between(sim, 0, sim->node_count - 1);
	const unsigned int b = (unsigned int)sim_between(sim, 0, sim->node_count - 1);
	const uint32_t set = (uint32_t)sim_random(sim);

	if (type == FAULT_BURST && end > at + 64 * MS)
		end = at + sim_between(sim, MS, 64 * MS);
	if (end > sim->faults_to)
		end = sim->faults_to;
	sim_push(sim, at, SIM_FAULT, 0, NULL, pack(type, false, a, b, set));
	sim_push(sim, end, SIM_FAULT, 0, NULL, pack(type, true, a, b, set));
}

/* One fault alone and long, or some that follow each other, or some that fall into each other. */
static void schedule(struct sim *sim)
{
	const bool alone = sim_chance(sim, 200);
	const unsigned int count = alone ? 1 : (unsigned int)sim_between(sim, 1, SIM_FAULTS);
	const bool bunched = sim_chance(sim, 500);
	uint64_t at = sim_between(sim, sim->faults_from, sim->faults_from + SEC);

	for (unsigned int i = 0; i < count && at < sim->faults_to; i++) {
		const uint64_t end = at + (alone ? 3 * SEC : duration(sim));

		schedule_one(sim, draw(sim), at, end);
		at += bunched ? duration(sim) / 4 : sim_between(sim, SEC, 2 * SEC);
	}
	sim_push(sim, sim->faults_to, SIM_FAULT, 0, NULL, pack(FAULT_CALM, false, 0, 0, 0));
}

/* Mostly small groups; a large one costs more for each virtual second, and gets fewer. */
static void setup_size(struct sim *sim, const struct sim_options *options)
{
	const unsigned int size = (unsigned int)sim_between(sim, 0, 999);

	sim->node_count = options->nodes != 0 ? options->nodes
			  : size < 4	      ? sim_between(sim, 16, 64)
			  : size < 30	      ? sim_between(sim, 9, 15)
					      : sim_between(sim, 1, sim_between(sim, 4, 8));
	sim->vip_count = options->vips != 0	? options->vips
			 : sim->node_count > 15 ? sim_between(sim, 1, 3)
						: sim_between(sim, 1, 8);
	sim->faults_from = sim->node_count > 15 ? 2 * SEC : 3 * SEC;
	sim->faults_to = sim->node_count > 15 ? 4 * SEC : sim->node_count > 8 ? 8 * SEC : 11 * SEC;
	sim->end = sim->faults_to + (sim->node_count > 15 ? SEC : 3 * SEC);
}

void fault_setup(struct sim *sim, const struct sim_options *options)
{
	static const uint8_t multipliers[] = {3, 3, 3, 2, 5};
	static const uint64_t delays[] = {50 * US, 200 * US, 500 * US, 2 * MS};

	sim->faults = options->faults;
	setup_size(sim, options);
	sim->interval = 10 * MS;
	sim->multiplier = multipliers[sim_between(sim, 0, 4)];
	sim->hold = 2 * SEC;
	sim->gateways = sim_chance(sim, 500);
	sim->management = sim_chance(sim, 500);
	sim->delay_min = 20 * US;
	sim->delay_max = delays[sim_between(sim, 0, 3)];
	sim->loss = sim_chance(sim, 250) ? (unsigned int)sim_between(sim, 1, 20) : 0;
	/* A NIC keeps all that comes while its worker stands still, or some, or (a VM's) nothing.
	 */
	sim->nic_limit = sim_chance(sim, 250) ? 0 : sim_chance(sim, 300) ? 32 : SIM_QUEUE;
	sim->ring_limit = sim_chance(sim, 300) ? 32 + 4 * sim->node_count : SIM_QUEUE;
	sim->duplicates = sim_chance(sim, 200) ? (unsigned int)sim_between(sim, 1, 100) : 0;
	sim->reorders = sim_chance(sim, 150);
	plan_shuffle(sim, &sim->plans[0]);
	for (unsigned int i = 0; i < sim->node_count; i++) {
		struct sim_node *node = &sim->nodes[i];

		node->id = (uint32_t)(sim_random(sim) & 0xffffff00) | (i + 1);
		node->link_up = true;
		node->ppm = (int)sim_between(sim, 0, 400) - 200;
		for (unsigned int v = 0; v < sim->vip_count; v++)
			node->unhealthy[v] = sim_chance(sim, 30);
		sim_push(sim, SEC / 100 + sim_between(sim, 0, 500 * MS), SIM_START, i, NULL, 0);
	}
	sim->net_ns = sim->fault_ns = SEC;
	schedule(sim);
}

static void pause_node(struct sim *sim, unsigned int index, uint64_t value, bool worker,
		       bool control)
{
	struct sim_node *node = &sim->nodes[index];
	const uint64_t length = MS << (value >> 32) % 13;
	/* Threads of one process that was stopped do not go on at the same moment. */
	const uint64_t late = worker && control ? sim_between(sim, 0, 4 * MS) : 0;
	uint64_t until = sim->now + length + (late & 1 ? late : 0);

	if (!node->running)
		return;
	if (worker) {
		if (sim->now >= node->worker_until)
			node->worker_since = sim->now;
		if (until < node->worker_until)
			until = node->worker_until; /* of a longer pause that it is in */
		node->worker_until = node->worker_paused_ns = until;
		check_ends(sim, index);
		sim_push(sim, until, SIM_RESUME, index, NULL, 0);
	}
	until = sim->now + length + (late & 1 ? 0 : late);
	if (control) {
		node->control_since = sim->now;
		if (until < node->control_until)
			until = node->control_until;
		node->control_until = node->control_paused_ns = until;
	}
	sim_trace(sim, "FAULT n%u pauses%s%s for %llu ms", index, worker ? " worker" : "",
		  control ? " control" : "", (unsigned long long)(until - sim->now) / MS);
}

static void cut(struct sim *sim, unsigned int from, unsigned int to, bool undo, bool management)
{
	sim->cut[from][to] += undo ? -1 : 1;
	if (management)
		sim->management_cut[from][to] += undo ? -1 : 1;
}

static void partition(struct sim *sim, uint32_t set, bool undo)
{
	const bool management = set & 1u << 31;
	const bool gateway = set & 1u << 30; /* the gateway stays with the nodes in the set */

	for (unsigned int a = 0; a < sim->node_count; a++) {
		for (unsigned int b = 0; b < sim->node_count; b++)
			if ((set >> a % 30 & 1) != (set >> b % 30 & 1))
				cut(sim, a, b, undo, management);
		if (gateway && !(set >> a % 30 & 1))
			sim->nodes[a].gateway_cut += undo ? -1 : 1;
	}
	sim_trace(sim, "FAULT partition %s: set %x%s%s", undo ? "heals" : "begins",
		  set & 0x3fffffff & ((1u << sim->node_count % 30) - 1),
		  management ? ", management too" : "", gateway ? ", gateway with the set" : "");
}

/* The gateway is on the same wire. */
static void deafen(struct sim *sim, unsigned int a, bool mute, bool undo)
{
	for (unsigned int i = 0; i < sim->node_count; i++)
		cut(sim, mute ? a : i, mute ? i : a, undo, false);
	sim->nodes[a].gateway_cut += undo ? -1 : 1;
	sim_trace(sim, "FAULT n%u is %s%s", a, undo ? "no longer " : "", mute ? "mute" : "deaf");
}

static void health(struct sim *sim, unsigned int a, unsigned int vip, bool healthy)
{
	struct election_event event = {.type = ELECTION_HEALTH};

	sim->nodes[a].unhealthy[vip] = !healthy;
	event.health.vip = sim_vip(vip);
	event.health.healthy = healthy;
	sim_trace(sim, "FAULT n%u is %s for v%u", a, healthy ? "healthy" : "unhealthy", vip);
	node_event(sim, a, &event);
}

static void link_set(struct sim *sim, unsigned int a, bool up)
{
	struct election_event event = {.type = ELECTION_LINK};

	sim->nodes[a].link_up = event.link.up = up;
	sim_trace(sim, "FAULT n%u link %s", a, up ? "up" : "down");
	node_event(sim, a, &event);
}

/* Nodes follow a new plan one after the other; some stay behind until the fault ends. */
static void replan(struct sim *sim, uint32_t set, bool undo)
{
	if (!undo) {
		sim->plan++;
		plan_shuffle(sim, &sim->plans[sim->plan]);
	}
	sim_trace(sim, "FAULT new plan for %s", undo ? "all" : "some");
	for (unsigned int i = 0; i < sim->node_count; i++) {
		if (!undo && (set >> i % 32 & 1))
			continue;
		sim->nodes[i].plan = sim->plan;
		node_plan(sim, i);
	}
}

/* A new plan like the one in force but for one thing; some follow it only when the fault ends. */
static void plan_edit(struct sim *sim, bool undo, uint32_t set, unsigned int a, int vip)
{
	struct sim_plan *plan;

	if (!undo) {
		sim->plans[sim->plan + 1] = sim->plans[sim->plan];
		sim->plan++;
		plan = &sim->plans[sim->plan];
		if (vip >= 0)
			plan->has[vip] = !plan->has[vip];
		for (unsigned int v = 0; vip < 0 && v < sim->vip_count; v++) {
			size_t kept = 0;

			for (size_t i = 0; i < plan->count[v]; i++)
				if (plan->order[v][i] != a)
					plan->order[v][kept++] = plan->order[v][i];
			plan->count[v] = kept;
		}
	}
	if (vip >= 0)
		sim_trace(sim, "FAULT v%d %s plan of %s", vip,
			  sim->plans[sim->plan].has[vip] ? "is in the" : "is gone from the",
			  undo ? "all" : "some");
	else
		sim_trace(sim, "FAULT n%u is in no plan of %s", a, undo ? "any" : "some");
	for (unsigned int i = 0; i < sim->node_count; i++) {
		if (!undo && (set >> i % 32 & set >> (i + 7) % 32 & 1))
			continue;
		sim->nodes[i].plan = sim->plan;
		node_plan(sim, i);
	}
}

/* Steps of a rotation, each taken by all before the next: also the new, sign with it, drop the old.
 */
static void rotate(struct sim *sim, bool undo)
{
	const uint64_t step = (sim->faults_to - sim->now) / 4;

	if (undo || step < 200 * MS || sim->now < sim->key_until)
		return;
	sim->key_until = sim->now + 3 * step;
	sim->key++;
	sim_trace(sim, "FAULT key %u replaces key %u", sim->key, sim->key - 1);
	for (unsigned int i = 0; i < sim->node_count; i++)
		for (unsigned int phase = 0; phase < 3; phase++)
			sim_push(sim, sim->now + phase * step + sim_between(sim, 0, step - 50 * MS),
				 SIM_FAULT, 0, NULL, pack(FAULT_KEY, false, i, phase, sim->key));
}

static void rekey(struct sim *sim, unsigned int a, unsigned int phase, unsigned int key)
{
	struct sim_node *node = &sim->nodes[a];

	node->key_sign = phase == 0 ? key - 1 : key;
	node->key_also = phase == 1 ? key - 1 : key;
	sim_trace(sim, "n%u signs with key %u and takes %u too", a, node->key_sign, node->key_also);
}

static void leave(struct sim *sim, unsigned int a, bool drain, bool undo)
{
	struct election_event event = {.type = drain ? ELECTION_DRAIN : ELECTION_LEAVE};

	sim->nodes[a].drained = drain && !undo;
	event.drain.on = !undo;
	if (undo) {
		if (drain) /* it may still be there */
			node_event(sim, a, &event);
		node_start(sim, a);
		return;
	}
	sim_trace(sim, "FAULT n%u %s", a, drain ? "drains" : "leaves");
	node_event(sim, a, &event);
}

static void disturb(struct sim *sim, bool undo)
{
	check_disturbed(sim, undo ? -1 : 1);
	if (undo && sim->disturbances == 0)
		check_heal_begin(sim);
}

static void crash(struct sim *sim, unsigned int a, bool undo)
{
	if (undo) {
		node_start(sim, a);
		return;
	}
	check_crash_begin(sim, a);
	sim_trace(sim, "FAULT n%u crashes", a);
	node_stop(sim, a);
}

void fault_run(struct sim *sim, uint64_t value)
{
	const enum sim_fault_type type = (enum sim_fault_type)(value & 0x7f);
	const bool undo = value >> 7 & 1;
	const unsigned int a = value >> 8 & 0xff, b = value >> 16 & 0xff;
	const uint32_t set = (uint32_t)(value >> 32);

	if (type != FAULT_KEY && (type != FAULT_CRASH || undo))
		sim->fault_ns = sim->now;
	switch (type) {
	case FAULT_CRASH:
		crash(sim, a, undo);
		break;
	case FAULT_PAUSE:
		if (!undo)
			pause_node(sim, a, value, true, true);
		break;
	case FAULT_PAUSE_WORKER:
		if (!undo)
			pause_node(sim, a, value, true, false);
		break;
	case FAULT_PAUSE_CONTROL:
		if (!undo)
			pause_node(sim, a, value, false, true);
		break;
	case FAULT_CUT:
	case FAULT_ONE_WAY:
		cut(sim, a, b, undo, set & 1);
		if (type == FAULT_CUT)
			cut(sim, b, a, undo, set & 1);
		sim_trace(sim, "FAULT link n%u %s n%u %s", a, type == FAULT_CUT ? "<->" : "->", b,
			  undo ? "heals" : "is cut");
		disturb(sim, undo);
		break;
	case FAULT_PARTITION:
		partition(sim, set, undo);
		disturb(sim, undo);
		break;
	case FAULT_DEAF:
		deafen(sim, a, set & 1, undo);
		disturb(sim, undo);
		break;
	case FAULT_MANAGEMENT:
		for (unsigned int i = 0; i < sim->node_count; i++) {
			sim->management_cut[a][i] += undo ? -1 : 1;
			sim->management_cut[i][a] += undo ? -1 : 1;
		}
		sim_trace(sim, "FAULT n%u management path %s", a, undo ? "back" : "away");
		disturb(sim, undo);
		break;
	case FAULT_BURST:
		sim->burst_loss = undo ? 0 : 1000;
		sim_trace(sim, "FAULT %s", undo ? "frames arrive again" : "no frame arrives");
		disturb(sim, undo);
		break;
	case FAULT_WITHDRAW:
		plan_edit(sim, undo, set, a, (int)(b % sim->vip_count));
		break;
	case FAULT_UNLIST:
		plan_edit(sim, undo, set, a, -1);
		break;
	case FAULT_ROTATE:
		rotate(sim, undo);
		break;
	case FAULT_KEY:
		rekey(sim, a, b, set);
		break;
	case FAULT_LOSS:
		sim->burst_loss = undo ? 0 : 20 + set % 300;
		sim_trace(sim, "FAULT loss %u/1000", sim->burst_loss);
		disturb(sim, undo);
		break;
	case FAULT_LINK:
		link_set(sim, a, undo);
		disturb(sim, undo);
		break;
	case FAULT_HEALTH:
		health(sim, a, b % (unsigned int)sim->vip_count, undo);
		break;
	case FAULT_PLAN:
		replan(sim, set, undo);
		break;
	case FAULT_DRAIN:
	case FAULT_LEAVE:
		leave(sim, a, type == FAULT_DRAIN, undo);
		break;
	case FAULT_GATEWAY:
		sim->nodes[a].gateway_cut += undo ? -1 : 1;
		sim_trace(sim, "FAULT n%u gateway %s", a, undo ? "back" : "away");
		disturb(sim, undo);
		break;
	case FAULT_CALM:
	case FAULT_TYPES:
		sim_trace(sim, "all is well again");
		break;
	}
}
