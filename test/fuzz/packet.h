/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the fuzz targets of the packet code share: a node with VIPs, and a reader of frames that is
 * simpler than the code under test and so can judge it.
 */
#ifndef FUZZ_PACKET_H
#define FUZZ_PACKET_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "packet/classify.h"

#define FUZZ_NOW_NS UINT64_C(1000000000000)
#define FUZZ_VLAN   5

/* An invariant: what does not hold is printed and found by libFuzzer. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct fuzz_node {
	struct packet_env env;
	struct packet_state state;
	struct vip_table *vips;
};

static inline struct ip fuzz_ip(const char *text)
{
	struct ip ip;

	FUZZ_CHECK(ip_parse(text, &ip) == 0);
	return ip;
}

/* VIPs .100 (owned), .101, ::100 (owned), ::101. */
static inline void fuzz_node_init(struct fuzz_node *node)
{
	struct ip_prefix office;
	FUZZ_CHECK(ip_prefix_parse("192.0.2.32/27", &office) == 0);
	const struct vip_port ports[] = {
		{.protocol = 6, .port = 80},
		{.protocol = 17, .port = 53},
		{.protocol = 6, .port = 443, .sources = &office, .source_count = 1},
	};
	const struct vip_spec vips[] = {
		{fuzz_ip("192.0.2.100"), true, ports, 3},
		{fuzz_ip("192.0.2.101"), false, ports, 3},
		{fuzz_ip("2001:db8::100"), true, ports, 3},
		{fuzz_ip("2001:db8::101"), false, ports, 3},
	};

	node->env = (struct packet_env){
		.mac = {{0x02, 0, 0, 0, 0, 0x01}},
		.mtu = 1500,
		.icmp_echo = true,
		.addresses = {fuzz_ip("192.0.2.11"), fuzz_ip("2001:db8::11")},
		.address_lens = {96 + 24, 64},
		.address_count = 2,
		.link_local = fuzz_ip("fe80::ff:fe00:1"),
		.gateways = {fuzz_ip("192.0.2.1"), fuzz_ip("2001:db8::1")},
		.gateway_count = 2,
	};
	node->vips = vip_table_create(vips, 4);
	FUZZ_CHECK(node->vips);
	packet_state_init(&node->state, flow_table_create(64));
	FUZZ_CHECK(node->state.flows);
}

static inline void fuzz_node_fini(struct fuzz_node *node)
{
	flow_table_free(node->state.flows);
	vip_table_free(node->vips);
}

static inline unsigned int fuzz_be16(const uint8_t *at)
{
	return (unsigned int)(at[0] << 8 | at[1]);
}

/* Folded one's complement sum, 0xffff over what carries a right checksum. */
static inline unsigned int fuzz_sum(const uint8_t *at, size_t len, unsigned int sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? at[i] : (unsigned int)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A frame as the wire has it, read as far as IP without options or extension headers goes. */
struct fuzz_frame {
	const uint8_t *dst_mac, *src_mac, *l3, *l4;
	size_t l3_len, l4_len;
	unsigned int vlan, ethertype, protocol;
	struct ip src, dst;
};

/* Returns false for what is cut. l4 is NULL where there is no such plain transport part. */
static inline bool fuzz_read(const uint8_t *data, size_t len, struct fuzz_frame *frame)
{
	size_t at = 12;

	*frame = (struct fuzz_frame){.dst_mac = data, .src_mac = data + 6};
	if (len < 18)
		return false;
	if (fuzz_be16(data + at) == 0x8100) {
		frame->vlan = fuzz_be16(data + at + 2) & 0xfff;
		at += 4;
	}
	frame->ethertype = fuzz_be16(data + at);
	frame->l3 = data + at + 2;
	frame->l3_len = len - at - 2;
	if (frame->ethertype == 0x0800 && frame->l3_len >= 20) {
		size_t header = (frame->l3[0] & 15) * 4u, total = fuzz_be16(frame->l3 + 2);

		frame->src = ip_from_v4(0);
		frame->dst = ip_from_v4(0);
		memcpy(&frame->src.b[12], frame->l3 + 12, 4);
		memcpy(&frame->dst.b[12], frame->l3 + 16, 4);
		frame->protocol = frame->l3[9];
		if (header < 20 || header > total || total > frame->l3_len)
			return false;
		frame->l4 = frame->l3 + header;
		frame->l4_len = total - header;
	} else if (frame->ethertype == 0x86dd && frame->l3_len >= 40) {
		size_t payload = fuzz_be16(frame->l3 + 4);

		memcpy(frame->src.b, frame->l3 + 8, 16);
		memcpy(frame->dst.b, frame->l3 + 24, 16);
		frame->protocol = frame->l3[6];
		if (40 + payload > frame->l3_len)
			return false;
		frame->l4 = frame->l3 + 40;
		frame->l4_len = payload;
	}
	return true;
}

/* The sum over the transport part and, but for ICMPv4, its pseudo header. */
static inline unsigned int fuzz_l4_sum(const struct fuzz_frame *frame)
{
	size_t from = frame->ethertype == 0x0800 ? 12 : 0;
	unsigned int sum = 0;

	if (frame->protocol != 1) {
		sum = fuzz_sum(frame->src.b + from, 16 - from, 0);
		sum = fuzz_sum(frame->dst.b + from, 16 - from, sum);
		sum += frame->protocol + (unsigned int)frame->l4_len;
	}
	return fuzz_sum(frame->l4, frame->l4_len, sum);
}

/* Puts right the checksums of a frame, which a fuzzer does not guess. */
static inline void fuzz_repair(uint8_t *data, size_t len)
{
	struct fuzz_frame frame;
	uint8_t *l3, *l4;
	unsigned int sum;
	size_t at;

	if (!fuzz_read(data, len, &frame) || !frame.l4)
		return;
	l3 = data + (frame.l3 - data);
	l4 = data + (frame.l4 - data);
	if (frame.ethertype == 0x0800) {
		l3[10] = l3[11] = 0;
		sum = ~fuzz_sum(l3, (size_t)(l4 - l3), 0);
		l3[10] = (uint8_t)(sum >> 8);
		l3[11] = (uint8_t)sum;
	}
	at = frame.protocol == 6 ? 16 : frame.protocol == 17 ? 6 : 2;
	if ((frame.protocol != 1 && frame.protocol != 6 && frame.protocol != 17 &&
	     frame.protocol != 58) ||
	    frame.l4_len < at + 2)
		return;
	l4[at] = l4[at + 1] = 0;
	sum = ~fuzz_l4_sum(&frame);
	l4[at] = (uint8_t)(sum >> 8);
	l4[at + 1] = (uint8_t)sum;
}

/* Whether an address is a VIP, or an owned one. */
static inline bool fuzz_vip(const struct fuzz_node *node, const struct ip *ip, bool owned)
{
	int index = vip_table_lookup(node->vips, ip);

	return index >= 0 && (!owned || vip_table_owned(node->vips, index));
}

static inline struct ip fuzz_arp_address(const uint8_t *at)
{
	struct ip ip = ip_from_v4(0);

	memcpy(&ip.b[12], at, 4);
	return ip;
}

/* A target of ND. */
static inline struct ip fuzz_nd_target(const struct fuzz_frame *frame)
{
	struct ip ip;

	memcpy(ip.b, frame->l4 + 8, sizeof(ip.b));
	return ip;
}

#endif
