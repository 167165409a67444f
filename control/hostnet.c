/* SPDX-License-Identifier: BSD-3-Clause */
/* Holds the pieces of the kernel's network that vipgate sets, and undoes them in reverse order. */
#include "hostnet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "claim.h"
#include "ip_set.h"
#include "kernel_port.h"
#include "link.h"
#include "log.h"
#include "loopback.h"
#include "mld.h"
#include "netlink.h"
#include "replypath.h"
#include "saved.h"
#include "sysctl.h"

#define EVENT_GROUPS                                                                               \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_RULE |                \
	 1u << (RTNLGRP_IPV6_RULE - 1))

/* What one interface wants of lo and of its kernel port's groups. */
struct vips {
	bool set;
	struct ip_set list;
	struct mld mld;
};

struct hostnet {
	void (*link)(void *arg, const char *netdev, bool up);
	void *arg;
	struct netlink netlink;
	struct mnl_socket *events;
	struct saved saved;
	struct sysctls sysctls;
	struct claim *claims;
	size_t claim_count;
	struct nftables_table ingress; /* of claimed NICs */
	struct kernel_port *ports;
	size_t port_count;
	struct vips *vips; /* by interface */
	size_t vips_count;
	struct loopback loopback;
	struct replypath replypath;
};

static int open_events(struct hostnet *hostnet)
{
	hostnet->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (hostnet->events == NULL)
		return -errno;
	if (mnl_socket_bind(hostnet->events, EVENT_GROUPS, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return 0;
}

struct hostnet *hostnet_create(void (*link)(void *arg, const char *netdev, bool up), void *arg)
{
	struct hostnet *hostnet = calloc(1, sizeof(*hostnet));
	int error;

	if (hostnet == NULL)
		return NULL;
	hostnet->link = link;
	hostnet->arg = arg;
	error = saved_init(&hostnet->saved);
	if (error < 0) {
		log_warning("%s cannot be read: %s; what was before an earlier vipgate is unknown",
			    hostnet->saved.path, strerror(-error));
		error = 0;
	}
	sysctls_init(&hostnet->sysctls, &hostnet->saved);
	error = netlink_open(&hostnet->netlink, NETLINK_ROUTE);
	if (error == 0)
		error = open_events(hostnet);
	nftables_table_init(&hostnet->ingress, "netdev",
			    "the kernel may also take what arrives at a claimed NIC");
	loopback_init(&hostnet->loopback, &hostnet->netlink);
	replypath_init(&hostnet->replypath, &hostnet->netlink);
	if (error < 0) {
		log_error("rtnetlink cannot be opened: %s", strerror(-error));
		hostnet_free(hostnet);
		errno = -error;
		return NULL;
	}
	return hostnet;
}

static void undo(struct hostnet *hostnet)
{
	int error;

	replypath_undo(&hostnet->replypath);
	/* Off lo before a claimed NIC may speak again. */
	if (hostnet->port_count != 0 || hostnet->vips_count != 0)
		loopback_undo(&hostnet->loopback);
	for (size_t i = hostnet->vips_count; i-- > 0;)
		mld_fini(&hostnet->vips[i].mld);
	for (size_t i = hostnet->port_count; i-- > 0;)
		kernel_port_undo(&hostnet->ports[i], &hostnet->netlink);
	if (hostnet->claim_count != 0)
		nftables_table_remove(&hostnet->ingress);
	for (size_t i = hostnet->claim_count; i-- > 0;)
		claim_undo(&hostnet->claims[i], &hostnet->netlink, &hostnet->sysctls,
			   &hostnet->saved);
	sysctls_undo(&hostnet->sysctls, "");
	error = saved_commit(&hostnet->saved);
	if (error < 0)
		log_warning("%s cannot be written: %s", hostnet->saved.path, strerror(-error));
}

void hostnet_free(struct hostnet *hostnet)
{
	if (hostnet == NULL)
		return;
	if (hostnet->netlink.socket != NULL)
		undo(hostnet);
	for (size_t i = 0; i < hostnet->vips_count; i++)
		ip_set_fini(&hostnet->vips[i].list);
	for (size_t i = 0; i < hostnet->port_count; i++)
		kernel_port_fini(&hostnet->ports[i]);
	for (size_t i = 0; i < hostnet->claim_count; i++)
		claim_fini(&hostnet->claims[i]);
	free(hostnet->vips);
	free(hostnet->ports);
	free(hostnet->claims);
	nftables_table_fini(&hostnet->ingress);
	loopback_fini(&hostnet->loopback);
	replypath_fini(&hostnet->replypath);
	sysctls_fini(&hostnet->sysctls);
	saved_fini(&hostnet->saved);
	if (hostnet->events != NULL)
		mnl_socket_close(hostnet->events);
	netlink_close(&hostnet->netlink);
	free(hostnet);
}

static struct claim *claim_of(const struct hostnet *hostnet, const char *netdev)
{
	for (size_t i = 0; i < hostnet->claim_count; i++)
		if (strcmp(hostnet->claims[i].netdev, netdev) == 0)
			return &hostnet->claims[i];
	return NULL;
}

int hostnet_device_claim(struct hostnet *hostnet, const char *netdev)
{
	struct claim *claims;
	int error;

	if (claim_of(hostnet, netdev) != NULL)
		return 0; /* interfaces with different VLANs share a device */
	claims = reallocarray(hostnet->claims, hostnet->claim_count + 1, sizeof(*claims));
	if (claims == NULL)
		return -ENOMEM;
	hostnet->claims = claims;
	/* Counted whatever comes of it, so that what it did is undone. */
	error = claim_init(&claims[hostnet->claim_count++], &hostnet->netlink, &hostnet->sysctls,
			   &hostnet->saved, netdev);
	if (error == -EBUSY && claims[hostnet->claim_count - 1].ifindex == 0)
		claim_fini(&claims[--hostnet->claim_count]); /* a living one's: nothing was done */
	if (error == 0)
		claim_ingress_write(hostnet->claims, hostnet->claim_count, &hostnet->ingress);
	return error;
}

bool hostnet_link_up(const struct hostnet *hostnet, const char *netdev)
{
	const struct claim *claim = claim_of(hostnet, netdev);

	return claim != NULL && claim->up;
}

int hostnet_port_setup(struct hostnet *hostnet, const struct config_interface *interface)
{
	struct kernel_port *ports =
		reallocarray(hostnet->ports, hostnet->port_count + 1, sizeof(*ports));
	struct kernel_port *port;
	int error;

	if (ports == NULL)
		return -ENOMEM;
	hostnet->ports = ports;
	/* Every device is claimed by now: what else a predecessor claimed is not ours. */
	if (hostnet->port_count == 0) {
		if (hostnet->claim_count == 0)
			nftables_table_remove(&hostnet->ingress);
		claim_undo_abandoned(hostnet->claims, hostnet->claim_count, &hostnet->netlink,
				     &hostnet->sysctls, &hostnet->saved);
	}
	port = &ports[hostnet->port_count++];
	error = kernel_port_init(port, &hostnet->netlink, &hostnet->sysctls, interface);
	if (error < 0)
		return error;
	error = saved_commit(&hostnet->saved);
	if (error < 0)
		log_warning("%s cannot be written: %s", hostnet->saved.path, strerror(-error));
	if (interface->address_count == 0 && interface->gateway_count != 0)
		log_warning("%s: with empty `addresses` the kernel has nothing to ask for the "
			    "gateway's MAC with but 0.0.0.0; a gateway that does not answer that "
			    "needs a permanent neighbour entry on %s",
			    interface->name, interface->kernel_name);
	return replypath_add(&hostnet->replypath, interface->kernel_name, port->ifindex,
			     interface->addresses, interface->address_count, interface->gateways,
			     interface->gateway_count);
}

static struct vips *vips_of(struct hostnet *hostnet, size_t interface)
{
	struct vips *vips;

	if (interface < hostnet->vips_count)
		return &hostnet->vips[interface];
	vips = reallocarray(hostnet->vips, interface + 1, sizeof(*vips));
	if (vips == NULL)
		return NULL;
	hostnet->vips = vips;
	memset(&vips[hostnet->vips_count], 0,
	       (interface + 1 - hostnet->vips_count) * sizeof(*vips));
	hostnet->vips_count = interface + 1;
	return &vips[interface];
}

/* lo gets the VIPs of all interfaces. What a predecessor left may belong to one not yet told. */
static int set_loopback(struct hostnet *hostnet)
{
	struct ip_set all = {0};
	size_t told = 0;
	int error = 0;

	for (size_t i = 0; i < hostnet->vips_count && error == 0; i++) {
		const struct vips *vips = &hostnet->vips[i];

		told += vips->set;
		error = ip_set_add_all(&all, vips->list.list, vips->list.count);
	}
	if (error == 0)
		error = loopback_set(&hostnet->loopback, &all, told >= hostnet->port_count);
	ip_set_fini(&all);
	return error;
}

static int set_groups(struct hostnet *hostnet, struct vips *vips, const char *kernel_port)
{
	struct link link;
	int error = link_get(&hostnet->netlink, kernel_port, &link);

	if (error < 0) {
		log_error("kernel port %s: %s", kernel_port, strerror(-error));
		return error;
	}
	if (vips->mld.ifindex != link.ifindex) {
		mld_fini(&vips->mld);
		mld_init(&vips->mld, link.ifindex);
	}
	return mld_set(&vips->mld, vips->list.list, vips->list.count);
}

int hostnet_vips_set(struct hostnet *hostnet, size_t interface, const char *kernel_port,
		     const struct ip *list, size_t count)
{
	struct vips *vips = vips_of(hostnet, interface);
	struct ip_set set = {0};
	int first, error;

	if (vips == NULL || ip_set_add_all(&set, list, count) < 0)
		return -ENOMEM;
	ip_set_fini(&vips->list);
	vips->list = set;
	vips->set = true;
	first = set_loopback(hostnet);
	error = set_groups(hostnet, vips, kernel_port);
	if (first == 0)
		first = error;
	error = replypath_vips_set(&hostnet->replypath, kernel_port, list, count);
	return first == 0 ? error : first;
}

int hostnet_fd(const struct hostnet *hostnet)
{
	return mnl_socket_get_fd(hostnet->events);
}

static void set_link(struct hostnet *hostnet, struct claim *claim, bool up)
{
	if (claim->up == up)
		return;
	claim->up = up;
	hostnet->link(hostnet->arg, claim->netdev, up);
}

static void look_at_link(struct hostnet *hostnet, struct claim *claim)
{
	struct link link;
	bool there = link_get(&hostnet->netlink, claim->current, &link) == 0 &&
		     link.ifindex == claim->ifindex;

	set_link(hostnet, claim, there && link_flags_up(link.flags));
}

static void link_changed(struct hostnet *hostnet, const struct nlmsghdr *message)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *attributes[IFLA_IFNAME + 1];

	netlink_attributes(message, sizeof(*info), attributes, IFLA_IFNAME);
	for (size_t i = 0; i < hostnet->claim_count; i++) {
		struct claim *claim = &hostnet->claims[i];
		const char *name;

		if (claim->ifindex == 0 || claim->ifindex != (unsigned int)info->ifi_index)
			continue;
		if (message->nlmsg_type == RTM_DELLINK) {
			log_error("netdev %s is gone", claim->current);
			claim->ifindex = 0;
			set_link(hostnet, claim, false);
			continue;
		}
		name = attributes[IFLA_IFNAME] == NULL ? claim->current
						       : mnl_attr_get_str(attributes[IFLA_IFNAME]);
		if (strcmp(name, claim->current) != 0) {
			log_warning("netdev %s is called %s now; the configuration still says %s",
				    claim->current, name, claim->netdev);
			(void)snprintf(claim->current, sizeof(claim->current), "%s", name);
		}
		/* What it says may be of before the claim, or of before the last request. */
		look_at_link(hostnet, claim);
	}
}

static void take_event(struct hostnet *hostnet, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (mnl_nlmsg_get_payload_len(message) >= sizeof(struct ifinfomsg))
			link_changed(hostnet, message);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		loopback_notice(&hostnet->loopback, message);
		break;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		/* Those of our own making name the socket that asked for them. */
		if (message->nlmsg_pid != mnl_socket_get_portid(hostnet->netlink.socket))
			replypath_notice(&hostnet->replypath);
		break;
	default:
		break;
	}
	if (mnl_nlmsg_get_payload_len(message) < sizeof(struct ifinfomsg))
		return;
	for (size_t i = 0; i < hostnet->port_count; i++)
		kernel_port_notice(&hostnet->ports[i], message);
}

/* Notifications were lost: everything may have changed. */
static void look_again(struct hostnet *hostnet)
{
	hostnet->loopback.dirty = true;
	replypath_notice(&hostnet->replypath);
	for (size_t i = 0; i < hostnet->port_count; i++)
		hostnet->ports[i].dirty = true;
	for (size_t i = 0; i < hostnet->claim_count; i++) {
		struct claim *claim = &hostnet->claims[i];

		if (claim->ifindex != 0)
			look_at_link(hostnet, claim);
	}
}

void hostnet_process(struct hostnet *hostnet)
{
	_Alignas(struct nlmsghdr) char buf[32768];

	for (;;) {
		ssize_t len = mnl_socket_recvfrom(hostnet->events, buf, sizeof(buf));
		const struct nlmsghdr *message = (const struct nlmsghdr *)buf;
		int left = (int)len;

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == ENOBUFS) {
			look_again(hostnet);
			continue;
		}
		if (len <= 0)
			return;
		for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
			take_event(hostnet, message);
	}
}

void hostnet_repair(struct hostnet *hostnet)
{
	hostnet_process(hostnet);
	for (size_t i = 0; i < hostnet->claim_count; i++)
		claim_repair(&hostnet->claims[i], &hostnet->netlink);
	for (size_t i = 0; i < hostnet->port_count; i++)
		kernel_port_repair(&hostnet->ports[i], &hostnet->netlink);
	nftables_table_repair(&hostnet->ingress);
	(void)sysctls_repair(&hostnet->sysctls);
	loopback_repair(&hostnet->loopback);
	replypath_repair(&hostnet->replypath);
}
