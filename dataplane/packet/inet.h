/* SPDX-License-Identifier: BSD-3-Clause */
/* The IP level: headers of both families read into one form, and their checksums. */
#ifndef PACKET_INET_H
#define PACKET_INET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_byteorder.h>

#include "packet/ip.h"
#include "packet/verdict.h"

/* Headers as on the wire. (rte_ip.h brings in netinet/ip.h, whose struct ip is another.) */
struct inet_v4 {
	uint8_t version_ihl;
	uint8_t tos;
	rte_be16_t total_len;
	rte_be16_t id;
	rte_be16_t fragment;
	uint8_t ttl;
	uint8_t protocol;
	rte_be16_t checksum;
	rte_be32_t src;
	rte_be32_t dst;
} __rte_packed;

#define INET_V4_MORE_FRAGMENTS 0x2000
#define INET_V4_OFFSET_MASK    0x1fff /* in units of eight bytes */

struct inet_v6 {
	rte_be32_t version_class_flow;
	rte_be16_t payload_len;
	uint8_t next_header;
	uint8_t hop_limit;
	struct ip src;
	struct ip dst;
} __rte_packed;

/* IPv6 extension headers that a packet may carry. */
#define INET_MAX_EXTENSIONS 4

struct inet {
	struct ip src, dst;
	uint8_t *l3;	  /* the IP header */
	uint8_t *l4;	  /* what follows the IP headers */
	uint16_t l4_len;  /* bytes there, without Ethernet's padding */
	uint8_t protocol; /* of what is at l4 */
	uint8_t hop_limit;
	bool v4;
	bool extended; /* has IPv4 options or IPv6 extension headers */
	bool fragment; /* has a fragment header, or is a part of an IPv4 packet */
	bool first;    /* l4 is the start of the transport header: offset 0 */
	bool tiny;     /* a fragment at offset 8: its TCP flags would replace the first one's */
};

/* How far what a packet says of itself is trusted to be all there. */
enum inet_mode {
	INET_WHOLE,  /* lengths and IPv4 header checksum must be right */
	INET_SENT,   /* lengths must be right; a checksum may not be filled in yet */
	INET_QUOTED, /* the start of a packet in an ICMP error: may be cut anywhere after IP */
};

/*
 * Reads an IP packet of len bytes at l3 (v4 or v6 as said). Only headers are read; l4_len may be
 * 0. Returns DROP_REASON_COUNT or the reason to drop it.
 */
enum drop_reason inet_parse(uint8_t *l3, size_t len, bool v4, enum inet_mode mode,
			    struct inet *inet);

/* Addresses of inet's family, as ranges that mean something to everybody. */
bool inet_multicast(const struct ip *ip); /* group or limited broadcast */
bool inet_loopback(const struct ip *ip);  /* 127/8, ::1 */

/* Whether a host may send from this address: no group, loopback, 0/8 or 240/4, nor an IPv4 address
 * dressed as IPv6. */
bool inet_valid_source(const struct inet *inet);

/* Ports or ICMP identifier, read where the protocol has them. False: it has none, or too short. */
bool inet_ports(const struct inet *inet, uint16_t *source, uint16_t *destination);

/* The one's complement sum (RFC 1071) of len bytes added to sum. */
uint32_t inet_sum(const uint8_t *at, size_t len, uint32_t sum);
uint16_t inet_fold(uint32_t sum);

/* Sum of the pseudo header of either family. len: of the transport part. */
uint32_t inet_pseudo_sum(const struct ip *src, const struct ip *dst, uint8_t protocol, size_t len);

#endif
