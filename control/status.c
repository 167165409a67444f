/* SPDX-License-Identifier: BSD-3-Clause */
/* Status documents: VIPs, peers, the node itself, its counters. status_explain.c has the reasons.
 */
#include "status.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller.h"
#include "daemon.h"
#include "group.h"
#include "loop.h"

#define NS_PER_MS UINT64_C(1000000)

json_t *status_time(uint64_t at_ns)
{
	char text[sizeof("2026-01-01T00:00:00.000Z")];
	uint64_t now = loop_now_ns(), ago = now > at_ns ? now - at_ns : 0;
	struct timespec wall;
	struct tm utc;
	uint64_t ms;
	time_t seconds;
	size_t len;

	if (at_ns == 0)
		return json_null();
	clock_gettime(CLOCK_REALTIME, &wall);
	ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / NS_PER_MS - ago / NS_PER_MS;
	seconds = (time_t)(ms / 1000);
	gmtime_r(&seconds, &utc);
	len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + len, sizeof(text) - len, ".%03uZ", (unsigned int)(ms % 1000));
	return json_string(text);
}

json_t *status_wall(int64_t seconds)
{
	char text[sizeof("2026-01-01T00:00:00Z")];
	time_t time = (time_t)seconds;
	struct tm utc;

	if (seconds == 0)
		return json_null();
	gmtime_r(&time, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return json_string(text);
}

json_t *status_node(const struct daemon *daemon, uint32_t id)
{
	char hex[NAME_HEX_LEN];
	const char *name = names_get(&daemon->names, id, hex);

	return name != NULL ? json_string(name) : json_null();
}

/* ---- VIPs ---- */

enum vip_state {
	VIP_OWNED,
	VIP_PEER,
	VIP_DRAINING,
	VIP_NONE,
};

static const char *const vip_state_names[] = {"owned", "peer", "draining", "none"};

/* known: the election has heard of the VIP at all. */
static enum vip_state vip_state(const struct daemon *daemon, bool known,
				const struct election_vip_view *view)
{
	if (!known || view->owner == 0)
		return VIP_NONE;
	if (!view->mine)
		return VIP_PEER;
	return daemon->draining || daemon->leaving || view->offered_to != 0 ? VIP_DRAINING
									    : VIP_OWNED;
}

static json_t *vip_services(const struct ipam_vip *vip)
{
	json_t *services = json_array();

	for (size_t i = 0; i < vip->owner_count; i++) {
		const struct object_meta *meta = &vip->owners[i].service->meta;

		json_array_append_new(services, json_sprintf("%s/%s", meta->namespace, meta->name));
	}
	return services;
}

static json_t *vip_nodes(const struct plan *plan, const struct ip *address)
{
	const struct plan_vip *planned = plan_find(plan, address);
	json_t *nodes = json_array();

	for (size_t i = 0; planned != NULL && i < planned->node_count; i++)
		json_array_append_new(nodes, json_string(planned->nodes[i]));
	return nodes;
}

json_t *status_vip(const struct daemon *daemon, size_t interface, const struct ipam_vip *vip)
{
	const struct election *election = group_election(daemon->groups[interface]);
	const struct generation *generation = controller_generation(daemon->controller);
	struct election_vip_view view = {0};
	bool known = election_vip(election, &vip->address, &view);
	enum vip_state state = vip_state(daemon, known, &view);
	char address[IP_STRLEN];

	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:I, s:o}", "address",
			 ip_format(&vip->address, address), "class", vip->class->meta.name,
			 "services", vip_services(vip), "nodes",
			 vip_nodes(generation->plan, &vip->address), "owner",
			 status_node(daemon, view.owner), "state", vip_state_names[state], "epoch",
			 (json_int_t)view.epoch, "since", status_time(view.since_ns));
}

/* A VIP that several interfaces have has a claim, and so an entry, in each. */
static bool on_several(size_t interface_count, const struct ipam_vip *vip)
{
	return interface_count > 1 && vip->class->interface_count != 1;
}

json_t *status_vips(const struct daemon *daemon)
{
	const struct generation *generation = controller_generation(daemon->controller);
	json_t *vips = json_array();

	for (size_t i = 0; i < daemon->group_count; i++) {
		const struct derive_interface *interface = &generation->interfaces[i];

		for (size_t j = 0; j < interface->count; j++) {
			json_t *vip = status_vip(daemon, i, interface->vips[j]);

			if (vip != NULL && on_several(daemon->group_count, interface->vips[j]))
				json_object_set_new(
					vip, "interface",
					json_string(daemon->config->interfaces[i].name));
			json_array_append_new(vips, vip);
		}
	}
	return json_pack("{s:o}", "vips", vips);
}

void status_vip_count(const struct daemon *daemon, size_t interface, struct status_vip_count *count)
{
	const struct election *election = group_election(daemon->groups[interface]);
	const struct generation *generation = controller_generation(daemon->controller);
	const struct derive_interface *vips = &generation->interfaces[interface];
	size_t states[] = {0, 0, 0, 0};

	for (size_t i = 0; i < vips->count; i++) {
		struct election_vip_view view = {0};
		bool known = election_vip(election, &vips->addresses[i], &view);

		states[vip_state(daemon, known, &view)]++;
	}
	*count = (struct status_vip_count){states[VIP_OWNED], states[VIP_PEER],
					   states[VIP_DRAINING], states[VIP_NONE]};
}

/* ---- peers ---- */

struct peers {
	const struct daemon *daemon;
	const char *group;
	uint64_t now_ns;
	json_t *list;
};

const char *status_peer_state(const struct election_peer_view *peer)
{
	if (!peer->live)
		return "lost";
	return peer->fenced ? "fenced" : node_state_name(peer->state);
}

static json_t *peer_path(const struct peers *peers, const struct election_peer_view *peer,
			 enum heartbeat_path path)
{
	uint64_t heard = peer->heard_ns[path];
	uint64_t age = peers->now_ns > heard ? peers->now_ns - heard : 0;
	uint64_t silence = peer->interval_ns * peer->multiplier + peer->interval_ns / 4;

	return json_pack("{s:b, s:o, s:I}", "heard", (int)(heard != 0 && age < silence), "age_ms",
			 heard != 0 ? json_integer((json_int_t)(age / NS_PER_MS)) : json_null(),
			 "lost", (json_int_t)peer->lost[path]);
}

static void peer_add(void *arg, const struct election_peer_view *peer)
{
	struct peers *peers = arg;
	char boot[17];

	snprintf(boot, sizeof(boot), "%016llx", (unsigned long long)peer->boot_id);
	json_array_append_new(peers->list,
			      json_pack("{s:o, s:s, s:s, s:s, s:{s:o, s:o}}", "node",
					status_node(peers->daemon, peer->node), "group",
					peers->group, "state", status_peer_state(peer), "boot_id",
					boot, "paths", "front",
					peer_path(peers, peer, HEARTBEAT_FRONT), "management",
					peer_path(peers, peer, HEARTBEAT_MANAGEMENT)));
}

json_t *status_peers(const struct daemon *daemon)
{
	struct peers peers = {
		.daemon = daemon,
		.now_ns = loop_now_ns(),
		.list = json_array(),
	};

	for (size_t i = 0; i < daemon->group_count; i++) {
		peers.group = daemon->config->interfaces[i].group;
		election_peers(group_election(daemon->groups[i]), peer_add, &peers);
	}
	return json_pack("{s:o}", "peers", peers.list);
}

/* ---- the node ---- */

static json_t *status_interface(const struct daemon *daemon, size_t i)
{
	const struct dataplane_interface_info *info = &daemon->info[i];
	const struct config_interface *interface = &daemon->config->interfaces[i];
	struct group_counters counters;
	struct election_view view;
	char mac[RTE_ETHER_ADDR_FMT_SIZE];
	uint64_t now = loop_now_ns();

	group_counters(daemon->groups[i], &counters);
	election_view(group_election(daemon->groups[i]), &view);
	rte_ether_format_addr(mac, sizeof(mac), &info->mac);
	for (char *c = mac; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c); /* as ip(8) writes it */
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:s, s:s, s:b, s:I}",
			 "name", interface->name, "group", interface->group, "device",
			 interface->device, "driver", info->driver, "netdev", info->netdev, "mac",
			 mac, "link", counters.link_up ? "up" : "down", "queues", (int)info->queues,
			 "kernel_port", info->kernel_port, "backend", info->backend, "state",
			 node_state_name(view.state), "lease", (int)(view.lease_until_ns > now),
			 "owned", (json_int_t)view.owned);
}

static json_t *status_source(const struct daemon *daemon)
{
	const struct generation *generation = controller_generation(daemon->controller);
	struct controller_view view;

	controller_view(daemon->controller, &view);
	return json_pack("{s:s, s:s, s:b, s:I, s:o, s:i, s:i, s:I, s:I}", "kind", "file", "path",
			 controller_source(daemon->controller), "synced",
			 (int)(generation != NULL && view.failure == NULL), "age_s",
			 (json_int_t)((int64_t)time(NULL) - view.loaded_s), "loaded",
			 status_wall(view.loaded_s), "services",
			 (int)generation->allocations->service_count, "vips",
			 (int)generation->allocations->vip_count, "reloads",
			 (json_int_t)view.reloads, "failures", (json_int_t)view.reload_failures);
}

/* Whether each of our Services is served here, as far as it is known. */
static json_t *status_health(const struct daemon *daemon)
{
	const struct ipam_result *allocations =
		controller_generation(daemon->controller)->allocations;
	json_t *health = json_object();

	for (size_t i = 0; i < allocations->service_count; i++) {
		const struct object_service *service = allocations->services[i].service;
		char key[600]; /* namespace and name have at most 253 bytes each */

		snprintf(key, sizeof(key), "%s/%s", service->meta.namespace, service->meta.name);
		json_object_set_new(
			health, key,
			json_boolean(controller_service_healthy(daemon->controller, service)));
	}
	return health;
}

static json_t *status_moves(const struct daemon *daemon)
{
	uint64_t taken[GROUP_CAUSES] = {0}, lost[GROUP_CAUSES] = {0};
	json_t *in = json_object(), *out = json_object();

	for (size_t i = 0; i < daemon->group_count; i++) {
		struct group_counters counters;

		group_counters(daemon->groups[i], &counters);
		for (size_t j = 0; j < GROUP_CAUSES; j++) {
			taken[j] += counters.taken[j];
			lost[j] += counters.lost[j];
		}
	}
	for (size_t j = ELECTION_CAUSE_NONE + 1; j < GROUP_CAUSES; j++) {
		const char *name = election_cause_name((enum election_cause)j);

		json_object_set_new(in, name, json_integer((json_int_t)taken[j]));
		json_object_set_new(out, name, json_integer((json_int_t)lost[j]));
	}
	return json_pack("{s:o, s:o}", "taken", in, "lost", out);
}

/* The node's state is that of its interfaces when they agree, else of the least able of them. */
static enum node_state node_state(const struct daemon *daemon)
{
	enum node_state worst = NODE_ACTIVE;

	for (size_t i = 0; i < daemon->group_count; i++) {
		struct election_view view;

		election_view(group_election(daemon->groups[i]), &view);
		if (view.state > NODE_ACTIVE)
			return view.state;
		if (view.state < worst)
			worst = view.state;
	}
	return worst;
}

json_t *status_status(const struct daemon *daemon)
{
	json_t *interfaces = json_array();

	for (size_t i = 0; i < daemon->group_count; i++)
		json_array_append_new(interfaces, status_interface(daemon, i));
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:[s,s,s,s], s:o, s:o, s:s, s:o}", "node",
			 daemon->config->node, "version", VIPGATE_VERSION, "state",
			 node_state_name(node_state(daemon)), "started",
			 status_time(daemon->started_ns), "interfaces", interfaces, "source",
			 status_source(daemon), "capabilities", "arp", "ndp", "health", "file",
			 "health", status_health(daemon), "moves", status_moves(daemon),
			 "pending_restart", daemon->restart_keys, "problems",
			 status_problems(daemon));
}

bool status_ready(const struct daemon *daemon, const char **reason)
{
	enum node_state state = node_state(daemon);
	struct controller_view view;

	controller_view(daemon->controller, &view);
	*reason = NULL;
	if (controller_generation(daemon->controller) == NULL)
		*reason = "the source was not read yet";
	else if (!view.ready)
		*reason = "the health of the local ingress is not known yet";
	else if (daemon->leaving || (state != NODE_ACTIVE && !daemon->draining))
		*reason = node_state_name(state);
	return *reason == NULL;
}

/* ---- counters ---- */

static json_t *stats_drops(const struct dataplane_counters *counters)
{
	json_t *drops = json_object();

	for (size_t i = 0; i < DROP_REASON_COUNT; i++) {
		if (counters->drops[i] > 0)
			json_object_set_new(drops, drop_reason_name((enum drop_reason)i),
					    json_integer((json_int_t)counters->drops[i]));
	}
	return drops;
}

json_t *status_stats(const struct daemon *daemon)
{
	json_t *interfaces = json_array();

	for (size_t i = 0; i < daemon->group_count; i++) {
		struct dataplane_counters c;

		dataplane_counters(daemon->dataplane, i, &c);
		json_array_append_new(
			interfaces,
			json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "name",
				  daemon->config->interfaces[i].name, "rx_packets",
				  (json_int_t)c.rx_packets, "rx_bytes", (json_int_t)c.rx_bytes,
				  "tx_packets", (json_int_t)c.tx_packets, "tx_bytes",
				  (json_int_t)c.tx_bytes, "to_kernel", (json_int_t)c.to_kernel,
				  "from_kernel", (json_int_t)c.from_kernel, "arp_answered",
				  (json_int_t)c.arp_answered, "ndp_answered",
				  (json_int_t)c.ndp_answered, "announced", (json_int_t)c.announced,
				  "drops", stats_drops(&c)));
	}
	return json_pack("{s:o}", "interfaces", interfaces);
}
