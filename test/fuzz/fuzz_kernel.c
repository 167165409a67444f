/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any frame from the kernel: nothing is read or written out of bounds, and no ARP or ND leaves in
 * which a VIP is the sender or the claimed address. The first byte of an input is the mode.
 */
#include "packet.h"

#define MODE_VLAN   0x01 /* the interface is tagged */
#define MODE_BARE   0x02 /* the node has no addresses */
#define MODE_ROOM   0x08 /* the buffer is larger than the frame */
#define MODE_REPAIR 0x10 /* checksums are put right */
#define ROOM	    64

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check_arp(const struct fuzz_node *node, const struct fuzz_frame *frame)
{
	struct ip spa, tpa;

	FUZZ_CHECK(frame->l3_len >= 28);
	spa = fuzz_arp_address(frame->l3 + 14);
	tpa = fuzz_arp_address(frame->l3 + 24);
	FUZZ_CHECK(!fuzz_vip(node, &spa, false));
	/* With 0.0.0.0 as the only sender that there is, a question looks like a probe. */
	if (node->env.address_count > 0)
		FUZZ_CHECK(ip_v4(&spa) != 0 || !fuzz_vip(node, &tpa, false));
}

/* ICMPv6 behind any extension headers, or NULL; what a later fragment holds is not looked at. */
static const uint8_t *find_icmpv6(const struct fuzz_frame *frame, size_t *len)
{
	const uint8_t *at = frame->l4;
	unsigned int next = frame->protocol;
	size_t left = frame->l4_len, step;

	while (next == 0 || next == 43 || next == 44 || next == 51 || next == 60) {
		if (left < 8)
			return NULL;
		if (next == 44 && fuzz_be16(at + 2) & 0xfff8)
			return NULL;
		step = next == 44 ? 8 : next == 51 ? (at[1] + 2) * 4u : (at[1] + 1) * 8u;
		if (step > left)
			return NULL;
		next = at[0];
		at += step;
		left -= step;
	}
	*len = left;
	return next == 58 && left > 0 ? at : NULL;
}

static void check_nd(const struct fuzz_node *node, struct fuzz_frame *frame)
{
	struct ip target;
	size_t len;

	frame->l4 = find_icmpv6(frame, &len);
	if (!frame->l4 || frame->l4[0] < 133 || frame->l4[0] > 137)
		return;
	FUZZ_CHECK(!fuzz_vip(node, &frame->src, false));
	if (frame->l4[0] != 135 && frame->l4[0] != 136)
		return;
	FUZZ_CHECK(len >= 24);
	target = fuzz_nd_target(frame);
	if (frame->l4[0] == 136 || ip_is_none(&frame->src))
		FUZZ_CHECK(!fuzz_vip(node, &target, false));
}

static void check_sent(const struct fuzz_node *node, const struct packet *packet,
		       const struct fuzz_frame *before)
{
	struct fuzz_frame frame;

	if (!fuzz_read(packet->data, packet->len, &frame))
		return;
	if (node->env.vlan)
		FUZZ_CHECK(frame.vlan == node->env.vlan);
	if (frame.ethertype == 0x0806)
		check_arp(node, &frame);
	if (frame.ethertype != 0x86dd || !frame.l4)
		return;
	/* Where the sender was replaced, the checksum follows. */
	if (before->l4 && !ip_equal(&before->src, &frame.src))
		FUZZ_CHECK(ip_equal(&frame.src, &node->env.link_local) &&
			   fuzz_l4_sum(&frame) == 0xffff);
	check_nd(node, &frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct packet_verdict verdict;
	struct fuzz_frame before = {0};
	struct fuzz_node node;
	struct packet packet;
	uint8_t *buffer, mode;
	size_t room;

	if (size < 1 || size > 1600)
		return 0;
	mode = *input++;
	size--;
	room = size + (mode & MODE_ROOM ? ROOM : 0);
	buffer = malloc(room ? room : 1);
	FUZZ_CHECK(buffer);
	memset(buffer, 0xaa, room);
	memcpy(buffer, input, size);
	if (mode & MODE_REPAIR)
		fuzz_repair(buffer, size);
	fuzz_node_init(&node);
	node.env.vlan = mode & MODE_VLAN ? FUZZ_VLAN : 0;
	if (mode & MODE_BARE)
		node.env.address_count = 0;
	fuzz_read(buffer, size, &before);
	packet = (struct packet){.data = buffer, .len = (uint16_t)size, .room = (uint16_t)room};
	verdict = guard_from_kernel(&node.env, node.vips, &node.state, &packet, FUZZ_NOW_NS);
	FUZZ_CHECK(packet.data == buffer && packet.len <= packet.room);
	FUZZ_CHECK(verdict.verdict == VERDICT_WIRE || verdict.verdict == VERDICT_DROP);
	if (verdict.verdict == VERDICT_WIRE)
		check_sent(&node, &packet, &before);
	fuzz_node_fini(&node);
	free(buffer);
	return 0;
}
