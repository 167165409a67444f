/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any frame from the NIC: nothing is read or written out of bounds, and whatever leaves is a
 * well-formed answer for a VIP. The first byte of an input says how the frame came.
 */
#include "packet.h"

#define MODE_VLAN     0x01 /* the interface is tagged */
#define MODE_STRIPPED 0x02 /* the NIC took the tag out */
#define MODE_KNOWN    0x04 /* the NIC knows the checksum: it is right */
#define MODE_ROOM     0x08 /* the buffer is larger than the frame */
#define MODE_REPAIR   0x10 /* checksums are put right */
#define ROOM	      64

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static void check_arp_answer(const struct fuzz_node *node, const struct fuzz_frame *frame)
{
	struct ip spa;

	FUZZ_CHECK(frame->ethertype == 0x0806 && frame->l3_len >= 28);
	FUZZ_CHECK(memcmp(frame->l3, "\x00\x01\x08\x00\x06\x04\x00\x02", 8) == 0);
	FUZZ_CHECK(memcmp(frame->l3 + 8, &node->env.mac, 6) == 0);
	spa = fuzz_arp_address(frame->l3 + 14);
	FUZZ_CHECK(fuzz_vip(node, &spa, true));
	FUZZ_CHECK(memcmp(frame->l3 + 18, frame->dst_mac, 6) == 0);
	FUZZ_CHECK(!(frame->dst_mac[0] & 1));
	for (size_t i = 28; i < frame->l3_len; i++)
		FUZZ_CHECK(frame->l3[i] == 0);
}

static void check_nd_answer(const struct fuzz_node *node, const struct fuzz_frame *frame)
{
	struct ip target, all = fuzz_ip("ff02::1");
	bool solicited;

	FUZZ_CHECK(frame->ethertype == 0x86dd && frame->l4 && frame->protocol == 58);
	FUZZ_CHECK(frame->l3[7] == 255 && frame->l4_len == 32);
	FUZZ_CHECK(frame->l4[0] == 136 && frame->l4[1] == 0 && frame->l4[24] == 2);
	FUZZ_CHECK(frame->l4[25] == 1 && memcmp(frame->l4 + 26, &node->env.mac, 6) == 0);
	target = fuzz_nd_target(frame);
	FUZZ_CHECK(fuzz_vip(node, &target, true) && ip_equal(&target, &frame->src));
	solicited = frame->l4[4] & 0x40;
	FUZZ_CHECK((frame->l4[4] & 0xa0) == 0x20 && solicited == !ip_equal(&frame->dst, &all));
	FUZZ_CHECK(solicited == !(frame->dst_mac[0] & 1));
	FUZZ_CHECK(fuzz_l4_sum(frame) == 0xffff);
}

static void check_echo_answer(const struct fuzz_node *node, const struct fuzz_frame *frame)
{
	bool v4 = frame->ethertype == 0x0800;

	FUZZ_CHECK(v4 || frame->ethertype == 0x86dd);
	FUZZ_CHECK(frame->l4 && frame->protocol == (v4 ? 1 : 58));
	FUZZ_CHECK(frame->l4_len >= 8 && frame->l4[0] == (v4 ? 0 : 129));
	FUZZ_CHECK(fuzz_vip(node, &frame->src, false) && !(frame->dst_mac[0] & 1));
	FUZZ_CHECK(fuzz_l4_sum(frame) == 0xffff);
	if (v4)
		FUZZ_CHECK(fuzz_sum(frame->l3, (size_t)(frame->l4 - frame->l3), 0) == 0xffff);
}

static void check_sent(const struct fuzz_node *node, const struct packet *packet,
		       const struct packet_verdict *verdict)
{
	struct fuzz_frame frame;

	FUZZ_CHECK(fuzz_read(packet->data, packet->len, &frame));
	FUZZ_CHECK(memcmp(frame.src_mac, &node->env.mac, 6) == 0);
	FUZZ_CHECK(frame.vlan == node->env.vlan);
	FUZZ_CHECK(packet->len >= 60 || packet->len == packet->room);
	switch (verdict->answered) {
	case PACKET_ANSWER_ARP:
		check_arp_answer(node, &frame);
		break;
	case PACKET_ANSWER_NDP:
		check_nd_answer(node, &frame);
		break;
	case PACKET_ANSWER_ECHO:
		check_echo_answer(node, &frame);
		break;
	default:
		FUZZ_CHECK(!"an answer of no kind");
	}
	FUZZ_CHECK((verdict->verdict == VERDICT_WIRE) == (verdict->answered == PACKET_ANSWER_ECHO));
}

/* The kernel sees untagged frames, and no question about a VIP. */
static void check_kernel(const struct fuzz_node *node, const struct packet *packet)
{
	struct fuzz_frame frame;
	struct ip ip;

	FUZZ_CHECK(packet->len >= 14);
	FUZZ_CHECK(fuzz_be16(packet->data + 12) != 0x8100);
	FUZZ_CHECK((packet->data[0] & 1) || memcmp(packet->data, &node->env.mac, 6) == 0);
	if (!fuzz_read(packet->data, packet->len, &frame))
		return;
	if (frame.ethertype == 0x0806) {
		ip = fuzz_arp_address(frame.l3 + 14);
		FUZZ_CHECK(!fuzz_vip(node, &ip, false));
		ip = fuzz_arp_address(frame.l3 + 24);
		FUZZ_CHECK(frame.l3[7] == 2 || !fuzz_vip(node, &ip, false));
	}
	if (frame.ethertype == 0x86dd && frame.protocol == 58 &&
	    (frame.l4[0] == 135 || frame.l4[0] == 136)) {
		ip = fuzz_nd_target(&frame);
		FUZZ_CHECK(frame.l3[7] == 255 && !fuzz_vip(node, &ip, false));
	}
	if (frame.l4)
		FUZZ_CHECK(!fuzz_vip(node, &frame.src, false));
}

static void check(const struct fuzz_node *node, const struct packet *packet, const uint8_t *buffer,
		  const struct packet_verdict *verdict)
{
	FUZZ_CHECK(packet->data >= buffer && packet->len <= packet->room);
	FUZZ_CHECK(verdict->verdict < VERDICT_COUNT);
	FUZZ_CHECK(!verdict->copy_to_control || verdict->verdict == VERDICT_KERNEL);
	switch (verdict->verdict) {
	case VERDICT_DROP:
		FUZZ_CHECK(drop_reason_name(verdict->reason));
		break;
	case VERDICT_KERNEL:
		check_kernel(node, packet);
		break;
	case VERDICT_WIRE:
	case VERDICT_ANSWER:
		check_sent(node, packet, verdict);
		break;
	default:
		FUZZ_CHECK(fuzz_be16(packet->data + 12) != 0x8100);
		FUZZ_CHECK(verdict->event == PACKET_EVENT_HEARTBEAT ||
			   verdict->event == PACKET_EVENT_CONFLICT);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	struct packet_verdict verdict;
	struct fuzz_node node;
	struct packet packet;
	uint8_t *buffer, mode;
	size_t room;

	if (size < 1 || size > 1600)
		return 0;
	mode = *input++;
	size--;
	room = size + (mode & MODE_ROOM ? ROOM : 0);
	/* As large as it says: the sanitizer sees what is read or written behind it. */
	buffer = malloc(room ? room : 1);
	FUZZ_CHECK(buffer);
	memset(buffer, 0xaa, room);
	memcpy(buffer, input, size);
	if (mode & MODE_REPAIR)
		fuzz_repair(buffer, size);
	fuzz_node_init(&node);
	node.env.vlan = mode & MODE_VLAN ? FUZZ_VLAN : 0;
	packet = (struct packet){
		.data = buffer,
		.len = (uint16_t)size,
		.room = (uint16_t)room,
		.vlan_stripped = mode & MODE_STRIPPED,
		.vlan_tci = node.env.vlan,
		.checksum_known = mode & MODE_KNOWN,
		.checksum_good = true,
	};
	verdict = classify_from_wire(&node.env, node.vips, &node.state, &packet, FUZZ_NOW_NS);
	check(&node, &packet, buffer, &verdict);
	fuzz_node_fini(&node);
	free(buffer);
	return 0;
}
