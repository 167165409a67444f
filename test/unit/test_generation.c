/* SPDX-License-Identifier: BSD-3-Clause */
/* What follows from a source file: tables, plans, health targets, notes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "config.h"
#include "generation.h"
#include "name.h"

#define NODES                                                                                      \
	"apiVersion: v1\nkind: Node\nmetadata: {name: fe-1}\n---\n"                                \
	"apiVersion: v1\nkind: Node\nmetadata: {name: fe-2}\n---\n"
#define CLASS(NAME, POOL, INTERFACES)                                                              \
	"apiVersion: network.deckhouse.io/v1alpha1\nkind: MetalLoadBalancerClass\n"                \
	"metadata: {name: " NAME "}\n"                                                             \
	"spec: {type: L2, addressPool: [" POOL "], l2: {interfaces: [" INTERFACES "]}}\n---\n"
#define SERVICE(NAME, CLASS, MORE, PORTS)                                                          \
	"apiVersion: v1\nkind: Service\nmetadata: {name: " NAME "}\n"                              \
	"spec: {type: LoadBalancer, loadBalancerClass: " CLASS ", " MORE                           \
	" selector: {app: x}, ports: [" PORTS "]}\n---\n"
#define HTTP "{name: http, port: 80, protocol: TCP}"
#define DNS  "{name: dns, port: 53, protocol: UDP}"

static const struct config_interface interfaces[] = {
	{.name = "front", .group = "front"},
	{.name = "back", .group = "back"},
};

/* As daemon and check would read a file with this text. */
static struct generation *read_text(const char *text, const struct ipam_previous *previous,
				    size_t previous_count, struct problems *problems)
{
	const struct config config = {
		.node = "fe-1",
		.interfaces = interfaces,
		.interface_count = 2,
	};
	char path[] = "/tmp/vipgate-generation-XXXXXX";
	struct generation *generation;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	generation = generation_read(&config, path, previous, previous_count, NULL, problems);
	unlink(path);
	return generation;
}

static struct generation *read_good(const char *text)
{
	struct problems problems = {0};
	struct generation *generation = read_text(text, NULL, 0, &problems);
	char line[512];

	if (generation == NULL)
		fail_msg("%s", problems.count > 0
				       ? problem_format(&problems.list[0], line, sizeof(line))
				       : "no memory");
	problems_fini(&problems);
	return generation;
}

static struct ip ip(const char *text)
{
	struct ip address;

	assert_int_equal(ip_parse(text, &address), 0);
	return address;
}

static void an_interface_gets_the_vips_of_its_classes(void **state)
{
	struct generation *generation = read_good(
		NODES CLASS("front", "192.0.2.0/30", "front") CLASS("all", "192.0.2.8/30", "")
			SERVICE("a", "front", "", HTTP) SERVICE("b", "all", "", HTTP));
	const struct derive_interface *front = &generation->interfaces[0];
	const struct derive_interface *back = &generation->interfaces[1];
	struct ip of_front = ip("192.0.2.0"), of_all = ip("192.0.2.8");

	(void)state;
	assert_int_equal(front->count, 2);
	assert_true(ip_equal(&front->addresses[0], &of_front));
	assert_true(ip_equal(&front->specs[1].address, &of_all));
	assert_true(ip_equal(&front->plan[1].address, &of_all));
	assert_int_equal(back->count, 1);
	assert_true(ip_equal(&back->addresses[0], &of_all));
	generation_free(generation);
}

static void the_plan_of_a_vip_names_nodes_by_their_ids(void **state)
{
	struct generation *generation = read_good(NODES CLASS("front", "192.0.2.0/30", "front")
							  SERVICE("a", "front", "", HTTP));
	const struct election_plan_vip *vip = &generation->interfaces[0].plan[0];
	uint32_t one = name_id("fe-1"), two = name_id("fe-2");

	(void)state;
	assert_int_equal(vip->node_count, 2);
	assert_true((vip->nodes[0] == one && vip->nodes[1] == two) ||
		    (vip->nodes[0] == two && vip->nodes[1] == one));
	generation_free(generation);
}

static void a_table_opens_each_port_to_its_sources(void **state)
{
	struct generation *generation = read_good(NODES CLASS("front", "192.0.2.0/30", "front")
							  SERVICE("a", "front",
								  "loadBalancerSourceRanges: "
								  "[198.51.100.0/24],",
								  HTTP ", " DNS));
	const struct vip_spec *spec = &generation->interfaces[0].specs[0];

	(void)state;
	assert_int_equal(spec->port_count, 2);
	assert_int_equal(spec->ports[0].protocol, IPPROTO_TCP);
	assert_int_equal(spec->ports[0].port, 80);
	assert_int_equal(spec->ports[1].protocol, IPPROTO_UDP);
	assert_int_equal(spec->ports[0].source_count, 1);
	assert_int_equal(spec->ports[0].sources[0].len, 96 + 24);
	assert_false(spec->owned);
	generation_free(generation);
}

static void tcp_ports_are_probed_at_one_vip_of_each_family(void **state)
{
	struct generation *generation = read_good(NODES CLASS(
		"front", "192.0.2.0/28, \"2001:db8::/124\"",
		"front") "apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: "
			 "{network.deckhouse.io/l2-load-balancer-external-ips-count: \"3\"}}\n"
			 "spec: {type: LoadBalancer, loadBalancerClass: front, ipFamilyPolicy: "
			 "RequireDualStack, ipFamilies: [IPv4, IPv6], selector: {app: x}, ports: "
			 "[" HTTP ", " DNS "]}\n");

	(void)state;
	assert_int_equal(generation->interfaces[0].count, 6);
	assert_int_equal(generation->target_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(generation->targets[i].key, "default/a");
		assert_int_equal(generation->targets[i].port, 80);
	}
	assert_true(ip_is_v4(&generation->targets[0].address));
	assert_false(ip_is_v4(&generation->targets[1].address));
	generation_free(generation);
}

static void endpoints_on_this_node_are_probed_instead(void **state)
{
	struct generation *generation =
		read_good(NODES CLASS("front", "192.0.2.0/30", "front") SERVICE(
			"a", "front", "",
			HTTP) "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
			      "metadata: {name: a-1, labels: {kubernetes.io/service-name: a}}\n"
			      "addressType: IPv4\nports: [{name: http, port: 8080, protocol: "
			      "TCP}]\n"
			      "endpoints:\n"
			      "- {addresses: [10.0.0.1], nodeName: fe-1, conditions: {ready: "
			      "true}}\n"
			      "- {addresses: [10.0.0.2], nodeName: fe-2, conditions: {ready: "
			      "true}}\n"
			      "- {addresses: [10.0.0.3], nodeName: fe-1, conditions: {ready: "
			      "false}}\n");
	struct ip local = ip("10.0.0.1");

	(void)state;
	assert_int_equal(generation->target_count, 1);
	assert_true(ip_equal(&generation->targets[0].address, &local));
	assert_int_equal(generation->targets[0].port, 8080);
	generation_free(generation);
}

static void allocations_survive_into_the_next_generation(void **state)
{
	static const char before[] = NODES CLASS("front", "192.0.2.0/30", "front")
		SERVICE("a", "front", "", HTTP) SERVICE("b", "front", "", HTTP);
	static const char after[] =
		NODES CLASS("front", "192.0.2.0/30", "front") SERVICE("b", "front", "", HTTP);
	struct generation *first = read_good(before), *second;
	struct problems problems = {0};
	struct ip kept = ip("192.0.2.1");

	(void)state;
	assert_int_equal(first->previous_count, 2);
	second = read_text(after, first->previous, first->previous_count, &problems);
	assert_non_null(second);
	assert_int_equal(second->allocations->vip_count, 1);
	assert_true(ip_equal(&second->allocations->vips[0].address, &kept));
	assert_non_null(generation_vip(second, &kept));
	assert_true(derive_vip_has_service(&second->allocations->vips[0], "default/b"));
	assert_false(derive_vip_has_service(&second->allocations->vips[0], "default/a"));
	problems_fini(&problems);
	generation_free(second);
	generation_free(first);
}

static void this_nodes_addresses_and_gateways_are_no_vips(void **state)
{
	const struct ip_prefix addresses[] = {{.addr = ip("192.0.2.0"), .len = 96 + 24}};
	const struct ip gateways[] = {ip("192.0.2.1")};
	const struct config_interface front = {.name = "front",
					       .group = "front",
					       .addresses = addresses,
					       .address_count = 1,
					       .gateways = gateways,
					       .gateway_count = 1};
	const struct config config = {.node = "fe-1", .interfaces = &front, .interface_count = 1};
	static const char text[] =
		NODES CLASS("front", "192.0.2.0/30", "front") SERVICE("a", "front", "", HTTP);
	char path[] = "/tmp/vipgate-generation-XXXXXX";
	struct problems problems = {0};
	struct generation *generation;
	struct ip free_one = ip("192.0.2.2");
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	generation = generation_read(&config, path, NULL, 0, NULL, &problems);
	unlink(path);
	assert_non_null(generation);
	assert_true(ip_equal(&generation->allocations->vips[0].address, &free_one));
	problems_fini(&problems);
	generation_free(generation);
}

static void a_pool_knows_its_size_and_use(void **state)
{
	static const struct {
		const char *text;
		uint64_t total, used;
	} cases[] = {
		{NODES CLASS("c", "192.0.2.0/24", "") SERVICE("a", "c", "", HTTP), 256, 1},
		{NODES CLASS("c", "192.0.2.1-192.0.2.3, 192.0.2.9", ""), 4, 0},
		{NODES CLASS("c", "\"2001:db8::/32\", \"2001:db9::/32\"", ""), UINT64_C(1) << 53,
		 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct generation *generation = read_good(cases[i].text);
		uint64_t total, used;

		derive_pool_usage(generation->allocations, &generation->set->classes[0], &total,
				  &used);
		assert_int_equal(total, cases[i].total);
		assert_int_equal(used, cases[i].used);
		generation_free(generation);
	}
}

static void notes_of_two_generations_can_be_told_apart(void **state)
{
	struct generation *full = read_good(NODES CLASS("c", "192.0.2.0/32", "") SERVICE(
		"a", "c", "", HTTP) SERVICE("b", "c", "", HTTP));
	bool warned = false;

	(void)state;
	assert_true(full->note_count > 0);
	for (size_t i = 0; i < full->note_count; i++) {
		assert_true(generation_has_note(full, full->notes[i].text));
		warned |= full->notes[i].warning &&
			  strstr(full->notes[i].text, "AllocationFailed") != NULL;
	}
	assert_true(warned);
	assert_false(generation_has_note(full, "another"));
	assert_false(generation_has_note(NULL, full->notes[0].text));
	assert_true(generation_has_node(full, "fe-2"));
	assert_false(generation_has_node(full, "fe-3"));
	generation_free(full);
}

static void an_error_gives_no_generation_and_says_why(void **state)
{
	struct problems problems = {0};

	(void)state;
	assert_null(read_text(NODES CLASS("c", "192.0.2.900", ""), NULL, 0, &problems));
	assert_true(problems.errors > 0);
	problems_fini(&problems);
}

static void names_are_found_by_id_and_clashes_are_refused(void **state)
{
	struct names names = {0};
	const char *other = NULL;
	char hex[NAME_HEX_LEN];

	(void)state;
	assert_int_equal(names_add(&names, "fe-1", &other), 0);
	assert_int_equal(names_add(&names, "fe-2", &other), 0);
	assert_int_equal(names_add(&names, "fe-1", &other), 0);
	assert_int_equal(names.count, 2);
	/* printf abc | sha256sum */
	assert_int_equal(name_id("abc"), 0xba7816bf);
	assert_string_equal(names_get(&names, name_id("fe-2"), hex), "fe-2");
	assert_string_equal(names_get(&names, 0xabc, hex), "00000abc");
	assert_null(names_get(&names, 0, hex));
	names_fini(&names);
	/* a name that was learned with the id of another one */
	assert_int_equal(names_add(&names, "fe-1", &other), 0);
	names.list[0].id = name_id("fe-3");
	assert_int_equal(names_add(&names, "fe-3", &other), -EEXIST);
	assert_string_equal(other, "fe-1");
	names_fini(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interface_gets_the_vips_of_its_classes),
		cmocka_unit_test(the_plan_of_a_vip_names_nodes_by_their_ids),
		cmocka_unit_test(a_table_opens_each_port_to_its_sources),
		cmocka_unit_test(tcp_ports_are_probed_at_one_vip_of_each_family),
		cmocka_unit_test(endpoints_on_this_node_are_probed_instead),
		cmocka_unit_test(allocations_survive_into_the_next_generation),
		cmocka_unit_test(this_nodes_addresses_and_gateways_are_no_vips),
		cmocka_unit_test(a_pool_knows_its_size_and_use),
		cmocka_unit_test(notes_of_two_generations_can_be_told_apart),
		cmocka_unit_test(an_error_gives_no_generation_and_says_why),
		cmocka_unit_test(names_are_found_by_id_and_clashes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
