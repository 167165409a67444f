/* SPDX-License-Identifier: BSD-3-Clause */
/* The management path of one group: its beats and rows as datagrams, and those of its peers. */
#include "group_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "derive.h"
#include "log.h"
#include "mgmt.h"

#define NS_PER_MS UINT64_C(1000000)

int group_management_begin(struct group *group)
{
	if (group->config.mgmt == NULL)
		return 0;
	group->management = calloc(1, sizeof(*group->management));
	if (group->management == NULL)
		return -ENOMEM;
	mgmt_peers_init(&group->management->peers, group->node_id, mgmt_local(group->config.mgmt));
	return 0;
}

/* ---- what is sent ---- */

/* As the worker does for the front, from the same lease (design §8 "Messages"). */
static uint16_t lapsed_ms(const struct group *group, uint64_t now_ns)
{
	uint64_t lapsed;

	if (group->lease_until_ns == 0)
		return HEARTBEAT_LAPSED_EVER;
	if (now_ns < group->lease_until_ns)
		return 0;
	lapsed = (now_ns - group->lease_until_ns) / NS_PER_MS;
	if (lapsed < 1)
		return 1;
	return lapsed < HEARTBEAT_LAPSED_EVER ? (uint16_t)lapsed : HEARTBEAT_LAPSED_EVER - 1;
}

/* One seq and one signature for all: nobody gets it twice. */
static void message_send(struct group *group, uint64_t now_ns, uint8_t *body, size_t len,
			 uint32_t to)
{
	struct group_management *management = group->management;
	size_t count = mgmt_peers_targets(&management->peers, now_ns, to, management->targets,
					  MGMT_TARGETS);
	uint64_t seq;

	if (count == 0)
		return;
	seq = dataplane_next_seq(group->config.dataplane, group->config.index);
	heartbeat_stamp(body, len, seq, lapsed_ms(group, now_ns));
	if (auth_sign(group->auth, body, len) < 0) {
		group->counters.management_failed += count;
		return;
	}
	management->sent[seq % SENT_KEPT].seq = seq;
	management->sent[seq % SENT_KEPT].at_ns = now_ns;
	for (size_t i = 0; i < count; i++) {
		if (mgmt_send(group->config.mgmt, &management->targets[i], body, len) < 0)
			group->counters.management_failed++;
		else
			group->counters.management_sent++;
	}
}

void group_management_beat(struct group *group, const struct heartbeat *beat, bool now)
{
	struct group_management *management = group->management;

	if (management == NULL)
		return;
	management->outgoing = *beat;
	management->outgoing.path = HEARTBEAT_MANAGEMENT;
	management->len = heartbeat_encode(&management->outgoing, management->body);
	if (now)
		management->due_ns = 0;
}

void group_management_rows(struct group *group, uint64_t now_ns, const struct heartbeat *rows,
			   uint32_t to)
{
	uint8_t body[HEARTBEAT_MAX_LEN];

	if (group->management != NULL)
		message_send(group, now_ns, body, heartbeat_encode(rows, body), to);
}

void group_management_turn(struct group *group, uint64_t now_ns)
{
	const uint64_t interval_ns = group->config.config->heartbeat_interval_ns;
	struct group_management *management = group->management;

	if (management == NULL || management->len == 0 || now_ns < management->due_ns)
		return;
	/* Late by more than a beat, or at once: the interval starts anew, no burst to catch up. */
	management->due_ns += interval_ns;
	if (management->due_ns <= now_ns)
		management->due_ns = now_ns + interval_ns;
	message_send(group, now_ns, management->body, management->len, 0);
}

uint64_t group_management_sent_at(const struct group *group, uint32_t seq_low)
{
	const struct group_management *management = group->management;
	size_t slot = seq_low % SENT_KEPT;

	/* seq 0 was never sent: they begin with 1 */
	if (management == NULL || management->sent[slot].seq == 0 ||
	    (uint32_t)management->sent[slot].seq != seq_low)
		return 0;
	return management->sent[slot].at_ns;
}

/* ---- what is received ---- */

struct boot_search {
	uint32_t node;
	uint64_t boot_id;
	bool accepted;
};

static void boot_compare(void *arg, const struct election_peer_view *peer)
{
	struct boot_search *search = arg;

	search->accepted |= peer->node == search->node && peer->boot_id == search->boot_id;
}

void group_datagram(struct group *group, uint64_t now_ns, const struct mgmt_address *from,
		    const uint8_t *data, size_t len)
{
	struct boot_search search = {0};

	if (group->management == NULL || !group_message(group, now_ns, HEARTBEAT_MANAGEMENT,
							mgmt_address_number(from), data, len))
		return;
	search.node = group->message.node;
	search.boot_id = group->message.boot_id;
	election_peers(group->election, boot_compare, &search);
	mgmt_peers_heard(&group->management->peers, now_ns, search.node, from, search.accepted);
}

void group_nodes_set(struct group *group, const struct derive_interface *vips,
		     const struct object_set *set)
{
	if (group->management != NULL)
		mgmt_peers_plan(&group->management->peers, vips->plan, vips->count, set);
}
