/* SPDX-License-Identifier: BSD-3-Clause */
/* The management path: its socket, and where peers are looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <poll.h>

#include <cmocka.h>

#include "mgmt.h"
#include "mgmt_peer.h"
#include "name.h"

#define SECOND_NS UINT64_C(1000000000)
#define NOW	  (1000 * SECOND_NS)
#define PORT	  4226

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

static struct mgmt_address at(const char *text, uint16_t port)
{
	return (struct mgmt_address){ip_of(text), port};
}

struct received {
	struct mgmt_address from;
	uint8_t data[2048];
	size_t len, count;
};

static void take(void *arg, const struct mgmt_address *from, const uint8_t *data, size_t len)
{
	struct received *received = arg;

	received->from = *from;
	received->len = len;
	received->count++;
	memcpy(received->data, data, len);
}

static void wait_readable(const struct mgmt *mgmt)
{
	struct pollfd poll_fd = {.fd = mgmt_fd(mgmt), .events = POLLIN};

	assert_int_equal(poll(&poll_fd, 1, 5000), 1);
}

static void a_datagram_arrives_with_its_source(void **state)
{
	static const char *const locals[] = {"127.0.0.1", "::1"};
	const uint8_t data[] = {1, 2, 3};

	(void)state;
	for (size_t i = 0; i < sizeof(locals) / sizeof(locals[0]); i++) {
		const struct mgmt_address any = at(locals[i], 0);
		struct mgmt *a = mgmt_create(&any), *b = mgmt_create(&any);
		struct received received = {0};

		assert_non_null(a);
		assert_non_null(b);
		assert_int_not_equal(mgmt_local(a)->port, 0);
		assert_int_equal(mgmt_receive(b, 8, take, &received), 0);
		assert_int_equal(mgmt_send(a, mgmt_local(b), data, sizeof(data)), 0);
		wait_readable(b);
		assert_int_equal(mgmt_receive(b, 8, take, &received), 1);
		assert_int_equal(received.len, sizeof(data));
		assert_memory_equal(received.data, data, sizeof(data));
		assert_true(mgmt_address_equal(&received.from, mgmt_local(a)));
		mgmt_free(a);
		mgmt_free(b);
	}
}

static void no_more_than_asked_for_are_taken_at_once(void **state)
{
	const struct mgmt_address any = at("127.0.0.1", 0);
	struct mgmt *a = mgmt_create(&any), *b = mgmt_create(&any);
	struct received received = {0};

	(void)state;
	for (uint8_t i = 0; i < 10; i++)
		assert_int_equal(mgmt_send(a, mgmt_local(b), &i, 1), 0);
	wait_readable(b);
	assert_int_equal(mgmt_receive(b, 4, take, &received), 4);
	assert_int_equal(received.data[0], 3);
	assert_int_equal(mgmt_receive(b, 100, take, &received), 6);
	mgmt_free(a);
	mgmt_free(b);
}

static void a_peer_that_is_not_there_is_no_error(void **state)
{
	const struct mgmt_address any = at("127.0.0.1", 0);
	struct mgmt *a = mgmt_create(&any), *b = mgmt_create(&any);
	const struct mgmt_address gone = *mgmt_local(b);
	struct received received = {0};
	const uint8_t data[] = {1};

	(void)state;
	mgmt_free(b);
	for (int i = 0; i < 4; i++)
		assert_int_equal(mgmt_send(a, &gone, data, sizeof(data)), 0);
	assert_int_equal(mgmt_receive(a, 8, take, &received), 0);
	mgmt_free(a);
}

static void an_address_that_the_node_lacks_may_come_later(void **state)
{
	const struct mgmt_address v4 = at("198.51.100.77", 0), v6 = at("2001:db8:ffff::77", 0);
	struct mgmt *a = mgmt_create(&v4), *b = mgmt_create(&v6);

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	mgmt_free(a);
	mgmt_free(b);
}

static void addresses_have_numbers_of_their_own(void **state)
{
	const struct mgmt_address list[] = {at("10.0.0.1", 1), at("10.0.0.1", 2), at("10.0.0.2", 1),
					    at("2001:db8::1", 1), at("2001:db8::2", 1)};

	(void)state;
	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < i; j++)
			assert_true(mgmt_address_number(&list[i]) != mgmt_address_number(&list[j]));
}

/* ---- peers ---- */

struct scene {
	struct mgmt_peers peers;
	uint32_t ids[3];
	struct election_plan_vip vip;
	struct ip addresses[3][2];
	struct object_node nodes[3];
	struct object_set set;
};

static void scene_begin(struct scene *scene)
{
	static const char *const names[] = {"fe-1", "fe-2", "w-1"};
	const struct mgmt_address local = at("10.0.0.1", PORT);

	memset(scene, 0, sizeof(*scene));
	mgmt_peers_init(&scene->peers, name_id("fe-1"), &local);
	for (size_t i = 0; i < 3; i++) {
		scene->ids[i] = name_id(names[i]);
		scene->addresses[i][0] = ip_of("10.0.0.1");
		scene->addresses[i][0].b[15] = (uint8_t)(i + 1);
		scene->addresses[i][1] = ip_of("2001:db8::1");
		scene->nodes[i].meta.name = names[i];
		scene->nodes[i].internal = scene->addresses[i];
		scene->nodes[i].internal_count = 2;
	}
	scene->vip = (struct election_plan_vip){.nodes = scene->ids, .node_count = 2};
	scene->set.nodes = scene->nodes;
	scene->set.node_count = 3;
	mgmt_peers_plan(&scene->peers, &scene->vip, 1, &scene->set);
}

static void targets_are(const struct scene *scene, uint64_t now_ns, const char *const *expected,
			size_t count)
{
	struct mgmt_address targets[MGMT_TARGETS];
	char text[IP_STRLEN];

	assert_int_equal(mgmt_peers_targets(&scene->peers, now_ns, 0, targets, MGMT_TARGETS),
			 count);
	for (size_t i = 0; i < count; i++)
		assert_string_equal(ip_format(&targets[i].ip, text), expected[i]);
}

#define TARGETS(scene, now_ns, ...)                                                                \
	targets_are(scene, now_ns, (const char *const[]){__VA_ARGS__},                             \
		    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void planned_nodes_are_looked_for_where_their_node_says(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	/* not this node, not one that no plan names, not the other family */
	TARGETS(&scene, NOW, "10.0.0.2");
}

static void where_a_peer_was_heard_it_is(void **state)
{
	const struct mgmt_address elsewhere = at("10.0.9.2", 999);
	struct mgmt_address target;
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	mgmt_peers_heard(&scene.peers, NOW, scene.ids[1], &elsewhere, true);
	TARGETS(&scene, NOW + 1, "10.0.9.2");
	assert_int_equal(mgmt_peers_targets(&scene.peers, NOW, scene.ids[1], &target, 1), 1);
	assert_int_equal(target.port, 999);
	/* Silent there, it may have moved: its Node is asked again, too. */
	TARGETS(&scene, NOW + SECOND_NS, "10.0.9.2", "10.0.0.2");
}

static void a_boot_that_is_not_accepted_leads_nothing_away(void **state)
{
	const struct mgmt_address known = at("10.0.9.2", PORT), other = at("10.0.66.6", PORT);
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	mgmt_peers_heard(&scene.peers, NOW, scene.ids[1], &known, true);
	mgmt_peers_heard(&scene.peers, NOW, scene.ids[1], &other, false);
	TARGETS(&scene, NOW + 1, "10.0.9.2", "10.0.66.6");
	TARGETS(&scene, NOW + 2 * SECOND_NS, "10.0.9.2", "10.0.0.2");
}

static void a_node_that_no_plan_names_is_answered_while_it_speaks(void **state)
{
	const struct mgmt_address from = at("10.0.0.9", PORT);
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	mgmt_peers_heard(&scene.peers, NOW, 4711, &from, true);
	TARGETS(&scene, NOW + 59 * SECOND_NS, "10.0.0.2", "10.0.0.9");
	TARGETS(&scene, NOW + 60 * SECOND_NS, "10.0.0.2");
}

static void what_leaves_the_plan_is_let_go(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	mgmt_peers_plan(&scene.peers, NULL, 0, &scene.set);
	targets_are(&scene, NOW, NULL, 0);
	mgmt_peers_plan(&scene.peers, &scene.vip, 1, &scene.set);
	TARGETS(&scene, NOW, "10.0.0.2");
}

static void strangers_never_push_out_planned_nodes(void **state)
{
	const struct mgmt_address from = at("10.0.0.9", PORT);
	struct mgmt_address targets[MGMT_TARGETS];
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	for (uint32_t i = 0; i < 10 * HEARTBEAT_MAX_PEERS; i++)
		mgmt_peers_heard(&scene.peers, NOW + i, 1000 + i, &from, false);
	assert_int_equal(mgmt_peers_targets(&scene.peers, NOW + SECOND_NS / 2, scene.ids[1],
					    targets, MGMT_TARGETS),
			 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_datagram_arrives_with_its_source),
		cmocka_unit_test(no_more_than_asked_for_are_taken_at_once),
		cmocka_unit_test(a_peer_that_is_not_there_is_no_error),
		cmocka_unit_test(an_address_that_the_node_lacks_may_come_later),
		cmocka_unit_test(addresses_have_numbers_of_their_own),
		cmocka_unit_test(planned_nodes_are_looked_for_where_their_node_says),
		cmocka_unit_test(where_a_peer_was_heard_it_is),
		cmocka_unit_test(a_boot_that_is_not_accepted_leads_nothing_away),
		cmocka_unit_test(a_node_that_no_plan_names_is_answered_while_it_speaks),
		cmocka_unit_test(what_leaves_the_plan_is_let_go),
		cmocka_unit_test(strangers_never_push_out_planned_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
