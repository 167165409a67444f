/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker does for one lane in one turn: take bursts, judge, partition, hand on. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rte_prefetch.h>

#include "batch.h"
#include "ethdev.h"
#include "kport.h"
#include "stage.h"

#define PREFETCH_AHEAD 4

static void packet_of(struct packet *packet, const struct lane *lane, struct rte_mbuf *mbuf)
{
	uint64_t checksum = mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	*packet = (struct packet){
		.data = rte_pktmbuf_mtod(mbuf, uint8_t *),
		.len = mbuf->data_len,
		.room = (uint16_t)(mbuf->buf_len - mbuf->data_off),
		.vlan_stripped = (mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0,
		.vlan_tci = mbuf->vlan_tci,
		.checksum_known =
			lane->iface->rx_checksum && (checksum == RTE_MBUF_F_RX_L4_CKSUM_GOOD ||
						     checksum == RTE_MBUF_F_RX_L4_CKSUM_BAD),
		.checksum_good = checksum == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
	};
}

/* Takes over what the packet code made of a frame, and forgets what the NIC said of it. */
static void packet_to(const struct packet *packet, struct rte_mbuf *mbuf)
{
	mbuf->data_off = (uint16_t)(packet->data - (uint8_t *)mbuf->buf_addr);
	mbuf->data_len = packet->len;
	mbuf->pkt_len = packet->len;
	mbuf->ol_flags = 0;
}

/* Takes an 802.1Q tag out of a frame. */
static void untag(struct rte_mbuf *mbuf)
{
	const struct rte_ether_hdr *ether = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	uint8_t *data = rte_pktmbuf_mtod(mbuf, uint8_t *);

	if (mbuf->data_len < sizeof(*ether) + RTE_VLAN_HLEN ||
	    ether->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN))
		return;
	memmove(data + RTE_VLAN_HLEN, data, 2 * sizeof(struct rte_ether_addr));
	rte_pktmbuf_adj(mbuf, RTE_VLAN_HLEN);
}

/* Queues a frame for control. Returns whether control must be told. */
static bool to_control(struct lane *lane, struct rte_mbuf *mbuf, uint8_t event, uint64_t now_ns)
{
	struct dataplane *dp = lane->worker->dp;
	struct frame_tag *tag = frame_tag(mbuf);

	untag(mbuf);
	tag->received_ns = now_ns;
	tag->interface = lane->iface->index;
	tag->type = event;
	if (rte_ring_enqueue(dp->events, mbuf) < 0) {
		mbuf_drop(lane, mbuf, DROP_EVENT_QUEUE_FULL);
		return false;
	}
	counter_add(&lane->counters.to_control, 1);
	return true;
}

/* Queues a copy for control; the frame itself goes its own way. */
static bool copy_to_control(struct lane *lane, const struct rte_mbuf *mbuf, uint8_t event,
			    uint64_t now_ns)
{
	struct rte_mbuf *copy = rte_pktmbuf_alloc(lane->iface->pool);

	if (copy == NULL) {
		/* Counted as made and dropped, so that the balance holds. */
		counter_add(&lane->counters.originated, 1);
		counter_add(&lane->counters.drops[DROP_NO_MBUF], 1);
		return false;
	}
	counter_add(&lane->counters.originated, 1);
	rte_memcpy(rte_pktmbuf_mtod(copy, void *), rte_pktmbuf_mtod(mbuf, const void *),
		   mbuf->data_len);
	copy->data_len = mbuf->data_len;
	copy->pkt_len = mbuf->data_len;
	return to_control(lane, copy, event, now_ns);
}

/* Wakes control, once for all that it has not looked at yet. */
static void control_wake(struct dataplane *dp)
{
	uint64_t one = 1;

	if (!atomic_exchange_explicit(&dp->event_signalled, true, memory_order_seq_cst) &&
	    write(dp->event_fd, &one, sizeof(one)) < 0)
		atomic_store_explicit(&dp->event_signalled, false, memory_order_seq_cst);
}

static void to_kernel(struct lane *lane, struct rte_mbuf *mbuf, bool verified)
{
	if (kport_write(lane->iface->kport, lane->queue, mbuf, verified) < 0) {
		mbuf_drop(lane, mbuf, DROP_KERNEL_FULL);
		return;
	}
	counter_add(&lane->counters.to_kernel, 1);
	rte_pktmbuf_free(mbuf);
}

/* Answers are counted once they have left. */
static void answers_count(struct lane *lane, const struct batch *batch, uint16_t sent)
{
	uint64_t count[PACKET_ANSWER_ECHO + 1] = {0};

	for (uint16_t i = 0; i < sent; i++)
		count[batch->answered[i]]++;
	counter_add(&lane->counters.arp_answered, count[PACKET_ANSWER_ARP]);
	counter_add(&lane->counters.ndp_answered, count[PACKET_ANSWER_NDP]);
	counter_add(&lane->counters.echo_answered, count[PACKET_ANSWER_ECHO]);
}

static struct packet_verdict judge(struct lane *lane, struct rte_mbuf *mbuf,
				   const struct vip_table *vips, uint64_t now_ns, bool *verified)
{
	struct packet_verdict verdict;
	struct packet packet;

	if (mbuf->nb_segs != 1)
		return (struct packet_verdict){.verdict = VERDICT_DROP, .reason = DROP_OVERSIZED};
	packet_of(&packet, lane, mbuf);
	verdict = classify_from_wire(&lane->iface->env, vips, &lane->state, &packet, now_ns);
	packet_to(&packet, mbuf);
	*verified = packet.checksum_verified;
	return verdict;
}

unsigned int stage_from_wire(struct lane *lane, uint64_t now_ns)
{
	struct iface *iface = lane->iface;
	const struct vip_table *vips;
	struct rte_mbuf *rx[BURST];
	struct batch wire, answers;
	uint64_t bytes = 0;
	bool wake = false;
	uint16_t n;

	n = rte_eth_rx_burst(iface->port, lane->queue, rx, BURST);
	if (n == 0)
		return 0;
	answers.count = 0;
	wire.count = 0;
	vips = atomic_load_explicit(&iface->vips, memory_order_acquire);
	for (uint16_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(rx[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *mbuf = rx[i];
		struct packet_verdict verdict;
		bool verified = false;

		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(rx[i + PREFETCH_AHEAD], void *));
		bytes += mbuf->pkt_len;
		verdict = judge(lane, mbuf, vips, now_ns, &verified);
		if (verdict.copy_to_control)
			wake |= copy_to_control(lane, mbuf, verdict.event, now_ns);
		switch (verdict.verdict) {
		case VERDICT_KERNEL:
			to_kernel(lane, mbuf, verified);
			break;
		case VERDICT_WIRE:
			batch_add(&wire, mbuf, verdict.answered);
			break;
		case VERDICT_ANSWER:
			batch_add(&answers, mbuf, verdict.answered);
			break;
		case VERDICT_CONTROL:
			wake |= to_control(lane, mbuf, verdict.event, now_ns);
			break;
		default:
			mbuf_drop(lane, mbuf, verdict.reason);
		}
	}
	counter_add(&lane->counters.rx_packets, n);
	counter_add(&lane->counters.rx_bytes, bytes);
	answers_count(lane, &wire, batch_send(lane, &wire));
	answers_count(lane, &answers, batch_send_leased(lane, &answers));
	if (wake)
		control_wake(lane->worker->dp);
	return n;
}

/* Judges one frame of the kernel's. It ends in the batch or is freed. */
static void from_kernel_one(struct lane *lane, struct rte_mbuf *mbuf, const struct vip_table *vips,
			    struct batch *wire, uint64_t now_ns)
{
	struct packet_verdict verdict;
	struct packet packet;

	packet_of(&packet, lane, mbuf);
	verdict = guard_from_kernel(&lane->iface->env, vips, &lane->state, &packet, now_ns);
	packet_to(&packet, mbuf);
	if (verdict.verdict != VERDICT_WIRE) {
		mbuf_drop(lane, mbuf, verdict.reason);
		return;
	}
	batch_add(wire, mbuf, PACKET_ANSWER_NONE);
}

unsigned int stage_from_kernel(struct lane *lane, uint64_t now_ns)
{
	const struct iface *iface = lane->iface;
	const struct vip_table *vips = atomic_load_explicit(&iface->vips, memory_order_acquire);
	struct batch wire;
	unsigned int n = 0;

	wire.count = 0;
	while (n < BURST) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(iface->pool);
		int len;

		if (mbuf == NULL) /* the frame stays in the kernel's queue, which counts its own */
			break;
		len = kport_read(iface->kport, lane->queue, mbuf);
		if (len == 0) {
			rte_pktmbuf_free(mbuf);
			break;
		}
		n++;
		if (len < 0)
			mbuf_drop(lane, mbuf, DROP_GUARD_MALFORMED);
		else
			from_kernel_one(lane, mbuf, vips, &wire, now_ns);
	}
	if (n == 0)
		return 0;
	counter_add(&lane->counters.from_kernel, n);
	batch_send(lane, &wire);
	return n;
}
