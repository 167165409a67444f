/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet headers, VLAN tags and padding: what is the same for every protocol. */
#include <string.h>

#include <rte_byteorder.h>

#include "packet/frame.h"

#define ETHERTYPE_QINQ_OLD 0x9100 /* before 802.1ad there was no other */
#define VID_MASK	   0x0fff
#define TAG_OFFSET	   (2 * RTE_ETHER_ADDR_LEN)
#define MIN_LEN		   (RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN)

static uint16_t read_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void write_be16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

bool frame_is_tag(uint16_t ethertype)
{
	return ethertype == RTE_ETHER_TYPE_VLAN || ethertype == RTE_ETHER_TYPE_QINQ ||
	       ethertype == ETHERTYPE_QINQ_OLD;
}

static enum drop_reason check_macs(struct frame *frame)
{
	const struct rte_ether_hdr *ether = (const struct rte_ether_hdr *)frame->packet->data;

	frame->group = rte_is_multicast_ether_addr(&ether->dst_addr);
	if (!frame->group && !rte_is_same_ether_addr(&ether->dst_addr, &frame->env->mac))
		return DROP_FOREIGN_MAC;
	/* Our own MAC as source: a loop in the network, or somebody who poses as us. */
	if (!rte_is_valid_assigned_ether_addr(&ether->src_addr) ||
	    rte_is_same_ether_addr(&ether->src_addr, &frame->env->mac))
		return DROP_BAD_SOURCE_MAC;
	return DROP_NONE;
}

/* The one tag that a frame may have, in the frame or stripped by the NIC. VID 0 is priority only.
 */
static enum drop_reason check_tag(struct frame *frame)
{
	struct packet *packet = frame->packet;
	bool in_frame = frame_is_tag(frame->ethertype);

	if (in_frame) {
		if (frame->ethertype != RTE_ETHER_TYPE_VLAN || packet->vlan_stripped)
			return DROP_QINQ;
		if (packet->len < RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN)
			return DROP_RUNT;
		frame->tci = read_be16(packet->data + RTE_ETHER_HDR_LEN);
		frame->ethertype = read_be16(packet->data + RTE_ETHER_HDR_LEN + 2);
		if (frame_is_tag(frame->ethertype))
			return DROP_QINQ;
	} else if (packet->vlan_stripped) {
		frame->tci = packet->vlan_tci;
	}
	if ((frame->tci & VID_MASK) != frame->env->vlan)
		return DROP_WRONG_VLAN;
	if (in_frame) {
		memmove(packet->data + RTE_VLAN_HLEN, packet->data, TAG_OFFSET);
		packet->data += RTE_VLAN_HLEN;
		packet->len -= RTE_VLAN_HLEN;
		packet->room -= RTE_VLAN_HLEN;
	}
	packet->vlan_stripped = false;
	return DROP_NONE;
}

enum drop_reason frame_parse(struct frame *frame)
{
	struct packet *packet = frame->packet;
	enum drop_reason reason;

	if (packet->len < RTE_ETHER_HDR_LEN)
		return DROP_RUNT;
	reason = check_macs(frame);
	if (reason != DROP_NONE)
		return reason;
	frame->tci = 0;
	frame->ethertype = read_be16(packet->data + TAG_OFFSET);
	reason = check_tag(frame);
	if (reason != DROP_NONE)
		return reason;
	return frame_l3_len(frame) > frame->env->mtu ? DROP_OVERSIZED : DROP_NONE;
}

bool frame_node_address(const struct frame *frame, const struct ip *ip)
{
	const struct packet_env *env = frame->env;

	for (size_t i = 0; i < env->address_count; i++)
		if (ip_equal(&env->addresses[i], ip))
			return true;
	/* The link-local address, and what the kernel makes of the prefixes of RAs. */
	return !ip_is_v4(ip) && memcmp(&ip->b[8], &env->link_local.b[8], 8) == 0;
}

bool frame_gateway_address(const struct frame *frame, const struct ip *ip)
{
	for (size_t i = 0; i < frame->env->gateway_count; i++)
		if (ip_equal(&frame->env->gateways[i], ip))
			return true;
	return false;
}

struct packet_verdict frame_drop(enum drop_reason reason)
{
	return (struct packet_verdict){.verdict = VERDICT_DROP, .reason = (uint8_t)reason};
}

struct packet_verdict frame_kernel(void)
{
	return (struct packet_verdict){.verdict = VERDICT_KERNEL};
}

struct packet_verdict frame_kernel_policed(const struct frame *frame, struct policer *policer)
{
	return policer_take(policer, frame->now_ns) ? frame_kernel() : frame_drop(DROP_POLICED);
}

struct packet_verdict frame_gateway(const struct frame *frame)
{
	if (!policer_take(&frame->state->gateway, frame->now_ns))
		return frame_drop(DROP_POLICED);
	return (struct packet_verdict){
		.verdict = VERDICT_KERNEL,
		.event = PACKET_EVENT_GATEWAY,
		.copy_to_control = true,
	};
}

struct packet_verdict frame_conflict(const struct frame *frame, enum drop_reason reason)
{
	if (!policer_take(&frame->state->conflict, frame->now_ns))
		return frame_drop(reason);
	return (struct packet_verdict){
		.verdict = VERDICT_CONTROL,
		.event = PACKET_EVENT_CONFLICT,
	};
}

bool frame_fits(const struct frame *frame, size_t l3_len)
{
	size_t tag_len = frame->env->vlan ? RTE_VLAN_HLEN : 0;

	return RTE_ETHER_HDR_LEN + l3_len + tag_len <= frame->packet->room;
}

struct packet_verdict frame_answer(struct frame *frame, const struct rte_ether_addr *to,
				   size_t l3_len, enum verdict verdict, enum packet_answer answer)
{
	struct packet *packet = frame->packet;
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)packet->data;
	bool tagged = frame->env->vlan != 0;

	/* `to` may be the very source address of the frame: read it before that is overwritten. */
	ether->dst_addr = *to;
	ether->src_addr = frame->env->mac;
	packet->len = (uint16_t)(RTE_ETHER_HDR_LEN + l3_len);
	if (tagged)
		frame_tag(packet, frame->tci);
	packet->len = (uint16_t)frame_pad(packet->data, packet->len, packet->room, tagged);
	return (struct packet_verdict){
		.verdict = (uint8_t)verdict,
		.answered = (uint8_t)answer,
	};
}

void frame_tag(struct packet *packet, uint16_t tci)
{
	uint8_t *tag = packet->data + TAG_OFFSET;

	memmove(tag + RTE_VLAN_HLEN, tag, (size_t)packet->len - TAG_OFFSET);
	write_be16(tag, RTE_ETHER_TYPE_VLAN);
	write_be16(tag + 2, tci);
	packet->len += RTE_VLAN_HLEN;
}

size_t frame_header_write(uint8_t *buf, const struct rte_ether_addr *dst,
			  const struct rte_ether_addr *src, uint16_t vlan, uint16_t ethertype)
{
	uint8_t *at = buf;

	memcpy(at, dst, RTE_ETHER_ADDR_LEN);
	at += RTE_ETHER_ADDR_LEN;
	memcpy(at, src, RTE_ETHER_ADDR_LEN);
	at += RTE_ETHER_ADDR_LEN;
	if (vlan) {
		write_be16(at, RTE_ETHER_TYPE_VLAN);
		write_be16(at + 2, vlan);
		at += RTE_VLAN_HLEN;
	}
	write_be16(at, ethertype);
	at += 2;
	return (size_t)(at - buf);
}

size_t frame_pad(uint8_t *buf, size_t len, size_t room, bool tagged)
{
	/* A switch may take the tag off: what is left must still be long enough (802.1Q §G.2.1). */
	size_t min = MIN_LEN + (tagged ? RTE_VLAN_HLEN : 0);

	/* Without room the NIC pads. */
	if (min > room)
		min = room;
	if (len >= min)
		return len;
	memset(buf + len, 0, min - len);
	return min;
}
