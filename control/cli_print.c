/* SPDX-License-Identifier: BSD-3-Clause */
/* Documents of the daemon as aligned columns. */
#include "cli.h"

#include <string.h>

#include "table.h"

static const char *text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* For fprintf(), which takes no NULL. */
static const char *shown(const json_t *object, const char *key)
{
	const char *value = text(object, key);

	return value != NULL ? value : "<none>";
}

static json_int_t number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* The strings of an array, comma-separated. */
static void list_cell(struct table *table, const json_t *array)
{
	char *joined = NULL;
	size_t len = 0, i;
	const json_t *entry;
	FILE *out = open_memstream(&joined, &len);

	if (out != NULL) {
		json_array_foreach(array, i, entry)
			fprintf(out, "%s%s", i > 0 ? "," : "", json_string_value(entry));
		fclose(out);
	}
	table_cell(table, joined);
	free(joined);
}

static void head(struct table *table, const char *const *titles)
{
	while (titles[table->columns] != NULL)
		table->columns++;
	for (size_t i = 0; i < table->columns; i++)
		table_cell(table, titles[i]);
}

static void finish(struct table *table, FILE *out)
{
	table_print(table, out);
	table_fini(table);
}

static void print_vips(const json_t *document, FILE *out)
{
	static const char *const titles[] = {"ADDRESS", "CLASS", "SERVICES", "OWNER", "STATE",
					     "EPOCH",	"SINCE", "NODES",    NULL};
	struct table table = {0};
	const json_t *vip;
	size_t i;

	head(&table, titles);
	json_array_foreach(json_object_get(document, "vips"), i, vip)
	{
		table_cell(&table, text(vip, "address"));
		table_cell(&table, text(vip, "class"));
		list_cell(&table, json_object_get(vip, "services"));
		table_cell(&table, text(vip, "owner"));
		table_cell(&table, text(vip, "state"));
		table_cellf(&table, "%lld", (long long)number(vip, "epoch"));
		table_cell(&table, text(vip, "since"));
		list_cell(&table, json_object_get(vip, "nodes"));
	}
	finish(&table, out);
}

static void path_cell(struct table *table, const json_t *peer, const char *name)
{
	const json_t *path = json_object_get(json_object_get(peer, "paths"), name);
	const json_t *age = json_object_get(path, "age_ms");

	if (json_is_null(age))
		table_cell(table, "never");
	else
		table_cellf(table, "%s %lldms ago, %lld lost",
			    json_is_true(json_object_get(path, "heard")) ? "heard" : "silent,",
			    (long long)json_integer_value(age), (long long)number(path, "lost"));
}

static void print_peers(const json_t *document, FILE *out)
{
	static const char *const titles[] = {"NODE",  "GROUP",	    "STATE", "BOOT",
					     "FRONT", "MANAGEMENT", NULL};
	struct table table = {0};
	const json_t *peer;
	size_t i;

	head(&table, titles);
	json_array_foreach(json_object_get(document, "peers"), i, peer)
	{
		table_cell(&table, text(peer, "node"));
		table_cell(&table, text(peer, "group"));
		table_cell(&table, text(peer, "state"));
		table_cell(&table, text(peer, "boot_id"));
		path_cell(&table, peer, "front");
		path_cell(&table, peer, "management");
	}
	finish(&table, out);
}

static void print_drops(const json_t *document, FILE *out)
{
	static const char *const titles[] = {"INTERFACE", "DROPPED", "REASON", NULL};
	struct table table = {0};
	const json_t *interface, *count;
	const char *reason;
	size_t i;

	head(&table, titles);
	json_array_foreach(json_object_get(document, "interfaces"), i, interface)
	{
		json_object_foreach(json_object_get(interface, "drops"), reason, count)
		{
			table_cell(&table, text(interface, "name"));
			table_cellf(&table, "%lld", (long long)json_integer_value(count));
			table_cell(&table, reason);
		}
	}
	if (table.count > table.columns) {
		fputc('\n', out);
		table_print(&table, out);
	}
	table_fini(&table);
}

static void print_stats(const json_t *document, FILE *out)
{
	static const char *const titles[] = {"INTERFACE", "RX",	       "RX-BYTES",    "TX",
					     "TX-BYTES",  "TO-KERNEL", "FROM-KERNEL", "ARP",
					     "NDP",	  "ANNOUNCED", NULL};
	static const char *const keys[] = {"rx_packets",   "rx_bytes",	   "tx_packets",
					   "tx_bytes",	   "to_kernel",	   "from_kernel",
					   "arp_answered", "ndp_answered", "announced"};
	struct table table = {0};
	const json_t *interface;
	size_t i;

	head(&table, titles);
	json_array_foreach(json_object_get(document, "interfaces"), i, interface)
	{
		table_cell(&table, text(interface, "name"));
		for (size_t j = 0; j < sizeof(keys) / sizeof(keys[0]); j++)
			table_cellf(&table, "%lld", (long long)number(interface, keys[j]));
	}
	finish(&table, out);
	print_drops(document, out);
}

static void print_interfaces(const json_t *document, FILE *out)
{
	static const char *const titles[] = {"INTERFACE", "GROUP",  "STATE", "LINK",
					     "LEASE",	  "OWNED",  "MAC",   "DRIVER",
					     "QUEUES",	  "KERNEL", NULL};
	struct table table = {0};
	const json_t *interface;
	size_t i;

	head(&table, titles);
	json_array_foreach(json_object_get(document, "interfaces"), i, interface)
	{
		table_cell(&table, text(interface, "name"));
		table_cell(&table, text(interface, "group"));
		table_cell(&table, text(interface, "state"));
		table_cell(&table, text(interface, "link"));
		table_cell(&table,
			   json_is_true(json_object_get(interface, "lease")) ? "valid" : "out");
		table_cellf(&table, "%lld", (long long)number(interface, "owned"));
		table_cell(&table, text(interface, "mac"));
		table_cell(&table, text(interface, "driver"));
		table_cellf(&table, "%lld", (long long)number(interface, "queues"));
		table_cellf(&table, "%s (%s)", shown(interface, "kernel_port"),
			    shown(interface, "backend"));
	}
	finish(&table, out);
}

static void print_status(const json_t *document, FILE *out)
{
	const json_t *source = json_object_get(document, "source");
	const json_t *problems = json_object_get(document, "problems"), *problem;
	size_t i;

	fprintf(out, "Node:      %s\nVersion:   %s\nState:     %s\nStarted:   %s\n",
		shown(document, "node"), shown(document, "version"), shown(document, "state"),
		shown(document, "started"));
	fprintf(out, "Source:    %s %s, %s, read %lld s ago, %lld services, %lld VIPs\n",
		shown(source, "kind"), shown(source, "path"),
		json_is_true(json_object_get(source, "synced")) ? "synced" : "not synced",
		(long long)number(source, "age_s"), (long long)number(source, "services"),
		(long long)number(source, "vips"));
	if (json_array_size(problems) == 0)
		fputs("Problems:  none\n", out);
	else
		fputs("Problems:\n", out);
	json_array_foreach(problems, i, problem)
		fprintf(out, "  - %s\n", json_string_value(problem));
	fputc('\n', out);
	print_interfaces(document, out);
}

static const char *yes(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key)) ? "yes" : "no";
}

static void print_candidates(const json_t *vip, FILE *out)
{
	static const char *const titles[] = {"NODE", "PLACE",	 "HEARD", "HEALTHY",
					     "ABLE", "EXCLUDED", NULL};
	struct table table = {0};
	const json_t *node;
	size_t i;

	head(&table, titles);
	json_array_foreach(json_object_get(vip, "candidates"), i, node)
	{
		table_cell(&table, text(node, "node"));
		table_cellf(&table, "%zu", i + 1);
		table_cell(&table, yes(node, "heard"));
		table_cell(&table, yes(node, "healthy"));
		table_cell(&table, yes(node, "able"));
		table_cell(&table, text(node, "excluded"));
	}
	json_array_foreach(json_object_get(vip, "excluded"), i, node)
	{
		table_cell(&table, text(node, "node"));
		table_cell(&table, "-");
		table_cell(&table, "-");
		table_cell(&table, "-");
		table_cell(&table, "-");
		table_cell(&table, text(node, "why"));
	}
	finish(&table, out);
}

static void print_explain(const json_t *document, FILE *out)
{
	const json_t *vip, *service;
	size_t i, j;

	json_array_foreach(json_object_get(document, "vips"), i, vip)
	{
		const char *owner = text(vip, "owner");

		fprintf(out, "%s%s of class %s for", i > 0 ? "\n" : "", shown(vip, "address"),
			shown(vip, "class"));
		json_array_foreach(json_object_get(vip, "services"), j, service)
			fprintf(out, " %s", json_string_value(service));
		fprintf(out, "\nOwner: %s, epoch %lld, group %s\nWhy:   %s\n\n",
			owner != NULL ? owner : "nobody", (long long)number(vip, "epoch"),
			shown(vip, "group"), shown(vip, "why"));
		print_candidates(vip, out);
	}
}

bool cli_print(const char *command, const json_t *document, FILE *out)
{
	static const struct {
		const char *command;
		void (*print)(const json_t *document, FILE *out);
	} forms[] = {
		{"status", print_status}, {"vips", print_vips},	      {"peers", print_peers},
		{"stats", print_stats},	  {"explain", print_explain},
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (strcmp(command, forms[i].command) == 0) {
			forms[i].print(document, out);
			return true;
		}
	}
	return false;
}
