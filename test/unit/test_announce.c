/* SPDX-License-Identifier: BSD-3-Clause */
/* Announcements and gateway probes, byte by byte. */
#include "lab.h"

#include "packet/announce.h"

static void what_vipgate_originates_reads_as_the_rfcs_say(void **state)
{
	enum kind { REQUEST, REPLY, NA, PROBE };
	static const struct {
		const char *name;
		enum kind kind;
		const char *address, *source;
		uint16_t vlan;
		const char *frame;
	} cases[] = {
		{"ARP, request form", REQUEST, LAB_VIP4, NULL, 0,
		 "ffffffffffff02000000000108060001080006040001020000000001c0000264"
		 "000000000000c0000264000000000000000000000000000000000000"},
		{"ARP, request form, tagged", REQUEST, LAB_VIP4, NULL, 5,
		 "ffffffffffff0200000000018100000508060001080006040001020000000001"
		 "c0000264000000000000c0000264000000000000000000000000000000000000"},
		{"ARP, reply form", REPLY, LAB_VIP4, NULL, 0,
		 "ffffffffffff02000000000108060001080006040002020000000001c0000264"
		 "020000000001c0000264000000000000000000000000000000000000"},
		{"NA", NA, LAB_VIP6, NULL, 0,
		 "33330000000102000000000186dd6000000000203aff20010db8000000000000"
		 "000000000100ff0200000000000000000000000000018800f72c200000002001"
		 "0db80000000000000000000001000201020000000001"},
		{"NA, tagged", NA, LAB_VIP6, NULL, 5,
		 "3333000000010200000000018100000586dd6000000000203aff20010db80000"
		 "00000000000000000100ff0200000000000000000000000000018800f72c2000"
		 "000020010db80000000000000000000001000201020000000001"},
		{"gateway probe", PROBE, LAB_GATEWAY4, LAB_NODE4, 0,
		 "ffffffffffff02000000000108060001080006040001020000000001c000020b"
		 "000000000000c0000201000000000000000000000000000000000000"},
		{"gateway probe from 0.0.0.0", PROBE, LAB_GATEWAY4, "::", 0,
		 "ffffffffffff0200000000010806000108000604000102000000000100000000"
		 "000000000000c0000201000000000000000000000000000000000000"},
		{"gateway NS", PROBE, LAB_GATEWAY6, LAB_LINK_LOCAL, 0,
		 "3333ff00000102000000000186dd6000000000203afffe800000000000000000"
		 "00fffe000001ff0200000000000000000001ff00000187004c61000000002001"
		 "0db80000000000000000000000010101020000000001"},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct rte_ether_addr *mac = &lab.env.mac;
		struct ip address = lab_ip(cases[i].address), source;
		size_t len;

		lab_load(&lab, 0);
		switch (cases[i].kind) {
		case REQUEST:
			len = announce_arp_request(lab.buffer, mac, cases[i].vlan, &address);
			break;
		case REPLY:
			len = announce_arp_reply(lab.buffer, mac, cases[i].vlan, &address);
			break;
		case NA:
			len = announce_na(lab.buffer, mac, cases[i].vlan, &address);
			break;
		default:
			source = lab_ip(cases[i].source);
			len = announce_gateway_probe(lab.buffer, mac, cases[i].vlan, &source,
						     &address);
		}
		assert_in_range(len, 60, ANNOUNCE_FRAME_MAX);
		lab.packet.len = (uint16_t)len;
		lab_expect_hex(&lab, cases[i].name, cases[i].frame);
	}
	lab_fini(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_vipgate_originates_reads_as_the_rfcs_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
