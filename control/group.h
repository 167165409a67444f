/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One interface and the election of its group: feeds the election what the dataplane received,
 * carries out what it decides, announces, probes gateways. All calls from control's thread.
 */
#ifndef CONTROL_GROUP_H
#define CONTROL_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane.h"

#include "auth.h"
#include "config.h"
#include "core/election.h"
#include "name.h"

#define GROUP_CAUSES (ELECTION_CAUSE_STOPPED + 1)

struct keeper;
struct derive_interface;
struct mgmt;
struct mgmt_address;
struct object_set;

struct group_config {
	size_t index; /* of the interface in the configuration */
	const struct config *config;
	const struct config_interface *interface;
	struct dataplane *dataplane;
	struct keeper *keeper;
	const struct names *names; /* outlives the group, may grow meanwhile */
	struct mgmt *mgmt;	   /* the management path, or NULL */
};

struct group;

struct group *group_create(const struct group_config *config, uint64_t now_ns); /* NULL, errno */
void group_free(struct group *group);

/* A turn: begin, every queued event of the interface, end. */
void group_turn_begin(struct group *group, uint64_t now_ns);
void group_event(struct group *group, uint64_t now_ns, const struct dataplane_event *event);
void group_turn_end(struct group *group, uint64_t now_ns);

/* A datagram of the management path that says that it is of this group; within a turn, too. */
void group_datagram(struct group *group, uint64_t now_ns, const struct mgmt_address *from,
		    const uint8_t *data, size_t len);

/* Where the nodes of a plan are on the management path. */
void group_nodes_set(struct group *group, const struct derive_interface *vips,
		     const struct object_set *set);

/*
 * New VIPs and plan: to the workers first, then to the election. Fills specs[].owned. Returns 0 or
 * −errno, logged; then the former ones stay.
 */
int group_vips_set(struct group *group, uint64_t now_ns, struct derive_interface *vips);

void group_health(struct group *group, uint64_t now_ns, const struct ip *vip, bool healthy);
void group_link(struct group *group, uint64_t now_ns, bool up);
void group_ready(struct group *group, uint64_t now_ns);
void group_drain(struct group *group, uint64_t now_ns, bool on);

/* Stops answering and says LEAVING; group_left() turns true when that is done. */
void group_leave(struct group *group, uint64_t now_ns);
bool group_left(const struct group *group);

/* New keys, live: the first signs from the next beat on. Returns 0 or −errno. */
int group_keys_set(struct group *group, uint64_t now_ns, const struct config_key *keys,
		   size_t count);

/* For status, metrics and tests. */
struct group_counters {
	uint64_t taken[GROUP_CAUSES], lost[GROUP_CAUSES]; /* VIPs, by cause */
	uint64_t conflicts, defences;
	uint64_t probes_sent, probes_answered;
	uint64_t peers_lost;
	uint64_t twins;				     /* two machines with one name, noticed */
	uint64_t management_sent, management_failed; /* datagrams */
	uint64_t send_failed; /* frames that the dataplane's ring did not take */
	bool link_up;
	bool out_of_memory; /* an action was lost: the process must stop */
};
void group_counters(const struct group *group, struct group_counters *counters);
const struct election *group_election(const struct group *group);
const struct auth *group_auth(const struct group *group);
uint32_t group_id(const struct group *group); /* as on the wire */
const struct config_interface *group_interface(const struct group *group);

#endif
