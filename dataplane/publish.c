/* SPDX-License-Identifier: BSD-3-Clause */
/* What control publishes to the workers, sends through them and hears from them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dplog.h"
#include "publish.h"
#include "worker.h"

void publish_reclaim(struct dataplane *dp)
{
	struct retired **link = &dp->retired;

	while (*link != NULL) {
		struct retired *retired = *link;

		if (dp->launched && rte_rcu_qsbr_check(dp->rcu, retired->token, false) == 0) {
			link = &retired->next;
			continue;
		}
		*link = retired->next;
		retired->free(retired->what);
		free(retired);
	}
}

/* Frees `what` once no worker can look at it any more; it has been unpublished. */
static void retire(struct dataplane *dp, struct retired *slip, void (*free_fn)(void *), void *what)
{
	if (what == NULL) {
		free(slip);
	} else {
		slip->free = free_fn;
		slip->what = what;
		slip->token = rte_rcu_qsbr_start(dp->rcu);
		slip->next = dp->retired;
		dp->retired = slip;
	}
	publish_reclaim(dp);
}

static void table_free(void *table)
{
	vip_table_free(table);
}

static void key_free(void *signer)
{
	signer_free(signer);
}

int dataplane_vips_publish(struct dataplane *dp, size_t interface, const struct vip_spec *vips,
			   size_t count)
{
	struct iface *iface = dp->iface[interface];
	struct retired *slip = malloc(sizeof(*slip));
	struct vip_table *table, *old;

	if (slip == NULL)
		return -ENOMEM;
	table = vip_table_create(vips, count);
	if (table == NULL) {
		free(slip);
		return -errno;
	}
	old = atomic_exchange_explicit(&iface->vips, table, memory_order_acq_rel);
	retire(dp, slip, table_free, old);
	return 0;
}

int dataplane_vip_own(struct dataplane *dp, size_t interface, const struct ip *vip, bool owned)
{
	/* Control alone replaces the table, and control is who is asking. */
	struct vip_table *table =
		atomic_load_explicit(&dp->iface[interface]->vips, memory_order_relaxed);
	int index = vip_table_lookup(table, vip);

	if (index < 0)
		return -ENOENT;
	vip_table_own(table, index, owned);
	return 0;
}

void dataplane_lease_set(struct dataplane *dp, size_t interface, uint64_t until_ns)
{
	atomic_store_explicit(&dp->iface[interface]->lease_ns, until_ns, memory_order_release);
}

static int key_set(struct dataplane *dp, struct iface *iface, const uint8_t key[32])
{
	struct signer *signer = atomic_load_explicit(&iface->signer, memory_order_relaxed);
	struct retired *slip;

	if (key == NULL || (signer != NULL && memcmp(iface->key, key, sizeof(iface->key)) == 0))
		return 0;
	slip = malloc(sizeof(*slip));
	if (slip == NULL)
		return -ENOMEM;
	signer = signer_create(key);
	if (signer == NULL) {
		free(slip);
		return -ENOMEM;
	}
	memcpy(iface->key, key, sizeof(iface->key));
	signer = atomic_exchange_explicit(&iface->signer, signer, memory_order_acq_rel);
	retire(dp, slip, key_free, signer);
	return 0;
}

int dataplane_beat_set(struct dataplane *dp, size_t interface, const uint8_t *body, size_t len,
		       uint64_t interval_ns, const uint8_t key[32], bool now)
{
	struct iface *iface = dp->iface[interface];
	struct retired *slip;
	struct beat *beat;
	int ret;

	if (len > HEARTBEAT_MAX_LEN || (len > 0 && (len <= HEARTBEAT_TAG_LEN || interval_ns == 0)))
		return -EINVAL;
	if (len > (size_t)iface->env.mtu)
		return -EMSGSIZE;
	ret = key_set(dp, iface, key);
	if (ret < 0)
		return ret;
	slip = malloc(sizeof(*slip));
	beat = malloc(sizeof(*beat));
	if (slip == NULL || beat == NULL) {
		free(slip);
		free(beat);
		return -ENOMEM;
	}
	beat->interval_ns = interval_ns;
	beat->len = (uint16_t)len;
	if (len > 0)
		memcpy(beat->body, body, len);
	beat = atomic_exchange_explicit(&iface->beat, beat, memory_order_acq_rel);
	if (now)
		atomic_store_explicit(&iface->beat_now, true, memory_order_release);
	/* Also for a first body or a shorter interval: the wait was reckoned without it. */
	worker_wake(iface->lane[0]->worker);
	retire(dp, slip, free, beat);
	return 0;
}

/* Control's own drops: it is the one writer of these. */
static int send_refused(struct iface *iface, enum drop_reason reason)
{
	counter_add(&iface->control.drops[reason], 1);
	return -ENOBUFS;
}

int dataplane_send(struct dataplane *dp, size_t interface, enum dataplane_send kind,
		   const struct ip *vip, const uint8_t *frame, size_t len)
{
	struct iface *iface = dp->iface[interface];
	struct frame_tag *tag;
	struct rte_mbuf *mbuf;

	if (kind == DATAPLANE_SEND_HEARTBEAT
		    ? len <= HEARTBEAT_TAG_LEN || len > HEARTBEAT_MAX_LEN || len > iface->env.mtu
		    : len < RTE_ETHER_HDR_LEN || len > DATAPLANE_FRAME_MAX)
		return -EMSGSIZE;
	mbuf = rte_pktmbuf_alloc(dp->send_pool);
	if (mbuf == NULL)
		return send_refused(iface, DROP_NO_MBUF);
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)len), frame, len);
	tag = frame_tag(mbuf);
	tag->type = (uint8_t)kind;
	tag->interface = iface->index;
	tag->vip = vip != NULL ? *vip : (struct ip){0};
	if (rte_ring_sp_enqueue(iface->send, mbuf) < 0) {
		rte_pktmbuf_free(mbuf);
		return send_refused(iface, DROP_TX_FULL);
	}
	worker_wake(iface->lane[0]->worker);
	return 0;
}

uint64_t dataplane_sent_at(const struct dataplane *dp, size_t interface, uint32_t seq_low)
{
	const struct iface *iface = dp->iface[interface];
	uint64_t newest = atomic_load_explicit(&iface->seq, memory_order_acquire);
	uint32_t back = (uint32_t)newest - seq_low;
	const struct sent_slot *slot;
	uint64_t seq, at_ns;

	if (back >= SENT_SLOTS || back >= newest)
		return 0;
	seq = newest - back;
	slot = &iface->sent[seq % SENT_SLOTS];
	if (atomic_load_explicit(&slot->seq, memory_order_acquire) != seq)
		return 0;
	at_ns = atomic_load_explicit(&slot->at_ns, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	/* The worker may have reused the slot meanwhile. */
	return atomic_load_explicit(&slot->seq, memory_order_relaxed) == seq ? at_ns : 0;
}

uint64_t dataplane_next_seq(struct dataplane *dp, size_t interface)
{
	return atomic_fetch_add_explicit(&dp->iface[interface]->seq, 1, memory_order_relaxed) + 1;
}

uint64_t dataplane_polled_at(const struct dataplane *dp, size_t interface)
{
	const struct iface *iface = dp->iface[interface];
	uint64_t oldest = UINT64_MAX;

	for (uint16_t q = 0; q < iface->queues; q++) {
		uint64_t turn_ns = counter_get(&iface->lane[q]->worker->turn_ns);

		if (turn_ns < oldest)
			oldest = turn_ns;
	}
	return oldest;
}

uint64_t dataplane_boot_id(const struct dataplane *dp)
{
	return dp->boot_id;
}

int dataplane_event_fd(const struct dataplane *dp)
{
	return dp->event_fd;
}

size_t dataplane_events_drain(struct dataplane *dp, size_t max,
			      void (*handle)(void *arg, const struct dataplane_event *event),
			      void *arg)
{
	uint64_t events, one = 1;
	size_t count = 0;
	void *queued;

	/* First the bell, then the ring: what comes in between rings it again. */
	if (read(dp->event_fd, &events, sizeof(events)) < 0 && errno != EAGAIN)
		return 0;
	atomic_store_explicit(&dp->event_signalled, false, memory_order_seq_cst);
	/* A worker that found the bell rung has queued before: its frame must be seen below. */
	atomic_thread_fence(memory_order_seq_cst);
	while (count < max && rte_ring_sc_dequeue(dp->events, &queued) == 0) {
		struct rte_mbuf *mbuf = queued;
		const struct frame_tag *tag = frame_tag(mbuf);
		struct dataplane_event event = {
			.type = (enum packet_event)tag->type,
			.interface = tag->interface,
			.received_ns = tag->received_ns,
			.frame = rte_pktmbuf_mtod(mbuf, const uint8_t *),
			.len = mbuf->data_len,
		};

		handle(arg, &event);
		rte_pktmbuf_free(mbuf);
		count++;
	}
	if (count == max && !rte_ring_empty(dp->events) &&
	    !atomic_exchange_explicit(&dp->event_signalled, true, memory_order_seq_cst) &&
	    write(dp->event_fd, &one, sizeof(one)) < 0)
		atomic_store_explicit(&dp->event_signalled, false, memory_order_seq_cst);
	publish_reclaim(dp);
	dplog_flush();
	return count;
}
