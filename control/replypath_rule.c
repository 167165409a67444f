/* SPDX-License-Identifier: BSD-3-Clause */
/* The reply path's ip rules, compared with what the kernel has and put right. */
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
		if (replypath_gateway(port, v4) != NULL)
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
		if (replypath_gateway(port, ip_is_v4(vip)) == NULL ||
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
	struct replypath_counts counts = {0};
	struct netlink_batch batch;
	struct rules wanted;
	int error = wanted_rules(replypath, &wanted);

	if (error < 0)
		return error;
	replypath->rules_dirty = false;
	netlink_batch_init(&batch, replypath->netlink, replypath_answered, &counts);
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
