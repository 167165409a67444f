/* SPDX-License-Identifier: BSD-3-Clause */
/* The reply path's nftables table: written by libnftables, watched by a few netlink messages. */
#include "replypath_rule.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>

#include "log.h"

static struct nlmsghdr *prepare(struct replypath *replypath, void *buf, uint16_t type,
				uint16_t flags)
{
	struct nlmsghdr *request = netlink_prepare(
		&replypath->nftables, buf, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->nfgen_family = NFPROTO_INET;
	header->version = NFNETLINK_V0;
	return request;
}

/* The ruleset's generation: it counts every change by anybody in this namespace. 0 or −errno. */
static int read_generation(struct replypath *replypath, uint32_t *generation)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *request = prepare(replypath, buf, NFT_MSG_GETGEN, 0);
	const struct nlattr *attributes[NFTA_GEN_MAX + 1];
	struct netlink_list list = {0};
	const struct nlmsghdr *answer;
	int error = netlink_request(&replypath->nftables, request, &list);

	answer = error < 0 ? NULL : netlink_list_next(&list, NULL);
	if (answer != NULL) {
		netlink_attributes(answer, sizeof(struct nfgenmsg), attributes, NFTA_GEN_MAX);
		*generation = be32toh(netlink_u32(attributes[NFTA_GEN_ID]));
	} else if (error == 0) {
		error = -ENOENT;
	}
	netlink_list_fini(&list);
	return error;
}

static int count_rules(struct replypath *replypath, size_t *count)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *request = prepare(replypath, buf, NFT_MSG_GETRULE, NLM_F_DUMP);
	const struct nlattr *attributes[NFTA_RULE_MAX + 1];
	const struct nlmsghdr *message = NULL;
	struct netlink_list list = {0};
	int error;

	mnl_attr_put_strz(request, NFTA_RULE_TABLE, REPLYPATH_NFT_TABLE);
	error = netlink_request(&replypath->nftables, request, &list);
	*count = 0;
	while (error == 0 && (message = netlink_list_next(&list, message)) != NULL) {
		netlink_attributes(message, sizeof(struct nfgenmsg), attributes, NFTA_RULE_MAX);
		if (attributes[NFTA_RULE_TABLE] != NULL &&
		    strcmp(mnl_attr_get_str(attributes[NFTA_RULE_TABLE]), REPLYPATH_NFT_TABLE) == 0)
			(*count)++;
	}
	netlink_list_fini(&list);
	return error == -ENOENT ? 0 : error;
}

bool replypath_nftables_whole(struct replypath *replypath)
{
	uint32_t generation;
	size_t count;

	if (!replypath->nftables_open)
		return true;
	if (read_generation(replypath, &generation) < 0 || generation == replypath->generation)
		return true;
	if (count_rules(replypath, &count) < 0)
		return true; /* changed meanwhile: the next repair looks again */
	if (count != replypath->nftables_rules)
		return false;
	replypath->generation = generation;
	return true;
}

static void write_marks(FILE *out, const struct replypath_port *port, const char *match)
{
	uint32_t mark = replypath_mark(port);

	fprintf(out,
		"  %sct direction reply ct mark & 0x%x == 0x%x "
		"meta mark set meta mark & 0x%08x | 0x%x\n",
		match, REPLYPATH_MARK_MASK, mark, ~REPLYPATH_MARK_MASK, mark);
}

/* The whole table in one transaction: there is no moment without it. */
static void write_script(const struct replypath *replypath, FILE *out)
{
	char match[IFNAMSIZ + 32];

	fprintf(out, "table inet " REPLYPATH_NFT_TABLE "\n"
		     "delete table inet " REPLYPATH_NFT_TABLE "\n"
		     "table inet " REPLYPATH_NFT_TABLE " {\n"
		     " chain prerouting {\n"
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
	fprintf(out, " }\n}\n");
}

static int run_script(const char *script)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	int error = 0;

	if (nft == NULL)
		return -ENOMEM;
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	errno = 0;
	if (nft_run_cmd_from_buffer(nft, script) != 0) {
		const char *text = nft_ctx_get_error_buffer(nft);

		error = errno != 0 ? -errno : -EIO;
		log_warning("nftables refuses the reply path: %.*s; a reply may leave the node by "
			    "another way than its request came in",
			    text == NULL ? 0 : (int)strcspn(text, "\n"), text == NULL ? "" : text);
	}
	nft_ctx_free(nft);
	return error;
}

int replypath_nftables_remove(struct replypath *replypath, bool leftover)
{
	size_t count = 0;

	/* A kernel without nftables, or a table that nobody left: no reason to touch either. */
	if (leftover && (count_rules(replypath, &count) < 0 || count == 0))
		return 0;
	return run_script("table inet " REPLYPATH_NFT_TABLE "\n"
			  "delete table inet " REPLYPATH_NFT_TABLE "\n");
}

int replypath_nftables_write(struct replypath *replypath)
{
	char *script = NULL;
	size_t len = 0, used = 0;
	FILE *out;
	int error;

	for (size_t i = 0; i < replypath->port_count; i++)
		used += replypath_port_used(&replypath->ports[i]);
	out = open_memstream(&script, &len);
	if (out == NULL)
		return -errno;
	write_script(replypath, out);
	fclose(out);
	error = run_script(script);
	free(script);
	replypath->nftables_rules = 3 * used;
	if (error == 0)
		error = read_generation(replypath, &replypath->generation);
	return error;
}
