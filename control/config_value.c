/* SPDX-License-Identifier: BSD-3-Clause */
/* Readers of single configuration values: durations, sizes, names, devices, addresses. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "config_read.h"
#include "text_file.h"

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{"h", UINT64_C(3600000000000)},
	{"m", UINT64_C(60000000000)},
	{"s", 1000000000},
	{"ms", 1000000},
	{"us", 1000},
	{"ns", 1},
};
#define UNITS (sizeof(units) / sizeof(units[0]))

/* The unit at text, the longest that fits; its length goes to *len. 0: none. */
static uint64_t unit_at(const char *text, size_t *len)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz");

	for (size_t i = 0; i < UNITS; i++)
		if (n == strlen(units[i].name) && memcmp(text, units[i].name, n) == 0) {
			*len = n;
			return units[i].ns;
		}
	return 0;
}

/* Reads 20ms, 1.5s, 1m30s. Returns false for what is no duration or beyond 2^63 ns. */
static bool duration_parse(const char *text, uint64_t *out)
{
	uint64_t total = 0;

	do {
		uint64_t value = 0, part = 0, scale = 1, unit, ns;
		size_t len;

		if (!isdigit((uint8_t)*text))
			return false;
		for (; isdigit((uint8_t)*text); text++)
			if (__builtin_mul_overflow(value, 10, &value) ||
			    __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
				return false;
		if (*text == '.') {
			if (!isdigit((uint8_t) * ++text))
				return false;
			for (; isdigit((uint8_t)*text); text++)
				if (scale < 1000000) { /* finer digits are below a nanosecond */
					part = part * 10 + (uint64_t)(*text - '0');
					scale *= 10;
				}
		}
		unit = unit_at(text, &len);
		if (unit == 0 || __builtin_mul_overflow(value, unit, &ns) ||
		    __builtin_add_overflow(total, ns, &total) ||
		    __builtin_add_overflow(total, part * unit / scale, &total) || total > INT64_MAX)
			return false;
		text += len;
	} while (*text != '\0');
	*out = total;
	return true;
}

/* The shortest exact text: 1s, 90s, 1500us. */
static char *duration_format(uint64_t ns, char *buf, size_t len)
{
	size_t i = 0;

	if (ns == 0)
		i = 2;
	while (ns % units[i].ns != 0)
		i++;
	snprintf(buf, len, "%" PRIu64 "%s", ns / units[i].ns, units[i].name);
	return buf;
}

CONFIG_READER(config_read_duration)
{
	char expected[96], min[32], max[32];
	uint64_t ns;

	if (node->kind != TREE_STRING || !duration_parse(node->text, &ns)) {
		tree_complain(reader, field, node, NULL);
	} else if (ns < field->min || ns > field->max) {
		snprintf(expected, sizeof(expected), "a duration from %s to %s",
			 duration_format(field->min, min, sizeof(min)),
			 duration_format(field->max, max, sizeof(max)));
		tree_complain(reader, field, node, expected);
	} else {
		*(uint64_t *)out = ns;
	}
}

CONFIG_READER(config_read_memory)
{
	static const char *const mebi[] = {"M", "Mi", "MB", "MiB"};
	static const char *const gibi[] = {"G", "Gi", "GB", "GiB"};
	uint64_t there = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) >> 20;
	char expected[96];
	uint64_t value = 0;
	char *end = NULL;

	if (node->kind == TREE_INT && node->integer > 0)
		value = (uint64_t)node->integer;
	if (node->kind == TREE_STRING && isdigit((uint8_t)node->text[0])) {
		uint64_t number = strtoull(node->text, &end, 10);

		end += strspn(end, " ");
		for (size_t i = 0; i < 4 && number <= UINT32_MAX; i++)
			if (strcmp(end, mebi[i]) == 0)
				value = number;
			else if (strcmp(end, gibi[i]) == 0)
				value = number * 1024;
	}
	if (value >= field->min && value <= field->max && value <= there) {
		*(unsigned int *)out = (unsigned int)value;
		return;
	}
	if (value > there && value <= field->max)
		snprintf(expected, sizeof(expected),
			 "at most the %" PRIu64 " MiB that this machine has", there);
	else
		snprintf(expected, sizeof(expected), "a size in MiB from %" PRIu64 " to %" PRIu64,
			 field->min, field->max);
	tree_complain(reader, field, node, expected);
}

bool config_name_valid(const char *text, size_t max)
{
	size_t len = strlen(text);

	return len > 0 && len <= max && isalnum((uint8_t)text[0]) &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") ==
		       len;
}

CONFIG_READER(config_read_name)
{
	if (!tree_is_string(reader, field, node))
		return;
	if (config_name_valid(node->text, field->max))
		*(const char **)out = tree_copy(reader, node->text);
	else
		tree_complain(reader, field, node, NULL);
}

/* What Linux refuses as a device's name: dev_valid_name(). */
CONFIG_READER(config_read_netdev)
{
	const char *text = node->text;
	size_t len = strlen(text);
	bool valid = node->kind == TREE_STRING && len > 0 && len < IFNAMSIZ;

	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		valid = false;
	for (; *text != '\0'; text++)
		if (*text == '/' || *text == ':' || *text == '%' || !isgraph((uint8_t)*text))
			valid = false;
	if (valid)
		*(const char **)out = tree_copy(reader, node->text);
	else
		tree_complain(reader, field, node,
			      "a device name of 1 to 15 characters such as vip0");
}

/* [DOMAIN:]BUS:DEVICE.FUNCTION in hex, and perhaps arguments after a comma. */
static bool is_pci_address(const char *text)
{
	unsigned int part[4];
	int end = 0;

	if (strspn(text, "0123456789abcdefABCDEF:.") != strcspn(text, ","))
		return false;
	if (sscanf(text, "%8x:%2x:%2x.%1x%n", &part[0], &part[1], &part[2], &part[3], &end) != 4) {
		end = 0;
		if (sscanf(text, "%2x:%2x.%1x%n", &part[1], &part[2], &part[3], &end) != 3)
			return false;
	}
	return end > 0 && (text[end] == '\0' || text[end] == ',') && part[2] < 32 && part[3] < 8;
}

static bool is_vdev(const char *text)
{
	static const char *const drivers[] = {"net_", "eth_", NULL};
	size_t len = strcspn(text, ",");

	for (size_t i = 0; i < len; i++)
		if (!isalnum((uint8_t)text[i]) && text[i] != '_' && text[i] != '-')
			return false;
	for (size_t i = 0; drivers[i] != NULL; i++)
		if (strncmp(text, drivers[i], strlen(drivers[i])) == 0 && len > strlen(drivers[i]))
			return true;
	return false;
}

CONFIG_READER(config_read_device)
{
	const char *text = node->text, *iface = strstr(text, ",iface=");

	if (!tree_is_string(reader, field, node))
		return;
	for (const char *p = text; *p != '\0'; p++)
		if (!isgraph((uint8_t)*p)) {
			tree_complain(reader, field, node, NULL);
			return;
		}
	if (!is_pci_address(text) && !is_vdev(text))
		tree_complain(reader, field, node, NULL);
	else if (strncmp(text, "net_af_", 7) == 0 &&
		 (iface == NULL || strspn(iface + 7, ",") != 0 || iface[7] == '\0'))
		tree_complain(reader, field, node,
			      "the netdev that it stands on, as in net_af_xdp0,iface=eth1");
	else
		*(const char **)out = tree_copy(reader, text);
}

CONFIG_READER(config_read_path)
{
	const char *path;

	if (!tree_is_string(reader, field, node))
		return;
	if (node->text[0] == '\0') {
		tree_complain(reader, field, node, NULL);
		return;
	}
	path = text_file_path(reader->arena, node->where.file, node->text);
	if (path == NULL)
		reader->no_memory = true;
	else if (field->max != 0 && strlen(path) > field->max)
		tree_complain(reader, field, node, NULL);
	else
		*(const char **)out = path;
}

/* Whether an address can be a host's on a front-end network. */
static bool is_host_address(const struct ip *ip)
{
	if (ip_is_none(ip) || ip->b[0] == 0xff)
		return false;
	if (!ip_is_v4(ip))
		return memcmp(ip->b, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16) != 0;
	return ip->b[12] != 0 && ip->b[12] != 127 && ip->b[12] < 224;
}

CONFIG_READER(config_read_prefix)
{
	const char *slash = strchr(node->text, '/');
	char address[IP_STRLEN] = "";
	struct ip_prefix prefix;

	if (slash != NULL && (size_t)(slash - node->text) < sizeof(address))
		memcpy(address, node->text, (size_t)(slash - node->text));
	if (node->kind != TREE_STRING || ip_prefix_parse(node->text, &prefix) < 0 ||
	    ip_parse(address, &prefix.addr) < 0) {
		tree_complain(reader, field, node,
			      "an address with a prefix length such as 192.0.2.11/24");
		return;
	}
	if (!is_host_address(&prefix.addr) || prefix.len == 0 ||
	    (ip_is_v4(&prefix.addr) && prefix.len == 96)) {
		tree_complain(reader, field, node,
			      "the unicast address of this node and its subnet");
		return;
	}
	*(struct ip_prefix *)out = prefix;
}

CONFIG_READER(config_read_address)
{
	struct ip ip;

	if (node->kind != TREE_STRING || ip_parse(node->text, &ip) < 0 || !is_host_address(&ip))
		tree_complain(reader, field, node, "a unicast address such as 192.0.2.1");
	else
		*(struct ip *)out = ip;
}

CONFIG_READER(config_read_cpu)
{
	struct tree_field cpu = *field;

	cpu.size = sizeof(unsigned int);
	cpu.max = (uint64_t)get_nprocs_conf() - 1;
	cpu.expected = "a CPU of this machine,";
	tree_read_unsigned(reader, &cpu, node, out);
}

bool config_endpoint_parse(const char *text, struct ip *address, uint16_t *port)
{
	const char *colon = strrchr(text, ':'), *end = colon;
	char host[IP_STRLEN];
	unsigned long number;
	char *rest;

	if (colon == NULL || !isdigit((uint8_t)colon[1]))
		return false;
	if (*text == '[') {
		text++;
		end--;
		if (end < text || *end != ']')
			return false;
	} else if (memchr(text, ':', (size_t)(colon - text)) != NULL) {
		return false; /* 2001:db8::1:80 could be read in two ways */
	}
	if ((size_t)(end - text) >= sizeof(host))
		return false;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = '\0';
	number = strtoul(colon + 1, &rest, 10);
	if (*rest != '\0' || number == 0 || number > UINT16_MAX || ip_parse(host, address) < 0)
		return false;
	*port = (uint16_t)number;
	return true;
}

CONFIG_READER(config_read_management)
{
	struct config *config = out;
	struct ip address;
	uint16_t port;

	if (node->kind != TREE_STRING || !config_endpoint_parse(node->text, &address, &port) ||
	    ip_is_none(&address) || address.b[0] == 0xff ||
	    (ip_is_v4(&address) && (address.b[12] == 0 || address.b[12] >= 224))) {
		tree_complain(reader, field, node, NULL);
		return;
	}
	config->management_address = address;
	config->management_port = port;
}

CONFIG_READER(config_read_http)
{
	struct ip address;
	uint16_t port;

	if ((node->kind == TREE_BOOL && !node->boolean) ||
	    (node->kind == TREE_STRING && node->text[0] == '\0'))
		*(const char **)out = "";
	else if (node->kind != TREE_STRING || !config_endpoint_parse(node->text, &address, &port))
		tree_complain(reader, field, node, NULL);
	else
		*(const char **)out = tree_copy(reader, node->text);
}
