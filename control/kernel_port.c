/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets up the kernel's end of a kernel port, and undoes it. */
#include "kernel_port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "link.h"
#include "log.h"

struct setting {
	const char *path; /* %s: the kernel port */
	const char *value;
};

static const struct setting settings_v4[] = {
	/* Loose: a client's way back may be another netdev's by the main table. */
	{"net/ipv4/conf/%s/rp_filter", "2"},
	/* The check above knows the mark that the reply path sets. */
	{"net/ipv4/conf/%s/src_valid_mark", "1"},
	{"net/ipv4/conf/%s/send_redirects", "0"},
	{"net/ipv4/conf/%s/accept_redirects", "0"},
	/* Never ask with a VIP as sender when the port has an address to ask with. */
	{"net/ipv4/conf/%s/arp_announce", "2"},
	/* Answer for the port's own addresses only: those of other netdevs, VIPs on lo among them,
	 * are none of this network's business. The worker drops such answers too. */
	{"net/ipv4/conf/%s/arp_ignore", "1"},
};

/* Of no effect by the port's own value alone: the kernel takes `all` OR the netdev's, of
 * arp_announce the larger. */
static const struct setting settings_all[] = {
	/* Also on other netdevs, and after our death: connections of a VIP whose kernel port is
	 * gone send by the default route then, and would ask for its gateway with the VIP as
	 * sender. */
	{"net/ipv4/conf/all/arp_announce", "2"},
	{"net/ipv4/conf/all/send_redirects", "0"},
	{"net/ipv4/conf/all/accept_redirects", "0"}, /* the last one: see below */
};

static int set_v4(struct sysctls *sysctls, const char *name)
{
	char path[SYSCTL_PATH_MAX], forwarding[SYSCTL_VALUE_MAX] = "0";
	size_t count = sizeof(settings_all) / sizeof(settings_all[0]);
	int error;

	for (size_t i = 0; i < sizeof(settings_v4) / sizeof(settings_v4[0]); i++) {
		(void)snprintf(path, sizeof(path), settings_v4[i].path, name);
		error = sysctl_set(sysctls, path, settings_v4[i].value);
		if (error < 0) {
			log_error("%s: sysctl %s cannot be set to %s: %s", name, path,
				  settings_v4[i].value, strerror(-error));
			return error;
		}
	}
	/* On a router accept_redirects is `all` AND the netdev's, so that `all` would reach others
	 * and is not needed. */
	(void)snprintf(path, sizeof(path), "net/ipv4/conf/%s/forwarding", name);
	if (sysctl_read(path, forwarding) == 0 && strcmp(forwarding, "0") != 0)
		count--;
	for (size_t i = 0; i < count; i++) {
		error = sysctl_set(sysctls, settings_all[i].path, settings_all[i].value);
		if (error < 0)
			log_warning("sysctl %s cannot be set to %s: %s", settings_all[i].path,
				    settings_all[i].value, strerror(-error));
	}
	return 0;
}

static bool needs_v6(const struct config_interface *interface)
{
	for (size_t i = 0; i < interface->address_count; i++)
		if (!ip_is_v4(&interface->addresses[i].addr))
			return true;
	for (size_t i = 0; i < interface->gateway_count; i++)
		if (!ip_is_v4(&interface->gateways[i]))
			return true;
	return false;
}

/*
 * accept_ra and the like stay as they are. accept_dad does not: until the link-local address has
 * gone through DAD, some two seconds, the kernel solicits no neighbour for a packet from a VIP on
 * lo (ndisc_send_ns() finds no source), so that replies to new clients would be lost meanwhile. The
 * address is made from the NIC's own MAC.
 */
static int set_v6(struct sysctls *sysctls, const struct config_interface *interface)
{
	const char *const settings[][2] = {
		{"accept_redirects", "0"}, {"accept_dad", "0"}, {"disable_ipv6", "0"}};
	char path[SYSCTL_PATH_MAX];
	int error;

	for (size_t i = 0; i < (needs_v6(interface) ? 3u : 2u); i++) {
		(void)snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", interface->kernel_name,
			       settings[i][0]);
		error = sysctl_set(sysctls, path, settings[i][1]);
		if (error == -ENOENT && !needs_v6(interface))
			return 0; /* no IPv6 here */
		if (error < 0) {
			log_error("%s: sysctl %s cannot be set to %s: %s", interface->kernel_name,
				  path, settings[i][1], strerror(-error));
			return error;
		}
	}
	return 0;
}

static void put_address(struct netlink_batch *batch, const struct kernel_port *port, uint16_t type,
			const struct ip_prefix *prefix)
{
	struct nlmsghdr *request = netlink_batch_next(
		batch, type, type == RTM_NEWADDR ? NLM_F_CREATE | NLM_F_EXCL : 0);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->ifa_family = ip_family(&prefix->addr);
	header->ifa_prefixlen = ip_family_bits(&prefix->addr, prefix->len);
	header->ifa_index = port->ifindex;
	netlink_put_ip(request, IFA_LOCAL, &prefix->addr);
	netlink_put_ip(request, IFA_ADDRESS, &prefix->addr);
	if (type == RTM_DELADDR)
		return;
	if (ip_is_v4(&prefix->addr) && prefix->len <= 126) {
		uint32_t hosts = htobe32(UINT32_MAX >> (prefix->len - 96));

		if (prefix->len > 96)
			mnl_attr_put_u32(request, IFA_BROADCAST, ip_v4(&prefix->addr) | hosts);
	}
	/* No DAD: it would keep the node's address out of use for the first second of each start,
	 * in which the gateway is to be probed and heartbeats begin. */
	mnl_attr_put_u32(request, IFA_FLAGS, ip_is_v4(&prefix->addr) ? 0 : IFA_F_NODAD);
	mnl_attr_put_u8(request, IFA_PROTO, NETLINK_PROTO_VIPGATE);
}

static void answered(void *arg, const struct nlmsghdr *request, int error)
{
	struct kernel_port *port = arg;
	const struct nlattr *attributes[IFA_MAX + 1];
	char text[IP_STRLEN];
	struct ip ip;

	netlink_attributes(request, sizeof(struct ifaddrmsg), attributes, IFA_MAX);
	ip = netlink_ip(attributes[IFA_LOCAL]);
	for (size_t i = 0; i < port->address_count && error == 0; i++)
		if (ip_equal(&port->addresses[i].addr, &ip)) {
			port->added[i] = request->nlmsg_type == RTM_NEWADDR;
			port->changes++;
		}
	if (request->nlmsg_type == RTM_DELADDR || error == 0 || error == -EEXIST)
		return; /* what cannot be removed is gone, or goes with the port */
	log_error("%s: address %s cannot be added: %s", port->name, ip_format(&ip, text),
		  strerror(-error));
	if (port->error == 0)
		port->error = error;
}

static int put_all(struct kernel_port *port, struct netlink *netlink)
{
	struct netlink_batch batch;

	port->error = 0;
	port->changes = 0;
	netlink_batch_init(&batch, netlink, answered, port);
	for (size_t i = 0; i < port->address_count; i++)
		put_address(&batch, port, RTM_NEWADDR, &port->addresses[i]);
	netlink_batch_flush(&batch);
	return port->error;
}

static int copy_addresses(struct kernel_port *port, const struct config_interface *interface)
{
	port->addresses = calloc(interface->address_count + 1, sizeof(*port->addresses));
	port->added = calloc(interface->address_count + 1, sizeof(*port->added));
	if (port->addresses == NULL || port->added == NULL)
		return -ENOMEM;
	if (interface->address_count != 0)
		memcpy(port->addresses, interface->addresses,
		       interface->address_count * sizeof(*port->addresses));
	port->address_count = interface->address_count;
	return 0;
}

int kernel_port_init(struct kernel_port *port, struct netlink *netlink, struct sysctls *sysctls,
		     const struct config_interface *interface)
{
	struct link link;
	int error;

	*port = (struct kernel_port){0};
	(void)snprintf(port->name, sizeof(port->name), "%s", interface->kernel_name);
	error = link_get(netlink, interface->kernel_name, &link);
	if (error < 0) {
		log_error("kernel port %s of interface %s: %s", interface->kernel_name,
			  interface->name, strerror(-error));
		return error;
	}
	port->ifindex = link.ifindex;
	port->before_up = link.flags & IFF_UP;
	error = copy_addresses(port, interface);
	if (error == 0)
		error = set_v4(sysctls, port->name);
	if (error == 0)
		error = set_v6(sysctls, interface);
	if (error == 0)
		error = put_all(port, netlink);
	if (error < 0)
		return error;
	/* Up at last, so that it is complete when others see it. */
	error = link_set_flags(netlink, port->ifindex, IFF_UP, IFF_UP);
	if (error < 0)
		log_error("%s cannot be brought up: %s", port->name, strerror(-error));
	return error;
}

void kernel_port_notice(struct kernel_port *port, const struct nlmsghdr *message)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type == RTM_NEWLINK)
		port->dirty |= (unsigned int)link->ifi_index == port->ifindex &&
			       !(link->ifi_flags & IFF_UP);
	else if (message->nlmsg_type == RTM_DELADDR)
		port->dirty |= address->ifa_index == port->ifindex;
}

void kernel_port_repair(struct kernel_port *port, struct netlink *netlink)
{
	struct link link;

	if (!port->dirty)
		return;
	port->dirty = false;
	if (link_get(netlink, port->name, &link) < 0 || link.ifindex != port->ifindex) {
		log_error("kernel port %s is gone", port->name);
		return;
	}
	if (put_all(port, netlink) == 0 && port->changes != 0)
		log_warning("%s: %zu addresses were removed by somebody, put there again",
			    port->name, port->changes);
	if (link.flags & IFF_UP)
		return;
	log_warning("%s was set down by somebody, up again", port->name);
	(void)link_set_flags(netlink, port->ifindex, IFF_UP, IFF_UP);
}

void kernel_port_undo(struct kernel_port *port, struct netlink *netlink)
{
	struct netlink_batch batch;
	struct link link;

	if (port->ifindex == 0 || link_get(netlink, port->name, &link) < 0 ||
	    link.ifindex != port->ifindex)
		return;
	netlink_batch_init(&batch, netlink, answered, port);
	for (size_t i = 0; i < port->address_count; i++)
		if (port->added[i])
			put_address(&batch, port, RTM_DELADDR, &port->addresses[i]);
	netlink_batch_flush(&batch);
	if (!port->before_up)
		(void)link_set_flags(netlink, port->ifindex, 0, IFF_UP);
}

void kernel_port_fini(struct kernel_port *port)
{
	free(port->addresses);
	free(port->added);
	*port = (struct kernel_port){0};
}
