/* SPDX-License-Identifier: BSD-3-Clause */
/* Announcement schedules: a heap of VIPs by due time, and a budget of frames by round. */
#include "core/announcer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MS	     UINT64_C(1000000)
#define SECOND	     (1000 * MS)
#define REPEAT_NS    (60 * SECOND)
#define FIRST_GAP_NS (SECOND / 10000)
#define LATER_GAP_NS (SECOND / 1000)
#define BURST_NS     (10 * MS) /* what an idle rate has saved up at most */

static const uint64_t rounds_ns[] = {0,		20 * MS,   100 * MS, 400 * MS,
				     1100 * MS, 2200 * MS, 5000 * MS};
#define ROUNDS (sizeof(rounds_ns) / sizeof(rounds_ns[0]))

struct entry {
	struct ip vip;
	uint64_t start_ns, due_ns;
	unsigned int round;
	uint32_t at; /* its place in the heap of its kind */
};

/* First rounds and later ones wait in heaps of their own, since their rates differ. */
struct heap {
	struct entry **entries;
	size_t count;
	uint64_t free_ns; /* when the rate allows the next one */
	uint64_t gap_ns;
};

struct announcer {
	struct heap first, later;
	size_t capacity; /* of each heap */
	struct entry **table;
	size_t table_size, count;
};

struct announcer *announcer_create(void)
{
	struct announcer *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->first.gap_ns = FIRST_GAP_NS;
	a->later.gap_ns = LATER_GAP_NS;
	return a;
}

void announcer_free(struct announcer *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->table_size; i++)
		free(a->table[i]);
	free(a->table);
	free(a->first.entries);
	free(a->later.entries);
	free(a);
}

static struct heap *heap_of(struct announcer *a, const struct entry *entry)
{
	return entry->round == 0 ? &a->first : &a->later;
}

static void heap_set(struct heap *heap, size_t at, struct entry *entry)
{
	heap->entries[at] = entry;
	entry->at = (uint32_t)at;
}

static void heap_up(struct heap *heap, size_t at, struct entry *entry)
{
	while (at > 0 && heap->entries[(at - 1) / 2]->due_ns > entry->due_ns) {
		heap_set(heap, at, heap->entries[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	heap_set(heap, at, entry);
}

static void heap_down(struct heap *heap, size_t at, struct entry *entry)
{
	for (size_t child = 2 * at + 1; child < heap->count; child = 2 * at + 1) {
		if (child + 1 < heap->count &&
		    heap->entries[child + 1]->due_ns < heap->entries[child]->due_ns)
			child++;
		if (heap->entries[child]->due_ns >= entry->due_ns)
			break;
		heap_set(heap, at, heap->entries[child]);
		at = child;
	}
	heap_set(heap, at, entry);
}

static void heap_add(struct heap *heap, struct entry *entry)
{
	heap->count++;
	heap_up(heap, heap->count - 1, entry);
}

static void heap_remove(struct heap *heap, const struct entry *entry)
{
	const size_t at = entry->at;
	struct entry *last = heap->entries[--heap->count];

	if (last == entry)
		return;
	if (at > 0 && heap->entries[(at - 1) / 2]->due_ns > last->due_ns)
		heap_up(heap, at, last);
	else
		heap_down(heap, at, last);
}

/* Mixed until every bit of the address reaches the low ones: neighbours differ in the last byte. */
static size_t slot_of(const struct announcer *a, const struct ip *vip)
{
	uint64_t high, low;

	memcpy(&high, vip->b, sizeof(high));
	memcpy(&low, vip->b + 8, sizeof(low));
	low ^= high * UINT64_C(0x9e3779b97f4a7c15);
	low = (low ^ low >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
	low = (low ^ low >> 32) * UINT64_C(0x94d049bb133111eb);
	return (size_t)(low ^ low >> 32) & (a->table_size - 1);
}

/* The slot of vip, or the empty one where it belongs. */
static size_t find(const struct announcer *a, const struct ip *vip)
{
	size_t at = slot_of(a, vip);

	while (a->table[at] != NULL && !ip_equal(&a->table[at]->vip, vip))
		at = (at + 1) & (a->table_size - 1);
	return at;
}

static bool heap_reserve(struct heap *heap, size_t capacity)
{
	struct entry **entries = reallocarray(heap->entries, capacity, sizeof(struct entry *));

	if (entries == NULL)
		return false;
	heap->entries = entries;
	return true;
}

static int grow(struct announcer *a)
{
	const size_t old_size = a->table_size;
	struct entry **old = a->table;
	const size_t size = old_size == 0 ? 64 : old_size * 2;
	struct entry **table;

	if ((a->count + 1) * 2 <= old_size)
		return 0;
	if (!heap_reserve(&a->first, size) || !heap_reserve(&a->later, size))
		return -ENOMEM;
	table = calloc(size, sizeof(struct entry *));
	if (table == NULL)
		return -ENOMEM;
	a->table = table;
	a->table_size = size;
	for (size_t i = 0; i < old_size; i++)
		if (old[i] != NULL)
			a->table[find(a, &old[i]->vip)] = old[i];
	free(old);
	return 0;
}

static void restart(struct announcer *a, struct entry *entry, uint64_t now_ns)
{
	heap_remove(heap_of(a, entry), entry);
	entry->round = 0;
	entry->start_ns = entry->due_ns = now_ns;
	heap_add(&a->first, entry);
}

int announcer_start(struct announcer *a, const struct ip *vip, uint64_t now_ns)
{
	struct entry *entry;
	size_t at;

	if (grow(a) < 0)
		return -ENOMEM;
	at = find(a, vip);
	if (a->table[at] != NULL) {
		restart(a, a->table[at], now_ns);
		return 0;
	}
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return -ENOMEM;
	entry->vip = *vip;
	entry->start_ns = entry->due_ns = now_ns;
	a->table[at] = entry;
	a->count++;
	heap_add(&a->first, entry);
	return 0;
}

void announcer_stop(struct announcer *a, const struct ip *vip)
{
	struct entry *entry;
	size_t at;

	if (a->table_size == 0)
		return;
	at = find(a, vip);
	entry = a->table[at];
	if (entry == NULL)
		return;
	heap_remove(heap_of(a, entry), entry);
	free(entry);
	a->table[at] = NULL;
	a->count--;
	/* Those behind it may have been pushed on by it: each finds its place again. */
	for (at = (at + 1) & (a->table_size - 1); a->table[at] != NULL;
	     at = (at + 1) & (a->table_size - 1)) {
		entry = a->table[at];
		a->table[at] = NULL;
		a->table[find(a, &entry->vip)] = entry;
	}
}

void announcer_restart_all(struct announcer *a, uint64_t now_ns)
{
	for (size_t i = 0; i < a->table_size; i++)
		if (a->table[i] != NULL)
			restart(a, a->table[i], now_ns);
}

/* A late round is not made up for: the next one keeps its distance to the start, or goes at once.
 */
static void advance(struct announcer *a, struct entry *entry, uint64_t now_ns)
{
	heap_remove(heap_of(a, entry), entry);
	entry->round++;
	if (entry->round < ROUNDS)
		entry->due_ns = entry->start_ns + rounds_ns[entry->round];
	else
		entry->due_ns = now_ns + REPEAT_NS;
	heap_add(&a->later, entry);
}

static size_t run(struct announcer *a, struct heap *heap, uint64_t now_ns,
		  void (*announce)(void *arg, const struct ip *vip), void *arg)
{
	size_t count = 0;

	if (heap->free_ns + BURST_NS < now_ns)
		heap->free_ns = now_ns - BURST_NS;
	while (heap->count > 0 && heap->entries[0]->due_ns <= now_ns && heap->free_ns <= now_ns) {
		struct entry *entry = heap->entries[0];

		heap->free_ns += heap->gap_ns;
		advance(a, entry, now_ns);
		announce(arg, &entry->vip);
		count++;
	}
	return count;
}

size_t announcer_run(struct announcer *a, uint64_t now_ns,
		     void (*announce)(void *arg, const struct ip *vip), void *arg)
{
	size_t count = run(a, &a->first, now_ns, announce, arg);

	return count + run(a, &a->later, now_ns, announce, arg);
}

static uint64_t next_of(const struct heap *heap, uint64_t now_ns)
{
	uint64_t next;

	if (heap->count == 0)
		return UINT64_MAX;
	next = heap->entries[0]->due_ns > heap->free_ns ? heap->entries[0]->due_ns : heap->free_ns;
	return next > now_ns ? next : now_ns;
}

uint64_t announcer_next(const struct announcer *a, uint64_t now_ns)
{
	const uint64_t first = next_of(&a->first, now_ns), later = next_of(&a->later, now_ns);

	return first < later ? first : later;
}
