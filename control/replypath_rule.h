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

/* Writes the nftables table anew, for the ports that have a gateway. 0 or −errno, logged. */
int replypath_nftables_write(struct replypath *replypath);
/* Removes it; leftover: only if a killed predecessor left one. 0 or −errno, logged. */
int replypath_nftables_remove(struct replypath *replypath, bool leftover);
/* Whether the table is as we wrote it. Cheap while nobody changes any nftables rule. */
bool replypath_nftables_whole(struct replypath *replypath);

static inline bool replypath_port_used(const struct replypath_port *port)
{
	return !ip_is_none(&port->gateways[0]) || !ip_is_none(&port->gateways[1]);
}

static inline uint32_t replypath_mark(const struct replypath_port *port)
{
	return port->number << REPLYPATH_MARK_SHIFT;
}

#endif
