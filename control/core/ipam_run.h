/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of one ipam_run(), shared by its parts. Internal to IPAM. */
#ifndef CORE_IPAM_RUN_H
#define CORE_IPAM_RUN_H

#include "core/ipam.h"
#include "core/ipam_wish.h"

/* What is known of one address. */
struct ipam_entry {
	struct ip ip; /* none: an empty slot */
	bool reserved;
	const char *held; /* class of a VirtualIP that still stands, or NULL */
	uint32_t vip;	  /* number + 1, or 0 */
};

/* All addresses that are not simply free: a hash table that never grows. */
struct ipam_book {
	struct ipam_entry *slots;
	size_t mask;
};

int ipam_book_init(struct ipam_book *book, size_t most, struct arena *arena);
struct ipam_entry *ipam_book_find(const struct ipam_book *book, const struct ip *ip); /* or NULL */
struct ipam_entry *ipam_book_get(struct ipam_book *book, const struct ip *ip); /* made if missing */

/* One allocation of before. */
struct ipam_claim {
	struct ipam_wish *wish;
	struct ip address;
	const char *class;
	unsigned int index;
	bool is_object;	  /* a VirtualIP says so: the truth */
	bool in_status;	  /* the Service's status has it */
	int64_t created;  /* of the VirtualIP */
	const char *lost; /* why it was not kept, or NULL */
};

struct ipam_run_owner {
	struct ipam_wish *wish;
	unsigned int index;
	struct ipam_run_owner *next;
};

struct ipam_run_vip {
	struct ip address;
	struct ipam_pool *pool;
	struct ipam_run_owner *owners, **owners_end;
	size_t owner_count;
	uint32_t next_of_key; /* number + 1 of the next VIP of the same shared key, or 0 */
};

struct ipam_run {
	const struct object_set *set;
	struct arena *arena; /* of the run; the result has its own */
	struct ipam_pools pools;
	struct ipam_wish *wishes;   /* of all Services: by age, namespace, name */
	struct ipam_wish **by_name; /* by namespace, name */
	size_t count;
	struct ipam_claim *claims; /* in the order in which they are heard */
	size_t claim_count;
	struct ipam_book book;
	struct ipam_run_vip *vips;
	size_t vip_count;
	uint32_t *keys; /* first VIP + 1 of each shared key */
};

/*
 * Collects the claims of VirtualIPs and of `previous` on Services of the set, and sorts them:
 * objects first; by age of the Service; of two for one place the one in its status, the older, the
 * lower. Notes what each Service is bound to. 0 or -ENOMEM.
 */
int ipam_claims_collect(struct ipam_run *run, const struct ipam_previous *previous, size_t count);

/* Does all that comes before the first address is given. 0 or -ENOMEM. */
int ipam_prepare(struct ipam_run *run, const struct ipam_previous *previous, size_t previous_count,
		 const struct ip *reserved, size_t reserved_count);

/* Makes the result out of a finished run. NULL and ENOMEM. */
struct ipam_result *ipam_result_build(struct ipam_run *run);

#endif
