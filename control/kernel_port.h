/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's end of a kernel port: its sysctls, the node's addresses, and up. */
#ifndef CONTROL_KERNEL_PORT_H
#define CONTROL_KERNEL_PORT_H

#include <net/if.h>
#include <stdbool.h>

#include "config.h"
#include "netlink.h"
#include "sysctl.h"

struct kernel_port {
	char name[IFNAMSIZ];
	unsigned int ifindex;
	struct ip_prefix *addresses;
	bool *added; /* of each address: by us */
	size_t address_count;
	bool before_up;
	bool dirty;	/* somebody took an address away or set it down */
	int error;	/* the first of a batch */
	size_t changes; /* of a batch */
};

/* 0 or −errno, logged; after an error kernel_port_undo() may be called. */
int kernel_port_init(struct kernel_port *port, struct netlink *netlink, struct sysctls *sysctls,
		     const struct config_interface *interface);

/* Tells of a link or address notification. */
void kernel_port_notice(struct kernel_port *port, const struct nlmsghdr *message);
/* Puts again what is missing, when a notice said so. */
void kernel_port_repair(struct kernel_port *port, struct netlink *netlink);

/* The port may be gone already. Its sysctls are left to sysctls_undo(). */
void kernel_port_undo(struct kernel_port *port, struct netlink *netlink);
void kernel_port_fini(struct kernel_port *port);

#endif
