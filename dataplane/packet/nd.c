/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery from the wire. */
#include <netinet/in.h>

#include "packet/icmp.h"
#include "packet/nd.h"

#define ROUTER_ADVERTISEMENT_LEN 16

struct ip nd_all_nodes(void)
{
	return (struct ip){.b = {0xff, 0x02, [15] = 0x01}};
}

struct ip nd_solicited_node(const struct ip *target)
{
	struct ip group = {.b = {0xff, 0x02, [11] = 0x01, [12] = 0xff}};

	memcpy(&group.b[13], &target->b[13], 3);
	return group;
}

static bool is_solicited_node(const struct ip *ip)
{
	struct ip group = nd_solicited_node(ip);

	return ip_equal(&group, ip);
}

struct rte_ether_addr nd_group_mac(const struct ip *group)
{
	struct rte_ether_addr mac = {.addr_bytes = {0x33, 0x33}};

	memcpy(&mac.addr_bytes[2], &group->b[12], 4);
	return mac;
}

void nd_write(uint8_t *l3, const struct nd_write *write)
{
	struct inet_v6 ipv6 = {
		.version_class_flow = rte_cpu_to_be_32(UINT32_C(6) << 28),
		.payload_len = rte_cpu_to_be_16(ND_L3_LEN - sizeof(struct inet_v6)),
		.next_header = IPPROTO_ICMPV6,
		.hop_limit = ND_HOP_LIMIT,
		.src = write->src,
		.dst = write->dst,
	};
	const struct nd_message message = {
		.type = write->type,
		.flags = write->flags,
		.target = write->target,
	};
	uint8_t *l4 = l3 + sizeof(ipv6), *option = l4 + sizeof(message);
	const struct inet inet = {
		.src = write->src,
		.dst = write->dst,
		.l4 = l4,
		.l4_len = ND_L3_LEN - sizeof(ipv6),
	};

	memcpy(l3, &ipv6, sizeof(ipv6));
	memcpy(l4, &message, sizeof(message));
	option[0] = write->type == ND_NEIGHBOUR_SOLICITATION ? ND_OPTION_SOURCE : ND_OPTION_TARGET;
	option[1] = 1; /* in units of eight bytes */
	memcpy(option + 2, &write->mac, RTE_ETHER_ADDR_LEN);
	nd_checksum(&inet);
}

void nd_checksum(const struct inet *inet)
{
	uint16_t checksum;

	memset(inet->l4 + 2, 0, sizeof(checksum));
	checksum = (uint16_t)~inet_fold(
		inet_sum(inet->l4, inet->l4_len,
			 inet_pseudo_sum(&inet->src, &inet->dst, IPPROTO_ICMPV6, inet->l4_len)));
	memcpy(inet->l4 + 2, &checksum, sizeof(checksum));
}

bool nd_options(const struct inet *inet, size_t from, uint8_t type, uint8_t **found)
{
	*found = NULL;
	while (from < inet->l4_len) {
		uint8_t *option = inet->l4 + from;
		size_t left = inet->l4_len - from, len;

		if (left < 8)
			return false;
		len = option[1] * 8u;
		if (len == 0 || len > left)
			return false;
		if (option[0] == type) {
			if (len != 8) /* RFC 2464 §6 */
				return false;
			*found = option + 2;
		}
		from += len;
	}
	return true;
}

static bool is_unicast_ipv6(const struct ip *ip)
{
	return !inet_multicast(ip) && !inet_loopback(ip) && !ip_is_none(ip) && !ip_is_v4(ip);
}

static struct packet_verdict nd_answer(struct frame *frame, const struct inet *inet,
				       const struct ip *target, const uint8_t *source_option)
{
	bool probe = ip_is_none(&inet->src);
	struct nd_write answer = {
		.src = *target,
		.dst = probe ? nd_all_nodes() : inet->src,
		.target = *target,
		.type = ND_NEIGHBOUR_ADVERTISEMENT,
		/* RFC 4861 §7.2.4: who has no address cannot have solicited. */
		.flags = probe ? ND_FLAG_OVERRIDE : ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE,
		.mac = frame->env->mac,
	};
	struct rte_ether_addr to;

	/* A solicitation without source option is shorter than its answer. */
	if (!frame_fits(frame, ND_L3_LEN))
		return frame_drop(DROP_OVERSIZED);
	if (probe)
		to = nd_group_mac(&answer.dst);
	else if (source_option)
		memcpy(&to, source_option, sizeof(to));
	else
		to = ((const struct rte_ether_hdr *)frame->packet->data)->src_addr;
	nd_write(frame_l3(frame), &answer);
	return frame_answer(frame, &to, ND_L3_LEN, VERDICT_ANSWER, PACKET_ANSWER_NDP);
}

/* RFC 4861 §7.1.1. */
static enum drop_reason solicitation_check(const struct inet *inet, const struct ip *target,
					   const uint8_t *source_option)
{
	struct rte_ether_addr source;

	if (!is_unicast_ipv6(target))
		return DROP_ND_MALFORMED;
	if (ip_is_none(&inet->src))
		return is_solicited_node(&inet->dst) && !source_option ? DROP_NONE
								       : DROP_ND_MALFORMED;
	if (!is_unicast_ipv6(&inet->src))
		return DROP_BAD_SOURCE_ADDRESS;
	if (source_option) {
		memcpy(&source, source_option, sizeof(source));
		if (!rte_is_valid_assigned_ether_addr(&source))
			return DROP_ND_MALFORMED;
	}
	return DROP_NONE;
}

static struct packet_verdict solicitation(struct frame *frame, const struct inet *inet)
{
	struct nd_message message;
	struct ip group;
	uint8_t *source_option;
	enum drop_reason reason;
	int vip;

	if (inet->l4_len < sizeof(message) ||
	    !nd_options(inet, sizeof(message), ND_OPTION_SOURCE, &source_option))
		return frame_drop(DROP_ND_MALFORMED);
	memcpy(&message, inet->l4, sizeof(message));
	reason = solicitation_check(inet, &message.target, source_option);
	if (reason != DROP_NONE)
		return frame_drop(reason);
	vip = vip_table_lookup(frame->vips, &inet->src);
	if (vip >= 0) /* as its sender it would take the VIP in every cache */
		return vip_table_owned(frame->vips, vip) ? frame_conflict(frame, DROP_ND_CONFLICT)
							 : frame_drop(DROP_BAD_SOURCE_ADDRESS);
	vip = vip_table_lookup(frame->vips, &message.target);
	if (vip < 0)
		return frame_node_address(frame, &message.target)
			       ? frame_kernel_policed(frame, &frame->state->unsolicited)
			       : frame_drop(DROP_ND_NOT_OURS);
	group = nd_solicited_node(&message.target);
	if (!ip_equal(&inet->dst, &message.target) && !ip_equal(&inet->dst, &group))
		return frame_drop(DROP_ND_NOT_OURS);
	if (!vip_table_owned(frame->vips, vip))
		return frame_drop(DROP_ND_NOT_OWNED);
	return nd_answer(frame, inet, &message.target, source_option);
}

static struct packet_verdict advertisement(const struct frame *frame, const struct inet *inet)
{
	bool to_group = inet_multicast(&inet->dst), solicited;
	struct nd_message message;
	uint8_t *option;
	int vip;

	if (inet->l4_len < sizeof(message) ||
	    !nd_options(inet, sizeof(message), ND_OPTION_TARGET, &option))
		return frame_drop(DROP_ND_MALFORMED);
	memcpy(&message, inet->l4, sizeof(message));
	solicited = message.flags & ND_FLAG_SOLICITED;
	if (!is_unicast_ipv6(&message.target) || (to_group && solicited)) /* RFC 4861 §7.1.2 */
		return frame_drop(DROP_ND_MALFORMED);
	vip = vip_table_lookup(frame->vips, &message.target);
	if (vip >= 0)
		return vip_table_owned(frame->vips, vip) ? frame_conflict(frame, DROP_ND_CONFLICT)
							 : frame_drop(DROP_ND_NOT_OWNED);
	if (!is_unicast_ipv6(&inet->src) || vip_table_lookup(frame->vips, &inet->src) >= 0)
		return frame_drop(DROP_BAD_SOURCE_ADDRESS);
	if (to_group)
		return frame_kernel_policed(frame, &frame->state->unsolicited);
	if (!frame_node_address(frame, &inet->dst))
		return frame_drop(DROP_ND_NOT_OURS);
	if (!frame->group && solicited && frame_gateway_address(frame, &message.target))
		return frame_gateway(frame);
	return frame_kernel_policed(frame, &frame->state->neighbour);
}

/* RFC 4861 §6.1.2. What it says is the kernel's business. */
static struct packet_verdict router_advertisement(const struct frame *frame,
						  const struct inet *inet)
{
	bool link_local = inet->src.b[0] == 0xfe && (inet->src.b[1] & 0xc0) == 0x80;
	uint8_t *option;

	if (inet->l4_len < ROUTER_ADVERTISEMENT_LEN || !link_local ||
	    !nd_options(inet, ROUTER_ADVERTISEMENT_LEN, ND_OPTION_SOURCE, &option))
		return frame_drop(DROP_ND_MALFORMED);
	if (!inet_multicast(&inet->dst) && !frame_node_address(frame, &inet->dst))
		return frame_drop(DROP_ND_NOT_OURS);
	return frame_kernel_policed(frame, &frame->state->neighbour);
}

struct packet_verdict nd_classify(struct frame *frame, const struct inet *inet)
{
	if (inet->fragment)
		return frame_drop(DROP_ND_FRAGMENT);
	if (inet->extended || inet->hop_limit != ND_HOP_LIMIT || inet->l4_len < ICMP_HEADER_LEN ||
	    inet->l4[1] != 0)
		return frame_drop(DROP_ND_MALFORMED);
	if (!icmp_checksum_good(inet))
		return frame_drop(DROP_BAD_CHECKSUM);
	switch (inet->l4[0]) {
	case ND_NEIGHBOUR_SOLICITATION:
		return solicitation(frame, inet);
	case ND_NEIGHBOUR_ADVERTISEMENT:
		return advertisement(frame, inet);
	case ND_ROUTER_ADVERTISEMENT:
		return router_advertisement(frame, inet);
	default: /* solicitations are for routers; redirects are refused (accept_redirects=0) */
		return frame_drop(DROP_ND_NOT_OURS);
	}
}
