/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts VIPs on lo and takes them off again; knows its own from those of others. */
#include "loopback.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "link.h"
#include "log.h"

void loopback_init(struct loopback *loopback, struct netlink *netlink)
{
	*loopback = (struct loopback){.netlink = netlink, .ifindex = if_nametoindex("lo")};
}

/* The address of a message on lo. False: it is of another netdev, or no host address. */
static bool read_address(const struct loopback *loopback, const struct nlmsghdr *message,
			 struct ip *ip, bool *marked)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attributes[IFA_MAX + 1];
	const struct nlattr *proto;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*header) ||
	    header->ifa_index != loopback->ifindex)
		return false;
	if (header->ifa_prefixlen != (header->ifa_family == AF_INET ? 32 : 128))
		return false;
	netlink_attributes(message, sizeof(*header), attributes, IFA_MAX);
	proto = attributes[IFA_PROTO];
	*ip = netlink_ip(attributes[attributes[IFA_LOCAL] != NULL ? IFA_LOCAL : IFA_ADDRESS]);
	*marked = proto != NULL && mnl_attr_get_payload_len(proto) == 1 &&
		  mnl_attr_get_u8(proto) == NETLINK_PROTO_VIPGATE;
	return true;
}

/*
 * Reads what is on lo. An address is ours by its mark; a kernel before 5.18 keeps no mark, there
 * ours are those that this process added and that still are.
 */
static int look(struct loopback *loopback)
{
	struct netlink_list list = {0};
	const struct nlmsghdr *message = NULL;
	struct ip_set ours = {0}, foreign = {0};
	bool marked;
	struct ip ip;
	int error;

	error = link_addresses(loopback->netlink, loopback->ifindex, AF_UNSPEC, &list);
	while (error == 0 && (message = netlink_list_next(&list, message)) != NULL) {
		if (!read_address(loopback, message, &ip, &marked))
			continue;
		if (marked || ip_set_has(&loopback->ours, &ip))
			error = ip_set_add(&ours, &ip);
		else if (ip_set_has(&loopback->wanted, &ip))
			error = ip_set_add(&foreign, &ip);
	}
	netlink_list_fini(&list);
	if (error < 0) {
		ip_set_fini(&ours);
		ip_set_fini(&foreign);
		return error;
	}
	for (size_t i = 0; i < foreign.count; i++)
		if (!ip_set_has(&loopback->foreign, &foreign.list[i])) {
			char text[IP_STRLEN];

			log_info("VIP %s is on lo already, put there by somebody else: left alone",
				 ip_format(&foreign.list[i], text));
		}
	ip_set_fini(&loopback->ours);
	ip_set_fini(&loopback->foreign);
	loopback->ours = ours;
	loopback->foreign = foreign;
	loopback->dirty = false;
	return 0;
}

static void put_address(const struct loopback *loopback, struct netlink_batch *batch, uint16_t type,
			uint16_t flags, const struct ip *ip)
{
	struct nlmsghdr *request = netlink_batch_next(batch, type, flags);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->ifa_family = ip_family(ip);
	header->ifa_prefixlen = ip_is_v4(ip) ? 32 : 128;
	header->ifa_index = loopback->ifindex;
	/* Host scope as on 127.0.0.1 would keep v4 from being chosen as a source: universe. */
	header->ifa_scope = RT_SCOPE_UNIVERSE;
	netlink_put_ip(request, IFA_LOCAL, ip);
	netlink_put_ip(request, IFA_ADDRESS, ip);
	if (type == RTM_DELADDR)
		return;
	/* Duplicate detection is the owner's business on the front-end net, and none of lo's. */
	mnl_attr_put_u32(request, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
	mnl_attr_put_u8(request, IFA_PROTO, NETLINK_PROTO_VIPGATE);
}

static void answered(void *arg, const struct nlmsghdr *request, int error)
{
	struct loopback *loopback = arg;
	const struct nlattr *attributes[IFA_MAX + 1];
	char text[IP_STRLEN];
	struct ip ip;

	netlink_attributes(request, sizeof(struct ifaddrmsg), attributes, IFA_MAX);
	ip = netlink_ip(attributes[IFA_LOCAL]);
	if (request->nlmsg_type == RTM_DELADDR) {
		ip_set_remove(&loopback->ours, &ip);
		if (error == -EADDRNOTAVAIL)
			error = 0; /* somebody was faster */
	} else if (error == 0) {
		error = ip_set_add(&loopback->ours, &ip);
	} else if (error == -EEXIST) {
		error = 0; /* somebody was faster; look() will see whose it is */
		loopback->dirty = true;
	}
	if (error == 0)
		return;
	log_error("VIP %s cannot be %s lo: %s%s", ip_format(&ip, text),
		  request->nlmsg_type == RTM_DELADDR ? "removed from" : "put on", strerror(-error),
		  error == -EACCES ? " (is IPv6 disabled there?)" : "");
	if (loopback->error == 0)
		loopback->error = error;
}

static int bring_up(struct loopback *loopback)
{
	struct link link;
	int error = link_get(loopback->netlink, "lo", &link);

	if (error == 0 && !(link.flags & IFF_UP))
		error = link_set_flags(loopback->netlink, link.ifindex, IFF_UP, IFF_UP);
	if (error < 0)
		log_error("lo cannot be brought up: %s", strerror(-error));
	return error;
}

static int apply(struct loopback *loopback, bool leftovers, const struct ip_set *dropped)
{
	struct netlink_batch batch;
	int error = look(loopback);

	if (error < 0) {
		log_error("addresses of lo cannot be read: %s", strerror(-error));
		return error;
	}
	loopback->error = 0;
	netlink_batch_init(&batch, loopback->netlink, answered, loopback);
	for (size_t i = 0; i < loopback->wanted.count; i++) {
		const struct ip *ip = &loopback->wanted.list[i];

		if (!ip_set_has(&loopback->ours, ip) && !ip_set_has(&loopback->foreign, ip))
			put_address(loopback, &batch, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ip);
	}
	netlink_batch_flush(&batch);
	/* From the end: answers take addresses out of `ours` while the loop runs. */
	for (size_t i = loopback->ours.count; i-- > 0;) {
		struct ip ip = loopback->ours.list[i];

		if (!ip_set_has(&loopback->wanted, &ip) &&
		    (leftovers || (dropped != NULL && ip_set_has(dropped, &ip))))
			put_address(loopback, &batch, RTM_DELADDR, 0, &ip);
	}
	netlink_batch_flush(&batch);
	return loopback->error;
}

int loopback_set(struct loopback *loopback, const struct ip_set *wanted, bool leftovers)
{
	struct ip_set before = loopback->wanted;
	int error;

	loopback->wanted = (struct ip_set){0};
	error = ip_set_add_all(&loopback->wanted, wanted->list, wanted->count);
	if (error < 0) {
		loopback->wanted = before;
		return error;
	}
	if (wanted->count != 0)
		error = bring_up(loopback);
	if (error == 0)
		error = apply(loopback, leftovers, &before);
	ip_set_fini(&before);
	return error;
}

void loopback_notice(struct loopback *loopback, const struct nlmsghdr *message)
{
	bool marked;
	struct ip ip;

	if (!read_address(loopback, message, &ip, &marked) || !ip_set_has(&loopback->wanted, &ip))
		return;
	if (message->nlmsg_type == RTM_DELADDR)
		loopback->dirty = true;
}

void loopback_repair(struct loopback *loopback)
{
	if (!loopback->dirty)
		return;
	loopback->dirty = false;
	if (look(loopback) < 0 ||
	    loopback->ours.count + loopback->foreign.count >= loopback->wanted.count)
		return;
	log_warning("%zu VIPs were removed from lo by somebody, put there again",
		    loopback->wanted.count - loopback->ours.count - loopback->foreign.count);
	(void)bring_up(loopback);
	(void)apply(loopback, false, NULL);
}

void loopback_undo(struct loopback *loopback)
{
	struct ip_set nothing = {0};

	(void)loopback_set(loopback, &nothing, true);
}

void loopback_fini(struct loopback *loopback)
{
	ip_set_fini(&loopback->wanted);
	ip_set_fini(&loopback->ours);
	ip_set_fini(&loopback->foreign);
}
