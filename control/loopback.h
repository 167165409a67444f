/* SPDX-License-Identifier: BSD-3-Clause */
/* VIPs on lo, so that the kernel accepts what is sent to them (design §9, "VIPs in the kernel"). */
#ifndef CONTROL_LOOPBACK_H
#define CONTROL_LOOPBACK_H

#include <stdbool.h>

#include "ip_set.h"
#include "netlink.h"

struct loopback {
	struct netlink *netlink;
	unsigned int ifindex;
	struct ip_set wanted;
	struct ip_set ours;    /* there, and added by us or by a killed predecessor */
	struct ip_set foreign; /* wanted, but somebody else's: never removed */
	bool dirty;	       /* somebody changed an address of lo: look again */
	int error;	       /* the first of a batch */
};

void loopback_init(struct loopback *loopback, struct netlink *netlink);

/*
 * Makes the VIPs on lo those of `wanted`, which is copied. leftovers: also remove what a killed
 * predecessor added and nobody wants. lo is brought up when it is down, and stays up: others may
 * use it by the time we stop. 0 or the first −errno, after trying them all; each is logged.
 */
int loopback_set(struct loopback *loopback, const struct ip_set *wanted, bool leftovers);

/* Tells of an RTM_NEWADDR or RTM_DELADDR notification. */
void loopback_notice(struct loopback *loopback, const struct nlmsghdr *message);
/* Puts again what is missing, when a notice said so. */
void loopback_repair(struct loopback *loopback);

/* Removes every address that is ours. */
void loopback_undo(struct loopback *loopback);
void loopback_fini(struct loopback *loopback);

#endif
