/* SPDX-License-Identifier: BSD-3-Clause */
/* vipgate.yaml: read, checked whole, and turned into one immutable struct (design §4). */
#ifndef CONTROL_CONFIG_H
#define CONTROL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane.h"
#include "packet/ip.h"

#include "problems.h"

struct config_interface {
	const char *name;
	const char *device;
	const char *group;
	uint16_t vlan, mtu;
	const char *kernel_name;
	enum dataplane_backend backend;
	const struct ip_prefix *addresses; /* addr keeps its host bits */
	size_t address_count;
	const struct ip *gateways;
	size_t gateway_count;
};

struct config_key {
	uint8_t bytes[32];
};

enum config_log_level {
	CONFIG_LOG_ERROR,
	CONFIG_LOG_WARNING,
	CONFIG_LOG_INFO,
	CONFIG_LOG_DEBUG,
};

struct config {
	struct arena *arena; /* owns every pointer in here */
	const char *path;
	const char *node;
	const struct config_interface *interfaces;
	size_t interface_count;
	const unsigned int *lcores;
	size_t lcore_count;
	unsigned int memory_mb;
	enum dataplane_hugepages hugepages;
	enum dataplane_idle idle;
	bool icmp_echo;
	uint64_t heartbeat_interval_ns;
	uint8_t heartbeat_multiplier;
	const char *key_file;
	struct config_key keys[2]; /* the first signs */
	size_t key_count;
	struct ip management_address; /* none: no management path */
	uint16_t management_port;
	bool failback;
	uint64_t failback_delay_ns, drain_idle_ns, drain_max_ns;
	const char *source_file; /* or NULL */
	bool source_kubernetes;
	const char *kubeconfig; /* or NULL */
	const char *state_dir;
	const char *http; /* ADDRESS:PORT, "" = off */
	const char *socket;
	enum config_log_level log_level;
	bool log_json;
};

/*
 * Reads and checks a file. Every problem found goes to problems, each with file:line:column, what
 * was found and what was expected. Returns NULL when any of them is an error.
 */
struct config *config_load(const char *path, struct problems *problems);
/* The same from memory, without the key file; relative paths in it start at name's directory. */
struct config *config_parse(const char *text, size_t len, const char *name,
			    struct problems *problems);
void config_free(struct config *config);

/*
 * The keys that differ between two configurations and take effect only after a restart, as a
 * comma-separated list written into buf; "" when every difference is live.
 */
const char *config_restart_keys(const struct config *running, const struct config *loaded,
				char *buf, size_t len);

#endif
