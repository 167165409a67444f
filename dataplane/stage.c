/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker does for one lane in one turn: take bursts, judge, partition, hand on. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rte_prefetch.h>

#include "ethdev.h"
#include "kport.h"
#include "stage.h"

#define MIN_FRAME      (RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN)
#define NS_PER_MS      UINT64_C(1000000)
#define LAPSED_MAX     (HEARTBEAT_LAPSED_EVER - 1)
#define PREFETCH_AHEAD 4

/* Frames of one burst that go the same way. */
struct batch {
	struct rte_mbuf *mbuf[BURST];
	uint8_t answered[BURST]; /* enum packet_answer, where the packet code says so */
	uint16_t count;
};

static void drop(struct lane *lane, struct rte_mbuf *mbuf, enum drop_reason reason)
{
	counter_add(&lane->counters.drops[reason], 1);
	rte_pktmbuf_free(mbuf);
}

static void drop_all(struct lane *lane, struct rte_mbuf **mbufs, uint16_t count,
		     enum drop_reason reason)
{
	if (count == 0)
		return;
	counter_add(&lane->counters.drops[reason], count);
	rte_pktmbuf_free_bulk(mbufs, count);
}

/* Sends a batch; what the NIC does not take is freed and counted. Returns how many it took. */
static uint16_t batch_send(struct lane *lane, struct batch *batch)
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
	drop_all(lane, &batch->mbuf[sent], batch->count - sent, DROP_TX_FULL);
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

/* Sends a batch that only the owner of a VIP may send. Returns how many left. */
static uint16_t batch_send_leased(struct lane *lane, struct batch *batch)
{
	if (batch->count == 0)
		return 0;
	if (leased(lane->iface))
		return batch_send(lane, batch);
	drop_all(lane, batch->mbuf, batch->count, DROP_NO_LEASE);
	batch->count = 0;
	return 0;
}

/* Zero-fills a frame to the shortest that Ethernet allows. */
static void pad(struct rte_mbuf *mbuf)
{
	uint16_t missing;

	if (mbuf->pkt_len >= MIN_FRAME)
		return;
	missing = (uint16_t)(MIN_FRAME - mbuf->pkt_len);
	memset(rte_pktmbuf_mtod_offset(mbuf, uint8_t *, mbuf->data_len), 0, missing);
	mbuf->data_len += missing;
	mbuf->pkt_len += missing;
}

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
		drop(lane, mbuf, DROP_EVENT_QUEUE_FULL);
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
		drop(lane, mbuf, DROP_KERNEL_FULL);
		return;
	}
	counter_add(&lane->counters.to_kernel, 1);
	rte_pktmbuf_free(mbuf);
}

static void batch_add(struct batch *batch, struct rte_mbuf *mbuf, uint8_t answered)
{
	pad(mbuf);
	batch->answered[batch->count] = answered;
	batch->mbuf[batch->count++] = mbuf;
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
			drop(lane, mbuf, verdict.reason);
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
		drop(lane, mbuf, verdict.reason);
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
			drop(lane, mbuf, DROP_GUARD_MALFORMED);
		else
			from_kernel_one(lane, mbuf, vips, &wire, now_ns);
	}
	if (n == 0)
		return 0;
	counter_add(&lane->counters.from_kernel, n);
	batch_send(lane, &wire);
	return n;
}

/* Puts an Ethernet header, with the interface's tag, before a heartbeat. */
static void beat_header(const struct iface *iface, struct rte_mbuf *mbuf)
{
	static const struct rte_ether_addr group = HEARTBEAT_MAC;
	bool tagged = iface->env.vlan != 0;
	struct rte_ether_hdr *ether;

	ether = (struct rte_ether_hdr *)rte_pktmbuf_prepend(
		mbuf, sizeof(*ether) + (tagged ? RTE_VLAN_HLEN : 0));
	ether->dst_addr = group;
	ether->src_addr = iface->env.mac;
	ether->ether_type = rte_cpu_to_be_16(tagged ? RTE_ETHER_TYPE_VLAN : HEARTBEAT_ETHERTYPE);
	if (tagged) {
		struct rte_vlan_hdr *vlan = (struct rte_vlan_hdr *)(ether + 1);

		vlan->vlan_tci = rte_cpu_to_be_16(iface->env.vlan);
		vlan->eth_proto = rte_cpu_to_be_16(HEARTBEAT_ETHERTYPE);
	}
	pad(mbuf);
}

static uint16_t lapsed_ms(const struct iface *iface, uint64_t now_ns)
{
	uint64_t until_ns = atomic_load_explicit(&iface->lease_ns, memory_order_acquire);
	uint64_t lapsed;

	if (until_ns == 0)
		return HEARTBEAT_LAPSED_EVER;
	if (now_ns < until_ns)
		return 0;
	lapsed = (now_ns - until_ns) / NS_PER_MS;
	if (lapsed < 1)
		return 1;
	return lapsed > LAPSED_MAX ? LAPSED_MAX : (uint16_t)lapsed;
}

/* Notes when a message leaves: before it does, so that no answer can come first. */
static void sent_note(struct iface *iface, uint64_t seq, uint64_t at_ns)
{
	struct sent_slot *slot = &iface->sent[seq % SENT_SLOTS];

	atomic_store_explicit(&slot->seq, 0, memory_order_release);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&slot->at_ns, at_ns, memory_order_relaxed);
	atomic_store_explicit(&slot->seq, seq, memory_order_release);
}

/* Stamps, signs and sends the message in mbuf, which is a body alone. Returns whether it left. */
static bool message_send(struct lane *lane, struct rte_mbuf *mbuf)
{
	struct iface *iface = lane->iface;
	struct signer *signer = atomic_load_explicit(&iface->signer, memory_order_acquire);
	uint8_t *body = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct batch one;
	uint64_t seq, now_ns;

	if (signer == NULL) {
		drop(lane, mbuf, DROP_NO_LEASE); /* no key yet: nothing could believe it */
		return false;
	}
	seq = atomic_fetch_add_explicit(&iface->seq, 1, memory_order_relaxed) + 1;
	now_ns = clock_ns();
	heartbeat_stamp(body, mbuf->data_len, seq, lapsed_ms(iface, now_ns));
	if (signer_sign(signer, body, mbuf->data_len) < 0) {
		drop(lane, mbuf, DROP_NO_MBUF); /* libcrypto found no memory */
		return false;
	}
	beat_header(iface, mbuf);
	sent_note(iface, seq, clock_ns());
	one.mbuf[0] = mbuf;
	one.count = 1;
	return batch_send(lane, &one) == 1;
}

unsigned int stage_beat(struct lane *lane, uint64_t now_ns)
{
	struct iface *iface = lane->iface;
	const struct beat *beat = atomic_load_explicit(&iface->beat, memory_order_acquire);
	struct rte_mbuf *mbuf;
	bool at_once;

	if (beat == NULL || beat->len == 0)
		return 0;
	at_once = atomic_load_explicit(&iface->beat_now, memory_order_relaxed);
	if (lane->next_beat_ns > now_ns + beat->interval_ns)
		lane->next_beat_ns = now_ns + beat->interval_ns; /* the interval became shorter */
	if (!at_once && now_ns < lane->next_beat_ns)
		return 0;
	if (at_once) {
		atomic_store_explicit(&iface->beat_now, false, memory_order_relaxed);
		/* What was asked for at once may have been published after the body was read. */
		beat = atomic_load_explicit(&iface->beat, memory_order_acquire);
		if (beat == NULL || beat->len == 0)
			return 0;
		lane->next_beat_ns = now_ns;
	}
	lane->next_beat_ns += beat->interval_ns;
	if (lane->next_beat_ns <= now_ns) /* late by more than a beat: no burst to catch up */
		lane->next_beat_ns = now_ns + beat->interval_ns;
	counter_add(&lane->counters.originated, 1);
	mbuf = rte_pktmbuf_alloc(iface->pool);
	if (mbuf == NULL) {
		counter_add(&lane->counters.drops[DROP_NO_MBUF], 1);
		return 1;
	}
	rte_memcpy(rte_pktmbuf_append(mbuf, beat->len), beat->body, beat->len);
	if (message_send(lane, mbuf))
		counter_add(&lane->counters.beats_sent, 1);
	return 1;
}

/* Whether a VIP is still ours to announce. */
static bool still_owned(const struct vip_table *vips, const struct ip *vip)
{
	int index = vips == NULL ? -1 : vip_table_lookup(vips, vip);

	return index >= 0 && vip_table_owned(vips, index);
}

unsigned int stage_from_control(struct lane *lane)
{
	struct iface *iface = lane->iface;
	struct batch plain, announcements;
	const struct vip_table *vips;
	void *queued[BURST];
	unsigned int n;

	plain.count = 0;
	announcements.count = 0;
	n = rte_ring_sc_dequeue_burst(iface->send, queued, BURST, NULL);
	if (n == 0)
		return 0;
	counter_add(&lane->counters.originated, n);
	vips = atomic_load_explicit(&iface->vips, memory_order_acquire);
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *mbuf = queued[i];
		const struct frame_tag *tag = frame_tag(mbuf);

		if (tag->type == DATAPLANE_SEND_HEARTBEAT)
			message_send(lane, mbuf);
		else if (tag->type == DATAPLANE_SEND_PLAIN)
			plain.mbuf[plain.count++] = mbuf;
		else if (still_owned(vips, &tag->vip))
			announcements.mbuf[announcements.count++] = mbuf;
		else
			drop(lane, mbuf, DROP_NO_LEASE);
	}
	batch_send(lane, &plain);
	counter_add(&lane->counters.announced, batch_send_leased(lane, &announcements));
	return n;
}
