/* SPDX-License-Identifier: BSD-3-Clause */
/* The election's rules one by one, on up to four nodes that share a perfect network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "core/election.h"

#define MS	 UINT64_C(1000000)
#define NODES	 4
#define VIPS	 3
#define INTERVAL (10 * MS)
#define LEASE	 (30 * MS)
#define INBOX	 64
#define SENT	 4096

struct node {
	struct election *election;
	struct election_actions actions;
	bool up, stalled; /* stalled: control stands still, the worker goes on */
	struct heartbeat body;
	uint64_t seq, sent_ns[SENT], lease_ns;
	bool owns[VIPS];
	unsigned int announced[VIPS], twins;
	enum election_cause cause[VIPS]; /* of the last OWN or DISOWN */
	enum node_state state;
	bool left;
	struct heartbeat inbox[INBOX];
	size_t inbox_count;
};

struct lab {
	uint64_t now;
	size_t count;
	struct node nodes[NODES];
	bool cut[NODES][NODES];
	bool gateways, gateway_answers;
};

static struct lab lab;

static uint32_t id_of(size_t node)
{
	return (uint32_t)(node + 1) * 100;
}

static struct ip vip(size_t i)
{
	return ip_from_v4(htonl(0xc0000201 + (uint32_t)i));
}

static size_t index_of(const struct ip *address)
{
	return ntohl(ip_v4(address)) - 0xc0000201;
}

static void broadcast(size_t from, const struct heartbeat *message)
{
	struct node *node = &lab.nodes[from];
	struct heartbeat copy = *message;

	copy.seq = ++node->seq;
	node->sent_ns[copy.seq % SENT] = lab.now;
	copy.lapsed_ms = node->lease_ns == 0 ? HEARTBEAT_LAPSED_EVER
			 : lab.now < node->lease_ns
				 ? 0
				 : (uint16_t)((lab.now - node->lease_ns) / MS + 1);
	for (size_t to = 0; to < lab.count; to++) {
		struct node *peer = &lab.nodes[to];

		if (to == from || lab.cut[from][to] || !peer->up || peer->inbox_count == INBOX)
			continue;
		peer->inbox[peer->inbox_count++] = copy;
	}
}

static void act(size_t index, const struct election_action *action)
{
	struct node *node = &lab.nodes[index];
	const size_t i = action->type == ELECTION_OWN || action->type == ELECTION_DISOWN ||
					 action->type == ELECTION_ANNOUNCE
				 ? index_of(&action->vip.address)
				 : 0;

	switch (action->type) {
	case ELECTION_LEASE:
		node->lease_ns = action->until_ns;
		break;
	case ELECTION_OWN:
	case ELECTION_DISOWN:
		node->owns[i] = action->type == ELECTION_OWN;
		node->cause[i] = action->vip.cause;
		break;
	case ELECTION_ANNOUNCE:
		node->announced[i]++;
		break;
	case ELECTION_BEAT:
		node->body = *action->message.heartbeat;
		if (action->message.now)
			broadcast(index, &node->body);
		break;
	case ELECTION_ROWS:
		if (action->message.heartbeat->path == HEARTBEAT_FRONT)
			broadcast(index, action->message.heartbeat);
		break;
	case ELECTION_STATE:
		node->state = action->state;
		break;
	case ELECTION_LEFT:
		node->left = true;
		break;
	case ELECTION_TWIN:
		node->twins++;
		break;
	default:
		break;
	}
}

static void step(size_t index, const struct election_event *event)
{
	struct node *node = &lab.nodes[index];

	election_actions_reset(&node->actions);
	assert_int_equal(election_step(node->election, lab.now, event, &node->actions), 0);
	for (size_t i = 0; i < node->actions.count; i++)
		act(index, &node->actions.list[i]);
}

static void hand_over(size_t index, const struct heartbeat *message)
{
	const struct heartbeat_peer *entry =
		heartbeat_find_peer(message, id_of(index), (uint32_t)lab.nodes[index].body.boot_id);
	struct election_event event = {.type = ELECTION_MESSAGE};

	event.message.heartbeat = message;
	if (entry != NULL)
		event.message.echo_sent_ns = lab.nodes[index].sent_ns[entry->seq_low % SENT];
	if (election_seq_fresh(lab.nodes[index].election, message->node, message->boot_id,
			       message->path, message->seq))
		step(index, &event);
}

static void turn(size_t index)
{
	struct node *node = &lab.nodes[index];
	struct election_event event = {.type = ELECTION_TURN_BEGIN};
	struct heartbeat inbox[INBOX];
	const size_t count = node->inbox_count;

	event.turn.polled_ns = lab.now;
	step(index, &event);
	memcpy(inbox, node->inbox, count * sizeof(inbox[0]));
	node->inbox_count = 0;
	for (size_t i = 0; i < count; i++)
		hand_over(index, &inbox[i]);
	if (lab.gateway_answers) {
		event = (struct election_event){.type = ELECTION_GATEWAY};
		event.gateway.probe_sent_ns = lab.now - MS;
		step(index, &event);
	}
	event = (struct election_event){.type = ELECTION_TURN_END};
	step(index, &event);
}

static void run_ms(unsigned int ms)
{
	for (; ms > 0; ms--) {
		lab.now += MS;
		for (size_t i = 0; i < lab.count; i++) {
			if (!lab.nodes[i].up)
				continue;
			if ((lab.now / MS + i) % (INTERVAL / MS) == 0 && lab.nodes[i].body.version)
				broadcast(i, &lab.nodes[i].body);
			if (!lab.nodes[i].stalled)
				turn(i);
		}
	}
}

/* A plan in words: for each VIP the nodes in order, such as "AB"; "" is not in the plan. */
static void plan(size_t index, const char *const orders[VIPS])
{
	struct election_event event = {.type = ELECTION_PLAN};
	struct election_plan_vip vips[VIPS];
	uint32_t ids[VIPS][NODES];

	for (size_t v = 0; v < VIPS; v++) {
		if (orders[v] == NULL || orders[v][0] == '\0')
			continue;
		for (size_t i = 0; orders[v][i] != '\0'; i++)
			ids[v][i] = id_of((size_t)(orders[v][i] - 'A'));
		vips[event.plan.count++] =
			(struct election_plan_vip){vip(v), ids[v], strlen(orders[v])};
	}
	event.plan.vips = vips;
	step(index, &event);
}

static void boot(size_t index, uint64_t boot_id, const char *const orders[VIPS])
{
	struct node *node = &lab.nodes[index];
	const struct election_config config = {
		.group = 1,
		.node = id_of(index),
		.boot_id = boot_id,
		.interval_ns = INTERVAL,
		.multiplier = 3,
		.has_gateways = lab.gateways,
		.failback = true,
		.hold_ns = 2000 * MS,
		.drain_max_ns = 500 * MS,
	};
	const struct election_event ready = {.type = ELECTION_READY};

	election_free(node->election);
	election_actions_fini(&node->actions);
	*node = (struct node){.up = true};
	node->election = election_create(&config, lab.now);
	assert_non_null(node->election);
	plan(index, orders);
	step(index, &ready);
}

static void crash(size_t index)
{
	lab.nodes[index].up = false;
	memset(lab.nodes[index].owns, 0, sizeof(lab.nodes[index].owns));
}

static void start(size_t count, const char *const orders[VIPS])
{
	lab.count = count;
	lab.now += 1000 * MS;
	for (size_t i = 0; i < count; i++)
		boot(i, 0x1111 * (i + 1), orders);
	run_ms(1100);
}

static int set_up(void **state)
{
	(void)state;
	memset(&lab, 0, sizeof(lab));
	lab.now = 1000 * MS;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	for (size_t i = 0; i < NODES; i++) {
		election_free(lab.nodes[i].election);
		election_actions_fini(&lab.nodes[i].actions);
	}
	return 0;
}

/* Who answers: "A", "BC", or "-". */
static const char *owners(size_t v)
{
	static char names[NODES + 1];
	size_t count = 0;

	for (size_t i = 0; i < lab.count; i++)
		if (lab.nodes[i].up && lab.nodes[i].owns[v] && lab.now < lab.nodes[i].lease_ns)
			names[count++] = (char)('A' + i);
	if (count == 0)
		names[count++] = '-';
	names[count] = '\0';
	return names;
}

static void health(size_t index, size_t v, bool healthy)
{
	struct election_event event = {.type = ELECTION_HEALTH};

	event.health.vip = vip(v);
	event.health.healthy = healthy;
	step(index, &event);
}

static void cut(size_t a, size_t b, bool is_cut)
{
	lab.cut[a][b] = lab.cut[b][a] = is_cut;
}

static const char *const spread[VIPS] = {"ABC", "BCA", "CAB"};
static const char *const all_a[VIPS] = {"ABC", "ABC", "ABC"};

static void a_cold_start_gives_each_vip_to_its_first_node(void **state)
{
	(void)state;
	start(3, spread);
	assert_string_equal(owners(0), "A");
	assert_string_equal(owners(1), "B");
	assert_string_equal(owners(2), "C");
	assert_int_equal(lab.nodes[0].cause[0], ELECTION_CAUSE_FIRST);
	assert_true(lab.nodes[0].announced[0] > 0);
}

static void nothing_is_answered_while_joining(void **state)
{
	(void)state;
	lab.count = 1;
	boot(0, 1, all_a);
	run_ms(990);
	assert_int_equal(lab.nodes[0].state, NODE_JOINING);
	assert_string_equal(owners(0), "-");
	run_ms(20);
	assert_string_equal(owners(0), "A");
}

static void a_node_without_a_synced_source_stays_joining(void **state)
{
	const struct election_config config = {
		.group = 1, .node = 1, .boot_id = 1, .interval_ns = INTERVAL, .multiplier = 3};

	(void)state;
	lab.count = 1;
	lab.nodes[0].up = true;
	lab.nodes[0].election = election_create(&config, lab.now);
	run_ms(10000);
	assert_int_equal(lab.nodes[0].state, NODE_JOINING);
}

static void a_silent_owner_is_replaced_by_the_next_in_its_plan(void **state)
{
	(void)state;
	start(3, spread);
	crash(0);
	run_ms(28);
	assert_string_equal(owners(0), "-");
	run_ms(22);
	assert_string_equal(owners(0), "B");
	assert_string_equal(owners(1), "B");
	assert_string_equal(owners(2), "C");
	assert_int_equal(lab.nodes[1].cause[0], ELECTION_CAUSE_SILENT);
}

static void the_last_node_takes_everything_without_a_gateway(void **state)
{
	(void)state;
	start(3, spread);
	crash(0);
	crash(1);
	run_ms(50);
	for (size_t v = 0; v < VIPS; v++)
		assert_string_equal(owners(v), "C");
}

static void an_isolated_node_with_gateways_stops_answering_within_the_lease(void **state)
{
	(void)state;
	lab.gateways = true;
	lab.gateway_answers = true;
	start(3, all_a);
	assert_string_equal(owners(0), "A");
	lab.gateway_answers = false;
	cut(0, 1, true);
	cut(0, 2, true);
	run_ms(31);
	assert_true(lab.now >= lab.nodes[0].lease_ns);
	assert_string_equal(owners(0), "-");
	run_ms(10);
	assert_string_equal(owners(0), "B");
}

static void a_gateway_keeps_a_lone_node_answering(void **state)
{
	(void)state;
	lab.gateways = lab.gateway_answers = true;
	start(2, all_a);
	crash(1);
	for (int i = 0; i < 200; i++) {
		run_ms(1);
		assert_string_equal(owners(0), "A");
	}
}

static void a_stalled_control_thread_loses_the_lease_and_the_vip(void **state)
{
	(void)state;
	start(3, all_a);
	lab.nodes[0].stalled = true;
	run_ms(31);
	assert_string_equal(owners(0), "-");
	run_ms(60);
	assert_string_equal(owners(0), "B");
	assert_int_equal(lab.nodes[1].cause[0], ELECTION_CAUSE_FENCED);
	lab.nodes[0].stalled = false;
	run_ms(1);
	assert_string_equal(owners(0), "B");
	run_ms(200);
	assert_string_equal(owners(0), "B");
	assert_false(lab.nodes[0].owns[0]);
}

static void a_lone_node_that_stood_still_listens_before_it_answers_again(void **state)
{
	uint64_t back;

	(void)state;
	start(1, all_a);
	assert_string_equal(owners(0), "A");
	lab.nodes[0].stalled = true;
	run_ms(500);
	assert_string_equal(owners(0), "-");
	lab.nodes[0].stalled = false;
	back = lab.now;
	while (lab.now < back + 200 * MS && strcmp(owners(0), "A") != 0)
		run_ms(1);
	assert_string_equal(owners(0), "A");
	assert_true(lab.now - back >= LEASE + INTERVAL / 4);
}

static void a_stop_within_a_turn_lengthens_no_lease(void **state)
{
	struct election_event event = {.type = ELECTION_TURN_BEGIN};

	(void)state;
	start(1, all_a);
	lab.now += MS;
	event.turn.polled_ns = lab.now;
	step(0, &event);
	lab.now += 10000 * MS;
	event = (struct election_event){.type = ELECTION_TURN_END};
	step(0, &event);
	assert_true(lab.nodes[0].lease_ns <= lab.now);
}

static void one_that_hears_the_owner_keeps_it_in_office(void **state)
{
	(void)state;
	start(3, all_a);
	cut(0, 1, true); /* B does not hear A, C does */
	run_ms(500);
	assert_string_equal(owners(0), "A");
}

static void the_word_of_a_fenced_node_does_not_count(void **state)
{
	(void)state;
	start(3, all_a);
	lab.nodes[2].stalled = true; /* C goes on saying that it hears A */
	run_ms(2);
	crash(0);
	run_ms(45); /* A is silent to B; C is not fenced yet */
	assert_string_equal(owners(0), "-");
	run_ms(75); /* C's lease and silence, and then B's own lease, which hung on C's echoes */
	assert_string_equal(owners(0), "B");
}

static void after_a_partition_the_higher_claim_stays_and_is_announced_again(void **state)
{
	unsigned int announced;

	(void)state;
	start(2, all_a);
	cut(0, 1, true);
	run_ms(100); /* no gateway, no third node: both answer (design, "Not guaranteed") */
	assert_string_equal(owners(0), "AB");
	announced = lab.nodes[1].announced[0];
	cut(0, 1, false);
	run_ms(24);
	assert_string_equal(owners(0), "B");
	assert_int_equal(lab.nodes[0].cause[0], ELECTION_CAUSE_CONFLICT);
	assert_true(lab.nodes[1].announced[0] > announced);
}

static void an_unhealthy_owner_gives_the_vip_away_without_a_gap(void **state)
{
	(void)state;
	start(3, all_a);
	health(0, 1, false);
	for (int i = 0; i < 20; i++) {
		run_ms(1);
		assert_string_not_equal(owners(1), "-");
	}
	assert_string_equal(owners(1), "B");
	assert_string_equal(owners(0), "A");
	assert_int_equal(lab.nodes[0].cause[1], ELECTION_CAUSE_OFFER);
	assert_int_equal(lab.nodes[1].cause[1], ELECTION_CAUSE_OFFER);
}

static void when_all_are_unhealthy_the_owner_stays(void **state)
{
	(void)state;
	start(3, all_a);
	for (size_t i = 3; i > 0; i--)
		health(i - 1, 0, false);
	for (int i = 0; i < 3000; i++) {
		run_ms(1);
		assert_string_equal(owners(0), "A");
	}
}

static void an_unhealthy_node_is_the_last_to_take_over(void **state)
{
	(void)state;
	start(3, all_a);
	health(1, 0, false);
	run_ms(20);
	crash(0);
	run_ms(50);
	assert_string_equal(owners(0), "C");
	assert_string_equal(owners(1), "B");
}

static void a_recovered_node_gets_its_vips_back_one_a_second(void **state)
{
	unsigned int back = 0;

	(void)state;
	start(2, all_a);
	crash(0);
	run_ms(100);
	boot(0, 0x9999, all_a);
	run_ms(2900); /* JOINING 1 s, STANDBY for hold */
	assert_string_equal(owners(0), "B");
	run_ms(600);
	for (size_t v = 0; v < VIPS; v++)
		back += lab.nodes[0].owns[v];
	assert_int_equal(back, 1);
	run_ms(2500);
	for (size_t v = 0; v < VIPS; v++)
		assert_string_equal(owners(v), "A");
}

static void leaving_is_said_three_times_and_others_take_over_at_once(void **state)
{
	const struct election_event leave = {.type = ELECTION_LEAVE};

	(void)state;
	start(3, all_a);
	step(0, &leave);
	assert_string_equal(owners(0), "-");
	run_ms(4);
	assert_string_equal(owners(0), "B");
	assert_int_equal(lab.nodes[1].cause[0], ELECTION_CAUSE_LEFT);
	assert_false(lab.nodes[0].left);
	run_ms(40);
	assert_true(lab.nodes[0].left);
	assert_int_equal(lab.nodes[0].lease_ns, 0);
}

static void a_drain_moves_all_vips_and_then_leaves(void **state)
{
	struct election_event drain = {.type = ELECTION_DRAIN};

	(void)state;
	start(3, all_a);
	drain.drain.on = true;
	step(0, &drain);
	for (int i = 0; i < 100; i++) {
		run_ms(1);
		for (size_t v = 0; v < VIPS; v++)
			assert_string_not_equal(owners(v), "-");
	}
	for (size_t v = 0; v < VIPS; v++)
		assert_string_equal(owners(v), "B");
	assert_int_equal(lab.nodes[0].state, NODE_LEAVING);
	assert_true(lab.nodes[0].left);
}

static void a_drain_that_nobody_takes_ends_after_its_time(void **state)
{
	struct election_event drain = {.type = ELECTION_DRAIN};

	(void)state;
	start(1, all_a);
	drain.drain.on = true;
	step(0, &drain);
	run_ms(490);
	assert_string_equal(owners(0), "A");
	run_ms(60);
	assert_string_equal(owners(0), "-");
	assert_true(lab.nodes[0].left);
}

static void a_vip_that_leaves_the_plan_is_withdrawn_and_may_return(void **state)
{
	static const char *const without[VIPS] = {"", "ABC", "ABC"};
	struct election_vip_view view;
	const struct ip first = vip(0);

	(void)state;
	start(3, all_a);
	for (size_t i = 0; i < 3; i++)
		plan(i, without);
	run_ms(20);
	assert_string_equal(owners(0), "-");
	assert_int_equal(lab.nodes[0].cause[0], ELECTION_CAUSE_WITHDRAWN);
	assert_true(election_vip(lab.nodes[2].election, &first, &view));
	assert_int_equal(view.owner, 0);
	assert_int_equal(view.epoch, 2);
	plan(1, all_a);
	run_ms(200);
	assert_string_equal(owners(0), "B");
	assert_int_equal(lab.nodes[1].cause[0], ELECTION_CAUSE_WITHDRAWN);
}

static void a_node_that_the_plan_drops_offers_its_vips(void **state)
{
	static const char *const dropped[VIPS] = {"BC", "BC", "BC"};

	(void)state;
	start(3, all_a);
	for (size_t i = 0; i < 3; i++)
		plan(i, dropped);
	for (int i = 0; i < 50; i++) {
		run_ms(1);
		assert_string_not_equal(owners(0), "-");
	}
	assert_string_equal(owners(0), "B");
}

static void new_epochs_are_above_the_remembered_floor(void **state)
{
	struct election_event floor = {.type = ELECTION_FLOOR};
	struct election_vip_view view;
	const struct ip first = vip(0);

	(void)state;
	lab.count = 1;
	boot(0, 1, all_a);
	floor.floor.vip = first;
	floor.floor.epoch = 41;
	step(0, &floor);
	run_ms(1100);
	assert_true(election_vip(lab.nodes[0].election, &first, &view));
	assert_true(view.mine);
	assert_int_equal(view.epoch, 42);
}

static void a_link_that_is_down_fences_at_once_and_returns_with_an_announcement(void **state)
{
	struct election_event link = {.type = ELECTION_LINK};
	unsigned int announced;

	(void)state;
	start(1, all_a);
	step(0, &link);
	assert_int_equal(lab.nodes[0].lease_ns, 0);
	run_ms(100);
	assert_string_equal(owners(0), "-");
	announced = lab.nodes[0].announced[0];
	link.link.up = true;
	step(0, &link);
	run_ms(100);
	assert_string_equal(owners(0), "A");
	assert_true(lab.nodes[0].announced[0] > announced);
}

static void replayed_messages_of_an_older_boot_change_nothing(void **state)
{
	struct heartbeat old;

	(void)state;
	start(2, all_a);
	old = lab.nodes[0].body;
	old.state = NODE_LEAVING;
	old.boot_id = 0xdead;
	old.lapsed_ms = HEARTBEAT_LAPSED_EVER;
	assert_int_equal(old.peers[0].node, id_of(1));
	old.peers[0].seq_low = 1; /* more than a second ago: no proof that it is of today */
	for (int i = 0; i < 100; i++) {
		run_ms(1);
		old.seq++;
		hand_over(1, &old);
		assert_string_equal(owners(0), "A");
	}
	assert_int_equal(lab.nodes[1].twins, 0);
}

static void another_machine_of_our_name_is_reported(void **state)
{
	struct heartbeat other;

	(void)state;
	start(2, all_a);
	other = lab.nodes[0].body;
	other.boot_id++;
	hand_over(0, &other);
	other.seq++;
	hand_over(0, &other);
	assert_int_equal(lab.nodes[0].twins, 1);
}

static void a_restarted_owner_is_replaced_while_it_joins(void **state)
{
	(void)state;
	start(3, all_a);
	crash(0);
	boot(0, 0x7777, all_a);
	run_ms(30);
	assert_string_equal(owners(0), "B");
	assert_int_equal(lab.nodes[1].cause[0], ELECTION_CAUSE_LEFT);
}

static void many_vips_of_a_dead_owner_move_in_one_turn(void **state)
{
	enum { MANY = 1000 };
	static struct election_plan_vip vips[MANY];
	static uint32_t ids[2];
	struct election_event event = {.type = ELECTION_PLAN};
	struct election_view view;

	(void)state;
	lab.count = 2;
	for (size_t i = 0; i < 2; i++) {
		boot(i, i + 1, all_a);
		ids[i] = id_of(i);
	}
	for (uint32_t v = 0; v < MANY; v++)
		vips[v] = (struct election_plan_vip){vip(v % VIPS), ids, 2};
	for (uint32_t v = VIPS; v < MANY; v++) /* act() knows the first ones only */
		vips[v].address.b[0] = 0x20, vips[v].address.b[1] = (uint8_t)(v >> 8),
		vips[v].address.b[2] = (uint8_t)v;
	event.plan.vips = vips;
	event.plan.count = MANY;
	for (size_t i = 0; i < 2; i++)
		step(i, &event);
	run_ms(1500);
	election_view(lab.nodes[0].election, &view);
	assert_int_equal(view.owned, MANY);
	crash(0);
	run_ms(50);
	election_view(lab.nodes[1].election, &view);
	assert_int_equal(view.owned, MANY);
}

static void reconfigure(size_t node, uint8_t key_id, uint64_t hold_ns)
{
	struct election_event event = {.type = ELECTION_CONFIG};

	event.config.key_id = key_id;
	event.config.hold_ns = hold_ns;
	step(node, &event);
}

static void a_hold_that_grew_delays_the_next_failback(void **state)
{
	struct election_event link = {.type = ELECTION_LINK};

	(void)state;
	start(2, spread);
	run_ms(2100);
	assert_int_equal(lab.nodes[0].state, NODE_ACTIVE);
	step(0, &link);
	run_ms(100);
	assert_int_equal(lab.nodes[0].state, NODE_STANDBY);
	reconfigure(0, 1, 4000 * MS);
	link.link.up = true;
	step(0, &link);
	run_ms(3900);
	assert_int_equal(lab.nodes[0].state, NODE_STANDBY);
	run_ms(500);
	assert_int_equal(lab.nodes[0].state, NODE_ACTIVE);
}

struct key_search {
	uint32_t node;
	uint8_t key_id;
};

static void key_find(void *arg, const struct election_peer_view *peer)
{
	struct key_search *search = arg;

	if (peer->node == search->node)
		search->key_id = peer->key_id;
}

static void beats_name_the_new_key(void **state)
{
	struct key_search search = {.node = id_of(0)};

	(void)state;
	start(2, spread);
	reconfigure(0, 77, 2000 * MS);
	run_ms(50);
	assert_int_equal(lab.nodes[0].body.key_id, 77);
	election_peers(lab.nodes[1].election, key_find, &search);
	assert_int_equal(search.key_id, 77);
}

static void lost_find(void *arg, const struct election_peer_view *peer)
{
	if (peer->node == id_of(1))
		*(uint64_t *)arg = peer->lost[HEARTBEAT_FRONT];
}

static uint64_t lost(void)
{
	uint64_t count = UINT64_MAX;

	election_peers(lab.nodes[0].election, lost_find, &count);
	return count;
}

static void beats_of_another_path_are_not_lost_on_this_one(void **state)
{
	uint64_t before;

	(void)state;
	start(2, spread);
	before = lost();
	for (int i = 0; i < 50; i++) {
		lab.nodes[1].seq++; /* left on the management path, and never came */
		run_ms(10);
	}
	assert_int_equal(lost(), before);
	cut(0, 1, true);
	run_ms(20);
	cut(0, 1, false);
	run_ms(20);
	assert_int_equal(lost(), before + 2);
}

/* Two keys may have one id; the worker gets the new one with the body. */
static void a_new_key_publishes_the_beat_though_it_reads_the_same(void **state)
{
	const struct election_event end = {.type = ELECTION_TURN_END};
	size_t published = 0;

	(void)state;
	start(2, spread);
	reconfigure(0, lab.nodes[0].body.key_id, 2000 * MS);
	step(0, &end);
	for (size_t i = 0; i < lab.nodes[0].actions.count; i++)
		published += lab.nodes[0].actions.list[i].type == ELECTION_BEAT;
	assert_int_equal(published, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_cold_start_gives_each_vip_to_its_first_node),
		TEST(nothing_is_answered_while_joining),
		TEST(a_node_without_a_synced_source_stays_joining),
		TEST(a_silent_owner_is_replaced_by_the_next_in_its_plan),
		TEST(the_last_node_takes_everything_without_a_gateway),
		TEST(an_isolated_node_with_gateways_stops_answering_within_the_lease),
		TEST(a_gateway_keeps_a_lone_node_answering),
		TEST(a_stalled_control_thread_loses_the_lease_and_the_vip),
		TEST(a_lone_node_that_stood_still_listens_before_it_answers_again),
		TEST(a_stop_within_a_turn_lengthens_no_lease),
		TEST(one_that_hears_the_owner_keeps_it_in_office),
		TEST(the_word_of_a_fenced_node_does_not_count),
		TEST(after_a_partition_the_higher_claim_stays_and_is_announced_again),
		TEST(an_unhealthy_owner_gives_the_vip_away_without_a_gap),
		TEST(when_all_are_unhealthy_the_owner_stays),
		TEST(an_unhealthy_node_is_the_last_to_take_over),
		TEST(a_recovered_node_gets_its_vips_back_one_a_second),
		TEST(leaving_is_said_three_times_and_others_take_over_at_once),
		TEST(a_drain_moves_all_vips_and_then_leaves),
		TEST(a_drain_that_nobody_takes_ends_after_its_time),
		TEST(a_vip_that_leaves_the_plan_is_withdrawn_and_may_return),
		TEST(a_node_that_the_plan_drops_offers_its_vips),
		TEST(new_epochs_are_above_the_remembered_floor),
		TEST(a_link_that_is_down_fences_at_once_and_returns_with_an_announcement),
		TEST(replayed_messages_of_an_older_boot_change_nothing),
		TEST(another_machine_of_our_name_is_reported),
		TEST(a_restarted_owner_is_replaced_while_it_joins),
		TEST(many_vips_of_a_dead_owner_move_in_one_turn),
		TEST(a_hold_that_grew_delays_the_next_failback),
		TEST(beats_name_the_new_key),
		TEST(beats_of_another_path_are_not_lost_on_this_one),
		TEST(a_new_key_publishes_the_beat_though_it_reads_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
