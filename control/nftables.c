/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes, watches and removes vipgate's nftables tables. */
#include "nftables.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>

#include "log.h"

/* Repairs, one a second, until a failed write is tried again. */
#define RETRY 30

void nftables_table_init(struct nftables_table *table, const char *family, const char *loss)
{
	*table = (struct nftables_table){.family = family, .loss = loss};
}

static bool is_open(struct nftables_table *table)
{
	int error;

	if (table->open)
		return true;
	error = netlink_open(&table->netlink, NETLINK_NETFILTER);
	if (error < 0)
		log_warning("netlink of nftables cannot be opened: %s; %s", strerror(-error),
			    table->loss);
	table->open = error == 0;
	return table->open;
}

static struct nlmsghdr *prepare(struct nftables_table *table, void *buf, uint16_t type,
				uint16_t flags)
{
	struct nlmsghdr *request = netlink_prepare(
		&table->netlink, buf, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags);
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->nfgen_family = strcmp(table->family, "inet") == 0 ? NFPROTO_INET : NFPROTO_NETDEV;
	header->version = NFNETLINK_V0;
	return request;
}

/* The ruleset's generation: it counts every change by anybody in this namespace. 0 or −errno. */
static int read_generation(struct nftables_table *table, uint32_t *generation)
{
	_Alignas(struct nlmsghdr) char buf[64];
	struct nlmsghdr *request = prepare(table, buf, NFT_MSG_GETGEN, 0);
	const struct nlattr *attributes[NFTA_GEN_MAX + 1];
	struct netlink_list list = {0};
	const struct nlmsghdr *answer;
	int error = netlink_request(&table->netlink, request, &list);

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

/* Rules of our table in the kernel. 0 or −errno. */
static int count_rules(struct nftables_table *table, size_t *count)
{
	_Alignas(struct nlmsghdr) char buf[128];
	struct nlmsghdr *request = prepare(table, buf, NFT_MSG_GETRULE, NLM_F_DUMP);
	const struct nlattr *attributes[NFTA_RULE_MAX + 1];
	const struct nlmsghdr *message = NULL;
	struct netlink_list list = {0};
	int error;

	mnl_attr_put_strz(request, NFTA_RULE_TABLE, NFTABLES_TABLE);
	error = netlink_request(&table->netlink, request, &list);
	*count = 0;
	while (error == 0 && (message = netlink_list_next(&list, message)) != NULL) {
		netlink_attributes(message, sizeof(struct nfgenmsg), attributes, NFTA_RULE_MAX);
		if (attributes[NFTA_RULE_TABLE] != NULL &&
		    strcmp(mnl_attr_get_str(attributes[NFTA_RULE_TABLE]), NFTABLES_TABLE) == 0)
			(*count)++;
	}
	netlink_list_fini(&list);
	return error == -ENOENT ? 0 : error;
}

static int run_script(const struct nftables_table *table, const char *script)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	const char *text;
	int error = 0;

	if (nft == NULL)
		return -ENOMEM;
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	if (nft_run_cmd_from_buffer(nft, script) != 0) {
		text = nft_ctx_get_error_buffer(nft);
		error = -EIO;
		log_warning("nftables refuses table %s " NFTABLES_TABLE ": %.*s; %s", table->family,
			    text == NULL ? 0 : (int)strcspn(text, "\n"), text == NULL ? "" : text,
			    table->loss);
	}
	nft_ctx_free(nft);
	return error;
}

static int replace(struct nftables_table *table)
{
	char *script;
	int error;

	/* The first line makes the second one succeed whether there was one or not. */
	if (asprintf(&script,
		     "table %s " NFTABLES_TABLE "\n"
		     "delete table %s " NFTABLES_TABLE "\n"
		     "table %s " NFTABLES_TABLE " {\n%s}\n",
		     table->family, table->family, table->family, table->body) < 0)
		return -ENOMEM;
	error = run_script(table, script);
	free(script);
	if (error == 0)
		error = read_generation(table, &table->generation);
	return error;
}

static void write_again(struct nftables_table *table)
{
	table->failed = !is_open(table) || replace(table) < 0;
	table->retry = RETRY;
}

void nftables_table_write(struct nftables_table *table, char *body, size_t rules)
{
	free(table->body);
	table->body = body;
	table->rules = rules;
	write_again(table);
}

void nftables_table_remove(struct nftables_table *table)
{
	char script[128];
	size_t count = 0;
	bool ours = table->body != NULL && !table->failed;

	free(table->body);
	table->body = NULL;
	if (!is_open(table))
		return;
	/* A kernel without nftables, or a table that nobody left: no reason to touch either. */
	if (!ours && (count_rules(table, &count) < 0 || count == 0))
		return;
	(void)snprintf(script, sizeof(script),
		       "table %s " NFTABLES_TABLE "\ndelete table %s " NFTABLES_TABLE "\n",
		       table->family, table->family);
	(void)run_script(table, script);
}

static bool is_whole(struct nftables_table *table)
{
	uint32_t generation;
	size_t count;

	if (read_generation(table, &generation) < 0 || generation == table->generation)
		return true;
	if (count_rules(table, &count) < 0)
		return true; /* changed meanwhile: the next repair looks again */
	if (count != table->rules)
		return false;
	table->generation = generation;
	return true;
}

void nftables_table_repair(struct nftables_table *table)
{
	if (table->body == NULL)
		return;
	if (table->failed) {
		if (table->retry-- == 0)
			write_again(table);
	} else if (!is_whole(table)) {
		log_warning("somebody changed nftables' table %s " NFTABLES_TABLE ", written again",
			    table->family);
		write_again(table);
	}
}

void nftables_table_fini(struct nftables_table *table)
{
	free(table->body);
	if (table->open)
		netlink_close(&table->netlink);
	table->body = NULL;
	table->open = false;
}
