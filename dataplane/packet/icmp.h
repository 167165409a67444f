/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP of both families to a VIP: echo is answered here, errors are judged by what they quote. */
#ifndef PACKET_ICMP_H
#define PACKET_ICMP_H

#include "packet/frame.h"
#include "packet/inet.h"

#define ICMP_HEADER_LEN 8

#define ICMPV6_MLD_QUERY     130
#define ICMPV6_MLD_DONE	     132
#define ICMPV6_MLD_REPORT_V2 143

static inline bool icmp_is_icmp(const struct inet *inet)
{
	return inet->protocol == (inet->v4 ? 1 : 58); /* IPPROTO_ICMP, IPPROTO_ICMPV6 */
}

/* Whether a whole ICMP message, which is no fragment, has the right checksum. */
bool icmp_checksum_good(const struct inet *inet);

/* Whether this is an echo request (or reply) at least as long as its header; its identifier. */
bool icmp_echo(const struct inet *inet, bool reply, uint16_t *identifier);

/* Judges an ICMP message to the VIP at this index; a request for echo is answered in place. */
struct packet_verdict icmp_to_vip(struct frame *frame, const struct inet *inet, int vip);

#endif
