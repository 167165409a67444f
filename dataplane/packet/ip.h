/* SPDX-License-Identifier: BSD-3-Clause */
/* One type for an IP address of either family, so that v4 and v6 take the same paths. */
#ifndef PACKET_IP_H
#define PACKET_IP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Longest text of ip_format() and ip_prefix_format(), with the final NUL. */
#define IP_STRLEN	 46
#define IP_PREFIX_STRLEN 50

/*
 * An address in network order. IPv4 is kept IPv4-mapped (::ffff:a.b.c.d, RFC 4291 §2.5.5.2), so
 * that comparison, hashing and prefix matching need no case by family. All zeros is "no address".
 */
struct ip {
	uint8_t b[16];
};

/* A prefix. len counts bits of the mapped form: IPv4 a.b.c.d/n has len 96 + n. */
struct ip_prefix {
	struct ip addr;
	uint8_t len;
};

static inline bool ip_is_v4(const struct ip *ip)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	return memcmp(ip->b, mapped, sizeof(mapped)) == 0;
}

static inline bool ip_is_none(const struct ip *ip)
{
	static const struct ip none;

	return memcmp(ip, &none, sizeof(none)) == 0;
}

/* be: an IPv4 address in network order. */
static inline struct ip ip_from_v4(uint32_t be)
{
	struct ip ip = {.b = {[10] = 0xff, [11] = 0xff}};

	memcpy(&ip.b[12], &be, sizeof(be));
	return ip;
}

/* The last four bytes in network order: the address itself when ip_is_v4(). */
static inline uint32_t ip_v4(const struct ip *ip)
{
	uint32_t be;

	memcpy(&be, &ip->b[12], sizeof(be));
	return be;
}

/* Numeric order; every IPv4 address sorts before every global IPv6 address. */
static inline int ip_cmp(const struct ip *a, const struct ip *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

static inline bool ip_equal(const struct ip *a, const struct ip *b)
{
	return ip_cmp(a, b) == 0;
}

/* Parses a.b.c.d or RFC 4291 text. IPv4-mapped IPv6 text is refused. Returns 0 or -EINVAL. */
int ip_parse(const char *text, struct ip *out);

/* Writes RFC 5952 text into buf, of IP_STRLEN bytes, and returns buf. */
char *ip_format(const struct ip *ip, char *buf);

/* Parses ADDRESS/LEN, or ADDRESS alone as a host prefix. Host bits are cleared. 0 or -EINVAL. */
int ip_prefix_parse(const char *text, struct ip_prefix *out);

/* Writes ADDRESS/LEN into buf, of IP_PREFIX_STRLEN bytes, and returns buf. */
char *ip_prefix_format(const struct ip_prefix *prefix, char *buf);

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip *ip);

#endif
