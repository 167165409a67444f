/* SPDX-License-Identifier: BSD-3-Clause */
/* Joins and leaves the solicited-node groups of IPv6 VIPs. */
#include "mld.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ip_set.h"
#include "log.h"

/*
 * A membership takes some 48 bytes of a socket's option memory, 20 KB on older kernels: well below
 * that, and short, since the kernel keeps a socket's memberships in a list.
 */
#define MEMBERSHIPS_MAX 128

struct ip mld_solicited_node(const struct ip *ip)
{
	struct ip group = {{0xff, 0x02, [11] = 0x01, [12] = 0xff}};

	memcpy(&group.b[13], &ip->b[13], 3);
	return group;
}

void mld_init(struct mld *mld, unsigned int ifindex)
{
	*mld = (struct mld){.ifindex = ifindex};
}

static int open_socket(struct mld *mld)
{
	int *sockets = reallocarray(mld->sockets, mld->socket_count + 1, sizeof(*sockets));
	size_t *memberships;

	if (sockets == NULL)
		return -ENOMEM;
	mld->sockets = sockets;
	memberships = reallocarray(mld->memberships, mld->socket_count + 1, sizeof(*memberships));
	if (memberships == NULL)
		return -ENOMEM;
	mld->memberships = memberships;
	sockets[mld->socket_count] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sockets[mld->socket_count] < 0)
		return -errno;
	memberships[mld->socket_count] = 0;
	return (int)mld->socket_count++;
}

static int change(const struct mld *mld, int index, int option, const struct ip *group)
{
	struct ipv6_mreq request = {.ipv6mr_interface = mld->ifindex};

	memcpy(&request.ipv6mr_multiaddr, group->b, sizeof(group->b));
	if (setsockopt(mld->sockets[index], IPPROTO_IPV6, option, &request, sizeof(request)) < 0)
		return -errno;
	return 0;
}

/* The socket that joined, or −errno. */
static int join(struct mld *mld, const struct ip *group)
{
	int index = -1, error;

	for (size_t i = 0; i < mld->socket_count && index < 0; i++)
		if (mld->memberships[i] < MEMBERSHIPS_MAX)
			index = (int)i;
	if (index < 0)
		index = open_socket(mld);
	if (index < 0)
		return index;
	error = change(mld, index, IPV6_JOIN_GROUP, group);
	if (error < 0)
		return error;
	mld->memberships[index]++;
	return index;
}

static int leave(struct mld *mld, const struct mld_group *group)
{
	int error = change(mld, group->socket, IPV6_LEAVE_GROUP, &group->group);

	mld->memberships[group->socket]--;
	/* The kernel port may be gone, and every membership with it. */
	return error == -EADDRNOTAVAIL || error == -ENODEV ? 0 : error;
}

static void report(const struct ip *group, const char *what, int error, int *first)
{
	char text[IP_STRLEN];

	if (error >= 0)
		return;
	log_error("group %s cannot be %s on the kernel port: %s", ip_format(group, text), what,
		  strerror(-error));
	if (*first == 0)
		*first = error;
}

static int wanted_groups(const struct ip *vips, size_t count, struct ip_set *wanted)
{
	struct ip *groups = calloc(count + 1, sizeof(*groups));
	size_t n = 0;
	int error;

	if (groups == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (!ip_is_v4(&vips[i]))
			groups[n++] = mld_solicited_node(&vips[i]);
	error = ip_set_add_all(wanted, groups, n);
	free(groups);
	return error;
}

int mld_set(struct mld *mld, const struct ip *vips, size_t count)
{
	struct ip_set wanted = {0};
	struct mld_group *groups;
	size_t old = 0, kept = 0;
	int error = wanted_groups(vips, count, &wanted), first = 0;

	groups = error == 0 ? calloc(wanted.count + 1, sizeof(*groups)) : NULL;
	if (groups == NULL) {
		ip_set_fini(&wanted);
		return -ENOMEM;
	}
	/* Both lists ascend: one walk over the two. */
	for (size_t i = 0; i < wanted.count || old < mld->group_count;) {
		int order = i == wanted.count ? 1
			    : old == mld->group_count
				    ? -1
				    : ip_cmp(&wanted.list[i], &mld->groups[old].group);

		if (order > 0) {
			report(&mld->groups[old].group, "left", leave(mld, &mld->groups[old]),
			       &first);
			old++;
		} else if (order == 0) {
			groups[kept++] = mld->groups[old++];
			i++;
		} else {
			int index = join(mld, &wanted.list[i]);

			report(&wanted.list[i], "joined", index, &first);
			if (index >= 0)
				groups[kept++] = (struct mld_group){wanted.list[i], index};
			i++;
		}
	}
	free(mld->groups);
	mld->groups = groups;
	mld->group_count = kept;
	ip_set_fini(&wanted);
	return first;
}

void mld_fini(struct mld *mld)
{
	/* Closing a socket leaves its groups. */
	for (size_t i = 0; i < mld->socket_count; i++)
		close(mld->sockets[i]);
	free(mld->sockets);
	free(mld->memberships);
	free(mld->groups);
	*mld = (struct mld){0};
}
