/* SPDX-License-Identifier: BSD-3-Clause */
/* Takes a kernel-driven NIC away from the kernel's IP stack, and gives it back. */
#include "claim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

#include "link.h"
#include "log.h"

#define SECOND_NS UINT64_C(1000000000)

static uint64_t boottime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* Reads what is there now and adds it to what is known. */
static int look(struct claim *claim, struct netlink *netlink, struct netlink_list *addresses,
		struct netlink_list *routes)
{
	const struct nlmsghdr *message = NULL;
	int error;

	error = link_addresses(netlink, claim->ifindex, AF_UNSPEC, addresses);
	if (error == 0)
		error = link_routes(netlink, claim->ifindex, routes);
	while (error == 0 && (message = netlink_list_next(addresses, message)) != NULL)
		error = netlink_list_add(&claim->addresses, message);
	for (message = NULL; error == 0 && (message = netlink_list_next(routes, message)) != NULL;)
		error = netlink_list_add(&claim->routes, message);
	return error;
}

static void warn_of_default_route(const struct claim *claim, const struct netlink_list *routes)
{
	const struct nlmsghdr *message = NULL;

	while ((message = netlink_list_next(routes, message)) != NULL) {
		const struct rtmsg *route = mnl_nlmsg_get_payload(message);

		if (route->rtm_dst_len == 0 && route->rtm_type == RTN_UNICAST)
			log_warning("%s carried an %s default route: it is gone until vipgate "
				    "stops; give the node another one",
				    claim->netdev, route->rtm_family == AF_INET ? "IPv4" : "IPv6");
	}
}

/* Deletes each message's object. Routes go first: an address may take its routes along. */
static int delete_all(struct netlink *netlink, const struct netlink_list *list, uint16_t type)
{
	const struct nlmsghdr *message = NULL;
	struct netlink_list copy = {0};
	int error = 0, result;

	while ((message = netlink_list_next(list, message)) != NULL) {
		struct nlmsghdr *request;

		copy.len = 0;
		if (netlink_list_add(&copy, message) < 0) {
			error = -ENOMEM;
			break;
		}
		request = (struct nlmsghdr *)copy.data;
		request->nlmsg_type = type;
		request->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
		request->nlmsg_pid = 0;
		if (type == RTM_DELROUTE)
			((struct rtmsg *)mnl_nlmsg_get_payload(request))->rtm_flags = 0;
		result = netlink_request(netlink, request, NULL);
		/* Gone meanwhile, as secondaries go with their primary. */
		if (result == -ESRCH || result == -EADDRNOTAVAIL || result == -ENOENT)
			result = 0;
		if (error == 0)
			error = result;
	}
	netlink_list_fini(&copy);
	return error;
}

static int disable_ipv6(struct claim *claim, struct sysctls *sysctls)
{
	char path[SYSCTL_PATH_MAX];
	int error;

	(void)snprintf(path, sizeof(path), "net/ipv6/conf/%s/disable_ipv6", claim->current);
	error = sysctl_set(sysctls, path, "1");
	return error == -ENOENT ? 0 : error; /* a kernel without IPv6 is silent already */
}

static int silence(struct claim *claim, struct netlink *netlink, struct sysctls *sysctls,
		   const struct netlink_list *addresses, const struct netlink_list *routes)
{
	int error;

	error = link_set_flags(netlink, claim->ifindex, IFF_NOARP, IFF_NOARP);
	if (error == 0)
		error = delete_all(netlink, routes, RTM_DELROUTE);
	if (error == 0)
		error = disable_ipv6(claim, sysctls);
	if (error == 0)
		error = delete_all(netlink, addresses, RTM_DELADDR);
	/* Up at last, when there is nothing left that it could say. */
	if (error == 0)
		error = link_set_flags(netlink, claim->ifindex, IFF_UP, IFF_UP);
	return error;
}

/*
 * One that a predecessor left claimed and that the configuration no longer names. Its IPv6 is
 * claimed once more, so that its sysctl is known and undone with the others. Returns whether it is
 * forgotten now: a living vipgate may have it.
 */
static bool undo_abandoned(const char *netdev, struct netlink *netlink, struct sysctls *sysctls,
			   struct saved *saved)
{
	struct claim claim = {.lock_fd = -1};
	struct link link;

	(void)snprintf(claim.netdev, sizeof(claim.netdev), "%s", netdev);
	(void)snprintf(claim.current, sizeof(claim.current), "%s", netdev);
	if (link_get(netlink, netdev, &link) == 0) {
		claim.ifindex = link.ifindex;
		claim.lock_fd = claim_lock(link.ifindex);
		if (claim.lock_fd == -EBUSY)
			return false;
		if (claim_load(&claim, saved, link.ifindex, link.flags)) {
			log_info(
				"%s was left claimed by a vipgate that did not stop cleanly: given "
				"back",
				netdev);
			(void)disable_ipv6(&claim, sysctls);
			claim_undo(&claim, netlink, sysctls, saved);
		}
	}
	claim_forget(&claim, saved);
	claim_fini(&claim);
	return true;
}

void claim_undo_abandoned(const struct claim *claims, size_t count, struct netlink *netlink,
			  struct sysctls *sysctls, struct saved *saved)
{
	char netdev[IFNAMSIZ];
	size_t at = 0;

	while (claim_saved_next(saved, &at, netdev)) {
		bool claimed = false;

		for (size_t i = 0; i < count; i++)
			claimed |= strcmp(claims[i].netdev, netdev) == 0;
		if (!claimed && undo_abandoned(netdev, netlink, sysctls, saved))
			at = 0; /* the list has shrunk */
	}
}

int claim_init(struct claim *claim, struct netlink *netlink, struct sysctls *sysctls,
	       struct saved *saved, const char *netdev)
{
	struct netlink_list addresses = {0}, routes = {0};
	struct link link;
	int error;

	*claim = (struct claim){.lock_fd = -1};
	(void)snprintf(claim->netdev, sizeof(claim->netdev), "%s", netdev);
	(void)snprintf(claim->current, sizeof(claim->current), "%s", netdev);
	error = link_get(netlink, netdev, &link);
	if (error < 0) {
		log_error("no netdev %s below the device of that interface in this network "
			  "namespace: %s",
			  netdev, strerror(-error));
		return error;
	}
	claim->lock_fd = claim_lock(link.ifindex);
	if (claim->lock_fd == -EBUSY) {
		log_error("%s: another vipgate in this network namespace has it", netdev);
		return -EBUSY;
	}
	if (claim->lock_fd < 0)
		log_warning("%s: cannot be locked against another vipgate: %s", netdev,
			    strerror(-claim->lock_fd));
	claim->ifindex = link.ifindex;
	if (claim_load(claim, saved, link.ifindex, link.flags)) {
		log_info("%s was left claimed by a vipgate that did not stop cleanly", netdev);
	} else {
		claim->before_arp = !(link.flags & IFF_NOARP);
		claim->before_up = link.flags & IFF_UP;
		claim->before_ns = boottime_ns();
	}
	error = look(claim, netlink, &addresses, &routes);
	if (error == 0)
		error = claim_save(claim, saved);
	if (error == 0) {
		warn_of_default_route(claim, &routes);
		error = silence(claim, netlink, sysctls, &addresses, &routes);
	}
	if (error == 0)
		error = link_get(netlink, netdev, &link);
	claim->up = error == 0 && link_flags_up(link.flags);
	if (error < 0)
		log_error("%s: cannot be taken from the kernel: %s", netdev, strerror(-error));
	netlink_list_fini(&addresses);
	netlink_list_fini(&routes);
	return error;
}

void claim_repair(struct claim *claim, struct netlink *netlink)
{
	struct netlink_list addresses = {0};
	struct link link;

	if (claim->ifindex == 0 || link_get(netlink, claim->current, &link) < 0 ||
	    link.ifindex != claim->ifindex)
		return;
	if (!(link.flags & IFF_NOARP)) {
		log_warning("%s: somebody turned arp on, off again", claim->current);
		(void)link_set_flags(netlink, claim->ifindex, IFF_NOARP, IFF_NOARP);
	}
	/* Not removed: two managers that undo each other help nobody. */
	if (link_addresses(netlink, claim->ifindex, AF_UNSPEC, &addresses) == 0) {
		if (addresses.len != 0 && !claim->warned)
			log_warning("%s belongs to vipgate, yet somebody put an address on it: use "
				    "`addresses` of its interface instead",
				    claim->current);
		claim->warned = addresses.len != 0;
	}
	netlink_list_fini(&addresses);
}

/* Lifetimes have run on since the address was read. False: it has expired. */
static bool age_address(struct nlmsghdr *message, uint64_t elapsed_ns)
{
	uint64_t elapsed = elapsed_ns / SECOND_NS;
	struct ifa_cacheinfo info;
	struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(struct ifaddrmsg))
	{
		if (mnl_attr_get_type(attribute) != IFA_CACHEINFO ||
		    mnl_attr_get_payload_len(attribute) < sizeof(info))
			continue;
		memcpy(&info, mnl_attr_get_payload(attribute), sizeof(info));
		if (info.ifa_valid == UINT32_MAX)
			return true;
		if (info.ifa_valid <= elapsed)
			return false;
		info.ifa_valid -= (uint32_t)elapsed;
		if (info.ifa_prefered != UINT32_MAX)
			info.ifa_prefered -=
				info.ifa_prefered < elapsed ? info.ifa_prefered : (uint32_t)elapsed;
		memcpy(mnl_attr_get_payload(attribute), &info, sizeof(info));
	}
	return true;
}

static void put_back(struct claim *claim, struct netlink *netlink, struct nlmsghdr *message,
		     const char *what)
{
	int error;

	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
	message->nlmsg_pid = 0;
	error = netlink_request(netlink, message, NULL);
	/* The kernel makes a link-local address, and maybe more, by itself. */
	if (error < 0 && error != -EEXIST)
		log_warning("%s: one of its %s cannot be put back: %s", claim->current, what,
			    strerror(-error));
}

static void put_back_lists(struct claim *claim, struct netlink *netlink)
{
	uint64_t elapsed = boottime_ns() - claim->before_ns;
	struct nlmsghdr *message = NULL;

	while ((message = (struct nlmsghdr *)netlink_list_next(&claim->addresses, message)) != NULL)
		if (age_address(message, elapsed))
			put_back(claim, netlink, message, "addresses");
	/* Routes by a gateway need those that reach the gateway. */
	for (int gateways = 0; gateways < 2; gateways++)
		while ((message = (struct nlmsghdr *)netlink_list_next(&claim->routes, message)) !=
		       NULL) {
			const struct nlattr *attributes[RTA_MAX + 1];
			struct rtmsg *route = mnl_nlmsg_get_payload(message);

			netlink_attributes(message, sizeof(*route), attributes, RTA_MAX);
			if ((attributes[RTA_GATEWAY] != NULL || attributes[RTA_VIA] != NULL) !=
			    gateways)
				continue;
			route->rtm_flags &= RTNH_F_ONLINK; /* the others are the kernel's to set */
			put_back(claim, netlink, message, "routes");
		}
}

void claim_undo(struct claim *claim, struct netlink *netlink, struct sysctls *sysctls,
		struct saved *saved)
{
	char path[SYSCTL_PATH_MAX];
	struct link link;

	if (claim->ifindex != 0 && link_get(netlink, claim->current, &link) == 0 &&
	    link.ifindex == claim->ifindex) {
		if (!claim->before_up)
			(void)link_set_flags(netlink, claim->ifindex, 0, IFF_UP);
		(void)snprintf(path, sizeof(path), "net/ipv6/conf/%s/", claim->netdev);
		sysctls_undo(sysctls, path);
		if (claim->before_arp)
			(void)link_set_flags(netlink, claim->ifindex, 0, IFF_NOARP);
		put_back_lists(claim, netlink);
	}
	claim_forget(claim, saved);
}

void claim_fini(struct claim *claim)
{
	netlink_list_fini(&claim->addresses);
	netlink_list_fini(&claim->routes);
	if (claim->lock_fd >= 0)
		close(claim->lock_fd);
	claim->lock_fd = -1;
}
