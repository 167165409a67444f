/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may hold which VIP: candidates, preferred nodes, and the groups that are spread together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/plan_balance.h"
#include "core/plan_run.h"

#define PREFERRED_NODES "vipgate.io/preferred-nodes"
#define BLANKS		" \t\r\n"

/* FNV-1a, then mixed: the same on every machine and for ever, since nodes plan on their own. */
uint64_t plan_hash(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	return balance_mix(hash);
}

/* Why a node is out for all VIPs of a class, or NULL. */
static const char *node_excluded(const struct object_node *node, const struct object_class *class)
{
	for (size_t i = 0; i < class->node_selector.count; i++) {
		const struct object_pair *pair = &class->node_selector.pairs[i];
		const char *value = object_map_get(&node->meta.labels, pair->key);

		if (!value || strcmp(value, pair->value) != 0)
			return "not selected by the nodeSelector of its class";
	}
	if (object_map_get(&node->meta.labels, OBJECT_LABEL_EXCLUDE))
		return "labelled " OBJECT_LABEL_EXCLUDE;
	if (node->network_unavailable)
		return "its condition NetworkUnavailable is True";
	return NULL;
}

static bool slice_is_of(const struct object_endpoint_slice *slice,
			const struct object_service *service)
{
	return slice->service && strcmp(slice->service, service->meta.name) == 0 &&
	       strcmp(slice->meta.namespace, service->meta.namespace) == 0;
}

static bool slice_serves(const struct object_endpoint_slice *slice, const char *node)
{
	for (size_t i = 0; i < slice->endpoint_count; i++)
		if (slice->endpoints[i].serving && slice->endpoints[i].node &&
		    strcmp(slice->endpoints[i].node, node) == 0)
			return true;
	return false;
}

/* Whether every Local Service of a VIP has a serving endpoint on a node. */
static bool node_serves(const struct object_set *set, const struct ipam_vip *vip, const char *node)
{
	for (size_t i = 0; i < vip->owner_count; i++) {
		bool serves = !vip->owners[i].service->policy_local;

		for (size_t j = 0; !serves && j < set->slice_count; j++)
			serves = slice_is_of(&set->slices[j], vip->owners[i].service) &&
				 slice_serves(&set->slices[j], node);
		if (!serves)
			return false;
	}
	return true;
}

const char *plan_excluded(const struct object_set *set, const struct ipam_vip *vip,
			  const char *node)
{
	const struct object_node *found = NULL;
	const char *why;

	for (size_t i = 0; i < set->node_count && !found; i++)
		if (strcmp(set->nodes[i].meta.name, node) == 0)
			found = &set->nodes[i];
	if (!found)
		return "no Node of this name is known";
	why = node_excluded(found, vip->class);
	if (why || node_serves(set, vip, node))
		return why;
	/* Where nobody serves all stay, so that nothing flaps and clients are refused quickly. */
	for (size_t i = 0; i < set->node_count; i++)
		if (!node_excluded(&set->nodes[i], vip->class) &&
		    node_serves(set, vip, set->nodes[i].meta.name))
			return "no serving endpoint there, and externalTrafficPolicy is Local";
	return NULL;
}

static int node_cmp(const void *left, const void *right)
{
	const struct object_node *const *a = left, *const *b = right;

	return strcmp((*a)->meta.name, (*b)->meta.name);
}

static int nodes_sort(struct plan_run *run)
{
	size_t count = run->set->node_count;

	run->nodes = arena_array(run->arena, count + 1, sizeof(struct object_node *));
	run->node_hash = arena_array(run->arena, count + 1, sizeof(*run->node_hash));
	if (!run->nodes || !run->node_hash)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		run->nodes[i] = &run->set->nodes[i];
	qsort(run->nodes, count, sizeof(run->nodes[0]), node_cmp);
	for (size_t i = 0; i < count; i++) {
		const char *name = run->nodes[i]->meta.name;

		if (i > 0 && node_cmp(&run->nodes[i], &run->nodes[run->node_count - 1]) == 0)
			continue;
		run->node_hash[run->node_count] = plan_hash(name, strlen(name));
		run->nodes[run->node_count++] = run->nodes[i];
	}
	return 0;
}

uint32_t plan_node(const struct plan_run *run, const char *name)
{
	size_t low = 0, high = run->node_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(run->nodes[mid]->meta.name, name);

		if (order == 0)
			return (uint32_t)mid;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return PLAN_NONE;
}

/* What candidates are made from, kept while all VIPs are looked at. */
struct finder {
	struct plan_run *run;
	const struct object_endpoint_slice **slices; /* sorted by namespace and Service */
	size_t slice_count;
	struct plan_candidates **of_class; /* in the order of set->classes */
	uint32_t *serving;		   /* by node: how many Local Services of a VIP it serves */
	uint32_t *seen; /* by node: the last Service counted there, so that each counts once */
	uint32_t turn;
};

static int slice_cmp(const void *left, const void *right)
{
	const struct object_endpoint_slice *const *a = left, *const *b = right;
	int order = strcmp((*a)->meta.namespace, (*b)->meta.namespace);

	return order ? order : strcmp((*a)->service, (*b)->service);
}

static int finder_init(struct finder *finder, struct plan_run *run)
{
	const struct object_set *set = run->set;

	finder->run = run;
	finder->slices = arena_array(run->arena, set->slice_count + 1, sizeof(finder->slices[0]));
	finder->of_class =
		arena_array(run->arena, set->class_count + 1, sizeof(finder->of_class[0]));
	finder->serving = arena_array(run->arena, run->node_count + 1, sizeof(uint32_t));
	finder->seen = arena_array(run->arena, run->node_count + 1, sizeof(uint32_t));
	if (!finder->slices || !finder->of_class || !finder->serving || !finder->seen)
		return -ENOMEM;
	for (size_t i = 0; i < set->slice_count; i++)
		if (set->slices[i].service)
			finder->slices[finder->slice_count++] = &set->slices[i];
	qsort(finder->slices, finder->slice_count, sizeof(finder->slices[0]), slice_cmp);
	return 0;
}

static struct plan_candidates *candidates_create(struct plan_run *run, size_t most)
{
	struct plan_candidates *candidates = arena_alloc(run->arena, sizeof(*candidates));

	if (!candidates)
		return NULL;
	candidates->nodes = arena_array(run->arena, most + 1, sizeof(*candidates->nodes));
	return candidates->nodes ? candidates : NULL;
}

/* The nodes that a class selects, made once for each class. */
static const struct plan_candidates *class_candidates(struct finder *finder,
						      const struct object_class *class)
{
	struct plan_run *run = finder->run;
	struct plan_candidates **known = &finder->of_class[class - run->set->classes];

	if (*known)
		return *known;
	*known = candidates_create(run, run->node_count);
	if (!*known)
		return NULL;
	for (uint32_t n = 0; n < run->node_count; n++)
		if (!node_excluded(run->nodes[n], class))
			(*known)->nodes[(*known)->count++] = n;
	return *known;
}

/* Counts a Service on each node where an endpoint of it serves. */
static void service_count(struct finder *finder, const struct object_service *service)
{
	struct object_endpoint_slice key = {.meta.namespace = service->meta.namespace,
					    .service = service->meta.name};
	const struct object_endpoint_slice *wanted = &key;
	size_t low = 0, high = finder->slice_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (slice_cmp(&finder->slices[mid], &wanted) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	finder->turn++;
	for (; low < finder->slice_count && slice_cmp(&finder->slices[low], &wanted) == 0; low++)
		for (size_t i = 0; i < finder->slices[low]->endpoint_count; i++) {
			const struct object_endpoint *end = &finder->slices[low]->endpoints[i];
			uint32_t n = end->serving && end->node ? plan_node(finder->run, end->node)
							       : PLAN_NONE;

			if (n == PLAN_NONE || finder->seen[n] == finder->turn)
				continue;
			finder->seen[n] = finder->turn;
			finder->serving[n]++;
		}
}

/* The candidates of one VIP; what the VIP before had is used again when it is the same. */
static const struct plan_candidates *
vip_candidates(struct finder *finder, const struct ipam_vip *vip, const struct plan_work *before)
{
	const struct plan_candidates *all = class_candidates(finder, vip->class);
	struct plan_candidates *some;
	uint32_t local = 0;

	for (size_t i = 0; i < vip->owner_count; i++)
		local += vip->owners[i].service->policy_local;
	if (!all || local == 0)
		return all;
	if (before && before->vip->class == vip->class && before->vip->owner_count == 1 &&
	    vip->owner_count == 1 && before->vip->owners[0].service == vip->owners[0].service)
		return before->candidates;
	memset(finder->serving, 0, finder->run->node_count * sizeof(*finder->serving));
	for (size_t i = 0; i < vip->owner_count; i++)
		if (vip->owners[i].service->policy_local)
			service_count(finder, vip->owners[i].service);
	some = candidates_create(finder->run, all->count);
	if (!some)
		return NULL;
	for (size_t i = 0; i < all->count; i++)
		if (finder->serving[all->nodes[i]] == local)
			some->nodes[some->count++] = all->nodes[i];
	return some->count ? some : all;
}

/* The candidates that a VIP's Services name, in the order of the first that names any. */
static int work_prefer(struct plan_run *run, struct plan_work *work)
{
	const char *list = NULL;

	for (size_t i = 0; i < work->vip->owner_count && !list; i++)
		list = object_map_get(&work->vip->owners[i].service->meta.annotations,
				      PREFERRED_NODES);
	if (!list)
		return 0;
	work->preferred =
		arena_array(run->arena, work->candidates->count + 1, sizeof(*work->preferred));
	if (!work->preferred)
		return -ENOMEM;
	while (*(list += strspn(list, "," BLANKS))) {
		size_t len = strcspn(list, "," BLANKS);

		for (size_t i = 0; i < work->candidates->count; i++) {
			uint32_t node = work->candidates->nodes[i];
			const char *name = run->nodes[node]->meta.name;
			bool known = false;

			if (strncmp(name, list, len) != 0 || name[len] != '\0')
				continue;
			for (size_t j = 0; j < work->preferred_count; j++)
				known |= work->preferred[j] == node;
			if (!known)
				work->preferred[work->preferred_count++] = node;
		}
		list += len;
	}
	return 0;
}

/* A VIP's first Service by name is the one that it is spread with. */
static int order_cmp(const void *left, const void *right, void *arg)
{
	const struct plan_run *run = arg;
	const struct ipam_vip *a = run->works[*(const uint32_t *)left].vip;
	const struct ipam_vip *b = run->works[*(const uint32_t *)right].vip;
	const struct object_meta *am = &a->owners[0].service->meta;
	const struct object_meta *bm = &b->owners[0].service->meta;
	bool v4 = ip_is_v4(&a->address);
	int order = 0;

	if (am != bm)
		order = strcmp(am->namespace, bm->namespace);
	if (order == 0 && am != bm)
		order = strcmp(am->name, bm->name);
	if (order == 0 && am != bm)
		order = strcmp(am->uid, bm->uid);
	if (order)
		return order;
	if (v4 != ip_is_v4(&b->address))
		return v4 ? -1 : 1;
	if (a->owners[0].index != b->owners[0].index)
		return a->owners[0].index < b->owners[0].index ? -1 : 1;
	return ip_cmp(&a->address, &b->address);
}

static bool same_candidates(const struct plan_candidates *a, const struct plan_candidates *b)
{
	return a == b || (a->count == b->count &&
			  memcmp(a->nodes, b->nodes, a->count * sizeof(*a->nodes)) == 0);
}

static bool same_preferred(const struct plan_work *a, const struct plan_work *b)
{
	return a->preferred_count == b->preferred_count &&
	       (a->preferred_count == 0 || memcmp(a->preferred, b->preferred,
						  a->preferred_count * sizeof(*a->preferred)) == 0);
}

/* Cuts the order into runs of one Service with the same candidates. */
static void groups_cut(struct plan_run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		const struct plan_work *work = &run->works[run->order[i]];
		const struct object_meta *meta = &work->vip->owners[0].service->meta;
		const struct plan_work *before = i ? &run->works[run->order[i - 1]] : NULL;

		if (before && before->vip->owners[0].service == work->vip->owners[0].service &&
		    same_candidates(before->candidates, work->candidates) &&
		    same_preferred(before, work)) {
			run->groups[run->group_count - 1].count++;
			continue;
		}
		run->groups[run->group_count++] = (struct plan_group){
			.start = i,
			.count = 1,
			.hash = balance_mix(plan_hash(meta->namespace, strlen(meta->namespace)) +
					    plan_hash(meta->name, strlen(meta->name)))};
	}
}

int plan_prepare(struct plan_run *run, const struct ipam_result *allocations)
{
	struct finder finder = {0};
	const struct plan_work *before = NULL;

	run->count = allocations->vip_count;
	run->works = arena_array(run->arena, run->count + 1, sizeof(*run->works));
	run->order = arena_array(run->arena, run->count + 1, sizeof(*run->order));
	run->groups = arena_array(run->arena, run->count + 1, sizeof(*run->groups));
	if (!run->works || !run->order || !run->groups || nodes_sort(run) < 0 ||
	    finder_init(&finder, run) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < run->count; i++) {
		run->works[i].vip = &allocations->vips[i];
		run->works[i].hash = plan_hash(&allocations->vips[i].address, sizeof(struct ip));
		run->order[i] = (uint32_t)i;
	}
	qsort_r(run->order, run->count, sizeof(*run->order), order_cmp, run);
	for (size_t i = 0; i < run->count; i++) {
		struct plan_work *work = &run->works[run->order[i]];

		work->candidates = vip_candidates(&finder, work->vip, before);
		if (!work->candidates || work_prefer(run, work) < 0)
			return -ENOMEM;
		before = work;
	}
	groups_cut(run);
	return 0;
}
