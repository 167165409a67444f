/* SPDX-License-Identifier: BSD-3-Clause */
/* A front-end NIC: checks of what it can carry, its memory, its queues and its kernel port. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "eal.h"
#include "ethdev.h"
#include "iface.h"
#include "kport.h"
#include "dplog.h"
#include "pool.h"
#include "waitfd.h"

#define TAP_MAX_QUEUES	  4    /* net_tap's */
#define TAP_MAX_FRAME	  1522 /* net_tap takes no more from its netdev */
#define XDP_ROOM	  384  /* of a data room: headroom and XDP_PACKET_HEADROOM */
#define XDP_RING	  2048 /* of fill and completion, whatever is asked for */
#define RX_DESC		  1024
#define TX_DESC		  1024
#define POOL_CACHE	  128
#define FRAME_OVERHEAD	  (RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN) /* beside the MTU, without FCS */
#define DEFAULT_DATA_ROOM RTE_MBUF_DEFAULT_BUF_SIZE

/* Finds the port that EAL made of a device: a failed probe of a vdev does not fail EAL. */
static int port_find(struct iface *iface, char *error, size_t error_len)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	int ret = eal_device_name(iface->device, name);

	if (ret == 0)
		ret = rte_eth_dev_get_port_by_name(name, &iface->port);
	if (ret == 0)
		return 0;
	if (eal_device_is_pci(iface->device))
		snprintf(error, error_len,
			 "device %s: no such device, or it is not bound to a driver that DPDK can "
			 "use (vfio-pci): %s",
			 iface->device,
			 dplog_last_error()[0] != '\0' ? dplog_last_error() : strerror(-ret));
	else
		snprintf(error, error_len, "device %s: DPDK could not make it: %s", iface->device,
			 dplog_last_error()[0] != '\0' ? dplog_last_error()
						       : "no driver of that name");
	return -ENODEV;
}

static int mtu_check(const struct iface *iface, const struct rte_eth_dev_info *info, char *error,
		     size_t error_len)
{
	unsigned int max = info->max_mtu != 0 ? info->max_mtu : UINT16_MAX;
	unsigned int min = RTE_MAX((unsigned int)info->min_mtu, (unsigned int)RTE_ETHER_MIN_MTU);

	if (strcmp(iface->driver, "net_tap") == 0)
		max = TAP_MAX_FRAME - FRAME_OVERHEAD;
	if (strcmp(iface->driver, "net_af_xdp") == 0)
		max = RTE_MIN(max, (unsigned int)DEVICE_XDP_MAX_MTU);
	if (iface->env.mtu >= min && iface->env.mtu <= max)
		return 0;
	snprintf(error, error_len, "device %s: mtu %u, but driver %s carries %u to %u",
		 iface->device, iface->env.mtu, iface->driver, min, max);
	return -EINVAL;
}

static uint16_t queues_choose(const struct iface *iface, const struct rte_eth_dev_info *info,
			      size_t workers)
{
	size_t queues = RTE_MIN(info->max_rx_queues, info->max_tx_queues);

	queues = RTE_MIN(queues, workers);
	if (strcmp(iface->driver, "net_tap") == 0)
		queues = RTE_MIN(queues, (size_t)TAP_MAX_QUEUES);
	return (uint16_t)queues;
}

/* The mbufs for everything that can hold one at the same time, caches of lcores included. */
static unsigned int pool_mbufs(const struct iface *iface, const struct dataplane_config *config)
{
	unsigned int queue = iface->rx_desc + iface->tx_desc + 4 * BURST;

	if (iface->keeps_mbufs) /* fill, completion and TX ring */
		queue = 2 * XDP_RING + iface->tx_desc + 4 * BURST;
	return iface->queues * queue +
	       (unsigned int)(config->lcore_count + 1) * (POOL_CACHE + POOL_CACHE / 2) +
	       EVENT_RING / (unsigned int)config->interface_count;
}

static uint16_t data_room(const struct iface *iface)
{
	unsigned int frame = iface->env.mtu + FRAME_OVERHEAD + RTE_VLAN_HLEN;
	unsigned int around =
		strcmp(iface->driver, "net_af_xdp") == 0 ? XDP_ROOM : RTE_PKTMBUF_HEADROOM;

	return (uint16_t)RTE_MAX(RTE_ALIGN_CEIL(frame + around, 64U),
				 (unsigned int)DEFAULT_DATA_ROOM);
}

static int memory_create(struct iface *iface, const struct dataplane_config *config, char *error,
			 size_t error_len)
{
	unsigned int count = pool_mbufs(iface, config);
	uint16_t room = data_room(iface);
	bool hardware = eal_device_is_pci(iface->device) || iface->keeps_mbufs;
	char name[RTE_MEMPOOL_NAMESIZE];
	uint64_t bytes;

	snprintf(name, sizeof(name), "iface%u", iface->index);
	iface->pool = pool_create(name, count, POOL_CACHE, room, iface->socket, hardware);
	if (iface->pool != NULL)
		return 0;
	bytes = pool_bytes(count, room, hardware);
	snprintf(error, error_len,
		 "interface %s needs %u packet buffers, %" PRIu64
		 " MB, and that does not fit into memory: %u (for all interfaces) on NUMA node "
		 "%d: raise it, or use fewer lcores",
		 iface->name, count, bytes / 1000000 + 1, config->memory_mb, iface->socket);
	return -ENOMEM;
}

static void conf_fill(const struct iface *iface, const struct rte_eth_dev_info *info,
		      struct rte_eth_conf *conf)
{
	static const uint64_t checksums =
		RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;

	memset(conf, 0, sizeof(*conf));
	conf->rxmode.mtu = iface->env.mtu;
	if ((info->rx_offload_capa & checksums) == checksums)
		conf->rxmode.offloads = checksums;
	if (iface->queues > 1) {
		uint64_t hash = (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP) &
				info->flow_type_rss_offloads;

		conf->rxmode.mq_mode = hash != 0 ? RTE_ETH_MQ_RX_RSS : RTE_ETH_MQ_RX_NONE;
		conf->rx_adv_conf.rss_conf.rss_hf = hash;
	}
	conf->intr_conf.lsc = (*info->dev_flags & RTE_ETH_DEV_INTR_LSC) != 0;
	conf->intr_conf.rxq = eal_device_is_pci(iface->device);
}

static int port_configure(struct iface *iface, const struct rte_eth_dev_info *info, char *error,
			  size_t error_len)
{
	struct rte_eth_conf conf;
	int ret;

	conf_fill(iface, info, &conf);
	ret = rte_eth_dev_configure(iface->port, iface->queues, iface->queues, &conf);
	if (ret < 0 && conf.intr_conf.rxq != 0) {
		conf.intr_conf.rxq = 0; /* a driver without interrupts for each queue */
		ret = rte_eth_dev_configure(iface->port, iface->queues, iface->queues, &conf);
	}
	iface->rx_checksum = conf.rxmode.offloads != 0;
	if (ret == 0)
		ret = rte_eth_dev_adjust_nb_rx_tx_desc(iface->port, &iface->rx_desc,
						       &iface->tx_desc);
	if (ret == 0) {
		ret = rte_eth_dev_set_mtu(iface->port, iface->env.mtu);
		if (ret == -ENOTSUP) /* nothing there that would count bytes */
			ret = 0;
	}
	if (ret < 0)
		snprintf(error, error_len,
			 "device %s: driver %s refuses %u queues and mtu %u: %s (%s)",
			 iface->device, iface->driver, iface->queues, iface->env.mtu,
			 strerror(-ret), dplog_last_error());
	return ret;
}

/* One queue after the other, and each queue's new descriptor with it. */
static int queues_setup(struct iface *iface, char *error, size_t error_len)
{
	bool xdp = strcmp(iface->driver, "net_af_xdp") == 0;
	bool tap = strcmp(iface->driver, "net_tap") == 0;
	bool packet = strcmp(iface->driver, "net_af_packet") == 0;
	unsigned int ifindex = iface->netdev[0] != '\0' ? if_nametoindex(iface->netdev) : 0;
	static struct waitfd_set before; /* the control thread alone */
	int ret = 0;

	for (uint16_t q = 0; q < iface->queues && ret == 0; q++) {
		waitfd_snapshot(&before);
		ret = rte_eth_rx_queue_setup(iface->port, q, iface->rx_desc,
					     (unsigned int)iface->socket, NULL, iface->pool);
		iface->queue_fd[q] = -1;
		if (ret == 0 && xdp)
			iface->queue_fd[q] = waitfd_find(&before, WAITFD_XDP, 0, 0);
		else if (ret == 0 && tap)
			iface->queue_fd[q] = waitfd_find(&before, WAITFD_TUN, 0, 0);
		else if (ret == 0 && packet) /* which opened them all when it was probed */
			iface->queue_fd[q] = waitfd_find(NULL, WAITFD_PACKET, ifindex, q);
		if (ret == 0)
			ret = rte_eth_tx_queue_setup(iface->port, q, iface->tx_desc,
						     (unsigned int)iface->socket, NULL);
	}
	if (ret < 0)
		snprintf(error, error_len, "device %s: driver %s cannot set up a queue: %s (%s)",
			 iface->device, iface->driver, strerror(-ret), dplog_last_error());
	return ret;
}

static int port_open(struct iface *iface, const struct dataplane_config *config, char *error,
		     size_t error_len)
{
	struct rte_eth_dev_info info;
	int ret = port_find(iface, error, error_len);

	if (ret < 0)
		return ret;
	iface->port_open = true;
	ret = rte_eth_dev_info_get(iface->port, &info);
	if (ret == 0)
		ret = rte_eth_macaddr_get(iface->port, &iface->env.mac);
	if (ret < 0) {
		snprintf(error, error_len, "device %s: its driver says nothing: %s", iface->device,
			 strerror(-ret));
		return ret;
	}
	if (rte_is_zero_ether_addr(&iface->env.mac)) /* net_ring has none of its own */
		rte_eth_random_addr(iface->env.mac.addr_bytes);
	snprintf(iface->driver, sizeof(iface->driver), "%s", info.driver_name);
	iface->keeps_mbufs = strcmp(iface->driver, "net_af_xdp") == 0;
	iface->link_known = iface->netdev[0] == '\0';
	iface->socket = rte_eth_dev_socket_id(iface->port);
	if (iface->socket < 0)
		iface->socket = 0;
	ret = mtu_check(iface, &info, error, error_len);
	if (ret < 0)
		return ret;
	iface->queues = queues_choose(iface, &info, config->lcore_count);
	if (iface->queues < config->lcore_count)
		dplog(DATAPLANE_LOG_INFO, "%s: driver %s has %u queue pairs for %zu lcores",
		      iface->name, iface->driver, iface->queues, config->lcore_count);
	iface->rx_desc = RX_DESC;
	iface->tx_desc = TX_DESC;
	ret = port_configure(iface, &info, error, error_len);
	if (ret == 0)
		ret = memory_create(iface, config, error, error_len);
	if (ret == 0)
		ret = queues_setup(iface, error, error_len);
	return ret;
}

/* fe80::/64 and the EUI-64 of a MAC: the address that the kernel gives the kernel port. */
static struct ip link_local(const struct rte_ether_addr *mac)
{
	const uint8_t *m = mac->addr_bytes;

	return (struct ip){.b = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 0x02, m[1], m[2], 0xff, 0xfe,
				 m[3], m[4], m[5]}};
}

static int env_fill(struct iface *iface, const struct dataplane_config *all,
		    const struct dataplane_interface_config *config, char *error, size_t error_len)
{
	struct packet_env *env = &iface->env;

	if (config->address_count > PACKET_MAX_ADDRESSES ||
	    config->gateway_count > PACKET_MAX_ADDRESSES) {
		snprintf(error, error_len, "interface %s: more than %d addresses or gateways",
			 config->name, PACKET_MAX_ADDRESSES);
		return -EINVAL;
	}
	env->vlan = config->vlan;
	env->mtu = config->mtu;
	env->icmp_echo = all->icmp_echo;
	for (size_t i = 0; i < config->address_count; i++) {
		env->addresses[env->address_count] = config->addresses[i].addr;
		env->address_lens[env->address_count++] = config->addresses[i].len;
	}
	for (size_t i = 0; i < config->gateway_count; i++)
		env->gateways[env->gateway_count++] = config->gateways[i];
	return 0;
}

int iface_open(const struct dataplane_config *all, size_t index, const char *device,
	       struct iface **out, char *error, size_t error_len)
{
	const struct dataplane_interface_config *config = &all->interfaces[index];
	struct kport_config port = {.name = config->kernel_name, .backend = config->backend};
	struct iface *iface = calloc(1, sizeof(*iface));
	char ring[32];
	int ret;

	if (iface == NULL)
		return -ENOMEM;
	iface->index = (uint16_t)index;
	snprintf(iface->name, sizeof(iface->name), "%s", config->name);
	snprintf(iface->device, sizeof(iface->device), "%s", device);
	if (!dataplane_device_netdev(device, iface->netdev))
		iface->netdev[0] = '\0';
	ret = env_fill(iface, all, config, error, error_len);
	if (ret == 0)
		ret = port_open(iface, all, error, error_len);
	if (ret < 0)
		goto fail;
	iface->env.link_local = link_local(&iface->env.mac);
	snprintf(ring, sizeof(ring), "send%zu", index);
	iface->send =
		rte_ring_create(ring, SEND_RING, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (iface->send == NULL) {
		ret = -ENOMEM;
		snprintf(error, error_len, "no memory for the rings of interface %s", iface->name);
		goto fail;
	}
	port.mac = &iface->env.mac;
	port.mtu = iface->env.mtu;
	port.queues = iface->queues;
	ret = kport_open(&port, &iface->kport, error, error_len);
	if (ret < 0)
		goto fail;
	*out = iface;
	return 0;
fail:
	iface_stop(iface);
	iface_free(iface);
	return ret;
}

/* Drivers that know no receive filter: everything that the far end sends arrives. */
static bool unfiltered(const struct iface *iface)
{
	static const char *const drivers[] = {"net_memif", "net_ring", "net_null", "net_pcap"};

	for (size_t i = 0; i < RTE_DIM(drivers); i++)
		if (strcmp(iface->driver, drivers[i]) == 0)
			return true;
	return false;
}

int iface_start(struct iface *iface, char *error, size_t error_len)
{
	int ret = rte_eth_dev_start(iface->port);

	if (ret < 0) {
		snprintf(error, error_len, "device %s: driver %s cannot start: %s (%s)",
			 iface->device, iface->driver, strerror(-ret), dplog_last_error());
		return ret;
	}
	iface->port_started = true;
	/* A list of groups would have to follow each VIP, so that one alone is never enough. */
	if (rte_eth_allmulticast_enable(iface->port) == 0)
		return 0;
	ret = rte_eth_promiscuous_enable(iface->port);
	if (ret == 0 || unfiltered(iface))
		return 0;
	snprintf(error, error_len,
		 "device %s: driver %s can receive neither all multicast nor all frames: %s",
		 iface->device, iface->driver, strerror(-ret));
	return ret;
}

void iface_lane_wait(const struct iface *iface, struct lane *lane)
{
	int fd = iface->queue_fd[lane->queue];

	lane->wait = LANE_WAIT_NONE;
	lane->wait_fd = fd;
	if (fd >= 0) {
		lane->wait = LANE_WAIT_SOCKET;
		return;
	}
	if (!eal_device_is_pci(iface->device))
		return;
	fd = rte_eth_dev_rx_intr_ctl_q_get_fd(iface->port, lane->queue);
	/* The worker empties it without knowing that it is full: a UIO device would block there. */
	if (fd < 0 || (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0 ||
	    rte_eth_dev_rx_intr_enable(iface->port, lane->queue) < 0)
		return;
	rte_eth_dev_rx_intr_disable(iface->port, lane->queue);
	lane->wait = LANE_WAIT_INTERRUPT;
	lane->wait_fd = fd;
}

/* Frees what the receive rings still hold. */
static void port_drain(const struct iface *iface)
{
	struct rte_mbuf *mbufs[BURST];

	for (uint16_t q = 0; q < iface->queues; q++) {
		for (unsigned int round = 0; round < 4096; round++) {
			uint16_t n = rte_eth_rx_burst(iface->port, q, mbufs, BURST);

			if (n == 0)
				break;
			rte_pktmbuf_free_bulk(mbufs, n);
		}
		rte_eth_tx_done_cleanup(iface->port, q, 0);
	}
}

void iface_stop(struct iface *iface)
{
	if (iface->port_started) {
		port_drain(iface);
		rte_eth_promiscuous_disable(iface->port);
		rte_eth_dev_stop(iface->port);
		iface->port_started = false;
	}
	if (iface->port_open) {
		rte_eth_dev_close(iface->port);
		iface->port_open = false;
	}
	kport_close(iface->kport);
	iface->kport = NULL;
}

size_t iface_mbufs_kept(const struct iface *iface)
{
	/* AF_XDP forgets its rings when it closes: the fill ring is always full, the completion
	 * ring holds what was sent since the last look. */
	return iface->keeps_mbufs ? (size_t)iface->queues * (2 * XDP_RING + iface->tx_desc) : 0;
}

void iface_free(struct iface *iface)
{
	if (iface == NULL)
		return;
	rte_ring_free(iface->send);
	rte_mempool_free(iface->pool);
	free(iface);
}
