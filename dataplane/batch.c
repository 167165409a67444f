/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on their way out: one TX burst, under the lease where there must be one. */
#include <string.h>

#include "batch.h"
#include "ethdev.h"

#define MIN_FRAME (RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN)

void mbuf_drop(struct lane *lane, struct rte_mbuf *mbuf, enum drop_reason reason)
{
	counter_add(&lane->counters.drops[reason], 1);
	rte_pktmbuf_free(mbuf);
}

static void batch_drop(struct lane *lane, struct rte_mbuf **mbufs, uint16_t count,
		       enum drop_reason reason)
{
	if (count == 0)
		return;
	counter_add(&lane->counters.drops[reason], count);
	rte_pktmbuf_free_bulk(mbufs, count);
}

uint16_t batch_send(struct lane *lane, struct batch *batch)
{
	uint64_t bytes = 0, unsent = 0;
	uint16_t sent;

	if (batch->count == 0)
		return 0;
	for (uint16_t i = 0; i < batch->count; i++)
		bytes += batch->mbuf[i]->pkt_len;
	sent = rte_eth_tx_burst(lane->iface->port, lane->queue, batch->mbuf, batch->count);
	for (uint16_t i = sent; i < batch->count; i++)
		unsent += batch->mbuf[i]->pkt_len;
	counter_add(&lane->counters.tx_packets, sent);
	counter_add(&lane->counters.tx_bytes, bytes - unsent);
	batch_drop(lane, &batch->mbuf[sent], batch->count - sent, DROP_TX_FULL);
	batch->count = 0;
	return sent;
}

/*
 * Whether answers may leave now. The lease is read first and the clock last, so that a process
 * that is stopped in between finds the lease run out when it goes on.
 */
static bool leased(const struct iface *iface)
{
	uint64_t until_ns = atomic_load_explicit(&iface->lease_ns, memory_order_acquire);

	return clock_ns() < until_ns;
}

uint16_t batch_send_leased(struct lane *lane, struct batch *batch)
{
	if (batch->count == 0)
		return 0;
	if (leased(lane->iface))
		return batch_send(lane, batch);
	batch_drop(lane, batch->mbuf, batch->count, DROP_NO_LEASE);
	batch->count = 0;
	return 0;
}

void mbuf_pad(struct rte_mbuf *mbuf)
{
	uint16_t missing;

	if (mbuf->pkt_len >= MIN_FRAME)
		return;
	missing = (uint16_t)(MIN_FRAME - mbuf->pkt_len);
	memset(rte_pktmbuf_mtod_offset(mbuf, uint8_t *, mbuf->data_len), 0, missing);
	mbuf->data_len += missing;
	mbuf->pkt_len += missing;
}

void batch_add(struct batch *batch, struct rte_mbuf *mbuf, uint8_t answered)
{
	mbuf_pad(mbuf);
	batch->answered[batch->count] = answered;
	batch->mbuf[batch->count++] = mbuf;
}
