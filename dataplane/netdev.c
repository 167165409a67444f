/* SPDX-License-Identifier: BSD-3-Clause */
/* Netdevs by ioctl, procfs and rtnetlink. */
#include <errno.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "netdev.h"

static int request(const char *name, unsigned long what, struct ifreq *ifr)
{
	int fd, ret;

	if (strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	memcpy(ifr->ifr_name, name, strlen(name) + 1);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = ioctl(fd, what, ifr) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

int netdev_set_mac(const char *name, const struct rte_ether_addr *mac)
{
	struct ifreq ifr = {.ifr_hwaddr.sa_family = ARPHRD_ETHER};

	memcpy(ifr.ifr_hwaddr.sa_data, mac->addr_bytes, RTE_ETHER_ADDR_LEN);
	return request(name, SIOCSIFHWADDR, &ifr);
}

int netdev_set_mtu(const char *name, uint16_t mtu)
{
	struct ifreq ifr = {.ifr_mtu = mtu};

	return request(name, SIOCSIFMTU, &ifr);
}

int netdev_mtu(const char *name, unsigned int *mtu)
{
	struct ifreq ifr = {0};
	int ret = request(name, SIOCGIFMTU, &ifr);

	if (ret == 0)
		*mtu = (unsigned int)ifr.ifr_mtu;
	return ret;
}

int netdev_rx_queues(const char *name, unsigned int *queues, bool *combined)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ifreq ifr = {.ifr_data = (void *)&channels};
	int ret = request(name, SIOCETHTOOL, &ifr);

	*queues = 1;
	*combined = true;
	if (ret == -EOPNOTSUPP)
		return 0;
	*combined = channels.rx_count == 0;
	if (ret == 0 && channels.rx_count + channels.combined_count > 1)
		*queues = channels.rx_count + channels.combined_count;
	return ret;
}

int netdev_strips_vlan(const char *name)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GFLAGS};
	struct ifreq ifr = {.ifr_data = (void *)&value};
	int ret = request(name, SIOCETHTOOL, &ifr);

	if (ret < 0)
		return ret == -EOPNOTSUPP ? 0 : ret;
	return (value.data & ETH_FLAG_RXVLAN) != 0;
}

int netdev_numa_node(const char *name)
{
	char path[64 + IFNAMSIZ];
	int node = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/net/%s/device/numa_node", name);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	if (fscanf(file, "%d", &node) != 1)
		node = -1;
	fclose(file);
	return node;
}

uint64_t netdev_dropped(const char *name)
{
	/* Not /sys/class/net: a mounted sysfs keeps to the namespace in which it was mounted. */
	FILE *file = fopen("/proc/thread-self/net/dev", "re");
	uint64_t rx_dropped, tx_dropped;
	char line[512], found[64];
	uint64_t sum = 0;

	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		/* name: rx bytes packets errs drop fifo frame compressed multicast, tx … drop … */
		if (sscanf(line,
			   " %63[^:]: %*u %*u %*u %" SCNu64 " %*u %*u %*u %*u %*u %*u %*u %" SCNu64,
			   found, &rx_dropped, &tx_dropped) != 3 ||
		    strcmp(found, name) != 0)
			continue;
		sum = rx_dropped + tx_dropped;
		break;
	}
	fclose(file);
	return sum;
}

int netdev_claim(const char *name)
{
	/* An abstract socket: its names belong to the network namespace and die with the holder. */
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int len = snprintf(address.sun_path, sizeof(address.sun_path), "%cvipgate/device/%s", '\0',
			   name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

struct link_message {
	struct nlmsghdr header;
	struct ifinfomsg link;
	uint8_t attributes[64];
};

static void attribute_add(struct link_message *message, uint16_t type, const void *data, size_t len)
{
	struct nlattr attribute = {.nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type};
	uint8_t *at = (uint8_t *)message + NLMSG_ALIGN(message->header.nlmsg_len);

	memcpy(at, &attribute, sizeof(attribute));
	memcpy(at + NLA_HDRLEN, data, len);
	message->header.nlmsg_len =
		NLMSG_ALIGN(message->header.nlmsg_len) + NLA_ALIGN(attribute.nla_len);
}

/* The payload of the first attribute of a type among len bytes of attributes, or NULL. */
static const uint8_t *attribute_find(const uint8_t *at, size_t len, uint16_t type, size_t *found)
{
	while (len >= sizeof(struct nlattr)) {
		struct nlattr attribute;
		size_t step;

		memcpy(&attribute, at, sizeof(attribute));
		if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > len)
			return NULL;
		if ((attribute.nla_type & NLA_TYPE_MASK) == type) {
			*found = attribute.nla_len - (size_t)NLA_HDRLEN;
			return at + NLA_HDRLEN;
		}
		step = NLA_ALIGN(attribute.nla_len);
		if (step >= len)
			return NULL;
		at += step;
		len -= step;
	}
	return NULL;
}

static int netlink_ask(const struct link_message *message, uint8_t *answer, size_t answer_len)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t len;

	if (fd < 0)
		return -errno;
	len = send(fd, message, message->header.nlmsg_len, 0);
	if (len >= 0)
		len = recv(fd, answer, answer_len, 0);
	if (len < 0)
		len = -errno;
	close(fd);
	return (int)len;
}

/* How an XDP program is attached (XDP_ATTACHED_*), or −errno. */
static int xdp_attached(int ifindex)
{
	struct link_message message = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			   .nlmsg_type = RTM_GETLINK,
			   .nlmsg_flags = NLM_F_REQUEST},
		.link = {.ifi_index = ifindex},
	};
	const size_t fixed = NLMSG_LENGTH(sizeof(struct ifinfomsg));
	static uint8_t answer[16384]; /* the control thread alone */
	struct nlmsghdr header;
	const uint8_t *xdp, *mode;
	size_t len;
	int ret = netlink_ask(&message, answer, sizeof(answer));

	if (ret < 0)
		return ret;
	if ((size_t)ret < fixed)
		return -EBADMSG;
	memcpy(&header, answer, sizeof(header));
	if (header.nlmsg_type != RTM_NEWLINK || header.nlmsg_len > (size_t)ret)
		return -EBADMSG;
	xdp = attribute_find(answer + fixed, header.nlmsg_len - fixed, IFLA_XDP, &len);
	if (xdp == NULL)
		return XDP_ATTACHED_NONE;
	mode = attribute_find(xdp, len, IFLA_XDP_ATTACHED, &len);
	return mode == NULL || len < 1 ? XDP_ATTACHED_NONE : mode[0];
}

int netdev_xdp_detach(const char *name)
{
	struct {
		struct nlattr fd;
		int32_t none;
		struct nlattr flags;
		uint32_t mode;
	} xdp = {
		.fd = {.nla_len = NLA_HDRLEN + 4, .nla_type = IFLA_XDP_FD},
		.none = -1,
		.flags = {.nla_len = NLA_HDRLEN + 4, .nla_type = IFLA_XDP_FLAGS},
	};
	struct link_message message = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			   .nlmsg_type = RTM_SETLINK,
			   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
	};
	uint8_t answer[512];
	struct nlmsgerr error;
	int ret, mode;

	message.link.ifi_index = (int)if_nametoindex(name);
	if (message.link.ifi_index == 0)
		return -errno;
	mode = xdp_attached(message.link.ifi_index);
	if (mode <= XDP_ATTACHED_NONE)
		return mode;
	xdp.mode = mode == XDP_ATTACHED_SKB  ? XDP_FLAGS_SKB_MODE
		   : mode == XDP_ATTACHED_HW ? XDP_FLAGS_HW_MODE
					     : XDP_FLAGS_DRV_MODE;
	attribute_add(&message, IFLA_XDP | NLA_F_NESTED, &xdp, sizeof(xdp));
	ret = netlink_ask(&message, answer, sizeof(answer));
	if (ret < 0)
		return ret;
	if ((size_t)ret < NLMSG_HDRLEN + sizeof(error))
		return -EBADMSG;
	memcpy(&error, answer + NLMSG_HDRLEN, sizeof(error));
	return error.error < 0 ? error.error : 1;
}
