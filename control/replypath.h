/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What came in by a kernel port leaves by it, also when a pod answers (design §9): connections are
 * marked by the kernel port that they came in by, and their replies look up a routing table of that
 * kernel port. Only kernel ports with a gateway take part, and only in the gateway's family.
 *
 *   nftables  table inet vipgate: connection mark on the way in, packet mark on replies
 *   ip rule   REPLYPATH_PRIORITY: packet mark → table of the kernel port
 *             REPLYPATH_LAST_PRIORITY, one for each VIP: from the VIP → that table, for a node
 * whose other tables know no way to the client at all: a reply that finds no route is never sent,
 * so nothing could mark it table     REPLYPATH_TABLE + n: the kernel port's prefixes, default by
 * the gateway
 */
#ifndef CONTROL_REPLYPATH_H
#define CONTROL_REPLYPATH_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip_set.h"
#include "netlink.h"
#include "nftables.h"

/*
 * Kernel port n (from 1) has the mark n << REPLYPATH_MARK_SHIFT, in packet marks and connection
 * marks. These bits are not kube-proxy's (0x4000, 0x8000), Calico's (0xffff0000), Cilium's
 * (0x0f00 and, with a cluster mesh only, 0x00ff) or Tailscale's (0xff0000).
 */
#define REPLYPATH_MARK_SHIFT 4
#define REPLYPATH_MARK_MASK  0xf0u
#define REPLYPATH_PORTS_MAX  15

#define REPLYPATH_TABLE		42260u
#define REPLYPATH_PRIORITY	4226u  /* after `local` (0), before `main` (32766) */
#define REPLYPATH_LAST_PRIORITY 32800u /* after `default` (32767) */

struct replypath_port {
	char name[IFNAMSIZ];
	unsigned int ifindex;
	unsigned int number; /* n, from 1 */
	struct ip_prefix *addresses;
	size_t address_count;
	struct ip gateways[2]; /* v4, v6; none when there is none */
	struct ip_set vips;    /* that have a rule of last resort */
};

struct replypath {
	struct netlink *netlink;
	struct nftables_table nftables;
	bool rules_dirty;
	struct replypath_port *ports;
	size_t port_count;
};

void replypath_init(struct replypath *replypath, struct netlink *netlink);

/*
 * Adds a kernel port, which is up and has its addresses; of several gateways of a family the first
 * one is used. Also removes what a killed predecessor left. A port without gateways is legal and
 * gets nothing. 0 or −errno, logged. Without nftables in the kernel: a warning, and 0.
 */
int replypath_add(struct replypath *replypath, const char *name, unsigned int ifindex,
		  const struct ip_prefix *addresses, size_t address_count,
		  const struct ip *gateways, size_t gateway_count);

/* The VIPs that arrive by a kernel port. Unknown ports are ignored. 0 or −errno, logged. */
int replypath_vips_set(struct replypath *replypath, const char *name, const struct ip *vips,
		       size_t count);

/* Tells of a notification that some rule changed. */
void replypath_notice(struct replypath *replypath);
/* Restores what somebody flushed. When nothing did it costs two or three requests. */
void replypath_repair(struct replypath *replypath);

void replypath_undo(struct replypath *replypath);
void replypath_fini(struct replypath *replypath);

#endif
