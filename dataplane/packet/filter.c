/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports, source ranges, flows, fragments and checksums of what is for a VIP. */
#include <netinet/in.h>

#include <rte_byteorder.h>

#include "packet/filter.h"
#include "packet/icmp.h"

#define TCP_HEADER_LEN	20
#define UDP_HEADER_LEN	8
#define SCTP_HEADER_LEN 12
#define TCP_FLAGS	13
#define TCP_RST		0x04

static uint16_t read_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static bool checksum_good(const struct inet *inet, size_t len)
{
	uint32_t sum = inet_pseudo_sum(&inet->src, &inet->dst, inet->protocol, len);

	return inet_fold(inet_sum(inet->l4, len, sum)) == 0xffff;
}

static bool tcp_lengths(const struct inet *inet)
{
	size_t header_len;

	if (inet->l4_len < TCP_HEADER_LEN)
		return false;
	header_len = (inet->l4[12] >> 4) * 4u;
	return header_len >= TCP_HEADER_LEN && header_len <= inet->l4_len;
}

bool filter_transport(const struct frame *frame, const struct inet *inet, enum drop_reason *reason)
{
	struct packet *packet = frame->packet;
	size_t len = inet->l4_len;

	*reason = DROP_IP_MALFORMED;
	switch (inet->protocol) {
	case IPPROTO_TCP:
		if (!tcp_lengths(inet))
			return false;
		break;
	case IPPROTO_UDP:
		if (len < UDP_HEADER_LEN || read_be16(inet->l4 + 4) < UDP_HEADER_LEN)
			return false;
		if (inet->fragment) /* its length is that of the whole datagram */
			return true;
		len = read_be16(inet->l4 + 4);
		if (len > inet->l4_len)
			return false;
		/* RFC 768: none was computed. RFC 8200 §8.1: not with IPv6. */
		if (read_be16(inet->l4 + 6) == 0) {
			*reason = DROP_BAD_CHECKSUM;
			return inet->v4;
		}
		break;
	case IPPROTO_SCTP: /* its CRC is the kernel's to check */
		return len >= SCTP_HEADER_LEN;
	default:
		return true;
	}
	if (inet->fragment)
		return true;
	*reason = DROP_BAD_CHECKSUM;
	packet->checksum_verified =
		packet->checksum_known ? packet->checksum_good : checksum_good(inet, len);
	return packet->checksum_verified;
}

bool filter_flow_known(const struct frame *frame, const struct inet *inet, uint16_t vip_port,
		       uint16_t remote_port)
{
	const struct flow_key key = {
		.vip = inet->dst,
		.remote = inet->src,
		.vip_port = vip_port,
		.remote_port = remote_port,
		.protocol = inet->protocol,
	};

	return frame->state->flows && flow_table_known(frame->state->flows, &key, frame->now_ns);
}

/* Ports or, for echo, the identifier of a packet that a VIP sent. */
static bool sent_key(const struct inet *inet, struct flow_key *key)
{
	*key = (struct flow_key){
		.vip = inet->src,
		.remote = inet->dst,
		.protocol = inet->protocol,
	};
	return inet_ports(inet, &key->vip_port, &key->remote_port) ||
	       icmp_echo(inet, false, &key->vip_port);
}

bool filter_sent_from_vip(const struct frame *frame, const struct inet *inet, int vip)
{
	struct flow_key key;

	if (!sent_key(inet, &key))
		return false;
	if (vip_table_match(frame->vips, vip, key.protocol, key.vip_port, &key.remote) ==
	    VIP_TABLE_OPEN)
		return true;
	return frame->state->flows && flow_table_known(frame->state->flows, &key, frame->now_ns);
}

void filter_note(const struct frame *frame, const struct inet *inet, int vip)
{
	struct flow_key key;

	if (!frame->state->flows || !sent_key(inet, &key))
		return;
	/* An open port's packets are answers: what they answer comes in without a flow. */
	if (vip_table_match(frame->vips, vip, key.protocol, key.vip_port, &key.remote) !=
	    VIP_TABLE_CLOSED_PORT)
		return;
	/* A refusal opens nothing. */
	if (inet->protocol == IPPROTO_TCP &&
	    (inet->l4_len <= TCP_FLAGS || (inet->l4[TCP_FLAGS] & TCP_RST)))
		return;
	flow_table_note(frame->state->flows, &key, frame->now_ns);
}

/* Middle parts have no ports: they are let in within a budget, and the kernel puts them together
 * only with a first part, which has been judged. */
static struct packet_verdict later_fragment(const struct frame *frame, const struct inet *inet)
{
	/* RFC 1858 §4: it would write over the flags that the filter saw. */
	if (inet->protocol == IPPROTO_TCP && inet->tiny)
		return frame_drop(DROP_FRAGMENT);
	return policer_take(&frame->state->fragment, frame->now_ns) ? frame_kernel()
								    : frame_drop(DROP_FRAGMENT);
}

struct packet_verdict filter_to_vip(struct frame *frame, const struct inet *inet, int vip)
{
	uint16_t remote_port, vip_port;
	enum vip_table_match match;
	enum drop_reason reason;

	if (!inet->first)
		return later_fragment(frame, inet);
	if (icmp_is_icmp(inet))
		return icmp_to_vip(frame, inet, vip);
	if (!inet_ports(inet, &remote_port, &vip_port))
		return frame_drop(inet->protocol == IPPROTO_TCP || inet->protocol == IPPROTO_UDP ||
						  inet->protocol == IPPROTO_SCTP
					  ? DROP_IP_MALFORMED
					  : DROP_CLOSED_PORT);
	match = vip_table_match(frame->vips, vip, inet->protocol, vip_port, &inet->src);
	if (match != VIP_TABLE_OPEN && !filter_flow_known(frame, inet, vip_port, remote_port))
		return frame_drop(match == VIP_TABLE_SOURCE_RANGE ? DROP_SOURCE_RANGE
								  : DROP_CLOSED_PORT);
	/* Last, because it reads the whole packet. */
	if (!filter_transport(frame, inet, &reason))
		return frame_drop(reason);
	return frame_kernel();
}
