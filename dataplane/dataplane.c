/* SPDX-License-Identifier: BSD-3-Clause */
/* The only door of the dataplane: start, stop, and what control publishes, sends and reads. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_malloc.h>

#include "dataplane.h"
#include "eal.h"
#include "ethdev.h"
#include "iface.h"
#include "kport.h"
#include "pool.h"
#include "dplog.h"
#include "runtime.h"
#include "worker.h"

#define SEND_POOL  2047
#define SEND_CACHE 64
#define DEVICE_LEN 256

/* Frees what every worker has stopped looking at. */
static void reclaim(struct dataplane *dp)
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
	reclaim(dp);
}

static void table_free(void *table)
{
	vip_table_free(table);
}

static void key_free(void *signer)
{
	signer_free(signer);
}

static struct dataplane *dp_alloc(void)
{
	struct dataplane *dp = calloc(1, sizeof(*dp));

	if (dp == NULL)
		return NULL;
	dp->event_fd = -1;
	for (size_t i = 0; i < DATAPLANE_MAX_INTERFACES; i++)
		dp->claim[i] = -1;
	return dp;
}

static void dp_free(struct dataplane *dp)
{
	if (dp->event_fd >= 0)
		close(dp->event_fd);
	for (size_t i = 0; i < DATAPLANE_MAX_INTERFACES; i++)
		if (dp->claim[i] >= 0)
			close(dp->claim[i]);
	free(dp);
}

static int config_check(const struct dataplane_config *config, char *error, size_t error_len)
{
	if (config->interface_count == 0 || config->interface_count > DATAPLANE_MAX_INTERFACES) {
		snprintf(error, error_len, "%zu interfaces: expected 1 to %d",
			 config->interface_count, DATAPLANE_MAX_INTERFACES);
		return -EINVAL;
	}
	if (config->lcore_count == 0 || config->lcore_count > DATAPLANE_MAX_WORKERS) {
		snprintf(error, error_len, "%zu lcores: expected 1 to %d", config->lcore_count,
			 DATAPLANE_MAX_WORKERS);
		return -EINVAL;
	}
	for (size_t i = 0; i < config->interface_count; i++) {
		char name[RTE_ETH_NAME_MAX_LEN], other[RTE_ETH_NAME_MAX_LEN];

		if (eal_device_name(config->interfaces[i].device, name) < 0) {
			snprintf(error, error_len,
				 "device \"%.80s\": expected a PCI address or a DPDK vdev",
				 config->interfaces[i].device);
			return -EINVAL;
		}
		for (size_t j = 0; j < i; j++) {
			if (eal_device_name(config->interfaces[j].device, other) < 0 ||
			    strcmp(name, other) != 0)
				continue;
			snprintf(error, error_len,
				 "interfaces %s and %s have one device, %s: a device shared by "
				 "vlan is not part of this version",
				 config->interfaces[j].name, config->interfaces[i].name, name);
			return -ENOTSUP;
		}
	}
	return 0;
}

static int eal_start(struct dataplane *dp, const struct dataplane_config *config,
		     char devices[DATAPLANE_MAX_INTERFACES][DEVICE_LEN], char *error,
		     size_t error_len)
{
	const char *list[DATAPLANE_MAX_INTERFACES];

	for (size_t i = 0; i < config->interface_count; i++) {
		int ret = iface_prepare(&config->interfaces[i], config->lcore_count, devices[i],
					DEVICE_LEN, &dp->claim[i], error, error_len);

		if (ret < 0)
			return ret;
		list[i] = devices[i];
	}
	dplog_forget();
	return eal_init(config, list, error, error_len);
}

static int rcu_create(struct dataplane *dp, size_t workers)
{
	size_t size = rte_rcu_qsbr_get_memsize((uint32_t)workers);

	dp->rcu = rte_zmalloc("rcu", size, RTE_CACHE_LINE_SIZE);
	if (dp->rcu == NULL || rte_rcu_qsbr_init(dp->rcu, (uint32_t)workers) != 0)
		return -ENOMEM;
	for (size_t i = 0; i < workers; i++)
		rte_rcu_qsbr_thread_register(dp->rcu, (unsigned int)i);
	return 0;
}

static bool any_pci(const struct dataplane_config *config)
{
	for (size_t i = 0; i < config->interface_count; i++)
		if (eal_device_is_pci(config->interfaces[i].device))
			return true;
	return false;
}

static int shared_create(struct dataplane *dp, const struct dataplane_config *config)
{
	dp->adaptive = config->idle == DATAPLANE_IDLE_ADAPTIVE;
	dp->wait_max_ns = config->wait_max_ns > 0 ? config->wait_max_ns : UINT64_C(20000000);
	if (getrandom(&dp->boot_id, sizeof(dp->boot_id), 0) != sizeof(dp->boot_id))
		return -EIO;
	dp->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (dp->event_fd < 0)
		return -errno;
	dp->events = rte_ring_create("events", EVENT_RING, SOCKET_ID_ANY, RING_F_SC_DEQ);
	dp->send_pool = pool_create("send", SEND_POOL, SEND_CACHE,
				    RTE_PKTMBUF_HEADROOM + DATAPLANE_FRAME_MAX + 64, SOCKET_ID_ANY,
				    any_pci(config));
	if (dp->events == NULL || dp->send_pool == NULL)
		return -ENOMEM;
	return rcu_create(dp, config->lcore_count);
}

static int workers_create(struct dataplane *dp, const struct dataplane_config *config)
{
	for (size_t i = 0; i < config->lcore_count; i++) {
		struct worker *worker = rte_zmalloc_socket(
			"worker", sizeof(*worker), RTE_CACHE_LINE_SIZE,
			eal_hugepages() ? (int)rte_lcore_to_socket_id((unsigned int)i + 1)
					: SOCKET_ID_ANY);

		if (worker == NULL)
			return -ENOMEM;
		dp->worker[dp->worker_count++] = worker;
		worker->dp = dp;
		worker->index = (unsigned int)i;
		worker->lcore = (unsigned int)i + 1;
		worker->cpu = config->lcores[i];
		worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (worker->wake_fd < 0)
			return -errno;
		atomic_init(&worker->turn_ns, clock_ns());
	}
	return 0;
}

/* Deals an interface's queues to the workers, each interface beginning with the next worker. */
static int lanes_create(struct dataplane *dp, struct iface *iface)
{
	for (uint16_t q = 0; q < iface->queues; q++) {
		struct worker *worker = dp->worker[(iface->index + q) % dp->worker_count];
		struct lane *lane =
			rte_zmalloc_socket("lane", sizeof(*lane), RTE_CACHE_LINE_SIZE,
					   eal_hugepages() ? iface->socket : SOCKET_ID_ANY);
		int ret;

		if (lane == NULL)
			return -ENOMEM;
		lane->iface = iface;
		lane->worker = worker;
		lane->queue = q;
		lane->first = q == 0;
		iface->lane[q] = lane;
		ret = packet_state_init(&lane->state, FLOWS_PER_LANE);
		if (ret < 0)
			return ret;
		worker->lane[worker->lane_count++] = lane;
	}
	return 0;
}

static int ifaces_create(struct dataplane *dp, const struct dataplane_config *config,
			 char devices[DATAPLANE_MAX_INTERFACES][DEVICE_LEN], char *error,
			 size_t error_len)
{
	for (size_t i = 0; i < config->interface_count; i++) {
		struct vip_table *none;
		int ret = iface_open(config, i, devices[i], &dp->iface[i], error, error_len);

		if (ret < 0)
			return ret;
		dp->iface_count++;
		none = vip_table_create(NULL, 0);
		if (none == NULL)
			return -errno;
		atomic_init(&dp->iface[i]->vips, none);
		ret = lanes_create(dp, dp->iface[i]);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static int launch(struct dataplane *dp, char *error, size_t error_len)
{
	for (size_t i = 0; i < dp->iface_count; i++) {
		struct iface *iface = dp->iface[i];
		int ret = iface_start(iface, error, error_len);

		if (ret < 0)
			return ret;
		for (uint16_t q = 0; q < iface->queues; q++)
			iface_lane_wait(iface, iface->lane[q]);
	}
	dp->launched = true;
	for (size_t i = 0; i < dp->worker_count; i++) {
		int ret = rte_eal_remote_launch(worker_main, dp->worker[i], dp->worker[i]->lcore);

		if (ret < 0) {
			snprintf(error, error_len, "lcore %u cannot be used: %s",
				 dp->worker[i]->cpu, strerror(-ret));
			return ret;
		}
	}
	return 0;
}

static void workers_stop(struct dataplane *dp)
{
	atomic_store_explicit(&dp->stop, true, memory_order_release);
	for (size_t i = 0; i < dp->worker_count && dp->launched; i++) {
		worker_wake(dp->worker[i]);
		rte_eal_wait_lcore(dp->worker[i]->lcore);
	}
	dp->launched = false;
}

static void ring_drain(struct rte_ring *ring)
{
	void *mbuf;

	while (ring != NULL && rte_ring_dequeue(ring, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

static void published_free(struct iface *iface)
{
	vip_table_free(atomic_load_explicit(&iface->vips, memory_order_relaxed));
	signer_free(atomic_load_explicit(&iface->signer, memory_order_relaxed));
	free(atomic_load_explicit(&iface->beat, memory_order_relaxed));
	explicit_bzero(iface->key, sizeof(iface->key));
}

static void lanes_free(struct iface *iface)
{
	for (uint16_t q = 0; q < iface->queues; q++) {
		if (iface->lane[q] == NULL)
			continue;
		packet_state_fini(&iface->lane[q]->state);
		rte_free(iface->lane[q]);
	}
}

static int iface_end(struct iface *iface)
{
	int64_t balance = counters_balance(iface);
	int ret = 0;

	if (balance != 0) {
		dplog(DATAPLANE_LOG_ERROR, "%s: %" PRId64 " more frames came in than went out",
		      iface->name, balance);
		ret = -EBUSY;
	}
	ring_drain(iface->send);
	iface_stop(iface);
	lanes_free(iface);
	published_free(iface);
	return ret;
}

int dataplane_stop(struct dataplane *dp)
{
	int ret = 0;

	if (dp == NULL)
		return 0;
	workers_stop(dp);
	ring_drain(dp->events);
	for (size_t i = 0; i < dp->iface_count; i++)
		if (iface_end(dp->iface[i]) < 0)
			ret = -EBUSY;
	reclaim(dp);
	if (pool_missing(dp->send_pool, 0) > 0)
		ret = -EBUSY;
	for (size_t i = 0; i < dp->iface_count; i++) {
		if (pool_missing(dp->iface[i]->pool, iface_mbufs_kept(dp->iface[i])) > 0)
			ret = -EBUSY;
		iface_free(dp->iface[i]);
	}
	for (size_t i = 0; i < dp->worker_count; i++) {
		if (dp->worker[i]->wake_fd > 0)
			close(dp->worker[i]->wake_fd);
		rte_free(dp->worker[i]);
	}
	rte_mempool_free(dp->send_pool);
	rte_ring_free(dp->events);
	rte_free(dp->rcu);
	rte_eal_cleanup();
	dp_free(dp);
	dplog_flush();
	return ret;
}

int dataplane_start(const struct dataplane_config *config, struct dataplane **out, char *error,
		    size_t error_len)
{
	char devices[DATAPLANE_MAX_INTERFACES][DEVICE_LEN];
	static bool started; /* EAL can be initialised once */
	struct dataplane *dp;
	int ret;

	error[0] = '\0';
	ret = config_check(config, error, error_len);
	if (ret < 0)
		return ret;
	if (started) {
		snprintf(error, error_len, "the dataplane can be started once in a process");
		return -EALREADY;
	}
	dp = dp_alloc();
	if (dp == NULL)
		return -ENOMEM;
	dplog_open(config->log);
	ret = eal_start(dp, config, devices, error, error_len);
	if (ret < 0) {
		dp_free(dp);
		dplog_flush();
		return ret;
	}
	started = true;
	dplog_hush_bpf();
	ret = shared_create(dp, config);
	if (ret == 0)
		ret = workers_create(dp, config);
	if (ret == 0)
		ret = ifaces_create(dp, config, devices, error, error_len);
	if (ret == 0)
		ret = launch(dp, error, error_len);
	if (ret < 0) {
		if (error[0] == '\0')
			snprintf(error, error_len, "the dataplane cannot start: %s",
				 ret == -ENOMEM ? "memory does not suffice: raise it"
						: strerror(-ret));
		dataplane_stop(dp);
		return ret;
	}
	*out = dp;
	return 0;
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
	reclaim(dp);
	dplog_flush();
	return count;
}

void dataplane_interface_info(const struct dataplane *dp, size_t interface,
			      struct dataplane_interface_info *info)
{
	const struct iface *iface = dp->iface[interface];

	memset(info, 0, sizeof(*info));
	snprintf(info->driver, sizeof(info->driver), "%s", iface->driver);
	snprintf(info->netdev, sizeof(info->netdev), "%s", iface->netdev);
	snprintf(info->kernel_port, sizeof(info->kernel_port), "%s", kport_name(iface->kport));
	info->backend = kport_backend(iface->kport);
	info->mac = iface->env.mac;
	info->queues = iface->queues;
	info->numa_node = iface->socket;
	info->link_known = iface->link_known;
}

bool dataplane_link_up(const struct dataplane *dp, size_t interface)
{
	struct rte_eth_link link = {0};

	return rte_eth_link_get_nowait(dp->iface[interface]->port, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

size_t dataplane_workers(const struct dataplane *dp, struct dataplane_worker_info *info, size_t max)
{
	for (size_t i = 0; i < dp->worker_count && i < max; i++) {
		const struct worker *worker = dp->worker[i];

		info[i].cpu = worker->cpu;
		info[i].loops = counter_get(&worker->loops);
		info[i].busy_loops = counter_get(&worker->busy_loops);
		info[i].waits = counter_get(&worker->waits);
	}
	return dp->worker_count;
}

void dataplane_mbufs(const struct dataplane *dp, size_t *total, size_t *available)
{
	*total = dp->send_pool->size;
	*available = rte_mempool_avail_count(dp->send_pool);
	for (size_t i = 0; i < dp->iface_count; i++) {
		*total += dp->iface[i]->pool->size;
		*available += rte_mempool_avail_count(dp->iface[i]->pool);
	}
}
