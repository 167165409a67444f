/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP from the wire: who is answered, with which bytes, and what goes where. */
#include "lab.h"

#define REQUEST_HEAD "ffffffffffff 020000000099 0806 0001 0800 06 04 0001 020000000099 "
#define ASK_VIP	     REQUEST_HEAD "c0000232 000000000000 c0000264"

#define ANSWER                                                                                     \
	"020000000099 020000000001 0806 0001 0800 06 04 0002 020000000001 c0000264 "               \
	"020000000099 c0000232 0000000000000000 0000000000000000 0000"
/* tag with VID 5, priority 3 */
#define TAGGED_ANSWER                                                                              \
	"020000000099 020000000001 81006005 0806 0001 0800 06 04 0002 020000000001 c0000264 "      \
	"020000000099 c0000232 0000000000000000 0000000000000000 0000"

static void a_request_for_an_owned_vip_is_answered_byte_by_byte(void **state)
{
	static const struct {
		const char *name, *frame, *answer;
		uint16_t vlan;
		bool stripped;
	} cases[] = {
		{"unpadded", ASK_VIP, ANSWER},
		{"padded with junk", ASK_VIP "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a", ANSWER},
		{"longer than it need be", ASK_VIP "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
		 ANSWER},
		{"unicast, as neighbours reaffirm",
		 "020000000001 020000000099 0806 0001 0800 06 04 0001 020000000099 c0000232 "
		 "000000000000 c0000264",
		 ANSWER},
		{"to its sha, not to the frame's source",
		 "ffffffffffff 020000000098 0806 0001 0800 06 04 0001 020000000099 c0000232 "
		 "000000000000 c0000264",
		 ANSWER},
		{"an RFC 5227 probe", REQUEST_HEAD "00000000 000000000000 c0000264",
		 "020000000099 020000000001 0806 0001 0800 06 04 0002 020000000001 c0000264 "
		 "020000000099 00000000 0000000000000000 0000000000000000 0000"},
		{"priority tag",
		 "ffffffffffff 020000000099 8100a000 0806 0001 0800 06 04 0001 020000000099 "
		 "c0000232 000000000000 c0000264",
		 ANSWER},
		{"tag in the frame",
		 "ffffffffffff 020000000099 81006005 0806 0001 0800 06 04 0001 020000000099 "
		 "c0000232 000000000000 c0000264",
		 TAGGED_ANSWER, 5},
		{"tag stripped by the NIC", ASK_VIP, TAGGED_ANSWER, 5, true},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab.env.vlan = cases[i].vlan;
		lab_load_hex(&lab, cases[i].frame);
		lab.packet.vlan_stripped = cases[i].stripped;
		lab.packet.vlan_tci = 0x6005;
		lab_expect(cases[i].name, lab_from_wire(&lab), (struct lab_fate)LAB_ANSWER(ARP));
		lab_expect_hex(&lab, cases[i].name, cases[i].answer);
	}
	lab_fini(&lab);
}

static void arp_goes_where_it_belongs(void **state)
{
	static const struct {
		const char *name, *frame;
		struct lab_fate fate;
	} cases[] = {
		{"for a peer's VIP", REQUEST_HEAD "c0000232 000000000000 c0000265",
		 LAB_DROP(ARP_NOT_OWNED)},
		{"for the node", REQUEST_HEAD "c0000232 000000000000 c000020b", LAB_KERNEL},
		{"for a stranger", REQUEST_HEAD "c0000232 000000000000 c00002fe",
		 LAB_DROP(ARP_NOT_OURS)},
		{"probe for a stranger", REQUEST_HEAD "00000000 000000000000 c00002fe",
		 LAB_DROP(ARP_NOT_OURS)},
		{"for nobody by nobody", REQUEST_HEAD "00000000 000000000000 00000000",
		 LAB_DROP(ARP_NOT_OURS)},
		{"gratuitous, of a gateway", REQUEST_HEAD "c0000201 000000000000 c0000201",
		 LAB_KERNEL},
		{"stating our VIP", REQUEST_HEAD "c0000264 000000000000 c0000264", LAB_CONFLICT},
		{"asking from our VIP", REQUEST_HEAD "c0000264 000000000000 c0000201",
		 LAB_CONFLICT},
		{"a peer announces its VIP", REQUEST_HEAD "c0000265 000000000000 c0000265",
		 LAB_DROP(ARP_NOT_OWNED)},
		{"reply that states our VIP",
		 "ffffffffffff 020000000099 0806 0001 0800 06 04 0002 020000000099 c0000264 "
		 "020000000099 c0000264",
		 LAB_CONFLICT},
		{"reply of a gateway",
		 "020000000001 020000000099 0806 0001 0800 06 04 0002 020000000099 c0000201 "
		 "020000000001 c000020b",
		 LAB_GATEWAY},
		{"reply of a gateway to a probe from 0.0.0.0",
		 "020000000001 020000000099 0806 0001 0800 06 04 0002 020000000099 c0000201 "
		 "020000000001 00000000",
		 LAB_GATEWAY},
		{"gratuitous reply of a gateway",
		 "ffffffffffff 020000000099 0806 0001 0800 06 04 0002 020000000099 c0000201 "
		 "020000000099 c0000201",
		 LAB_KERNEL},
		{"reply of a neighbour",
		 "020000000001 020000000099 0806 0001 0800 06 04 0002 020000000099 c0000232 "
		 "020000000001 c000020b",
		 LAB_KERNEL},
		{"broadcast reply to somebody",
		 "ffffffffffff 020000000099 0806 0001 0800 06 04 0002 020000000099 c0000232 "
		 "020000000001 c000020b",
		 LAB_DROP(ARP_NOT_OURS)},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab_load_hex(&lab, cases[i].frame);
		lab_expect(cases[i].name, lab_from_wire(&lab), cases[i].fate);
		lab_expect_hex(&lab, cases[i].name, cases[i].frame);
	}
	lab_fini(&lab);
}

static void arp_that_is_not_valid_is_dropped(void **state)
{
	/* One field of ASK_VIP, wrong. */
	static const struct {
		const char *name, *frame;
	} cases[] = {
		{"cut", REQUEST_HEAD "c0000232 000000000000 c00002"},
		{"hardware type",
		 "ffffffffffff 020000000099 0806 0006 0800 06 04 0001 020000000099 c0000232 "
		 "000000000000 c0000264"},
		{"protocol type",
		 "ffffffffffff 020000000099 0806 0001 86dd 06 04 0001 020000000099 c0000232 "
		 "000000000000 c0000264"},
		{"hardware length",
		 "ffffffffffff 020000000099 0806 0001 0800 08 04 0001 020000000099 c0000232 "
		 "000000000000 c0000264"},
		{"protocol length",
		 "ffffffffffff 020000000099 0806 0001 0800 06 10 0001 020000000099 c0000232 "
		 "000000000000 c0000264"},
		{"opcode",
		 "ffffffffffff 020000000099 0806 0001 0800 06 04 0003 020000000099 c0000232 "
		 "000000000000 c0000264"},
		{"group sha",
		 "ffffffffffff 020000000099 0806 0001 0800 06 04 0001 010000000099 c0000232 "
		 "000000000000 c0000264"},
		{"zero sha",
		 "ffffffffffff 020000000099 0806 0001 0800 06 04 0001 000000000000 c0000232 "
		 "000000000000 c0000264"},
		{"our own sha",
		 "ffffffffffff 020000000099 0806 0001 0800 06 04 0001 020000000001 c0000232 "
		 "000000000000 c0000264"},
	};
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < COUNT(cases); i++) {
		lab_load_hex(&lab, cases[i].frame);
		lab_expect(cases[i].name, lab_from_wire(&lab),
			   (struct lab_fate)LAB_DROP(ARP_MALFORMED));
	}
	lab_fini(&lab);
}

static void ownership_decides_at_once(void **state)
{
	const struct ip vip = lab_ip(LAB_VIP4);
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (int owned = 0; owned < 2; owned++) {
		vip_table_own(lab.vips, vip_table_lookup(lab.vips, &vip), owned);
		lab_load_hex(&lab, ASK_VIP);
		lab_expect("asked", lab_from_wire(&lab),
			   owned ? (struct lab_fate)LAB_ANSWER(ARP)
				 : (struct lab_fate)LAB_DROP(ARP_NOT_OWNED));
	}
	lab_fini(&lab);
}

static void a_flood_of_conflicts_does_not_reach_control(void **state)
{
	size_t control = 0;
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < 1000; i++) {
		struct packet_verdict verdict;

		lab_load_hex(&lab, REQUEST_HEAD "c0000264 000000000000 c0000264");
		verdict = lab_from_wire(&lab);
		if (verdict.verdict == VERDICT_CONTROL)
			control++;
		else
			lab_expect("conflict", verdict, (struct lab_fate)LAB_DROP(ARP_CONFLICT));
	}
	assert_in_range(control, 1, 20);
	lab_fini(&lab);
}

static void a_flood_of_questions_starves_no_answer(void **state)
{
	struct lab lab;

	(void)state;
	lab_init(&lab);
	for (size_t i = 0; i < 10000; i++) {
		lab_load_hex(&lab, REQUEST_HEAD "c0000232 000000000000 c000020b");
		if (lab_from_wire(&lab).verdict == VERDICT_KERNEL)
			assert_true(i < 1000);
	}
	lab_load_hex(&lab, ASK_VIP);
	lab_expect("VIP", lab_from_wire(&lab), (struct lab_fate)LAB_ANSWER(ARP));
	lab_load_hex(&lab, "020000000001 020000000099 0806 0001 0800 06 04 0002 020000000099 "
			   "c0000201 020000000001 c000020b");
	lab_expect("gateway", lab_from_wire(&lab), (struct lab_fate)LAB_GATEWAY);
	lab_load_hex(&lab, "020000000001 020000000099 0806 0001 0800 06 04 0002 020000000099 "
			   "c0000232 020000000001 c000020b");
	lab_expect("neighbour", lab_from_wire(&lab), (struct lab_fate)LAB_KERNEL);
	lab_fini(&lab);
}

static void an_answer_never_outgrows_its_buffer(void **state)
{
	struct lab lab;

	(void)state;
	lab_init(&lab);
	lab_load_hex(&lab, ASK_VIP);
	lab.packet.room = lab.packet.len;
	lab_expect("no room for padding", lab_from_wire(&lab), (struct lab_fate)LAB_ANSWER(ARP));
	assert_int_equal(lab.packet.len, 42);
	lab.env.vlan = 5;
	lab_load_hex(&lab, ASK_VIP);
	lab.packet.vlan_stripped = true;
	lab.packet.vlan_tci = 5;
	lab.packet.room = lab.packet.len;
	lab_expect("no room for the tag", lab_from_wire(&lab),
		   (struct lab_fate)LAB_DROP(OVERSIZED));
	lab_fini(&lab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_for_an_owned_vip_is_answered_byte_by_byte),
		cmocka_unit_test(arp_goes_where_it_belongs),
		cmocka_unit_test(arp_that_is_not_valid_is_dropped),
		cmocka_unit_test(ownership_decides_at_once),
		cmocka_unit_test(a_flood_of_conflicts_does_not_reach_control),
		cmocka_unit_test(a_flood_of_questions_starves_no_answer),
		cmocka_unit_test(an_answer_never_outgrows_its_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
