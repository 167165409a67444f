/* SPDX-License-Identifier: BSD-3-Clause */
/* Where VIPs should be: balance, second choices, few moves, candidates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/plan.h"
#include "set_builder.h"

/* A plan with the result that it was made from. */
struct made {
	struct ipam_result *result;
	struct plan *plan;
};

static struct made make(const struct object_set *set, const struct made *before)
{
	const struct ipam_previous *previous = NULL;
	struct made made;
	size_t count = 0;

	if (before)
		previous = ipam_remember(before->result, &count);
	made.result = ipam_run(set, previous, count, NULL, 0);
	assert_non_null(made.result);
	made.plan = plan_build(set, made.result, before ? before->plan : NULL);
	assert_non_null(made.plan);
	assert_int_equal(made.plan->vip_count, made.result->vip_count);
	return made;
}

static void unmake(struct made *made)
{
	plan_free(made->plan);
	ipam_result_free(made->result);
}

/* Nodes fe-0 to fe-(count - 1). */
static void nodes(struct object_set *set, size_t count)
{
	for (size_t i = 0; i < count; i++)
		set_node(set, arena_printf(set->arena, "fe-%zu", i), "front=yes");
}

static const struct plan_vip *planned(const struct made *made, const char *address)
{
	struct ip ip = set_ip(address);
	const struct plan_vip *vip = plan_find(made->plan, &ip);

	assert_non_null(vip);
	return vip;
}

/* A node's place in a list, or the list's length. */
static size_t place(const struct plan_vip *vip, const char *node)
{
	size_t i = 0;

	while (i < vip->node_count && strcmp(vip->nodes[i], node) != 0)
		i++;
	return i;
}

/* How many of a Service's VIPs (NULL: of all) have a node at one place of their list. */
static size_t count_at(const struct made *made, const char *service, size_t at, const char *node)
{
	size_t count = 0;

	for (size_t i = 0; i < made->plan->vip_count; i++)
		if ((!service ||
		     strcmp(made->result->vips[i].owners[0].service->meta.name, service) == 0) &&
		    place(&made->plan->vips[i], node) == at)
			count++;
	return count;
}

/* Largest less smallest number of first choices among the set's nodes. */
static size_t spread(const struct object_set *set, const struct made *made, const char *service)
{
	size_t most = 0, least = SIZE_MAX;

	for (size_t i = 0; i < set->node_count; i++) {
		size_t count = count_at(made, service, 0, set->nodes[i].meta.name);

		most = count > most ? count : most;
		least = count < least ? count : least;
	}
	return most - least;
}

/* VIPs in both plans whose first node differs. */
static size_t moves(const struct made *before, const struct made *after)
{
	size_t count = 0;

	for (size_t i = 0; i < after->plan->vip_count; i++) {
		const struct plan_vip *vip = &after->plan->vips[i];
		const struct plan_vip *old = plan_find(before->plan, &vip->address);

		count += old && old->node_count > 0 &&
			 (vip->node_count == 0 || strcmp(old->nodes[0], vip->nodes[0]) != 0);
	}
	return count;
}

static void a_services_vips_are_spread_evenly(void **state)
{
	static const struct {
		size_t nodes;
		const char *count;
		size_t most, least;
	} cases[] = {
		{3, "3", 1, 1}, {3, "7", 3, 2},	   {3, "1", 1, 0},   {1, "5", 5, 5},
		{4, "2", 1, 0}, {5, "64", 13, 12}, {64, "64", 1, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set = set_new(1);
		struct made made;

		nodes(set, cases[i].nodes);
		set_class(set, "front", "192.0.2.0/24");
		set_service(set, "web", "front", cases[i].count);
		made = make(set, NULL);
		for (size_t n = 0; n < set->node_count; n++)
			assert_in_range(count_at(&made, "web", 0, set->nodes[n].meta.name),
					cases[i].least, cases[i].most);
		for (size_t v = 0; v < made.plan->vip_count; v++) {
			assert_int_equal(made.plan->vips[v].node_count, cases[i].nodes);
			assert_string_equal(made.plan->vips[v].class, "front");
		}
		unmake(&made);
		object_set_free(set);
	}
}

static void each_family_of_a_service_is_spread(void **state)
{
	struct object_set *set = set_new(1);
	struct made made;

	(void)state;
	nodes(set, 3);
	set_class(set, "front", "192.0.2.1-192.0.2.3,2001:db8::1-2001:db8::3");
	set_service(set, "web", "front", "3")->family_policy = OBJECT_REQUIRE_DUAL_STACK;
	made = make(set, NULL);
	for (size_t i = 0; i < 6; i++)
		for (size_t j = i / 3 * 3; j < i; j++)
			assert_string_not_equal(made.plan->vips[i].nodes[0],
						made.plan->vips[j].nodes[0]);
	unmake(&made);
	object_set_free(set);
}

static void new_vips_keep_each_family_spread(void **state)
{
	(void)state;
	for (size_t seed = 0; seed < 20; seed++) {
		struct object_set *set = set_new(1), *after = set_new(1);
		const char *name = arena_printf(set->arena, "web-%zu", seed);
		const char *pool = "192.0.2.1-192.0.2.3,2001:db8::1-2001:db8::3";
		struct made one, two;

		nodes(set, 3);
		nodes(after, 3);
		set_class(set, "front", pool);
		set_class(after, "front", pool);
		set_service(set, name, "front", "1")->family_policy = OBJECT_REQUIRE_DUAL_STACK;
		set_service(after, name, "front", "3")->family_policy = OBJECT_REQUIRE_DUAL_STACK;
		one = make(set, NULL);
		two = make(after, &one);
		assert_int_equal(moves(&one, &two), 0);
		for (size_t i = 0; i < 6; i++)
			for (size_t j = i / 3 * 3; j < i; j++)
				assert_string_not_equal(two.plan->vips[i].nodes[0],
							two.plan->vips[j].nodes[0]);
		unmake(&two);
		unmake(&one);
		object_set_free(set);
		object_set_free(after);
	}
}

static void totals_are_even_over_many_small_services(void **state)
{
	(void)state;
	for (size_t services = 1; services < 40; services++) {
		struct object_set *set = set_new(services);
		struct made made;

		nodes(set, 5);
		set_class(set, "front", "192.0.2.0/24");
		for (size_t i = 0; i < services; i++)
			set_service(set, arena_printf(set->arena, "s%zu", i), "front",
				    i % 3 == 0 ? "2" : NULL);
		made = make(set, NULL);
		assert_true(spread(set, &made, NULL) <= 1);
		unmake(&made);
		object_set_free(set);
	}
}

static void second_choices_are_spread_behind_each_first_one(void **state)
{
	struct object_set *set = set_new(2);
	struct made made;

	(void)state;
	nodes(set, 4);
	set_class(set, "front", "192.0.2.0/24");
	set_service(set, "web", "front", "24");
	set_service(set, "mail", "front", "24");
	made = make(set, NULL);
	for (size_t a = 0; a < 4; a++)
		for (size_t b = 0; b < 4; b++) {
			const char *first = set->nodes[a].meta.name;
			const char *second = set->nodes[b].meta.name;
			size_t web = 0, all = 0;

			for (size_t v = 0; a != b && v < made.plan->vip_count; v++) {
				const struct plan_vip *vip = &made.plan->vips[v];

				if (strcmp(vip->nodes[0], first) != 0 ||
				    strcmp(vip->nodes[1], second) != 0)
					continue;
				all++;
				web += made.result->vips[v].owners[0].service->meta.name[0] == 'w';
			}
			assert_int_equal(all, a == b ? 0 : 4);
			assert_int_equal(web, a == b ? 0 : 2);
		}
	unmake(&made);
	object_set_free(set);
}

/* Without one node, each of its VIPs belongs to its second choice, the others stay. */
static void a_node_that_leaves_moves_only_its_own(void **state)
{
	(void)state;
	for (size_t count = 2; count < 9; count++)
		for (size_t gone = 0; gone < count; gone++) {
			struct object_set *set = set_new(20), *after = set_new(20);
			struct made one, two;

			nodes(set, count);
			nodes(after, count);
			after->nodes[gone] = after->nodes[--after->node_count];
			for (size_t i = 0; i < 20; i++) {
				set_service(set, arena_printf(set->arena, "s%zu", i), "front",
					    NULL);
				set_service(after, arena_printf(set->arena, "s%zu", i), "front",
					    NULL);
			}
			set_class(set, "front", "192.0.2.0/24");
			set_class(after, "front", "192.0.2.0/24");
			one = make(set, NULL);
			two = make(after, &one);
			assert_int_equal(moves(&one, &two),
					 count_at(&one, NULL, 0, set->nodes[gone].meta.name));
			assert_true(spread(after, &two, NULL) <= 1);
			unmake(&two);
			unmake(&one);
			object_set_free(set);
			object_set_free(after);
		}
}

/* Who takes over at once is who keeps it when the plan follows; others' second choices stay too. */
static void a_vip_without_its_first_node_goes_to_its_second(void **state)
{
	(void)state;
	for (size_t gone = 0; gone < 4; gone++) {
		struct object_set *set = set_new(1), *after = set_new(1);
		struct made one, two;

		nodes(set, 4);
		nodes(after, 4);
		after->nodes[gone] = after->nodes[--after->node_count];
		set_class(set, "front", "192.0.2.0/24");
		set_class(after, "front", "192.0.2.0/24");
		set_service(set, "web", "front", "24");
		set_service(after, "web", "front", "24");
		one = make(set, NULL);
		two = make(after, &one);
		for (size_t v = 0; v < 24; v++) {
			const struct plan_vip *old = &one.plan->vips[v], *new = &two.plan->vips[v];
			const char *lost = set->nodes[gone].meta.name;

			if (strcmp(old->nodes[0], lost) == 0)
				assert_string_equal(new->nodes[0], old->nodes[1]);
			else if (strcmp(old->nodes[1], lost) != 0)
				assert_string_equal(new->nodes[1], old->nodes[1]);
		}
		unmake(&two);
		unmake(&one);
		object_set_free(set);
		object_set_free(after);
	}
}

static void a_node_that_comes_back_gets_its_own_again(void **state)
{
	struct object_set *set = set_new(40), *without = set_new(40);
	struct made one, two, three;

	(void)state;
	nodes(set, 4);
	nodes(without, 3);
	for (size_t i = 0; i < 40; i++) {
		set_service(set, arena_printf(set->arena, "s%zu", i), "front", NULL);
		set_service(without, arena_printf(without->arena, "s%zu", i), "front", NULL);
	}
	set_class(set, "front", "192.0.2.0/24");
	set_class(without, "front", "192.0.2.0/24");
	one = make(set, NULL);
	two = make(without, &one);
	three = make(set, &two);
	assert_int_equal(moves(&two, &three), 10);
	assert_int_equal(moves(&one, &three), 0);
	unmake(&three);
	unmake(&two);
	unmake(&one);
	object_set_free(set);
	object_set_free(without);
}

/*
 * The fewest moves that any balanced plan over `count` equal nodes needs, by a bound that does not
 * come from the planner: for single-VIP Services the new node must get floor(vips / count).
 */
static void a_new_node_gets_what_balance_needs_and_no_more(void **state)
{
	(void)state;
	for (size_t vips = 1; vips < 60; vips += 7)
		for (size_t count = 2; count < 9; count++) {
			struct object_set *set = set_new(vips), *after = set_new(vips);
			struct made one, two;

			nodes(set, count - 1);
			nodes(after, count);
			for (size_t i = 0; i < vips; i++) {
				set_service(set, arena_printf(set->arena, "s%zu", i), "front",
					    NULL);
				set_service(after, arena_printf(set->arena, "s%zu", i), "front",
					    NULL);
			}
			set_class(set, "front", "192.0.2.0/24");
			set_class(after, "front", "192.0.2.0/24");
			one = make(set, NULL);
			two = make(after, &one);
			assert_int_equal(moves(&one, &two), vips / count);
			assert_int_equal(count_at(&two, NULL, 0, after->nodes[count - 1].meta.name),
					 vips / count);
			assert_true(spread(after, &two, NULL) <= 1);
			unmake(&two);
			unmake(&one);
			object_set_free(set);
			object_set_free(after);
		}
}

/* The same for Services of several VIPs: per Service the new node needs floor(count / nodes). */
static void a_new_node_takes_a_share_of_each_service(void **state)
{
	struct object_set *set = set_new(8), *after = set_new(8);
	size_t least = 0;
	struct made one, two;

	(void)state;
	nodes(set, 3);
	nodes(after, 4);
	set_class(set, "front", "192.0.2.0/24");
	set_class(after, "front", "192.0.2.0/24");
	for (size_t i = 0; i < 8; i++) {
		const char *count = i % 2 ? "9" : "4";
		const char *name = arena_printf(set->arena, "s%zu", i);

		set_service(set, name, "front", count);
		set_service(after, name, "front", count);
		least += i % 2 ? 2 : 1;
	}
	one = make(set, NULL);
	two = make(after, &one);
	/* 52 VIPs on 4 nodes are 13 each, more than the 12 that the Services alone ask for. */
	assert_int_equal(least, 12);
	assert_int_equal(moves(&one, &two), 13);
	assert_int_equal(spread(after, &two, NULL), 0);
	for (size_t i = 0; i < 8; i++)
		assert_true(spread(after, &two, set->services[i].meta.name) <= 1);
	unmake(&two);
	unmake(&one);
	object_set_free(set);
	object_set_free(after);
}

/* Brute force over all ways to put the VIPs of a small set: the planner's answer is a best one. */
struct brute {
	const struct object_set *set;
	const struct made *made, *before;
	uint32_t allowed[8]; /* by VIP: bits of nodes */
	size_t nodes, choice[8];
	size_t best_squares, best_moves;
};

static void brute_judge(struct brute *brute, size_t *squares, size_t *moved)
{
	const struct ipam_result *result = brute->made->result;
	size_t total[8] = {0};

	*squares = SIZE_MAX;
	*moved = 0;
	for (size_t s = 0; s < result->service_count; s++) {
		size_t own[8] = {0}, most = 0, least = SIZE_MAX;
		uint32_t allowed = 0;

		for (size_t v = 0; v < result->vip_count; v++)
			if (result->vips[v].owners[0].service == result->services[s].service) {
				own[brute->choice[v]]++;
				allowed = brute->allowed[v];
			}
		for (size_t n = 0; n < brute->nodes; n++)
			if (allowed >> n & 1) {
				most = own[n] > most ? own[n] : most;
				least = own[n] < least ? own[n] : least;
			}
		if (allowed && most - least > 1)
			return;
	}
	*squares = 0;
	for (size_t v = 0; v < result->vip_count; v++) {
		const struct plan_vip *old =
			plan_find(brute->before->plan, &result->vips[v].address);

		*squares += 2 * total[brute->choice[v]]++ + 1;
		*moved += old && old->node_count > 0 &&
			  strcmp(old->nodes[0], brute->set->nodes[brute->choice[v]].meta.name) != 0;
	}
}

static void brute_search(struct brute *brute, size_t vip)
{
	size_t squares, moved;

	if (vip < brute->made->result->vip_count) {
		for (brute->choice[vip] = 0; brute->choice[vip] < brute->nodes;
		     brute->choice[vip]++)
			if (brute->allowed[vip] >> brute->choice[vip] & 1)
				brute_search(brute, vip + 1);
		return;
	}
	brute_judge(brute, &squares, &moved);
	if (squares < brute->best_squares ||
	    (squares == brute->best_squares && moved < brute->best_moves)) {
		brute->best_squares = squares;
		brute->best_moves = moved;
	}
}

/* Three or four nodes, a class on all and one on some, Services local to some: all by seed. */
static struct object_set *small_set(uint64_t seed, uint64_t shape)
{
	static const char *const counts[] = {"1", "1", "2", "3"};
	struct object_set *set = set_new(4);
	size_t left = 7, count = 3 + set_random(&seed) % 2;

	for (size_t i = 0; i < count; i++)
		set_node(set,
			 arena_printf(set->arena, "n%u",
				      (unsigned int)i * 2 + set_random(&seed) % 2),
			 set_random(&seed) % 3 ? "some=yes" : "");
	set_class(set, "all", "192.0.2.0/24");
	set_class(set, "some", "198.51.100.0/24")->node_selector = set_map(set, "some=yes");
	for (size_t i = 0; i < 4; i++) {
		const char *wants = counts[set_random(&shape) % 4];
		struct object_service *service;

		if ((size_t)atoi(wants) > left)
			break;
		left -= (size_t)atoi(wants);
		service = set_service(set, arena_printf(set->arena, "s%zu", i),
				      set_random(&shape) % 3 ? "all" : "some", wants);
		if (set_random(&shape) % 3 == 0) {
			service->policy_local = true;
			set_endpoints(set, service, set_random(&seed) % 2 ? "n0,n1,n2" : "n3,n4");
		}
	}
	return set;
}

static void no_plan_is_better_balanced_or_moves_less(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 400; seed++) {
		struct object_set *set = small_set(seed, seed), *after = small_set(seed + 9, seed);
		struct made one = make(set, NULL), two = make(after, &one);
		struct brute brute = {.set = after,
				      .made = &two,
				      .before = &one,
				      .nodes = after->node_count,
				      .best_squares = SIZE_MAX};
		size_t squares, moved;
		bool possible = true;

		for (size_t v = 0; v < two.plan->vip_count; v++) {
			for (size_t n = 0; n < after->node_count; n++) {
				const char *name = after->nodes[n].meta.name;
				bool listed = place(&two.plan->vips[v], name) <
					      two.plan->vips[v].node_count;

				assert_int_equal(listed, plan_excluded(after, &two.result->vips[v],
								       name) == NULL);
				brute.allowed[v] |= (uint32_t)listed << n;
				if (listed && place(&two.plan->vips[v], name) == 0)
					brute.choice[v] = n;
			}
			possible &= brute.allowed[v] != 0;
		}
		if (possible) {
			brute_judge(&brute, &squares, &moved);
			assert_int_not_equal(squares, SIZE_MAX); /* each Service is even */
			assert_int_equal(moved, moves(&one, &two));
			brute_search(&brute, 0);
			assert_int_equal(squares, brute.best_squares);
			assert_int_equal(moved, brute.best_moves);
		}
		unmake(&two);
		unmake(&one);
		object_set_free(set);
		object_set_free(after);
	}
}

static void assert_same(const struct plan *a, const struct plan *b)
{
	assert_int_equal(a->vip_count, b->vip_count);
	for (size_t i = 0; i < a->vip_count; i++) {
		assert_true(ip_equal(&a->vips[i].address, &b->vips[i].address));
		assert_int_equal(a->vips[i].node_count, b->vips[i].node_count);
		for (size_t j = 0; j < a->vips[i].node_count; j++)
			assert_string_equal(a->vips[i].nodes[j], b->vips[i].nodes[j]);
	}
}

static void the_order_of_the_input_never_matters(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct object_set *set = small_set(seed, seed), *after = small_set(seed + 9, seed);
		struct made one = make(set, NULL), two = make(after, &one), three;
		uint64_t shuffle = seed;

		plan_free(two.plan);
		two.plan = plan_build(after, two.result, one.plan);
		ipam_result_free(two.result); /* it points into what is shuffled now */
		set_shuffle(after, &shuffle);
		three = make(after, &one);
		assert_same(two.plan, three.plan);
		plan_free(two.plan);
		unmake(&three);
		unmake(&one);
		object_set_free(set);
		object_set_free(after);
	}
}

static void planning_again_changes_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		struct object_set *set = small_set(seed, seed);
		struct made one = make(set, NULL), two = make(set, &one);

		assert_same(one.plan, two.plan);
		unmake(&two);
		unmake(&one);
		object_set_free(set);
	}
}

/* Two classes on nodes of their own; what happens in one is not seen in the other's plan. */
static void classes_on_disjoint_nodes_are_independent(void **state)
{
	struct made made[2];
	struct object_set *sets[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct object_set *set = sets[i] = set_new(30);

		for (size_t n = 0; n < 8; n++)
			if (i == 0 || n != 6)
				set_node(set, arena_printf(set->arena, "n%zu", n),
					 n % 2 ? "zone=a" : "zone=b");
		set_class(set, "a", "192.0.2.0/24")->node_selector = set_map(set, "zone=a");
		set_class(set, "b", "198.51.100.0/24")->node_selector = set_map(set, "zone=b");
		for (size_t s = 0; s < 30; s++)
			if (i == 0 || s % 2 || s > 7)
				set_service(set, arena_printf(set->arena, "s%zu", s),
					    s % 2 ? "a" : "b", s % 5 ? "2" : "5");
		made[i] = make(set, NULL);
	}
	for (size_t v = 0; v < made[0].plan->vip_count; v++) {
		const struct plan_vip *vip = &made[0].plan->vips[v], *other;

		if (strcmp(vip->class, "a") != 0)
			continue;
		other = plan_find(made[1].plan, &vip->address);
		assert_non_null(other);
		assert_int_equal(vip->node_count, 4);
		for (size_t j = 0; j < vip->node_count; j++)
			assert_string_equal(vip->nodes[j], other->nodes[j]);
	}
	for (size_t i = 0; i < 2; i++) {
		unmake(&made[i]);
		object_set_free(sets[i]);
	}
}

static void preferred_nodes_come_first_in_their_order(void **state)
{
	struct object_set *set = set_new(3);
	struct object_service *service = set_service(set, "web", "front", "4");
	struct made made;

	(void)state;
	nodes(set, 4);
	set_class(set, "front", "192.0.2.0/24");
	set_service(set, "mail", "front", "12");
	set_annotate(set, &service->meta, "vipgate.io/preferred-nodes", " fe-2, nobody ,fe-1,fe-2");
	service = set_service(set, "one", "front", "6");
	set_annotate(set, &service->meta, "vipgate.io/preferred-nodes", "fe-3");
	made = make(set, NULL);
	assert_int_equal(count_at(&made, "web", 0, "fe-2"), 4);
	assert_int_equal(count_at(&made, "web", 1, "fe-1"), 4);
	assert_int_equal(count_at(&made, "web", 1, "fe-2"), 0);
	assert_int_equal(count_at(&made, "one", 0, "fe-3"), 6);
	for (size_t n = 0; n < 3; n++)
		assert_int_equal(count_at(&made, "one", 1, set->nodes[n].meta.name), 2);
	for (size_t v = 0; v < made.plan->vip_count; v++)
		assert_int_equal(made.plan->vips[v].node_count, 4);
	assert_true(spread(set, &made, "mail") <= 1);
	unmake(&made);
	object_set_free(set);
}

static void others_make_up_for_preferred_nodes(void **state)
{
	struct object_set *set = set_new(9);
	struct object_service *service = set_service(set, "web", "front", "4");
	struct made made;

	(void)state;
	nodes(set, 4);
	set_class(set, "front", "192.0.2.0/24");
	set_annotate(set, &service->meta, "vipgate.io/preferred-nodes", "fe-2");
	for (size_t i = 0; i < 8; i++)
		set_service(set, arena_printf(set->arena, "s%zu", i), "front", NULL);
	made = make(set, NULL);
	for (size_t n = 0; n < 4; n++)
		assert_in_range(count_at(&made, NULL, 0, set->nodes[n].meta.name), 2 + 2 * (n == 2),
				3 + (n == 2));
	unmake(&made);
	object_set_free(set);
}

static void candidates_are_what_the_design_says(void **state)
{
	static const struct {
		const char *node;
		const char *why; /* part of it, or NULL: a candidate */
	} cases[] = {
		{"fe-1", NULL},		{"fe-2", "no serving endpoint"}, {"fe-3", NULL},
		{"worker", "selected"}, {"resting", "exclude"},		 {"deaf", "NetworkUnav"},
		{"nobody", "no Node"},	{"none", "no serving endpoint"},
	};
	struct object_set *set = set_new(1);
	struct object_service *service = set_service(set, "web", "front", "1");
	struct made made;

	(void)state;
	set_class(set, "front", "192.0.2.0/24")->node_selector = set_map(set, "front=yes,gen=2");
	set_node(set, "fe-1", "gen=2,front=yes,other=1");
	set_node(set, "fe-2", "front=yes,gen=2");
	set_node(set, "fe-3", "front=yes,gen=2");
	set_node(set, "none", "front=yes,gen=2");
	set_node(set, "worker", "front=yes,gen=1");
	set_node(set, "resting", "front=yes,gen=2," OBJECT_LABEL_EXCLUDE);
	set_node(set, "deaf", "front=yes,gen=2")->network_unavailable = true;
	service->policy_local = true;
	set_endpoints(set, service, "fe-1,fe-2=down,worker,resting,deaf");
	set_endpoints(set, service, "fe-3,fe-1");
	made = make(set, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *why = plan_excluded(set, &made.result->vips[0], cases[i].node);

		if (cases[i].why)
			assert_non_null(strstr(why, cases[i].why));
		else
			assert_null(why);
		assert_int_equal(place(planned(&made, "192.0.2.0"), cases[i].node) < 2,
				 cases[i].why == NULL);
	}
	assert_int_equal(planned(&made, "192.0.2.0")->node_count, 2);
	unmake(&made);
	object_set_free(set);
}

static void where_nobody_serves_all_selected_nodes_stay(void **state)
{
	struct object_set *set = set_new(1);
	struct object_service *service = set_service(set, "web", "front", "3");
	struct made one, two;

	(void)state;
	nodes(set, 3);
	set_class(set, "front", "192.0.2.0/24");
	one = make(set, NULL);
	service->policy_local = true;
	set_endpoints(set, service, "fe-0=down,fe-1=down");
	two = make(set, &one);
	assert_same(one.plan, two.plan);
	assert_null(plan_excluded(set, &two.result->vips[0], "fe-2"));
	unmake(&two);
	unmake(&one);
	object_set_free(set);
}

static void a_vip_without_candidates_is_planned_nowhere(void **state)
{
	struct object_set *set = set_new(1);
	struct made made;

	(void)state;
	set_node(set, "worker", "");
	set_class(set, "front", "192.0.2.0/24")->node_selector = set_map(set, "front=yes");
	set_service(set, "web", "front", "2");
	made = make(set, NULL);
	assert_int_equal(made.plan->vip_count, 2);
	assert_int_equal(planned(&made, "192.0.2.1")->node_count, 0);
	unmake(&made);
	object_set_free(set);
}

/* The list must be the same on every machine and in every version: nodes plan on their own. */
static void the_plan_of_a_known_set_never_changes(void **state)
{
	struct object_set *set = set_new(1);
	char text[256] = "";
	struct made made;

	(void)state;
	nodes(set, 3);
	set_class(set, "front", "192.0.2.80-192.0.2.82");
	set_service(set, "web", "front", "3");
	made = make(set, NULL);
	for (size_t v = 0; v < 3; v++)
		for (size_t n = 0; n < 3; n++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 made.plan->vips[v].nodes[n] + 3, n == 2 ? " " : "");
	assert_string_equal(text, "012 102 201 ");
	unmake(&made);
	object_set_free(set);
}

static void large_plans_stay_even_and_move_no_more_than_balance_needs(void **state)
{
	static const struct {
		size_t services;
		const char *count;
		size_t nodes;
	} cases[] = {{1000, "1", 3}, {1000, "1", 64}, {256, "64", 64}, {16384, "1", 64}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct object_set *set = set_new(cases[i].services);
		struct made one, two;
		size_t moved = 0;

		nodes(set, cases[i].nodes);
		set_class(set, "front", "10.0.0.0/16");
		for (size_t s = 0; s < cases[i].services; s++)
			set_service(set, arena_printf(set->arena, "s%zu", s), "front",
				    cases[i].count);
		set->node_count--;
		one = make(set, NULL);
		set->node_count++;
		two = make(set, &one);
		assert_true(spread(set, &two, NULL) <= 1);
		for (size_t v = 0; v < two.plan->vip_count; v++)
			moved +=
				strcmp(one.plan->vips[v].nodes[0], two.plan->vips[v].nodes[0]) != 0;
		assert_true(moved <= two.plan->vip_count / cases[i].nodes + 1);
		unmake(&two);
		unmake(&one);
		object_set_free(set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_services_vips_are_spread_evenly),
		cmocka_unit_test(each_family_of_a_service_is_spread),
		cmocka_unit_test(new_vips_keep_each_family_spread),
		cmocka_unit_test(totals_are_even_over_many_small_services),
		cmocka_unit_test(second_choices_are_spread_behind_each_first_one),
		cmocka_unit_test(a_node_that_leaves_moves_only_its_own),
		cmocka_unit_test(a_vip_without_its_first_node_goes_to_its_second),
		cmocka_unit_test(a_node_that_comes_back_gets_its_own_again),
		cmocka_unit_test(a_new_node_gets_what_balance_needs_and_no_more),
		cmocka_unit_test(a_new_node_takes_a_share_of_each_service),
		cmocka_unit_test(no_plan_is_better_balanced_or_moves_less),
		cmocka_unit_test(the_order_of_the_input_never_matters),
		cmocka_unit_test(planning_again_changes_nothing),
		cmocka_unit_test(classes_on_disjoint_nodes_are_independent),
		cmocka_unit_test(preferred_nodes_come_first_in_their_order),
		cmocka_unit_test(others_make_up_for_preferred_nodes),
		cmocka_unit_test(candidates_are_what_the_design_says),
		cmocka_unit_test(where_nobody_serves_all_selected_nodes_stay),
		cmocka_unit_test(a_vip_without_candidates_is_planned_nowhere),
		cmocka_unit_test(the_plan_of_a_known_set_never_changes),
		cmocka_unit_test(large_plans_stay_even_and_move_no_more_than_balance_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
