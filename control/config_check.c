/* SPDX-License-Identifier: BSD-3-Clause */
/* What no single configuration value shows: duplicates, gateways out of reach, MTUs of drivers. */
#include <string.h>

#include "config_read.h"

struct checker {
	struct tree_reader *reader;
	const struct tree_node *list; /* of interfaces */
	const struct config *config;
};

/* Where an interface's key was written: its value, else the interface. */
static const struct object_where *place(const struct checker *checker, size_t interface,
					const char *key)
{
	const struct tree_node *node = checker->list->items[interface];
	const struct tree_node *value = tree_get(node, key);

	if (strcmp(key, "kernel") == 0 && tree_get(value, "name") != NULL)
		value = tree_get(value, "name");
	return value != NULL ? &value->where : &node->where;
}

static void complain_twice(const struct checker *checker, const char *key, const char *value,
			   size_t first, size_t second)
{
	const struct object_where *where = place(checker, first, key);
	char quoted[TREE_FOUND_LEN];

	problems_add(checker->reader->problems, true, place(checker, second, key),
		     "%s: found %s again, expected another one than in line %u, column %u",
		     strcmp(key, "kernel") == 0 ? "kernel name" : key, tree_quote(value, quoted),
		     where->line, where->column);
}

static bool same(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Whether two device strings open one DPDK device: their names before the arguments are equal. */
static bool same_device(const char *a, const char *b)
{
	size_t len;

	if (a == NULL || b == NULL)
		return false;
	len = strcspn(a, ",");
	return len == strcspn(b, ",") && memcmp(a, b, len) == 0;
}

static void check_pair(const struct checker *checker, size_t i, size_t j)
{
	const struct config_interface *a = &checker->config->interfaces[i];
	const struct config_interface *b = &checker->config->interfaces[j];
	const struct object_where *where;

	if (same(a->name, b->name))
		complain_twice(checker, "name", a->name, i, j);
	else if (same(a->group, b->group)) /* each interface has an election of its own */
		complain_twice(checker, "group", a->group, i, j);
	if (same(a->kernel_name, b->kernel_name))
		complain_twice(checker, "kernel", a->kernel_name, i, j);
	if (!same_device(a->device, b->device))
		return;
	where = place(checker, i, "device");
	if (!same(a->device, b->device))
		problems_add(checker->reader->problems, true, place(checker, j, "device"),
			     "device: found other arguments than in line %u, column %u, expected "
			     "the same for one device",
			     where->line, where->column);
	else if (a->vlan == b->vlan)
		problems_add(checker->reader->problems, true, place(checker, j, "device"),
			     "device: found it again with vlan %u, expected another vlan than in "
			     "line %u, column %u",
			     b->vlan, where->line, where->column);
}

static bool reachable(const struct config_interface *interface, const struct ip *gateway,
		      bool *of_family)
{
	*of_family = false;
	for (size_t i = 0; i < interface->address_count; i++) {
		struct ip_prefix subnet = interface->addresses[i];
		char text[IP_PREFIX_STRLEN];

		if (ip_is_v4(&subnet.addr) != ip_is_v4(gateway))
			continue;
		*of_family = true;
		/* parsing the text again clears the host bits */
		ip_prefix_format(&subnet, text);
		if (ip_prefix_parse(text, &subnet) == 0 && ip_prefix_contains(&subnet, gateway))
			return true;
	}
	return !ip_is_v4(gateway) && gateway->b[0] == 0xfe && (gateway->b[1] & 0xc0) == 0x80;
}

static void check_gateway(const struct checker *checker, const struct config_interface *interface,
			  const struct tree_node *node, const struct ip *gateway)
{
	char quoted[TREE_FOUND_LEN];
	bool of_family;

	if (interface->address_count == 0 || ip_is_none(gateway))
		return;
	for (size_t i = 0; i < interface->address_count; i++)
		if (ip_equal(&interface->addresses[i].addr, gateway)) {
			problems_add(checker->reader->problems, true, &node->where,
				     "gateways: found %s, expected another address than the "
				     "node's own",
				     tree_found(node, quoted));
			return;
		}
	if (reachable(interface, gateway, &of_family))
		return;
	problems_add(checker->reader->problems, false, &node->where,
		     of_family ? "gateways: found %s, expected an address in the subnet of one of "
				 "the addresses"
			       : "gateways: found %s, expected a gateway of the same family as one "
				 "of the addresses",
		     tree_found(node, quoted));
}

static void check_addresses(const struct checker *checker, size_t index)
{
	const struct config_interface *interface = &checker->config->interfaces[index];
	const struct tree_node *node = checker->list->items[index];
	const struct tree_node *addresses = tree_get(node, "addresses");
	const struct tree_node *gateways = tree_get(node, "gateways");
	char quoted[TREE_FOUND_LEN];

	for (size_t i = 1; i < interface->address_count; i++)
		for (size_t j = 0; j < i; j++)
			if (!ip_is_none(&interface->addresses[i].addr) &&
			    ip_equal(&interface->addresses[i].addr, &interface->addresses[j].addr))
				problems_add(checker->reader->problems, true,
					     &addresses->items[i]->where,
					     "addresses: found %s again, expected each once",
					     tree_found(addresses->items[i], quoted));
	for (size_t i = 0; i < interface->gateway_count; i++)
		check_gateway(checker, interface, gateways->items[i], &interface->gateways[i]);
}

static void check_mtu(const struct checker *checker, size_t index)
{
	static const struct {
		const char *driver;
		uint16_t mtu;
	} limits[] = {
		{"net_af_xdp", 3300}, /* one page, less the headroom */
		{"net_tap", 1500},    /* frames of at most 1522 bytes */
	};
	const struct config_interface *interface = &checker->config->interfaces[index];

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (interface->device != NULL && interface->mtu > limits[i].mtu &&
		    strncmp(interface->device, limits[i].driver, strlen(limits[i].driver)) == 0)
			problems_add(checker->reader->problems, true, place(checker, index, "mtu"),
				     "mtu: found %u, expected at most %u with %s", interface->mtu,
				     limits[i].mtu, limits[i].driver);
}

static void check_lcores(struct tree_reader *reader, const struct tree_node *root,
			 const struct config *config)
{
	const struct tree_node *list = tree_get(tree_get(root, "dataplane"), "lcores");

	if (list == NULL || list->kind != TREE_LIST || list->count != config->lcore_count)
		return;
	for (size_t i = 1; i < list->count; i++)
		for (size_t j = 0; j < i; j++)
			if (list->items[i]->kind == TREE_INT && list->items[j]->kind == TREE_INT &&
			    list->items[i]->integer == list->items[j]->integer) {
				problems_add(reader->problems, true, &list->items[i]->where,
					     "lcores: found \"%s\" again, expected each CPU once",
					     list->items[i]->text);
				break;
			}
}

static void check_paths(const struct checker *checker)
{
	bool management = !ip_is_none(&checker->config->management_address);

	for (size_t i = 0; i < checker->config->interface_count; i++)
		if (checker->config->interfaces[i].name != NULL && !management &&
		    checker->config->interfaces[i].gateway_count == 0)
			problems_add(checker->reader->problems, false, place(checker, i, "name"),
				     "found neither gateways nor heartbeat.management: a node "
				     "that is cut off cannot tell, and a VIP may get two owners");
}

void config_check(struct tree_reader *reader, const struct tree_node *root,
		  const struct config *config)
{
	struct checker checker = {.reader = reader, .config = config};

	check_lcores(reader, root, config);
	checker.list = tree_get(root, "interfaces");
	if (config->interface_count == 0)
		return;
	for (size_t i = 0; i < config->interface_count; i++) {
		if (checker.list->items[i]->kind != TREE_MAP)
			continue;
		for (size_t j = 0; j < i; j++)
			if (checker.list->items[j]->kind == TREE_MAP)
				check_pair(&checker, j, i);
		check_addresses(&checker, i);
		check_mtu(&checker, i);
	}
	check_paths(&checker);
}
