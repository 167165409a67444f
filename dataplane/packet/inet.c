/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4 options, IPv6 extension headers, fragments, checksums. */
#include <netinet/in.h>

#include <rte_byteorder.h>

#include "packet/inet.h"

#define IPV4_OPTION_END	 0
#define IPV4_OPTION_NOP	 1
#define IPV4_OPTION_LSRR 131
#define IPV4_OPTION_SSRR 137

static uint16_t read_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t inet_sum(const uint8_t *at, size_t len, uint32_t sum)
{
	uint64_t wide = sum, odd = 0, word;

	/* Words of any width do: the sum is taken modulo 0xffff (RFC 1071 §2). Two sums, because
	 * neither then waits for the other, and no carry is lost. */
	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		wide += word & UINT32_MAX;
		odd += word >> 32;
	}
	if (len) {
		word = 0;
		memcpy(&word, at, len);
		wide += word & UINT32_MAX;
		odd += word >> 32;
	}
	wide += odd;
	wide = (wide & UINT32_MAX) + (wide >> 32);
	wide = (wide & UINT32_MAX) + (wide >> 32);
	return (uint32_t)((wide & 0xffff) + (wide >> 16));
}

uint16_t inet_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

uint32_t inet_pseudo_sum(const struct ip *src, const struct ip *dst, uint8_t protocol, size_t len)
{
	/* The 0xffff of an IPv4-mapped address is zero in this arithmetic: one way for both. */
	uint32_t sum = inet_sum(src->b, sizeof(src->b), 0);

	sum = inet_sum(dst->b, sizeof(dst->b), sum);
	return sum + rte_cpu_to_be_16(protocol) + rte_cpu_to_be_16((uint16_t)len);
}

static enum drop_reason ipv4_options(const uint8_t *at, const uint8_t *end)
{
	while (at < end && *at != IPV4_OPTION_END) {
		if (*at == IPV4_OPTION_NOP) {
			at++;
			continue;
		}
		if (end - at < 2 || at[1] < 2 || at[1] > end - at)
			return DROP_IP_MALFORMED;
		if (*at == IPV4_OPTION_LSRR || *at == IPV4_OPTION_SSRR)
			return DROP_IP_OPTIONS;
		at += at[1];
	}
	return DROP_REASON_COUNT;
}

static enum drop_reason ipv4_parse(uint8_t *l3, size_t len, enum inet_mode mode, struct inet *inet)
{
	const struct inet_v4 *ipv4 = (const struct inet_v4 *)l3;
	size_t header_len, total_len, offset;
	uint16_t fragment;

	if (len < sizeof(*ipv4))
		return DROP_RUNT;
	header_len = (ipv4->version_ihl & 0x0f) * 4u;
	total_len = rte_be_to_cpu_16(ipv4->total_len);
	if (ipv4->version_ihl >> 4 != 4 || header_len < sizeof(*ipv4) || total_len < header_len)
		return DROP_IP_MALFORMED;
	if (header_len > len || (mode != INET_QUOTED && total_len > len))
		return DROP_RUNT;
	if (mode == INET_WHOLE && inet_fold(inet_sum(l3, header_len, 0)) != 0xffff)
		return DROP_BAD_CHECKSUM;
	fragment = rte_be_to_cpu_16(ipv4->fragment);
	offset = (fragment & INET_V4_OFFSET_MASK) * 8u;
	if (offset + total_len - header_len > UINT16_MAX)
		return DROP_IP_MALFORMED;
	*inet = (struct inet){
		.src = ip_from_v4(ipv4->src),
		.dst = ip_from_v4(ipv4->dst),
		.l3 = l3,
		.l4 = l3 + header_len,
		.l4_len = (uint16_t)((total_len < len ? total_len : len) - header_len),
		.protocol = ipv4->protocol,
		.hop_limit = ipv4->ttl,
		.v4 = true,
		.extended = header_len > sizeof(*ipv4),
		.fragment = offset > 0 || (fragment & INET_V4_MORE_FRAGMENTS),
		.first = offset == 0,
		.tiny = offset == 8,
	};
	return ipv4_options(l3 + sizeof(*ipv4), l3 + header_len);
}

/* One extension header at l4. Returns its length, 0 when there is none, or a negative reason. */
static int ipv6_extension(struct inet *inet, unsigned int count)
{
	const uint8_t *at = inet->l4;
	int len;

	switch (inet->protocol) {
	case IPPROTO_HOPOPTS:
		if (count > 0) /* RFC 8200 §4.1: only right after the IPv6 header */
			return -DROP_EXTENSION_HEADERS;
		break;
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
		break;
	default:
		return 0;
	}
	if (inet->l4_len < 8)
		return -DROP_IP_MALFORMED;
	len = inet->protocol == IPPROTO_FRAGMENT ? 8
	      : inet->protocol == IPPROTO_AH	 ? (at[1] + 2) * 4
						 : (at[1] + 1) * 8;
	if (len < 8 || len > inet->l4_len)
		return -DROP_IP_MALFORMED;
	/* RFC 5095; and one with segments left is not for us, its destination is another. */
	if (inet->protocol == IPPROTO_ROUTING && (at[2] == 0 || at[3] != 0))
		return -DROP_EXTENSION_HEADERS;
	if (inet->protocol == IPPROTO_FRAGMENT) {
		uint16_t field = read_be16(at + 2);

		if (inet->fragment || (field & ~7u) + inet->l4_len - 8u > UINT16_MAX)
			return -DROP_IP_MALFORMED;
		inet->fragment = true;
		inet->first = (field & ~7u) == 0;
		inet->tiny = (field & ~7u) == 8;
	}
	return len;
}

static enum drop_reason ipv6_parse(uint8_t *l3, size_t len, enum inet_mode mode, struct inet *inet)
{
	const struct inet_v6 *ipv6 = (const struct inet_v6 *)l3;
	size_t total_len;

	if (len < sizeof(*ipv6))
		return DROP_RUNT;
	if (l3[0] >> 4 != 6)
		return DROP_IP_MALFORMED;
	total_len = sizeof(*ipv6) + rte_be_to_cpu_16(ipv6->payload_len);
	if (mode != INET_QUOTED && total_len > len)
		return DROP_RUNT;
	*inet = (struct inet){
		.src = ipv6->src,
		.dst = ipv6->dst,
		.l3 = l3,
		.l4 = l3 + sizeof(*ipv6),
		.l4_len = (uint16_t)((total_len < len ? total_len : len) - sizeof(*ipv6)),
		.protocol = ipv6->next_header,
		.hop_limit = ipv6->hop_limit,
		.first = true,
	};
	/* What follows a later fragment's header is a middle part, not a header. */
	for (unsigned int count = 0; inet->first; count++) {
		int extension = ipv6_extension(inet, count);

		if (extension == 0)
			break;
		if (extension < 0)
			return (enum drop_reason) - extension;
		if (count == INET_MAX_EXTENSIONS)
			return DROP_EXTENSION_HEADERS;
		inet->protocol = inet->l4[0];
		inet->l4 += extension;
		inet->l4_len = (uint16_t)(inet->l4_len - extension);
		inet->extended = true;
	}
	return DROP_REASON_COUNT;
}

enum drop_reason inet_parse(uint8_t *l3, size_t len, bool v4, enum inet_mode mode,
			    struct inet *inet)
{
	if (len > UINT16_MAX)
		len = UINT16_MAX;
	return v4 ? ipv4_parse(l3, len, mode, inet) : ipv6_parse(l3, len, mode, inet);
}

bool inet_multicast(const struct ip *ip)
{
	if (ip_is_v4(ip))
		return ip->b[12] >> 4 == 0xe || ip_v4(ip) == UINT32_MAX;
	return ip->b[0] == 0xff;
}

bool inet_loopback(const struct ip *ip)
{
	static const struct ip one = {.b = {[15] = 1}};

	return ip_is_v4(ip) ? ip->b[12] == 127 : ip_equal(ip, &one);
}

bool inet_valid_source(const struct inet *inet)
{
	const struct ip *src = &inet->src;

	if (inet->v4)
		return src->b[12] != 0 && src->b[12] != 127 && src->b[12] < 224;
	return src->b[0] != 0xff && !ip_is_none(src) && !inet_loopback(src) && !ip_is_v4(src);
}

bool inet_ports(const struct inet *inet, uint16_t *source, uint16_t *destination)
{
	/* All three begin with both ports; that much of a packet every ICMP error quotes. */
	if (inet->protocol != IPPROTO_TCP && inet->protocol != IPPROTO_UDP &&
	    inet->protocol != IPPROTO_SCTP)
		return false;
	if (!inet->first || inet->l4_len < 8)
		return false;
	*source = read_be16(inet->l4);
	*destination = read_be16(inet->l4 + 2);
	return true;
}
