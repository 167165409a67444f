/* SPDX-License-Identifier: BSD-3-Clause */
/* Which differences between two configurations wait for a restart. The others are live: the keys
 * themselves, the source's file, and log. */
#include <stdio.h>
#include <string.h>

#include "config_read.h"

static bool same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_interface(const struct config_interface *a, const struct config_interface *b)
{
	if (!same(a->name, b->name) || !same(a->device, b->device) || !same(a->group, b->group) ||
	    a->vlan != b->vlan || a->mtu != b->mtu || !same(a->kernel_name, b->kernel_name) ||
	    a->backend != b->backend || a->address_count != b->address_count ||
	    a->gateway_count != b->gateway_count)
		return false;
	for (size_t i = 0; i < a->address_count; i++)
		if (!ip_equal(&a->addresses[i].addr, &b->addresses[i].addr) ||
		    a->addresses[i].len != b->addresses[i].len)
			return false;
	for (size_t i = 0; i < a->gateway_count; i++)
		if (!ip_equal(&a->gateways[i], &b->gateways[i]))
			return false;
	return true;
}

static bool same_interfaces(const struct config *a, const struct config *b)
{
	if (a->interface_count != b->interface_count)
		return false;
	for (size_t i = 0; i < a->interface_count; i++)
		if (!same_interface(&a->interfaces[i], &b->interfaces[i]))
			return false;
	return true;
}

static bool same_lcores(const struct config *a, const struct config *b)
{
	return a->lcore_count == b->lcore_count &&
	       memcmp(a->lcores, b->lcores, a->lcore_count * sizeof(*a->lcores)) == 0;
}

static bool same_source(const struct config *a, const struct config *b)
{
	return a->source_kubernetes == b->source_kubernetes && same(a->kubeconfig, b->kubeconfig);
}

const char *config_restart_keys(const struct config *a, const struct config *b, char *buf,
				size_t len)
{
	const struct {
		const char *key;
		bool same;
	} keys[] = {
		{"node", same(a->node, b->node)},
		{"interfaces", same_interfaces(a, b)},
		{"dataplane.lcores", same_lcores(a, b)},
		{"dataplane.memory", a->memory_mb == b->memory_mb},
		{"dataplane.hugepages", a->hugepages == b->hugepages},
		{"dataplane.idle", a->idle == b->idle},
		{"dataplane.icmp_echo", a->icmp_echo == b->icmp_echo},
		{"heartbeat.interval", a->heartbeat_interval_ns == b->heartbeat_interval_ns},
		{"heartbeat.multiplier", a->heartbeat_multiplier == b->heartbeat_multiplier},
		{"heartbeat.management", ip_equal(&a->management_address, &b->management_address) &&
						 a->management_port == b->management_port},
		{"moves.failback", a->failback == b->failback},
		{"moves.failback_delay", a->failback_delay_ns == b->failback_delay_ns},
		{"moves.drain_idle", a->drain_idle_ns == b->drain_idle_ns},
		{"moves.drain_max", a->drain_max_ns == b->drain_max_ns},
		{"source.kubernetes", same_source(a, b)},
		{"state_dir", same(a->state_dir, b->state_dir)},
		{"http", same(a->http, b->http)},
		{"socket", same(a->socket, b->socket)},
	};
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && used < len; i++)
		if (!keys[i].same)
			used += (size_t)snprintf(buf + used, len - used, "%s%s",
						 used > 0 ? ", " : "", keys[i].key);
	return buf;
}
