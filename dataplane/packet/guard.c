/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The door for frames from the kernel. Every node has every VIP on lo, so the kernel takes a VIP
 * for its own and would speak ARP and ND for it, which would steal it in every cache; but dropping
 * its questions would leave replies from a VIP without a next hop. So questions get another sender.
 */
#include <netinet/in.h>

#include "packet/arp.h"
#include "packet/filter.h"
#include "packet/icmp.h"
#include "packet/nd.h"

static bool is_vip(const struct frame *frame, const struct ip *ip)
{
	return vip_table_lookup(frame->vips, ip) >= 0;
}

/* The node's address in the subnet of target, else 0.0.0.0, as in a probe (RFC 5227). */
static rte_be32_t arp_sender(const struct packet_env *env, const struct ip *target)
{
	for (size_t i = 0; i < env->address_count; i++) {
		const struct ip_prefix subnet = {.addr = env->addresses[i],
						 .len = env->address_lens[i]};

		if (ip_is_v4(&subnet.addr) && ip_prefix_contains(&subnet, target))
			return ip_v4(&subnet.addr);
	}
	return 0;
}

static enum drop_reason guard_arp(const struct frame *frame)
{
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)frame_l3(frame);
	struct ip spa, tpa;

	if (!arp_valid(arp, frame_l3_len(frame)))
		return DROP_GUARD_MALFORMED;
	spa = ip_from_v4(arp->arp_data.arp_sip);
	tpa = ip_from_v4(arp->arp_data.arp_tip);
	/* Duplicate address detection (RFC 5227) of a VIP: vipgate's to do. */
	if (ip_v4(&spa) == 0 && is_vip(frame, &tpa))
		return DROP_GUARD_ARP;
	if (!is_vip(frame, &spa))
		return DROP_NONE;
	/* Answers and announcements. */
	if (arp->arp_opcode != rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) || ip_equal(&spa, &tpa))
		return DROP_GUARD_ARP;
	arp->arp_data.arp_sip = arp_sender(frame->env, &tpa);
	return DROP_NONE;
}

static enum drop_reason guard_solicitation(const struct frame *frame, struct inet *inet,
					   const struct ip *target, uint8_t *source_option)
{
	if (ip_is_none(&inet->src) && is_vip(frame, target)) /* duplicate address detection */
		return DROP_GUARD_ND;
	if (!is_vip(frame, &inet->src))
		return DROP_NONE;
	inet->src = frame->env->link_local;
	((struct inet_v6 *)inet->l3)->src = inet->src;
	if (source_option)
		memcpy(source_option, &frame->env->mac, RTE_ETHER_ADDR_LEN);
	nd_checksum(inet);
	return DROP_NONE;
}

static enum drop_reason guard_nd(const struct frame *frame, struct inet *inet)
{
	bool solicits = inet->l4[0] == ND_NEIGHBOUR_SOLICITATION;
	struct nd_message message;
	uint8_t *option;

	/* Nothing that a kernel sends by itself, and a way round the checks below. */
	if (inet->fragment || inet->extended)
		return DROP_GUARD_MALFORMED;
	if (!solicits && inet->l4[0] != ND_NEIGHBOUR_ADVERTISEMENT)
		return is_vip(frame, &inet->src) ? DROP_GUARD_ND : DROP_NONE;
	if (inet->l4_len < sizeof(message) ||
	    !nd_options(inet, sizeof(message), ND_OPTION_SOURCE, &option))
		return DROP_GUARD_MALFORMED;
	memcpy(&message, inet->l4, sizeof(message));
	if (solicits)
		return guard_solicitation(frame, inet, &message.target, option);
	return is_vip(frame, &message.target) || is_vip(frame, &inet->src) ? DROP_GUARD_ND
									   : DROP_NONE;
}

static enum drop_reason guard_ip(const struct frame *frame, bool v4)
{
	struct inet inet;
	int vip;

	/* Checksums may be the NIC's to fill, so nothing is verified; lengths must be right. */
	if (inet_parse(frame_l3(frame), frame_l3_len(frame), v4, INET_SENT, &inet) != DROP_NONE)
		return DROP_GUARD_MALFORMED;
	if (!v4 && ip_is_v4(&inet.src))
		return DROP_GUARD_MALFORMED;
	if (!v4 && inet.protocol == IPPROTO_ICMPV6 && inet.first && inet.l4_len > 0 &&
	    nd_is_type(inet.l4[0]))
		return guard_nd(frame, &inet);
	vip = vip_table_lookup(frame->vips, &inet.src);
	if (vip >= 0)
		filter_note(frame, &inet, vip);
	return DROP_NONE;
}

static enum drop_reason guard(const struct frame *frame)
{
	/* The kernel port is untagged; behind a tag anything might be said. */
	if (frame_is_tag(frame->ethertype))
		return DROP_GUARD_MALFORMED;
	switch (frame->ethertype) {
	case RTE_ETHER_TYPE_ARP:
		return guard_arp(frame);
	case RTE_ETHER_TYPE_IPV4:
		return guard_ip(frame, true);
	case RTE_ETHER_TYPE_IPV6:
		return guard_ip(frame, false);
	default:
		return DROP_NONE;
	}
}

struct packet_verdict guard_from_kernel(const struct packet_env *env, const struct vip_table *vips,
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

	if (packet->len < RTE_ETHER_HDR_LEN)
		return frame_drop(DROP_GUARD_MALFORMED);
	/* The kernel port's MTU is anybody's to raise; the wire's is not. */
	if (frame_l3_len(&frame) > env->mtu)
		return frame_drop(DROP_OVERSIZED);
	frame.ethertype = rte_be_to_cpu_16(((struct rte_ether_hdr *)packet->data)->ether_type);
	reason = guard(&frame);
	if (reason != DROP_NONE)
		return frame_drop(reason);
	if (env->vlan) {
		if (!frame_fits(&frame, frame_l3_len(&frame)))
			return frame_drop(DROP_OVERSIZED);
		frame_tag(packet, env->vlan);
	}
	return (struct packet_verdict){.verdict = VERDICT_WIRE};
}
