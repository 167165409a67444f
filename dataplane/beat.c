/* SPDX-License-Identifier: BSD-3-Clause */
/* What control has to say on the wire: heartbeats, sent on time, and frames from its ring. */
#include <string.h>

#include "batch.h"
#include "ethdev.h"
#include "stage.h"

#define NS_PER_MS  UINT64_C(1000000)
#define LAPSED_MAX (HEARTBEAT_LAPSED_EVER - 1)

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
	mbuf_pad(mbuf);
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
		mbuf_drop(lane, mbuf, DROP_NO_LEASE); /* no key yet: nothing could believe it */
		return false;
	}
	seq = atomic_fetch_add_explicit(&iface->seq, 1, memory_order_relaxed) + 1;
	now_ns = clock_ns();
	heartbeat_stamp(body, mbuf->data_len, seq, lapsed_ms(iface, now_ns));
	if (signer_sign(signer, body, mbuf->data_len) < 0) {
		mbuf_drop(lane, mbuf, DROP_NO_MBUF); /* libcrypto found no memory */
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
		/* What was asked for at once may have been published after the body was read. Only
		 * a read-modify-write is sure to see the body of the request that it clears. */
		atomic_exchange_explicit(&iface->beat_now, false, memory_order_acq_rel);
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
			mbuf_drop(lane, mbuf, DROP_NO_LEASE);
	}
	batch_send(lane, &plain);
	counter_add(&lane->counters.announced, batch_send_leased(lane, &announcements));
	return n;
}
