/* SPDX-License-Identifier: BSD-3-Clause */
/* One node of the simulation: the election as control runs it, and the worker as the dataplane is.
 */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

/* When it is t on the clock of the observer. */
static uint64_t local(const struct sim_node *node, uint64_t t)
{
	return (uint64_t)((int64_t)t + (int64_t)(t / 1000) * node->ppm / 1000);
}

uint64_t node_now(const struct sim *sim, const struct sim_node *node)
{
	return local(node, sim->now);
}

/* When that span of its own clock is over, for the observer. */
static uint64_t after(const struct sim *sim, const struct sim_node *node, uint64_t ns)
{
	return sim->now + (uint64_t)((int64_t)ns - (int64_t)ns * node->ppm / 1000000);
}

static uint64_t lapsed_ms(const struct sim *sim, const struct sim_node *node)
{
	const uint64_t now = node_now(sim, node);
	uint64_t ms;

	if (node->lease_until == 0)
		return HEARTBEAT_LAPSED_EVER;
	if (now < node->lease_until)
		return 0;
	ms = (now - node->lease_until) / MS;
	return ms == 0 ? 1 : ms < HEARTBEAT_LAPSED_EVER ? ms : HEARTBEAT_LAPSED_EVER - 1;
}

static void stamp(struct sim *sim, struct sim_node *node, struct frame *frame, bool management)
{
	const uint64_t seq = ++node->seq;

	frame->key = node->key_sign;
	node->sent_ns[seq % SIM_SENT] = node_now(sim, node);
	node->sent_seq[seq % SIM_SENT] = (uint32_t)seq;
	node->sent_management[seq % SIM_SENT] = management;
	heartbeat_stamp(frame->bytes, frame->len, seq, (uint16_t)lapsed_ms(sim, node));
}

static uint64_t arrival(struct sim *sim, unsigned int from, unsigned int to)
{
	uint64_t *last = &sim->last_arrival[from][to];
	const uint64_t at = sim->now + sim_between(sim, sim->delay_min, sim->delay_max);

	if (sim->reorders || at > *last)
		*last = at;
	return *last;
}

static void transmit(struct sim *sim, unsigned int from, struct frame *frame)
{
	const bool beat = frame->bytes[1] == HEARTBEAT_BEAT;
	struct sim_node *node = &sim->nodes[from];

	stamp(sim, node, frame, false);
	for (unsigned int to = 0; to < sim->node_count; to++) {
		const struct sim_node *peer = &sim->nodes[to];
		bool lost;

		if (to == from || !peer->running)
			continue;
		lost = sim->cut[from][to] || !node->link_up || !peer->link_up ||
		       sim_chance(sim, sim->loss + sim->burst_loss);
		if (lost) {
			if (beat && ++sim->lost_in_row[from][to] == sim->multiplier)
				check_disturbed(sim, 0);
			continue;
		}
		if (beat) {
			if (sim->lost_in_row[from][to] >= sim->multiplier)
				check_disturbed(sim, 0);
			sim->lost_in_row[from][to] = 0;
		}
		frame->refs++;
		sim_push(sim, arrival(sim, from, to), SIM_ARRIVE, to, frame, 0);
		if (sim_chance(sim, sim->duplicates)) {
			frame->refs++;
			sim_push(sim, arrival(sim, from, to), SIM_ARRIVE, to, frame, 0);
		}
	}
	frame_put(sim, frame);
}

static struct frame *encode(struct sim *sim, const struct heartbeat *message)
{
	struct frame *frame = frame_new(sim);

	frame->decoded = false;
	frame->len = heartbeat_encode(message, frame->bytes);
	return frame;
}

static void transmit_management(struct sim *sim, unsigned int from, unsigned int to,
				const struct heartbeat *message)
{
	struct heartbeat copy = *message;
	struct frame *frame;

	copy.path = HEARTBEAT_MANAGEMENT;
	frame = encode(sim, &copy);
	stamp(sim, &sim->nodes[from], frame, true);
	if (sim->nodes[to].running && !sim->management_cut[from][to] &&
	    !sim_chance(sim, sim->loss)) {
		frame->refs++;
		sim_push(sim, sim->now + sim_between(sim, sim->delay_min, 2 * sim->delay_max),
			 SIM_ARRIVE_MANAGE, to, frame, 0);
	}
	frame_put(sim, frame);
}

static bool worker_paused(const struct sim *sim, const struct sim_node *node)
{
	return sim->now < node->worker_until;
}

static void queue_add(struct sim *sim, struct queue *queue, size_t limit, struct frame *frame)
{
	if (queue->count >= limit)
		frame_put(sim, frame);
	else
		queue->frames[queue->count++] = frame;
}

static void queue_clear(struct sim *sim, struct queue *queue)
{
	for (size_t i = 0; i < queue->count; i++)
		frame_put(sim, queue->frames[i]);
	queue->count = 0;
	queue->probe_ns = 0;
}

bool node_answers(const struct sim *sim, unsigned int index)
{
	const struct sim_node *node = &sim->nodes[index];

	return node->running && !worker_paused(sim, node) &&
	       node_now(sim, node) < node->lease_until;
}

static void beat_send(struct sim *sim, unsigned int index)
{
	struct sim_node *node = &sim->nodes[index];

	if (node->has_body)
		transmit(sim, index, encode(sim, &node->body));
}

static void rows_send(struct sim *sim, unsigned int index, const struct election_action *action)
{
	struct sim_node *node = &sim->nodes[index];
	int to;

	if (action->message.heartbeat->path == HEARTBEAT_MANAGEMENT) {
		to = sim_node_index(sim, action->message.to);
		if (sim->management && to >= 0)
			transmit_management(sim, index, (unsigned int)to,
					    action->message.heartbeat);
	} else if (worker_paused(sim, node)) {
		queue_add(sim, &node->out, SIM_QUEUE, encode(sim, action->message.heartbeat));
	} else {
		transmit(sim, index, encode(sim, action->message.heartbeat));
	}
}

static void probe_send(struct sim *sim, unsigned int index)
{
	const struct sim_node *node = &sim->nodes[index];

	if (worker_paused(sim, node) || !node->link_up || node->gateway_cut ||
	    sim_chance(sim, sim->loss + sim->burst_loss))
		return;
	sim_push(sim, sim->now + 2 * sim_between(sim, sim->delay_min, sim->delay_max), SIM_ANSWER,
		 index, NULL, node_now(sim, node));
}

static void vip_action(struct sim *sim, unsigned int index, const struct election_action *action)
{
	struct sim_node *node = &sim->nodes[index];
	const unsigned int vip = sim_vip_index(&action->vip.address);
	const uint64_t bit = UINT64_C(1) << index;

	switch (action->type) {
	case ELECTION_OWN:
		check_own(sim, index, vip, action);
		if (!(sim->owns[vip] & bit))
			node->owned_ns[vip] = sim->now;
		sim->owns[vip] |= bit;
		sim_trace(sim, "n%u owns v%u epoch %llu: %s", index, vip,
			  (unsigned long long)action->vip.epoch,
			  election_cause_name(action->vip.cause));
		break;
	case ELECTION_DISOWN:
		check_stop(sim, index, vip, action);
		sim->owns[vip] &= ~bit;
		sim_trace(sim, "n%u stops v%u: %s by n%d", index, vip,
			  election_cause_name(action->vip.cause),
			  sim_node_index(sim, action->vip.owner));
		break;
	case ELECTION_ANNOUNCE:
		node->announced_ns[vip] = sim->now;
		break;
	case ELECTION_EPOCH:
		node->floor[vip] = action->vip.epoch;
		break;
	default:
		break;
	}
}

static void act(struct sim *sim, unsigned int index, const struct election_action *action)
{
	struct sim_node *node = &sim->nodes[index];

	switch (action->type) {
	case ELECTION_LEASE:
		check_lease(sim, index, action->until_ns);
		check_ends(sim, index);
		if (action->until_ns == 0 && node->lease_until != 0)
			sim_trace(sim, "n%u fences itself", index);
		if (node->lease_until < node_now(sim, node))
			node->renewed_ns = sim->now;
		node->lease_until = action->until_ns;
		break;
	case ELECTION_BEAT:
		node->body = *action->message.heartbeat;
		node->has_body = true;
		if (!action->message.now)
			break;
		if (worker_paused(sim, node))
			node->send_now = true;
		else
			beat_send(sim, index);
		node->management_next = sim->now;
		break;
	case ELECTION_ROWS:
		rows_send(sim, index, action);
		break;
	case ELECTION_PROBE:
		probe_send(sim, index);
		break;
	case ELECTION_STATE:
		sim_trace(sim, "n%u is %s", index, node_state_name(action->state));
		break;
	case ELECTION_PEER:
		sim_trace(sim, "n%u %s n%d", index, action->peer.live ? "hears" : "lost",
			  sim_node_index(sim, action->peer.node));
		break;
	case ELECTION_TWIN:
		sim_fail(sim, "n%u sees a twin of n%d", index,
			 sim_node_index(sim, action->peer.node));
		break;
	case ELECTION_LEFT:
		sim_trace(sim, "n%u has left", index);
		break;
	default:
		vip_action(sim, index, action);
		break;
	}
}

void node_event(struct sim *sim, unsigned int index, const struct election_event *event)
{
	struct sim_node *node = &sim->nodes[index];
	bool left = false;

	if (!node->running)
		return;
	election_actions_reset(&node->actions);
	if (election_step(node->election, node_now(sim, node), event, &node->actions) != 0)
		sim_fail(sim, "n%u: the step failed", index);
	for (size_t i = 0; i < node->actions.count && !sim->failed; i++) {
		act(sim, index, &node->actions.list[i]);
		left = left || node->actions.list[i].type == ELECTION_LEFT;
	}
	if (left)
		node_stop(sim, index);
}

struct accepted {
	uint32_t node;
	uint64_t boot_id;
	bool found;
};

static void find_accepted(void *arg, const struct election_peer_view *view)
{
	struct accepted *accepted = arg;

	if (view->node == accepted->node && view->boot_id == accepted->boot_id)
		accepted->found = true;
}

/* A boot that is not accepted yet may be a replay: it is no company (rule 2 (c)). */
static void message(struct sim *sim, unsigned int index, struct frame *frame)
{
	struct sim_node *node = &sim->nodes[index];
	struct election_event event = {.type = ELECTION_MESSAGE};
	const struct heartbeat *heartbeat = &frame->heartbeat;
	const struct heartbeat_peer *entry;
	struct heartbeat_id id;

	if (frame->key != node->key_sign && frame->key != node->key_also)
		return; /* its tag is wrong for us */
	heartbeat_peek(frame->bytes, &id);
	if (!frame->decoded)
		frame->decoded = heartbeat_decode(frame->bytes, frame->len, &frame->heartbeat) == 0;
	if (!frame->decoded) {
		sim_fail(sim, "n%u: cannot decode what a peer sent", index);
		return;
	}
	if (!election_seq_fresh(node->election, id.node, id.boot_id, heartbeat->path, id.seq))
		return;
	event.message.heartbeat = heartbeat;
	entry = heartbeat_find_peer(heartbeat, node->id, (uint32_t)node->boot_id);
	if (entry != NULL && node->sent_seq[entry->seq_low % SIM_SENT] == entry->seq_low) {
		event.message.echo_sent_ns = node->sent_ns[entry->seq_low % SIM_SENT];
		event.message.echo_management = node->sent_management[entry->seq_low % SIM_SENT];
	}
	if (heartbeat->path == HEARTBEAT_FRONT && heartbeat->kind == HEARTBEAT_BEAT) {
		if (!event.message.echo_management &&
		    event.message.echo_sent_ns > node->confirmed_ns)
			node->confirmed_ns = event.message.echo_sent_ns;
	}
	node_event(sim, index, &event);
	if (heartbeat->path == HEARTBEAT_FRONT && heartbeat->kind == HEARTBEAT_BEAT &&
	    heartbeat->lapsed_ms == 0 && !sim->gateways && node->running) {
		struct accepted accepted = {id.node, id.boot_id, false};

		election_peers(node->election, find_accepted, &accepted);
		if (accepted.found)
			node->company_ns = node_now(sim, node);
	}
}

static void management_beats(struct sim *sim, unsigned int index)
{
	struct sim_node *node = &sim->nodes[index];

	if (!sim->management || !node->has_body || sim->now < node->management_next)
		return;
	node->management_next = sim->now + sim->interval;
	for (unsigned int to = 0; to < sim->node_count; to++)
		if (to != index)
			transmit_management(sim, index, to, &node->body);
}

void node_turn(struct sim *sim, unsigned int index)
{
	struct sim_node *node = &sim->nodes[index];
	struct election_event event = {.type = ELECTION_TURN_BEGIN};
	struct queue *ring = &node->ring;

	if (sim->now < node->control_until) {
		sim_push(sim, node->control_until, SIM_TURN, index, NULL, 0);
		return;
	}
	event.turn.polled_ns =
		local(node, worker_paused(sim, node) ? node->worker_since : sim->now);
	node_event(sim, index, &event);
	for (size_t i = 0; i < ring->count && !sim->failed; i++)
		message(sim, index, ring->frames[i]);
	if (ring->probe_ns != 0) {
		if (ring->probe_ns > node->confirmed_ns)
			node->confirmed_ns = ring->probe_ns;
		event = (struct election_event){.type = ELECTION_GATEWAY};
		event.gateway.probe_sent_ns = ring->probe_ns;
		node_event(sim, index, &event);
	}
	queue_clear(sim, ring);
	event = (struct election_event){.type = ELECTION_TURN_END};
	node_event(sim, index, &event);
	if (!node->running)
		return;
	management_beats(sim, index);
	sim_push(sim,
		 after(sim, node, sim->interval / 10 - sim_between(sim, 0, sim->interval / 50)),
		 SIM_TURN, index, NULL, 0);
}

void node_beat(struct sim *sim, unsigned int index)
{
	const struct sim_node *node = &sim->nodes[index];

	if (worker_paused(sim, node)) {
		sim_push(sim, node->worker_until, SIM_BEAT, index, NULL, 0);
		return;
	}
	beat_send(sim, index);
	sim_push(sim, after(sim, node, sim->interval), SIM_BEAT, index, NULL, 0);
}

/* What waited for the worker: frames in, frames out, a beat. */
void node_resume(struct sim *sim, unsigned int index)
{
	struct sim_node *node = &sim->nodes[index];

	if (worker_paused(sim, node))
		return; /* paused again */
	for (size_t i = 0; i < node->nic.count; i++)
		queue_add(sim, &node->ring, sim->ring_limit, node->nic.frames[i]);
	if (node->nic.probe_ns > node->ring.probe_ns)
		node->ring.probe_ns = node->nic.probe_ns;
	node->nic.count = 0;
	node->nic.probe_ns = 0;
	for (size_t i = 0; i < node->out.count; i++)
		transmit(sim, index, node->out.frames[i]);
	node->out.count = 0;
	if (node->send_now)
		beat_send(sim, index);
	node->send_now = false;
}

void node_arrive(struct sim *sim, unsigned int index, struct frame *frame, uint64_t probe_ns)
{
	struct sim_node *node = &sim->nodes[index];
	const bool paused = worker_paused(sim, node);
	struct queue *queue = paused ? &node->nic : &node->ring;

	if (frame != NULL)
		queue_add(sim, queue, paused ? sim->nic_limit : sim->ring_limit, frame);
	else if (probe_ns > queue->probe_ns)
		queue->probe_ns = probe_ns;
}

void node_arrive_management(struct sim *sim, unsigned int index, struct frame *frame)
{
	queue_add(sim, &sim->nodes[index].ring, SIM_QUEUE, frame);
}

void node_plan(struct sim *sim, unsigned int index)
{
	struct sim_node *node = &sim->nodes[index];
	const struct sim_plan *plan = &sim->plans[node->plan];
	struct election_event event = {.type = ELECTION_PLAN};
	struct election_plan_vip vips[SIM_VIPS];
	uint32_t ids[SIM_VIPS][SIM_NODES];

	for (unsigned int v = 0; v < sim->vip_count; v++) {
		if (!plan->has[v])
			continue;
		for (size_t i = 0; i < plan->count[v]; i++)
			ids[v][i] = sim->nodes[plan->order[v][i]].id;
		vips[event.plan.count++] = (struct election_plan_vip){
			.address = sim_vip(v), .nodes = ids[v], .node_count = plan->count[v]};
	}
	event.plan.vips = vips;
	node_event(sim, index, &event);
}

static void tell_remembered(struct sim *sim, unsigned int index)
{
	const struct sim_node *node = &sim->nodes[index];

	for (unsigned int v = 0; v < sim->vip_count; v++) {
		struct election_event event = {.type = ELECTION_FLOOR};

		event.floor.vip = sim_vip(v);
		event.floor.epoch = node->floor[v];
		node_event(sim, index, &event);
		event = (struct election_event){.type = ELECTION_HEALTH};
		event.health.vip = sim_vip(v);
		event.health.healthy = !node->unhealthy[v];
		node_event(sim, index, &event);
	}
}

void node_start(struct sim *sim, unsigned int index)
{
	struct sim_node *node = &sim->nodes[index];
	struct election_config config = {
		.group = 1,
		.node = node->id,
		.interval_ns = sim->interval,
		.multiplier = sim->multiplier,
		.has_gateways = sim->gateways,
		.failback = sim->seed % 4 != 0,
		.hold_ns = sim->hold,
		.drain_max_ns = 2 * SEC,
	};
	struct election_event event = {.type = ELECTION_LINK};

	if (node->running)
		return;
	node->boot_id = config.boot_id = sim_random(sim) | 1;
	node->running = true;
	node->life++;
	node->plan = sim->plan;
	node->seq = 0;
	memset(node->sent_seq, 0, sizeof(node->sent_seq));
	memset(node->sent_ns, 0, sizeof(node->sent_ns));
	node->has_body = node->send_now = false;
	node->lease_until = node->confirmed_ns = 0;
	node->worker_until = node->control_until = node->control_paused_ns = 0;
	node->company_ns = node_now(sim, node);
	node->worker_paused_ns = 0;
	node->drained = false;
	node->election = election_create(&config, node_now(sim, node));
	sim_trace(sim, "n%u starts", index);
	tell_remembered(sim, index);
	node_plan(sim, index);
	event.link.up = node->link_up;
	node_event(sim, index, &event);
	event = (struct election_event){.type = ELECTION_READY};
	node_event(sim, index, &event);
	sim_push(sim, sim->now + sim_between(sim, 0, sim->interval / 10), SIM_TURN, index, NULL, 0);
	sim_push(sim, sim->now + sim_between(sim, 0, sim->interval), SIM_BEAT, index, NULL, 0);
}

void node_stop(struct sim *sim, unsigned int index)
{
	struct sim_node *node = &sim->nodes[index];

	if (!node->running)
		return;
	check_ends(sim, index);
	node->running = false;
	for (unsigned int v = 0; v < sim->vip_count; v++)
		sim->owns[v] &= ~(UINT64_C(1) << index);
	queue_clear(sim, &node->nic);
	queue_clear(sim, &node->ring);
	queue_clear(sim, &node->out);
	election_free(node->election);
	node->election = NULL;
}
