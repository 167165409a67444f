/* SPDX-License-Identifier: BSD-3-Clause */
/* The reply path's pieces in the kernel: ip rules and routes, and the nftables table. */
#ifndef CONTROL_REPLYPATH_RULE_H
#define CONTROL_REPLYPATH_RULE_H

#include "replypath.h"

/*
 * Makes vipgate's ip rules (those with its protocol number) exactly those that the ports need.
 * Returns how many had to be added or removed, or −errno.
 */
int replypath_rules_sync(struct replypath *replypath);

/* Adds the routes that a port's table lacks. Returns how many, or −errno. */
int replypath_routes_sync(struct replypath *replypath, const struct replypath_port *port);
/* Empties a port's table. */
void replypath_routes_flush(struct replypath *replypath, const struct replypath_port *port);

/* Writes the nftables table anew, for the ports that have a gateway. 0 or −errno. */
int replypath_nftables_write(struct replypath *replypath);

/* What came of a batch; replypath_answered() is its callback, and logs what failed. */
struct replypath_counts {
	int changes, error;
};
void replypath_answered(void *arg, const struct nlmsghdr *request, int error);

/* The port's gateway of a family, or NULL. */
static inline const struct ip *replypath_gateway(const struct replypath_port *port, bool v4)
{
	const struct ip *gateway = &port->gateways[v4 ? 0 : 1];

	return ip_is_none(gateway) ? NULL : gateway;
}

static inline bool replypath_port_used(const struct replypath_port *port)
{
	return !ip_is_none(&port->gateways[0]) || !ip_is_none(&port->gateways[1]);
}

static inline uint32_t replypath_mark(const struct replypath_port *port)
{
	return port->number << REPLYPATH_MARK_SHIFT;
}

#endif
