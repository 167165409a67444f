/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Drives one election with arbitrary events, in the order that a caller may send them, and checks
 * what must hold whatever the peers say.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/election.h"

#define MS	 UINT64_C(1000000)
#define INTERVAL (10 * MS)
#define LEASE	 (3 * INTERVAL)
#define SELF	 7
#define BOOT	 UINT64_C(0x1234567800000001)
#define VIPS	 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *at, *end;
};

struct run {
	struct input in;
	struct election *election;
	struct election_actions actions;
	uint64_t now, confirmed_ns, seq[16];
	bool gateways, in_turn, owns[VIPS];
	uint64_t epoch[VIPS];
	size_t owned;
	enum node_state state;
};

static unsigned int byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static struct ip vip(unsigned int i)
{
	return ip_from_v4(1 + i % VIPS);
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void check(struct run *run, const struct election_action *action)
{
	const unsigned int i = (unsigned int)ip_v4(&action->vip.address) - 1;

	switch (action->type) {
	case ELECTION_LEASE: /* G1; alone without gateways is confirmation enough */
		require(action->until_ns <= run->confirmed_ns + LEASE || !run->gateways);
		require(action->until_ns <= run->now + LEASE);
		break;
	case ELECTION_OWN:
		require(run->state != NODE_JOINING && run->state != NODE_LEAVING);
		require(i < VIPS && action->vip.epoch > run->epoch[i]);
		run->epoch[i] = action->vip.epoch;
		run->owned += !run->owns[i];
		run->owns[i] = true;
		break;
	case ELECTION_DISOWN:
		require(i < VIPS && run->owns[i]);
		run->owns[i] = false;
		run->owned--;
		break;
	case ELECTION_BEAT:
	case ELECTION_ROWS: {
		uint8_t buf[HEARTBEAT_MAX_LEN];
		struct heartbeat decoded;
		const size_t len = heartbeat_encode(action->message.heartbeat, buf);

		require(heartbeat_decode(buf, len, &decoded) == 0);
		require(decoded.state != NODE_LEAVING || run->owned == 0);
		break;
	}
	case ELECTION_STATE:
		run->state = action->state;
		require(run->state != NODE_LEAVING || run->owned == 0);
		break;
	default:
		break;
	}
}

static void step(struct run *run, const struct election_event *event)
{
	struct election_view view;

	election_actions_reset(&run->actions);
	require(election_step(run->election, run->now, event, &run->actions) == 0);
	for (size_t i = 0; i < run->actions.count; i++)
		check(run, &run->actions.list[i]);
	election_view(run->election, &view);
	require(view.state == run->state && view.owned == run->owned);
}

static void fill_beat(struct run *run, struct heartbeat *message)
{
	message->peer_count = (uint8_t)(byte(&run->in) % 5);
	for (size_t i = 0; i < message->peer_count; i++) {
		const unsigned int bits = byte(&run->in);

		message->peers[i] = (struct heartbeat_peer){
			.node = i == 0 ? SELF : 1 + bits % 6,
			.boot_low = i == 0 ? (uint32_t)BOOT : bits >> 3 & 3,
			.rows_version = bits >> 5,
			.hears = bits & 1,
		};
	}
}

static void fill_rows(struct run *run, struct heartbeat *message)
{
	message->pages = (uint16_t)(byte(&run->in) % 4);
	message->page = message->pages == 0 ? 0 : (uint16_t)(byte(&run->in) % message->pages);
	message->row_count = (uint16_t)(byte(&run->in) % 5);
	for (size_t i = 0; i < message->row_count; i++) {
		const unsigned int bits = byte(&run->in);

		message->rows[i] = (struct heartbeat_row){
			.vip = vip(bits >> 4),
			.kind = bits & 3,
			.epoch = (bits >> 2 & 3) == 3 ? HEARTBEAT_EPOCH_LIMIT - 1 - byte(&run->in)
						      : byte(&run->in),
			.node = byte(&run->in) % 9,
		};
	}
}

static void message(struct run *run)
{
	const unsigned int who = byte(&run->in), how = byte(&run->in), age = byte(&run->in);
	struct election_event event = {.type = ELECTION_MESSAGE};
	struct heartbeat heartbeat = {
		.version = HEARTBEAT_VERSION,
		.kind = how & 1 ? HEARTBEAT_ROWS : HEARTBEAT_BEAT,
		.path = how >> 1 & 1,
		.state = (how >> 2) % 5,
		.group = 1,
		.node = 1 + (who & 7) % 7,
		.boot_id = 1 + (who >> 3 & 3),
		.interval_us = 10000,
		.multiplier = 3,
		.lapsed_ms = (how >> 5) == 7 ? HEARTBEAT_LAPSED_EVER : (how >> 5) * 10,
		.rows_version = who >> 5,
	};

	heartbeat.seq = ++run->seq[(who & 15)];
	if (heartbeat.kind == HEARTBEAT_BEAT)
		fill_beat(run, &heartbeat);
	else
		fill_rows(run, &heartbeat);
	event.message.heartbeat = &heartbeat;
	event.message.echo_management = age & 1;
	if ((age & 2) && run->now > age * MS) {
		event.message.echo_sent_ns = run->now - age * MS;
		if (event.message.echo_sent_ns > run->confirmed_ns)
			run->confirmed_ns = event.message.echo_sent_ns;
	}
	step(run, &event);
}

static void plan(struct run *run)
{
	struct election_event event = {.type = ELECTION_PLAN};
	struct election_plan_vip vips[VIPS];
	uint32_t nodes[VIPS][4];
	const unsigned int which = byte(&run->in);

	for (unsigned int v = 0; v < VIPS; v++) {
		const unsigned int order = byte(&run->in);

		if (!(which >> v & 1))
			continue;
		for (unsigned int i = 0; i < 4; i++)
			nodes[v][i] = 4 + (order + i) % 4;
		vips[event.plan.count++] =
			(struct election_plan_vip){vip(v), nodes[v], 1 + (order >> 4) % 4};
	}
	event.plan.vips = vips;
	step(run, &event);
}

static void turn(struct run *run)
{
	struct election_event event = {.type = run->in_turn ? ELECTION_TURN_END
							    : ELECTION_TURN_BEGIN};
	const unsigned int how = byte(&run->in);

	if (!run->in_turn) {
		run->now += how & 1 ? (how >> 1) * MS * 4 : MS;
		event.turn.polled_ns = (how & 0xc0) == 0xc0 ? run->now - MS * 20 : run->now;
	}
	run->in_turn = !run->in_turn;
	step(run, &event);
}

static void other(struct run *run, unsigned int what)
{
	struct election_event event = {.type = ELECTION_READY};
	const unsigned int bits = byte(&run->in);

	switch (what % 7) {
	case 0:
		event.type = ELECTION_HEALTH;
		event.health.vip = vip(bits >> 1);
		event.health.healthy = bits & 1;
		break;
	case 1:
		event.type = ELECTION_LINK;
		event.link.up = bits & 1;
		break;
	case 2:
		event.type = ELECTION_DRAIN;
		event.drain.on = bits & 1;
		break;
	case 3:
		event.type = bits == 0xff ? ELECTION_LEAVE : ELECTION_READY;
		break;
	case 4:
		event.type = ELECTION_FLOOR;
		event.floor.vip = vip(bits);
		event.floor.epoch = bits == 0xff ? HEARTBEAT_EPOCH_LIMIT - 2 : bits;
		break;
	case 5:
		event.type = ELECTION_GATEWAY;
		event.gateway.probe_sent_ns = run->now - bits * MS / 8;
		if (event.gateway.probe_sent_ns > run->confirmed_ns)
			run->confirmed_ns = event.gateway.probe_sent_ns;
		break;
	default:
		break;
	}
	step(run, &event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {.in = {data, data + size}, .now = 10000 * MS};
	struct election_config config = {
		.group = 1,
		.node = SELF,
		.boot_id = BOOT,
		.interval_ns = INTERVAL,
		.multiplier = 3,
		.failback = true,
		.hold_ns = 300 * MS,
		.drain_max_ns = 300 * MS,
	};

	config.has_gateways = run.gateways = byte(&run.in) & 1;
	run.election = election_create(&config, run.now);
	if (run.election == NULL)
		return 0;
	while (run.in.at < run.in.end) {
		const unsigned int what = byte(&run.in);

		if (what < 96)
			turn(&run);
		else if (what < 200)
			message(&run);
		else if (what < 216)
			plan(&run);
		else
			other(&run, what);
	}
	election_free(run.election);
	election_actions_fini(&run.actions);
	return 0;
}
