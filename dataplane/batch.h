/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on their way out: one TX burst, under the lease where there must be one. */
#ifndef DATAPLANE_BATCH_H
#define DATAPLANE_BATCH_H

#include "runtime.h"

/* Frames of one burst that go the same way. */
struct batch {
	struct rte_mbuf *mbuf[BURST];
	uint8_t answered[BURST]; /* enum packet_answer, where the packet code says so */
	uint16_t count;
};

/* Frees a frame and counts why. */
void mbuf_drop(struct lane *lane, struct rte_mbuf *mbuf, enum drop_reason reason);

/* Zero-fills a frame to the shortest that Ethernet allows. */
void mbuf_pad(struct rte_mbuf *mbuf);

/* Pads a frame and adds it. A batch has room for one burst. */
void batch_add(struct batch *batch, struct rte_mbuf *mbuf, uint8_t answered);

/* Sends and empties a batch; what the NIC does not take is freed and counted. Returns how many it
 * took. */
uint16_t batch_send(struct lane *lane, struct batch *batch);

/* The same for what only the owner of a VIP may send: without a lease all of it is dropped. */
uint16_t batch_send_leased(struct lane *lane, struct batch *batch);

#endif
