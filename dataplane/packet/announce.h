/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that vipgate itself originates: announcements of VIPs and probes of gateways. */
#ifndef PACKET_ANNOUNCE_H
#define PACKET_ANNOUNCE_H

#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>

#include "packet/ip.h"

/* Room that every frame below fits in, 802.1Q tag included. */
#define ANNOUNCE_FRAME_MAX 96

/* Each writes one whole Ethernet frame, padded to 60 bytes (64 with a tag), tagged when vlan != 0,
 * into buf of ANNOUNCE_FRAME_MAX bytes and returns its length. */

/* Gratuitous ARP, request form (RFC 5944 §4.6, RFC 5227 §2.3): spa = tpa = vip, tha zero. */
size_t announce_arp_request(uint8_t *buf, const struct rte_ether_addr *mac, uint16_t vlan,
			    const struct ip *vip);
/* Gratuitous ARP, reply form: spa = tpa = vip, tha = sha, broadcast. */
size_t announce_arp_reply(uint8_t *buf, const struct rte_ether_addr *mac, uint16_t vlan,
			  const struct ip *vip);
/* Unsolicited neighbour advertisement to ff02::1, R=0 S=0 O=1 (RFC 4861 §7.2.6). */
size_t announce_na(uint8_t *buf, const struct rte_ether_addr *mac, uint16_t vlan,
		   const struct ip *vip);

/* ARP request or NS for a gateway. source: the node's own address of that family; the none address
 * makes an RFC 5227 probe (v4, spa 0.0.0.0), and is not legal for v6: use the link-local. */
size_t announce_gateway_probe(uint8_t *buf, const struct rte_ether_addr *mac, uint16_t vlan,
			      const struct ip *source, const struct ip *gateway);

#endif
