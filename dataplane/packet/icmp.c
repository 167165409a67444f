/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP (RFC 792, RFC 4443) to a VIP. */
#include <netinet/in.h>

#include "packet/filter.h"
#include "packet/icmp.h"

#define ICMP_ECHO_REPLY	   0
#define ICMP_UNREACHABLE   3
#define ICMP_ECHO	   8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER	   12

#define ICMPV6_LAST_KNOWN_ERROR 4
#define ICMPV6_ECHO		128
#define ICMPV6_ECHO_REPLY	129

#define IPV4_OPTION_NOP 1
#define ANSWER_TTL	64

bool icmp_checksum_good(const struct inet *inet)
{
	uint32_t sum =
		inet->v4 ? 0
			 : inet_pseudo_sum(&inet->src, &inet->dst, IPPROTO_ICMPV6, inet->l4_len);

	return inet_fold(inet_sum(inet->l4, inet->l4_len, sum)) == 0xffff;
}

bool icmp_echo(const struct inet *inet, bool reply, uint16_t *identifier)
{
	uint8_t request_type = inet->v4 ? ICMP_ECHO : ICMPV6_ECHO;
	uint8_t reply_type = inet->v4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;

	if (!icmp_is_icmp(inet) || !inet->first || inet->l4_len < ICMP_HEADER_LEN ||
	    inet->l4[0] != (reply ? reply_type : request_type))
		return false;
	*identifier = (uint16_t)(inet->l4[4] << 8 | inet->l4[5]);
	return true;
}

static bool is_error(const struct inet *inet)
{
	uint8_t type = inet->l4[0];

	/* Not: redirects, and source quench (RFC 6633). */
	if (inet->v4)
		return type == ICMP_UNREACHABLE || type == ICMP_TIME_EXCEEDED ||
		       type == ICMP_PARAMETER;
	return type >= 1 && type <= ICMPV6_LAST_KNOWN_ERROR;
}

/* The header becomes the answer's; its options become padding, so that it keeps its length. */
static void ipv4_turn(uint8_t *l3, const struct inet *inet)
{
	struct inet_v4 *ipv4 = (struct inet_v4 *)l3;
	size_t header_len = (size_t)(inet->l4 - inet->l3);

	memset(l3 + sizeof(*ipv4), IPV4_OPTION_NOP, header_len - sizeof(*ipv4));
	ipv4->tos = 0;
	ipv4->fragment = 0;
	ipv4->id = 0; /* RFC 6864 §4.1: a datagram that is whole needs none */
	ipv4->ttl = ANSWER_TTL;
	ipv4->src = ip_v4(&inet->dst);
	ipv4->dst = ip_v4(&inet->src);
	ipv4->checksum = 0;
	ipv4->checksum = (uint16_t)~inet_fold(inet_sum(l3, header_len, 0));
}

/* The header becomes the answer's; extension headers go. */
static void ipv6_turn(uint8_t *l3, const struct inet *inet)
{
	struct inet_v6 ipv6 = {
		.version_class_flow = rte_cpu_to_be_32(UINT32_C(6) << 28),
		.payload_len = rte_cpu_to_be_16(inet->l4_len),
		.next_header = IPPROTO_ICMPV6,
		.hop_limit = ANSWER_TTL,
		.src = inet->dst,
		.dst = inet->src,
	};

	memmove(l3 + sizeof(ipv6), inet->l4, inet->l4_len);
	memcpy(l3, &ipv6, sizeof(ipv6));
}

static struct packet_verdict echo_answer(struct frame *frame, const struct inet *inet)
{
	const struct rte_ether_addr to =
		((const struct rte_ether_hdr *)frame->packet->data)->src_addr;
	uint8_t *l3 = inet->l3, *l4;
	size_t header_len = inet->v4 ? (size_t)(inet->l4 - l3) : sizeof(struct inet_v6);
	uint16_t checksum;
	uint32_t sum;

	if (!frame_fits(frame, header_len + inet->l4_len))
		return frame_drop(DROP_OVERSIZED);
	if (inet->v4)
		ipv4_turn(l3, inet);
	else
		ipv6_turn(l3, inet);
	l4 = l3 + header_len;
	l4[0] = inet->v4 ? ICMP_ECHO_REPLY : ICMPV6_ECHO_REPLY;
	memset(l4 + 2, 0, sizeof(checksum));
	/* The pseudo header is a sum: that source and destination change places is the same. */
	sum = inet->v4 ? 0 : inet_pseudo_sum(&inet->src, &inet->dst, IPPROTO_ICMPV6, inet->l4_len);
	checksum = (uint16_t)~inet_fold(inet_sum(l4, inet->l4_len, sum));
	memcpy(l4 + 2, &checksum, sizeof(checksum));
	return frame_answer(frame, &to, header_len + inet->l4_len, VERDICT_WIRE,
			    PACKET_ANSWER_ECHO);
}

/* Whether what an error quotes may have left from this VIP (RFC 5927 §4.1). */
static bool quotes_us(const struct frame *frame, const struct inet *inet, int vip)
{
	struct inet quoted;

	if (inet_parse(inet->l4 + ICMP_HEADER_LEN, inet->l4_len - ICMP_HEADER_LEN, inet->v4,
		       INET_QUOTED, &quoted) != DROP_NONE ||
	    !ip_equal(&quoted.src, &inet->dst))
		return false;
	return filter_sent_from_vip(frame, &quoted, vip);
}

static struct packet_verdict icmp_error(const struct frame *frame, const struct inet *inet, int vip)
{
	/* First what costs nothing to forge, then the budget that the rest shares. */
	if (!quotes_us(frame, inet, vip))
		return frame_drop(DROP_ICMP_IGNORED);
	if (!icmp_checksum_good(inet))
		return frame_drop(DROP_BAD_CHECKSUM);
	return frame_kernel_policed(frame, &frame->state->icmp_error);
}

struct packet_verdict icmp_to_vip(struct frame *frame, const struct inet *inet, int vip)
{
	uint16_t identifier;
	bool request, reply;

	if (inet->l4_len < ICMP_HEADER_LEN)
		return frame_drop(DROP_IP_MALFORMED);
	/* The answer needs all parts, which the kernel gathers; no error need be that long. */
	if (inet->fragment) {
		request = frame->env->icmp_echo && icmp_echo(inet, false, &identifier);
		return request && policer_take(&frame->state->fragment, frame->now_ns)
			       ? frame_kernel()
			       : frame_drop(DROP_FRAGMENT);
	}
	if (is_error(inet))
		return icmp_error(frame, inet, vip);
	request = icmp_echo(inet, false, &identifier);
	reply = !request && icmp_echo(inet, true, &identifier);
	if (request ? !frame->env->icmp_echo || inet->l4[1] != 0
		    : !reply || !filter_flow_known(frame, inet, identifier, 0))
		return frame_drop(DROP_ICMP_IGNORED);
	if (!icmp_checksum_good(inet))
		return frame_drop(DROP_BAD_CHECKSUM);
	if (!policer_take(&frame->state->icmp, frame->now_ns))
		return frame_drop(DROP_POLICED);
	return request ? echo_answer(frame, inet) : frame_kernel();
}
