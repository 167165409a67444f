/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery (RFC 4861, RFC 4862, RFC 6980), as arp.h is for IPv4. */
#ifndef PACKET_ND_H
#define PACKET_ND_H

#include <rte_byteorder.h>
#include <rte_ether.h>

#include "packet/frame.h"
#include "packet/inet.h"

#define ND_ROUTER_SOLICITATION	   133
#define ND_ROUTER_ADVERTISEMENT	   134
#define ND_NEIGHBOUR_SOLICITATION  135
#define ND_NEIGHBOUR_ADVERTISEMENT 136
#define ND_REDIRECT		   137

#define ND_OPTION_SOURCE 1
#define ND_OPTION_TARGET 2

#define ND_FLAG_ROUTER	  0x80
#define ND_FLAG_SOLICITED 0x40
#define ND_FLAG_OVERRIDE  0x20

#define ND_HOP_LIMIT 255

/* A neighbour solicitation or advertisement without options. */
struct nd_message {
	uint8_t type, code;
	rte_be16_t checksum;
	uint8_t flags;
	uint8_t reserved[3];
	struct ip target;
};

/* L3 length of what nd_write() writes: IPv6 header, message, one link-layer address option. */
#define ND_L3_LEN (40 + 24 + 8)

static inline bool nd_is_type(uint8_t icmp_type)
{
	return icmp_type >= ND_ROUTER_SOLICITATION && icmp_type <= ND_REDIRECT;
}

struct ip nd_all_nodes(void);			      /* ff02::1 */
struct ip nd_solicited_node(const struct ip *target); /* RFC 4291 §2.7.1 */

/* The MAC of an IPv6 group (RFC 2464 §7). */
struct rte_ether_addr nd_group_mac(const struct ip *group);

/* What nd_write() puts into a message. */
struct nd_write {
	struct ip src, dst, target;
	uint8_t type; /* solicitation or advertisement: decides which option carries mac */
	uint8_t flags;
	struct rte_ether_addr mac;
};

/* Writes an IPv6 packet of ND_L3_LEN bytes, checksum included. */
void nd_write(uint8_t *l3, const struct nd_write *write);

/*
 * Walks the options from offset `from` of an ND message on (RFC 4861 §4.6). Returns false when one
 * is malformed; *found is the link-layer address in the option of this type, NULL without one.
 */
bool nd_options(const struct inet *inet, size_t from, uint8_t type, uint8_t **found);

/* Computes an ICMPv6 checksum anew after the message or an address changed. */
void nd_checksum(const struct inet *inet);

/* Judges an ND message from the wire; solicitations of owned VIPs are answered in place. */
struct packet_verdict nd_classify(struct frame *frame, const struct inet *inet);

#endif
