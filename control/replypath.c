/* SPDX-License-Identifier: BSD-3-Clause */
/* The reply path of each kernel port: which pieces there are, when they are put, and repaired. */
#include "replypath.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netlink.h>

#include "log.h"
#include "replypath_rule.h"

void replypath_init(struct replypath *replypath, struct netlink *netlink)
{
	*replypath = (struct replypath){.netlink = netlink};
	nftables_table_init(&replypath->nftables, "inet",
			    "a reply may leave the node by another way than its request came in");
}

static bool used(const struct replypath *replypath)
{
	for (size_t i = 0; i < replypath->port_count; i++)
		if (replypath_port_used(&replypath->ports[i]))
			return true;
	return false;
}

/* The name goes into an nftables script and must be no more than a name there. */
static bool is_plain(const char *name)
{
	return name[0] != '\0' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "0123456789_-.") == strlen(name);
}

static int add_port(struct replypath *replypath, const char *name, unsigned int ifindex,
		    const struct ip_prefix *addresses, size_t address_count,
		    const struct ip *gateways, size_t gateway_count)
{
	struct replypath_port *ports =
		reallocarray(replypath->ports, replypath->port_count + 1, sizeof(*ports));
	struct replypath_port *port;

	if (ports == NULL)
		return -ENOMEM;
	replypath->ports = ports;
	port = &ports[replypath->port_count];
	*port = (struct replypath_port){.ifindex = ifindex,
					.number = (unsigned int)replypath->port_count + 1};
	strncpy(port->name, name, sizeof(port->name) - 1);
	port->addresses = calloc(address_count + 1, sizeof(*addresses));
	if (port->addresses == NULL)
		return -ENOMEM;
	if (address_count != 0)
		memcpy(port->addresses, addresses, address_count * sizeof(*addresses));
	port->address_count = address_count;
	for (size_t i = gateway_count; i-- > 0;)
		port->gateways[ip_is_v4(&gateways[i]) ? 0 : 1] = gateways[i];
	replypath->port_count++;
	return 0;
}

/* Returns how many pieces had to be put, or −errno. */
static int sync_routing(struct replypath *replypath)
{
	int changes = replypath_rules_sync(replypath), more;

	for (size_t i = 0; i < replypath->port_count && changes >= 0; i++) {
		if (!replypath_port_used(&replypath->ports[i]))
			continue;
		more = replypath_routes_sync(replypath, &replypath->ports[i]);
		changes = more < 0 ? more : changes + more;
	}
	return changes;
}

int replypath_add(struct replypath *replypath, const char *name, unsigned int ifindex,
		  const struct ip_prefix *addresses, size_t address_count,
		  const struct ip *gateways, size_t gateway_count)
{
	bool first = replypath->port_count == 0;
	int error;

	if (gateway_count != 0 &&
	    (replypath->port_count == REPLYPATH_PORTS_MAX || !is_plain(name))) {
		log_error("%s can have no reply path: %s", name,
			  is_plain(name) ? "at most 15 kernel ports can"
					 : "its name has other characters than letters, digits and "
					   "_-.");
		return -EINVAL;
	}
	error = add_port(replypath, name, ifindex, addresses, address_count, gateways,
			 gateway_count);
	if (error == 0)
		error = sync_routing(replypath);
	if (error < 0) {
		log_error("%s: the reply path cannot be set up: %s", name, strerror(-error));
		return error;
	}
	/* The first port also clears away what a killed predecessor with gateways left. */
	if (gateway_count != 0)
		error = replypath_nftables_write(replypath);
	else if (first)
		nftables_table_remove(&replypath->nftables);
	return error < 0 ? error : 0;
}

int replypath_vips_set(struct replypath *replypath, const char *name, const struct ip *vips,
		       size_t count)
{
	for (size_t i = 0; i < replypath->port_count; i++) {
		struct replypath_port *port = &replypath->ports[i];
		int error;

		if (strcmp(port->name, name) != 0 || !replypath_port_used(port))
			continue;
		port->vips.count = 0;
		error = ip_set_add_all(&port->vips, vips, count);
		if (error == 0)
			error = replypath_rules_sync(replypath);
		if (error < 0)
			log_error("%s: rules of its VIPs: %s", name, strerror(-error));
		return error < 0 ? error : 0;
	}
	return 0;
}

void replypath_notice(struct replypath *replypath)
{
	replypath->rules_dirty = true;
}

void replypath_repair(struct replypath *replypath)
{
	int changes = 0, more;

	if (!used(replypath))
		return;
	if (replypath->rules_dirty)
		changes = replypath_rules_sync(replypath);
	for (size_t i = 0; i < replypath->port_count && changes >= 0; i++) {
		if (!replypath_port_used(&replypath->ports[i]))
			continue;
		more = replypath_routes_sync(replypath, &replypath->ports[i]);
		changes = more < 0 ? more : changes + more;
	}
	if (changes < 0)
		replypath->rules_dirty = true;
	if (changes > 0)
		log_warning("reply path: %d rules or routes were missing or changed, put right "
			    "again",
			    changes);
	nftables_table_repair(&replypath->nftables);
}

void replypath_undo(struct replypath *replypath)
{
	if (replypath->port_count == 0)
		return;
	for (size_t i = 0; i < replypath->port_count; i++) {
		replypath_routes_flush(replypath, &replypath->ports[i]);
		replypath->ports[i].gateways[0] = replypath->ports[i].gateways[1] =
			(struct ip){{0}};
	}
	(void)replypath_rules_sync(replypath);
	nftables_table_remove(&replypath->nftables);
}

void replypath_fini(struct replypath *replypath)
{
	for (size_t i = 0; i < replypath->port_count; i++) {
		free(replypath->ports[i].addresses);
		ip_set_fini(&replypath->ports[i].vips);
	}
	free(replypath->ports);
	nftables_table_fini(&replypath->nftables);
	*replypath = (struct replypath){0};
}
