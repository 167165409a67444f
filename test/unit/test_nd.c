/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery from the wire: who is answered, with which bytes, and what goes where. */
#include "lab.h"

#define NODES_GROUP   "333300000001"
#define VIP_GROUP     "ff02::1:ff00:100"
#define VIP_GROUP_MAC "3333ff000100"

#define TARGET_VIP	"20010db8000000000000000000000100"
#define TARGET_PEER_VIP "20010db8000000000000000000000101"
#define TARGET_NODE	"20010db8000000000000000000000011"
#define TARGET_LL	"fe80000000000000000000fffe000001"
#define TARGET_GATEWAY	"20010db8000000000000000000000001"
#define TARGET_CLIENT	"20010db8000000000000000000000050"

#define NS(target)	  "87000000 00000000" target
#define NA(flags, target) "88000000" flags "000000" target
#define SLLAO		  "0101020000000099"
#define TLLAO		  "0201020000000099"
#define RA		  "86000000 40000708 00000000 00000000"

#define ANSWER                                                                                     \
	"02000000009902000000000186dd6000000000203aff20010db8000000000000"                         \
	"00000000010020010db800000000000000000000005088008827600000002001"                         \
	"0db80000000000000000000001000201020000000001"

static void a_solicitation_of_an_owned_vip_is_answered_byte_by_byte(void **state)
{
	static const struct {
		const char *name;
		struct lab_frame frame;
		const char *answer;
		uint16_t vlan;
		bool stripped;
	} cases[] = {
		{"multicast",
		 {.dst_mac = VIP_GROUP_MAC, .dst = VIP_GROUP, .l4 = NS(TARGET_VIP) SLLAO},
		 ANSWER},
		{"without source option: grows, goes to the frame's source",
		 {.dst_mac = VIP_GROUP_MAC, .dst = VIP_GROUP, .l4 = NS(TARGET_VIP)},
		 ANSWER},
		{"unicast", {.dst = LAB_VIP6, .l4 = NS(TARGET_VIP) SLLAO}, ANSWER},
		{"unicast without source option", {.dst = LAB_VIP6, .l4 = NS(TARGET_VIP)}, ANSWER},
		{"to its source option, not to the frame's source",
		 {.dst_mac = VIP_GROUP_MAC,
		  .dst = VIP_GROUP,
		  .l4 = NS(TARGET_VIP) "0101020000000098"},
		 "02000000009802000000000186dd6000000000203aff20010db8000000000000"
		 "00000000010020010db800000000000000000000005088008827600000002001"
		 "0db80000000000000000000001000201020000000001"},
		{"with an option nobody knows: shrinks",
		 {.dst_mac = VIP_GROUP_MAC,
		  .dst = VIP_GROUP,
		  .l4 = NS(TARGET_VIP) "fd02000000000000 0000000000000000" SLLAO},
		 ANSWER},
		{"duplicate address detection",
		 {.dst_mac = VIP_GROUP_MAC, .src = "::", .dst = VIP_GROUP, .l4 = NS(TARGET_VIP)},
		 "33330000000102000000000186dd6000000000203aff20010db8000000000000"
		 "000000000100ff0200000000000000000000000000018800f72c200000002001"
		 "0db80000000000000000000001000201020000000001"},
		{"enhanced duplicate address detection, with a nonce (RFC 7527)",
		 {.dst_mac = VIP_GROUP_MAC,
		  .src = "::",
		  .dst = VIP_GROUP,
		  .l4 = NS(TARGET_VIP) "0e01010203040506"},
		 "33330000000102000000000186dd6000000000203aff20010db8000000000000"
		 "000000000100ff0200000000000000000000000000018800f72c200000002001"
		 "0db80000000000000000000001000201020000000001"},
		{"tag in the frame",
		 {.dst_mac = VIP_GROUP_MAC,
		  .dst = VIP_GROUP,
		  .tags = "81000005",
		  .l4 = NS(TARGET_VIP) SLLAO},
		 "0200000000990200000000018100000586dd6000000000203aff20010db80000"
		 "0000000000000000010020010db8000000000000000000000050880088276000"
		 "000020010db80000000000000000000001000201020000000001",
		 5},
		{"tag stripped by the NIC",
		 {.dst_mac = VIP_GROUP_MAC, .dst = VIP_GROUP, .l4 = NS(TARGET_VIP) SLLAO},
		 "0200000000990200000000018100000586dd6000000000203aff20010db80000"
		 "0000000000000000010020010db8000000000000000000000050880088276000"
		 "000020010db80000000000000000000001000201020000000001",
		 5,
		 true},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct lab_frame frame = cases[i].frame;

		frame.protocol = 58;
		frame.hop_limit = 255;
		lab.env.vlan = cases[i].vlan;
		lab_build(&lab, &frame);
		lab.packet.vlan_stripped = cases[i].stripped;
		lab.packet.vlan_tci = 5;
		lab_expect(cases[i].name, lab_from_wire(&lab), (struct lab_fate)LAB_ANSWER(NDP));
		lab_expect_hex(&lab, cases[i].name, cases[i].answer);
	}
	lab_fini(&lab);
}

static void an_answer_that_does_not_fit_is_not_sent(void **state)
{
	const struct lab_frame frame = {.dst_mac = VIP_GROUP_MAC,
					.dst = VIP_GROUP,
					.protocol = 58,
					.hop_limit = 255,
					.l4 = NS(TARGET_VIP)};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (uint16_t room = 78; room <= 86; room++) {
		lab_build(&lab, &frame);
		assert_int_equal(lab.packet.len, 78);
		lab.packet.room = room;
		lab_expect("room", lab_from_wire(&lab),
			   room < 86 ? (struct lab_fate)LAB_DROP(OVERSIZED)
				     : (struct lab_fate)LAB_ANSWER(NDP));
	}
	lab_fini(&lab);
}

struct fate_case {
	const char *name;
	struct lab_frame frame;
	struct lab_fate fate;
};

/* protocol and hop limit of ND where the case says nothing else. */
static void expect_fates(const struct fate_case *cases, size_t count)
{
	struct lab lab;

	lab_init(&lab);
	for (size_t i = 0; i < count; i++) {
		struct lab_frame frame = cases[i].frame;

		frame.protocol = 58;
		if (frame.hop_limit == 0)
			frame.hop_limit = 255;
		lab_build(&lab, &frame);
		lab_expect(cases[i].name, lab_from_wire(&lab), cases[i].fate);
	}
	lab_fini(&lab);
}

static void nd_goes_where_it_belongs(void **state)
{
	static const struct fate_case cases[] = {
		{"for a peer's VIP",
		 {.dst_mac = "3333ff000101",
		  .dst = "ff02::1:ff00:101",
		  .l4 = NS(TARGET_PEER_VIP) SLLAO},
		 LAB_DROP(ND_NOT_OWNED)},
		{"for the node",
		 {.dst_mac = "3333ff000011", .dst = "ff02::1:ff00:11", .l4 = NS(TARGET_NODE) SLLAO},
		 LAB_KERNEL},
		{"for the node's link-local address",
		 {.src = LAB_CLIENT_LL, .dst = LAB_LINK_LOCAL, .l4 = NS(TARGET_LL) SLLAO},
		 LAB_KERNEL},
		{"for an address that the kernel made from an RA",
		 {.dst = "2001:db8:7::ff:fe00:1",
		  .l4 = NS("20010db800070000000000fffe000001") SLLAO},
		 LAB_KERNEL},
		{"for a stranger",
		 {.dst_mac = "3333ff000050",
		  .dst = "ff02::1:ff00:50",
		  .l4 = NS(TARGET_CLIENT) SLLAO},
		 LAB_DROP(ND_NOT_OURS)},
		{"for a VIP, to all nodes",
		 {.dst_mac = NODES_GROUP, .dst = "ff02::1", .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(ND_NOT_OURS)},
		{"from our VIP",
		 {.dst_mac = NODES_GROUP,
		  .src = LAB_VIP6,
		  .dst = "ff02::1:ff00:1",
		  .l4 = NS(TARGET_GATEWAY) SLLAO},
		 LAB_CONFLICT},
		{"from a peer's VIP",
		 {.dst_mac = NODES_GROUP,
		  .src = LAB_PEER_VIP6,
		  .dst = VIP_GROUP,
		  .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(BAD_SOURCE_ADDRESS)},
		{"NA that states our VIP",
		 {.dst_mac = NODES_GROUP,
		  .src = LAB_VIP6,
		  .dst = "ff02::1",
		  .l4 = NA("20", TARGET_VIP) TLLAO},
		 LAB_CONFLICT},
		{"a peer announces its VIP",
		 {.dst_mac = NODES_GROUP,
		  .src = LAB_PEER_VIP6,
		  .dst = "ff02::1",
		  .l4 = NA("20", TARGET_PEER_VIP) TLLAO},
		 LAB_DROP(ND_NOT_OWNED)},
		{"NA of a gateway",
		 {.src = LAB_GATEWAY6, .dst = LAB_LINK_LOCAL, .l4 = NA("e0", TARGET_GATEWAY) TLLAO},
		 LAB_GATEWAY},
		{"NA of a gateway that nobody solicited",
		 {.src = LAB_GATEWAY6, .dst = LAB_LINK_LOCAL, .l4 = NA("a0", TARGET_GATEWAY) TLLAO},
		 LAB_KERNEL},
		{"NA of a gateway to all",
		 {.dst_mac = NODES_GROUP,
		  .src = LAB_GATEWAY6,
		  .dst = "ff02::1",
		  .l4 = NA("a0", TARGET_GATEWAY) TLLAO},
		 LAB_KERNEL},
		{"NA of a neighbour",
		 {.dst = LAB_LINK_LOCAL, .l4 = NA("60", TARGET_CLIENT) TLLAO},
		 LAB_KERNEL},
		{"NA to another",
		 {.dst = "2001:db8::77", .l4 = NA("60", TARGET_CLIENT) TLLAO},
		 LAB_DROP(ND_NOT_OURS)},
		{"RA",
		 {.dst_mac = NODES_GROUP, .src = LAB_CLIENT_LL, .dst = "ff02::1", .l4 = RA SLLAO},
		 LAB_KERNEL},
		{"RS",
		 {.dst_mac = "333300000002",
		  .src = LAB_CLIENT_LL,
		  .dst = "ff02::2",
		  .l4 = "8500000000000000" SLLAO},
		 LAB_DROP(ND_NOT_OURS)},
		{"redirect",
		 {.src = LAB_CLIENT_LL,
		  .dst = LAB_NODE6,
		  .l4 = "8900000000000000" TARGET_CLIENT TARGET_CLIENT},
		 LAB_DROP(ND_NOT_OURS)},
	};

	(void)state;
	expect_fates(cases, COUNT(cases));
}

#define TO_VIP .dst_mac = VIP_GROUP_MAC, .dst = VIP_GROUP

static void nd_that_is_not_valid_is_dropped(void **state)
{
	static const struct fate_case cases[] = {
		{"hop limit",
		 {TO_VIP, .hop_limit = 254, .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(ND_MALFORMED)},
		{"checksum",
		 {TO_VIP, .bad_checksum = true, .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(BAD_CHECKSUM)},
		{"code",
		 {TO_VIP, .l4 = "87010000 00000000" TARGET_VIP SLLAO},
		 LAB_DROP(ND_MALFORMED)},
		{"no room for a target",
		 {TO_VIP, .l4 = "87000000 00000000 20010db8"},
		 LAB_DROP(ND_MALFORMED)},
		{"only a type", {TO_VIP, .l4 = "87"}, LAB_DROP(ND_MALFORMED)},
		{"group target",
		 {TO_VIP, .l4 = NS("ff020000000000000000000000000001") SLLAO},
		 LAB_DROP(ND_MALFORMED)},
		{"an IPv4 VIP dressed as IPv6",
		 {TO_VIP, .l4 = NS("00000000000000000000ffffc0000264") SLLAO},
		 LAB_DROP(ND_MALFORMED)},
		{"option of length 0",
		 {TO_VIP, .l4 = NS(TARGET_VIP) "0100020000000099"},
		 LAB_DROP(ND_MALFORMED)},
		{"unknown option of length 0",
		 {TO_VIP, .l4 = NS(TARGET_VIP) "fd00020000000099"},
		 LAB_DROP(ND_MALFORMED)},
		{"option beyond the end",
		 {TO_VIP, .l4 = NS(TARGET_VIP) "0102020000000099"},
		 LAB_DROP(ND_MALFORMED)},
		{"half an option",
		 {TO_VIP, .l4 = NS(TARGET_VIP) "01010200"},
		 LAB_DROP(ND_MALFORMED)},
		{"source option of an InfiniBand",
		 {TO_VIP, .l4 = NS(TARGET_VIP) "0102020000000099 0000000000000000"},
		 LAB_DROP(ND_MALFORMED)},
		{"group MAC in the source option",
		 {TO_VIP, .l4 = NS(TARGET_VIP) "0101010000000099"},
		 LAB_DROP(ND_MALFORMED)},
		{"zero MAC in the source option",
		 {TO_VIP, .l4 = NS(TARGET_VIP) "0101000000000000"},
		 LAB_DROP(ND_MALFORMED)},
		{"DAD with a source option",
		 {TO_VIP, .src = "::", .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(ND_MALFORMED)},
		{"DAD to a unicast address",
		 {.src = "::", .dst = LAB_VIP6, .l4 = NS(TARGET_VIP)},
		 LAB_DROP(ND_MALFORMED)},
		{"from a group",
		 {TO_VIP, .src = "ff02::5", .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(BAD_SOURCE_ADDRESS)},
		{"from loopback",
		 {TO_VIP, .src = "::1", .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(BAD_SOURCE_ADDRESS)},
		{"in a fragment",
		 {TO_VIP, .next = 44, .headers = "3a00000100000001", .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(ND_FRAGMENT)},
		{"in an atomic fragment",
		 {TO_VIP, .next = 44, .headers = "3a00000000000001", .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(ND_FRAGMENT)},
		{"behind an extension header",
		 {TO_VIP, .next = 60, .headers = "3a00010400000000", .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(ND_MALFORMED)},
		{"group MAC with a unicast address",
		 {.dst_mac = VIP_GROUP_MAC, .dst = LAB_VIP6, .l4 = NS(TARGET_VIP) SLLAO},
		 LAB_DROP(MAC_MISMATCH)},
		{"solicited NA to all",
		 {.dst_mac = NODES_GROUP, .dst = "ff02::1", .l4 = NA("60", TARGET_CLIENT) TLLAO},
		 LAB_DROP(ND_MALFORMED)},
		{"NA with a broken option",
		 {.dst = LAB_NODE6, .l4 = NA("60", TARGET_CLIENT) "0200"},
		 LAB_DROP(ND_MALFORMED)},
		{"RA from a global address",
		 {.dst_mac = NODES_GROUP, .dst = "ff02::1", .l4 = RA SLLAO},
		 LAB_DROP(ND_MALFORMED)},
		{"RA cut short",
		 {.dst_mac = NODES_GROUP,
		  .src = LAB_CLIENT_LL,
		  .dst = "ff02::1",
		  .l4 = "86000000 40000708"},
		 LAB_DROP(ND_MALFORMED)},
	};

	(void)state;
	expect_fates(cases, COUNT(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_solicitation_of_an_owned_vip_is_answered_byte_by_byte),
		cmocka_unit_test(an_answer_that_does_not_fit_is_not_sent),
		cmocka_unit_test(nd_goes_where_it_belongs),
		cmocka_unit_test(nd_that_is_not_valid_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
