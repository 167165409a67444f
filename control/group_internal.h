/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of one group, shared by the group*.c files and by nothing else. */
#ifndef CONTROL_GROUP_INTERNAL_H
#define CONTROL_GROUP_INTERNAL_H

#include "group.h"

#include "mgmt_peer.h"

#define PROBES_KEPT   8
#define DEFENCES_KEPT 64
#define SENT_KEPT     4096 /* messages of all paths, as the dataplane keeps of its own */

struct defence {
	struct ip vip;
	uint64_t at_ns;
};

/* What is sent on the management path. */
struct group_management {
	struct mgmt_peers peers;
	uint8_t body[HEARTBEAT_MAX_LEN]; /* of the beat, not stamped */
	size_t len;
	uint64_t due_ns; /* the next beat; 0 at once */
	struct {
		uint64_t seq, at_ns;
	} sent[SENT_KEPT];
	struct heartbeat outgoing; /* too large for the stack, as the targets are */
	struct mgmt_address targets[MGMT_TARGETS];
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
	uint32_t id, node_id;
	uint64_t boot_id;
	enum node_state state; /* the last one said */
	uint64_t lease_until_ns;
	struct group_management *management; /* or NULL */
	bool link_known, link_said;
	bool hold_changed;
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

/*
 * A message of a peer, from either path, to the election. Returns whether it was believed; then
 * group->message is it. group_event.c.
 */
bool group_message(struct group *group, uint64_t now_ns, enum heartbeat_path path, uint64_t source,
		   const uint8_t *payload, size_t len);

/* group_management.c; all of them do nothing on a node without a management path. */
int group_management_begin(struct group *group); /* 0 or -ENOMEM */
void group_management_beat(struct group *group, const struct heartbeat *beat, bool now);
void group_management_rows(struct group *group, uint64_t now_ns, const struct heartbeat *rows,
			   uint32_t to);
void group_management_turn(struct group *group, uint64_t now_ns);
/* When the message of that path left, or 0. */
uint64_t group_management_sent_at(const struct group *group, uint32_t seq_low);

#endif
