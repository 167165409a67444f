/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel sends: nobody but vipgate speaks ARP and ND for a VIP, and nothing else is lost.
 */
#include "lab.h"

#define ARP(op, spa, tpa)                                                                          \
	"ffffffffffff 020000000001 0806 0001 0800 06 04 000" op " 020000000001 " spa               \
	" 000000000000 " tpa

#define VIP	"c0000264"
#define NODE	"c000020b"
#define GATEWAY "c0000201"
#define NOBODY	"00000000"

static void arp_for_a_vip_is_dropped_or_asked_by_the_node(void **state)
{
	static const struct {
		const char *name, *frame;
		struct lab_fate fate;
		const char *sent; /* NULL: as it is */
	} cases[] = {
		{"the node asks", ARP("1", NODE, GATEWAY), LAB_WIRE},
		{"the node announces itself", ARP("1", NODE, NODE), LAB_WIRE},
		{"the node answers", ARP("2", NODE, "c0000232"), LAB_WIRE},
		{"a probe for the node", ARP("1", NOBODY, NODE), LAB_WIRE},
		{"a VIP asks in the node's subnet", ARP("1", VIP, GATEWAY), LAB_WIRE,
		 ARP("1", NODE, GATEWAY)},
		{"a peer's VIP asks", ARP("1", "c0000265", GATEWAY), LAB_WIRE,
		 ARP("1", NODE, GATEWAY)},
		{"a VIP asks where the node has no address", ARP("1", VIP, "c6336401"), LAB_WIRE,
		 ARP("1", NOBODY, "c6336401")},
		{"a VIP announces itself", ARP("1", VIP, VIP), LAB_DROP(GUARD_ARP)},
		{"a VIP announces itself as a reply", ARP("2", VIP, VIP), LAB_DROP(GUARD_ARP)},
		{"a VIP answers", ARP("2", VIP, "c0000232"), LAB_DROP(GUARD_ARP)},
		{"a peer's VIP answers", ARP("2", "c0000265", "c0000232"), LAB_DROP(GUARD_ARP)},
		{"a probe for a VIP", ARP("1", NOBODY, VIP), LAB_DROP(GUARD_ARP)},
		{"cut", "ffffffffffff 020000000001 0806 0001 0800 06 04 0001 020000000001 c00002",
		 LAB_DROP(GUARD_MALFORMED)},
		{"not for IPv4",
		 "ffffffffffff 020000000001 0806 0001 0800 06 10 0001 020000000001 c0000264 "
		 "000000000000 c0000201",
		 LAB_DROP(GUARD_MALFORMED)},
		{"behind a tag",
		 "ffffffffffff 020000000001 81000000 0806 0001 0800 06 04 0002 020000000001 "
		 "c0000264 000000000000 c0000232",
		 LAB_DROP(GUARD_MALFORMED)},
		{"behind a service tag",
		 "ffffffffffff 020000000001 88a80000 0806 0001 0800 06 04 0002 020000000001 "
		 "c0000264 000000000000 c0000232",
		 LAB_DROP(GUARD_MALFORMED)},
		{"not even a header", "ffffffffffff 020000000001 08", LAB_DROP(GUARD_MALFORMED)},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab_load_hex(&lab, cases[i].frame);
		lab_expect(cases[i].name, lab_from_kernel(&lab), cases[i].fate);
		if (cases[i].fate.verdict == VERDICT_WIRE)
			lab_expect_hex(&lab, cases[i].name,
				       cases[i].sent ? cases[i].sent : cases[i].frame);
	}
	lab_fini(&lab);
}

static void without_addresses_a_vip_asks_from_nobody(void **state)
{
	struct lab lab;

	(void)state;
	lab_init(&lab);
	lab.env.address_count = 0;
	lab_load_hex(&lab, ARP("1", VIP, GATEWAY));
	lab_expect("asks", lab_from_kernel(&lab), (struct lab_fate)LAB_WIRE);
	lab_expect_hex(&lab, "asks", ARP("1", NOBODY, GATEWAY));
	lab_fini(&lab);
}

#define TARGET_VIP     "20010db8000000000000000000000100"
#define TARGET_GATEWAY "20010db8000000000000000000000001"
#define TARGET_NODE    "20010db8000000000000000000000011"
#define NS(target)     "87000000 00000000" target
#define NA(target)     "88000000 60000000" target "0201020000000001"
#define SLLAO	       "0101020000000077"

static void nd_for_a_vip_is_dropped_or_asked_by_the_link_local_address(void **state)
{
	/* A solicitation of the gateway by 2001:db8::100, after the guard: scapy's bytes. */
	static const char rewritten[] =
		"3333ff00000102000000000186dd6000000000203afffe800000000000000000"
		"00fffe000001ff0200000000000000000001ff00000187004c61000000002001"
		"0db80000000000000000000000010101020000000001";
	static const struct {
		const char *name;
		struct lab_frame frame;
		struct lab_fate fate;
		const char *sent; /* NULL: as it is */
	} cases[] = {
		{"a VIP asks",
		 {.src = LAB_VIP6, .dst = "ff02::1:ff00:1", .l4 = NS(TARGET_GATEWAY) SLLAO},
		 LAB_WIRE,
		 rewritten},
		{"a peer's VIP asks",
		 {.src = LAB_PEER_VIP6, .dst = "ff02::1:ff00:1", .l4 = NS(TARGET_GATEWAY) SLLAO},
		 LAB_WIRE,
		 rewritten},
		{"the node asks",
		 {.src = LAB_NODE6, .dst = "ff02::1:ff00:1", .l4 = NS(TARGET_GATEWAY) SLLAO},
		 LAB_WIRE},
		{"the node probes its address",
		 {.src = "::", .dst = "ff02::1:ff00:11", .l4 = NS(TARGET_NODE)},
		 LAB_WIRE},
		{"the kernel probes a VIP",
		 {.src = "::", .dst = "ff02::1:ff00:100", .l4 = NS(TARGET_VIP)},
		 LAB_DROP(GUARD_ND)},
		{"a VIP answers",
		 {.src = LAB_VIP6, .dst = LAB_CLIENT6, .l4 = NA(TARGET_VIP)},
		 LAB_DROP(GUARD_ND)},
		{"the node answers for a VIP",
		 {.src = LAB_LINK_LOCAL, .dst = LAB_CLIENT6, .l4 = NA(TARGET_VIP)},
		 LAB_DROP(GUARD_ND)},
		{"a VIP announces itself",
		 {.src = LAB_VIP6, .dst = "ff02::1", .l4 = NA(TARGET_VIP)},
		 LAB_DROP(GUARD_ND)},
		{"a VIP answers for the node",
		 {.src = LAB_VIP6, .dst = LAB_CLIENT6, .l4 = NA(TARGET_NODE)},
		 LAB_DROP(GUARD_ND)},
		{"the node answers",
		 {.src = LAB_NODE6, .dst = LAB_CLIENT6, .l4 = NA(TARGET_NODE)},
		 LAB_WIRE},
		{"a VIP solicits routers",
		 {.src = LAB_VIP6, .dst = "ff02::2", .l4 = "8500000000000000" SLLAO},
		 LAB_DROP(GUARD_ND)},
		{"the node solicits routers",
		 {.src = LAB_LINK_LOCAL, .dst = "ff02::2", .l4 = "8500000000000000" SLLAO},
		 LAB_WIRE},
		{"cut",
		 {.src = LAB_VIP6, .dst = "ff02::1:ff00:1", .l4 = "87000000 00000000 2001"},
		 LAB_DROP(GUARD_MALFORMED)},
		{"broken option",
		 {.src = LAB_VIP6, .dst = "ff02::1:ff00:1", .l4 = NS(TARGET_GATEWAY) "0100"},
		 LAB_DROP(GUARD_MALFORMED)},
		{"behind an extension header",
		 {.src = LAB_VIP6,
		  .dst = "ff02::1:ff00:1",
		  .next = 60,
		  .headers = "3a00010400000000",
		  .l4 = NS(TARGET_GATEWAY) SLLAO},
		 LAB_DROP(GUARD_MALFORMED)},
		{"in a fragment",
		 {.src = LAB_VIP6,
		  .dst = "ff02::1:ff00:1",
		  .next = 44,
		  .headers = "3a00000100000001",
		  .l4 = NS(TARGET_GATEWAY) SLLAO},
		 LAB_DROP(GUARD_MALFORMED)},
		{"MLD report",
		 {.src = LAB_LINK_LOCAL,
		  .dst = "ff02::16",
		  .next = 0,
		  .headers = "3a00050200000100",
		  .hop_limit = 1,
		  .l4 = "8f00000000000001 04000000ff0200000000000000000001ff000100"},
		 LAB_WIRE},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct lab_frame frame = cases[i].frame;
		uint8_t before[2048];
		uint16_t len;

		frame.dst_mac = "3333ff000001";
		frame.src_mac = LAB_OUR_MAC;
		frame.protocol = 58;
		if (frame.hop_limit == 0)
			frame.hop_limit = 255;
		lab_build(&lab, &frame);
		memcpy(before, lab.buffer, sizeof(before));
		len = lab.packet.len;
		lab_expect(cases[i].name, lab_from_kernel(&lab), cases[i].fate);
		if (cases[i].fate.verdict != VERDICT_WIRE)
			continue;
		if (cases[i].sent) {
			lab_expect_hex(&lab, cases[i].name, cases[i].sent);
		} else {
			assert_int_equal(lab.packet.len, len);
			assert_memory_equal(lab.packet.data, before, len);
		}
	}
	lab_fini(&lab);
}

static void data_passes_as_it_is_even_with_checksums_yet_to_be_filled(void **state)
{
	static const struct lab_frame cases[] = {
		{.src = LAB_VIP4, .dst = LAB_CLIENT4, .sport = 80},
		{.src = LAB_VIP6, .dst = LAB_CLIENT6, .sport = 80},
		{.src = LAB_NODE4, .dst = LAB_CLIENT4, .bad_checksum = true},
		{.src = LAB_VIP4, .dst = LAB_CLIENT4, .bad_ip_checksum = true},
		{.src = LAB_NODE6, .dst = LAB_CLIENT6, .protocol = 17, .no_checksum = true},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint8_t before[2048];
		uint16_t len;

		lab_build(&lab, &cases[i]);
		memcpy(before, lab.buffer, sizeof(before));
		len = lab.packet.len;
		lab_expect(cases[i].dst, lab_from_kernel(&lab), (struct lab_fate)LAB_WIRE);
		assert_int_equal(lab.packet.len, len);
		assert_memory_equal(lab.packet.data, before, len);
	}
	lab_fini(&lab);
}

static void an_ip_packet_that_is_cut_is_dropped(void **state)
{
	static const struct lab_frame cases[] = {
		{.src = LAB_VIP4, .dst = LAB_CLIENT4, .cut = 1},
		{.src = LAB_VIP6, .dst = LAB_CLIENT6, .cut = 1},
		{.src = LAB_VIP4, .dst = LAB_CLIENT4, .cut = 30},
		{.src = LAB_VIP6, .dst = LAB_CLIENT6, .cut = 30},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab_build(&lab, &cases[i]);
		lab_expect(cases[i].dst, lab_from_kernel(&lab),
			   (struct lab_fate)LAB_DROP(GUARD_MALFORMED));
	}
	lab_fini(&lab);
}

static void nothing_longer_than_the_mtu_leaves(void **state)
{
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (uint16_t more = 0; more < 2; more++) {
		memset(lab.buffer, 0, sizeof(lab.buffer));
		lab_unhex("ffffffffffff 020000000001 88b6", lab.buffer);
		lab_load(&lab, (size_t)RTE_ETHER_HDR_LEN + lab.env.mtu + more);
		lab_expect("long", lab_from_kernel(&lab),
			   more ? (struct lab_fate)LAB_DROP(OVERSIZED) : (struct lab_fate)LAB_WIRE);
	}
	lab_fini(&lab);
}

static void frames_are_tagged_on_a_tagged_interface(void **state)
{
	struct lab lab;

	(void)state;
	lab_init(&lab);
	lab.env.vlan = 0x123;
	lab_load_hex(&lab, ARP("1", VIP, GATEWAY));
	lab_expect("tagged", lab_from_kernel(&lab), (struct lab_fate)LAB_WIRE);
	lab_expect_hex(&lab, "tagged",
		       "ffffffffffff 020000000001 81000123 0806 0001 0800 06 04 0001 020000000001 "
		       "c000020b 000000000000 c0000201");
	lab_load_hex(&lab, ARP("1", VIP, GATEWAY));
	lab.packet.room = lab.packet.len + 3;
	lab_expect("no room", lab_from_kernel(&lab), (struct lab_fate)LAB_DROP(OVERSIZED));
	lab_fini(&lab);
}

static void answers_of_open_ports_and_refusals_open_no_flow(void **state)
{
	static const struct {
		const char *name;
		struct lab_frame sent, back;
	} cases[] = {
		{"the guarded port answers an admitted source",
		 {.src = LAB_VIP4, .dst = "198.51.100.7", .sport = LAB_GUARDED_PORT, .dport = 7},
		 {.src = LAB_CLIENT4, .dst = LAB_VIP4, .sport = 7, .dport = LAB_GUARDED_PORT}},
		{"the guarded port speaks to a source outside",
		 {.src = LAB_VIP4, .dst = LAB_CLIENT4, .sport = LAB_GUARDED_PORT, .dport = 7},
		 {.src = LAB_CLIENT4, .dst = LAB_VIP4, .sport = 7, .dport = LAB_GUARDED_PORT}},
		{"a reset",
		 {.src = LAB_VIP4, .dst = LAB_CLIENT4, .sport = 81, .dport = 7, .tcp_flags = 0x14},
		 {.src = LAB_CLIENT4, .dst = LAB_VIP4, .sport = 7, .dport = 81}},
		{"the node's own flow",
		 {.src = LAB_NODE4, .dst = LAB_CLIENT4, .sport = 81, .dport = 7},
		 {.src = LAB_CLIENT4, .dst = LAB_VIP4, .sport = 7, .dport = 81}},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab_build(&lab, &cases[i].sent);
		lab_expect(cases[i].name, lab_from_kernel(&lab), (struct lab_fate)LAB_WIRE);
		lab_build(&lab, &cases[i].back);
		assert_int_equal(lab_from_wire(&lab).verdict, VERDICT_DROP);
	}
	lab_fini(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_for_a_vip_is_dropped_or_asked_by_the_node),
		cmocka_unit_test(without_addresses_a_vip_asks_from_nobody),
		cmocka_unit_test(nd_for_a_vip_is_dropped_or_asked_by_the_link_local_address),
		cmocka_unit_test(data_passes_as_it_is_even_with_checksums_yet_to_be_filled),
		cmocka_unit_test(an_ip_packet_that_is_cut_is_dropped),
		cmocka_unit_test(nothing_longer_than_the_mtu_leaves),
		cmocka_unit_test(frames_are_tagged_on_a_tagged_interface),
		cmocka_unit_test(answers_of_open_ports_and_refusals_open_no_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
