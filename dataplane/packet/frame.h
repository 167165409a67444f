/* SPDX-License-Identifier: BSD-3-Clause */
/* The Ethernet level of the packet code, and what its parts hand to each other. */
#ifndef PACKET_FRAME_H
#define PACKET_FRAME_H

#include <rte_ether.h>

#include "packet/classify.h"

/* A check that found nothing to drop for. */
#define DROP_NONE DROP_REASON_COUNT

/*
 * A frame under judgement and what it is judged with. After frame_parse() it is untagged: its L3
 * packet starts at frame_l3() whatever tag it came with.
 */
struct frame {
	const struct packet_env *env;
	const struct vip_table *vips;
	struct packet_state *state;
	struct packet *packet;
	uint64_t now_ns;
	uint16_t ethertype; /* host order */
	uint16_t tci;	    /* of the tag that it came with, else 0: answers keep its priority */
	bool group;	    /* sent to a group MAC */
};

static inline uint8_t *frame_l3(const struct frame *frame)
{
	return frame->packet->data + RTE_ETHER_HDR_LEN;
}

static inline uint16_t frame_l3_len(const struct frame *frame)
{
	return (uint16_t)(frame->packet->len - RTE_ETHER_HDR_LEN);
}

/* Whether an EtherType (host order) begins a VLAN tag of any kind. */
bool frame_is_tag(uint16_t ethertype);

/*
 * Checks MACs, VLAN and length, fills ethertype, tci and group, and takes a tag out of the frame.
 * Returns DROP_NONE or the reason.
 */
enum drop_reason frame_parse(struct frame *frame);

/* Whether an address is one of the node's own, or made of its MAC (RFC 4862, RFC 4291 app. A). */
bool frame_node_address(const struct frame *frame, const struct ip *ip);

bool frame_gateway_address(const struct frame *frame, const struct ip *ip);

/* Fates. */
struct packet_verdict frame_drop(enum drop_reason reason);
struct packet_verdict frame_kernel(void);
/* To the kernel, unless the budget is used up. */
struct packet_verdict frame_kernel_policed(const struct frame *frame, struct policer *policer);
/* A gateway's answer: to the kernel, with a copy for control. */
struct packet_verdict frame_gateway(const struct frame *frame);
/* A foreign MAC states a VIP of ours. reason: what is counted when control has heard enough. */
struct packet_verdict frame_conflict(const struct frame *frame, enum drop_reason reason);

/* Whether l3_len bytes of L3 and the tag that the wire wants fit into the buffer. */
bool frame_fits(const struct frame *frame, size_t l3_len);

/*
 * Sends an L3 packet of l3_len bytes, which the caller has checked with frame_fits() and written
 * at frame_l3(), out of the NIC: MACs, tag, zero padding. The EtherType stays.
 */
struct packet_verdict frame_answer(struct frame *frame, const struct rte_ether_addr *to,
				   size_t l3_len, enum verdict verdict, enum packet_answer answer);

/* Inserts an 802.1Q tag; the caller has made sure of four bytes of room. */
void frame_tag(struct packet *packet, uint16_t tci);

/* Writes an Ethernet header, tagged when vlan != 0, and returns its length. ethertype: host order.
 */
size_t frame_header_write(uint8_t *buf, const struct rte_ether_addr *dst,
			  const struct rte_ether_addr *src, uint16_t vlan, uint16_t ethertype);

/* Zeroes what a frame of len bytes lacks to Ethernet's minimum; returns the new length. */
size_t frame_pad(uint8_t *buf, size_t len, size_t room, bool tagged);

#endif
