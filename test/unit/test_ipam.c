/* SPDX-License-Identifier: BSD-3-Clause */
/* Which addresses Services get, keep and lose, and what is said about it. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/ipam.h"
#include "set_builder.h"

static struct ipam_result *run(const struct object_set *set, struct ipam_result *before)
{
	const struct ipam_previous *previous = NULL;
	struct ipam_result *result;
	size_t count = 0;

	if (before)
		previous = ipam_remember(before, &count);
	result = ipam_run(set, previous, count, NULL, 0);
	assert_non_null(result);
	return result;
}

/* A Service's ingress as "a,b"; "-" when it is none of ours. */
static const char *ingress(struct ipam_result *result, const char *name)
{
	for (size_t i = 0; i < result->service_count; i++) {
		const struct ipam_service *service = &result->services[i];
		const char *text = "";
		char buf[IP_STRLEN];

		if (strcmp(service->service->meta.name, name) != 0)
			continue;
		for (size_t j = 0; j < service->ingress_count; j++)
			text = arena_printf(result->arena, "%s%s%s", text, j ? "," : "",
					    ip_format(&service->ingress[j], buf));
		return text;
	}
	return "-";
}

/* The text of the first message with a reason on an object, or NULL. */
static const char *said(const struct ipam_result *result, const char *reason, const char *name)
{
	for (size_t i = 0; i < result->message_count; i++)
		if (strcmp(result->messages[i].reason, reason) == 0 &&
		    strcmp(result->messages[i].object->name, name) == 0)
			return result->messages[i].text;
	return NULL;
}

static void the_class_is_named_in_order(void **state)
{
	static const struct {
		const char *field, *class, *l2name, *bound, *expect;
		bool warned;
	} cases[] = {
		{"front", NULL, NULL, NULL, "front", false},
		{"front", "back", NULL, NULL, "front", true},
		{"front", NULL, "ingress", NULL, "front", true}, /* "ingress" is no class at all */
		{"front", "front", "front", NULL, "front", false},
		{NULL, "back", "front", NULL, "back", true},
		{NULL, NULL, "back", NULL, "back", false},
		{NULL, NULL, NULL, "back", "back", false},
		{NULL, NULL, NULL, "gone", "usual", false},
		{NULL, NULL, NULL, NULL, "usual", false},
		{"", "", "", NULL, "usual", false},
		{"foreign", NULL, NULL, NULL, NULL, false},
		{"foreign", "front", NULL, "front", NULL, false},
		{NULL, "foreign", "front", NULL, NULL, false},
		{NULL, NULL, "foreign", "front", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set = set_new(1);
		struct object_service *service = set_service(set, "web", cases[i].field, NULL);
		const struct object_class *class;
		struct ipam_result *result;

		set_class(set, "front", "192.0.2.10-192.0.2.19");
		set_class(set, "back", "192.0.2.20-192.0.2.29");
		set_class(set, "usual", "192.0.2.30-192.0.2.39")->is_default = true;
		if (cases[i].class)
			set_annotate(set, &service->meta, OBJECT_ANNOTATION_CLASS, cases[i].class);
		if (cases[i].l2name)
			set_annotate(set, &service->meta, OBJECT_ANNOTATION_L2NAME,
				     cases[i].l2name);
		service->bound_class = cases[i].bound;
		class = ipam_class_of(set, service, NULL);
		if (cases[i].expect)
			assert_string_equal(class->meta.name, cases[i].expect);
		else
			assert_null(class);
		result = run(set, NULL);
		assert_int_equal(result->vip_count, cases[i].expect ? 1 : 0);
		assert_int_equal(said(result, "ClassMismatch", "web") != NULL, cases[i].warned);
		ipam_result_free(result);
		object_set_free(set);
	}
}

static void a_service_of_another_type_is_not_ours(void **state)
{
	struct object_set *set = set_new(1);
	struct ipam_result *result;

	(void)state;
	set_class(set, "front", "192.0.2.10-192.0.2.19");
	set_service(set, "web", "front", "2")->load_balancer = false;
	result = run(set, NULL);
	assert_int_equal(result->vip_count + result->service_count + result->message_count, 0);
	ipam_result_free(result);
	object_set_free(set);
}

static void of_several_defaults_the_oldest_then_the_smallest_name_is_taken(void **state)
{
	static const struct {
		int64_t a, b;
		const char *expect;
	} cases[] = {
		{0, 0, "a"}, {5, 5, "a"}, {9, 5, "b"}, {5, 9, "a"}, {0, 5, "b"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set = set_new(1);
		struct object_class *b = set_class(set, "b", "192.0.2.20");
		struct object_class *a = set_class(set, "a", "192.0.2.10");

		a->is_default = b->is_default = true;
		a->meta.created = cases[i].a;
		b->meta.created = cases[i].b;
		set_service(set, "web", NULL, NULL);
		assert_string_equal(ipam_class_of(set, &set->services[0], NULL)->meta.name,
				    cases[i].expect);
		object_set_free(set);
	}
}

static void the_count_is_read_and_nonsense_is_one(void **state)
{
	static const struct {
		const char *count;
		size_t expect;
		bool warned;
	} cases[] = {
		{NULL, 1, false},
		{"1", 1, false},
		{"3", 3, false},
		{" 7 ", 7, false},
		{"64", 64, false},
		{"65", 64, true},
		{"99999999999999999999", 64, true},
		{"0", 1, true},
		{"-1", 1, true},
		{"three", 1, true},
		{"3.0", 1, true},
		{"2 3", 1, true},
		{"", 1, false},
		{"0x10", 1, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set = set_new(1);
		struct ipam_result *result;

		set_class(set, "front", "192.0.2.0/24");
		set_service(set, "web", "front", cases[i].count);
		result = run(set, NULL);
		assert_int_equal(result->vip_count, cases[i].expect);
		assert_int_equal(result->services[0].wanted, cases[i].expect);
		assert_int_equal(said(result, "InvalidCount", "web") != NULL, cases[i].warned);
		ipam_result_free(result);
		object_set_free(set);
	}
}

static void pools_are_walked_in_list_order_and_every_address_is_usable(void **state)
{
	static const struct {
		const char *pool, *avoid, *count, *expect;
	} cases[] = {
		{"192.0.2.0/30", NULL, "4", "192.0.2.0,192.0.2.1,192.0.2.2,192.0.2.3"},
		{"192.0.2.8-192.0.2.9,192.0.2.0/31", NULL, "4",
		 "192.0.2.8,192.0.2.9,192.0.2.0,192.0.2.1"},
		/* overlapping entries are one, in the place of the first */
		{"192.0.2.8-192.0.2.9,192.0.2.1,192.0.2.7-192.0.2.8", NULL, "4",
		 "192.0.2.7,192.0.2.8,192.0.2.9,192.0.2.1"},
		{"192.0.2.1,192.0.2.8,192.0.2.5-192.0.2.6,192.0.2.6-192.0.2.8", NULL, "3",
		 "192.0.2.1,192.0.2.5,192.0.2.6"},
		{"192.0.2.254-192.0.3.1", NULL, "3", "192.0.2.254,192.0.2.255,192.0.3.0"},
		{"192.0.2.254-192.0.3.2", "true", "3", "192.0.2.254,192.0.3.1,192.0.3.2"},
		{"192.0.2.254-192.0.3.2", "yes", "2", "192.0.2.254,192.0.2.255"},
		{"2001:db8::/64", NULL, "2", "2001:db8::,2001:db8::1"},
		{"2001:db8::/64", "true", "2", "2001:db8::1,2001:db8::2"},
		{"2001:db8::-2001:db8::2", "true", "2", "2001:db8::,2001:db8::1"}, /* no CIDR */
		{"2001:db8::7/128", "true", "1", "2001:db8::7"},
		{"2001:db8::ffff-2001:db8::1:1", NULL, "2", "2001:db8::ffff,2001:db8::1:0"},
		{"255.255.255.254/31", NULL, "3", "255.255.255.254,255.255.255.255"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127", NULL, "3",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe,"
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set = set_new(1);
		struct object_class *class = set_class(set, "front", cases[i].pool);
		struct ipam_result *result;

		if (cases[i].avoid)
			set_annotate(set, &class->meta, "vipgate.io/avoid-buggy-ips",
				     cases[i].avoid);
		set_service(set, "web", "front", cases[i].count);
		result = run(set, NULL);
		assert_string_equal(ingress(result, "web"), cases[i].expect);
		ipam_result_free(result);
		object_set_free(set);
	}
}

static void families_follow_the_service_then_the_pool(void **state)
{
	enum {
		SINGLE = OBJECT_SINGLE_STACK,
		PREFER = OBJECT_PREFER_DUAL_STACK,
		REQUIRE = OBJECT_REQUIRE_DUAL_STACK
	};
#define V4   "192.0.2.10-192.0.2.19"
#define V6   "2001:db8::10-2001:db8::19"
#define V4_1 "192.0.2.10"
#define V6_1 "2001:db8::10"
	static const struct {
		const char *pool, *families;
		int policy;
		const char *expect;
		size_t wanted;
	} cases[] = {
		{V4, "", SINGLE, V4_1, 1},
		{V6, "", SINGLE, V6_1, 1},
		{V6 "," V4, "", SINGLE, V4_1, 1},
		{V4 "," V6, "6", SINGLE, V6_1, 1},
		{V4 "," V6, "4", SINGLE, V4_1, 1},
		{V4, "6", SINGLE, "", 1},
		{V4 "," V6, "46", SINGLE, V4_1 "," V6_1, 2},
		{V4 "," V6, "64", SINGLE, V6_1 "," V4_1, 2},
		{V4 "," V6, "", PREFER, V4_1 "," V6_1, 2},
		{V4 "," V6, "6", PREFER, V6_1 "," V4_1, 2},
		{V4, "64", PREFER, V4_1, 1},
		{V6, "46", PREFER, V6_1, 1},
		{V6, "", PREFER, V6_1, 1},
		{V4 "," V6, "", REQUIRE, V4_1 "," V6_1, 2},
		{V4 "," V6, "64", REQUIRE, V6_1 "," V4_1, 2},
		{V4, "46", REQUIRE, V4_1, 2},
		{V6, "46", REQUIRE, V6_1, 2},
		{"", "", SINGLE, "", 1},
		{"", "", PREFER, "", 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set = set_new(1);
		struct object_service *service = set_service(set, "web", "front", NULL);
		struct ipam_result *result;

		set_class(set, "front", cases[i].pool);
		service->family_policy = (enum object_family_policy)cases[i].policy;
		for (const char *f = cases[i].families; *f; f++)
			service->family_v6[service->family_count++] = *f == '6';
		result = run(set, NULL);
		assert_string_equal(ingress(result, "web"), cases[i].expect);
		assert_int_equal(result->services[0].wanted, cases[i].wanted);
		assert_int_equal(said(result, "AllocationFailed", "web") != NULL,
				 result->services[0].ingress_count < cases[i].wanted);
		ipam_result_free(result);
		object_set_free(set);
	}
}

static void all_of_the_first_family_come_before_the_second(void **state)
{
	struct object_set *set = set_new(1);
	struct object_service *service = set_service(set, "web", "front", "2");
	struct ipam_result *result;

	(void)state;
	set_class(set, "front", V4 "," V6);
	service->family_policy = OBJECT_REQUIRE_DUAL_STACK;
	service->family_v6[0] = true;
	service->family_count = 2;
	result = run(set, NULL);
	assert_string_equal(ingress(result, "web"),
			    "2001:db8::10,2001:db8::11,192.0.2.10,192.0.2.11");
	ipam_result_free(result);
	object_set_free(set);
}

static void a_second_family_in_the_pool_does_not_move_a_service_that_states_none(void **state)
{
	struct object_set *before = set_new(1), *after = set_new(1);
	struct ipam_result *first, *second;

	(void)state;
	set_class(before, "front", V6);
	set_service(before, "web", "front", NULL);
	set_class(after, "front", V4 "," V6);
	set_service(after, "web", "front", NULL);
	first = run(before, NULL);
	second = run(after, first);
	assert_string_equal(ingress(second, "web"), V6_1);
	ipam_result_free(second);
	ipam_result_free(first);
	object_set_free(before);
	object_set_free(after);
}

static void services_are_served_by_age_then_namespace_then_name(void **state)
{
	struct object_set *set = set_new(4);
	struct ipam_result *result;

	(void)state;
	set_class(set, "front", V4);
	set_service(set, "young", "front", NULL)->meta.created = 20;
	set_service(set, "b", "front", NULL)->meta.created = 10;
	set_service(set, "z", "front", NULL)->meta.created = 10;
	set->services[2].meta.namespace = "aaa";
	set_service(set, "ageless", "front", NULL);
	result = run(set, NULL);
	assert_string_equal(ingress(result, "z"), "192.0.2.10");
	assert_string_equal(ingress(result, "b"), "192.0.2.11");
	assert_string_equal(ingress(result, "young"), "192.0.2.12");
	assert_string_equal(ingress(result, "ageless"), "192.0.2.13");
	assert_string_equal(result->services[0].service->meta.name, "z");
	ipam_result_free(result);
	object_set_free(set);
}

static void addresses_of_nodes_and_gateways_are_never_given(void **state)
{
	struct object_set *set = set_new(1);
	const struct ip taken = set_ip("192.0.2.11"), gateway = set_ip("192.0.2.10");
	const struct ipam_previous previous = {.address = taken,
					       .class = "front",
					       .namespace = "default",
					       .name = "web",
					       .uid = "default/web",
					       .index = 0};
	struct object_node *node = set_node(set, "fe-1", "");
	struct ipam_result *result;

	(void)state;
	node->addresses = &taken;
	node->address_count = 1;
	set_class(set, "front", V4);
	set_service(set, "web", "front", NULL);
	result = ipam_run(set, &previous, 1, &gateway, 1);
	assert_string_equal(ingress(result, "web"), "192.0.2.12");
	assert_non_null(strstr(said(result, "ClearAssignment", "web"), "address of a node"));
	ipam_result_free(result);
	object_set_free(set);
}

static void what_was_allocated_stays_though_an_older_service_comes(void **state)
{
	struct object_set *before = set_new(1), *after = set_new(2);
	struct ipam_result *first, *second;

	(void)state;
	set_class(before, "front", V4);
	set_service(before, "web", "front", "2")->meta.created = 50;
	set_class(after, "front", V4);
	set_service(after, "old", "front", NULL)->meta.created = 1;
	set_service(after, "web", "front", "2")->meta.created = 50;
	first = run(before, NULL);
	assert_string_equal(said(first, "IPAllocated", "web"),
			    "Assigned IP [\"192.0.2.10\" \"192.0.2.11\"]");
	second = run(after, first);
	assert_string_equal(ingress(second, "web"), "192.0.2.10,192.0.2.11");
	assert_string_equal(ingress(second, "old"), "192.0.2.12");
	assert_null(said(second, "IPAllocated", "web"));
	assert_non_null(said(second, "IPAllocated", "old"));
	assert_int_equal(second->message_count, 1);
	ipam_result_free(second);
	ipam_result_free(first);
	object_set_free(before);
	object_set_free(after);
}

/* One Service that changes between two runs, and what becomes of its VIPs. */
static void a_change_touches_only_what_it_must(void **state)
{
	static const struct {
		const char *pool, *count, *pins, *class;
		const char *pool2, *count2, *pins2, *class2;
		const char *expect, *cleared, *allocated;
	} cases[] = {
		/* raised: new ones are added */
		{V4, "2", NULL, "front", V4, "3", NULL, "front", "192.0.2.10,192.0.2.11,192.0.2.12",
		 NULL, "[\"192.0.2.12\"]"},
		/* lowered: the highest indices go */
		{V4, "3", NULL, "front", V4, "1", NULL, "front", "192.0.2.10", "192.0.2.11", NULL},
		/* pool shrunk: only those outside are replaced */
		{V4, "3", NULL, "front", "192.0.2.11-192.0.2.19", "3", NULL, "front",
		 "192.0.2.13,192.0.2.11,192.0.2.12", "192.0.2.10", "[\"192.0.2.13\"]"},
		/* pool in another order or larger: nothing */
		{"192.0.2.15-192.0.2.16", "2", NULL, "front", V4, "2", NULL, "front",
		 "192.0.2.15,192.0.2.16", NULL, NULL},
		/* another class */
		{V4, "1", NULL, "front", V4, "1", NULL, "back", "198.51.100.1",
		 "the class that the Service had before", "[\"198.51.100.1\"]"},
		/* a class of somebody else */
		{V4, "1", NULL, "front", V4, "1", NULL, "foreign", "-", "192.0.2.10", NULL},
		/* pinned: the pinned place changes, others stay */
		{V4, "2", NULL, "front", V4, "2", "192.0.2.18", "front", "192.0.2.18,192.0.2.11",
		 "192.0.2.10", "[\"192.0.2.18\"]"},
		{V4, "2", "192.0.2.18,192.0.2.19", "front", V4, "2", "192.0.2.19,192.0.2.18",
		 "front", "192.0.2.19,192.0.2.18", NULL, NULL},
		/* no longer pinned: it stays */
		{V4, "1", "192.0.2.18", "front", V4, "1", NULL, "front", "192.0.2.18", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *before = set_new(1), *after = set_new(1);
		struct object_service *one, *two;
		struct ipam_result *first, *second, *third;

		one = set_service(before, "web", cases[i].class, cases[i].count);
		set_class(before, "front", cases[i].pool);
		if (cases[i].pins)
			set_annotate(before, &one->meta, OBJECT_ANNOTATION_IPS, cases[i].pins);
		two = set_service(after, "web", cases[i].class2, cases[i].count2);
		set_class(after, "front", cases[i].pool2);
		set_class(after, "back", "198.51.100.1-198.51.100.9");
		if (cases[i].pins2)
			set_annotate(after, &two->meta, OBJECT_ANNOTATION_IPS, cases[i].pins2);
		first = run(before, NULL);
		second = run(after, first);
		assert_string_equal(ingress(second, "web"), cases[i].expect);
		if (cases[i].cleared)
			assert_non_null(
				strstr(said(second, "ClearAssignment", "web"), cases[i].cleared));
		else
			assert_null(said(second, "ClearAssignment", "web"));
		if (cases[i].allocated)
			assert_non_null(
				strstr(said(second, "IPAllocated", "web"), cases[i].allocated));
		else
			assert_null(said(second, "IPAllocated", "web"));
		third = run(after, second);
		assert_string_equal(ingress(third, "web"), cases[i].expect);
		assert_null(said(third, "ClearAssignment", "web"));
		assert_null(said(third, "IPAllocated", "web"));
		ipam_result_free(third);
		ipam_result_free(second);
		ipam_result_free(first);
		object_set_free(before);
		object_set_free(after);
	}
}

static void exhaustion_is_told_and_cures_itself(void **state)
{
	struct object_set *full = set_new(2), *freed = set_new(1);
	struct ipam_result *first, *second;

	(void)state;
	set_class(full, "front", "192.0.2.10-192.0.2.12");
	set_service(full, "a", "front", "1")->meta.created = 1;
	set_service(full, "web", "front", "3")->meta.created = 2;
	first = run(full, NULL);
	assert_string_equal(ingress(first, "web"), "192.0.2.11,192.0.2.12");
	assert_string_equal(said(first, "AllocationFailed", "web"),
			    "2 of 3 public IPs were assigned: class front has no free IPv4 "
			    "address left");
	assert_null(said(first, "AllocationFailed", "a"));
	set_class(freed, "front", "192.0.2.10-192.0.2.12");
	set_service(freed, "web", "front", "3");
	second = run(freed, first);
	assert_string_equal(ingress(second, "web"), "192.0.2.11,192.0.2.12,192.0.2.10");
	assert_null(said(second, "AllocationFailed", "web"));
	ipam_result_free(second);
	ipam_result_free(first);
	object_set_free(full);
	object_set_free(freed);
}

static void a_service_made_anew_has_no_claim_on_the_old_address(void **state)
{
	struct object_set *before = set_new(1), *after = set_new(2);
	struct ipam_result *first, *second;

	(void)state;
	set_class(before, "front", V4);
	set_service(before, "web", "front", NULL);
	first = run(before, NULL);
	set_class(after, "front", V4);
	set_service(after, "a", "front", NULL);
	set_service(after, "web", "front", NULL)->meta.uid = "another";
	second = run(after, first);
	assert_string_equal(ingress(second, "a"), "192.0.2.10");
	assert_string_equal(ingress(second, "web"), "192.0.2.11");
	ipam_result_free(second);
	ipam_result_free(first);
	object_set_free(before);
	object_set_free(after);
}

static void pins_are_had_or_nothing(void **state)
{
	static const struct {
		const char *count, *annotation, *metallb, *field, *expect, *why;
	} cases[] = {
		{NULL, "192.0.2.15", NULL, NULL, "192.0.2.15", NULL},
		{NULL, NULL, "192.0.2.15", NULL, "192.0.2.15", NULL},
		{NULL, NULL, NULL, "192.0.2.15", "192.0.2.15", NULL},
		{NULL, "192.0.2.15", "192.0.2.16", "192.0.2.17", "192.0.2.15", NULL},
		{"2", " 192.0.2.15 , 192.0.2.14", NULL, NULL, "192.0.2.15,192.0.2.14", NULL},
		{"3", "192.0.2.15", NULL, NULL, "192.0.2.15,192.0.2.11,192.0.2.12", NULL},
		{"1", "198.51.100.1", NULL, NULL, "", "198.51.100.1 is not in the pool"},
		{"2", "198.51.100.1,192.0.2.15", NULL, NULL, "192.0.2.15", "not in the pool"},
		{"1", "192.0.2.10", NULL, NULL, "", "192.0.2.10 belongs to another Service"},
		{"1", "192.0.2.999", NULL, NULL, "", "is no address"},
		{"2", "192.0.2.15,192.0.2.15", NULL, NULL, "192.0.2.15", "already one of this"},
		{"1", "2001:db8::12", NULL, NULL, "2001:db8::12", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *old = set_new(1), *set = set_new(2);
		struct object_service *service;
		struct ipam_result *first, *result;

		set_class(old, "front", V4 "," V6);
		set_service(old, "first", "front", NULL);
		first = run(old, NULL);
		set_class(set, "front", V4 "," V6);
		set_service(set, "first", "front", NULL);
		service = set_service(set, "web", "front", cases[i].count);
		service->load_balancer_ip = cases[i].field;
		if (cases[i].annotation)
			set_annotate(set, &service->meta, OBJECT_ANNOTATION_IPS,
				     cases[i].annotation);
		if (cases[i].metallb)
			set_annotate(set, &service->meta, "metallb.io/loadBalancerIPs",
				     cases[i].metallb);
		result = run(set, first);
		assert_string_equal(ingress(result, "first"), "192.0.2.10");
		assert_string_equal(ingress(result, "web"), cases[i].expect);
		if (cases[i].why)
			assert_non_null(
				strstr(said(result, "AllocationFailed", "web"), cases[i].why));
		else
			assert_null(said(result, "AllocationFailed", "web"));
		ipam_result_free(result);
		ipam_result_free(first);
		object_set_free(old);
		object_set_free(set);
	}
}

static void pins_come_before_the_lowest_free_address(void **state)
{
	struct object_set *set = set_new(2);
	struct object_service *pinned;
	struct ipam_result *result;

	(void)state;
	set_class(set, "front", V4);
	set_service(set, "a", "front", NULL)->meta.created = 1;
	pinned = set_service(set, "b", "front", NULL);
	pinned->meta.created = 2;
	set_annotate(set, &pinned->meta, OBJECT_ANNOTATION_IPS, "192.0.2.10");
	result = run(set, NULL);
	assert_string_equal(ingress(result, "a"), "192.0.2.11");
	assert_string_equal(ingress(result, "b"), "192.0.2.10");
	ipam_result_free(result);
	object_set_free(set);
}

static void addresses_are_shared_only_by_key_and_without_a_clash(void **state)
{
	static const struct {
		const char *key_a, *key_b;
		uint16_t port_a, port_b;
		uint8_t protocol_b;
		bool local_a, local_b;
		const char *selector_a, *selector_b;
		bool shared;
	} cases[] = {
		{"k", "k", 80, 443, IPPROTO_TCP, false, false, "a=1", "b=2", true},
		{"k", "k", 80, 80, IPPROTO_UDP, false, false, "a=1", "b=2", true},
		{"k", "k", 80, 80, IPPROTO_TCP, false, false, "a=1", "a=1", false},
		{"k", "l", 80, 443, IPPROTO_TCP, false, false, "a=1", "a=1", false},
		{"k", NULL, 80, 443, IPPROTO_TCP, false, false, "a=1", "a=1", false},
		{NULL, NULL, 80, 443, IPPROTO_TCP, false, false, "a=1", "a=1", false},
		{"k", "k", 80, 443, IPPROTO_TCP, true, false, "a=1", "b=2", false},
		{"k", "k", 80, 443, IPPROTO_TCP, false, true, "a=1,b=2", "a=1", false},
		{"k", "k", 80, 443, IPPROTO_TCP, true, true, "a=1,b=2", "b=2,a=1", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set = set_new(2);
		struct object_service *a = set_service(set, "a", "front", "2");
		struct object_service *b = set_service(set, "b", "front", "2");
		struct ipam_result *result, *again;

		set_class(set, "front", V4);
		set_port(set, a, IPPROTO_TCP, cases[i].port_a);
		set_port(set, b, cases[i].protocol_b, cases[i].port_b);
		a->selector = set_map(set, cases[i].selector_a);
		b->selector = set_map(set, cases[i].selector_b);
		a->policy_local = cases[i].local_a;
		b->policy_local = cases[i].local_b;
		if (cases[i].key_a)
			set_annotate(set, &a->meta, OBJECT_ANNOTATION_SHARED, cases[i].key_a);
		if (cases[i].key_b)
			set_annotate(set, &b->meta, "metallb.io/allow-shared-ip", cases[i].key_b);
		result = run(set, NULL);
		assert_string_equal(ingress(result, "a"), "192.0.2.10,192.0.2.11");
		assert_string_equal(ingress(result, "b"), cases[i].shared
								  ? "192.0.2.10,192.0.2.11"
								  : "192.0.2.12,192.0.2.13");
		assert_int_equal(result->vip_count, cases[i].shared ? 2 : 4);
		assert_int_equal(result->vips[0].owner_count, cases[i].shared ? 2 : 1);
		again = run(set, result);
		assert_string_equal(ingress(again, "b"), ingress(result, "b"));
		assert_int_equal(again->message_count, 0);
		ipam_result_free(again);
		ipam_result_free(result);
		object_set_free(set);
	}
}

static void virtual_ips_are_the_truth_and_statuses_are_adopted(void **state)
{
	struct object_set *set = set_new(4);
	struct object_service *web, *migrated, *liar;
	const struct ip status[] = {set_ip("192.0.2.17"), set_ip("203.0.113.1")};
	const struct ip lie[] = {set_ip("192.0.2.15")};
	const struct ipam_previous stale = {.address = set_ip("192.0.2.12"),
					    .class = "front",
					    .namespace = "default",
					    .name = "web",
					    .uid = "default/web"};
	struct ipam_result *result;

	(void)state;
	set_class(set, "front", V4);
	web = set_service(set, "web", "front", NULL);
	set_virtual_ip(set, "192.0.2.15", "front", web, 0);
	migrated = set_service(set, "migrated", "front", NULL);
	migrated->ingress = status;
	migrated->ingress_count = 2;
	liar = set_service(set, "liar", "front", NULL);
	liar->ingress = lie;
	liar->ingress_count = 1;
	result = ipam_run(set, &stale, 1, NULL, 0);
	assert_string_equal(ingress(result, "web"), "192.0.2.15");
	assert_string_equal(ingress(result, "migrated"), "192.0.2.17");
	assert_string_equal(ingress(result, "liar"), "192.0.2.10");
	ipam_result_free(result);
	object_set_free(set);
}

static void of_two_virtual_ips_for_one_place_the_one_in_status_stays(void **state)
{
	static const struct {
		const char *status;
		int64_t first, second;
		const char *expect;
	} cases[] = {
		{"192.0.2.16", 1, 2, "192.0.2.16"},
		{NULL, 2, 1, "192.0.2.16"},
		{NULL, 1, 1, "192.0.2.15"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set = set_new(2);
		struct object_service *web = set_service(set, "web", "front", NULL);
		struct ipam_result *result;
		struct ip status;

		set_class(set, "front", V4);
		set_virtual_ip(set, "192.0.2.15", "front", web, 0)->meta.created = cases[i].first;
		set_virtual_ip(set, "192.0.2.16", "front", web, 0)->meta.created = cases[i].second;
		if (cases[i].status) {
			status = set_ip(cases[i].status);
			web->ingress = &status;
			web->ingress_count = 1;
		}
		result = run(set, NULL);
		assert_string_equal(ingress(result, "web"), cases[i].expect);
		assert_non_null(said(result, "ClearAssignment", "web"));
		ipam_result_free(result);
		object_set_free(set);
	}
}

static void another_class_waits_until_a_virtual_ip_is_gone(void **state)
{
	struct object_set *set = set_new(2);
	struct object_service *web = set_service(set, "web", "back", NULL), *pinned;
	struct ipam_result *result;

	(void)state;
	set_class(set, "back", V4);
	set_virtual_ip(set, "192.0.2.10", "front", web, 0);
	pinned = set_service(set, "pinned", "back", NULL);
	set_annotate(set, &pinned->meta, OBJECT_ANNOTATION_IPS, "192.0.2.10");
	result = run(set, NULL);
	assert_string_equal(ingress(result, "web"), "192.0.2.11");
	assert_string_equal(ingress(result, "pinned"), "");
	ipam_result_free(result);
	object_set_free(set);
}

static void adoption_comes_before_pins_and_pins_before_the_rest(void **state)
{
	struct object_set *set = set_new(4);
	struct object_service *adopted, *pinned;
	const struct ip status = set_ip("192.0.2.10");
	struct ipam_result *result;

	(void)state;
	set_class(set, "front", V4);
	set_service(set, "a", "front", NULL)->meta.created = 1;
	pinned = set_service(set, "pinned", "front", "2");
	pinned->meta.created = 2;
	set_annotate(set, &pinned->meta, OBJECT_ANNOTATION_IPS, "192.0.2.10,192.0.2.11");
	adopted = set_service(set, "adopted", "front", NULL);
	adopted->meta.created = 3;
	adopted->ingress = &status;
	adopted->ingress_count = 1;
	result = run(set, NULL);
	assert_string_equal(ingress(result, "adopted"), "192.0.2.10");
	assert_string_equal(ingress(result, "pinned"), "192.0.2.11");
	assert_string_equal(ingress(result, "a"), "192.0.2.12");
	ipam_result_free(result);
	object_set_free(set);
}

static void of_overlapping_classes_the_older_is_served_and_nobody_loses_a_vip(void **state)
{
	struct object_set *before = set_new(1), *after = set_new(3);
	struct object_class *young;
	struct ipam_result *first, *second;

	(void)state;
	set_class(before, "young", V4)->meta.created = 9;
	set_service(before, "web", "young", NULL);
	first = run(before, NULL);
	young = set_class(after, "young", V4);
	young->meta.created = 9;
	set_class(after, "old", "192.0.2.8-192.0.2.11")->meta.created = 5;
	set_service(after, "web", "young", NULL);
	set_service(after, "late", "young", NULL);
	set_service(after, "first", "old", "4");
	second = run(after, first);
	assert_string_equal(ingress(second, "web"), "192.0.2.10");
	assert_string_equal(ingress(second, "late"), "");
	assert_string_equal(ingress(second, "first"), "192.0.2.8,192.0.2.9,192.0.2.11");
	assert_non_null(strstr(said(second, "PoolOverlap", "young"), "old"));
	assert_non_null(strstr(said(second, "AllocationFailed", "late"), "overlaps"));
	ipam_result_free(second);
	ipam_result_free(first);
	object_set_free(before);
	object_set_free(after);
}

/* Everything that a result says, as one text. */
static char *describe(const struct ipam_result *result)
{
	char *text = NULL, buf[IP_STRLEN];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (size_t i = 0; i < result->vip_count; i++) {
		fprintf(out, "%s %s", ip_format(&result->vips[i].address, buf),
			result->vips[i].class->meta.name);
		for (size_t j = 0; j < result->vips[i].owner_count; j++)
			fprintf(out, " %s.%u", result->vips[i].owners[j].service->meta.name,
				result->vips[i].owners[j].index);
		fputc('\n', out);
	}
	for (size_t i = 0; i < result->message_count; i++)
		fprintf(out, "%s %s %s\n", result->messages[i].object->name,
			result->messages[i].reason, result->messages[i].text);
	fclose(out);
	return text;
}

/* A set that a seed makes; small pools, so that some of it fails. */
static struct object_set *random_set(uint64_t seed)
{
	static const char *const counts[] = {NULL, "1", "2", "3", "9", "x"};
	static const char *const classes[] = {"a", "b", "c", NULL, "none"};
	static const char *const keys[] = {NULL, NULL, NULL, "k", "l"};
	struct object_set *set = set_new(30);
	size_t services = set_random(&seed) % 30;

	set_class(set, "a", "192.0.2.0/28,2001:db8::/64");
	set_class(set, "b", "198.51.100.4-198.51.100.9,198.51.100.1-198.51.100.5");
	set_class(set, "c", "2001:db8:1::1-2001:db8:1::9")->is_default = true;
	set_node(set, "fe-1", "");
	for (size_t i = 0; i < services; i++) {
		char name[16];
		struct object_service *service;
		const char *key;

		snprintf(name, sizeof(name), "s%02zu", set_random(&seed) % 100 * 100 + i);
		service =
			set_service(set, arena_strdup(set->arena, name),
				    classes[set_random(&seed) % 5], counts[set_random(&seed) % 6]);
		service->meta.created = set_random(&seed) % 4;
		service->family_policy = (enum object_family_policy)(set_random(&seed) % 3);
		set_port(set, service, IPPROTO_TCP, (uint16_t)(set_random(&seed) % 4));
		key = keys[set_random(&seed) % 5];
		if (key)
			set_annotate(set, &service->meta, OBJECT_ANNOTATION_SHARED, key);
	}
	return set;
}

static void the_order_of_the_input_never_matters(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct object_set *before = random_set(seed), *set = random_set(seed + 1000);
		struct ipam_result *old = run(before, NULL), *one, *two;
		uint64_t shuffle = seed;
		char *first, *second;

		one = run(set, old);
		first = describe(one);
		ipam_result_free(one); /* it points into the arrays that now change */
		set_shuffle(set, &shuffle);
		two = run(set, old);
		second = describe(two);
		assert_string_equal(first, second);
		free(first);
		free(second);
		ipam_result_free(two);
		ipam_result_free(old);
		object_set_free(before);
		object_set_free(set);
	}
}

static void every_result_is_sound_and_running_again_changes_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct object_set *set = random_set(seed);
		struct ipam_result *one = run(set, NULL), *two = run(set, one);
		size_t places = 0, ingresses = 0;

		for (size_t i = 0; i < one->vip_count; i++) {
			const struct ipam_vip *vip = &one->vips[i];
			bool inside = false;

			assert_true(i == 0 || ip_cmp(&vip[-1].address, &vip->address) < 0);
			for (size_t j = 0; j < vip->class->pool_count; j++)
				inside |= ip_cmp(&vip->class->pool[j].first, &vip->address) <= 0 &&
					  ip_cmp(&vip->address, &vip->class->pool[j].last) <= 0;
			assert_true(inside);
			places += vip->owner_count;
		}
		for (size_t i = 0; i < one->service_count; i++) {
			const char *name = one->services[i].service->meta.name;

			assert_true(one->services[i].ingress_count <= one->services[i].wanted);
			ingresses += one->services[i].ingress_count;
			assert_string_equal(ingress(one, name), ingress(two, name));
		}
		assert_int_equal(places, ingresses);
		for (size_t i = 0; i < two->message_count; i++)
			assert_int_equal(two->messages[i].severity, IPAM_WARNING);
		ipam_result_free(two);
		ipam_result_free(one);
		object_set_free(set);
	}
}

static void ten_thousand_services_get_and_keep_sixty_thousand_addresses(void **state)
{
	static const char *const pools[] = {"10.0.0.0/16", "2001:db8::/64"};

	(void)state;
	for (size_t p = 0; p < 2; p++) {
		struct object_set *set = set_new(10000);
		struct ipam_result *one, *two;

		set_class(set, "front", pools[p]);
		for (size_t i = 0; i < 10000; i++)
			set_service(set, arena_printf(set->arena, "s%zu", i), "front", "6");
		one = run(set, NULL);
		two = run(set, one);
		assert_int_equal(two->vip_count, 60000);
		for (size_t v = 0; v < two->vip_count; v++)
			assert_true(ip_equal(&one->vips[v].address, &two->vips[v].address));
		ipam_result_free(two);
		ipam_result_free(one);
		object_set_free(set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_class_is_named_in_order),
		cmocka_unit_test(a_service_of_another_type_is_not_ours),
		cmocka_unit_test(of_several_defaults_the_oldest_then_the_smallest_name_is_taken),
		cmocka_unit_test(the_count_is_read_and_nonsense_is_one),
		cmocka_unit_test(pools_are_walked_in_list_order_and_every_address_is_usable),
		cmocka_unit_test(families_follow_the_service_then_the_pool),
		cmocka_unit_test(all_of_the_first_family_come_before_the_second),
		cmocka_unit_test(
			a_second_family_in_the_pool_does_not_move_a_service_that_states_none),
		cmocka_unit_test(services_are_served_by_age_then_namespace_then_name),
		cmocka_unit_test(addresses_of_nodes_and_gateways_are_never_given),
		cmocka_unit_test(what_was_allocated_stays_though_an_older_service_comes),
		cmocka_unit_test(a_change_touches_only_what_it_must),
		cmocka_unit_test(exhaustion_is_told_and_cures_itself),
		cmocka_unit_test(a_service_made_anew_has_no_claim_on_the_old_address),
		cmocka_unit_test(pins_are_had_or_nothing),
		cmocka_unit_test(pins_come_before_the_lowest_free_address),
		cmocka_unit_test(addresses_are_shared_only_by_key_and_without_a_clash),
		cmocka_unit_test(virtual_ips_are_the_truth_and_statuses_are_adopted),
		cmocka_unit_test(of_two_virtual_ips_for_one_place_the_one_in_status_stays),
		cmocka_unit_test(another_class_waits_until_a_virtual_ip_is_gone),
		cmocka_unit_test(adoption_comes_before_pins_and_pins_before_the_rest),
		cmocka_unit_test(of_overlapping_classes_the_older_is_served_and_nobody_loses_a_vip),
		cmocka_unit_test(the_order_of_the_input_never_matters),
		cmocka_unit_test(every_result_is_sound_and_running_again_changes_nothing),
		cmocka_unit_test(ten_thousand_services_get_and_keep_sixty_thousand_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
