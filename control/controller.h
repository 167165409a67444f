/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Carries a generation of the source into the running daemon: names, VIP tables, elections, the
 * kernel's addresses, health targets; and brings health back to the elections. Holds the current
 * generation and reloads the next in a thread.
 */
#ifndef CONTROL_CONTROLLER_H
#define CONTROL_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "generation.h"
#include "name.h"

struct event_base;
struct group;
struct hostnet;
struct keeper;
struct controller;

struct controller_config {
	struct event_base *base;
	const struct config *config;
	struct group *const *groups; /* one an interface, in the order of the configuration */
	size_t group_count;
	struct hostnet *hostnet;
	struct keeper *keeper;
	struct names *names;
	const char *const *kernel_ports; /* one an interface */
};

struct controller *controller_create(const struct controller_config *config, uint64_t now_ns);
void controller_free(struct controller *controller);

/*
 * Reads the source for the first time, before there is a daemon to carry it into: every problem is
 * logged. previous: what the state file remembers. NULL: there were errors.
 */
struct generation *controller_load(const struct config *config,
				   const struct ipam_previous *previous, size_t previous_count);

/*
 * Makes a generation the current one and owns it from then on; NULL was never read. Returns 0, or
 * −errno, logged: the former one stays.
 */
int controller_apply(struct controller *controller, struct generation *generation);

/* Reads the source again, soon and in a thread; asked again meanwhile, once more after that. */
void controller_reload(struct controller *controller);

/* Reads from another file from now on, at first soon. Returns 0 or -ENOMEM. */
int controller_source_set(struct controller *controller, const char *path);
const char *controller_source(const struct controller *controller);

/* Once a turn: tells the elections when source and health are known. */
void controller_turn(struct controller *controller, uint64_t now_ns);

/* NULL before the first apply. */
const struct generation *controller_generation(const struct controller *controller);

/* Whether a Service, or every Service of a VIP, is served here; yes until it is known. */
bool controller_service_healthy(const struct controller *controller,
				const struct object_service *service);
bool controller_healthy(const struct controller *controller, const struct ipam_vip *vip);

struct controller_view {
	bool ready; /* the elections were told */
	uint64_t reloads, reload_failures;
	int64_t loaded_s, failed_s; /* wall clock of the last good and bad reading; 0 never */
	const char *failure;	    /* first problem of the last reading, NULL when it was good */
};
void controller_view(const struct controller *controller, struct controller_view *view);

#endif
