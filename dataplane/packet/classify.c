/* SPDX-License-Identifier: BSD-3-Clause */
/* The door for frames from the NIC: which of the parts judges a frame. */
#include <errno.h>
#include <netinet/in.h>

#include "packet/arp.h"
#include "packet/filter.h"
#include "packet/hash.h"
#include "packet/heartbeat.h"
#include "packet/icmp.h"
#include "packet/nd.h"

#define DHCP_CLIENT_PORT 68
#define TCP_FLAGS	 13
#define TCP_SYN		 0x02

void packet_state_init(struct packet_state *state, struct flow_table *flows)
{
	*state = (struct packet_state){.flows = flows};
	/* A second's worth, and what may come at once. Each is per worker and interface. */
	policer_init(&state->icmp, 10000, 1000);
	policer_init(&state->icmp_error, 5000, 500);
	policer_init(&state->fragment, 20000, 2000);
	policer_init(&state->node, 50000, 5000);
	policer_init(&state->neighbour, 5000, 500);
	policer_init(&state->unsolicited, 1000, 200);
	policer_init(&state->gateway, 1000, 100);
	/* 64 peers at the shortest interval send 64,000 beats a second. */
	policer_init(&state->heartbeat, 100000, 10000);
	/* One of them, with all the pages of a new version of its rows at once. */
	for (size_t i = 0; i < PACKET_SOURCES; i++)
		policer_init(&state->sources[i], 8000, 2500);
	state->seed = hash_seed(state);
	policer_init(&state->conflict, 10, 10);
}

/* A flood from one place must not use up what all others share: peers would look dead. */
static struct policer *source_policer(const struct frame *frame)
{
	const struct rte_ether_hdr *ether = (const struct rte_ether_hdr *)frame->packet->data;
	struct packet_state *state = frame->state;
	uint64_t mac = 0;

	memcpy(&mac, &ether->src_addr, RTE_ETHER_ADDR_LEN);
	return &state->sources[hash_mix(mac ^ state->seed, HASH_K0) & (PACKET_SOURCES - 1)];
}

static struct packet_verdict heartbeat(const struct frame *frame)
{
	if (heartbeat_length(frame_l3(frame), frame_l3_len(frame)) < 0)
		return frame_drop(DROP_HEARTBEAT_MALFORMED);
	if (!policer_take(source_policer(frame), frame->now_ns) ||
	    !policer_take(&frame->state->heartbeat, frame->now_ns))
		return frame_drop(DROP_POLICED);
	return (struct packet_verdict){
		.verdict = VERDICT_CONTROL,
		.event = PACKET_EVENT_HEARTBEAT,
	};
}

static bool is_dhcp_reply(const struct inet *inet)
{
	uint16_t source, destination;

	return inet->v4 && inet->protocol == IPPROTO_UDP &&
	       inet_ports(inet, &source, &destination) && destination == DHCP_CLIENT_PORT;
}

static bool is_mld(const struct inet *inet)
{
	uint8_t type;

	if (inet->v4 || inet->protocol != IPPROTO_ICMPV6 || !inet->first || inet->fragment ||
	    inet->l4_len < ICMP_HEADER_LEN)
		return false;
	type = inet->l4[0];
	/* RFC 2710 §3, RFC 3810 §5: sent with hop limit 1. */
	return ((type >= ICMPV6_MLD_QUERY && type <= ICMPV6_MLD_DONE) ||
		type == ICMPV6_MLD_REPORT_V2) &&
	       inet->hop_limit == 1;
}

/* Group membership is the kernel's; a querier without address of its own asks from 0.0.0.0 or ::.
 */
static struct packet_verdict membership(const struct frame *frame, const struct inet *inet)
{
	bool unspecified = inet->v4 ? ip_v4(&inet->src) == 0 : ip_is_none(&inet->src);

	if ((!inet_valid_source(inet) && !unspecified) ||
	    vip_table_lookup(frame->vips, &inet->src) >= 0)
		return frame_drop(DROP_BAD_SOURCE_ADDRESS);
	if (!inet->v4 && !icmp_checksum_good(inet))
		return frame_drop(DROP_BAD_CHECKSUM);
	return frame_kernel_policed(frame, &frame->state->neighbour);
}

/* To a group or everybody: only what the node's own kernel needs. */
static struct packet_verdict to_group(const struct frame *frame, const struct inet *inet)
{
	enum drop_reason reason;

	if (is_mld(inet) || (inet->v4 && inet->protocol == IPPROTO_IGMP && !inet->fragment))
		return membership(frame, inet);
	if (!is_dhcp_reply(inet))
		return frame_drop(DROP_NOT_OUR_ADDRESS);
	if (!inet_valid_source(inet))
		return frame_drop(DROP_BAD_SOURCE_ADDRESS);
	if (!filter_transport(frame, inet, &reason))
		return frame_drop(reason);
	return frame_kernel_policed(frame, &frame->state->neighbour);
}

static struct packet_verdict to_node(const struct frame *frame, const struct inet *inet)
{
	enum drop_reason reason;

	/* Not the budget of fragments, which are for VIPs. */
	if (!inet->first)
		return frame_kernel_policed(frame, &frame->state->node);
	if (!filter_transport(frame, inet, &reason))
		return frame_drop(reason);
	if (icmp_is_icmp(inet) && !inet->fragment && !icmp_checksum_good(inet))
		return frame_drop(DROP_BAD_CHECKSUM);
	if (inet->protocol == IPPROTO_TCP && !(inet->l4[TCP_FLAGS] & TCP_SYN))
		return frame_kernel();
	return frame_kernel_policed(frame, &frame->state->node);
}

static struct packet_verdict ip_classify(struct frame *frame, bool v4)
{
	enum drop_reason reason;
	struct inet inet;
	bool mapped;
	int vip;

	reason = inet_parse(frame_l3(frame), frame_l3_len(frame), v4, INET_WHOLE, &inet);
	if (reason != DROP_NONE)
		return frame_drop(reason);
	/* An IPv4 address dressed as IPv6 must not pass for the IPv4 address (RFC 4942 §2.2). */
	mapped = !v4 && ip_is_v4(&inet.dst);
	if (frame->group && !inet_multicast(&inet.dst))
		return frame_drop(DROP_MAC_MISMATCH);
	if (!v4 && inet.protocol == IPPROTO_ICMPV6 && inet.first && inet.l4_len > 0 &&
	    nd_is_type(inet.l4[0]))
		return mapped ? frame_drop(DROP_ND_MALFORMED) : nd_classify(frame, &inet);
	if (inet_multicast(&inet.dst) && !mapped)
		return to_group(frame, &inet);
	if (!inet_valid_source(&inet) || frame_node_address(frame, &inet.src) ||
	    vip_table_lookup(frame->vips, &inet.src) >= 0)
		return frame_drop(DROP_BAD_SOURCE_ADDRESS);
	vip = mapped ? -1 : vip_table_lookup(frame->vips, &inet.dst);
	if (vip >= 0)
		return filter_to_vip(frame, &inet, vip);
	if (!mapped && (frame_node_address(frame, &inet.dst) || is_dhcp_reply(&inet)))
		return to_node(frame, &inet);
	return frame_drop(DROP_NOT_OUR_ADDRESS);
}

struct packet_verdict classify_from_wire(const struct packet_env *env, const struct vip_table *vips,
					 struct packet_state *state, struct packet *packet,
					 uint64_t now_ns)
{
	struct frame frame = {
		.env = env,
		.vips = vips,
		.state = state,
		.packet = packet,
		.now_ns = now_ns,
	};
	enum drop_reason reason;

	packet->checksum_verified = false;
	reason = frame_parse(&frame);
	if (reason != DROP_NONE)
		return frame_drop(reason);
	switch (frame.ethertype) {
	case RTE_ETHER_TYPE_IPV4:
		return ip_classify(&frame, true);
	case RTE_ETHER_TYPE_IPV6:
		return ip_classify(&frame, false);
	case RTE_ETHER_TYPE_ARP:
		return arp_classify(&frame);
	case HEARTBEAT_ETHERTYPE:
		return heartbeat(&frame);
	default:
		return frame_drop(DROP_UNKNOWN_ETHERTYPE);
	}
}
