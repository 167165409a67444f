/* SPDX-License-Identifier: BSD-3-Clause */
/* What the actions of an election do: to the dataplane, to the memory on disk, in the log. */
#include "group_internal.h"

#include "packet/announce.h"
#include "packet/heartbeat.h"

#include "core/announcer.h"
#include "keeper.h"
#include "log.h"

static const char *node_name(const struct group *group, uint32_t id, char *buf)
{
	const char *name = names_get(group->config.names, id, buf);

	return name != NULL ? name : "nobody";
}

static void act_own(struct group *group, const struct election_action *action)
{
	char vip[IP_STRLEN], hex[NAME_HEX_LEN];

	if (dataplane_vip_own(group->config.dataplane, group->config.index, &action->vip.address,
			      true) < 0)
		log_error("group %s: %s is owned but was never published to the workers",
			  group->interface->group, ip_format(&action->vip.address, vip));
	group->counters.taken[action->vip.cause]++;
	log_info("group %s: took %s, epoch %llu, cause %s, former owner %s, move %s/%llu",
		 group->interface->group, ip_format(&action->vip.address, vip),
		 (unsigned long long)action->vip.epoch, election_cause_name(action->vip.cause),
		 node_name(group, action->vip.owner, hex), vip,
		 (unsigned long long)action->vip.epoch);
}

static void act_disown(struct group *group, const struct election_action *action)
{
	char vip[IP_STRLEN], hex[NAME_HEX_LEN];

	/* -ENOENT: it is no longer published at all */
	dataplane_vip_own(group->config.dataplane, group->config.index, &action->vip.address,
			  false);
	announcer_stop(group->announcer, &action->vip.address);
	group->counters.lost[action->vip.cause]++;
	log_info("group %s: gave up %s, epoch %llu, cause %s, owner now %s, move %s/%llu",
		 group->interface->group, ip_format(&action->vip.address, vip),
		 (unsigned long long)action->vip.epoch, election_cause_name(action->vip.cause),
		 node_name(group, action->vip.owner, hex), vip,
		 (unsigned long long)action->vip.epoch);
}

static void act_lease(struct group *group, uint64_t until_ns)
{
	dataplane_lease_set(group->config.dataplane, group->config.index, until_ns);
	group->lease_until_ns = until_ns;
	/* Fenced for ever: who hears so need not wait until silence says it. */
	if (until_ns == 0 && group->management != NULL)
		group->management->due_ns = 0;
}

static void act_beat(struct group *group, const struct election_action *action)
{
	uint8_t body[HEARTBEAT_MAX_LEN];
	size_t len = heartbeat_encode(action->message.heartbeat, body);

	if (dataplane_beat_set(group->config.dataplane, group->config.index, body, len,
			       group->config.config->heartbeat_interval_ns,
			       group->signing_key.bytes, action->message.now) < 0)
		group->counters.send_failed++;
	group_management_beat(group, action->message.heartbeat, action->message.now);
}

static void act_rows(struct group *group, uint64_t now_ns, const struct election_action *action)
{
	uint8_t body[HEARTBEAT_MAX_LEN];
	size_t len;

	if (action->message.heartbeat->path != HEARTBEAT_FRONT) {
		group_management_rows(group, now_ns, action->message.heartbeat, action->message.to);
		return;
	}
	len = heartbeat_encode(action->message.heartbeat, body);
	if (dataplane_send(group->config.dataplane, group->config.index, DATAPLANE_SEND_HEARTBEAT,
			   NULL, body, len) < 0)
		group->counters.send_failed++;
}

/* The kernel port's link-local address, made from the MAC (RFC 4291 appendix A). */
static struct ip link_local(const struct rte_ether_addr *mac)
{
	const uint8_t *m = mac->addr_bytes;

	return (struct ip){.b = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 0x02, m[1], m[2], 0xff, 0xfe,
				 m[3], m[4], m[5]}};
}

/* The node's own address in the gateway's subnet; none (v4) or the link-local (v6) otherwise. */
static struct ip probe_source(const struct group *group, const struct ip *gateway)
{
	for (size_t i = 0; i < group->interface->address_count; i++) {
		const struct ip_prefix *prefix = &group->interface->addresses[i];

		if (ip_prefix_contains(prefix, gateway))
			return prefix->addr;
	}
	return ip_is_v4(gateway) ? (struct ip){{0}} : link_local(&group->mac);
}

static void act_probe(struct group *group, uint64_t now_ns)
{
	uint8_t frame[ANNOUNCE_FRAME_MAX];

	for (size_t i = 0; i < group->interface->gateway_count; i++) {
		const struct ip *gateway = &group->interface->gateways[i];
		struct ip source = probe_source(group, gateway);
		size_t len = announce_gateway_probe(frame, &group->mac, group->interface->vlan,
						    &source, gateway);

		if (dataplane_send(group->config.dataplane, group->config.index,
				   DATAPLANE_SEND_PLAIN, NULL, frame, len) < 0)
			group->counters.send_failed++;
		else
			group->counters.probes_sent++;
	}
	group->probed_ns[group->probe_next++ % PROBES_KEPT] = now_ns;
}

/* From ACTIVE back to STANDBY: this node was fenced, which delays this failback and the next. */
static void act_state(struct group *group, enum node_state state)
{
	log_info("group %s: this node is %s", group->interface->group, node_state_name(state));
	if (group->state == NODE_ACTIVE && state == NODE_STANDBY)
		keeper_group_incident(group->config.keeper, group->interface->group);
	group->hold_changed |= state == NODE_STANDBY; /* also where half an hour made it less */
	group->state = state;
}

static void act_peer(struct group *group, const struct election_action *action)
{
	char hex[NAME_HEX_LEN];

	if (action->peer.live) {
		log_info("group %s: peer %s is heard", group->interface->group,
			 node_name(group, action->peer.node, hex));
		return;
	}
	group->counters.peers_lost++;
	log_warning("group %s: peer %s lost: %s", group->interface->group,
		    node_name(group, action->peer.node, hex),
		    election_cause_name(action->peer.cause));
}

static void act_claim(const struct group *group, const struct election_action *action)
{
	char vip[IP_STRLEN], hex[NAME_HEX_LEN];

	log_debug("group %s: %s is claimed by %s, epoch %llu", group->interface->group,
		  ip_format(&action->vip.address, vip), node_name(group, action->vip.owner, hex),
		  (unsigned long long)action->vip.epoch);
}

static void act(struct group *group, uint64_t now_ns, const struct election_action *action)
{
	char hex[NAME_HEX_LEN];

	switch (action->type) {
	case ELECTION_LEASE:
		act_lease(group, action->until_ns);
		break;
	case ELECTION_OWN:
		act_own(group, action);
		break;
	case ELECTION_DISOWN:
		act_disown(group, action);
		break;
	case ELECTION_ANNOUNCE:
		if (announcer_start(group->announcer, &action->vip.address, now_ns) < 0)
			log_error("group %s: no memory for an announcement",
				  group->interface->group);
		break;
	case ELECTION_BEAT:
		act_beat(group, action);
		break;
	case ELECTION_ROWS:
		act_rows(group, now_ns, action);
		break;
	case ELECTION_PROBE:
		act_probe(group, now_ns);
		break;
	case ELECTION_STATE:
		act_state(group, action->state);
		break;
	case ELECTION_PEER:
		act_peer(group, action);
		break;
	case ELECTION_EPOCH:
		keeper_epoch_raise(group->config.keeper, group->interface->group,
				   &action->vip.address, action->vip.epoch);
		break;
	case ELECTION_CLAIM:
		act_claim(group, action);
		break;
	case ELECTION_LEFT:
		group->left = true;
		break;
	case ELECTION_TWIN:
		group->counters.twins++;
		log_error("group %s: two machines call themselves %s: names of nodes must differ",
			  group->interface->group, node_name(group, action->peer.node, hex));
		break;
	}
}

void group_step(struct group *group, uint64_t now_ns, const struct election_event *event)
{
	election_actions_reset(&group->actions);
	if (election_step(group->election, now_ns, event, &group->actions) < 0 ||
	    group->actions.out_of_memory)
		group->counters.out_of_memory = true;
	for (size_t i = 0; i < group->actions.count; i++)
		act(group, now_ns, &group->actions.list[i]);
}
