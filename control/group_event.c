/* SPDX-License-Identifier: BSD-3-Clause */
/* What the dataplane's events mean to an election: beats of peers, answers of gateways, conflicts.
 */
#include "group_internal.h"

#include <string.h>

#include "packet/heartbeat.h"

#include "core/announcer.h"
#include "log.h"

#define DEFENCE_INTERVAL_NS UINT64_C(10000000000) /* RFC 5227 §2.4 (b) */

static uint64_t mac_number(const uint8_t *mac)
{
	uint64_t number = 0;

	for (size_t i = 0; i < RTE_ETHER_ADDR_LEN; i++)
		number = number << 8 | mac[i];
	return number;
}

/* When the message of mine left that a beat echoes; 0 when it echoes none of this boot. */
static void echo_find(const struct group *group, struct election_event *event)
{
	const struct heartbeat *message = event->message.heartbeat;
	const struct heartbeat_peer *entry;

	if (message->kind != HEARTBEAT_BEAT)
		return;
	entry = heartbeat_find_peer(message, group->node_id, (uint32_t)group->boot_id);
	if (entry == NULL)
		return;
	event->message.echo_sent_ns = group_management_sent_at(group, entry->seq_low);
	event->message.echo_management = event->message.echo_sent_ns != 0;
	if (!event->message.echo_management)
		event->message.echo_sent_ns = dataplane_sent_at(
			group->config.dataplane, group->config.index, entry->seq_low);
}

bool group_message(struct group *group, uint64_t now_ns, enum heartbeat_path path, uint64_t source,
		   const uint8_t *payload, size_t len)
{
	enum auth_reject reject;
	struct election_event message = {.type = ELECTION_MESSAGE};

	if (!auth_check(group->auth, now_ns, path, source, payload, len, &group->message,
			&reject)) {
		if (reject == AUTH_REJECT_DUPLICATE)
			log_error("group %s: another machine calls itself %s too: names of nodes "
				  "must differ",
				  group->interface->group, group->config.config->node);
		return false;
	}
	message.message.heartbeat = &group->message;
	echo_find(group, &message);
	group_step(group, now_ns, &message);
	return true;
}

static void on_heartbeat(struct group *group, uint64_t now_ns, const struct dataplane_event *event)
{
	if (event->len >= RTE_ETHER_HDR_LEN)
		group_message(group, now_ns, HEARTBEAT_FRONT,
			      mac_number(&event->frame[RTE_ETHER_ADDR_LEN]),
			      event->frame + RTE_ETHER_HDR_LEN, event->len - RTE_ETHER_HDR_LEN);
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
	group_step(group, now_ns, &gateway);
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
