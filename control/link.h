/* SPDX-License-Identifier: BSD-3-Clause */
/* Netdevs, their addresses and their routes, as rtnetlink has them. */
#ifndef CONTROL_LINK_H
#define CONTROL_LINK_H

#include <stdbool.h>

#include "netlink.h"

struct link {
	unsigned int ifindex;
	unsigned int flags; /* IFF_… */
};

/* The netdev of that name. 0 or −errno: -ENODEV when there is none. */
int link_get(struct netlink *netlink, const char *name, struct link *link);

/* Whether frames can pass: there is carrier, and the driver runs. */
bool link_flags_up(unsigned int flags);

/* Sets those flags (IFF_UP, IFF_NOARP) that mask has to their value in flags. 0 or −errno. */
int link_set_flags(struct netlink *netlink, unsigned int ifindex, unsigned int flags,
		   unsigned int mask);

/* Every address of a netdev (0 = of all), of one family or AF_UNSPEC. 0 or −errno. */
int link_addresses(struct netlink *netlink, unsigned int ifindex, uint8_t family,
		   struct netlink_list *list);

/* Routes whose only way out is a netdev, those left out that come with addresses. 0 or −errno. */
int link_routes(struct netlink *netlink, unsigned int ifindex, struct netlink_list *list);

#endif
