/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers of single values in Kubernetes objects: names, times, addresses, pools. */
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "object_read.h"

OBJECT_READER(object_read_dns_name)
{
	const char *text = node->text;
	size_t len = strlen(text);
	bool valid = len > 0 && len <= field->max;

	if (!tree_is_string(reader, field, node))
		return;
	for (size_t i = 0; i < len; i++)
		if (!islower((uint8_t)text[i]) && !isdigit((uint8_t)text[i]) &&
		    ((text[i] != '-' && text[i] != '.') || i == 0 || i + 1 == len))
			valid = false;
	if (valid)
		*(const char **)out = tree_copy(reader, text);
	else
		tree_complain(reader, field, node, NULL);
}

/* RFC 3339 §5.6: 2026-01-02T03:04:05Z, perhaps with a fraction, or +01:00 for Z. */
static bool time_parse(const char *text, int64_t *out)
{
	struct tm tm = {0};
	const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	unsigned int hours = 0, minutes = 0;
	int end = 0;

	if (rest == NULL || !isdigit((uint8_t)text[0]))
		return false;
	if (*rest == '.') {
		size_t digits = strspn(rest + 1, "0123456789");

		if (digits == 0)
			return false;
		rest += 1 + digits;
	}
	*out = timegm(&tm);
	if (strcmp(rest, "Z") == 0 || strcmp(rest, "z") == 0)
		return true;
	if ((*rest != '+' && *rest != '-') || strlen(rest) != 6 || !isdigit((uint8_t)rest[1]) ||
	    !isdigit((uint8_t)rest[4]) ||
	    sscanf(rest + 1, "%2u:%2u%n", &hours, &minutes, &end) != 2 || end != 5 || hours > 23 ||
	    minutes > 59)
		return false;
	*out += (*rest == '+' ? -60 : 60) * (int64_t)(60 * hours + minutes);
	return true;
}

OBJECT_READER(object_read_time)
{
	if (node->kind != TREE_STRING || !time_parse(node->text, out))
		tree_complain(reader, field, node, "a time such as 2026-01-02T03:04:05Z");
}

/* Copies a text without the blanks around it; false: it is longer than any address. */
static bool trim(const char *text, size_t len, char *out, size_t room)
{
	while (len > 0 && isspace((uint8_t)text[len - 1]))
		len--;
	while (len > 0 && isspace((uint8_t)*text)) {
		text++;
		len--;
	}
	if (len >= room)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

OBJECT_READER(object_read_address)
{
	struct ip ip;

	if (node->kind != TREE_STRING || ip_parse(node->text, &ip) < 0 || ip_is_none(&ip))
		tree_complain(reader, field, node, "an address such as 192.0.2.10");
	else
		*(struct ip *)out = ip;
}

OBJECT_READER(object_read_prefix)
{
	char text[IP_PREFIX_STRLEN];
	struct ip_prefix prefix;

	if (node->kind != TREE_STRING ||
	    !trim(node->text, strlen(node->text), text, sizeof(text)) ||
	    strchr(text, '/') == NULL || ip_prefix_parse(text, &prefix) < 0)
		tree_complain(reader, field, node, "a CIDR such as 192.0.2.0/24");
	else
		*(struct ip_prefix *)out = prefix;
}

static struct ip last_of(const struct ip_prefix *prefix)
{
	struct ip last = prefix->addr;

	for (unsigned int bit = prefix->len; bit < 128; bit++)
		last.b[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return last;
}

/* Reads CIDR, ADDRESS or FIRST-LAST. Returns what is wrong with it, or NULL. */
static const char *range_parse(const char *text, struct object_range *range)
{
	static const char syntax[] =
		"a CIDR such as 192.0.2.0/24 or a range such as 192.0.2.10-192.0.2.20";
	const char *dash = strchr(text, '-');
	char first[IP_PREFIX_STRLEN], last[IP_STRLEN];
	struct ip_prefix prefix;

	if (dash == NULL) {
		if (!trim(text, strlen(text), first, sizeof(first)) ||
		    ip_prefix_parse(first, &prefix) < 0)
			return syntax;
		range->first = prefix.addr;
		range->last = last_of(&prefix);
		return NULL;
	}
	if (!trim(text, (size_t)(dash - text), first, sizeof(first)) ||
	    !trim(dash + 1, strlen(dash + 1), last, sizeof(last)) ||
	    ip_parse(first, &range->first) < 0 || ip_parse(last, &range->last) < 0)
		return syntax;
	if (ip_is_v4(&range->first) != ip_is_v4(&range->last))
		return "two ends of the same family";
	if (ip_cmp(&range->first, &range->last) > 0)
		return "the lower end first";
	return NULL;
}

/* Whether a range touches addresses that no host can have on a shared network. */
static bool touches_special(const struct object_range *range)
{
	static const char *const special[] = {
		"0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/32", "fe80::/10", "ff00::/8",
	};

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		struct ip_prefix prefix;
		struct ip last;

		if (ip_prefix_parse(special[i], &prefix) < 0)
			continue;
		last = last_of(&prefix);
		if (ip_is_v4(&range->first) == ip_is_v4(&prefix.addr) &&
		    ip_cmp(&range->first, &last) <= 0 && ip_cmp(&prefix.addr, &range->last) <= 0)
			return true;
	}
	return false;
}

OBJECT_READER(object_read_range)
{
	struct object_range range;
	const char *expected;

	if (!tree_is_string(reader, field, node))
		return;
	expected = range_parse(node->text, &range);
	if (expected == NULL && touches_special(&range))
		expected = "unicast addresses only";
	if (expected != NULL)
		tree_complain(reader, field, node, expected);
	else
		*(struct object_range *)out = range;
}

OBJECT_READER(object_read_protocol)
{
	static const struct {
		const char *name;
		uint8_t number;
	} protocols[] = {{"TCP", IPPROTO_TCP}, {"UDP", IPPROTO_UDP}, {"SCTP", IPPROTO_SCTP}};

	for (size_t i = 0; i < 3; i++)
		if (node->kind == TREE_STRING && strcmp(node->text, protocols[i].name) == 0) {
			*(uint8_t *)out = protocols[i].number;
			return;
		}
	tree_complain(reader, field, node, "TCP, UDP or SCTP");
}
