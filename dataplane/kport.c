/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel port as a multi-queue TAP with a vnet header in front of each frame. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kport.h"
#include "netdev.h"

struct kport {
	char name[IFNAMSIZ];
	uint16_t queues;
	int fd[DATAPLANE_MAX_WORKERS];
};

static int queue_open(const char *name, bool first)
{
	struct ifreq ifr = {0};
	int header = sizeof(struct virtio_net_hdr);
	int fd, ret;

	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
	if (first)
		ifr.ifr_flags |= (short)IFF_TUN_EXCL; /* never somebody else's netdev */
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 ||
	    /* No offloads: the kernel finishes checksums and segments before we see a frame. */
	    ioctl(fd, TUNSETOFFLOAD, 0UL) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

static int backend_check(enum dataplane_backend backend, char *error, size_t error_len)
{
	if (backend != DATAPLANE_BACKEND_VHOST)
		return 0;
	if (access("/dev/vhost-net", R_OK | W_OK) < 0)
		snprintf(
			error, error_len,
			"backend vhost needs /dev/vhost-net, and it cannot be opened: %s; load the "
			"module vhost_net, or use backend tap",
			strerror(errno));
	else
		snprintf(error, error_len,
			 "backend vhost is not part of this version: use backend tap or auto");
	return -ENOTSUP;
}

int kport_open(const struct kport_config *config, struct kport **out, char *error, size_t error_len)
{
	struct kport *kport;
	int ret;

	ret = backend_check(config->backend, error, error_len);
	if (ret < 0)
		return ret;
	if (strlen(config->name) >= IFNAMSIZ || config->name[0] == '\0') {
		snprintf(error, error_len, "kernel port name \"%s\": expected 1 to %d characters",
			 config->name, IFNAMSIZ - 1);
		return -EINVAL;
	}
	kport = calloc(1, sizeof(*kport));
	if (kport == NULL)
		return -ENOMEM;
	snprintf(kport->name, sizeof(kport->name), "%s", config->name);
	for (uint16_t q = 0; q < config->queues; q++) {
		ret = queue_open(kport->name, q == 0);
		if (ret < 0) {
			snprintf(error, error_len, "kernel port %s: %s", kport->name,
				 ret == -EBUSY ? "a netdev of this name exists already"
				 : ret == -ENOENT
					 ? "/dev/net/tun does not exist: load the module tun"
					 : strerror(-ret));
			goto fail;
		}
		kport->fd[kport->queues++] = ret;
	}
	ret = netdev_set_mac(kport->name, config->mac);
	if (ret == 0)
		ret = netdev_set_mtu(kport->name, config->mtu);
	if (ret < 0) {
		snprintf(error, error_len, "kernel port %s: cannot set MAC and MTU %u: %s",
			 kport->name, config->mtu, strerror(-ret));
		goto fail;
	}
	*out = kport;
	return 0;
fail:
	kport_close(kport);
	return ret;
}

void kport_close(struct kport *kport)
{
	if (kport == NULL)
		return;
	for (uint16_t q = 0; q < kport->queues; q++)
		close(kport->fd[q]);
	free(kport);
}

const char *kport_name(const struct kport *kport)
{
	return kport->name;
}

const char *kport_backend(const struct kport *kport)
{
	(void)kport;
	return "tap";
}

int kport_fd(const struct kport *kport, uint16_t queue)
{
	return kport->fd[queue];
}

int kport_write(struct kport *kport, uint16_t queue, const struct rte_mbuf *mbuf, bool verified)
{
	struct virtio_net_hdr header = {.flags = verified ? VIRTIO_NET_HDR_F_DATA_VALID : 0};
	struct iovec iov[2] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = rte_pktmbuf_mtod(mbuf, void *), .iov_len = mbuf->data_len},
	};

	return writev(kport->fd[queue], iov, 2) < 0 ? -errno : 0;
}

int kport_read(struct kport *kport, uint16_t queue, struct rte_mbuf *mbuf)
{
	struct virtio_net_hdr header;
	struct iovec iov[2] = {
		{.iov_base = &header, .iov_len = sizeof(header)},
		{.iov_base = rte_pktmbuf_mtod(mbuf, void *), .iov_len = rte_pktmbuf_tailroom(mbuf)},
	};
	ssize_t len = readv(kport->fd[queue], iov, 2);

	if (len < 0)
		return 0; /* EAGAIN; any other error shows as silence, and status tells */
	/* Work left to us is what TUNSETOFFLOAD forbids; a frame cut by the buffer ends full. */
	if ((size_t)len <= sizeof(header) || (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 ||
	    header.gso_type != VIRTIO_NET_HDR_GSO_NONE ||
	    (size_t)len - sizeof(header) >= iov[1].iov_len)
		return -EBADMSG;
	len -= (ssize_t)sizeof(header);
	mbuf->data_len = (uint16_t)len;
	mbuf->pkt_len = (uint32_t)len;
	return (int)len;
}

uint64_t kport_dropped(const struct kport *kport)
{
	return netdev_dropped(kport->name);
}
