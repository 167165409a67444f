/* SPDX-License-Identifier: BSD-3-Clause */
/* A bounded memory of flows that a VIP opened towards the wire, so that their answers may come in.
 */
#ifndef PACKET_FLOW_H
#define PACKET_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/ip.h"

struct flow_key {
	struct ip vip;
	struct ip remote;
	uint16_t vip_port; /* host order; the ICMP identifier for echo */
	uint16_t remote_port;
	uint8_t protocol;
};

/* Bounded and lock-free: any number of workers may note and ask at once. */
struct flow_table;

/* entries: rounded up to a power of two. Returns NULL and errno. */
struct flow_table *flow_table_create(size_t entries);
void flow_table_free(struct flow_table *table);

/* Remembers a flow; the oldest entry of a full bucket goes. */
void flow_table_note(struct flow_table *table, const struct flow_key *key, uint64_t now_ns);

/* Whether the flow was noted less than its lifetime ago; refreshes it. */
bool flow_table_known(struct flow_table *table, const struct flow_key *key, uint64_t now_ns);

#endif
