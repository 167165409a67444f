/* SPDX-License-Identifier: BSD-3-Clause */
/* Which addresses are taken: open addressing with linear probing, at most half full. */
#include <errno.h>

#include "core/arena.h"
#include "core/ipam_run.h"

int ipam_book_init(struct ipam_book *book, size_t most, struct arena *arena)
{
	size_t size = 16;

	while (size / 2 < most + 1)
		size *= 2;
	book->slots = arena_array(arena, size, sizeof(*book->slots));
	book->mask = size - 1;
	return book->slots ? 0 : -ENOMEM;
}

/* The slot that holds an address, or the empty one where it belongs. */
static struct ipam_entry *book_slot(const struct ipam_book *book, const struct ip *ip)
{
	uint64_t high, low;
	size_t at;

	memcpy(&high, &ip->b[0], sizeof(high));
	memcpy(&low, &ip->b[8], sizeof(low));
	/* Neighbours differ in the last byte, which a little-endian word has at its top. */
	low ^= high * UINT64_C(0x9e3779b97f4a7c15);
	low = (low ^ low >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
	at = (size_t)(low ^ low >> 32) & book->mask;
	while (!ip_is_none(&book->slots[at].ip) && !ip_equal(&book->slots[at].ip, ip))
		at = (at + 1) & book->mask;
	return &book->slots[at];
}

struct ipam_entry *ipam_book_find(const struct ipam_book *book, const struct ip *ip)
{
	struct ipam_entry *slot = book_slot(book, ip);

	return ip_is_none(&slot->ip) ? NULL : slot;
}

struct ipam_entry *ipam_book_get(struct ipam_book *book, const struct ip *ip)
{
	struct ipam_entry *slot = book_slot(book, ip);

	slot->ip = *ip;
	return slot;
}
