/* SPDX-License-Identifier: BSD-3-Clause */
/* Drops what the kernel would get of claimed NICs, before its IP stack sees it. */
#include "claim.h"

#include <stdio.h>
#include <stdlib.h>

#include "log.h"

void claim_ingress_write(const struct claim *claims, size_t count, struct nftables_table *table)
{
	char *body = NULL;
	size_t len = 0, rules = 0;
	FILE *out = open_memstream(&body, &len);

	if (out == NULL) {
		log_warning("no memory for the table that drops what claimed NICs receive");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (claims[i].ifindex == 0)
			continue;
		fprintf(out,
			" chain nic%zu {\n"
			"  type filter hook ingress device \"%s\" priority -500; policy accept;\n"
			"  counter drop\n"
			" }\n",
			i, claims[i].current);
		rules++;
	}
	if (fclose(out) != 0 || rules == 0) {
		free(body);
		nftables_table_remove(table);
		return;
	}
	nftables_table_write(table, body, rules);
}
