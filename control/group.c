/* SPDX-License-Identifier: BSD-3-Clause */
/* Drives one election: events in, actions out, a line in the log for what people ask about later.
 */
#include "group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "packet/announce.h"
#include "packet/heartbeat.h"

#include "core/announcer.h"
#include "derive.h"
#include "keeper.h"
#include "log.h"

#define DEFENCE_INTERVAL_NS UINT64_C(10000000000) /* RFC 5227 §2.4 (b) */
#define PROBES_KEPT	    8
#define DEFENCES_KEPT	    64

struct defence {
	struct ip vip;
	uint64_t at_ns;
};

struct group {
	struct group_config config;
	const struct config_interface *interface;
	struct election *election;
	struct election_actions actions;
	struct auth *auth;
	struct announcer *announcer;
	struct config_key signing_key;
	struct rte_ether_addr mac;
	uint32_t node_id;
	uint64_t boot_id;
	enum node_state state; /* the last one said */
	bool link_known, link_said;
	uint64_t probed_ns[PROBES_KEPT]; /* when gateways were probed, a ring */
	size_t probe_next;
	struct defence defences[DEFENCES_KEPT]; /* the last ones, a ring */
	size_t defence_next;
	bool left;
	struct group_counters counters;
	struct heartbeat message; /* decoded; too large for the stack */
};

/* ---- actions ---- */

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

static void act_beat(struct group *group, const struct election_action *action)
{
	uint8_t body[HEARTBEAT_MAX_LEN];
	size_t len = heartbeat_encode(action->message.heartbeat, body);

	if (dataplane_beat_set(group->config.dataplane, group->config.index, body, len,
			       group->config.config->heartbeat_interval_ns,
			       group->signing_key.bytes, action->message.now) < 0)
		group->counters.send_failed++;
}

static void act_rows(struct group *group, const struct election_action *action)
{
	uint8_t body[HEARTBEAT_MAX_LEN];
	size_t len;

	if (action->message.heartbeat->path != HEARTBEAT_FRONT)
		return;
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

/* From ACTIVE back to STANDBY: this node was fenced, which delays its next failback. */
static void act_state(struct group *group, enum node_state state)
{
	log_info("group %s: this node is %s", group->interface->group, node_state_name(state));
	if (group->state == NODE_ACTIVE && state == NODE_STANDBY)
		keeper_group_incident(group->config.keeper, group->interface->group);
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
		dataplane_lease_set(group->config.dataplane, group->config.index, action->until_ns);
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
		act_rows(group, action);
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

static void step(struct group *group, uint64_t now_ns, const struct election_event *event)
{
	election_actions_reset(&group->actions);
	if (election_step(group->election, now_ns, event, &group->actions) < 0 ||
	    group->actions.out_of_memory)
		group->counters.out_of_memory = true;
	for (size_t i = 0; i < group->actions.count; i++)
		act(group, now_ns, &group->actions.list[i]);
}

/* ---- events of the dataplane ---- */

static uint64_t mac_number(const uint8_t *mac)
{
	uint64_t number = 0;

	for (size_t i = 0; i < RTE_ETHER_ADDR_LEN; i++)
		number = number << 8 | mac[i];
	return number;
}

/* When the message of mine left that a beat echoes; 0 when it echoes none of this boot. */
static uint64_t echo_sent_ns(const struct group *group, const struct heartbeat *message)
{
	if (message->kind != HEARTBEAT_BEAT)
		return 0;
	for (size_t i = 0; i < message->peer_count; i++) {
		const struct heartbeat_peer *peer = &message->peers[i];

		if (peer->node == group->node_id && peer->boot_low == (uint32_t)group->boot_id)
			return dataplane_sent_at(group->config.dataplane, group->config.index,
						 peer->seq_low);
	}
	return 0;
}

static void on_heartbeat(struct group *group, uint64_t now_ns, const struct dataplane_event *event)
{
	enum auth_reject reject;
	struct election_event message = {.type = ELECTION_MESSAGE};

	if (event->len < RTE_ETHER_HDR_LEN)
		return;
	if (!auth_check(group->auth, now_ns, HEARTBEAT_FRONT,
			mac_number(&event->frame[RTE_ETHER_ADDR_LEN]),
			event->frame + RTE_ETHER_HDR_LEN, event->len - RTE_ETHER_HDR_LEN,
			&group->message, &reject)) {
		if (reject == AUTH_REJECT_DUPLICATE)
			log_error("group %s: another machine calls itself %s too: names of nodes "
				  "must differ",
				  group->interface->group, group->config.config->node);
		return;
	}
	message.message.heartbeat = &group->message;
	message.message.echo_sent_ns = echo_sent_ns(group, &group->message);
	step(group, now_ns, &message);
}

/* An answer may be to any probe before it: take the newest that had left by then. */
static void on_gateway(struct group *group, uint64_t now_ns, const struct dataplane_event *event)
{
	struct election_event gateway = {.type = ELECTION_GATEWAY};

	for (size_t i = 0; i < PROBES_KEPT; i++) {
		uint64_t sent = group->probed_ns[i];

		if (sent <= event->received_ns && sent > gateway.gateway.probe_sent_ns)
			gateway.gateway.probe_sent_ns = sent;
	}
	if (gateway.gateway.probe_sent_ns == 0)
		return;
	group->counters.probes_answered++;
	step(group, now_ns, &gateway);
}

/* Which VIP a frame of the worker's choosing states: ARP by its spa, NS by its source, NA by its
 * target (ND has no extension headers, RFC 6980 and the worker's check). */
static bool conflict_vip(const struct dataplane_event *event, struct ip *vip)
{
	const size_t spa = RTE_ETHER_HDR_LEN + 14;
	const size_t source = RTE_ETHER_HDR_LEN + 8, type = RTE_ETHER_HDR_LEN + 40;
	const size_t target = type + 8;
	const uint8_t solicitation = 135;
	uint32_t v4;

	if (event->len < RTE_ETHER_HDR_LEN)
		return false;
	if (event->frame[12] == 0x08 && event->frame[13] == 0x06 &&
	    event->len >= spa + sizeof(v4)) {
		memcpy(&v4, &event->frame[spa], sizeof(v4));
		*vip = ip_from_v4(v4);
		return true;
	}
	if (event->len < target + sizeof(*vip))
		return false;
	memcpy(vip, &event->frame[event->frame[type] == solicitation ? source : target],
	       sizeof(*vip));
	return true;
}

static bool defence_due(struct group *group, uint64_t now_ns, const struct ip *vip)
{
	for (size_t i = 0; i < DEFENCES_KEPT; i++) {
		const struct defence *last = &group->defences[i];

		if (last->at_ns != 0 && ip_equal(&last->vip, vip) &&
		    now_ns - last->at_ns < DEFENCE_INTERVAL_NS)
			return false;
	}
	group->defences[group->defence_next++ % DEFENCES_KEPT] =
		(struct defence){.vip = *vip, .at_ns = now_ns};
	return true;
}

static void on_conflict(struct group *group, uint64_t now_ns, const struct dataplane_event *event)
{
	struct election_vip_view view;
	const uint8_t *mac;
	uint32_t node;
	struct ip vip;
	char text[IP_STRLEN];

	if (!conflict_vip(event, &vip) || !election_vip(group->election, &vip, &view))
		return;
	mac = &event->frame[RTE_ETHER_ADDR_LEN];
	node = auth_node_at(group->auth, HEARTBEAT_FRONT, mac_number(mac));
	/* The owner itself, or one whose claim the election is about to judge. */
	if (!view.mine || (node != 0 && node == view.owner))
		return;
	group->counters.conflicts++;
	if (!defence_due(group, now_ns, &vip))
		return;
	group->counters.defences++;
	log_warning("group %s: %02x:%02x:%02x:%02x:%02x:%02x claims %s, which this node holds: "
		    "announced again",
		    group->interface->group, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5],
		    ip_format(&vip, text));
	if (announcer_start(group->announcer, &vip, now_ns) < 0)
		log_error("group %s: no memory for a defence", group->interface->group);
}

void group_event(struct group *group, uint64_t now_ns, const struct dataplane_event *event)
{
	switch (event->type) {
	case PACKET_EVENT_HEARTBEAT:
		on_heartbeat(group, now_ns, event);
		break;
	case PACKET_EVENT_GATEWAY:
		on_gateway(group, now_ns, event);
		break;
	case PACKET_EVENT_CONFLICT:
		on_conflict(group, now_ns, event);
		break;
	}
}

/* ---- announcing ---- */

static void announcement_send(struct group *group, const struct ip *vip, const uint8_t *frame,
			      size_t len)
{
	if (dataplane_send(group->config.dataplane, group->config.index,
			   DATAPLANE_SEND_ANNOUNCEMENT, vip, frame, len) < 0)
		group->counters.send_failed++;
}

static void announce(void *arg, const struct ip *vip)
{
	struct group *group = arg;
	uint16_t vlan = group->interface->vlan;
	uint8_t frame[ANNOUNCE_FRAME_MAX];

	if (!ip_is_v4(vip)) {
		announcement_send(group, vip, frame, announce_na(frame, &group->mac, vlan, vip));
		return;
	}
	announcement_send(group, vip, frame, announce_arp_request(frame, &group->mac, vlan, vip));
	announcement_send(group, vip, frame, announce_arp_reply(frame, &group->mac, vlan, vip));
}

/* ---- turns ---- */

/* On PCI the driver says so itself; of a netdev hostnet's notifications tell group_link(). */
static void poll_link(struct group *group, uint64_t now_ns)
{
	if (group->link_known)
		group_link(group, now_ns,
			   dataplane_link_up(group->config.dataplane, group->config.index));
}

void group_turn_begin(struct group *group, uint64_t now_ns)
{
	struct election_event begin = {.type = ELECTION_TURN_BEGIN};

	begin.turn.polled_ns = dataplane_polled_at(group->config.dataplane, group->config.index);
	step(group, now_ns, &begin);
	poll_link(group, now_ns);
}

void group_turn_end(struct group *group, uint64_t now_ns)
{
	const struct election_event end = {.type = ELECTION_TURN_END};

	step(group, now_ns, &end);
	announcer_run(group->announcer, now_ns, announce, group);
}

/* ---- what controller and hostnet say ---- */

int group_vips_set(struct group *group, uint64_t now_ns, struct derive_interface *vips)
{
	struct election_event plan = {.type = ELECTION_PLAN};
	int ret;

	for (size_t i = 0; i < vips->count; i++) {
		struct election_vip_view view;

		vips->specs[i].owned =
			election_vip(group->election, &vips->addresses[i], &view) && view.mine;
	}
	ret = dataplane_vips_publish(group->config.dataplane, group->config.index, vips->specs,
				     vips->count);
	if (ret < 0) {
		log_error("group %s: cannot publish %zu VIPs: %s", group->interface->group,
			  vips->count, strerror(-ret));
		return ret;
	}
	plan.plan.vips = vips->plan;
	plan.plan.count = vips->count;
	step(group, now_ns, &plan);
	return 0;
}

void group_health(struct group *group, uint64_t now_ns, const struct ip *vip, bool healthy)
{
	struct election_event health = {.type = ELECTION_HEALTH};

	health.health.vip = *vip;
	health.health.healthy = healthy;
	step(group, now_ns, &health);
}

void group_link(struct group *group, uint64_t now_ns, bool up)
{
	struct election_event link = {.type = ELECTION_LINK};

	if (group->link_said && group->counters.link_up == up)
		return;
	group->link_said = true;
	group->counters.link_up = up;
	if (up)
		log_info("group %s: link of %s is up", group->interface->group,
			 group->interface->device);
	else
		log_warning("group %s: link of %s is down: this node answers nothing there",
			    group->interface->group, group->interface->device);
	link.link.up = up;
	step(group, now_ns, &link);
	if (up)
		announcer_restart_all(group->announcer, now_ns);
}

void group_ready(struct group *group, uint64_t now_ns)
{
	const struct election_event ready = {.type = ELECTION_READY};

	step(group, now_ns, &ready);
}

void group_drain(struct group *group, uint64_t now_ns, bool on)
{
	struct election_event drain = {.type = ELECTION_DRAIN};

	group->left = false; /* an end of a drain begins anew */
	drain.drain.on = on;
	step(group, now_ns, &drain);
}

void group_leave(struct group *group, uint64_t now_ns)
{
	const struct election_event leave = {.type = ELECTION_LEAVE};

	step(group, now_ns, &leave);
}

bool group_left(const struct group *group)
{
	return group->left;
}

int group_keys_set(struct group *group, const struct config_key *keys, size_t count)
{
	int ret = auth_keys_set(group->auth, keys, count);

	if (ret == 0)
		group->signing_key = keys[0];
	return ret;
}

/* ---- life ---- */

static struct election *election_make(const struct group *group, uint64_t now_ns)
{
	const struct config *config = group->config.config;
	const struct election_config election = {
		.group = name_id(group->interface->group),
		.node = group->node_id,
		.boot_id = group->boot_id,
		.interval_ns = config->heartbeat_interval_ns,
		.multiplier = config->heartbeat_multiplier,
		.key_id = auth_key_id(&config->keys[0]),
		.has_gateways = group->interface->gateway_count > 0,
		.failback = config->failback,
		.hold_ns = group->config.hold_ns,
		.drain_max_ns = config->drain_max_ns,
	};

	return election_create(&election, now_ns);
}

static struct auth *auth_make(const struct group *group)
{
	const struct auth_config auth = {
		.group = name_id(group->interface->group),
		.node = group->node_id,
		.boot_id = group->boot_id,
		.keys = group->config.config->keys,
		.key_count = group->config.config->key_count,
	};

	return auth_create(&auth);
}

/* The epochs that the state file remembers: no claim of this run may be below them. */
static void floors_restore(struct group *group, uint64_t now_ns)
{
	const struct state_group *saved =
		state_group_find(keeper_state(group->config.keeper), group->interface->group);

	for (size_t i = 0; saved != NULL && i < saved->epoch_count; i++) {
		struct election_event floor = {.type = ELECTION_FLOOR};

		floor.floor.vip = saved->epochs[i].vip;
		floor.floor.epoch = saved->epochs[i].epoch;
		step(group, now_ns, &floor);
	}
}

struct group *group_create(const struct group_config *config, uint64_t now_ns)
{
	struct dataplane_interface_info info;
	struct group *group = calloc(1, sizeof(*group));

	if (group == NULL)
		return NULL;
	dataplane_interface_info(config->dataplane, config->index, &info);
	group->config = *config;
	group->interface = config->interface;
	group->mac = info.mac;
	group->link_known = info.link_known;
	group->node_id = name_id(config->config->node);
	group->boot_id = dataplane_boot_id(config->dataplane);
	group->signing_key = config->config->keys[0];
	group->auth = auth_make(group);
	group->election = election_make(group, now_ns);
	group->announcer = announcer_create();
	if (group->auth == NULL || group->election == NULL || group->announcer == NULL) {
		group_free(group);
		errno = ENOMEM;
		return NULL;
	}
	floors_restore(group, now_ns);
	return group;
}

void group_free(struct group *group)
{
	if (group == NULL)
		return;
	announcer_free(group->announcer);
	election_free(group->election);
	election_actions_fini(&group->actions);
	auth_free(group->auth);
	OPENSSL_cleanse(&group->signing_key, sizeof(group->signing_key));
	free(group);
}

/* ---- views ---- */

void group_counters(const struct group *group, struct group_counters *counters)
{
	*counters = group->counters;
}

const struct election *group_election(const struct group *group)
{
	return group->election;
}

const struct auth *group_auth(const struct group *group)
{
	return group->auth;
}

const struct config_interface *group_interface(const struct group *group)
{
	return group->interface;
}
