/* SPDX-License-Identifier: BSD-3-Clause */
/* Errors that only show between objects: the same one twice, pools of two classes that overlap. */
#include <stdlib.h>
#include <string.h>

#include "object_read.h"

/* One entry of one class's pool. */
struct pool_entry {
	const struct object_range *range;
	const struct object_item *class;
	size_t index;
};

/* Kinds that share an array of the set share their names, too. */
static int same_cmp(const struct object_item *a, const struct object_item *b)
{
	int order;

	if (a->kind->array != b->kind->array)
		return a->kind->array < b->kind->array ? -1 : 1;
	order = strcmp(a->meta->namespace, b->meta->namespace);
	return order != 0 ? order : strcmp(a->meta->name, b->meta->name);
}

static int item_cmp(const void *left, const void *right)
{
	const struct object_item *const *a = left, *const *b = right;
	int order = same_cmp(*a, *b);

	return order != 0 ? order : *a < *b ? -1 : 1;
}

static void check_twice(struct tree_reader *reader, struct object_item **sorted, size_t count)
{
	for (size_t i = 1, first = 0; i < count; i++) {
		const struct object_meta *meta = sorted[i]->meta;
		const struct object_where *where = &sorted[first]->meta->where;

		if (same_cmp(sorted[first], sorted[i]) != 0) {
			first = i;
			continue;
		}
		problems_add(reader->problems, true, &meta->where,
			     "found the %s %s%s%s again, expected it once: it is already in line "
			     "%u, column %u",
			     sorted[i]->kind->kind, meta->namespace,
			     meta->namespace[0] != '\0' ? "/" : "", meta->name, where->line,
			     where->column);
	}
}

static const struct object_class *class_of(const struct object_item *item)
{
	return (const struct object_class *)item->meta; /* its first member */
}

/* The node that an entry was written in; the object when a key was misspelled and understood. */
static const struct tree_node *entry_node(const struct pool_entry *entry)
{
	const struct tree_node *node = entry->class->node;
	const struct tree_node *pool = tree_get(tree_get(node, "spec"), "addressPool");

	if (pool != NULL && pool->kind == TREE_LIST && entry->index < pool->count)
		return pool->items[entry->index];
	return node;
}

static int entry_cmp(const void *left, const void *right)
{
	const struct pool_entry *a = left, *b = right;
	int order = ip_cmp(&a->range->first, &b->range->first);

	if (order == 0)
		order = ip_cmp(&a->range->last, &b->range->last);
	if (order == 0 && a->class != b->class)
		order = a->class < b->class ? -1 : 1;
	return order;
}

static void complain_overlap(struct tree_reader *reader, const struct pool_entry *a,
			     const struct pool_entry *b)
{
	const struct pool_entry *first = a->class < b->class ? a : b;
	const struct pool_entry *second = first == a ? b : a;
	const struct tree_node *node = entry_node(second), *other = entry_node(first);
	char found[TREE_FOUND_LEN], taken[TREE_FOUND_LEN];

	problems_add(reader->problems, true, &node->where,
		     "addressPool: found %s, expected addresses that no other class has: class %s "
		     "has %s in line %u, column %u",
		     tree_found(node, found), first->class->meta->name, tree_found(other, taken),
		     other->where.line, other->where.column);
}

/*
 * Entries by their first address. Of those before, only the one that reaches furthest and the one
 * of another class that reaches furthest can show that an entry overlaps a foreign class.
 */
static void check_sorted(struct tree_reader *reader, const struct pool_entry *entries, size_t count)
{
	const struct pool_entry *best = NULL, *second = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct pool_entry *entry = &entries[i], *other = best;

		if (best != NULL && best->class == entry->class)
			other = second;
		if (other != NULL && ip_cmp(&other->range->last, &entry->range->first) >= 0)
			complain_overlap(reader, other, entry);
		if (best == NULL || ip_cmp(&entry->range->last, &best->range->last) > 0) {
			if (best != NULL && best->class != entry->class)
				second = best;
			best = entry;
		} else if (best->class != entry->class &&
			   (second == NULL ||
			    ip_cmp(&entry->range->last, &second->range->last) > 0)) {
			second = entry;
		}
	}
}

static void check_overlap(struct tree_reader *reader, struct object_item **items, size_t count)
{
	struct pool_entry *entries;
	size_t total = 0, n = 0;

	for (size_t i = 0; i < count; i++)
		if (items[i]->kind->size == sizeof(struct object_class) &&
		    items[i]->kind->array == offsetof(struct object_set, classes))
			total += class_of(items[i])->pool_count;
	if (total == 0)
		return;
	entries = reallocarray(NULL, total, sizeof(*entries));
	if (entries == NULL) {
		reader->no_memory = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (items[i]->kind->array != offsetof(struct object_set, classes))
			continue;
		for (size_t k = 0; k < class_of(items[i])->pool_count; k++)
			if (!ip_is_none(&class_of(items[i])->pool[k].last))
				entries[n++] =
					(struct pool_entry){.range = &class_of(items[i])->pool[k],
							    .class = items[i],
							    .index = k};
	}
	qsort(entries, n, sizeof(*entries), entry_cmp);
	check_sorted(reader, entries, n);
	free(entries);
}

void object_check(struct tree_reader *reader, struct object_item *items, size_t count)
{
	struct object_item **sorted;
	size_t named = 0;

	if (count == 0)
		return;
	sorted = reallocarray(NULL, count, sizeof(struct object_item *));
	if (sorted == NULL) {
		reader->no_memory = true;
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (items[i].meta->name != NULL)
			sorted[named++] = &items[i];
	qsort(sorted, named, sizeof(struct object_item *), item_cmp);
	check_twice(reader, sorted, named);
	check_overlap(reader, sorted, named);
	free(sorted);
}
