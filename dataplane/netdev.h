/* SPDX-License-Identifier: BSD-3-Clause */
/* The few things that the dataplane asks of the kernel's netdevs. Names are those of ip-link. */
#ifndef DATAPLANE_NETDEV_H
#define DATAPLANE_NETDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>

/* All return 0 or −errno unless they say otherwise. */
int netdev_set_mac(const char *name, const struct rte_ether_addr *mac);
int netdev_set_mtu(const char *name, uint16_t mtu);
int netdev_mtu(const char *name, unsigned int *mtu);

/*
 * The receive queues that packets arrive on, by ethtool's channels; 1 where there are none.
 * combined: each has a transmit queue for its own, as AF_XDP in DPDK wants them.
 */
int netdev_rx_queues(const char *name, unsigned int *queues, bool *combined);

/* Whether the driver takes VLAN tags out of received frames. */
int netdev_strips_vlan(const char *name);

/* The NUMA node of a netdev's hardware, or −1. */
int netdev_numa_node(const char *name);

/* Frames that the netdev dropped, either way; 0 when it is gone. */
uint64_t netdev_dropped(const char *name);

/*
 * Claims a netdev among the dataplanes of its network namespace, until the descriptor that it
 * returns is closed or the process ends in whatever way. Returns −EADDRINUSE when another has it.
 */
int netdev_claim(const char *name);

/*
 * Takes down an XDP program that a killed predecessor left attached. Returns 1 when there was one,
 * 0 when there was none.
 */
int netdev_xdp_detach(const char *name);

#endif
