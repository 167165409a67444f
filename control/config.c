/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys of vipgate.yaml, their defaults, and what of them needs a restart. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_read.h"
#include "source_file.h"
#include "text_file.h"
#include "yaml_tree.h"

#define SECOND UINT64_C(1000000000)

static const char *const backends[] = {"auto", "vhost", "tap", NULL};
static const char *const hugepages[] = {"auto", "yes", "no", NULL};
static const char *const idles[] = {"adaptive", "busy", NULL};
static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const formats[] = {"text", "json", NULL};

#define INTERFACE(member) TREE_MEMBER(struct config_interface, member)
#define CONFIG(member)	  TREE_MEMBER(struct config, member)

static const struct tree_field kernel_fields[] = {
	{.key = "name", .read = config_read_netdev, INTERFACE(kernel_name)},
	{.key = "backend", .read = tree_read_enum, INTERFACE(backend), .names = backends},
};
static const struct tree_field address_item = {.key = "addresses", .read = config_read_prefix};
static const struct tree_field gateway_item = {.key = "gateways", .read = config_read_address};
static const struct tree_field interface_fields[] = {
	{.key = "name",
	 .read = config_read_name,
	 INTERFACE(name),
	 .max = 63,
	 .required = true,
	 .expected = "a name of letters, digits, -, _ and . with at most 63 characters"},
	{.key = "device",
	 .read = config_read_device,
	 INTERFACE(device),
	 .required = true,
	 .expected = "a PCI address such as 0000:3b:00.0, or a vdev such as "
		     "net_af_xdp0,iface=eth1"},
	{.key = "group",
	 .read = config_read_name,
	 INTERFACE(group),
	 .max = 63,
	 .expected = "a name of letters, digits, -, _ and . with at most 63 characters"},
	{.key = "vlan",
	 .read = tree_read_unsigned,
	 INTERFACE(vlan),
	 .max = 4094,
	 .expected = "a VLAN id"},
	{.key = "mtu",
	 .read = tree_read_unsigned,
	 INTERFACE(mtu),
	 .min = 1280,
	 .max = 9216,
	 .expected = "an MTU"},
	{.key = "kernel",
	 .read = tree_read_map,
	 .expected = "a map such as {name: vip0, backend: auto}",
	 TREE_FIELDS(kernel_fields)},
	{.key = "addresses",
	 .read = tree_read_list,
	 .max = 64,
	 .expected = "a list of at most 64 such as [192.0.2.11/24]",
	 TREE_ITEMS(struct config_interface, addresses, address_count, &address_item)},
	{.key = "gateways",
	 .read = tree_read_list,
	 .max = 16,
	 .expected = "a list of at most 16 such as [192.0.2.1]",
	 TREE_ITEMS(struct config_interface, gateways, gateway_count, &gateway_item)},
};

static void read_interface(struct tree_reader *reader, const struct tree_field *field,
			   const struct tree_node *node, void *out)
{
	struct config_interface *interface = out;

	interface->mtu = 1500;
	tree_read_map(reader, field, node, out);
	if (interface->group == NULL)
		interface->group = interface->name;
}

static const struct tree_field interface_item = {.key = "interfaces",
						 .read = read_interface,
						 .expected = "a map with name and device",
						 TREE_FIELDS(interface_fields)};

static const struct tree_field lcore_item = {.key = "lcores", .read = config_read_cpu};
static const struct tree_field dataplane_fields[] = {
	{.key = "lcores",
	 .read = tree_read_list,
	 .min = 1,
	 .max = DATAPLANE_MAX_WORKERS,
	 .expected = "a list of 1 to 32 CPUs such as [2, 3]",
	 TREE_ITEMS(struct config, lcores, lcore_count, &lcore_item)},
	{.key = "memory", .read = config_read_memory, CONFIG(memory_mb), .min = 64, .max = 1 << 20},
	{.key = "hugepages", .read = tree_read_enum, CONFIG(hugepages), .names = hugepages},
	{.key = "idle", .read = tree_read_enum, CONFIG(idle), .names = idles},
	{.key = "icmp_echo", .read = tree_read_bool, CONFIG(icmp_echo)},
};

static const struct tree_field heartbeat_fields[] = {
	{.key = "interval",
	 .read = config_read_duration,
	 CONFIG(heartbeat_interval_ns),
	 .min = SECOND / 1000,
	 .max = SECOND,
	 .expected = "a duration such as 20ms"},
	{.key = "multiplier",
	 .read = tree_read_unsigned,
	 CONFIG(heartbeat_multiplier),
	 .min = 2,
	 .max = 10},
	{.key = "key_file",
	 .read = config_read_path,
	 CONFIG(key_file),
	 .required = true,
	 .expected = "the path of a key file such as /etc/vipgate/heartbeat.key"},
	{.key = "management",
	 .read = config_read_management,
	 .expected = "this node's ADDRESS:PORT such as 10.0.0.11:4226"},
};

static const struct tree_field moves_fields[] = {
	{.key = "failback", .read = tree_read_bool, CONFIG(failback)},
	{.key = "failback_delay",
	 .read = config_read_duration,
	 CONFIG(failback_delay_ns),
	 .max = 86400 * SECOND,
	 .expected = "a duration such as 60s"},
	{.key = "drain_idle",
	 .read = config_read_duration,
	 CONFIG(drain_idle_ns),
	 .max = 86400 * SECOND,
	 .expected = "a duration such as 30s"},
	{.key = "drain_max",
	 .read = config_read_duration,
	 CONFIG(drain_max_ns),
	 .max = 86400 * SECOND,
	 .expected = "a duration such as 10m"},
};

static const struct tree_field kubernetes_fields[] = {
	{.key = "kubeconfig",
	 .read = config_read_path,
	 CONFIG(kubeconfig),
	 .expected = "the path of a kubeconfig"},
};

/* `kubernetes:` with nothing behind it means {}: the service account of the pod. */
static void read_kubernetes(struct tree_reader *reader, const struct tree_field *field,
			    const struct tree_node *node, void *out)
{
	struct config *config = out;

	config->source_kubernetes = true;
	if (node->kind != TREE_NULL)
		tree_read_map(reader, field, node, out);
}

static const struct tree_field source_fields[] = {
	{.key = "kubernetes",
	 .read = read_kubernetes,
	 .expected = "a map such as {kubeconfig: /etc/vipgate/kubeconfig}",
	 TREE_FIELDS(kubernetes_fields)},
	{.key = "file",
	 .read = config_read_path,
	 CONFIG(source_file),
	 .expected = "the path of a file of manifests"},
};

static void read_source(struct tree_reader *reader, const struct tree_field *field,
			const struct tree_node *node, void *out)
{
	if (!tree_is_map(reader, field, node))
		return;
	tree_read_map(reader, field, node, out);
	if (tree_get(node, "file") != NULL) {
		const struct config *config = out;

		if (config->source_kubernetes)
			problems_add(
				reader->problems, true, &node->where,
				"source: found both kubernetes and file, expected one of them");
	} else if (!((const struct config *)out)->source_kubernetes) {
		problems_add(reader->problems, true, &node->where,
			     "source: found neither kubernetes nor file, expected one of them");
	}
}

static const struct tree_field log_fields[] = {
	{.key = "level", .read = tree_read_enum, CONFIG(log_level), .names = levels},
	{.key = "format",
	 .read = tree_read_enum,
	 TREE_MEMBER(struct config, log_json),
	 .names = formats},
};

static const struct tree_field fields[] = {
	{.key = "node",
	 .read = config_read_name,
	 CONFIG(node),
	 .max = 253,
	 .expected = "a node name of letters, digits, -, _ and ."},
	{.key = "interfaces",
	 .read = tree_read_list,
	 .min = 1,
	 .max = DATAPLANE_MAX_INTERFACES,
	 .required = true,
	 .expected = "a list of 1 to 16 interfaces, each with name and device",
	 TREE_ITEMS(struct config, interfaces, interface_count, &interface_item)},
	{.key = "dataplane",
	 .read = tree_read_map,
	 .expected = "a map such as {lcores: [2, 3], memory: 512}",
	 TREE_FIELDS(dataplane_fields)},
	{.key = "heartbeat",
	 .read = tree_read_map,
	 .required = true,
	 .expected = "a map with at least key_file",
	 TREE_FIELDS(heartbeat_fields)},
	{.key = "moves",
	 .read = tree_read_map,
	 .expected = "a map such as {failback: true, failback_delay: 60s}",
	 TREE_FIELDS(moves_fields)},
	{.key = "source",
	 .read = read_source,
	 .required = true,
	 .expected = "a map with either kubernetes or file",
	 TREE_FIELDS(source_fields)},
	{.key = "state_dir",
	 .read = config_read_path,
	 CONFIG(state_dir),
	 .expected = "the path of a directory such as /var/lib/vipgate"},
	{.key = "http",
	 .read = config_read_http,
	 CONFIG(http),
	 .expected = "ADDRESS:PORT such as 127.0.0.1:9798, or off"},
	{.key = "socket",
	 .read = config_read_path,
	 CONFIG(socket),
	 .max = 107, /* sun_path */
	 .expected = "a path of at most 107 bytes such as /run/vipgate/vipgate.sock"},
	{.key = "log",
	 .read = tree_read_map,
	 .expected = "a map such as {level: info, format: text}",
	 TREE_FIELDS(log_fields)},
};

/* The last CPU that this process may use: the first ones are the busiest of a machine. */
static unsigned int last_cpu(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		for (unsigned int cpu = CPU_SETSIZE; cpu-- > 0;)
			if (CPU_ISSET(cpu, &set))
				return cpu;
	return 0;
}

static struct config *defaults(const char *name)
{
	struct arena *arena = arena_create();
	struct config *config = arena == NULL ? NULL : arena_alloc(arena, sizeof(*config));

	if (config == NULL) {
		arena_free(arena);
		return NULL;
	}
	*config = (struct config){
		.arena = arena,
		.path = arena_strdup(arena, name),
		.memory_mb = 512,
		.icmp_echo = true,
		.heartbeat_interval_ns = 20 * SECOND / 1000,
		.heartbeat_multiplier = 3,
		.failback = true,
		.failback_delay_ns = 60 * SECOND,
		.drain_idle_ns = 30 * SECOND,
		.drain_max_ns = 600 * SECOND,
		.state_dir = "/var/lib/vipgate",
		.http = "127.0.0.1:9798",
		.socket = "/run/vipgate/vipgate.sock",
		.log_level = CONFIG_LOG_INFO,
	};
	return config;
}

/* $NODE_NAME, as a pod's manifest sets it from the Node, else the host name. */
static const char *node_name(struct tree_reader *reader, const struct config *config)
{
	struct object_where where = {.file = config->path};
	const char *name = getenv("NODE_NAME"), *origin = "$NODE_NAME";
	char host[256] = "", quoted[TREE_FOUND_LEN];

	if (name == NULL || *name == '\0') {
		gethostname(host, sizeof(host) - 1);
		name = host;
		origin = "the host name";
	}
	if (!config_name_valid(name, 253))
		problems_add(reader->problems, true, &where,
			     "node: found none here and %s as %s, expected a node name of letters, "
			     "digits, -, _ and .",
			     tree_quote(name, quoted), origin);
	return tree_copy(reader, name);
}

/* Defaults that depend on the machine or on what was read. */
static void complete(struct tree_reader *reader, struct config *config)
{
	struct config_interface *interfaces = (struct config_interface *)config->interfaces;
	unsigned int *cpu;

	for (size_t i = 0; i < config->interface_count; i++) {
		if (interfaces[i].kernel_name != NULL)
			continue;
		interfaces[i].kernel_name = arena_printf(reader->arena, "vip%zu", i);
		if (interfaces[i].kernel_name == NULL)
			reader->no_memory = true;
	}
	if (config->node == NULL)
		config->node = node_name(reader, config);
	if (config->lcores == NULL) {
		cpu = arena_alloc(reader->arena, sizeof(*cpu));
		if (cpu == NULL) {
			reader->no_memory = true;
			return;
		}
		*cpu = last_cpu();
		config->lcores = cpu;
		config->lcore_count = 1;
	}
}

static void read_documents(struct tree_reader *reader, const struct yaml_documents *documents,
			   struct config *config)
{
	static const struct tree_field top = {.key = "configuration",
					      .expected = "keys such as interfaces, heartbeat and "
							  "source"};
	struct object_where where = {.file = config->path, .line = 1, .column = 1};
	const struct tree_node *root;

	if (documents->count == 0) {
		if (reader->problems->errors == 0)
			problems_add(reader->problems, true, &where, "found nothing, expected %s",
				     top.expected);
		return;
	}
	root = documents->roots[0];
	if (documents->count > 1)
		problems_add(reader->problems, true, &documents->roots[1]->where,
			     "found a second document, expected one");
	if (!tree_is_map(reader, &top, root))
		return;
	tree_read(reader, root, fields, sizeof(fields) / sizeof(fields[0]), TREE_UNKNOWN_ERROR,
		  config);
	complete(reader, config);
	if (!reader->no_memory)
		config_check(reader, root, config);
}

/* Reads as much as can be read; errors are in problems, NULL only without memory. */
static struct config *parse(const char *text, size_t len, const char *name,
			    struct problems *problems)
{
	struct config *config = defaults(name);
	struct arena *arena = arena_create();
	struct tree_reader reader = {.problems = problems};
	struct yaml_documents documents;

	if (config == NULL || config->path == NULL || arena == NULL) {
		reader.no_memory = true;
		goto out;
	}
	reader.arena = config->arena;
	if (yaml_tree_parse(arena, text, len, name, problems, &documents) < 0)
		reader.no_memory = true;
	else
		read_documents(&reader, &documents, config);
out:
	arena_free(arena);
	if (reader.no_memory) {
		problems_add(problems, true, NULL, "out of memory");
		config_free(config);
		return NULL;
	}
	return config;
}

struct config *config_parse(const char *text, size_t len, const char *name,
			    struct problems *problems)
{
	size_t errors = problems->errors;
	struct config *config = parse(text, len, name, problems);

	if (problems->errors == errors)
		return config;
	config_free(config);
	return NULL;
}

struct config *config_load(const char *path, struct problems *problems)
{
	size_t errors = problems->errors, len;
	struct config *config;
	char *text;

	if (text_file_read(path, YAML_TREE_MAX_BYTES, 0, problems, &text, &len) < 0)
		return NULL;
	config = parse(text, len, path, problems);
	free(text);
	/* also when there were errors, so that all of them are seen at once */
	if (config != NULL && config->key_file != NULL)
		config_keys_load(config, problems);
	if (config != NULL && problems->errors > errors && config->source_file != NULL)
		object_set_free(source_file_load(config->source_file, problems));
	if (problems->errors == errors)
		return config;
	config_free(config);
	return NULL;
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	explicit_bzero(config->keys, sizeof(config->keys));
	arena_free(config->arena); /* the struct itself lives in there */
}
