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
#include "device.h"
#include "eal.h"
#include "ethdev.h"
#include "iface.h"
#include "kport.h"
#include "pool.h"
#include "publish.h"
#include "dplog.h"
#include "runtime.h"
#include "worker.h"

#define SEND_POOL  2047
#define SEND_CACHE 64

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
		int ret = device_prepare(&config->interfaces[i], config->lcore_count, devices[i],
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
	iface->flows = flow_table_create((size_t)FLOWS_PER_QUEUE * iface->queues);
	if (iface->flows == NULL)
		return -ENOMEM;
	for (uint16_t q = 0; q < iface->queues; q++) {
		struct worker *worker = dp->worker[(iface->index + q) % dp->worker_count];
		struct lane *lane =
			rte_zmalloc_socket("lane", sizeof(*lane), RTE_CACHE_LINE_SIZE,
					   eal_hugepages() ? iface->socket : SOCKET_ID_ANY);

		if (lane == NULL)
			return -ENOMEM;
		lane->iface = iface;
		lane->worker = worker;
		lane->queue = q;
		lane->first = q == 0;
		iface->lane[q] = lane;
		packet_state_init(&lane->state, iface->flows);
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
	for (uint16_t q = 0; q < iface->queues; q++)
		rte_free(iface->lane[q]);
	flow_table_free(iface->flows);
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
	publish_reclaim(dp);
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
