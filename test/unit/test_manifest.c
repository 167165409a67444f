/* SPDX-License-Identifier: BSD-3-Clause */
/* Manifests: what is read of each kind, and what each mistake is answered with. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "problems_text.h"
#include "source_file.h"

#define CLASS                                                                                      \
	"apiVersion: network.deckhouse.io/v1alpha1\n"                                              \
	"kind: MetalLoadBalancerClass\n"
#define SERVICE                                                                                    \
	"apiVersion: v1\n"                                                                         \
	"kind: Service\n"
#define NODE "{apiVersion: v1, kind: Node, metadata: {name: fe-1}}\n"

static struct object_set *parse(const char *text, char *problems_buf, size_t len)
{
	struct problems problems = {0};
	struct object_set *set = source_file_parse(text, strlen(text), "o.yaml", &problems);

	problems_text(&problems, problems_buf, len);
	return set;
}

/* A set from a text without any problem. */
static struct object_set *parse_right(const char *text)
{
	char problems[1024];
	struct object_set *set = parse(text, problems, sizeof(problems));

	assert_string_equal(problems, "");
	assert_non_null(set);
	return set;
}

static void the_service_of_the_slide_is_understood_with_a_warning(void **state)
{
	static const char text[] =
		SERVICE "metadata:\n"
			"  name: nginx\n"
			"  annotations:\n"
			"    network.deckhouse.io/l2-load-balancer-name: ingress\n"
			"    network.deckhouse.io/"
			"l2-load-balancer-external-ips-count: \"3\"\n"
			"spec:\n"
			"  type: LoadBalancer\n"
			"  LoadBalancerClass: front\n"
			"  selector:\n"
			"    app: nginx\n"
			"  ports:\n"
			"  - port: 80\n";
	const struct object_service *service;
	struct object_set *set;
	char problems[512];

	(void)state;
	set = parse(text, problems, sizeof(problems));
	assert_string_equal(problems, "o.yaml:10:3: warning: found \"LoadBalancerClass\", read as "
				      "loadBalancerClass: Kubernetes knows only this spelling\n");
	assert_non_null(set);
	assert_int_equal(set->service_count, 1);
	service = &set->services[0];
	assert_string_equal(service->meta.name, "nginx");
	assert_string_equal(service->meta.namespace, "default");
	assert_string_equal(service->meta.uid, "default/nginx");
	assert_string_equal(service->meta.where.file, "o.yaml");
	assert_int_equal(service->meta.where.line, 1);
	assert_true(service->load_balancer);
	assert_string_equal(service->class_field, "front");
	assert_string_equal(object_map_get(&service->meta.annotations, OBJECT_ANNOTATION_L2NAME),
			    "ingress");
	assert_string_equal(object_map_get(&service->meta.annotations, OBJECT_ANNOTATION_COUNT),
			    "3");
	assert_string_equal(object_map_get(&service->selector, "app"), "nginx");
	assert_int_equal(service->port_count, 1);
	assert_int_equal(service->ports[0].port, 80);
	assert_int_equal(service->ports[0].target_port, 80);
	assert_int_equal(service->ports[0].protocol, IPPROTO_TCP);
	assert_false(service->policy_local);
	object_set_free(set);
}

static void every_field_of_a_service_is_read(void **state)
{
	static const char text[] =
		SERVICE "metadata:\n"
			"  name: web\n"
			"  namespace: shop\n"
			"  uid: 6a1c\n"
			"  creationTimestamp: 2026-01-02T03:04:05Z\n"
			"  resourceVersion: \"12\"\n"
			"  managedFields: [{manager: kubectl}]\n"
			"spec:\n"
			"  type: LoadBalancer\n"
			"  loadBalancerClass: front\n"
			"  clusterIP: 10.96.0.1\n"
			"  loadBalancerIP: 192.0.2.7\n"
			"  ipFamilies: [IPv6, IPv4]\n"
			"  ipFamilyPolicy: RequireDualStack\n"
			"  externalTrafficPolicy: Local\n"
			"  healthCheckNodePort: 31999\n"
			"  loadBalancerSourceRanges: [\"10.1.2.3/8\", \" 2001:db8::/32 \"]\n"
			"  ports:\n"
			"  - {name: http, port: 80, targetPort: 8080, nodePort: 30080}\n"
			"  - {name: dns, port: 53, targetPort: dns-udp, protocol: UDP}\n"
			"status:\n"
			"  loadBalancer:\n"
			"    ingress:\n"
			"    - ip: 192.0.2.7\n"
			"      ipMode: VIP\n"
			"    - hostname: example.org\n"
			"    - ip: \"2001:db8::7\"\n"
			"  conditions:\n"
			"  - {type: Other, status: \"True\", message: no}\n"
			"  - type: network.deckhouse.io/load-balancer-class\n"
			"    status: \"True\"\n"
			"    reason: LoadBalancerClassBound\n"
			"    message: front\n"
			"    lastTransitionTime: null\n";
	const struct object_service *service;
	char buf[IP_PREFIX_STRLEN], problems[512];
	struct object_set *set;

	(void)state;
	/* "no" without quotes is a boolean: the manifest is Kubernetes' to refuse, and ours */
	set = parse(text, problems, sizeof(problems));
	assert_null(set);
	assert_string_equal(problems,
			    "o.yaml:31:44: error: message: found the boolean no, expected "
			    "a string (write it in quotes: \"no\")\n");
	char *right = strdup(text);
	memcpy(strstr(right, "message: no"), "message: ok", 11);
	set = parse_right(right);
	free(right);
	service = &set->services[0];
	assert_string_equal(service->meta.namespace, "shop");
	assert_string_equal(service->meta.uid, "6a1c");
	assert_int_equal(service->meta.created, 1767323045);
	assert_string_equal(service->load_balancer_ip, "192.0.2.7");
	assert_int_equal(service->family_count, 2);
	assert_true(service->family_v6[0]);
	assert_false(service->family_v6[1]);
	assert_int_equal(service->family_policy, OBJECT_REQUIRE_DUAL_STACK);
	assert_true(service->policy_local);
	assert_int_equal(service->health_check_node_port, 31999);
	assert_int_equal(service->source_count, 2);
	assert_string_equal(ip_prefix_format(&service->sources[0], buf), "10.0.0.0/8");
	assert_string_equal(ip_prefix_format(&service->sources[1], buf), "2001:db8::/32");
	assert_int_equal(service->port_count, 2);
	assert_string_equal(service->ports[0].name, "http");
	assert_int_equal(service->ports[0].target_port, 8080);
	assert_int_equal(service->ports[0].node_port, 30080);
	assert_int_equal(service->ports[1].target_port, 0);
	assert_int_equal(service->ports[1].protocol, IPPROTO_UDP);
	assert_int_equal(service->ingress_count, 2);
	assert_string_equal(ip_format(&service->ingress[1], buf), "2001:db8::7");
	assert_string_equal(service->bound_class, "front");
	object_set_free(set);
}

static void nodes_and_classes_are_read(void **state)
{
	static const char text[] =
		"apiVersion: v1\n"
		"kind: Node\n"
		"metadata: {name: fe-1, labels: {role: front, empty: \"\"}}\n"
		"spec: {taints: [{key: dedicated, effect: NoExecute}]}\n"
		"status:\n"
		"  addresses:\n"
		"  - {type: Hostname, address: fe-1}\n"
		"  - {type: InternalIP, address: 192.0.2.11}\n"
		"  - {type: ExternalIP, address: \"2001:db8::11\"}\n"
		"  conditions:\n"
		"  - {type: NetworkUnavailable, status: \"True\"}\n"
		"---\n" CLASS "metadata: {name: front, creationTimestamp: null}\n"
		"spec:\n"
		"  type: L2\n"
		"  isDefault: true\n"
		"  addressPool:\n"
		"  - 192.0.2.77/26\n"
		"  - 192.0.2.200 -  192.0.2.210\n"
		"  - \"2001:db8::10-2001:db8::1f\"\n"
		"  - 198.51.100.1\n"
		"  nodeSelector: {role: front}\n"
		"  l2: {interfaces: [front, back]}\n"
		"  tolerations: [{operator: Exists}]\n"
		"status: {addresses: 12}\n";
	static const char *const pool[][2] = {
		{"192.0.2.64", "192.0.2.127"},
		{"192.0.2.200", "192.0.2.210"},
		{"2001:db8::10", "2001:db8::1f"},
		{"198.51.100.1", "198.51.100.1"},
	};
	const struct object_class *class;
	const struct object_node *node;
	struct object_set *set;
	char buf[IP_STRLEN];

	(void)state;
	set = parse_right(text);
	assert_int_equal(set->node_count, 1);
	node = &set->nodes[0];
	assert_string_equal(node->meta.namespace, "");
	assert_string_equal(node->meta.uid, "fe-1");
	assert_string_equal(object_map_get(&node->meta.labels, "role"), "front");
	assert_string_equal(object_map_get(&node->meta.labels, "empty"), "");
	assert_null(object_map_get(&node->meta.labels, "other"));
	assert_int_equal(node->address_count, 2);
	assert_string_equal(ip_format(&node->addresses[0], buf), "192.0.2.11");
	assert_string_equal(ip_format(&node->addresses[1], buf), "2001:db8::11");
	assert_true(node->network_unavailable);

	assert_int_equal(set->class_count, 1);
	class = &set->classes[0];
	assert_true(class->is_default);
	assert_int_equal(class->meta.where.line, 13);
	assert_int_equal(class->pool_count, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(ip_format(&class->pool[i].first, buf), pool[i][0]);
		assert_string_equal(ip_format(&class->pool[i].last, buf), pool[i][1]);
	}
	assert_string_equal(object_map_get(&class->node_selector, "role"), "front");
	assert_int_equal(class->interface_count, 2);
	assert_string_equal(class->interfaces[1], "back");
	object_set_free(set);
}

static void slices_and_virtual_ips_are_read(void **state)
{
	static const char text[] =
		"apiVersion: discovery.k8s.io/v1\n"
		"kind: EndpointSlice\n"
		"metadata: {name: web-x, labels: {kubernetes.io/service-name: web}}\n"
		"addressType: IPv4\n"
		"ports: [{name: \"\", port: 8080, protocol: TCP}, {}]\n"
		"endpoints:\n"
		"- {addresses: [10.1.0.1], nodeName: fe-1}\n"
		"- {addresses: [10.1.0.2], conditions: {ready: false}}\n"
		"- {addresses: [10.1.0.3], conditions: {ready: false, serving: true, "
		"terminating: true}}\n"
		"- {addresses: [10.1.0.4], conditions: {ready: true}}\n"
		"- {addresses: [10.1.0.5], conditions: {ready: false, serving: true}}\n"
		"---\n"
		"apiVersion: discovery.k8s.io/v1\n"
		"kind: EndpointSlice\n"
		"metadata: {name: names, labels: {kubernetes.io/service-name: web}}\n"
		"addressType: FQDN\n"
		"endpoints: [{addresses: [example.org]}]\n"
		"---\n"
		"apiVersion: vipgate.io/v1alpha1\n"
		"kind: VirtualIP\n"
		"metadata: {name: 192.0.2.7}\n"
		"spec:\n"
		"  address: 192.0.2.7\n"
		"  class: front\n"
		"  services: [{namespace: shop, name: web, uid: 6a1c, index: 2}]\n"
		"  serviceNames: shop/web\n"
		"  sharedKey: k\n"
		"  nodes: [fe-2, fe-1]\n"
		"status: {node: fe-2, epoch: 3}\n";
	static const bool serving[] = {true, false, true, true, false};
	const struct object_endpoint_slice *slice;
	const struct object_virtual_ip *vip;
	struct object_set *set;

	(void)state;
	set = parse_right(text);
	assert_int_equal(set->slice_count, 1);
	slice = &set->slices[0];
	assert_string_equal(slice->service, "web");
	assert_int_equal(slice->port_count, 2);
	assert_int_equal(slice->ports[0].port, 8080);
	assert_int_equal(slice->endpoint_count, 5);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(slice->endpoints[i].serving, serving[i]);
	assert_string_equal(slice->endpoints[0].node, "fe-1");
	assert_null(slice->endpoints[1].node);

	assert_int_equal(set->virtual_ip_count, 1);
	vip = &set->virtual_ips[0];
	assert_string_equal(vip->class, "front");
	assert_int_equal(vip->service_count, 1);
	assert_string_equal(vip->services[0].uid, "6a1c");
	assert_int_equal(vip->services[0].index, 2);
	assert_string_equal(vip->shared_key, "k");
	assert_int_equal(vip->node_count, 2);
	assert_string_equal(vip->nodes[0], "fe-2");
	object_set_free(set);
}

static void lists_and_empty_documents_are_looked_into(void **state)
{
	static const char text[] =
		"---\n"
		"---\n"
		"apiVersion: v1\n"
		"kind: List\n"
		"items:\n"
		"- " NODE "- {apiVersion: v1, kind: Node, metadata: {name: fe-2}}\n"
		"---\n"
		"apiVersion: v1\n"
		"kind: NodeList\n"
		"items: [{metadata: {name: fe-3}}]\n"
		"---\n"
		"apiVersion: v1\n"
		"kind: List\n";
	struct object_set *set;

	(void)state;
	set = parse_right(text);
	assert_int_equal(set->node_count, 3);
	assert_string_equal(set->nodes[2].meta.name, "fe-3");
	object_set_free(set);
}

/* Else a file that was emptied by mistake would take all VIPs away. */
static void a_file_without_any_object_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"# nothing yet\n",
		"---\n---\n",
		"{apiVersion: v1, kind: List, items: []}\n",
		"{apiVersion: v1, kind: NodeList}\n",
	};
	char problems[512];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_null(parse(texts[i], problems, sizeof(problems)));
		assert_string_equal(problems, "o.yaml:1:1: error: found no object, expected "
					      "manifests of Node, MetalLoadBalancerClass and "
					      "Service\n");
	}
}

static void a_time_is_read_as_rfc_3339_says(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: refused */
	} cases[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2026-01-02T03:04:05.678Z", 1767323045},
		{"2026-01-02T04:04:05+01:00", 1767323045},
		{"2026-01-01T21:34:05-05:30", 1767323045},
		{"2026-01-02", -1},
		{"2026-01-02T03:04:05", -1},
		{"2026-13-02T03:04:05Z", -1},
		{"2026-01-02T03:04:05.Z", -1},
		{"2026-01-02T03:04:05+1:00", -1},
		{"2026-01-02T03:04:05+24:00", -1},
		{" 2026-01-02T03:04:05Z", -1},
		{"2026-01-02T03:04:05Zz", -1},
	};
	char text[256], problems[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set;

		snprintf(text, sizeof(text),
			 "{apiVersion: v1, kind: Node, metadata: {name: a, creationTimestamp: "
			 "\"%s\"}}",
			 cases[i].text);
		set = parse(text, problems, sizeof(problems));
		if (cases[i].seconds < 0)
			assert_null(set);
		else
			assert_int_equal(set->nodes[0].meta.created, cases[i].seconds);
		object_set_free(set);
	}
}

static void anchors_are_understood_and_cannot_be_stretched(void **state)
{
	static const char text[] = "apiVersion: v1\n"
				   "kind: Node\n"
				   "metadata: {name: fe-1, labels: &l {role: front}, "
				   "annotations: *l}\n";
	struct object_set *set;
	char bomb[4096], problems[1024];
	size_t used;

	(void)state;
	set = parse_right(text);
	assert_string_equal(object_map_get(&set->nodes[0].meta.annotations, "role"), "front");
	object_set_free(set);

	used = (size_t)snprintf(bomb, sizeof(bomb), "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 9; i++)
		used += (size_t)snprintf(bomb + used, sizeof(bomb) - used,
					 "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i,
					 i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	assert_null(parse(bomb, problems, sizeof(problems)));
	assert_string_equal(problems,
			    "o.yaml:7:14: error: found an alias that stands for too much, expected "
			    "at most 1048576 values and 64 levels in all\n");
}

static void depth_is_limited(void **state)
{
	char text[512], problems[512];

	(void)state;
	memset(text, '[', 200);
	text[200] = '\0';
	assert_null(parse(text, problems, sizeof(problems)));
	assert_string_equal(problems, "o.yaml:1:65: error: found more than 64 levels, expected "
				      "less nesting\n");
}

#define POOL(entry) CLASS "metadata: {name: a}\nspec: {type: L2, addressPool: [" entry "]}\n"

static void a_bad_pool_is_an_error(void **state)
{
	static const struct {
		const char *entry, *expected;
	} cases[] = {
		{"192.0.2.20-192.0.2.10", "the lower end first"},
		{"2001:db8::2-2001:db8::1", "the lower end first"},
		{"192.0.2.1-2001:db8::1", "two ends of the same family"},
		{"192.0.2.0/33", NULL},
		{"192.0.2.0/-1", NULL},
		{"192.0.2.1-", NULL},
		{"-192.0.2.1", NULL},
		{"192.0.2.1-192.0.2.3-192.0.2.4", NULL},
		{"front", NULL},
		{"", NULL},
		{"0.0.0.0/0", "unicast addresses only"},
		{"::/0", "unicast addresses only"},
		{"223.0.0.0-224.0.0.1", "unicast addresses only"},
		{"fe80::1-fe80::5", "unicast addresses only"},
		{"127.0.0.1", "unicast addresses only"},
	};
	char text[512], expected[512], problems[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), POOL("\"%s\""), cases[i].entry);
		snprintf(expected, sizeof(expected),
			 "o.yaml:4:32: error: addressPool: found \"%s\", expected %s\n",
			 cases[i].entry,
			 cases[i].expected != NULL
				 ? cases[i].expected
				 : "a CIDR such as 192.0.2.0/24 or a range such as "
				   "192.0.2.10-192.0.2.20");
		assert_null(parse(text, problems, sizeof(problems)));
		assert_string_equal(problems, expected);
	}
}

static void classes_must_not_overlap_but_their_entries_may(void **state)
{
#define TWO(a, b)                                                                                  \
	CLASS "metadata: {name: a}\nspec: {type: L2, addressPool: [" a "]}\n---\n" CLASS           \
	      "metadata: {name: b}\nspec: {type: L2, addressPool: [" b "]}\n"
	static const struct {
		const char *text, *problems;
	} cases[] = {
		{TWO("192.0.2.0/24, 192.0.2.8/29", "192.0.3.0/24"), ""},
		{TWO("192.0.2.0-192.0.2.9", "192.0.2.10-192.0.2.19"), ""},
		{TWO("192.0.2.0-192.0.2.10", "192.0.2.10-192.0.2.19"),
		 "o.yaml:9:32: error: addressPool: found \"192.0.2.10-192.0.2.19\", expected "
		 "addresses that no other class has: class a has \"192.0.2.0-192.0.2.10\" in line "
		 "4, column 32\n"},
		/* between the two that clash lies another entry of the first class */
		{TWO("192.0.2.0/24, 192.0.2.1-192.0.2.2", "192.0.2.200"),
		 "o.yaml:9:32: error: addressPool: found \"192.0.2.200\", expected addresses that "
		 "no other class has: class a has \"192.0.2.0/24\" in line 4, column 32\n"},
		/* the entry that reaches furthest is of the same class: the other one counts */
		{TWO("192.0.2.10-192.0.2.100, 192.0.2.50-192.0.2.55", "192.0.2.20-192.0.2.60"),
		 "o.yaml:9:32: error: addressPool: found \"192.0.2.20-192.0.2.60\", expected "
		 "addresses that no other class has: class a has \"192.0.2.10-192.0.2.100\" in "
		 "line 4, column 32\n"
		 "o.yaml:9:32: error: addressPool: found \"192.0.2.20-192.0.2.60\", expected "
		 "addresses that no other class has: class a has \"192.0.2.50-192.0.2.55\" in "
		 "line 4, column 56\n"},
		{TWO("192.0.2.20-192.0.2.100, 192.0.2.50-192.0.2.55", "192.0.2.10-192.0.2.60"),
		 "o.yaml:9:32: error: addressPool: found \"192.0.2.10-192.0.2.60\", expected "
		 "addresses that no other class has: class a has \"192.0.2.20-192.0.2.100\" in "
		 "line 4, column 32\n"
		 "o.yaml:9:32: error: addressPool: found \"192.0.2.10-192.0.2.60\", expected "
		 "addresses that no other class has: class a has \"192.0.2.50-192.0.2.55\" in "
		 "line 4, column 56\n"},
		{TWO("\"2001:db8::8-2001:db8::9\"", "\"2001:db8::/64\""),
		 "o.yaml:9:32: error: addressPool: found \"2001:db8::/64\", expected addresses "
		 "that no other class has: class a has \"2001:db8::8-2001:db8::9\" in line 4, "
		 "column 32\n"},
	};
	char problems[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		object_set_free(parse(cases[i].text, problems, sizeof(problems)));
		assert_string_equal(problems, cases[i].problems);
	}
}

static void the_older_generation_is_read_as_a_class(void **state)
{
	static const char text[] = "apiVersion: network.deckhouse.io/v1alpha1\n"
				   "kind: L2LoadBalancer\n"
				   "metadata: {name: ingress}\n"
				   "spec:\n"
				   "  addressPool: [192.0.2.100-192.0.2.150]\n"
				   "  nodeSelector: {role: front}\n"
				   "  interfaces: [eth1]\n";
	struct object_set *set;
	char problems[512];

	(void)state;
	set = parse(text, problems, sizeof(problems));
	assert_string_equal(problems,
			    "o.yaml:1:1: warning: found an L2LoadBalancer, read as the "
			    "MetalLoadBalancerClass of its name: write it as one before it goes to "
			    "a cluster\n");
	assert_non_null(set);
	assert_int_equal(set->class_count, 1);
	assert_string_equal(set->classes[0].meta.name, "ingress");
	assert_int_equal(set->classes[0].pool_count, 1);
	assert_string_equal(set->classes[0].interfaces[0], "eth1");
	object_set_free(set);
}

#define PORTS(list)                                                                                \
	SERVICE "metadata: {name: web}\nspec:\n  type: LoadBalancer\n  ports: [" list "]\n"

static void a_mistake_is_named_with_its_place(void **state)
{
	static const struct {
		const char *text, *problems;
	} cases[] = {
		/* documents */
		{"5\n", "o.yaml:1:1: error: object: found \"5\", expected a map with apiVersion, "
			"kind and metadata\n"},
		{"kind: Node\n", "o.yaml:1:1: error: found no apiVersion, expected an API version "
				 "such as v1\n"},
		{"apiVersion: v1\n",
		 "o.yaml:1:1: error: found no kind, expected a kind such as Service\n"},
		{NODE "---\na: b: c\n", "o.yaml:3:5: error: this is no YAML: mapping values are "
					"not allowed in this context\n"},
		{NODE "---\n" NODE, "o.yaml:3:1: error: found the Node fe-1 again, expected it "
				    "once: it is already in line 1, column 1\n"},
		{"a: 1\na: 2\n", "o.yaml:2:1: error: found the key \"a\" again, expected it once: "
				 "it is already in line 1, column 1\no.yaml:1:1: error: found no "
				 "kind, expected a kind such as Service\n"},
		{"a: *b\n", "o.yaml:1:4: error: found the alias \"b\", expected an anchor of that "
			    "name before it\no.yaml:1:1: error: found no kind, expected a kind "
			    "such as Service\n"},
		{"apiVersion: !v1 v1\nkind: Node\n",
		 "o.yaml:1:13: error: found the tag \"!v1\", expected a value without one\n"},
		/* kinds */
		{"apiVersion: network.deckhouse.io/v1alpha1\nkind: MetalLoadbalancerClas\n",
		 "o.yaml:2:7: error: found kind \"MetalLoadbalancerClas\" of "
		 "\"network.deckhouse.io/v1alpha1\", expected MetalLoadBalancerClass of "
		 "network.deckhouse.io/v1alpha1\n"},
		{"apiVersion: network.deckhouse.io/v1\nkind: L2LoadBalancer\n",
		 "o.yaml:2:7: error: found kind \"L2LoadBalancer\" of "
		 "\"network.deckhouse.io/v1\", expected L2LoadBalancer of "
		 "network.deckhouse.io/v1alpha1\n"},
		{"apiVersion: vipgate.io/v2\nkind: VirtualIP\n",
		 "o.yaml:2:7: error: found kind \"VirtualIP\" of \"vipgate.io/v2\", expected "
		 "VirtualIP of vipgate.io/v1alpha1\n"},
		{"apiVersion: vipgate.io/v1alpha1\nkind: Route\n",
		 "o.yaml:2:7: error: found kind \"Route\" of \"vipgate.io/v1alpha1\", expected "
		 "VirtualIP of vipgate.io/v1alpha1\n"},
		/* metadata */
		{"apiVersion: v1\nkind: Node\n",
		 "o.yaml:1:1: error: found no metadata, expected a map with a name\n"},
		{"apiVersion: v1\nkind: Node\nmetadata: {}\n",
		 "o.yaml:3:11: error: found no name, expected a name of lower-case letters, "
		 "digits, - and .\n"},
		{"apiVersion: v1\nkind: Node\nmetadata: {name: Fe_1}\n",
		 "o.yaml:3:18: error: name: found \"Fe_1\", expected a name of lower-case letters, "
		 "digits, - and .\n"},
		{"apiVersion: v1\nkind: Node\nmetadata: {name: a, labels: {x: 1, y: true}}\n",
		 "o.yaml:3:33: error: x: found the number 1, expected a string (write it in "
		 "quotes: \"1\")\n"
		 "o.yaml:3:39: error: y: found the boolean true, expected a string (write it in "
		 "quotes: \"true\")\n"},
		{"apiVersion: v1\nkind: Node\nmetadata: {name: a, creationTimestamp: now}\n",
		 "o.yaml:3:40: error: creationTimestamp: found \"now\", expected a time such as "
		 "2026-01-02T03:04:05Z\n"},
		/* classes */
		{CLASS "metadata: {name: a}\nspec: {type: BGP}\n",
		 "o.yaml:4:14: error: type: found \"BGP\", expected L2\n"
		 "o.yaml:4:7: error: found no addressPool, expected a list of 1 to 4096 CIDRs and "
		 "ranges\n"},
		{CLASS "metadata: {name: a}\n",
		 "o.yaml:1:1: error: found no spec, expected a map with type and addressPool\n"},
		{CLASS "metadata: {name: a}\nspec: {type: L2, addressPool: mypool}\n",
		 "o.yaml:4:31: error: addressPool: found \"mypool\", expected a list of 1 to 4096 "
		 "CIDRs and ranges\n"},
		{CLASS "metadata: {name: a}\nspec: {type: L2, addressPool: []}\n",
		 "o.yaml:4:31: error: addressPool: found an empty list, expected a list of 1 to "
		 "4096 CIDRs and ranges\n"},
		/* Services */
		{PORTS("{port: 0}, {port: 65536}, {port: \"80\"}, {}"),
		 "o.yaml:6:18: error: port: found \"0\", expected a port from 1 to 65535\n"
		 "o.yaml:6:29: error: port: found \"65536\", expected a port from 1 to 65535\n"
		 "o.yaml:6:44: error: port: found \"80\", expected a port from 1 to 65535, without "
		 "quotes\n"
		 "o.yaml:6:51: error: found no port, expected a port\n"},
		{PORTS("{port: 80, protocol: tcp, targetPort: \"80\"}"),
		 "o.yaml:6:32: error: protocol: found \"tcp\", expected TCP, UDP or SCTP\n"
		 "o.yaml:6:49: error: targetPort: found \"80\", expected a port from 1 to 65535, "
		 "or "
		 "a port's name\n"},
		{PORTS("{port: 80}, {port: 80, protocol: UDP}, {port: 80}"),
		 "o.yaml:6:50: error: ports: found port 80 of one protocol again, expected it "
		 "once\n"},
		{SERVICE "metadata: {name: web}\nspec: {type: LoadBalancer}\n",
		 "o.yaml:1:1: error: found no ports, expected at least one in a Service of type "
		 "LoadBalancer\n"},
		{SERVICE "metadata: {name: web}\nspec: {type: Loadbalancer, ipFamilies: [IPv4, "
			 "IPv4], ipFamilyPolicy: Dual, externalTrafficPolicy: Near, "
			 "loadBalancerSourceRanges: [10.0.0.1]}\n",
		 "o.yaml:4:14: error: type: found \"Loadbalancer\", expected ClusterIP, NodePort, "
		 "LoadBalancer or ExternalName\n"
		 "o.yaml:4:47: error: ipFamilies: found \"IPv4\", expected IPv4 or IPv6, each "
		 "once\n"
		 "o.yaml:4:70: error: ipFamilyPolicy: found \"Dual\", expected SingleStack, "
		 "PreferDualStack or RequireDualStack\n"
		 "o.yaml:4:99: error: externalTrafficPolicy: found \"Near\", expected Cluster or "
		 "Local\n"
		 "o.yaml:4:132: error: loadBalancerSourceRanges: found \"10.0.0.1\", expected a "
		 "CIDR such as 192.0.2.0/24\n"},
		/* other kinds */
		{"apiVersion: vipgate.io/v1alpha1\nkind: VirtualIP\nmetadata: {name: x}\nspec: "
		 "{address: x, class: front}\n",
		 "o.yaml:4:17: error: address: found \"x\", expected an address such as "
		 "192.0.2.10\n"},
	};
	char problems[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(parse(cases[i].text, problems, sizeof(problems)));
		assert_string_equal(problems, cases[i].problems);
	}
}

static void what_vipgate_does_not_read_is_a_warning_at_most(void **state)
{
	static const struct {
		const char *text, *problems;
	} cases[] = {
		{"{apiVersion: apps/v1, kind: Deployment}\n---\n{apiVersion: apps/v1, kind: "
		 "Deployment}\n---\n{apiVersion: serving.knative.dev/v1, kind: Service}\n"
		 "---\n" NODE,
		 "o.yaml:1:29: warning: found kind \"Deployment\" of \"apps/v1\": ignored, vipgate "
		 "does not read it\n"
		 "o.yaml:5:44: warning: found kind \"Service\" of \"serving.knative.dev/v1\": "
		 "ignored, vipgate does not read it\n"},
		/* Deckhouse's group holds kinds that are not about load balancers */
		{"{apiVersion: network.deckhouse.io/v1alpha1, kind: EgressGateway}\n"
		 "---\n" NODE,
		 "o.yaml:1:51: warning: found kind \"EgressGateway\" of "
		 "\"network.deckhouse.io/v1alpha1\": ignored, vipgate does not read it\n"},
		{SERVICE "metadata: {name: web}\nspec: {sessionAffinity: None, clusterIPs: []}\n",
		 ""},
		{SERVICE "metadata: {name: web}\nspec: {loadBalancerClass: a, LoadBalancerClass: "
			 "b}\n",
		 "o.yaml:4:30: warning: found \"LoadBalancerClass\" beside loadBalancerClass: "
		 "ignored, Kubernetes knows only loadBalancerClass\n"},
		{CLASS
		 "metadata: {name: a}\nspec: {type: L2, addressPool: [192.0.2.1], nodeselector: "
		 "{a: b}, adressPool: []}\n",
		 "o.yaml:4:44: warning: found \"nodeselector\", read as nodeSelector: Kubernetes "
		 "knows only this spelling\n"
		 "o.yaml:4:66: warning: found the unknown key \"adressPool\", did you mean "
		 "addressPool?\n"},
		{"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\n"
		 "---\n" NODE,
		 "o.yaml:1:1: warning: found no label kubernetes.io/service-name, expected the "
		 "Service that this EndpointSlice belongs to\n"},
	};
	char problems[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set = parse(cases[i].text, problems, sizeof(problems));

		assert_string_equal(problems, cases[i].problems);
		assert_non_null(set);
		object_set_free(set);
	}
}

static void the_sample_is_right(void **state)
{
	struct problems problems = {0};
	struct object_set *set;
	char buf[1024];

	(void)state;
	set = source_file_load(SOURCE_ROOT "/conf/objects.yaml", &problems);
	assert_non_null(set);
	assert_int_equal(problems.count, 1); /* the slide's spelling */
	assert_non_null(strstr(problems_text(&problems, buf, sizeof(buf)), "LoadBalancerClass"));
	assert_int_equal(set->node_count, 3);
	assert_int_equal(set->class_count, 1);
	assert_int_equal(set->service_count, 1);
	assert_string_equal(set->services[0].class_field, "front");
	object_set_free(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_service_of_the_slide_is_understood_with_a_warning),
		cmocka_unit_test(every_field_of_a_service_is_read),
		cmocka_unit_test(nodes_and_classes_are_read),
		cmocka_unit_test(slices_and_virtual_ips_are_read),
		cmocka_unit_test(lists_and_empty_documents_are_looked_into),
		cmocka_unit_test(a_file_without_any_object_is_refused),
		cmocka_unit_test(a_time_is_read_as_rfc_3339_says),
		cmocka_unit_test(anchors_are_understood_and_cannot_be_stretched),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(a_bad_pool_is_an_error),
		cmocka_unit_test(classes_must_not_overlap_but_their_entries_may),
		cmocka_unit_test(the_older_generation_is_read_as_a_class),
		cmocka_unit_test(a_mistake_is_named_with_its_place),
		cmocka_unit_test(what_vipgate_does_not_read_is_a_warning_at_most),
		cmocka_unit_test(the_sample_is_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
