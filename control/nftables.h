/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vipgate's own nftables tables: written whole by libnftables in one transaction, watched by a few
 * netlink messages, and written again when somebody flushes them.
 */
#ifndef CONTROL_NFTABLES_H
#define CONTROL_NFTABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink.h"

/* The name of every table of ours; they differ by family. */
#define NFTABLES_TABLE "vipgate"

struct nftables_table {
	const char *family; /* "inet" or "netdev" */
	const char *loss;   /* what is lost without the table, for log lines */
	struct netlink netlink;
	bool open, failed;
	char *body;	     /* what is between the table's braces; NULL: there is no table */
	size_t rules;	     /* in the body */
	uint32_t generation; /* of the whole ruleset, when the table was seen whole */
	unsigned int retry;  /* repairs until a failed write is tried again */
};

/* family and loss are static text. */
void nftables_table_init(struct nftables_table *table, const char *family, const char *loss);

/*
 * Replaces the table: there is no moment without it. body is taken over and freed later. Without
 * nftables in the kernel: a warning, and repair tries again now and then.
 */
void nftables_table_write(struct nftables_table *table, char *body, size_t rules);

/* Removes the table; also one that a killed predecessor left. */
void nftables_table_remove(struct nftables_table *table);

/* Writes again what somebody flushed; logged. One short request while nobody changes any rule. */
void nftables_table_repair(struct nftables_table *table);
void nftables_table_fini(struct nftables_table *table); /* the kernel's table stays */

#endif
