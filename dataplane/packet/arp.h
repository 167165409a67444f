/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP (RFC 826, RFC 5227): who is answered on the worker, what the kernel and control may see. */
#ifndef PACKET_ARP_H
#define PACKET_ARP_H

#include <rte_arp.h>

#include "packet/frame.h"

/* Whether len bytes hold an ARP packet for IPv4 over Ethernet, request or reply. */
bool arp_valid(const struct rte_arp_hdr *arp, size_t len);

/* Writes the 28 bytes of an ARP packet. Addresses are IPv4 in network order. */
void arp_write(uint8_t *l3, uint16_t opcode, const struct rte_ether_addr *sha, rte_be32_t spa,
	       const struct rte_ether_addr *tha, rte_be32_t tpa);

/* Judges a frame of EtherType ARP from the wire; requests for owned VIPs are answered in place. */
struct packet_verdict arp_classify(struct frame *frame);

#endif
