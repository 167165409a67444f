/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP to a VIP: echo answered byte by byte, errors judged by what they quote. */
#include "lab.h"

#define ECHO4 "0800 0000 0007 0009 68656c6c6f"
#define ECHO6 "8000 0000 0007 0009 68656c6c6f"

#define ANSWER4                                                                                    \
	"020000000099020000000001080045000021000000004001f645c0000264c000"                         \
	"02320000bc1d0007000968656c6c6f00000000000000000000000000"
#define ANSWER6                                                                                    \
	"02000000009902000000000186dd60000000000d3a4020010db8000000000000"                         \
	"00000000010020010db800000000000000000000005081"                                           \
	"00de13000700096865"                                                                       \
	"6c6c6f"

static void echo_is_answered_byte_by_byte(void **state)
{
	static const struct {
		const char *name;
		struct lab_frame frame;
		const char *answer;
		uint16_t vlan;
	} cases[] = {
		{"IPv4", {.dst = LAB_VIP4, .protocol = 1, .l4 = ECHO4}, ANSWER4},
		{"IPv6", {.dst = LAB_VIP6, .protocol = 58, .l4 = ECHO6}, ANSWER6},
		{"a last hop",
		 {.dst = LAB_VIP4, .protocol = 1, .hop_limit = 1, .l4 = ECHO4},
		 ANSWER4},
		{"a peer's VIP, for accept is universal",
		 {.dst = LAB_PEER_VIP4, .protocol = 1, .l4 = ECHO4},
		 "020000000099020000000001080045000021000000004001f644c0000265c000"
		 "02320000bc1d0007000968656c6c6f00000000000000000000000000"},
		{"IPv4 options become padding",
		 {.dst = LAB_VIP4, .protocol = 1, .headers = "07070400000000 01", .l4 = ECHO4},
		 "020000000099 020000000001 0800 47000029 00000000 4001f039 c0000264 c0000232 "
		 "0101010101010101 0000bc1d0007000968656c6c6f 0000000000"},
		{"IPv6 extension headers go",
		 {.dst = LAB_VIP6,
		  .next = 60,
		  .headers = "3a00010400000000",
		  .protocol = 58,
		  .l4 = ECHO6},
		 ANSWER6},
		{"tagged",
		 {.dst = LAB_VIP6, .tags = "81006005", .protocol = 58, .l4 = ECHO6},
		 "020000000099 020000000001 81006005 86dd60000000000d3a4020010db8000000000000"
		 "00000000010020010db800000000000000000000005081"
		 "00de13000700096865"
		 "6c6c6f",
		 5},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab.env.vlan = cases[i].vlan;
		lab_build(&lab, &cases[i].frame);
		lab_expect(cases[i].name, lab_from_wire(&lab), (struct lab_fate)LAB_ECHO);
		lab_expect_hex(&lab, cases[i].name, cases[i].answer);
	}
	lab_fini(&lab);
}

/* A worker never has all of it at once. */
static void echo_in_parts_is_the_kernels(void **state)
{
	static const struct lab_frame first4 = {
		.dst = LAB_VIP4, .protocol = 1, .fragment = 0x2000, .l4 = ECHO4};
	static const struct lab_frame first6 = {.dst = LAB_VIP6,
						.next = 44,
						.headers = "3a00000100000007",
						.protocol = 58,
						.l4 = ECHO6};
	static const struct lab_frame later4 = {
		.dst = LAB_VIP4, .protocol = 1, .fragment = 0x00b9, .l4 = ECHO4};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	lab_build(&lab, &first4);
	lab_expect("first", lab_from_wire(&lab), (struct lab_fate)LAB_KERNEL);
	lab_build(&lab, &first6);
	lab_expect("first, IPv6", lab_from_wire(&lab), (struct lab_fate)LAB_KERNEL);
	lab_build(&lab, &later4);
	lab_expect("later", lab_from_wire(&lab), (struct lab_fate)LAB_KERNEL);
	lab.env.icmp_echo = false;
	lab_build(&lab, &first4);
	lab_expect("turned off", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(FRAGMENT));
	lab_fini(&lab);
}

static void other_echo_is_dropped(void **state)
{
	static const struct {
		const char *name;
		struct lab_frame frame;
		struct lab_fate fate;
	} cases[] = {
		{"wrong checksum",
		 {.dst = LAB_VIP4, .protocol = 1, .bad_checksum = true, .l4 = ECHO4},
		 LAB_DROP(BAD_CHECKSUM)},
		{"wrong checksum, IPv6",
		 {.dst = LAB_VIP6, .protocol = 58, .bad_checksum = true, .l4 = ECHO6},
		 LAB_DROP(BAD_CHECKSUM)},
		{"code",
		 {.dst = LAB_VIP4, .protocol = 1, .l4 = "0801000000070009"},
		 LAB_DROP(ICMP_IGNORED)},
		{"cut",
		 {.dst = LAB_VIP4, .protocol = 1, .l4 = "08000000000700"},
		 LAB_DROP(IP_MALFORMED)},
		{"the other family's",
		 {.dst = LAB_VIP4, .protocol = 58, .l4 = ECHO6},
		 LAB_DROP(CLOSED_PORT)},
		{"a reply that nothing asked for",
		 {.dst = LAB_VIP4, .protocol = 1, .l4 = "0000000000070009"},
		 LAB_DROP(ICMP_IGNORED)},
		{"timestamp",
		 {.dst = LAB_VIP4, .protocol = 1, .l4 = "0d00000000070009000000000000000000000000"},
		 LAB_DROP(ICMP_IGNORED)},
		{"redirect",
		 {.dst = LAB_VIP4, .protocol = 1, .l4 = "05010000c0000201"},
		 LAB_DROP(ICMP_IGNORED)},
	};
	const struct lab_frame ping = {.dst = LAB_VIP4, .protocol = 1, .l4 = ECHO4};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab_build(&lab, &cases[i].frame);
		lab_expect(cases[i].name, lab_from_wire(&lab), cases[i].fate);
	}
	lab.env.icmp_echo = false;
	lab_build(&lab, &ping);
	lab_expect("turned off", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(ICMP_IGNORED));
	lab_fini(&lab);
}

/* ICMP errors: 8 bytes of header, then the start of the packet that they are about. */
#define TOO_BIG4		 "0304000000000514"
#define UNREACHABLE6		 "0104000000000000"
#define TOO_BIG6		 "02000000000004d0"
#define IPV4(protocol, src, dst) "45000028 12344000 40" protocol "0000" src dst
#define IPV6(next, src, dst)	 "60000000 0014" next "40" src dst

#define VIP4	"c0000264"
#define CLIENT4 "c0000232"
#define VIP6	"20010db8000000000000000000000100"
#define CLIENT6 "20010db8000000000000000000000050"
/* from the open port 80, and from 50000, to 40000 */
#define OPEN_PORTS   "00509c4000000001"
#define CLOSED_PORTS "c3509c4000000001"

static void an_error_is_judged_by_what_it_quotes(void **state)
{
	static const struct {
		const char *name;
		struct lab_frame frame;
		struct lab_fate fate;
	} cases[] = {
		{"too big, of an open port",
		 {.dst = LAB_VIP4, .l4 = TOO_BIG4 IPV4("06", VIP4, CLIENT4) OPEN_PORTS},
		 LAB_KERNEL},
		{"from a router on the way",
		 {.src = "198.51.100.1",
		  .dst = LAB_VIP4,
		  .l4 = TOO_BIG4 IPV4("06", VIP4, CLIENT4) OPEN_PORTS},
		 LAB_KERNEL},
		{"too big, IPv6",
		 {.dst = LAB_VIP6, .l4 = TOO_BIG6 IPV6("06", VIP6, CLIENT6) OPEN_PORTS},
		 LAB_KERNEL},
		{"unreachable, IPv6",
		 {.dst = LAB_VIP6, .l4 = UNREACHABLE6 IPV6("06", VIP6, CLIENT6) OPEN_PORTS},
		 LAB_KERNEL},
		{"quoting an extension header",
		 {.dst = LAB_VIP6,
		  .l4 = TOO_BIG6 IPV6("3c", VIP6, CLIENT6) "0600010400000000" OPEN_PORTS},
		 LAB_KERNEL},
		{"of a closed port",
		 {.dst = LAB_VIP4, .l4 = TOO_BIG4 IPV4("06", VIP4, CLIENT4) CLOSED_PORTS},
		 LAB_DROP(ICMP_IGNORED)},
		{"of the same port of another protocol",
		 {.dst = LAB_VIP4, .l4 = TOO_BIG4 IPV4("11", VIP4, CLIENT4) OPEN_PORTS},
		 LAB_DROP(ICMP_IGNORED)},
		{"of another sender",
		 {.dst = LAB_VIP4, .l4 = TOO_BIG4 IPV4("06", "c0000265", CLIENT4) OPEN_PORTS},
		 LAB_DROP(ICMP_IGNORED)},
		{"of the other direction",
		 {.dst = LAB_VIP4, .l4 = TOO_BIG4 IPV4("06", CLIENT4, VIP4) OPEN_PORTS},
		 LAB_DROP(ICMP_IGNORED)},
		{"of a later fragment",
		 {.dst = LAB_VIP4,
		  .l4 = TOO_BIG4 "45000028 12340010 40060000" VIP4 CLIENT4 OPEN_PORTS},
		 LAB_DROP(ICMP_IGNORED)},
		{"of another family",
		 {.dst = LAB_VIP6, .l4 = TOO_BIG6 IPV4("06", VIP4, CLIENT4) OPEN_PORTS},
		 LAB_DROP(ICMP_IGNORED)},
		{"quoting no ports",
		 {.dst = LAB_VIP4, .l4 = TOO_BIG4 IPV4("06", VIP4, CLIENT4) "00509c40"},
		 LAB_DROP(ICMP_IGNORED)},
		{"quoting half a header",
		 {.dst = LAB_VIP4, .l4 = TOO_BIG4 "45000028"},
		 LAB_DROP(ICMP_IGNORED)},
		{"quoting nothing", {.dst = LAB_VIP4, .l4 = TOO_BIG4}, LAB_DROP(ICMP_IGNORED)},
		{"wrong checksum",
		 {.dst = LAB_VIP4,
		  .bad_checksum = true,
		  .l4 = TOO_BIG4 IPV4("06", VIP4, CLIENT4) OPEN_PORTS},
		 LAB_DROP(BAD_CHECKSUM)},
		{"source quench",
		 {.dst = LAB_VIP4, .l4 = "0400000000000000" IPV4("06", VIP4, CLIENT4) OPEN_PORTS},
		 LAB_DROP(ICMP_IGNORED)},
		{"unknown error, IPv6",
		 {.dst = LAB_VIP6, .l4 = "0500000000000000" IPV6("06", VIP6, CLIENT6) OPEN_PORTS},
		 LAB_DROP(ICMP_IGNORED)},
		{"in a fragment",
		 {.dst = LAB_VIP4,
		  .fragment = 0x2000,
		  .l4 = TOO_BIG4 IPV4("06", VIP4, CLIENT4) OPEN_PORTS},
		 LAB_DROP(FRAGMENT)},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct lab_frame frame = cases[i].frame;
		struct ip dst = lab_ip(frame.dst);

		frame.protocol = ip_is_v4(&dst) ? 1 : 58;
		lab_build(&lab, &frame);
		lab_expect(cases[i].name, lab_from_wire(&lab), cases[i].fate);
	}
	lab_fini(&lab);
}

static void an_error_about_a_flow_that_a_vip_opened_comes_in(void **state)
{
	static const struct lab_frame sent = {
		.src = LAB_VIP4, .dst = LAB_CLIENT4, .sport = 50000, .dport = 40000};
	static const struct lab_frame error = {.dst = LAB_VIP4,
					       .protocol = 1,
					       .l4 = TOO_BIG4 IPV4("06", VIP4, CLIENT4)
						       CLOSED_PORTS};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	lab_build(&lab, &error);
	lab_expect("before", lab_from_wire(&lab), (struct lab_fate)LAB_DROP(ICMP_IGNORED));
	lab_build(&lab, &sent);
	lab_expect("sent", lab_from_kernel(&lab), (struct lab_fate)LAB_WIRE);
	lab_build(&lab, &error);
	lab_expect("after", lab_from_wire(&lab), (struct lab_fate)LAB_KERNEL);
	lab_fini(&lab);
}

static void the_reply_to_a_ping_of_a_vip_comes_in(void **state)
{
	static const struct {
		const char *name;
		struct lab_frame sent, reply, other;
	} cases[] = {
		{"IPv4",
		 {.src = LAB_VIP4, .dst = LAB_CLIENT4, .protocol = 1, .l4 = "0800000000070001"},
		 {.src = LAB_CLIENT4, .dst = LAB_VIP4, .protocol = 1, .l4 = "0000000000070001"},
		 {.src = LAB_CLIENT4, .dst = LAB_VIP4, .protocol = 1, .l4 = "0000000000080001"}},
		{"IPv6",
		 {.src = LAB_VIP6, .dst = LAB_CLIENT6, .protocol = 58, .l4 = "8000000000070001"},
		 {.src = LAB_CLIENT6, .dst = LAB_VIP6, .protocol = 58, .l4 = "8100000000070001"},
		 {.src = LAB_CLIENT6, .dst = LAB_VIP6, .protocol = 58, .l4 = "8100000000080001"}},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab_build(&lab, &cases[i].sent);
		lab_expect(cases[i].name, lab_from_kernel(&lab), (struct lab_fate)LAB_WIRE);
		lab_build(&lab, &cases[i].reply);
		lab_expect(cases[i].name, lab_from_wire(&lab), (struct lab_fate)LAB_KERNEL);
		lab_build(&lab, &cases[i].other);
		lab_expect(cases[i].name, lab_from_wire(&lab),
			   (struct lab_fate)LAB_DROP(ICMP_IGNORED));
	}
	lab_fini(&lab);
}

static void a_flood_of_pings_starves_no_error(void **state)
{
	static const struct lab_frame ping = {.dst = LAB_VIP4, .protocol = 1, .l4 = ECHO4};
	static const struct lab_frame error = {.dst = LAB_VIP4,
					       .protocol = 1,
					       .l4 = TOO_BIG4 IPV4("06", VIP4, CLIENT4) OPEN_PORTS};
	static const struct lab_frame junk = {.dst = LAB_VIP4,
					      .protocol = 1,
					      .l4 = TOO_BIG4 IPV4("06", VIP4, CLIENT4)
						      CLOSED_PORTS};
	struct packet_verdict verdict = {0};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < 20000; i++) {
		lab_build(&lab, &junk);
		lab_from_wire(&lab);
		lab_build(&lab, &ping);
		verdict = lab_from_wire(&lab);
	}
	lab_expect("ping", verdict, (struct lab_fate)LAB_DROP(POLICED));
	lab_build(&lab, &error);
	lab_expect("error", lab_from_wire(&lab), (struct lab_fate)LAB_KERNEL);
	lab_fini(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(echo_is_answered_byte_by_byte),
		cmocka_unit_test(echo_in_parts_is_the_kernels),
		cmocka_unit_test(other_echo_is_dropped),
		cmocka_unit_test(an_error_is_judged_by_what_it_quotes),
		cmocka_unit_test(an_error_about_a_flow_that_a_vip_opened_comes_in),
		cmocka_unit_test(the_reply_to_a_ping_of_a_vip_comes_in),
		cmocka_unit_test(a_flood_of_pings_starves_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
