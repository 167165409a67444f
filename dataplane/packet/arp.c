/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP from the wire. */
#include <rte_byteorder.h>

#include "packet/arp.h"

bool arp_valid(const struct rte_arp_hdr *arp, size_t len)
{
	return len >= sizeof(*arp) && arp->arp_hardware == rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) &&
	       arp->arp_protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
	       arp->arp_hlen == RTE_ETHER_ADDR_LEN && arp->arp_plen == sizeof(rte_be32_t) &&
	       (arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) ||
		arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REPLY));
}

void arp_write(uint8_t *l3, uint16_t opcode, const struct rte_ether_addr *sha, rte_be32_t spa,
	       const struct rte_ether_addr *tha, rte_be32_t tpa)
{
	const struct rte_arp_hdr arp = {
		.arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER),
		.arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = sizeof(rte_be32_t),
		.arp_opcode = rte_cpu_to_be_16(opcode),
		.arp_data =
			{
				.arp_sha = *sha,
				.arp_sip = spa,
				.arp_tha = *tha,
				.arp_tip = tpa,
			},
	};

	memcpy(l3, &arp, sizeof(arp));
}

/* The sender states an address: is it a VIP? Then nobody else may hear of it. */
static bool sender_is_vip(const struct frame *frame, const struct ip *spa,
			  struct packet_verdict *verdict)
{
	int vip = vip_table_lookup(frame->vips, spa);

	if (vip < 0)
		return false;
	/* Announcements of a VIP's rightful owner end here too. */
	*verdict = vip_table_owned(frame->vips, vip) ? frame_conflict(frame, DROP_ARP_CONFLICT)
						     : frame_drop(DROP_ARP_NOT_OWNED);
	return true;
}

static bool is_gratuitous(const struct ip *spa, const struct ip *tpa)
{
	return ip_equal(spa, tpa) && ip_v4(spa) != 0;
}

/* To its sha, with its spa, which is 0.0.0.0 in an RFC 5227 probe: the answer defends the VIP. */
static struct packet_verdict arp_answer(struct frame *frame, const struct rte_arp_ipv4 *request)
{
	const struct rte_arp_ipv4 asked = *request;

	if (!frame_fits(frame, sizeof(struct rte_arp_hdr)))
		return frame_drop(DROP_OVERSIZED);
	arp_write(frame_l3(frame), RTE_ARP_OP_REPLY, &frame->env->mac, asked.arp_tip,
		  &asked.arp_sha, asked.arp_sip);
	return frame_answer(frame, &asked.arp_sha, sizeof(struct rte_arp_hdr), VERDICT_ANSWER,
			    PACKET_ANSWER_ARP);
}

static struct packet_verdict arp_request(struct frame *frame, const struct rte_arp_ipv4 *arp,
					 const struct ip *spa, const struct ip *tpa)
{
	int vip = vip_table_lookup(frame->vips, tpa);

	if (vip >= 0)
		return vip_table_owned(frame->vips, vip) ? arp_answer(frame, arp)
							 : frame_drop(DROP_ARP_NOT_OWNED);
	/* A gratuitous one moves a neighbour's address in caches: a gateway that failed over. */
	if (frame_node_address(frame, tpa) || is_gratuitous(spa, tpa))
		return frame_kernel_policed(frame, &frame->state->unsolicited);
	return frame_drop(DROP_ARP_NOT_OURS);
}

static struct packet_verdict arp_reply(const struct frame *frame, const struct ip *spa,
				       const struct ip *tpa)
{
	if (frame->group)
		return is_gratuitous(spa, tpa)
			       ? frame_kernel_policed(frame, &frame->state->unsolicited)
			       : frame_drop(DROP_ARP_NOT_OURS);
	if (frame_gateway_address(frame, spa))
		return frame_gateway(frame);
	/* tpa may be 0.0.0.0, where the guard found no better sender for the request. */
	return frame_kernel_policed(frame, &frame->state->neighbour);
}

struct packet_verdict arp_classify(struct frame *frame)
{
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)frame_l3(frame);
	const struct rte_arp_ipv4 *data = &arp->arp_data;
	struct packet_verdict verdict;
	struct ip spa, tpa;

	if (!arp_valid(arp, frame_l3_len(frame)) ||
	    !rte_is_valid_assigned_ether_addr(&data->arp_sha) ||
	    rte_is_same_ether_addr(&data->arp_sha, &frame->env->mac))
		return frame_drop(DROP_ARP_MALFORMED);
	spa = ip_from_v4(data->arp_sip);
	tpa = ip_from_v4(data->arp_tip);
	if (sender_is_vip(frame, &spa, &verdict))
		return verdict;
	return arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST)
		       ? arp_request(frame, data, &spa, &tpa)
		       : arp_reply(frame, &spa, &tpa);
}
