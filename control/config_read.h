/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files that read and check a configuration share. */
#ifndef CONTROL_CONFIG_READ_H
#define CONTROL_CONFIG_READ_H

#include "config.h"
#include "tree.h"

/* Readers of single values, for tables of fields (tree.h). */
#define CONFIG_READER(name)                                                                        \
	void name(struct tree_reader *reader, const struct tree_field *field,                      \
		  const struct tree_node *node, void *out)

CONFIG_READER(config_read_duration); /* uint64_t nanoseconds, from min to max */
CONFIG_READER(config_read_memory);   /* unsigned int MiB, from min to max */
CONFIG_READER(config_read_name);     /* const char *, of letters, digits, - _ . and max length */
CONFIG_READER(config_read_netdev);   /* const char * that Linux takes as a device name */
CONFIG_READER(config_read_device);   /* const char *, a PCI address or a vdev */
CONFIG_READER(config_read_path);     /* const char *, resolved against the file that names it */
CONFIG_READER(config_read_prefix);   /* struct ip_prefix with its host bits */
CONFIG_READER(config_read_address);  /* struct ip */
CONFIG_READER(config_read_cpu);	     /* unsigned int */
CONFIG_READER(config_read_http);     /* const char *, "" when off */
/* Of struct config: management_address and management_port */
CONFIG_READER(config_read_management);

/* Whether text may name a node, an interface or a group: what config_read_name() takes. */
bool config_name_valid(const char *text, size_t max);

/* Whether text is ADDRESS:PORT or [ADDRESS]:PORT with a port that is not 0. */
bool config_endpoint_parse(const char *text, struct ip *address, uint16_t *port);

/* What no single value shows: duplicates, gateways out of reach, an MTU too large for its driver.
 */
void config_check(struct tree_reader *reader, const struct tree_node *root,
		  const struct config *config);

/* Reads config->key_file. Problems point into that file. Returns 0 or −errno (reported). */
int config_keys_load(struct config *config, struct problems *problems);
/* The same from memory: name is for messages. */
void config_keys_parse(struct config *config, const char *text, size_t len, const char *name,
		       struct problems *problems);

#endif
