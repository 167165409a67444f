/* SPDX-License-Identifier: BSD-3-Clause */
/* Open addressing over indices into a flat array of VIPs; all ports of all VIPs in one array. */
#include <errno.h>
#include <stdlib.h>

#include "packet/hash.h"
#include "packet/vip_table.h"

#define EMPTY UINT32_MAX

/* Half full at most, so that an unsuccessful lookup, the commonest in a flood, ends soon. */
struct slot {
	uint32_t tag; /* high bits of the hash: spares reading the entry of another address */
	uint32_t index;
};

struct entry {
	struct ip address;
	uint32_t port_first, port_count;
	atomic_bool owned;
};

struct port {
	uint8_t protocol;
	uint16_t port;
	uint32_t source_first, source_count;
};

struct vip_table {
	uint64_t seed;
	uint32_t mask;
	size_t count;
	struct slot *slots;
	struct entry *entries;
	struct port *ports;
	struct ip_prefix *sources;
};

static struct slot *slot_find(const struct vip_table *table, const struct ip *address,
			      uint32_t *tag)
{
	uint64_t hash = hash_ip(table->seed, address);

	*tag = (uint32_t)(hash >> 32);
	for (uint32_t at = (uint32_t)hash & table->mask;; at = (at + 1) & table->mask) {
		struct slot *slot = &table->slots[at];

		if (slot->index == EMPTY)
			return slot;
		if (slot->tag == *tag && ip_equal(&table->entries[slot->index].address, address))
			return slot;
	}
}

static int port_cmp(const void *a, const void *b)
{
	const struct port *x = a, *y = b;

	if (x->protocol != y->protocol)
		return x->protocol < y->protocol ? -1 : 1;
	return (x->port > y->port) - (x->port < y->port);
}

/* calloc() may return NULL for nothing, which is no failure. */
static void *allocate(size_t count, size_t size)
{
	return calloc(count ? count : 1, size);
}

static int table_allocate(struct vip_table *table, const struct vip_spec *vips, size_t count)
{
	size_t ports = 0, sources = 0, slots = 4;

	for (size_t i = 0; i < count; i++) {
		ports += vips[i].port_count;
		for (size_t j = 0; j < vips[i].port_count; j++)
			sources += vips[i].ports[j].source_count;
	}
	while (slots < 2 * count)
		slots *= 2;
	if (ports > UINT32_MAX || sources > UINT32_MAX)
		return -EINVAL;
	table->mask = (uint32_t)slots - 1;
	table->slots = allocate(slots, sizeof(*table->slots));
	table->entries = allocate(count, sizeof(*table->entries));
	table->ports = allocate(ports, sizeof(*table->ports));
	table->sources = allocate(sources, sizeof(*table->sources));
	if (!table->slots || !table->entries || !table->ports || !table->sources)
		return -ENOMEM;
	for (size_t i = 0; i < slots; i++)
		table->slots[i].index = EMPTY;
	return 0;
}

static void entry_fill(struct vip_table *table, struct entry *entry, const struct vip_spec *vip,
		       uint32_t *next_port, uint32_t *next_source)
{
	entry->address = vip->address;
	entry->port_first = *next_port;
	entry->port_count = (uint32_t)vip->port_count;
	atomic_init(&entry->owned, vip->owned);
	for (size_t i = 0; i < vip->port_count; i++) {
		const struct vip_port *from = &vip->ports[i];

		table->ports[(*next_port)++] = (struct port){
			.protocol = from->protocol,
			.port = from->port,
			.source_first = *next_source,
			.source_count = (uint32_t)from->source_count,
		};
		for (size_t j = 0; j < from->source_count; j++)
			table->sources[(*next_source)++] = from->sources[j];
	}
	qsort(&table->ports[entry->port_first], entry->port_count, sizeof(struct port), port_cmp);
}

static int table_fill(struct vip_table *table, const struct vip_spec *vips, size_t count)
{
	uint32_t next_port = 0, next_source = 0, tag;

	for (size_t i = 0; i < count; i++) {
		struct slot *slot = slot_find(table, &vips[i].address, &tag);

		if (slot->index != EMPTY)
			return -EEXIST;
		*slot = (struct slot){.tag = tag, .index = (uint32_t)i};
		entry_fill(table, &table->entries[i], &vips[i], &next_port, &next_source);
	}
	table->count = count;
	return 0;
}

struct vip_table *vip_table_create(const struct vip_spec *vips, size_t count)
{
	struct vip_table *table;
	int error;

	if (count > VIP_TABLE_MAX) {
		errno = EINVAL;
		return NULL;
	}
	table = calloc(1, sizeof(*table));
	if (!table)
		return NULL;
	table->seed = hash_seed(table);
	error = table_allocate(table, vips, count);
	if (!error)
		error = table_fill(table, vips, count);
	if (error) {
		vip_table_free(table);
		errno = -error;
		return NULL;
	}
	return table;
}

void vip_table_free(struct vip_table *table)
{
	if (!table)
		return;
	free(table->slots);
	free(table->entries);
	free(table->ports);
	free(table->sources);
	free(table);
}

size_t vip_table_count(const struct vip_table *table)
{
	return table ? table->count : 0;
}

int vip_table_lookup(const struct vip_table *table, const struct ip *address)
{
	uint32_t tag;

	/* EMPTY is -1 as an int. */
	return table ? (int)slot_find(table, address, &tag)->index : -1;
}

bool vip_table_owned(const struct vip_table *table, int index)
{
	return atomic_load_explicit(&table->entries[index].owned, memory_order_relaxed);
}

void vip_table_own(struct vip_table *table, int index, bool owned)
{
	/* The mark guards no other data: relaxed. */
	atomic_store_explicit(&table->entries[index].owned, owned, memory_order_relaxed);
}

static bool source_admitted(const struct vip_table *table, const struct port *port,
			    const struct ip *source)
{
	if (port->source_count == 0)
		return true;
	for (uint32_t i = 0; i < port->source_count; i++)
		if (ip_prefix_contains(&table->sources[port->source_first + i], source))
			return true;
	return false;
}

enum vip_table_match vip_table_match(const struct vip_table *table, int index, uint8_t protocol,
				     uint16_t port, const struct ip *source)
{
	const struct entry *entry = &table->entries[index];
	const struct port *ports = &table->ports[entry->port_first];
	const struct port key = {.protocol = protocol, .port = port};
	enum vip_table_match match = VIP_TABLE_CLOSED_PORT;
	uint32_t low = 0, high = entry->port_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (port_cmp(&ports[middle], &key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	/* A port that is listed twice admits what either admits. */
	for (; low < entry->port_count && port_cmp(&ports[low], &key) == 0; low++) {
		if (source_admitted(table, &ports[low], source))
			return VIP_TABLE_OPEN;
		match = VIP_TABLE_SOURCE_RANGE;
	}
	return match;
}
