/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel port: a TAP of our own through which frames pass between a worker and the kernel's
 * network stack, one queue for each worker.
 */
#ifndef DATAPLANE_KPORT_H
#define DATAPLANE_KPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_mbuf.h>

#include "dataplane.h"

struct kport;

struct kport_config {
	const char *name; /* of the netdev, which must not exist yet */
	enum dataplane_backend backend;
	const struct rte_ether_addr *mac;
	uint16_t mtu;
	uint16_t queues;
};

/* Makes the netdev, down and without addresses. Returns 0 or −errno with a sentence in error. */
int kport_open(const struct kport_config *config, struct kport **out, char *error,
	       size_t error_len);

/* The netdev goes away with it. NULL is legal. */
void kport_close(struct kport *kport);

const char *kport_name(const struct kport *kport);
const char *kport_backend(const struct kport *kport);

/* A descriptor that is readable while frames from the kernel are queued. */
int kport_fd(const struct kport *kport, uint16_t queue);

/*
 * Hands one frame to the kernel. verified: its L4 checksum is known to be right, the kernel need
 * not look. The mbuf stays the caller's. Returns 0, or −errno when the kernel took it not (-EIO
 * while the netdev is down).
 */
int kport_write(struct kport *kport, uint16_t queue, const struct rte_mbuf *mbuf, bool verified);

/* Reads one frame into an empty mbuf. Returns its length, 0 when there is none, -EBADMSG. */
int kport_read(struct kport *kport, uint16_t queue, struct rte_mbuf *mbuf);

/* Frames that the netdev itself dropped, either way. */
uint64_t kport_dropped(const struct kport *kport);

#endif
