/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Membership in the solicited-node groups of IPv6 VIPs on a kernel port: the kernel then speaks MLD
 * for them, so that a snooping switch delivers the NS that the worker answers (design §9, RFC 4291
 * §2.7.1, RFC 3810).
 */
#ifndef CONTROL_MLD_H
#define CONTROL_MLD_H

#include <stddef.h>

#include "packet/ip.h"

struct mld_group {
	struct ip group;
	int socket; /* index of the socket that joined it */
};

struct mld {
	unsigned int ifindex;
	struct mld_group *groups; /* sorted by group */
	size_t group_count;
	/* A socket holds as many as net.core.optmem_max allows; hence several. */
	int *sockets;
	size_t *memberships; /* of each socket */
	size_t socket_count;
};

/* The solicited-node group of an address. */
struct ip mld_solicited_node(const struct ip *ip);

void mld_init(struct mld *mld, unsigned int ifindex);
/* Joins what is missing and leaves what is no longer wanted. 0, or the first −errno, logged. */
int mld_set(struct mld *mld, const struct ip *vips, size_t count);
void mld_fini(struct mld *mld); /* leaves all */

#endif
