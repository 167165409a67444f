/* SPDX-License-Identifier: BSD-3-Clause */
/* The reply path's ip rules and routes, compared with what the kernel has and put right. */
#include "replypath_rule.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "log.h"

struct rule {
	uint32_t priority, mark, mask, table;
	struct ip from; /* of the family's zero when it is from all */
	uint8_t family, from_len;
	bool there;
};

struct rules {
	struct rule *list;
	size_t count;
};

struct counts {
	int changes, error;
};

static int rule_cmp(const void *a, const void *b)
{
	const struct rule *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	if (x->mark != y->mark)
		return x->mark < y->mark ? -1 : 1;
	if (x->mask != y->mask)
		return x->mask < y->mask ? -1 : 1;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->from_len != y->from_len)
		return x->from_len < y->from_len ? -1 : 1;
	return ip_cmp(&x->from, &y->from);
}

static const struct ip *gateway_of(const struct replypath_port *port, bool v4)
{
	const struct ip *gateway = &port->gateways[v4 ? 0 : 1];

	return ip_is_none(gateway) ? NULL : gateway;
}

static bool has_last_resort(const struct rules *rules, const struct ip *vip)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->list[i].from_len != 0 && ip_equal(&rules->list[i].from, vip))
			return true;
	return false;
}

static void wanted_of_port(const struct replypath_port *port, struct rules *wanted, bool alone)
{
	uint32_t table = REPLYPATH_TABLE + port->number;

	for (int v4 = 0; v4 < 2; v4++)
		if (gateway_of(port, v4) != NULL)
			wanted->list[wanted->count++] = (struct rule){
				.priority = REPLYPATH_PRIORITY,
				.mark = replypath_mark(port),
				.mask = REPLYPATH_MARK_MASK,
				.table = table,
				.family = v4 ? AF_INET : AF_INET6,
			};
	for (size_t i = 0; i < port->vips.count; i++) {
		const struct ip *vip = &port->vips.list[i];

		/* A VIP of two kernel ports: one way is as good as the other. */
		if (gateway_of(port, ip_is_v4(vip)) == NULL ||
		    (!alone && has_last_resort(wanted, vip)))
			continue;
		wanted->list[wanted->count++] = (struct rule){
			.priority = REPLYPATH_LAST_PRIORITY,
			.table = table,
			.from = *vip,
			.from_len = ip_is_v4(vip) ? 32 : 128,
			.family = ip_family(vip),
		};
	}
}

static int wanted_rules(const struct replypath *replypath, struct rules *wanted)
{
	size_t max = 0;

	for (size_t i = 0; i < replypath->port_count; i++)
		max += 2 + replypath->ports[i].vips.count;
	*wanted = (struct rules){.list = calloc(max + 1, sizeof(*wanted->list))};
	if (wanted->list == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < replypath->port_count; i++)
		wanted_of_port(&replypath->ports[i], wanted, i == 0);
	qsort(wanted->list, wanted->count, sizeof(*wanted->list), rule_cmp);
	return 0;
}

/* False: not a rule of ours. */
static bool read_rule(const struct nlmsghdr *message, struct rule *rule)
{
	const struct fib_rule_hdr *header = mnl_nlmsg_get_payload(message);
	const struct nlattr *attributes[FRA_MAX + 1];
	const struct nlattr *proto;

	if (message->nlmsg_type != RTM_NEWRULE ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*header))
		return false;
	netlink_attributes(message, sizeof(*header), attributes, FRA_MAX);
	proto = attributes[FRA_PROTOCOL];
	if (proto == NULL || mnl_attr_get_payload_len(proto) < 1 ||
	    mnl_attr_get_u8(proto) != NETLINK_PROTO_VIPGATE)
		return false;
	*rule = (struct rule){
		.priority = netlink_u32(attributes[FRA_PRIORITY]),
		.mark = netlink_u32(attributes[FRA_FWMARK]),
		.mask = netlink_u32(attributes[FRA_FWMASK]),
		.table = netlink_u32(attributes[FRA_TABLE]),
		.from = netlink_ip(attributes[FRA_SRC]),
		.from_len = header->src_len,
		.family = header->family,
	};
	return true;
}

static void put_rule(struct netlink_batch *batch, uint16_t type, const struct rule *rule)
{
	struct nlmsghdr *request = netlink_batch_next(
		batch, type, type == RTM_NEWRULE ? NLM_F_CREATE | NLM_F_EXCL : 0);
	struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->family = rule->family;
	header->src_len = rule->from_len;
	header->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(request, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u32(request, FRA_TABLE, rule->table);
	mnl_attr_put_u8(request, FRA_PROTOCOL, NETLINK_PROTO_VIPGATE);
	if (rule->mask != 0) {
		mnl_attr_put_u32(request, FRA_FWMARK, rule->mark);
		mnl_attr_put_u32(request, FRA_FWMASK, rule->mask);
	}
	if (rule->from_len != 0)
		netlink_put_ip(request, FRA_SRC, &rule->from);
}

static void answered(void *arg, const struct nlmsghdr *request, int error)
{
	struct counts *counts = arg;

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

static int sync_family(struct replypath *replypath, uint8_t family, struct rules *wanted,
		       struct netlink_batch *batch)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *request =
		netlink_prepare(replypath->netlink, buf, RTM_GETRULE, NLM_F_DUMP);
	struct fib_rule_hdr *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	const struct nlmsghdr *message = NULL;
	struct netlink_list list = {0};
	struct rule rule, *found;
	int error;

	header->family = family;
	error = netlink_request(replypath->netlink, request, &list);
	while (error == 0 && (message = netlink_list_next(&list, message)) != NULL) {
		if (!read_rule(message, &rule))
			continue;
		found = bsearch(&rule, wanted->list, wanted->count, sizeof(rule), rule_cmp);
		if (found != NULL && !found->there)
			found->there = true;
		else
			put_rule(batch, RTM_DELRULE, &rule);
	}
	netlink_list_fini(&list);
	return error == -EAFNOSUPPORT || error == -EOPNOTSUPP ? 0 : error;
}

int replypath_rules_sync(struct replypath *replypath)
{
	struct counts counts = {0};
	struct netlink_batch batch;
	struct rules wanted;
	int error = wanted_rules(replypath, &wanted);

	if (error < 0)
		return error;
	replypath->rules_dirty = false;
	netlink_batch_init(&batch, replypath->netlink, answered, &counts);
	error = sync_family(replypath, AF_INET, &wanted, &batch);
	if (error == 0)
		error = sync_family(replypath, AF_INET6, &wanted, &batch);
	for (size_t i = 0; error == 0 && i < wanted.count; i++)
		if (!wanted.list[i].there)
			put_rule(&batch, RTM_NEWRULE, &wanted.list[i]);
	netlink_batch_flush(&batch);
	free(wanted.list);
	if (error == 0)
		error = counts.error;
	return error < 0 ? error : counts.changes;
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
	struct counts counts = {0};
	struct table table = {.replypath = replypath, .port = port};
	int error = 0;

	netlink_batch_init(&table.batch, replypath->netlink, answered, &counts);
	for (int v4 = 0; v4 < 2 && error == 0; v4++) {
		const struct ip *gateway = gateway_of(port, v4);

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
	struct counts counts = {0};

	netlink_batch_init(&batch, replypath->netlink, answered, &counts);
	for (int v4 = 0; v4 < 2; v4++) {
		if (gateway_of(port, v4) == NULL ||
		    read_table(replypath, v4 ? AF_INET : AF_INET6, id, &list) < 0)
			continue;
		for (message = NULL; (message = netlink_list_next(&list, message)) != NULL;)
			drop_route(&batch, message, id);
		netlink_batch_flush(&batch);
	}
	netlink_list_fini(&list);
}
