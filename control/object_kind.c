/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds that vipgate reads, each a table of the fields that it uses. */
#include <string.h>

#include "object_read.h"

/* Node */

static void read_node_conditions(struct tree_reader *reader, const struct tree_field *field,
				 const struct tree_node *node, void *out)
{
	*(bool *)out = object_condition(reader, field, node, "NetworkUnavailable") != NULL;
}

/* Those of type InternalIP and ExternalIP; host names are passed by. */
static void read_node_addresses(struct tree_reader *reader, const struct tree_field *field,
				const struct tree_node *node, void *out)
{
	static const struct tree_field address_field = {.key = "address"};
	static const struct tree_field item = {.key = "addresses",
					       .expected = "a map with type and address"};
	struct object_node *object = out;
	struct ip *addresses = tree_list_alloc(reader, field, node, sizeof(*addresses));
	struct ip *internal =
		addresses != NULL ? tree_list_alloc(reader, field, node, sizeof(*internal)) : NULL;

	if (internal == NULL)
		return;
	object->addresses = addresses;
	object->internal = internal;
	for (size_t i = 0; i < node->count; i++) {
		const struct tree_node *type, *address;

		if (!tree_is_map(reader, &item, node->items[i]))
			continue;
		type = tree_get(node->items[i], "type");
		address = tree_get(node->items[i], "address");
		if (type == NULL || address == NULL ||
		    (strcmp(type->text, "InternalIP") != 0 &&
		     strcmp(type->text, "ExternalIP") != 0))
			continue;
		object_read_address(reader, &address_field, address,
				    &addresses[object->address_count++]);
		if (strcmp(type->text, "InternalIP") == 0)
			internal[object->internal_count++] = addresses[object->address_count - 1];
	}
}

static const struct tree_field node_status[] = {
	{.key = "addresses",
	 .read = read_node_addresses,
	 .expected = "a list of maps with type and address"},
	{.key = "conditions",
	 .read = read_node_conditions,
	 TREE_MEMBER(struct object_node, network_unavailable),
	 .expected = "a list of conditions"},
};
static const struct tree_field node_fields[] = {
	OBJECT_METADATA,
	OBJECT_SECTION("status", node_status, TREE_UNKNOWN_IGNORED),
};

static const struct object_kind node_kind = {.api_version = "v1",
					     .kind = "Node",
					     OBJECT_TABLE(node_fields),
					     OBJECT_IN_SET(object_node, nodes, node_count)};

/* MetalLoadBalancerClass, and L2LoadBalancer that came before it */

static void read_l2_type(struct tree_reader *reader, const struct tree_field *field,
			 const struct tree_node *node, void *out)
{
	(void)out;
	if (node->kind != TREE_STRING || strcmp(node->text, "L2") != 0)
		tree_complain(reader, field, node, NULL);
}

static const struct tree_field range_item = {
	.key = "addressPool",
	.read = object_read_range,
	.expected = "a CIDR such as 192.0.2.0/24 or a range such as 192.0.2.10-192.0.2.20"};
static const struct tree_field interface_item = {
	.key = "interfaces", .read = tree_read_string, .expected = "the name of an interface"};

#define POOL                                                                                       \
	{                                                                                          \
		.key = "addressPool", .read = tree_read_list, .required = true, .min = 1,          \
		.max = 4096, .expected = "a list of 1 to 4096 CIDRs and ranges",                   \
		TREE_ITEMS(struct object_class, pool, pool_count, &range_item)                     \
	}
#define SELECTOR                                                                                   \
	{                                                                                          \
		.key = "nodeSelector", .read = tree_read_string_map,                               \
		.expected = "a map of labels and their values",                                    \
		TREE_MEMBER(struct object_class, node_selector)                                    \
	}
#define INTERFACES                                                                                 \
	{                                                                                          \
		.key = "interfaces", .read = tree_read_list, .expected = "a list of names",        \
		TREE_ITEMS(struct object_class, interfaces, interface_count, &interface_item)      \
	}

static const struct tree_field class_l2[] = {INTERFACES};
static const struct tree_field class_spec[] = {
	{.key = "type", .read = read_l2_type, .required = true, .expected = "L2"},
	{.key = "isDefault", .read = tree_read_bool, TREE_MEMBER(struct object_class, is_default)},
	POOL,
	SELECTOR,
	OBJECT_SECTION("l2", class_l2, TREE_UNKNOWN_WARNING),
	{.key = "tolerations"},
};
static const struct tree_field class_fields[] = {
	OBJECT_METADATA,
	{.key = "spec",
	 .read = tree_read_map,
	 .required = true,
	 .expected = "a map with type and addressPool",
	 .unknown = TREE_UNKNOWN_WARNING,
	 TREE_FIELDS(class_spec)},
};
static const struct tree_field l2_spec[] = {POOL, SELECTOR, INTERFACES};
static const struct tree_field l2_fields[] = {
	OBJECT_METADATA,
	{.key = "spec",
	 .read = tree_read_map,
	 .required = true,
	 .expected = "a map with addressPool",
	 .unknown = TREE_UNKNOWN_WARNING,
	 TREE_FIELDS(l2_spec)},
};

static const struct object_kind class_kind = {.api_version = "network.deckhouse.io/v1alpha1",
					      .kind = "MetalLoadBalancerClass",
					      OBJECT_TABLE(class_fields),
					      OBJECT_IN_SET(object_class, classes, class_count)};
static const struct object_kind l2_kind = {
	.api_version = "network.deckhouse.io/v1alpha1",
	.kind = "L2LoadBalancer",
	.warning = "found an L2LoadBalancer, read as the MetalLoadBalancerClass of its name: "
		   "write it as one before it goes to a cluster",
	OBJECT_TABLE(l2_fields),
	OBJECT_IN_SET(object_class, classes, class_count)};

/* VirtualIP */

#define VIP_SERVICE(member) TREE_MEMBER(struct object_vip_service, member)
#define VIRTUAL_IP(member)  TREE_MEMBER(struct object_virtual_ip, member)

static const struct tree_field vip_service_fields[] = {
	{.key = "namespace",
	 .read = tree_read_string,
	 VIP_SERVICE(namespace),
	 .required = true,
	 .expected = "a namespace"},
	{.key = "name",
	 .read = tree_read_string,
	 VIP_SERVICE(name),
	 .required = true,
	 .expected = "the name of a Service"},
	{.key = "uid", .read = tree_read_string, VIP_SERVICE(uid), .expected = "a uid"},
	{.key = "index",
	 .read = tree_read_unsigned,
	 VIP_SERVICE(index),
	 .max = 65535,
	 .expected = "an index"},
};
static const struct tree_field vip_service_item = {.key = "services",
						   .read = tree_read_map,
						   .expected = "a map with namespace and name",
						   .unknown = TREE_UNKNOWN_WARNING,
						   TREE_FIELDS(vip_service_fields)};
static const struct tree_field vip_node_item = {
	.key = "nodes", .read = tree_read_string, .expected = "the name of a node"};
static const struct tree_field virtual_ip_spec[] = {
	{.key = "address",
	 .read = object_read_address,
	 VIRTUAL_IP(address),
	 .required = true,
	 .expected = "an address such as 192.0.2.10"},
	{.key = "class",
	 .read = tree_read_string,
	 VIRTUAL_IP(class),
	 .required = true,
	 .expected = "the name of a class"},
	{.key = "services",
	 .read = tree_read_list,
	 .expected = "a list of Services",
	 TREE_ITEMS(struct object_virtual_ip, services, service_count, &vip_service_item)},
	{.key = "serviceNames"},
	{.key = "sharedKey",
	 .read = tree_read_string,
	 VIRTUAL_IP(shared_key),
	 .expected = "a string"},
	{.key = "nodes",
	 .read = tree_read_list,
	 .expected = "a list of nodes",
	 TREE_ITEMS(struct object_virtual_ip, nodes, node_count, &vip_node_item)},
};
static const struct tree_field virtual_ip_fields[] = {
	OBJECT_METADATA,
	{.key = "spec",
	 .read = tree_read_map,
	 .required = true,
	 .expected = "a map with address and class",
	 .unknown = TREE_UNKNOWN_WARNING,
	 TREE_FIELDS(virtual_ip_spec)},
};

static const struct object_kind virtual_ip_kind = {
	.api_version = "vipgate.io/v1alpha1",
	.kind = "VirtualIP",
	OBJECT_TABLE(virtual_ip_fields),
	OBJECT_IN_SET(object_virtual_ip, virtual_ips, virtual_ip_count)};

const struct object_kind *const object_kinds[] = {
	&node_kind,	    &class_kind,      &l2_kind, &object_service_kind,
	&object_slice_kind, &virtual_ip_kind, NULL,
};
