/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong with this node now, each with what to do about it. */
#include "status.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "controller.h"
#include "daemon.h"
#include "derive.h"
#include "generation.h"
#include "group.h"
#include "keeper.h"
#include "loop.h"

#define RECENT_NS	   UINT64_C(60000000000)
#define NOW_NS		   UINT64_C(5000000000)	 /* for what comes many times a second */
#define TWINS_NS	   UINT64_C(15000000000) /* told of at most once in 10 s */
#define DISAGREE_NS	   UINT64_C(10000000000) /* longer than a reload takes on all nodes */
#define MANAGEMENT_LATE_NS UINT64_C(2000000000)	 /* longer than it takes to be found */

/* Both are taken over: what is wrong, and what to do about it. */
static void add(json_t *list, json_t *text, const char *advice)
{
	json_array_append_new(list, json_pack("{s:o, s:s}", "text", text, "advice", advice));
}

static bool is_recent(uint64_t at_ns, uint64_t recent_ns)
{
	return at_ns != 0 && loop_now_ns() - at_ns < recent_ns;
}

struct heard {
	uint64_t now_ns;
	size_t live, management, both; /* who is heard lately: on the front, there, on both */
};

static void count_heard(void *arg, const struct election_peer_view *peer)
{
	struct heard *heard = arg;
	const uint64_t at_ns = peer->heard_ns[HEARTBEAT_MANAGEMENT];
	const bool management = at_ns != 0 && heard->now_ns - at_ns < MANAGEMENT_LATE_NS;

	heard->live += peer->live;
	heard->management += management;
	heard->both += peer->live && management;
}

static void management_problems(const struct daemon *daemon, size_t i, const struct heard *heard,
				json_t *list)
{
	const struct config_interface *interface = &daemon->config->interfaces[i];

	if (daemon->mgmt == NULL)
		return;
	if (heard->both < heard->live)
		add(list,
		    json_sprintf("interface %s: %zu of %zu peers are not heard on the management "
				 "path",
				 interface->name, heard->live - heard->both, heard->live),
		    "check that UDP to the port of heartbeat.management passes, and the addresses "
		    "of the Nodes");
	if (heard->both < heard->management)
		add(list,
		    json_sprintf("interface %s: %zu peers are heard on the management path alone",
				 interface->name, heard->management - heard->both),
		    "check that EtherType 0x88B5 passes the switch");
}

struct stranger {
	uint64_t now_ns;
	uint32_t live[HEARTBEAT_MAX_PEERS];
	size_t live_count;
	struct election_vip_view first;
	size_t count;
};

static void note_live(void *arg, const struct election_peer_view *peer)
{
	struct stranger *stranger = arg;

	if (peer->live && stranger->live_count < HEARTBEAT_MAX_PEERS)
		stranger->live[stranger->live_count++] = peer->node;
}

/* A VIP that another node holds and that nothing here has: it allocated otherwise. */
static void count_stranger(void *arg, const struct election_vip_view *vip)
{
	struct stranger *stranger = arg;

	if (vip->planned || stranger->now_ns - vip->since_ns < DISAGREE_NS)
		return;
	for (size_t i = 0; i < stranger->live_count; i++)
		if (stranger->live[i] == vip->owner && stranger->count++ == 0)
			stranger->first = *vip;
}

/*
 * Of a file every node allocates by itself, from what it remembers; memories may differ (ipam.h).
 * Safety does not depend on it, but a Service then has other VIPs than its DNS records say.
 */
static void allocation_problems(const struct daemon *daemon, size_t i, json_t *list)
{
	const struct election *election = group_election(daemon->groups[i]);
	struct stranger stranger = {.now_ns = loop_now_ns()};
	char vip[IP_STRLEN], hex[NAME_HEX_LEN];
	const char *owner;

	if (daemon->config->source_file == NULL)
		return;
	election_peers(election, note_live, &stranger);
	election_vips(election, count_stranger, &stranger);
	if (stranger.count == 0)
		return;
	owner = names_get(&daemon->names, stranger.first.owner, hex);
	add(list,
	    json_sprintf("interface %s: %zu VIPs are held by peers, %s by %s for one, that no "
			 "Service has here",
			 daemon->config->interfaces[i].name, stranger.count,
			 ip_format(&stranger.first.address, vip), owner != NULL ? owner : "nobody"),
	    "give all nodes the same objects file; if they have it, state their addresses in it "
	    "(network.deckhouse.io/load-balancer-ips, or VirtualIP objects)");
}

static void interface_problems(const struct daemon *daemon, size_t i, json_t *list)
{
	const struct config_interface *interface = &daemon->config->interfaces[i];
	const struct generation *generation = controller_generation(daemon->controller);
	const struct election *election = group_election(daemon->groups[i]);
	struct group_counters counters;
	struct election_view view;
	uint64_t now = loop_now_ns();
	struct heard heard = {.now_ns = now};

	group_counters(daemon->groups[i], &counters);
	election_view(election, &view);
	election_peers(election, count_heard, &heard);
	if (!counters.link_up)
		add(list,
		    json_sprintf("interface %s: the link of %s is down", interface->name,
				 interface->device),
		    "check cable, switch port and bond");
	else if (view.state != NODE_JOINING && view.state != NODE_LEAVING &&
		 view.lease_until_ns <= now)
		add(list,
		    json_sprintf("interface %s: the lease has run out, so this node answers "
				 "nothing: no peer echoes its heartbeats and no gateway answers",
				 interface->name),
		    "check the segment, and the gateways in the configuration");
	if (heard.live == 0 && generation->set->node_count > 1)
		add(list,
		    json_sprintf("interface %s: no peer of group %s is heard", interface->name,
				 interface->group),
		    "check that EtherType 0x88B5 passes the switch and that all nodes have the "
		    "same key");
	management_problems(daemon, i, &heard, list);
	allocation_problems(daemon, i, list);
	if (is_recent(daemon->rejected_rose_ns[i][AUTH_REJECT_SIGNATURE], NOW_NS))
		add(list,
		    json_sprintf("group %s: heartbeats arrive that no key of this node has signed",
				 interface->group),
		    "compare the key files of all nodes of the group");
	if (is_recent(daemon->rejected_rose_ns[i][AUTH_REJECT_DUPLICATE], NOW_NS))
		add(list,
		    json_sprintf("group %s: another machine calls itself %s", interface->group,
				 daemon->config->node),
		    "rename one of them");
	if (is_recent(daemon->twins_rose_ns[i], TWINS_NS))
		add(list,
		    json_sprintf("group %s: two machines have one node name", interface->group),
		    "rename one of them");
	if (is_recent(daemon->bad_checksum_rose_ns[i], RECENT_NS) &&
	    daemon->info[i].netdev[0] != '\0')
		add(list,
		    json_sprintf("interface %s: packets arrive with wrong checksums: the far end "
				 "of %s sends partial checksums",
				 interface->name, daemon->info[i].netdev),
		    "ethtool -K <far end> tx off");
}

/* Whether this node has an interface that a class is on. */
static bool class_is_here(const struct daemon *daemon, const struct object_class *class)
{
	for (size_t i = 0; i < daemon->config->interface_count; i++) {
		if (derive_class_on_interface(class, daemon->config->interfaces[i].name))
			return true;
	}
	return false;
}

static void service_problems(const struct daemon *daemon, json_t *list)
{
	const struct ipam_result *allocations =
		controller_generation(daemon->controller)->allocations;

	for (size_t i = 0; i < allocations->service_count; i++) {
		const struct ipam_service *got = &allocations->services[i];
		const struct object_meta *meta = &got->service->meta;

		if (got->ingress_count < got->wanted)
			add(list,
			    json_sprintf("service %s/%s: %zu of %zu VIPs were assigned from class "
					 "%s",
					 meta->namespace, meta->name, got->ingress_count,
					 got->wanted, got->class->meta.name),
			    "enlarge the pool of the class or lower the count");
		if (!class_is_here(daemon, got->class))
			add(list,
			    json_sprintf("service %s/%s: class %s is on no interface of this node",
					 meta->namespace, meta->name, got->class->meta.name),
			    "compare spec.l2.interfaces of the class with the configuration's "
			    "interfaces");
		else if (!controller_service_healthy(daemon->controller, got->service))
			add(list,
			    json_sprintf("service %s/%s: the ingress on this node does not answer",
					 meta->namespace, meta->name),
			    "check the pods or the server behind it");
	}
}

json_t *status_problems(const struct daemon *daemon)
{
	json_t *list = json_array();
	struct controller_view view;

	controller_view(daemon->controller, &view);
	for (size_t i = 0; i < daemon->group_count; i++)
		interface_problems(daemon, i, list);
	service_problems(daemon, list);
	if (view.failure != NULL)
		add(list,
		    json_sprintf("source: the last reload failed, the last good state is kept: %s",
				 view.failure),
		    "correct the file; it is read again when it changes");
	else if (daemon->config->source_file != NULL &&
		 access(daemon->config->source_file, R_OK) != 0)
		add(list,
		    json_sprintf("source: the last good state is kept, but a start would fail: %s: "
				 "%s",
				 daemon->config->source_file, strerror(errno)),
		    "put the file back");
	if (!generation_has_node(controller_generation(daemon->controller), daemon->config->node))
		add(list,
		    json_sprintf("source: no Node %s: this node holds no VIP",
				 daemon->config->node),
		    "add the Node, or correct node in the configuration");
	if (daemon->config_failure[0] != '\0')
		add(list,
		    json_sprintf("configuration: the last reload failed, the last good one is "
				 "kept: %s",
				 daemon->config_failure),
		    "correct the file and send SIGHUP");
	if (daemon->restart_keys[0] != '\0')
		add(list,
		    json_sprintf("configuration: changed, but not in effect: %s",
				 daemon->restart_keys),
		    "restart vipgate");
	if (keeper_failures(daemon->keeper) > 0)
		add(list,
		    json_sprintf("state_dir %s: %llu writes failed", daemon->config->state_dir,
				 (unsigned long long)keeper_failures(daemon->keeper)),
		    "check space and rights");
	return list;
}
