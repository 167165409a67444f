/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's network around a kernel port, by rtnetlink, sysctl and nftables: the node's
 * addresses, VIPs on lo, the reply path, MLD membership, and the NIC that a kernel driver still
 * drives. Everything set here is remembered, beyond a SIGKILL too (saved.h), and undone by
 * hostnet_free(), but that lo is up. Order: claim every device, dataplane_start(), set up every
 * kernel port, …, dataplane_stop(), free.
 */
#ifndef CONTROL_HOSTNET_H
#define CONTROL_HOSTNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "packet/ip.h"

struct hostnet;

/* link: called from hostnet_process() when a watched netdev's carrier changes. NULL and errno. */
struct hostnet *hostnet_create(void (*link)(void *arg, const char *netdev, bool up), void *arg);
/* Undoes what was set, in reverse order, where the netdev still exists; NULL is legal. */
void hostnet_free(struct hostnet *hostnet);

/*
 * Makes a netdev safe that AF_XDP or AF_PACKET takes over (design §9): arp off, IPv6 disabled, its
 * addresses and routes removed, what it receives kept from the IP stack, up; watches its carrier.
 * Call before dataplane_start(). Claiming twice is legal. 0 or −errno, logged: -ENODEV when there
 * is no such netdev here.
 */
int hostnet_device_claim(struct hostnet *hostnet, const char *netdev);
bool hostnet_link_up(const struct hostnet *hostnet, const char *netdev);

/*
 * Sets up a kernel port after dataplane_start(): sysctls, addresses, up, reply path by gateways.
 * 0 or −errno, logged.
 */
int hostnet_port_setup(struct hostnet *hostnet, const struct config_interface *interface);

/*
 * The VIPs that the kernel must accept: puts them on lo (/32, /128, nodad, noprefixroute), removes
 * those that are no longer wanted, and joins (leaves) the solicited-node groups of IPv6 ones on the
 * kernel port. Never touches an address that it did not add. 0, or the first −errno after trying
 * them all.
 */
int hostnet_vips_set(struct hostnet *hostnet, size_t interface, const char *kernel_port,
		     const struct ip *vips, size_t count);

/* rtnetlink notifications: a descriptor to wait for, and what to call when it is readable. */
int hostnet_fd(const struct hostnet *hostnet);
void hostnet_process(struct hostnet *hostnet);

/* What is missing or was flushed by somebody, put right again; called once a second. */
void hostnet_repair(struct hostnet *hostnet);

#endif
