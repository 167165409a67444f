/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses of peers: learnt, planned, tried. */
#include "mgmt_peer.h"

#include <string.h>

#include "name.h"

#define SECOND_NS UINT64_C(1000000000)
#define FRESH_NS  SECOND_NS	   /* heard this lately, an address needs no second one */
#define KEEP_NS	  (60 * SECOND_NS) /* silent for longer, one that no plan names is let go */

void mgmt_peers_init(struct mgmt_peers *peers, uint32_t self, const struct mgmt_address *local)
{
	memset(peers, 0, sizeof(*peers));
	peers->self = self;
	peers->local = *local;
}

static struct mgmt_peer *peer_find(struct mgmt_peers *peers, uint32_t node)
{
	for (size_t i = 0; i < HEARTBEAT_MAX_PEERS; i++) {
		if (peers->list[i].node == node)
			return &peers->list[i];
	}
	return NULL;
}

static uint64_t heard_ns(const struct mgmt_peer *peer)
{
	return peer->learnt_ns > peer->candidate_ns ? peer->learnt_ns : peer->candidate_ns;
}

/* The node's slot; a new node may have that of the unplanned one that was silent for longest. */
static struct mgmt_peer *peer_make(struct mgmt_peers *peers, uint32_t node)
{
	struct mgmt_peer *peer = peer_find(peers, node);

	if (peer != NULL || node == 0 || node == peers->self)
		return node == 0 ? NULL : peer;
	peer = peer_find(peers, 0);
	for (size_t i = 0; i < HEARTBEAT_MAX_PEERS && (peer == NULL || peer->node != 0); i++) {
		struct mgmt_peer *other = &peers->list[i];

		if (!other->planned && (peer == NULL || heard_ns(other) < heard_ns(peer)))
			peer = other;
	}
	if (peer != NULL)
		*peer = (struct mgmt_peer){.node = node};
	return peer;
}

static void addresses_take(const struct mgmt_peers *peers, struct mgmt_peer *peer,
			   const struct object_node *node)
{
	peer->address_count = 0;
	for (size_t i = 0; i < node->internal_count; i++) {
		const struct ip *address = &node->internal[i];

		if (peer->address_count < MGMT_PEER_ADDRESSES && !ip_is_none(address) &&
		    ip_is_v4(address) == ip_is_v4(&peers->local.ip) &&
		    !ip_equal(address, &peers->local.ip))
			peer->addresses[peer->address_count++] = *address;
	}
}

void mgmt_peers_plan(struct mgmt_peers *peers, const struct election_plan_vip *vips, size_t count,
		     const struct object_set *set)
{
	for (size_t i = 0; i < HEARTBEAT_MAX_PEERS; i++) {
		peers->list[i].planned = false;
		peers->list[i].address_count = 0;
	}
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < vips[i].node_count; j++) {
			struct mgmt_peer *peer = peer_make(peers, vips[i].nodes[j]);

			if (peer != NULL)
				peer->planned = true;
		}
	}
	for (size_t i = 0; i < set->node_count; i++) {
		struct mgmt_peer *peer = peer_find(peers, name_id(set->nodes[i].meta.name));

		if (peer != NULL)
			addresses_take(peers, peer, &set->nodes[i]);
	}
}

void mgmt_peers_heard(struct mgmt_peers *peers, uint64_t now_ns, uint32_t node,
		      const struct mgmt_address *from, bool accepted)
{
	struct mgmt_peer *peer = peer_make(peers, node);

	if (peer == NULL)
		return;
	if (accepted) {
		peer->learnt = *from;
		peer->learnt_ns = now_ns;
	} else {
		peer->candidate = *from;
		peer->candidate_ns = now_ns;
	}
}

static bool fresh(uint64_t now_ns, uint64_t at_ns, uint64_t limit_ns)
{
	return at_ns != 0 && now_ns - at_ns < limit_ns;
}

static size_t target_add(struct mgmt_address *out, size_t count, size_t max,
			 const struct mgmt_address *address)
{
	for (size_t i = 0; i < count; i++) {
		if (mgmt_address_equal(&out[i], address))
			return count;
	}
	if (count == max)
		return count;
	out[count] = *address;
	return count + 1;
}

static size_t peer_targets(const struct mgmt_peers *peers, uint64_t now_ns,
			   const struct mgmt_peer *peer, struct mgmt_address *out, size_t max)
{
	size_t count = 0;

	if (!peer->planned && !fresh(now_ns, heard_ns(peer), KEEP_NS))
		return 0;
	if (peer->learnt.port != 0)
		count = target_add(out, count, max, &peer->learnt);
	if (fresh(now_ns, peer->candidate_ns, FRESH_NS))
		count = target_add(out, count, max, &peer->candidate);
	if (fresh(now_ns, peer->learnt_ns, FRESH_NS))
		return count;
	for (size_t i = 0; i < peer->address_count; i++) {
		struct mgmt_address address = {peer->addresses[i], peers->local.port};

		count = target_add(out, count, max, &address);
	}
	return count;
}

size_t mgmt_peers_targets(const struct mgmt_peers *peers, uint64_t now_ns, uint32_t node,
			  struct mgmt_address *out, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < HEARTBEAT_MAX_PEERS; i++) {
		const struct mgmt_peer *peer = &peers->list[i];

		if (peer->node != 0 && (node == 0 || node == peer->node))
			count += peer_targets(peers, now_ns, peer, &out[count], max - count);
	}
	return count;
}
