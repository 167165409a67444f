/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that drivers keep to themselves, found among our own: the only way to wait for what
 * a driver without interrupts receives.
 */
#ifndef DATAPLANE_WAITFD_H
#define DATAPLANE_WAITFD_H

#include <stdbool.h>

#define WAITFD_MAX 1024

enum waitfd_kind {
	WAITFD_XDP,    /* a socket of AF_XDP */
	WAITFD_PACKET, /* a socket of AF_PACKET */
	WAITFD_TUN,    /* an open /dev/net/tun */
};

/* The descriptors that are open at one time. */
struct waitfd_set {
	bool open[WAITFD_MAX];
};

void waitfd_snapshot(struct waitfd_set *set);

/*
 * The lowest descriptor of a kind that is open now and was not at the time of `before` (NULL:
 * nothing was), after skipping `skip` of them. ifindex: the netdev that a socket must be bound to,
 * or 0. Returns −1 when there is none.
 */
int waitfd_find(const struct waitfd_set *before, enum waitfd_kind kind, unsigned int ifindex,
		unsigned int skip);

#endif
