/* SPDX-License-Identifier: BSD-3-Clause */
/* What is wrong with this node now, each with what to do about it. */
#include "status.h"

#include "controller.h"
#include "daemon.h"
#include "group.h"
#include "keeper.h"
#include "loop.h"

#define RECENT_NS UINT64_C(60000000000)

static void add(json_t *list, json_t *text)
{
	json_array_append_new(list, text);
}

struct heard {
	size_t live;
};

static void count_live(void *arg, const struct election_peer_view *peer)
{
	struct heard *heard = arg;

	heard->live += peer->live;
}

static void interface_problems(const struct daemon *daemon, size_t i, json_t *list)
{
	const struct config_interface *interface = &daemon->config->interfaces[i];
	const struct generation *generation = controller_generation(daemon->controller);
	const struct election *election = group_election(daemon->groups[i]);
	struct group_counters counters;
	struct election_view view;
	struct heard heard = {0};
	uint64_t now = loop_now_ns(), rose = daemon->bad_checksum_rose_ns[i];

	group_counters(daemon->groups[i], &counters);
	election_view(election, &view);
	election_peers(election, count_live, &heard);
	if (!counters.link_up)
		add(list, json_sprintf("interface %s: the link of %s is down: check cable, switch "
				       "port and bond",
				       interface->name, interface->device));
	else if (view.state != NODE_JOINING && view.state != NODE_LEAVING &&
		 view.lease_until_ns <= now)
		add(list, json_sprintf("interface %s: the lease has run out, so this node answers "
				       "nothing: no peer echoes its heartbeats and no gateway "
				       "answers; check the segment, and `gateways` in %s",
				       interface->name, daemon->config->path));
	if (heard.live == 0 && generation->set->node_count > 1)
		add(list, json_sprintf("interface %s: no peer of group %s is heard: check that "
				       "EtherType 0x88B5 passes the switch and that all nodes have "
				       "the same key",
				       interface->name, interface->group));
	if (counters.twins > 0)
		add(list, json_sprintf("group %s: two machines have one node name: rename one",
				       interface->group));
	if (rose != 0 && now - rose < RECENT_NS && daemon->info[i].netdev[0] != '\0')
		add(list,
		    json_sprintf("interface %s: packets arrive with wrong checksums: the far end "
				 "of %s sends partial checksums: ethtool -K <far end> tx off",
				 interface->name, daemon->info[i].netdev));
}

static void service_problems(const struct daemon *daemon, json_t *list)
{
	const struct ipam_result *allocations =
		controller_generation(daemon->controller)->allocations;

	for (size_t i = 0; i < allocations->service_count; i++) {
		const struct ipam_service *got = &allocations->services[i];
		const struct object_meta *meta = &got->service->meta;

		if (got->ingress_count < got->wanted)
			add(list, json_sprintf("service %s/%s: %zu of %zu VIPs were assigned: "
					       "enlarge the pool of class %s or lower the count",
					       meta->namespace, meta->name, got->ingress_count,
					       got->wanted, got->class->meta.name));
		if (!controller_service_healthy(daemon->controller, got->service))
			add(list, json_sprintf("service %s/%s: the ingress on this node does not "
					       "answer: check the pods or server behind it",
					       meta->namespace, meta->name));
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
		add(list, json_sprintf("source: the last reload failed, the last good state is "
				       "kept: %s",
				       view.failure));
	if (daemon->config_failure[0] != '\0')
		add(list, json_sprintf("configuration: the last reload failed, the last good one "
				       "is kept: %s",
				       daemon->config_failure));
	if (daemon->restart_keys[0] != '\0')
		add(list, json_sprintf("configuration: restart vipgate for these to take effect: "
				       "%s",
				       daemon->restart_keys));
	if (keeper_failures(daemon->keeper) > 0)
		add(list, json_sprintf("state_dir %s: %llu writes failed: check space and rights",
				       daemon->config->state_dir,
				       (unsigned long long)keeper_failures(daemon->keeper)));
	return list;
}
