/* SPDX-License-Identifier: BSD-3-Clause */
/* Drivers' descriptors, found by what the kernel says of each of ours. */
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "waitfd.h"

void waitfd_snapshot(struct waitfd_set *set)
{
	for (int fd = 0; fd < WAITFD_MAX; fd++)
		set->open[fd] = fcntl(fd, F_GETFD) >= 0;
}

static bool is_socket(int fd, int domain, unsigned int ifindex)
{
	union {
		struct sockaddr any;
		struct sockaddr_ll packet;
		struct sockaddr_xdp xdp;
	} address = {0};
	socklen_t len = sizeof(address);
	int found = -1;
	socklen_t found_len = sizeof(found);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &found, &found_len) < 0 || found != domain)
		return false;
	if (ifindex == 0)
		return true;
	if (getsockname(fd, &address.any, &len) < 0)
		return domain == AF_XDP; /* which does not tell before Linux 6.? */
	return (domain == AF_XDP ? address.xdp.sxdp_ifindex
				 : (unsigned int)address.packet.sll_ifindex) == ifindex;
}

static bool is_tun(int fd)
{
	static const char tun[] = "/dev/net/tun";
	char path[64], target[sizeof(tun) + 1];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, target, sizeof(target));
	return len == (ssize_t)sizeof(tun) - 1 && memcmp(target, tun, (size_t)len) == 0;
}

int waitfd_find(const struct waitfd_set *before, enum waitfd_kind kind, unsigned int ifindex,
		unsigned int skip)
{
	for (int fd = 0; fd < WAITFD_MAX; fd++) {
		bool found;

		if ((before != NULL && before->open[fd]) || fcntl(fd, F_GETFD) < 0)
			continue;
		if (kind == WAITFD_TUN)
			found = is_tun(fd);
		else
			found = is_socket(fd, kind == WAITFD_XDP ? AF_XDP : AF_PACKET, ifindex);
		if (found && skip-- == 0)
			return fd;
	}
	return -1;
}
