/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the packet code share: one node with its VIPs, frames written field by field or
 * in hex, and a naive checksum, so that nothing of the code under test checks itself.
 */
#ifndef LAB_H
#define LAB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "packet/classify.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define LAB_OUR_MAC    "020000000001"
#define LAB_CLIENT_MAC "020000000099"
#define LAB_BROADCAST  "ffffffffffff"
#define LAB_NOW_NS     UINT64_C(1000000000000)

/* What is on the node: owned VIPs end in 100, those of a peer in 101. */
#define LAB_VIP4	 "192.0.2.100"
#define LAB_PEER_VIP4	 "192.0.2.101"
#define LAB_NODE4	 "192.0.2.11"
#define LAB_GATEWAY4	 "192.0.2.1"
#define LAB_CLIENT4	 "192.0.2.50"
#define LAB_VIP6	 "2001:db8::100"
#define LAB_PEER_VIP6	 "2001:db8::101"
#define LAB_NODE6	 "2001:db8::11"
#define LAB_GATEWAY6	 "2001:db8::1"
#define LAB_CLIENT6	 "2001:db8::50"
#define LAB_LINK_LOCAL	 "fe80::ff:fe00:1"
#define LAB_CLIENT_LL	 "fe80::99"
#define LAB_GUARDED_PORT 443 /* open to 198.51.100.0/24 and 2001:db8:1::/48 only */

struct lab {
	struct packet_env env;
	struct packet_state state;
	struct vip_table *vips;
	struct packet packet;
	uint8_t buffer[2048] __attribute__((aligned(64)));
};

static inline struct ip lab_ip(const char *text)
{
	struct ip ip;

	if (ip_parse(text, &ip) != 0)
		fail_msg("no address: %s", text);
	return ip;
}

static inline struct ip_prefix lab_prefix(const char *text)
{
	struct ip_prefix prefix;

	if (ip_prefix_parse(text, &prefix) != 0)
		fail_msg("no prefix: %s", text);
	return prefix;
}

/* Hex digits, blanks ignored. Returns the number of bytes. */
static inline size_t lab_unhex(const char *hex, uint8_t *out)
{
	size_t len = 0;

	while (*hex) {
		unsigned int byte;

		if (*hex == ' ') {
			hex++;
			continue;
		}
		if (sscanf(hex, "%2x", &byte) != 1)
			fail_msg("no hex: %s", hex);
		out[len++] = (uint8_t)byte;
		hex += 2;
	}
	return len;
}

static inline void lab_env(struct packet_env *env)
{
	*env = (struct packet_env){
		.mtu = 1500,
		.icmp_echo = true,
		.addresses = {lab_ip(LAB_NODE4), lab_ip(LAB_NODE6)},
		.address_lens = {96 + 24, 64},
		.address_count = 2,
		.link_local = lab_ip(LAB_LINK_LOCAL),
		.gateways = {lab_ip(LAB_GATEWAY4), lab_ip(LAB_GATEWAY6)},
		.gateway_count = 2,
	};
	lab_unhex(LAB_OUR_MAC, env->mac.addr_bytes);
}

static inline struct vip_table *lab_vips(void)
{
	const struct ip_prefix sources[] = {lab_prefix("198.51.100.0/24"),
					    lab_prefix("2001:db8:1::/48")};
	const struct vip_port ports[] = {
		{.protocol = 6, .port = 80},
		{.protocol = 17, .port = 53},
		{.protocol = 132, .port = 80},
		{.protocol = 6, .port = LAB_GUARDED_PORT, .sources = sources, .source_count = 2},
	};
	const struct vip_spec vips[] = {
		{lab_ip(LAB_VIP4), true, ports, COUNT(ports)},
		{lab_ip(LAB_PEER_VIP4), false, ports, COUNT(ports)},
		{lab_ip(LAB_VIP6), true, ports, COUNT(ports)},
		{lab_ip(LAB_PEER_VIP6), false, ports, COUNT(ports)},
	};

	return vip_table_create(vips, COUNT(vips));
}

static inline void lab_init(struct lab *lab)
{
	lab_env(&lab->env);
	lab->vips = lab_vips();
	assert_non_null(lab->vips);
	packet_state_init(&lab->state, flow_table_create(64));
	assert_non_null(lab->state.flows);
}

static inline void lab_fini(struct lab *lab)
{
	flow_table_free(lab->state.flows);
	vip_table_free(lab->vips);
}

/* Makes len bytes of buffer the packet; what is behind them is garbage. */
static inline void lab_load(struct lab *lab, size_t len)
{
	memset(lab->buffer + len, 0xaa, sizeof(lab->buffer) - len);
	lab->packet = (struct packet){
		.data = lab->buffer,
		.len = (uint16_t)len,
		.room = sizeof(lab->buffer),
	};
}

static inline void lab_load_hex(struct lab *lab, const char *hex)
{
	lab_load(lab, lab_unhex(hex, lab->buffer));
}

static inline struct packet_verdict lab_from_wire(struct lab *lab)
{
	return classify_from_wire(&lab->env, lab->vips, &lab->state, &lab->packet, LAB_NOW_NS);
}

static inline struct packet_verdict lab_from_kernel(struct lab *lab)
{
	return guard_from_kernel(&lab->env, lab->vips, &lab->state, &lab->packet, LAB_NOW_NS);
}

static inline void lab_print(const char *title, const uint8_t *bytes, size_t len)
{
	print_message("%s (%zu):", title, len);
	for (size_t i = 0; i < len; i++)
		print_message("%s%02x", i % 4 ? "" : " ", bytes[i]);
	print_message("\n");
}

/* That the packet is, byte by byte, this. */
static inline void lab_expect_hex(const struct lab *lab, const char *name, const char *hex)
{
	uint8_t expected[2048];
	size_t len = lab_unhex(hex, expected);

	if (lab->packet.len == len && memcmp(lab->packet.data, expected, len) == 0)
		return;
	lab_print("expected", expected, len);
	lab_print("found   ", lab->packet.data, lab->packet.len);
	fail_msg("%s: another frame", name);
}

/* RFC 1071 as its text reads. */
static inline uint16_t lab_checksum(const uint8_t *bytes, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* The checksum of a transport part of len bytes; zero when the one that it holds is right. */
static inline uint16_t lab_l4_checksum(const struct ip *src, const struct ip *dst, uint8_t protocol,
				       const uint8_t *l4, size_t len)
{
	size_t skip = ip_is_v4(dst) ? 12 : 0;
	uint32_t sum = 0;

	if (!(ip_is_v4(dst) && protocol == 1)) {
		sum += (uint16_t)~lab_checksum(src->b + skip, 16 - skip, 0);
		sum += (uint16_t)~lab_checksum(dst->b + skip, 16 - skip, 0);
		sum += protocol + (uint32_t)len;
	}
	return lab_checksum(l4, len, sum);
}

static inline void lab_put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* An IP packet in a frame. What is left out is as in an ordinary SYN of the client. */
struct lab_frame {
	const char *dst_mac, *src_mac;
	const char *tags;      /* hex, between the MACs and the EtherType */
	const char *src, *dst; /* dst decides the family */
	const char *headers;   /* hex: IPv4 options, or IPv6 extension headers */
	uint8_t next;	       /* IPv6: the first of them */
	uint8_t protocol;      /* default TCP */
	uint8_t hop_limit;     /* default 64 */
	uint16_t fragment;     /* IPv4: flags and offset */
	uint16_t sport, dport; /* default 40000, 80 */
	uint8_t tcp_flags;     /* default SYN */
	const char *l4;	       /* hex, in place of ports and payload; its checksum is filled in */
	bool bad_checksum;     /* of the transport */
	bool no_checksum;      /* zero */
	bool bad_ip_checksum;  /* of the IPv4 header */
	int length_error;      /* added to the length that IP states */
	size_t cut;	       /* bytes cut off at the end */
};

static inline size_t lab_l4(const struct lab_frame *frame, uint8_t protocol, uint8_t *l4)
{
	size_t len;

	if (frame->l4)
		return lab_unhex(frame->l4, l4);
	lab_put16(l4, frame->sport ? frame->sport : 40000);
	lab_put16(l4 + 2, frame->dport ? frame->dport : 80);
	switch (protocol) {
	case 6:
		lab_unhex("00000001 00000000 5002ffff 00000000", l4 + 4);
		l4[13] = frame->tcp_flags ? frame->tcp_flags : 0x02;
		return 20;
	case 17:
		len = 8 + 5; /* odd: the checksum's last byte stands alone */
		lab_put16(l4 + 4, (uint16_t)len);
		memset(l4 + 6, 0, 2);
		memcpy(l4 + 8, "query", 5);
		return len;
	default:
		memset(l4 + 4, 0, 8);
		return 12;
	}
}

static inline void lab_l4_finish(const struct lab_frame *frame, const struct ip *src,
				 const struct ip *dst, uint8_t protocol, uint8_t *l4, size_t len)
{
	size_t at = protocol == 6 ? 16 : protocol == 17 ? 6 : 2;

	if ((protocol != 6 && protocol != 17 && protocol != 1 && protocol != 58) || len < at + 2)
		return;
	lab_put16(l4 + at, 0);
	if (frame->no_checksum)
		return;
	lab_put16(l4 + at, lab_l4_checksum(src, dst, protocol, l4, len));
	if (frame->bad_checksum)
		l4[at] ^= 0x01;
}

static inline size_t lab_headers(const struct lab_frame *frame, const struct ip *src,
				 const struct ip *dst, uint8_t protocol, uint8_t *l3,
				 uint8_t **length_at)
{
	size_t len, extra;

	if (ip_is_v4(dst)) {
		len = lab_unhex("45000000 1234 0000 40 00 0000", l3) + 8;
		extra = frame->headers ? lab_unhex(frame->headers, l3 + len) : 0;
		l3[0] = (uint8_t)(0x40 | (len + extra) / 4);
		lab_put16(l3 + 6, frame->fragment);
		if (frame->hop_limit)
			l3[8] = frame->hop_limit;
		l3[9] = protocol;
		memcpy(l3 + 12, &src->b[12], 4);
		memcpy(l3 + 16, &dst->b[12], 4);
		*length_at = l3 + 2;
		return len + extra;
	}
	lab_unhex("60000000 0000 00 40", l3);
	l3[6] = frame->headers ? frame->next : protocol;
	if (frame->hop_limit)
		l3[7] = frame->hop_limit;
	memcpy(l3 + 8, src->b, 16);
	memcpy(l3 + 24, dst->b, 16);
	*length_at = l3 + 4;
	return 40 + (frame->headers ? lab_unhex(frame->headers, l3 + 40) : 0);
}

/* Writes the frame into the lab's packet. */
static inline void lab_build(struct lab *lab, const struct lab_frame *frame)
{
	struct ip dst = lab_ip(frame->dst);
	bool v4 = ip_is_v4(&dst);
	struct ip src = lab_ip(frame->src ? frame->src : v4 ? LAB_CLIENT4 : LAB_CLIENT6);
	uint8_t protocol = frame->protocol ? frame->protocol : 6;
	uint8_t *at = lab->buffer, *l3, *length_at;
	size_t header_len, l4_len;

	memset(lab->buffer, 0, sizeof(lab->buffer));
	at += lab_unhex(frame->dst_mac ? frame->dst_mac : LAB_OUR_MAC, at);
	at += lab_unhex(frame->src_mac ? frame->src_mac : LAB_CLIENT_MAC, at);
	if (frame->tags)
		at += lab_unhex(frame->tags, at);
	at += lab_unhex(v4 ? "0800" : "86dd", at);
	l3 = at;
	header_len = lab_headers(frame, &src, &dst, protocol, l3, &length_at);
	l4_len = lab_l4(frame, protocol, l3 + header_len);
	lab_l4_finish(frame, &src, &dst, protocol, l3 + header_len, l4_len);
	lab_put16(length_at,
		  (uint16_t)(header_len + l4_len - (v4 ? 0 : 40) + (size_t)frame->length_error));
	if (v4)
		lab_put16(l3 + 10, (uint16_t)(lab_checksum(l3, header_len, 0) ^
					      (frame->bad_ip_checksum ? 0x0100 : 0)));
	lab_load(lab, (size_t)(l3 - lab->buffer) + header_len + l4_len - frame->cut);
}

/* What is expected of a frame. */
struct lab_fate {
	enum verdict verdict;
	enum drop_reason reason;
	enum packet_event event;
	enum packet_answer answered;
	bool copy;
};

#define LAB_DROP(name)                                                                             \
	{                                                                                          \
		.verdict = VERDICT_DROP, .reason = DROP_##name                                     \
	}
#define LAB_KERNEL                                                                                 \
	{                                                                                          \
		.verdict = VERDICT_KERNEL                                                          \
	}
#define LAB_WIRE                                                                                   \
	{                                                                                          \
		.verdict = VERDICT_WIRE                                                            \
	}
#define LAB_GATEWAY                                                                                \
	{                                                                                          \
		.verdict = VERDICT_KERNEL, .event = PACKET_EVENT_GATEWAY, .copy = true             \
	}
#define LAB_CONFLICT                                                                               \
	{                                                                                          \
		.verdict = VERDICT_CONTROL, .event = PACKET_EVENT_CONFLICT                         \
	}
#define LAB_ANSWER(how)                                                                            \
	{                                                                                          \
		.verdict = VERDICT_ANSWER, .answered = PACKET_ANSWER_##how                         \
	}
#define LAB_ECHO                                                                                   \
	{                                                                                          \
		.verdict = VERDICT_WIRE, .answered = PACKET_ANSWER_ECHO                            \
	}

static inline void lab_expect(const char *name, struct packet_verdict found, struct lab_fate fate)
{
	static const char *const verdicts[] = {"drop", "kernel", "wire", "answer", "control"};

	if (found.verdict == fate.verdict && found.answered == fate.answered &&
	    found.copy_to_control == fate.copy &&
	    (found.verdict != VERDICT_DROP || found.reason == fate.reason) &&
	    (!(found.verdict == VERDICT_CONTROL || fate.copy) || found.event == fate.event))
		return;
	fail_msg("%s: found %s (%s), event %d, answered %d, copy %d; expected %s (%s)", name,
		 verdicts[found.verdict], drop_reason_name(found.reason), found.event,
		 found.answered, found.copy_to_control, verdicts[fate.verdict],
		 drop_reason_name(fate.reason));
}

#endif
