/* SPDX-License-Identifier: BSD-3-Clause */
/* Announcements and gateway probes, built from nothing. */
#include "packet/announce.h"
#include "packet/arp.h"
#include "packet/nd.h"

static const struct rte_ether_addr broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const struct rte_ether_addr zero;

static size_t arp_frame(uint8_t *buf, const struct rte_ether_addr *mac, uint16_t vlan,
			uint16_t opcode, rte_be32_t spa, const struct rte_ether_addr *tha,
			rte_be32_t tpa)
{
	size_t at = frame_header_write(buf, &broadcast, mac, vlan, RTE_ETHER_TYPE_ARP);

	arp_write(buf + at, opcode, mac, spa, tha, tpa);
	return frame_pad(buf, at + sizeof(struct rte_arp_hdr), ANNOUNCE_FRAME_MAX, vlan != 0);
}

static size_t nd_frame(uint8_t *buf, uint16_t vlan, const struct nd_write *write)
{
	struct rte_ether_addr dst = nd_group_mac(&write->dst);
	size_t at = frame_header_write(buf, &dst, &write->mac, vlan, RTE_ETHER_TYPE_IPV6);

	nd_write(buf + at, write);
	return at + ND_L3_LEN;
}

size_t announce_arp_request(uint8_t *buf, const struct rte_ether_addr *mac, uint16_t vlan,
			    const struct ip *vip)
{
	return arp_frame(buf, mac, vlan, RTE_ARP_OP_REQUEST, ip_v4(vip), &zero, ip_v4(vip));
}

size_t announce_arp_reply(uint8_t *buf, const struct rte_ether_addr *mac, uint16_t vlan,
			  const struct ip *vip)
{
	return arp_frame(buf, mac, vlan, RTE_ARP_OP_REPLY, ip_v4(vip), mac, ip_v4(vip));
}

size_t announce_na(uint8_t *buf, const struct rte_ether_addr *mac, uint16_t vlan,
		   const struct ip *vip)
{
	const struct nd_write write = {
		.src = *vip,
		.dst = nd_all_nodes(),
		.target = *vip,
		.type = ND_NEIGHBOUR_ADVERTISEMENT,
		.flags = ND_FLAG_OVERRIDE,
		.mac = *mac,
	};

	return nd_frame(buf, vlan, &write);
}

size_t announce_gateway_probe(uint8_t *buf, const struct rte_ether_addr *mac, uint16_t vlan,
			      const struct ip *source, const struct ip *gateway)
{
	const struct nd_write write = {
		.src = *source,
		.dst = nd_solicited_node(gateway),
		.target = *gateway,
		.type = ND_NEIGHBOUR_SOLICITATION,
		.mac = *mac,
	};

	if (!ip_is_v4(gateway))
		return nd_frame(buf, vlan, &write);
	/* The last four bytes of the none address are 0.0.0.0. */
	return arp_frame(buf, mac, vlan, RTE_ARP_OP_REQUEST, ip_v4(source), &zero, ip_v4(gateway));
}
