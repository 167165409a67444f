/* SPDX-License-Identifier: BSD-3-Clause */
/* The two doors of the packet code: every frame from the NIC, and every frame from the kernel. */
#ifndef PACKET_CLASSIFY_H
#define PACKET_CLASSIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>

#include "packet/flow.h"
#include "packet/ip.h"
#include "packet/policer.h"
#include "packet/verdict.h"
#include "packet/vip_table.h"

#define PACKET_MAX_ADDRESSES 16

/* One contiguous frame without FCS. The packet code may rewrite, shorten or lengthen it in place.
 */
struct packet {
	uint8_t *data; /* at an even address; moves forward past a tag that is taken out */
	uint16_t len;
	uint16_t room;	   /* bytes that data may grow to; room >= len */
	uint16_t vlan_tci; /* the tag that the NIC stripped, when vlan_stripped */
	bool vlan_stripped;
	bool checksum_known; /* the NIC has verified the L4 checksum: checksum_good says how it went
			      */
	bool checksum_good;
	bool checksum_verified; /* out: this frame's L4 checksum is right (kernel may skip it) */
};

/* What an interface is: constant while workers run, but for `vips`, which RCU protects. */
struct packet_env {
	struct rte_ether_addr mac;
	uint16_t vlan; /* 0 = untagged */
	uint16_t mtu;  /* largest L3 packet */
	bool icmp_echo;
	struct ip addresses[PACKET_MAX_ADDRESSES]; /* of the node itself */
	/* Prefix length of each, counted as in struct ip_prefix; 0 = any subnet. */
	uint8_t address_lens[PACKET_MAX_ADDRESSES];
	size_t address_count;
	struct ip link_local; /* of the kernel port: fe80::/64 + EUI-64 of mac */
	struct ip gateways[PACKET_MAX_ADDRESSES];
	size_t gateway_count;
};

#define PACKET_SOURCES 256 /* a power of two */

/* What one worker remembers between frames of one interface: single reader, single writer. */
struct packet_state {
	struct policer icmp; /* echo requests and other ICMP to VIPs */
	struct policer icmp_error;
	struct policer fragment;
	struct policer node;	  /* unicast to the node itself that is no established traffic */
	struct policer neighbour; /* answers to the kernel's ARP and ND; RA, MLD, IGMP, DHCP */
	struct policer
		unsolicited;	  /* questions about the node's addresses, gratuitous ARP and NA */
	struct policer gateway;	  /* answers of configured gateways, to kernel and control */
	struct policer heartbeat; /* heartbeats towards control, of all senders */
	/* And of the sources whose keyed hash is the same: who floods makes few others unheard. */
	struct policer sources[PACKET_SOURCES];
	uint64_t seed;
	struct policer conflict;
	struct flow_table *flows; /* flows that left from a VIP towards the wire; not its own */
};

/*
 * Sets budgets. flows: shared by the workers of one interface, since an answer may reach another
 * worker than the one that saw its flow leave; the caller keeps it, and NULL remembers nothing.
 */
void packet_state_init(struct packet_state *state, struct flow_table *flows);

/*
 * Judges a frame that the NIC received. now_ns: monotonic. vips may be NULL. Answers (ARP, NDP,
 * echo) are written into the frame itself; a VLAN tag is removed towards the kernel and kept
 * towards the wire.
 */
struct packet_verdict classify_from_wire(const struct packet_env *env, const struct vip_table *vips,
					 struct packet_state *state, struct packet *packet,
					 uint64_t now_ns);

/*
 * Judges a frame that the kernel sends through the kernel port (guard.c): only vipgate speaks ARP
 * and ND for VIPs, what remains is rewritten to the node's own addresses (design §9).
 */
struct packet_verdict guard_from_kernel(const struct packet_env *env, const struct vip_table *vips,
					struct packet_state *state, struct packet *packet,
					uint64_t now_ns);

#endif
