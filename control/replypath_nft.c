/* SPDX-License-Identifier: BSD-3-Clause */
/* The reply path's nftables rules: marks on connections, marks on their replies. */
#include "replypath_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void write_marks(FILE *out, const struct replypath_port *port, const char *match)
{
	uint32_t mark = replypath_mark(port);

	fprintf(out,
		"  %sct direction reply ct mark & 0x%x == 0x%x "
		"meta mark set meta mark & 0x%08x | 0x%x\n",
		match, REPLYPATH_MARK_MASK, mark, ~REPLYPATH_MARK_MASK, mark);
}

static void write_chains(const struct replypath *replypath, FILE *out)
{
	char match[IFNAMSIZ + 32];

	fprintf(out, " chain prerouting {\n"
		     "  type filter hook prerouting priority mangle; policy accept;\n");
	for (size_t i = 0; i < replypath->port_count; i++) {
		const struct replypath_port *port = &replypath->ports[i];

		if (!replypath_port_used(port))
			continue;
		/* Only the direction that opened the connection: what the node itself opened by the
		 * kernel port needs no help, and its peer must not mark it. */
		fprintf(out,
			"  iifname \"%s\" ct direction original ct mark set ct mark & 0x%08x | "
			"0x%x\n",
			port->name, ~REPLYPATH_MARK_MASK, replypath_mark(port));
		(void)snprintf(match, sizeof(match), "iifname != \"%s\" ", port->name);
		write_marks(out, port, match);
	}
	/* type route: the packet is routed again when its mark changed. */
	fprintf(out, " }\n"
		     " chain output {\n"
		     "  type route hook output priority mangle; policy accept;\n");
	for (size_t i = 0; i < replypath->port_count; i++)
		if (replypath_port_used(&replypath->ports[i]))
			write_marks(out, &replypath->ports[i], "");
	fprintf(out, " }\n");
}

int replypath_nftables_write(struct replypath *replypath)
{
	char *body = NULL;
	size_t len = 0, used = 0;
	FILE *out = open_memstream(&body, &len);

	if (out == NULL)
		return -errno;
	write_chains(replypath, out);
	if (fclose(out) != 0) {
		free(body);
		return -ENOMEM;
	}
	for (size_t i = 0; i < replypath->port_count; i++)
		used += replypath_port_used(&replypath->ports[i]);
	/* Two rules in prerouting and one in output for each. */
	nftables_table_write(&replypath->nftables, body, 3 * used);
	return 0;
}
