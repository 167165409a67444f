/* SPDX-License-Identifier: BSD-3-Clause */
/* The reply path's routing tables, compared with what the kernel has and put right. */
#include "replypath_rule.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/rtnetlink.h>

#include "log.h"

void replypath_answered(void *arg, const struct nlmsghdr *request, int error)
{
	struct replypath_counts *counts = arg;

	if (error == -EEXIST || error == -ENOENT || error == -ESRCH)
		return; /* somebody was faster */
	if (error == 0)
		counts->changes++;
	else if (counts->error == 0)
		counts->error = error;
	if (error < 0)
		log_error("reply path: a %s cannot be %s: %s",
			  request->nlmsg_type == RTM_NEWROUTE || request->nlmsg_type == RTM_DELROUTE
				  ? "route"
				  : "rule",
			  request->nlmsg_type == RTM_NEWROUTE || request->nlmsg_type == RTM_NEWRULE
				  ? "added"
				  : "removed",
			  strerror(-error));
}

/* The routes of one table and family. A table that does not exist is empty. */
static int read_table(struct replypath *replypath, uint8_t family, uint32_t table,
		      struct netlink_list *list)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *request =
		netlink_prepare(replypath->netlink, buf, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	int error;

	header->rtm_family = family;
	mnl_attr_put_u32(request, RTA_TABLE, table);
	error = netlink_request(replypath->netlink, request, list);
	if (error == -ENOENT || error == -EAFNOSUPPORT || error == -EOPNOTSUPP) {
		list->len = 0;
		error = 0;
	}
	return error;
}

static bool route_is(const struct nlmsghdr *message, uint32_t table, unsigned int ifindex,
		     const struct ip *to, uint8_t to_len, const struct ip *gateway)
{
	const struct rtmsg *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attributes[RTA_MAX + 1];
	struct ip there;

	if (message->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return false;
	netlink_attributes(message, sizeof(*header), attributes, RTA_MAX);
	there = netlink_ip(attributes[RTA_GATEWAY]);
	if (netlink_u32(attributes[RTA_TABLE]) != table ||
	    netlink_u32(attributes[RTA_OIF]) != ifindex || header->rtm_dst_len != to_len ||
	    !(gateway == NULL ? ip_is_none(&there) : ip_equal(&there, gateway)))
		return false;
	there = netlink_ip(attributes[RTA_DST]);
	return to_len == 0 || ip_equal(&there, to);
}

struct table {
	struct replypath *replypath;
	const struct replypath_port *port;
	struct netlink_list list;
	struct netlink_batch batch;
	uint8_t family;
};

static void want_route(struct table *table, const struct ip *to, uint8_t to_len,
		       const struct ip *gateway, bool onlink)
{
	uint32_t id = REPLYPATH_TABLE + table->port->number;
	const struct nlmsghdr *message = NULL;
	struct nlmsghdr *request;
	struct rtmsg *header;

	while ((message = netlink_list_next(&table->list, message)) != NULL)
		if (route_is(message, id, table->port->ifindex, to, to_len, gateway))
			return;
	request = netlink_batch_next(&table->batch, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtm_family = table->family;
	header->rtm_dst_len = to_len;
	header->rtm_table = RT_TABLE_UNSPEC;
	header->rtm_protocol = NETLINK_PROTO_VIPGATE;
	header->rtm_scope = gateway == NULL ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	header->rtm_type = RTN_UNICAST;
	header->rtm_flags = onlink ? RTNH_F_ONLINK : 0;
	mnl_attr_put_u32(request, RTA_TABLE, id);
	mnl_attr_put_u32(request, RTA_OIF, table->port->ifindex);
	if (to_len != 0)
		netlink_put_ip(request, RTA_DST, to);
	if (gateway != NULL)
		netlink_put_ip(request, RTA_GATEWAY, gateway);
}

static struct ip network_of(const struct ip_prefix *prefix)
{
	struct ip ip = prefix->addr;

	for (unsigned int bit = prefix->len; bit < 128; bit++)
		ip.b[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return ip;
}

static bool is_link_local(const struct ip *ip)
{
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

/* On-link clients are answered directly, all others by the gateway. */
static void want_table(struct table *table, const struct ip *gateway)
{
	bool reachable = is_link_local(gateway);

	for (size_t i = 0; i < table->port->address_count; i++) {
		const struct ip_prefix *prefix = &table->port->addresses[i];
		struct ip network = network_of(prefix);

		if (ip_family(&prefix->addr) != table->family)
			continue;
		reachable |= ip_prefix_contains(prefix, gateway);
		want_route(table, &network, ip_family_bits(&prefix->addr, prefix->len), NULL,
			   false);
	}
	want_route(table, NULL, 0, gateway, !reachable);
}

int replypath_routes_sync(struct replypath *replypath, const struct replypath_port *port)
{
	struct replypath_counts counts = {0};
	struct table table = {.replypath = replypath, .port = port};
	int error = 0;

	netlink_batch_init(&table.batch, replypath->netlink, replypath_answered, &counts);
	for (int v4 = 0; v4 < 2 && error == 0; v4++) {
		const struct ip *gateway = replypath_gateway(port, v4);

		if (gateway == NULL)
			continue;
		table.family = v4 ? AF_INET : AF_INET6;
		error = read_table(replypath, table.family, REPLYPATH_TABLE + port->number,
				   &table.list);
		if (error == 0)
			want_table(&table, gateway);
	}
	netlink_batch_flush(&table.batch);
	netlink_list_fini(&table.list);
	if (error == 0)
		error = counts.error;
	return error < 0 ? error : counts.changes;
}

static void drop_route(struct netlink_batch *batch, const struct nlmsghdr *message, uint32_t id)
{
	const struct rtmsg *there = mnl_nlmsg_get_payload(message);
	const struct nlattr *attributes[RTA_MAX + 1];
	struct nlmsghdr *request;
	struct rtmsg *header;
	struct ip to;

	netlink_attributes(message, sizeof(*there), attributes, RTA_MAX);
	if (netlink_u32(attributes[RTA_TABLE]) != id ||
	    there->rtm_protocol != NETLINK_PROTO_VIPGATE)
		return;
	request = netlink_batch_next(batch, RTM_DELROUTE, 0);
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->rtm_family = there->rtm_family;
	header->rtm_dst_len = there->rtm_dst_len;
	header->rtm_protocol = there->rtm_protocol;
	header->rtm_scope = RT_SCOPE_NOWHERE;
	mnl_attr_put_u32(request, RTA_TABLE, id);
	mnl_attr_put_u32(request, RTA_OIF, netlink_u32(attributes[RTA_OIF]));
	to = netlink_ip(attributes[RTA_DST]);
	if (there->rtm_dst_len != 0)
		netlink_put_ip(request, RTA_DST, &to);
}

void replypath_routes_flush(struct replypath *replypath, const struct replypath_port *port)
{
	uint32_t id = REPLYPATH_TABLE + port->number;
	const struct nlmsghdr *message = NULL;
	struct netlink_list list = {0};
	struct netlink_batch batch;
	struct replypath_counts counts = {0};

	netlink_batch_init(&batch, replypath->netlink, replypath_answered, &counts);
	for (int v4 = 0; v4 < 2; v4++) {
		if (replypath_gateway(port, v4) == NULL ||
		    read_table(replypath, v4 ? AF_INET : AF_INET6, id, &list) < 0)
			continue;
		for (message = NULL; (message = netlink_list_next(&list, message)) != NULL;)
			drop_route(&batch, message, id);
		netlink_batch_flush(&batch);
	}
	netlink_list_fini(&list);
}
