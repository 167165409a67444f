/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of one group, shared by the group*.c files and by nothing else. */
#ifndef CONTROL_GROUP_INTERNAL_H
#define CONTROL_GROUP_INTERNAL_H

#include "group.h"

#define PROBES_KEPT   8
#define DEFENCES_KEPT 64

struct defence {
	struct ip vip;
	uint64_t at_ns;
};

struct group {
	struct group_config config;
	const struct config_interface *interface;
	struct election *election;
	struct election_actions actions;
	struct auth *auth;
	struct announcer *announcer;
	struct config_key signing_key;
	struct rte_ether_addr mac;
	uint32_t node_id;
	uint64_t boot_id;
	enum node_state state; /* the last one said */
	bool link_known, link_said;
	uint64_t probed_ns[PROBES_KEPT]; /* when gateways were probed, a ring */
	size_t probe_next;
	struct defence defences[DEFENCES_KEPT]; /* the last ones, a ring */
	size_t defence_next;
	bool left;
	struct group_counters counters;
	struct heartbeat message; /* decoded; too large for the stack */
};

/* One step of the election at now_ns, and its actions; group_act.c. */
void group_step(struct group *group, uint64_t now_ns, const struct election_event *event);

#endif
