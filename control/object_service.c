/* SPDX-License-Identifier: BSD-3-Clause */
/* Service and EndpointSlice: the fields of them that vipgate uses. */
#include <ctype.h>
#include <netinet/in.h>
#include <string.h>

#include "object_read.h"

/* Service */

#define PORT(member) TREE_MEMBER(struct object_port, member)

static void read_target_port(struct tree_reader *reader, const struct tree_field *field,
			     const struct tree_node *node, void *out)
{
	bool name = false;

	for (const char *p = node->text; *p != '\0'; p++)
		name = name || isalpha((uint8_t)*p);
	if (node->kind == TREE_STRING && name && strlen(node->text) <= 63)
		*(uint16_t *)out = 0;
	else if (node->kind == TREE_INT && node->integer >= 1 && node->integer <= UINT16_MAX)
		*(uint16_t *)out = (uint16_t)node->integer;
	else
		tree_complain(reader, field, node, "a port from 1 to 65535, or a port's name");
}

static const struct tree_field port_fields[] = {
	{.key = "name",
	 .read = tree_read_string,
	 PORT(name),
	 .max = 63,
	 .expected = "a name of at most 63 characters"},
	{.key = "protocol", .read = object_read_protocol, PORT(protocol)},
	{.key = "port",
	 .read = tree_read_unsigned,
	 PORT(port),
	 .min = 1,
	 .max = 65535,
	 .required = true,
	 .expected = "a port"},
	{.key = "nodePort",
	 .read = tree_read_unsigned,
	 PORT(node_port),
	 .max = 65535,
	 .expected = "a port"},
	{.key = "targetPort", .read = read_target_port, PORT(target_port)},
};

static void read_port(struct tree_reader *reader, const struct tree_field *field,
		      const struct tree_node *node, void *out)
{
	struct object_port *port = out;

	port->protocol = IPPROTO_TCP;
	port->name = "";
	tree_read_map(reader, field, node, out);
	if (node->kind == TREE_MAP && tree_get(node, "targetPort") == NULL)
		port->target_port = port->port;
}

static const struct tree_field port_item = {.key = "ports",
					    .read = read_port,
					    .expected = "a map with a port",
					    .unknown = TREE_UNKNOWN_IGNORED,
					    TREE_FIELDS(port_fields)};

static void read_service_type(struct tree_reader *reader, const struct tree_field *field,
			      const struct tree_node *node, void *out)
{
	static const char *const names[] = {"ClusterIP", "NodePort", "LoadBalancer", "ExternalName",
					    NULL};
	struct tree_field type = *field;
	uint8_t index = 0;

	type.names = names;
	type.size = sizeof(index);
	tree_read_enum(reader, &type, node, &index);
	*(bool *)out = index == 2;
}

static void read_traffic_policy(struct tree_reader *reader, const struct tree_field *field,
				const struct tree_node *node, void *out)
{
	static const char *const names[] = {"Cluster", "Local", NULL};
	struct tree_field policy = *field;

	policy.names = names;
	tree_read_enum(reader, &policy, node, out); /* a bool: Cluster 0, Local 1 */
}

static void read_families(struct tree_reader *reader, const struct tree_field *field,
			  const struct tree_node *node, void *out)
{
	struct object_service *service = out;

	if (!tree_is_list(reader, field, node))
		return;
	for (size_t i = 0; i < node->count; i++) {
		const char *text = node->items[i]->text;
		bool v6 = strcmp(text, "IPv6") == 0;

		if (i >= 2 || (!v6 && strcmp(text, "IPv4") != 0) ||
		    (i == 1 && service->family_v6[0] == v6)) {
			tree_complain(reader, field, node->items[i], "IPv4 or IPv6, each once");
			return;
		}
		service->family_v6[i] = v6;
		service->family_count = i + 1;
	}
}

/* Addresses only: an ingress by host name is not ours. */
static void read_ingress(struct tree_reader *reader, const struct tree_field *field,
			 const struct tree_node *node, void *out)
{
	static const struct tree_field ip_field = {.key = "ip"};
	static const struct tree_field item = {.key = "ingress", .expected = "a map with an ip"};
	struct object_service *service = out;
	struct ip *ingress = tree_list_alloc(reader, field, node, sizeof(*ingress));

	if (ingress == NULL)
		return;
	service->ingress = ingress;
	for (size_t i = 0; i < node->count; i++) {
		const struct tree_node *ip = tree_get(node->items[i], "ip");

		if (tree_is_map(reader, &item, node->items[i]) && ip != NULL)
			object_read_address(reader, &ip_field, ip,
					    &ingress[service->ingress_count++]);
	}
}

static void read_service_conditions(struct tree_reader *reader, const struct tree_field *field,
				    const struct tree_node *node, void *out)
{
	*(const char **)out = object_condition(reader, field, node, OBJECT_CONDITION_CLASS);
}

#define SERVICE(member) TREE_MEMBER(struct object_service, member)

static const char *const family_policies[] = {"SingleStack", "PreferDualStack", "RequireDualStack",
					      NULL};
static const struct tree_field source_item = {.key = "loadBalancerSourceRanges",
					      .read = object_read_prefix};
static const struct tree_field service_spec[] = {
	{.key = "type", .read = read_service_type, SERVICE(load_balancer)},
	{.key = "loadBalancerClass",
	 .read = tree_read_string,
	 SERVICE(class_field),
	 .expected = "the name of a class"},
	{.key = "ports",
	 .read = tree_read_list,
	 .max = 1024,
	 .expected = "a list of at most 1024 ports",
	 TREE_ITEMS(struct object_service, ports, port_count, &port_item)},
	{.key = "selector",
	 .read = tree_read_string_map,
	 SERVICE(selector),
	 .expected = "a map of labels and their values"},
	{.key = "ipFamilies", .read = read_families, .expected = "a list of IPv4 and IPv6"},
	{.key = "ipFamilyPolicy",
	 .read = tree_read_enum,
	 SERVICE(family_policy),
	 .names = family_policies},
	{.key = "externalTrafficPolicy", .read = read_traffic_policy, SERVICE(policy_local)},
	{.key = "healthCheckNodePort",
	 .read = tree_read_unsigned,
	 SERVICE(health_check_node_port),
	 .max = 65535,
	 .expected = "a port"},
	{.key = "loadBalancerSourceRanges",
	 .read = tree_read_list,
	 .expected = "a list of CIDRs",
	 TREE_ITEMS(struct object_service, sources, source_count, &source_item)},
	{.key = "loadBalancerIP",
	 .read = tree_read_string,
	 SERVICE(load_balancer_ip),
	 .expected = "an address"},
};
static const struct tree_field service_load_balancer[] = {
	{.key = "ingress", .read = read_ingress, .expected = "a list of maps with an ip"},
};
static const struct tree_field service_status[] = {
	OBJECT_SECTION("loadBalancer", service_load_balancer, TREE_UNKNOWN_IGNORED),
	{.key = "conditions",
	 .read = read_service_conditions,
	 SERVICE(bound_class),
	 .expected = "a list of conditions"},
};
static const struct tree_field service_fields[] = {
	OBJECT_METADATA,
	{.key = "spec",
	 .read = tree_read_map,
	 .required = true,
	 .expected = "a map with type and ports",
	 .unknown = TREE_UNKNOWN_IGNORED,
	 TREE_FIELDS(service_spec)},
	OBJECT_SECTION("status", service_status, TREE_UNKNOWN_IGNORED),
};

static void finish_service(struct tree_reader *reader, const struct tree_node *node, void *object)
{
	const struct object_service *service = object;
	const struct tree_node *ports = tree_get(tree_get(node, "spec"), "ports");

	if (service->load_balancer && service->port_count == 0 && ports == NULL)
		problems_add(reader->problems, true, &node->where,
			     "found no ports, expected at least one in a Service of type "
			     "LoadBalancer");
	for (size_t i = 1; ports != NULL && i < service->port_count; i++)
		for (size_t j = 0; j < i; j++)
			if (service->ports[i].port != 0 &&
			    service->ports[i].port == service->ports[j].port &&
			    service->ports[i].protocol == service->ports[j].protocol) {
				problems_add(reader->problems, true, &ports->items[i]->where,
					     "ports: found port %u of one protocol again, expected "
					     "it once",
					     service->ports[i].port);
				break;
			}
}

const struct object_kind object_service_kind = {
	.api_version = "v1",
	.kind = "Service",
	.namespaced = true,
	OBJECT_TABLE(service_fields),
	OBJECT_IN_SET(object_service, services, service_count),
	.finish = finish_service};

/* EndpointSlice */

struct endpoint_conditions {
	bool not_ready, serving;
};

static void read_not(struct tree_reader *reader, const struct tree_field *field,
		     const struct tree_node *node, void *out)
{
	bool value = true;

	tree_read_bool(reader, field, node, &value);
	*(bool *)out = !value;
}

static const struct tree_field endpoint_condition_fields[] = {
	{.key = "ready", .read = read_not, TREE_MEMBER(struct endpoint_conditions, not_ready)},
	{.key = "serving",
	 .read = tree_read_bool,
	 TREE_MEMBER(struct endpoint_conditions, serving)},
	{.key = "terminating"},
};

/* A terminating endpoint is never ready, and may still serve. */
static void read_serving(struct tree_reader *reader, const struct tree_field *field,
			 const struct tree_node *node, void *out)
{
	struct endpoint_conditions conditions = {0};
	const struct tree_node *terminating = tree_get(node, "terminating");

	tree_read_map(reader, field, node, &conditions);
	*(bool *)out = !conditions.not_ready ||
		       (conditions.serving && terminating != NULL && terminating->boolean);
}

#define ENDPOINT(member) TREE_MEMBER(struct object_endpoint, member)

static const struct tree_field endpoint_address_item = {.key = "addresses",
							.read = object_read_address};
static const struct tree_field endpoint_fields[] = {
	{.key = "nodeName",
	 .read = tree_read_string,
	 ENDPOINT(node),
	 .expected = "the name of a node"},
	{.key = "addresses",
	 .read = tree_read_list,
	 .expected = "a list of addresses",
	 TREE_ITEMS(struct object_endpoint, addresses, address_count, &endpoint_address_item)},
	{.key = "conditions",
	 .read = read_serving,
	 ENDPOINT(serving),
	 .expected = "a map",
	 .unknown = TREE_UNKNOWN_IGNORED,
	 TREE_FIELDS(endpoint_condition_fields)},
};

static void read_endpoint(struct tree_reader *reader, const struct tree_field *field,
			  const struct tree_node *node, void *out)
{
	((struct object_endpoint *)out)->serving = true;
	tree_read_map(reader, field, node, out);
}

static const struct tree_field endpoint_item = {.key = "endpoints",
						.read = read_endpoint,
						.expected = "a map with addresses",
						.unknown = TREE_UNKNOWN_IGNORED,
						TREE_FIELDS(endpoint_fields)};

/* As in a Service, but every key may be missing. */
static const struct tree_field slice_port_fields[] = {
	{.key = "name", .read = tree_read_string, PORT(name), .expected = "a name"},
	{.key = "protocol", .read = object_read_protocol, PORT(protocol)},
	{.key = "port", .read = tree_read_unsigned, PORT(port), .max = 65535, .expected = "a port"},
};
static const struct tree_field slice_port_item = {.key = "ports",
						  .read = read_port,
						  .expected = "a map with a port",
						  .unknown = TREE_UNKNOWN_IGNORED,
						  TREE_FIELDS(slice_port_fields)};
static const struct tree_field slice_fields[] = {
	OBJECT_METADATA,
	{.key = "endpoints",
	 .read = tree_read_list,
	 .expected = "a list of endpoints",
	 TREE_ITEMS(struct object_endpoint_slice, endpoints, endpoint_count, &endpoint_item)},
	{.key = "ports",
	 .read = tree_read_list,
	 .expected = "a list of ports",
	 TREE_ITEMS(struct object_endpoint_slice, ports, port_count, &slice_port_item)},
};

static void finish_slice(struct tree_reader *reader, const struct tree_node *node, void *object)
{
	static const char label[] = "kubernetes.io/service-name";
	struct object_endpoint_slice *slice = object;

	slice->service = object_map_get(&slice->meta.labels, label);
	if (slice->service != NULL)
		return;
	slice->service = ""; /* no Service has this name */
	problems_add(reader->problems, false, &node->where,
		     "found no label %s, expected the Service that this EndpointSlice belongs to",
		     label);
}

/* A slice of host names has no addresses that could be probed. */
static bool is_fqdn_slice(const struct tree_node *node)
{
	const struct tree_node *type = tree_get(node, "addressType");

	return type != NULL && strcmp(type->text, "FQDN") == 0;
}

const struct object_kind object_slice_kind = {
	.api_version = "discovery.k8s.io/v1",
	.kind = "EndpointSlice",
	.namespaced = true,
	OBJECT_TABLE(slice_fields),
	OBJECT_IN_SET(object_endpoint_slice, slices, slice_count),
	.skip = is_fqdn_slice,
	.finish = finish_slice};
