/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames from the NIC: MACs, VLANs, IP headers, fragments, ports, sources, checksums, flows. */
#include "lab.h"

#include "packet/heartbeat.h"

struct fate_case {
	const char *name;
	struct lab_frame frame;
	struct lab_fate fate;
};

static void expect_fates(const struct fate_case *cases, size_t count)
{
	struct lab lab;

	lab_init(&lab);
	for (size_t i = 0; i < count; i++) {
		lab_build(&lab, &cases[i].frame);
		lab_expect(cases[i].name, lab_from_wire(&lab), cases[i].fate);
	}
	lab_fini(&lab);
}

static void only_what_is_sent_to_us_by_somebody_is_received(void **state)
{
	static const struct fate_case cases[] = {
		{"to us", {.dst = LAB_VIP4}, LAB_KERNEL},
		{"IPv6", {.dst = LAB_VIP6}, LAB_KERNEL},
		{"accept is universal", {.dst = LAB_PEER_VIP4}, LAB_KERNEL},
		{"accept is universal, IPv6", {.dst = LAB_PEER_VIP6}, LAB_KERNEL},
		{"foreign MAC",
		 {.dst_mac = "020000000002", .dst = LAB_VIP4},
		 LAB_DROP(FOREIGN_MAC)},
		{"broadcast MAC",
		 {.dst_mac = LAB_BROADCAST, .dst = LAB_VIP4},
		 LAB_DROP(MAC_MISMATCH)},
		{"group MAC", {.dst_mac = "333300000001", .dst = LAB_VIP6}, LAB_DROP(MAC_MISMATCH)},
		{"group source MAC",
		 {.src_mac = "030000000099", .dst = LAB_VIP4},
		 LAB_DROP(BAD_SOURCE_MAC)},
		{"zero source MAC",
		 {.src_mac = "000000000000", .dst = LAB_VIP4},
		 LAB_DROP(BAD_SOURCE_MAC)},
		{"our source MAC",
		 {.src_mac = LAB_OUR_MAC, .dst = LAB_VIP4},
		 LAB_DROP(BAD_SOURCE_MAC)},
	};
	struct lab lab;

	(void)state;
	expect_fates(cases, COUNT(cases));
	lab_init(&lab);
	for (size_t len = 0; len < 14; len++) {
		lab_load(&lab, len);
		lab_expect("runt", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(RUNT));
	}
	lab_load_hex(&lab, LAB_OUR_MAC LAB_CLIENT_MAC "88cc 0207040000000000");
	lab_expect("LLDP", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(UNKNOWN_ETHERTYPE));
	lab_fini(&lab);
}

static void vlan_tags_are_checked_and_taken_out(void **state)
{
	static const struct {
		const char *name, *tags;
		uint16_t vlan;
		int stripped; /* TCI, -1 = none */
		struct lab_fate fate;
	} cases[] = {
		{"untagged", "", 0, -1, LAB_KERNEL},
		{"tag in the frame", "8100a005", 5, -1, LAB_KERNEL},
		{"tag stripped", "", 5, 0xa005, LAB_KERNEL},
		{"priority tag", "8100e000", 0, -1, LAB_KERNEL},
		{"priority tag stripped", "", 0, 0xe000, LAB_KERNEL},
		{"tag on an untagged interface", "81000005", 0, -1, LAB_DROP(WRONG_VLAN)},
		{"stripped tag on an untagged interface", "", 0, 5, LAB_DROP(WRONG_VLAN)},
		{"other VID", "81000006", 5, -1, LAB_DROP(WRONG_VLAN)},
		{"other VID stripped", "", 5, 6, LAB_DROP(WRONG_VLAN)},
		{"untagged on a tagged interface", "", 5, -1, LAB_DROP(WRONG_VLAN)},
		{"priority tag on a tagged interface", "81000000", 5, -1, LAB_DROP(WRONG_VLAN)},
		{"two tags", "8100000581000005", 5, -1, LAB_DROP(QINQ)},
		{"one stripped, one in the frame", "81000005", 5, 5, LAB_DROP(QINQ)},
		{"service tag", "88a80005", 5, -1, LAB_DROP(QINQ)},
		{"service tag behind a priority tag", "8100000088a80000", 0, -1, LAB_DROP(QINQ)},
		{"old service tag", "91000005", 5, -1, LAB_DROP(QINQ)},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct lab_frame untagged = {.dst = LAB_VIP4};
		const struct lab_frame frame = {.dst = LAB_VIP4, .tags = cases[i].tags};
		uint8_t expected[54];

		lab_build(&lab, &untagged);
		memcpy(expected, lab.buffer, sizeof(expected));
		lab.env.vlan = cases[i].vlan;
		lab_build(&lab, &frame);
		lab.packet.vlan_stripped = cases[i].stripped >= 0;
		lab.packet.vlan_tci = (uint16_t)cases[i].stripped;
		lab_expect(cases[i].name, lab_from_wire(&lab), cases[i].fate);
		if (cases[i].fate.verdict != VERDICT_KERNEL)
			continue;
		assert_int_equal(lab.packet.len, sizeof(expected));
		assert_memory_equal(lab.packet.data, expected, sizeof(expected));
	}
	lab.env.vlan = 0;
	lab_load_hex(&lab, LAB_OUR_MAC LAB_CLIENT_MAC "8100 0000 08");
	lab_expect("cut in the tag", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(RUNT));
	lab_fini(&lab);
}

static void broken_ipv4_headers_are_dropped(void **state)
{
	static const struct fate_case cases[] = {
		{"cut in the header", {.dst = LAB_VIP4, .cut = 21}, LAB_DROP(RUNT)},
		{"cut in the payload", {.dst = LAB_VIP4, .cut = 1}, LAB_DROP(RUNT)},
		{"longer than stated",
		 {.dst = LAB_VIP4, .protocol = 132, .length_error = -1},
		 LAB_DROP(IP_MALFORMED)},
		{"states less than a header",
		 {.dst = LAB_VIP4, .length_error = -21},
		 LAB_DROP(IP_MALFORMED)},
		{"header checksum",
		 {.dst = LAB_VIP4, .bad_ip_checksum = true},
		 LAB_DROP(BAD_CHECKSUM)},
		{"router alert", {.dst = LAB_VIP4, .headers = "94040000"}, LAB_KERNEL},
		{"no operation and end", {.dst = LAB_VIP4, .headers = "01010100"}, LAB_KERNEL},
		{"strict source route",
		 {.dst = LAB_VIP4, .headers = "890704c000020100"},
		 LAB_DROP(IP_OPTIONS)},
		{"loose source route behind others",
		 {.dst = LAB_VIP4, .headers = "01830704c0000201"},
		 LAB_DROP(IP_OPTIONS)},
		{"option of length 0",
		 {.dst = LAB_VIP4, .headers = "44000000"},
		 LAB_DROP(IP_MALFORMED)},
		{"option of length 1",
		 {.dst = LAB_VIP4, .headers = "44010000"},
		 LAB_DROP(IP_MALFORMED)},
		{"option beyond the header",
		 {.dst = LAB_VIP4, .headers = "44050000"},
		 LAB_DROP(IP_MALFORMED)},
		{"option without length",
		 {.dst = LAB_VIP4, .headers = "01010144"},
		 LAB_DROP(IP_MALFORMED)},
		{"source route behind the end",
		 {.dst = LAB_VIP4, .headers = "0083070400000000"},
		 LAB_KERNEL},
	};
	static const char *const first_bytes[] = {"35", "65", "44"};
	struct lab lab;

	(void)state;
	expect_fates(cases, COUNT(cases));
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(first_bytes); i++) {
		const struct lab_frame frame = {.dst = LAB_VIP4};

		lab_build(&lab, &frame);
		lab_unhex(first_bytes[i], lab.buffer + 14);
		lab_expect(first_bytes[i], lab_from_wire(&lab),
			   (struct lab_fate)LAB_DROP(IP_MALFORMED));
	}
	lab_fini(&lab);
}

#define PAD8(next) next "00010400000000" /* destination options: one PadN */

static void broken_ipv6_headers_are_dropped(void **state)
{
	static const struct fate_case cases[] = {
		{"cut in the header", {.dst = LAB_VIP6, .cut = 21}, LAB_DROP(RUNT)},
		{"cut in the payload", {.dst = LAB_VIP6, .cut = 1}, LAB_DROP(RUNT)},
		{"no payload", {.dst = LAB_VIP6, .length_error = -20}, LAB_DROP(IP_MALFORMED)},
		{"one extension header",
		 {.dst = LAB_VIP6, .next = 60, .headers = PAD8("06")},
		 LAB_KERNEL},
		{"four",
		 {.dst = LAB_VIP6,
		  .next = 0,
		  .headers = PAD8("3c") PAD8("3c") PAD8("3c") PAD8("06")},
		 LAB_KERNEL},
		{"five",
		 {.dst = LAB_VIP6,
		  .next = 0,
		  .headers = PAD8("3c") PAD8("3c") PAD8("3c") PAD8("3c") PAD8("06")},
		 LAB_DROP(EXTENSION_HEADERS)},
		{"hop-by-hop in the middle",
		 {.dst = LAB_VIP6, .next = 60, .headers = PAD8("00") PAD8("06")},
		 LAB_DROP(EXTENSION_HEADERS)},
		{"routing type 0",
		 {.dst = LAB_VIP6, .next = 43, .headers = "0600000000000000"},
		 LAB_DROP(EXTENSION_HEADERS)},
		{"routing with segments left",
		 {.dst = LAB_VIP6, .next = 43, .headers = "0600040100000000"},
		 LAB_DROP(EXTENSION_HEADERS)},
		{"routing used up",
		 {.dst = LAB_VIP6, .next = 43, .headers = "0600040000000000"},
		 LAB_KERNEL},
		{"authentication",
		 {.dst = LAB_VIP6, .next = 51, .headers = "060200000000000100000001aabbccdd"},
		 LAB_KERNEL},
		{"beyond the end",
		 {.dst = LAB_VIP6, .next = 60, .headers = "0603010400000000"},
		 LAB_DROP(IP_MALFORMED)},
		{"cut",
		 {.dst = LAB_VIP6, .next = 60, .headers = "06", .l4 = "000000"},
		 LAB_DROP(IP_MALFORMED)},
	};
	const struct lab_frame plain = {.dst = LAB_VIP6};
	const struct ip vip4 = lab_ip(LAB_VIP4), client4 = lab_ip(LAB_CLIENT4);
	struct lab lab;

	(void)state;
	expect_fates(cases, COUNT(cases));
	lab_init(&lab);
	lab_build(&lab, &plain);
	lab.buffer[14] = 0x50;
	lab_expect("version", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(IP_MALFORMED));
	/* ::ffff:192.0.2.100 on the wire is not 192.0.2.100. */
	lab_build(&lab, &plain);
	memcpy(lab.buffer + 14 + 24, vip4.b, 16);
	lab_expect("IPv4 VIP in disguise", lab_from_wire(&lab),
		   (struct lab_fate)LAB_DROP(NOT_OUR_ADDRESS));
	lab_build(&lab, &plain);
	memcpy(lab.buffer + 14 + 8, client4.b, 16);
	lab_expect("IPv4 source in disguise", lab_from_wire(&lab),
		   (struct lab_fate)LAB_DROP(BAD_SOURCE_ADDRESS));
	lab_fini(&lab);
}

static void a_vip_is_reached_only_by_open_ports_and_admitted_sources(void **state)
{
	static const struct fate_case cases[] = {
		{"TCP", {.dst = LAB_VIP4}, LAB_KERNEL},
		{"UDP", {.dst = LAB_VIP4, .protocol = 17, .dport = 53}, LAB_KERNEL},
		{"SCTP", {.dst = LAB_VIP4, .protocol = 132}, LAB_KERNEL},
		{"UDP, IPv6", {.dst = LAB_VIP6, .protocol = 17, .dport = 53}, LAB_KERNEL},
		{"closed port", {.dst = LAB_VIP4, .dport = 81}, LAB_DROP(CLOSED_PORT)},
		{"closed port, IPv6", {.dst = LAB_VIP6, .dport = 81}, LAB_DROP(CLOSED_PORT)},
		{"port of another protocol",
		 {.dst = LAB_VIP4, .protocol = 17, .dport = 80},
		 LAB_DROP(CLOSED_PORT)},
		{"protocol without ports",
		 {.dst = LAB_VIP4, .protocol = 47},
		 LAB_DROP(CLOSED_PORT)},
		{"source in the range",
		 {.dst = LAB_VIP4, .src = "198.51.100.7", .dport = LAB_GUARDED_PORT},
		 LAB_KERNEL},
		{"source outside",
		 {.dst = LAB_VIP4, .dport = LAB_GUARDED_PORT},
		 LAB_DROP(SOURCE_RANGE)},
		{"IPv6 source in the range",
		 {.dst = LAB_VIP6, .src = "2001:db8:1::7", .dport = LAB_GUARDED_PORT},
		 LAB_KERNEL},
		{"IPv6 source outside",
		 {.dst = LAB_VIP6, .dport = LAB_GUARDED_PORT},
		 LAB_DROP(SOURCE_RANGE)},
		{"TCP without ports", {.dst = LAB_VIP4, .l4 = "9c400050"}, LAB_DROP(IP_MALFORMED)},
		{"TCP cut",
		 {.dst = LAB_VIP4, .l4 = "9c400050 00000001 00000000 5002ffff 0000"},
		 LAB_DROP(IP_MALFORMED)},
		{"TCP data offset 4",
		 {.dst = LAB_VIP4, .l4 = "9c400050 00000001 00000000 4002ffff 00000000"},
		 LAB_DROP(IP_MALFORMED)},
		{"TCP data offset beyond the end",
		 {.dst = LAB_VIP4, .l4 = "9c400050 00000001 00000000 6002ffff 00000000"},
		 LAB_DROP(IP_MALFORMED)},
		{"UDP that states less than a header",
		 {.dst = LAB_VIP4, .protocol = 17, .l4 = "9c400035 0007 0000"},
		 LAB_DROP(IP_MALFORMED)},
		{"UDP that states more than there is",
		 {.dst = LAB_VIP4, .protocol = 17, .l4 = "9c400035 000a 0000 aa"},
		 LAB_DROP(IP_MALFORMED)},
	};

	(void)state;
	expect_fates(cases, COUNT(cases));
}

static void strangers_addresses_and_impossible_sources_are_dropped(void **state)
{
	static const char *const sources[] = {
		"0.0.0.0",	"0.1.2.3",     "127.0.0.1",
		"224.0.0.1",	"240.0.0.1",   "255.255.255.255",
		LAB_VIP4,	LAB_PEER_VIP4, LAB_NODE4,
		"::",		"::1",	       "ff02::1",
		LAB_VIP6,	LAB_PEER_VIP6, LAB_NODE6,
		LAB_LINK_LOCAL,
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(sources); i++) {
		struct ip source = lab_ip(sources[i]);
		const struct lab_frame frame = {
			.src = sources[i],
			.dst = ip_is_v4(&source) ? LAB_VIP4 : LAB_VIP6,
		};

		lab_build(&lab, &frame);
		lab_expect(sources[i], lab_from_wire(&lab),
			   (struct lab_fate)LAB_DROP(BAD_SOURCE_ADDRESS));
	}
	lab_fini(&lab);
}

static void the_node_gets_what_it_needs(void **state)
{
	static const struct fate_case cases[] = {
		{"TCP", {.dst = LAB_NODE4, .dport = 22}, LAB_KERNEL},
		{"TCP, IPv6", {.dst = LAB_NODE6, .dport = 22}, LAB_KERNEL},
		{"link-local", {.dst = LAB_LINK_LOCAL, .protocol = 17, .dport = 546}, LAB_KERNEL},
		{"made from an RA", {.dst = "2001:db8:7::ff:fe00:1", .dport = 22}, LAB_KERNEL},
		{"ping", {.dst = LAB_NODE4, .protocol = 1, .l4 = "0800000000010001"}, LAB_KERNEL},
		{"ping with a wrong checksum",
		 {.dst = LAB_NODE4, .protocol = 1, .bad_checksum = true, .l4 = "0800000000010001"},
		 LAB_DROP(BAD_CHECKSUM)},
		{"stranger", {.dst = "192.0.2.77", .dport = 22}, LAB_DROP(NOT_OUR_ADDRESS)},
		{"stranger, IPv6", {.dst = "2001:db8::77"}, LAB_DROP(NOT_OUR_ADDRESS)},
		{"DHCP offer to an address not yet ours",
		 {.dst = "192.0.2.77", .protocol = 17, .sport = 67, .dport = 68},
		 LAB_KERNEL},
		{"DHCP offer to everybody",
		 {.dst_mac = LAB_BROADCAST,
		  .dst = "255.255.255.255",
		  .protocol = 17,
		  .sport = 67,
		  .dport = 68},
		 LAB_KERNEL},
		{"broadcast junk",
		 {.dst_mac = LAB_BROADCAST, .dst = "255.255.255.255", .protocol = 17, .dport = 137},
		 LAB_DROP(NOT_OUR_ADDRESS)},
		{"multicast junk",
		 {.dst_mac = "01005e0000fb", .dst = "224.0.0.251", .protocol = 17, .dport = 5353},
		 LAB_DROP(NOT_OUR_ADDRESS)},
		{"IGMP query",
		 {.dst_mac = "01005e000001",
		  .dst = "224.0.0.1",
		  .protocol = 2,
		  .headers = "94040000",
		  .l4 = "1164ee9b00000000"},
		 LAB_KERNEL},
		{"IGMP query of a querier without address",
		 {.dst_mac = "01005e000001",
		  .src = "0.0.0.0",
		  .dst = "224.0.0.1",
		  .protocol = 2,
		  .l4 = "1164ee9b00000000"},
		 LAB_KERNEL},
		{"MLD query",
		 {.dst_mac = "333300000001",
		  .src = LAB_CLIENT_LL,
		  .dst = "ff02::1",
		  .next = 0,
		  .headers = "3a00050200000100",
		  .protocol = 58,
		  .hop_limit = 1,
		  .l4 = "8200000027100000 00000000000000000000000000000000"},
		 LAB_KERNEL},
		{"MLD from far",
		 {.dst_mac = "333300000001",
		  .src = LAB_CLIENT_LL,
		  .dst = "ff02::1",
		  .protocol = 58,
		  .l4 = "8200000027100000 00000000000000000000000000000000"},
		 LAB_DROP(NOT_OUR_ADDRESS)},
		{"MLD with a wrong checksum",
		 {.dst_mac = "333300000001",
		  .src = LAB_CLIENT_LL,
		  .dst = "ff02::1",
		  .protocol = 58,
		  .hop_limit = 1,
		  .bad_checksum = true,
		  .l4 = "8200000027100000 00000000000000000000000000000000"},
		 LAB_DROP(BAD_CHECKSUM)},
		{"MLD from a group",
		 {.dst_mac = "333300000001",
		  .src = "ff02::",
		  .dst = "ff02::1",
		  .protocol = 58,
		  .hop_limit = 1,
		  .l4 = "8200000027100000 00000000000000000000000000000000"},
		 LAB_DROP(BAD_SOURCE_ADDRESS)},
		{"ping of all nodes",
		 {.dst_mac = "333300000001",
		  .dst = "ff02::1",
		  .protocol = 58,
		  .l4 = "8000000000010001"},
		 LAB_DROP(NOT_OUR_ADDRESS)},
	};

	(void)state;
	expect_fates(cases, COUNT(cases));
}

static void a_flood_to_the_node_leaves_its_connections_alone(void **state)
{
	const struct lab_frame syn = {.dst = LAB_NODE4, .dport = 22};
	const struct lab_frame ack = {.dst = LAB_NODE4, .dport = 22, .tcp_flags = 0x10};
	struct packet_verdict verdict = {0};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < 100000; i++) {
		lab_build(&lab, &syn);
		verdict = lab_from_wire(&lab);
		if (verdict.verdict == VERDICT_DROP)
			break;
	}
	lab_expect("SYN", verdict, (struct lab_fate)LAB_DROP(POLICED));
	lab_build(&lab, &ack);
	lab_expect("ACK", lab_from_wire(&lab), (struct lab_fate)LAB_KERNEL);
	lab_fini(&lab);
}

static void fragments_reach_a_vip_within_a_budget(void **state)
{
	static const struct fate_case cases[] = {
		{"first", {.dst = LAB_VIP4, .fragment = 0x2000}, LAB_KERNEL},
		{"first, closed port",
		 {.dst = LAB_VIP4, .fragment = 0x2000, .dport = 81},
		 LAB_DROP(CLOSED_PORT)},
		{"first, its checksum is of the whole",
		 {.dst = LAB_VIP4, .fragment = 0x2000, .bad_checksum = true},
		 LAB_KERNEL},
		{"first, too short for TCP",
		 {.dst = LAB_VIP4, .fragment = 0x2000, .l4 = "9c400050 00000001"},
		 LAB_DROP(IP_MALFORMED)},
		{"later", {.dst = LAB_VIP4, .fragment = 0x2004, .dport = 81}, LAB_KERNEL},
		{"last", {.dst = LAB_VIP4, .fragment = 0x0004}, LAB_KERNEL},
		{"over the TCP flags", {.dst = LAB_VIP4, .fragment = 0x0001}, LAB_DROP(FRAGMENT)},
		{"beyond the largest packet",
		 {.dst = LAB_VIP4, .fragment = 0x1fff},
		 LAB_DROP(IP_MALFORMED)},
		{"first, IPv6",
		 {.dst = LAB_VIP6, .next = 44, .headers = "0600000100000007"},
		 LAB_KERNEL},
		{"later, IPv6",
		 {.dst = LAB_VIP6, .next = 44, .headers = "0600002100000007", .dport = 81},
		 LAB_KERNEL},
		{"over the TCP flags, IPv6",
		 {.dst = LAB_VIP6, .next = 44, .headers = "0600000800000007"},
		 LAB_DROP(FRAGMENT)},
		{"beyond the largest packet, IPv6",
		 {.dst = LAB_VIP6, .next = 44, .headers = "0600fff800000007"},
		 LAB_DROP(IP_MALFORMED)},
		{"two fragment headers",
		 {.dst = LAB_VIP6, .next = 44, .headers = "2c000001000000070600000100000007"},
		 LAB_DROP(IP_MALFORMED)},
		{"of a ping",
		 {.dst = LAB_VIP4, .fragment = 0x2000, .protocol = 1, .l4 = "0800000000010001"},
		 LAB_KERNEL},
		{"of a refusal",
		 {.dst = LAB_VIP4, .fragment = 0x2000, .protocol = 1, .l4 = "0301000000010001"},
		 LAB_DROP(FRAGMENT)},
		{"to the node", {.dst = LAB_NODE4, .fragment = 0x0004}, LAB_KERNEL},
		{"to a group",
		 {.dst_mac = "333300000001",
		  .dst = "ff02::1",
		  .next = 44,
		  .headers = "3a00002100000007",
		  .protocol = 58},
		 LAB_DROP(NOT_OUR_ADDRESS)},
	};
	const struct lab_frame later = {.dst = LAB_VIP4, .fragment = 4};
	struct packet_verdict verdict = {0};
	struct lab lab;

	(void)state;
	expect_fates(cases, COUNT(cases));
	lab_init(&lab);
	for (size_t i = 0; i < 100000; i++) {
		lab_build(&lab, &later);
		verdict = lab_from_wire(&lab);
		if (verdict.verdict == VERDICT_DROP)
			break;
	}
	lab_expect("flood", verdict, (struct lab_fate)LAB_DROP(FRAGMENT));
	lab_fini(&lab);
}

static void checksums_are_verified_here_or_by_the_nic(void **state)
{
	static const struct {
		const char *name;
		struct lab_frame frame;
		int nic; /* -1: says nothing, 0: bad, 1: good */
		struct lab_fate fate;
		bool verified;
	} cases[] = {
		{"TCP", {.dst = LAB_VIP4}, -1, LAB_KERNEL, true},
		{"TCP, wrong", {.dst = LAB_VIP4, .bad_checksum = true}, -1, LAB_DROP(BAD_CHECKSUM)},
		{"TCP, IPv6", {.dst = LAB_VIP6}, -1, LAB_KERNEL, true},
		{"TCP, IPv6, wrong",
		 {.dst = LAB_VIP6, .bad_checksum = true},
		 -1,
		 LAB_DROP(BAD_CHECKSUM)},
		{"UDP", {.dst = LAB_VIP4, .protocol = 17, .dport = 53}, -1, LAB_KERNEL, true},
		{"UDP, wrong",
		 {.dst = LAB_VIP4, .protocol = 17, .dport = 53, .bad_checksum = true},
		 -1,
		 LAB_DROP(BAD_CHECKSUM)},
		{"UDP, none",
		 {.dst = LAB_VIP4, .protocol = 17, .dport = 53, .no_checksum = true},
		 -1,
		 LAB_KERNEL,
		 false},
		{"UDP, none, and the NIC takes that for wrong",
		 {.dst = LAB_VIP4, .protocol = 17, .dport = 53, .no_checksum = true},
		 0,
		 LAB_KERNEL,
		 false},
		{"UDP, none, IPv6",
		 {.dst = LAB_VIP6, .protocol = 17, .dport = 53, .no_checksum = true},
		 -1,
		 LAB_DROP(BAD_CHECKSUM)},
		{"NIC says good", {.dst = LAB_VIP4, .bad_checksum = true}, 1, LAB_KERNEL, true},
		{"NIC says bad", {.dst = LAB_VIP4}, 0, LAB_DROP(BAD_CHECKSUM)},
		{"the NIC cannot know of a fragment",
		 {.dst = LAB_VIP4, .fragment = 0x2000},
		 0,
		 LAB_KERNEL,
		 false},
		{"to the node", {.dst = LAB_NODE4, .dport = 22}, -1, LAB_KERNEL, true},
		{"to the node, wrong",
		 {.dst = LAB_NODE4, .dport = 22, .bad_checksum = true},
		 -1,
		 LAB_DROP(BAD_CHECKSUM)},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab_build(&lab, &cases[i].frame);
		lab.packet.checksum_known = cases[i].nic >= 0;
		lab.packet.checksum_good = cases[i].nic == 1;
		lab.packet.checksum_verified = true;
		lab_expect(cases[i].name, lab_from_wire(&lab), cases[i].fate);
		if (cases[i].fate.verdict == VERDICT_KERNEL &&
		    lab.packet.checksum_verified != cases[i].verified)
			fail_msg("%s: verified is %d", cases[i].name, lab.packet.checksum_verified);
	}
	lab_fini(&lab);
}

static void a_packet_larger_than_the_mtu_is_dropped(void **state)
{
	const struct lab_frame frame = {.dst = LAB_VIP4};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (uint16_t mtu = 39; mtu <= 40; mtu++) {
		lab.env.mtu = mtu;
		lab_build(&lab, &frame);
		lab_expect("MTU", lab_from_wire(&lab),
			   mtu < 40 ? (struct lab_fate)LAB_DROP(OVERSIZED)
				    : (struct lab_fate)LAB_KERNEL);
	}
	lab_fini(&lab);
}

static void answers_to_a_flow_that_a_vip_opened_come_in(void **state)
{
	static const struct {
		const char *name;
		struct lab_frame sent, answer, other;
	} cases[] = {
		{"TCP",
		 {.src = LAB_VIP4, .dst = LAB_CLIENT4, .sport = 50000, .dport = 5432},
		 {.src = LAB_CLIENT4, .dst = LAB_VIP4, .sport = 5432, .dport = 50000},
		 {.src = LAB_CLIENT4, .dst = LAB_VIP4, .sport = 5433, .dport = 50000}},
		{"UDP, IPv6",
		 {.src = LAB_VIP6, .dst = LAB_CLIENT6, .protocol = 17, .sport = 50000, .dport = 53},
		 {.src = LAB_CLIENT6, .dst = LAB_VIP6, .protocol = 17, .sport = 53, .dport = 50000},
		 {.src = "2001:db8::51",
		  .dst = LAB_VIP6,
		  .protocol = 17,
		  .sport = 53,
		  .dport = 50000}},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab_build(&lab, &cases[i].answer);
		lab_expect("before", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(CLOSED_PORT));
		lab_build(&lab, &cases[i].sent);
		lab_expect("sent", lab_from_kernel(&lab), (struct lab_fate)LAB_WIRE);
		lab_build(&lab, &cases[i].answer);
		lab_expect("answer", lab_from_wire(&lab), (struct lab_fate)LAB_KERNEL);
		lab_build(&lab, &cases[i].other);
		lab_expect("other", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(CLOSED_PORT));
	}
	lab_fini(&lab);
}

static void heartbeats_go_to_control(void **state)
{
	static const char *const cases[] = {
		"0300000088b5" LAB_CLIENT_MAC "88b5",
		"0300000088b5" LAB_CLIENT_MAC "81000005 88b5",
		LAB_OUR_MAC LAB_CLIENT_MAC "88b5",
	};
	const struct heartbeat beat = {
		.version = HEARTBEAT_VERSION,
		.kind = HEARTBEAT_BEAT,
		.node = 7,
	};
	struct packet_verdict verdict;
	struct lab lab;

	(void)state;
	lab_init(&lab);
	lab_load_hex(&lab, "0300000088b5" LAB_CLIENT_MAC "88b5 00");
	lab_expect("too short", lab_from_wire(&lab),
		   (struct lab_fate)LAB_DROP(HEARTBEAT_MALFORMED));
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = lab_unhex(cases[i], lab.buffer);

		lab.env.vlan = (uint16_t)(i == 1 ? 5 : 0);
		len += heartbeat_encode(&beat, lab.buffer + len);
		lab_load(&lab, len);
		lab_expect("beat", lab_from_wire(&lab),
			   (struct lab_fate){.verdict = VERDICT_CONTROL,
					     .event = PACKET_EVENT_HEARTBEAT});
		assert_memory_equal(lab.packet.data + 12, "\x88\xb5", 2);
	}
	lab_load(&lab, lab.packet.len - 1u);
	lab_expect("cut", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(HEARTBEAT_MALFORMED));
	lab.env.vlan = 0;
	lab_load_hex(&lab, "0300000088b5" LAB_OUR_MAC "88b5 00");
	verdict = lab_from_wire(&lab);
	lab_expect("our own", verdict, (struct lab_fate)LAB_DROP(BAD_SOURCE_MAC));
	lab_fini(&lab);
}

static void a_flood_of_heartbeats_is_policed(void **state)
{
	const struct heartbeat beat = {.version = HEARTBEAT_VERSION, .kind = HEARTBEAT_BEAT};
	struct packet_verdict verdict = {0};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < 100000; i++) {
		size_t len = lab_unhex("0300000088b5" LAB_CLIENT_MAC "88b5", lab.buffer);

		len += heartbeat_encode(&beat, lab.buffer + len);
		lab_load(&lab, len);
		verdict = lab_from_wire(&lab);
		if (verdict.verdict == VERDICT_DROP)
			break;
	}
	lab_expect("flood", verdict, (struct lab_fate)LAB_DROP(POLICED));
	lab_fini(&lab);
}

static void a_flood_of_heartbeats_from_one_place_makes_few_others_unheard(void **state)
{
	const struct heartbeat beat = {.version = HEARTBEAT_VERSION, .kind = HEARTBEAT_BEAT};
	size_t heard = 0, len;
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < 100000; i++) {
		len = lab_unhex("0300000088b5 02000000ffff 88b5", lab.buffer);
		len += heartbeat_encode(&beat, lab.buffer + len);
		lab_load(&lab, len);
		lab_from_wire(&lab);
	}
	for (uint8_t peer = 1; peer <= 63; peer++) {
		len = lab_unhex("0300000088b5 020000000200 88b5", lab.buffer);
		lab.buffer[11] = peer;
		len += heartbeat_encode(&beat, lab.buffer + len);
		lab_load(&lab, len);
		heard += lab_from_wire(&lab).verdict == VERDICT_CONTROL;
	}
	assert_in_range(heard, 55, 63); /* one in 256 shares the flood's budget */
	lab_fini(&lab);
}

static void every_reason_to_drop_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (enum drop_reason i = 0; i < DROP_REASON_COUNT; i++) {
		assert_non_null(drop_reason_name(i));
		for (enum drop_reason j = 0; j < i; j++)
			assert_string_not_equal(drop_reason_name(i), drop_reason_name(j));
	}
}

static void before_vips_are_published_only_the_node_is_served(void **state)
{
	const struct lab_frame to_vip = {.dst = LAB_VIP4}, to_node = {.dst = LAB_NODE4};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	vip_table_free(lab.vips);
	lab.vips = NULL;
	lab_build(&lab, &to_vip);
	lab_expect("VIP", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(NOT_OUR_ADDRESS));
	lab_build(&lab, &to_node);
	lab_expect("node", lab_from_wire(&lab), (struct lab_fate)LAB_KERNEL);
	lab_fini(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_sent_to_us_by_somebody_is_received),
		cmocka_unit_test(vlan_tags_are_checked_and_taken_out),
		cmocka_unit_test(broken_ipv4_headers_are_dropped),
		cmocka_unit_test(broken_ipv6_headers_are_dropped),
		cmocka_unit_test(a_vip_is_reached_only_by_open_ports_and_admitted_sources),
		cmocka_unit_test(strangers_addresses_and_impossible_sources_are_dropped),
		cmocka_unit_test(the_node_gets_what_it_needs),
		cmocka_unit_test(a_flood_to_the_node_leaves_its_connections_alone),
		cmocka_unit_test(fragments_reach_a_vip_within_a_budget),
		cmocka_unit_test(checksums_are_verified_here_or_by_the_nic),
		cmocka_unit_test(a_packet_larger_than_the_mtu_is_dropped),
		cmocka_unit_test(answers_to_a_flow_that_a_vip_opened_come_in),
		cmocka_unit_test(heartbeats_go_to_control),
		cmocka_unit_test(a_flood_of_heartbeats_is_policed),
		cmocka_unit_test(a_flood_of_heartbeats_from_one_place_makes_few_others_unheard),
		cmocka_unit_test(every_reason_to_drop_has_a_name_of_its_own),
		cmocka_unit_test(before_vips_are_published_only_the_node_is_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
