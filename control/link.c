/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads netdevs, addresses and routes by rtnetlink, and sets a netdev's flags. */
#include "link.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

/* IFF_LOWER_UP; linux/if.h and net/if.h cannot be included together. */
#define LOWER_UP 0x10000u

bool link_flags_up(unsigned int flags)
{
	return (flags & IFF_RUNNING) && (flags & LOWER_UP);
}

int link_get(struct netlink *netlink, const char *name, struct link *link)
{
	_Alignas(struct nlmsghdr) char buf[256];
	struct nlmsghdr *request = netlink_prepare(netlink, buf, RTM_GETLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	struct netlink_list list = {0};
	const struct nlmsghdr *answer;
	int error;

	if (strlen(name) == 0 || strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	info->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(request, IFLA_IFNAME, name);
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	error = netlink_request(netlink, request, &list);
	answer = error < 0 ? NULL : netlink_list_next(&list, NULL);
	if (answer != NULL && mnl_nlmsg_get_payload_len(answer) >= sizeof(*info)) {
		info = mnl_nlmsg_get_payload(answer);
		link->ifindex = (unsigned int)info->ifi_index;
		link->flags = info->ifi_flags;
	} else if (error == 0) {
		error = -ENODEV;
	}
	netlink_list_fini(&list);
	return error;
}

int link_set_flags(struct netlink *netlink, unsigned int ifindex, unsigned int flags,
		   unsigned int mask)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *request = netlink_prepare(netlink, buf, RTM_NEWLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	info->ifi_family = AF_UNSPEC;
	info->ifi_index = (int)ifindex;
	info->ifi_flags = flags;
	info->ifi_change = mask;
	return netlink_request(netlink, request, NULL);
}

/* Keeps the messages that `wanted` wants, in place. */
static void keep(struct netlink_list *list, unsigned int ifindex,
		 bool (*wanted)(const struct nlmsghdr *message, unsigned int ifindex))
{
	size_t at = 0, kept = 0;

	while (at < list->len) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)(list->data + at);
		size_t len = MNL_ALIGN(message->nlmsg_len);

		if (wanted(message, ifindex)) {
			memmove(list->data + kept, message, len);
			kept += len;
		}
		at += len;
	}
	list->len = kept;
}

static bool is_address_of(const struct nlmsghdr *message, unsigned int ifindex)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);

	return message->nlmsg_type == RTM_NEWADDR &&
	       mnl_nlmsg_get_payload_len(message) >= sizeof(*address) &&
	       (ifindex == 0 || address->ifa_index == ifindex);
}

int link_addresses(struct netlink *netlink, unsigned int ifindex, uint8_t family,
		   struct netlink_list *list)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *request = netlink_prepare(netlink, buf, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	int error;

	header->ifa_family = family;
	header->ifa_index = ifindex; /* filtered by the kernel when it is strict */
	error = netlink_request(netlink, request, list);
	if (error == -ENODEV || error == -EOPNOTSUPP) { /* no addresses there, or no such family */
		list->len = 0;
		return 0;
	}
	if (error == 0)
		keep(list, ifindex, is_address_of);
	return error;
}

/*
 * Left out: the kernel's own (they come back with the addresses), those that expire (their
 * advertiser repeats them), and multipath routes, which outlive the loss of one leg.
 */
static bool is_route_of(const struct nlmsghdr *message, unsigned int ifindex)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	const struct nlattr *attributes[RTA_MAX + 1];
	const struct nlattr *cache;

	if (message->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*route))
		return false;
	if (route->rtm_protocol == RTPROT_KERNEL || route->rtm_protocol == RTPROT_REDIRECT ||
	    (route->rtm_flags & RTM_F_CLONED) || route->rtm_table == RT_TABLE_LOCAL)
		return false;
	netlink_attributes(message, sizeof(*route), attributes, RTA_MAX);
	cache = attributes[RTA_CACHEINFO];
	if (cache != NULL && mnl_attr_get_payload_len(cache) >= sizeof(struct rta_cacheinfo)) {
		struct rta_cacheinfo info;

		memcpy(&info, mnl_attr_get_payload(cache), sizeof(info));
		if (info.rta_expires != 0)
			return false;
	}
	return attributes[RTA_MULTIPATH] == NULL && netlink_u32(attributes[RTA_OIF]) == ifindex;
}

static int routes_of_family(struct netlink *netlink, unsigned int ifindex, uint8_t family,
			    struct netlink_list *list)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *request = netlink_prepare(netlink, buf, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	int error;

	header->rtm_family = family;
	mnl_attr_put_u32(request, RTA_OIF, ifindex);
	error = netlink_request(netlink, request, list);
	if (error == -EOPNOTSUPP || error == -EAFNOSUPPORT || error == -ENOENT) {
		list->len = 0;
		return 0;
	}
	if (error == 0)
		keep(list, ifindex, is_route_of);
	return error;
}

int link_routes(struct netlink *netlink, unsigned int ifindex, struct netlink_list *list)
{
	struct netlink_list v6 = {0};
	const struct nlmsghdr *message = NULL;
	int error;

	error = routes_of_family(netlink, ifindex, AF_INET, list);
	if (error == 0)
		error = routes_of_family(netlink, ifindex, AF_INET6, &v6);
	while (error == 0 && (message = netlink_list_next(&v6, message)) != NULL)
		error = netlink_list_add(list, message);
	netlink_list_fini(&v6);
	return error;
}
