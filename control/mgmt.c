/* SPDX-License-Identifier: BSD-3-Clause */
/* A non-blocking UDP socket of either family. */
#include "mgmt.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "packet/heartbeat.h"

#include "log.h"

#define RECEIVE_BUFFER (1 << 20) /* rows of one version come all at once, from all peers */
#define DATAGRAM_MAX   2048	 /* above any heartbeat, so that a longer one is seen as such */
#define CLASS_CS6      0xc0	 /* network control (RFC 2474 §4.2.2.2) */
#define FNV_BASIS      UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME      UINT64_C(0x100000001b3)

struct mgmt {
	int fd;
	struct mgmt_address local;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

bool mgmt_address_equal(const struct mgmt_address *a, const struct mgmt_address *b)
{
	return a->port == b->port && ip_equal(&a->ip, &b->ip);
}

uint64_t mgmt_address_number(const struct mgmt_address *address)
{
	uint64_t number = FNV_BASIS;

	for (size_t i = 0; i < sizeof(address->ip.b); i++)
		number = (number ^ address->ip.b[i]) * FNV_PRIME;
	return (number ^ address->port) * FNV_PRIME;
}

static socklen_t address_to(const struct mgmt_address *from, union address *to)
{
	memset(to, 0, sizeof(*to));
	if (ip_is_v4(&from->ip)) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_port = htons(from->port);
		to->v4.sin_addr.s_addr = ip_v4(&from->ip);
		return sizeof(to->v4);
	}
	to->v6.sin6_family = AF_INET6;
	to->v6.sin6_port = htons(from->port);
	memcpy(&to->v6.sin6_addr, from->ip.b, sizeof(to->v6.sin6_addr));
	return sizeof(to->v6);
}

static struct mgmt_address address_from(const union address *from)
{
	struct mgmt_address to = {.port = ntohs(from->v6.sin6_port)}; /* at the same place in v4 */

	if (from->any.sa_family == AF_INET)
		to.ip = ip_from_v4(from->v4.sin_addr.s_addr);
	else
		memcpy(to.ip.b, &from->v6.sin6_addr, sizeof(to.ip.b));
	return to;
}

static void socket_options(int fd, bool v4)
{
	const int on = 1, size = RECEIVE_BUFFER, class = CLASS_CS6;
	int ret;

	/* What the machine does not let us have we do without. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (v4)
		ret = setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) |
		      setsockopt(fd, IPPROTO_IP, IP_TOS, &class, sizeof(class));
	else
		ret = setsockopt(fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof(on)) |
		      setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof(class));
	if (ret < 0)
		log_warning("management path: a socket option was refused: %s", strerror(errno));
}

struct mgmt *mgmt_create(const struct mgmt_address *local)
{
	union address address;
	socklen_t len = address_to(local, &address);
	struct mgmt *mgmt = calloc(1, sizeof(*mgmt));
	int error;

	if (mgmt == NULL)
		return NULL;
	mgmt->local = *local;
	mgmt->fd = socket(address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (mgmt->fd < 0)
		goto fail;
	socket_options(mgmt->fd, ip_is_v4(&local->ip));
	if (bind(mgmt->fd, &address.any, len) < 0)
		goto fail;
	len = sizeof(address);
	if (getsockname(mgmt->fd, &address.any, &len) < 0)
		goto fail;
	mgmt->local = address_from(&address); /* port 0 is one that the kernel chose */
	return mgmt;
fail:
	error = errno;
	mgmt_free(mgmt);
	errno = error;
	return NULL;
}

void mgmt_free(struct mgmt *mgmt)
{
	if (mgmt == NULL)
		return;
	if (mgmt->fd >= 0)
		close(mgmt->fd);
	free(mgmt);
}

int mgmt_fd(const struct mgmt *mgmt)
{
	return mgmt->fd;
}

const struct mgmt_address *mgmt_local(const struct mgmt *mgmt)
{
	return &mgmt->local;
}

size_t mgmt_receive(struct mgmt *mgmt, size_t max,
		    void (*handle)(void *arg, const struct mgmt_address *from, const uint8_t *data,
				   size_t len),
		    void *arg)
{
	uint8_t data[DATAGRAM_MAX];
	size_t count;

	for (count = 0; count < max; count++) {
		union address address;
		struct mgmt_address from;
		socklen_t address_len = sizeof(address);
		ssize_t len = recvfrom(mgmt->fd, data, sizeof(data), MSG_DONTWAIT, &address.any,
				       &address_len);

		if (len < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (len < 0) /* an ICMP error of something sent before: nobody needs it */
			continue;
		from = address_from(&address);
		handle(arg, &from, data, (size_t)len);
	}
	return count;
}

int mgmt_send(const struct mgmt *mgmt, const struct mgmt_address *to, const uint8_t *data,
	      size_t len)
{
	union address address;
	socklen_t address_len = address_to(to, &address);

	if (sendto(mgmt->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL, &address.any, address_len) >=
	    0)
		return 0;
	return errno == ECONNREFUSED ? 0 : -errno;
}
