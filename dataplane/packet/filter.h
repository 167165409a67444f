/* SPDX-License-Identifier: BSD-3-Clause */
/* What may reach a VIP, and what a VIP has sent. */
#ifndef PACKET_FILTER_H
#define PACKET_FILTER_H

#include "packet/frame.h"
#include "packet/inet.h"

/* Judges a packet to the VIP at this index. */
struct packet_verdict filter_to_vip(struct frame *frame, const struct inet *inet, int vip);

/*
 * Verifies the checksum of TCP and UDP, by the NIC's word where there is one, and sets
 * packet->checksum_verified. A fragment passes unverified. False: it is wrong, or the transport
 * header is cut or contradicts itself; *reason says which.
 */
bool filter_transport(const struct frame *frame, const struct inet *inet, enum drop_reason *reason);

/* Whether a flow that the VIP inet->dst opened towards inet->src was noted. */
bool filter_flow_known(const struct frame *frame, const struct inet *inet, uint16_t vip_port,
		       uint16_t remote_port);

/* Whether a packet with a VIP as source, as quoted by an error, is of an open port or noted flow.
 */
bool filter_sent_from_vip(const struct frame *frame, const struct inet *inet, int vip);

/* Notes a flow that the VIP at this index opens, so that its answers come in. */
void filter_note(const struct frame *frame, const struct inet *inet, int vip);

#endif
