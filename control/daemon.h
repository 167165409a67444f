/* SPDX-License-Identifier: BSD-3-Clause */
/* The running daemon: what it consists of, how it starts, turns, reloads and stops. */
#ifndef CONTROL_DAEMON_H
#define CONTROL_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane.h"

#include "auth.h"
#include "config.h"
#include "name.h"

struct controller;
struct event;
struct group;
struct hostnet;
struct http;
struct keeper;
struct loop;
struct mgmt;
struct socket_server;
struct source_file_watch;

/* Open to status.c and metrics.c, which only read it. All of it belongs to control's thread. */
struct daemon {
	struct config *config; /* what runs */
	struct config *loaded; /* what the file says since the last good reload, or NULL */
	char restart_keys[256];
	char config_failure[512]; /* first problem of a bad reload, "" when it was good */
	uint64_t config_reloads, config_failures;
	int64_t config_loaded_s, config_failed_s; /* wall clock; 0 never */
	uint64_t started_ns;
	struct names names;
	struct loop *loop;
	struct keeper *keeper;
	struct hostnet *hostnet;
	struct dataplane *dataplane;
	struct mgmt *mgmt;	 /* the management path, or NULL */
	uint64_t mgmt_strangers; /* datagrams of no group of ours */
	struct dataplane_interface_info info[DATAPLANE_MAX_INTERFACES];
	const char *kernel_ports[DATAPLANE_MAX_INTERFACES];
	struct group *groups[DATAPLANE_MAX_INTERFACES];
	size_t group_count;
	struct controller *controller;
	struct source_file_watch *watch;
	struct socket_server *socket;
	struct http *http;
	struct event *signals, *netlink, *management, *changes, *second, *deadline;
	int signal_fd, lock_fd;
	bool draining, leaving;
	bool failed; /* something made it stop that was not asked for */
	/* lately seen counters, for problems that only a rising one shows */
	uint64_t bad_checksum[DATAPLANE_MAX_INTERFACES];
	uint64_t bad_checksum_rose_ns[DATAPLANE_MAX_INTERFACES];
	uint64_t rejected[DATAPLANE_MAX_INTERFACES][AUTH_REJECT_COUNT];
	uint64_t rejected_rose_ns[DATAPLANE_MAX_INTERFACES][AUTH_REJECT_COUNT];
	uint64_t twins[DATAPLANE_MAX_INTERFACES], twins_rose_ns[DATAPLANE_MAX_INTERFACES];
};

/* Exit codes of every command. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2, /* or bad configuration */
	EXIT_NO_DAEMON = 3,
};

/* Runs until SIGTERM or SIGINT. Returns an exit code. */
int daemon_run(const char *config_path);

/* Planned moves away from this node, or an end of that. */
void daemon_drain(struct daemon *daemon, bool on);

#endif
