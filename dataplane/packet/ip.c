/* SPDX-License-Identifier: BSD-3-Clause */
/* Text of addresses and prefixes. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "packet/ip.h"

int ip_parse(const char *text, struct ip *out)
{
	struct in_addr v4;
	struct ip ip;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		*out = ip_from_v4(v4.s_addr);
		return 0;
	}
	if (inet_pton(AF_INET6, text, ip.b) != 1 || ip_is_v4(&ip))
		return -EINVAL;
	*out = ip;
	return 0;
}

char *ip_format(const struct ip *ip, char *buf)
{
	if (ip_is_v4(ip))
		inet_ntop(AF_INET, &ip->b[12], buf, IP_STRLEN);
	else
		inet_ntop(AF_INET6, ip->b, buf, IP_STRLEN);
	return buf;
}

/* Decimal digits only, no sign, no leading zero: what people write after the slash. */
static int parse_length(const char *text, unsigned int max)
{
	unsigned int len = 0;

	if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		len = len * 10 + (unsigned int)(*text - '0');
		if (len > max)
			return -EINVAL;
	}
	return (int)len;
}

int ip_prefix_parse(const char *text, struct ip_prefix *out)
{
	const char *slash = strchr(text, '/');
	size_t head = slash ? (size_t)(slash - text) : strlen(text);
	char address[IP_STRLEN];
	struct ip_prefix prefix;
	bool v4;
	int len;

	if (head >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, head);
	address[head] = '\0';
	if (ip_parse(address, &prefix.addr) < 0)
		return -EINVAL;
	v4 = ip_is_v4(&prefix.addr);
	len = slash ? parse_length(slash + 1, v4 ? 32 : 128) : (v4 ? 32 : 128);
	if (len < 0)
		return len;
	prefix.len = (uint8_t)(v4 ? len + 96 : len);
	for (unsigned int i = 0; i < 16; i++) {
		unsigned int kept = prefix.len > i * 8 ? prefix.len - i * 8 : 0;

		if (kept < 8)
			prefix.addr.b[i] &= (uint8_t)(0xff00u >> kept);
	}
	*out = prefix;
	return 0;
}

char *ip_prefix_format(const struct ip_prefix *prefix, char *buf)
{
	size_t used;

	ip_format(&prefix->addr, buf);
	used = strlen(buf);
	snprintf(buf + used, IP_PREFIX_STRLEN - used, "/%u",
		 ip_is_v4(&prefix->addr) ? prefix->len - 96u : prefix->len);
	return buf;
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip *ip)
{
	unsigned int whole = prefix->len / 8, rest = prefix->len % 8;

	if (memcmp(prefix->addr.b, ip->b, whole) != 0)
		return false;
	return rest == 0 ||
	       ((prefix->addr.b[whole] ^ ip->b[whole]) & (0xff00u >> rest) & 0xff) == 0;
}
