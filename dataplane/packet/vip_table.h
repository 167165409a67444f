/* SPDX-License-Identifier: BSD-3-Clause */
/* The set of a group's VIPs as a worker sees it: who they are, what may reach them, which we own.
 */
#ifndef PACKET_VIP_TABLE_H
#define PACKET_VIP_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/ip.h"

#define VIP_TABLE_MAX 65536

/* One port that a Service opens on a VIP. */
struct vip_port {
	uint8_t protocol;		 /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
	uint16_t port;			 /* host order */
	const struct ip_prefix *sources; /* loadBalancerSourceRanges; any source when none */
	size_t source_count;
};

/* What control publishes of one VIP. Copied: the caller keeps its arrays. */
struct vip_spec {
	struct ip address;
	bool owned; /* this node answers for it, from the publication on */
	const struct vip_port *ports;
	size_t port_count;
};

/*
 * Immutable once built, but for the ownership marks, which one writer (control) flips while
 * workers read. Published by pointer and reclaimed by RCU.
 */
struct vip_table;

/*
 * Builds a table of up to VIP_TABLE_MAX VIPs. An address that is listed twice makes it fail.
 * Returns NULL and errno: ENOMEM, EINVAL (too many), EEXIST (listed twice).
 */
struct vip_table *vip_table_create(const struct vip_spec *vips, size_t count);
void vip_table_free(struct vip_table *table);

/* NULL is an empty table. */
size_t vip_table_count(const struct vip_table *table);

/* The index of an address, which is its place among the specs, or -1. NULL is an empty table. */
int vip_table_lookup(const struct vip_table *table, const struct ip *address);

/* Whether this node answers for the VIP at index now; and the one writer of that. */
bool vip_table_owned(const struct vip_table *table, int index);
void vip_table_own(struct vip_table *table, int index, bool owned);

enum vip_table_match {
	VIP_TABLE_OPEN, /* a Service has this port and admits this source */
	VIP_TABLE_CLOSED_PORT,
	VIP_TABLE_SOURCE_RANGE,
};

/* Whether protocol and port (host order) of a VIP are open to a source. */
enum vip_table_match vip_table_match(const struct vip_table *table, int index, uint8_t protocol,
				     uint16_t port, const struct ip *source);

#endif
