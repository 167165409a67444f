/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who answers for a VIP: the election of one group as a state machine without clock, socket, log or
 * random numbers. The daemon and the simulator run this same object file. Design §8 is its text; a
 * comment "rule N" in the code means that text's rule.
 *
 * A turn of the caller is: TURN_BEGIN, every message received so far, TURN_END. Each step appends
 * the actions that the caller must carry out, in order, before the next step.
 *
 * Before MESSAGE the caller has checked: length, group (= config.group), rate, that the signed path
 * is the one that it came by, election_seq_fresh(), HMAC, heartbeat_decode(). The election itself
 * judges boot ids: it hears nothing from a boot that has not echoed one of our recent messages.
 */
#ifndef CORE_ELECTION_H
#define CORE_ELECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/heartbeat.h"
#include "packet/ip.h"

struct election_config {
	uint32_t group; /* ids as on the wire */
	uint32_t node;
	uint64_t boot_id;
	uint64_t interval_ns;
	uint8_t multiplier;
	uint8_t key_id;
	bool has_gateways;
	bool failback;
	uint64_t hold_ns;      /* STANDBY before ACTIVE; the caller has applied any doubling */
	uint64_t drain_max_ns; /* a drain ends after this though somebody still needs us */
};

enum election_event_type {
	ELECTION_TURN_BEGIN, /* notes a run-out of the lease before queues are read */
	ELECTION_MESSAGE,    /* one authenticated message */
	ELECTION_GATEWAY,    /* a gateway answered a probe */
	ELECTION_TURN_END,   /* timers, claims, offers */
	ELECTION_PLAN,	     /* a new plan, whole */
	ELECTION_HEALTH,     /* one VIP's local ingress became healthy or unhealthy */
	ELECTION_LINK,	     /* front link, worker or kernel port went or came: up = all are well */
	ELECTION_READY,	     /* source synced (or state file loaded) and health known */
	ELECTION_DRAIN,	     /* on: leave by planned moves; off: undrain */
	ELECTION_LEAVE,	     /* stop now: LEAVING is sent, nothing is answered from here on */
	ELECTION_FLOOR,	     /* an epoch that state_dir remembers for a VIP */
	ELECTION_CONFIG,     /* key_id and hold_ns are new */
};

/* One VIP of the plan, preferred node first. Only node ids; the caller owns the arrays. */
struct election_plan_vip {
	struct ip address;
	const uint32_t *nodes;
	size_t node_count;
};

struct election_event {
	enum election_event_type type;
	union {
		struct {
			uint64_t polled_ns; /* when the slowest worker last went round its loop */
		} turn;			    /* TURN_BEGIN */
		struct {
			const struct heartbeat *heartbeat;
			/*
			 * When my message left that its entry for me (heartbeat_find_peer() with my
			 * node and the low bits of my boot id) echoes; 0: no entry or unknown.
			 */
			uint64_t echo_sent_ns;
			/* that message left on the management path: fresh, but no proof of the
			 * front */
			bool echo_management;
		} message;
		struct {
			uint64_t probe_sent_ns; /* of the newest probe that it can answer */
		} gateway;
		struct {
			const struct election_plan_vip *vips;
			size_t count;
		} plan;
		struct {
			struct ip vip;
			bool healthy;
		} health;
		struct {
			bool up;
		} link;
		struct {
			bool on;
		} drain;
		struct {
			struct ip vip;
			uint64_t epoch;
		} floor;
		struct {
			uint8_t key_id;
			uint64_t hold_ns;
		} config;
	};
};

enum election_action_type {
	ELECTION_LEASE,	   /* workers may answer until until_ns; 0 = fenced for ever */
	ELECTION_OWN,	   /* answer for vip from now on, at epoch */
	ELECTION_DISOWN,   /* stop answering for vip */
	ELECTION_ANNOUNCE, /* (re)start vip's announcement schedule */
	ELECTION_BEAT,	   /* publish this beat's body; now = send it at once */
	ELECTION_ROWS,	   /* send this rows message once on its path */
	ELECTION_PROBE,	   /* probe every gateway now */
	ELECTION_STATE,	   /* the node state changed */
	ELECTION_PEER,	   /* a peer was heard or lost: for logs and metrics */
	ELECTION_EPOCH,	   /* remember this epoch floor for vip */
	ELECTION_CLAIM,	   /* the best claim on vip that is known changed: for status */
	ELECTION_LEFT,	   /* LEAVING was sent three times: the process may stop */
	ELECTION_TWIN,	   /* two machines have this node's name (peer.node); at most 1 in 10 s */
};

enum election_cause {
	ELECTION_CAUSE_NONE,
	ELECTION_CAUSE_FIRST,	  /* nobody held it */
	ELECTION_CAUSE_SILENT,	  /* its owner fell silent */
	ELECTION_CAUSE_FENCED,	  /* its owner says that its lease ran out */
	ELECTION_CAUSE_LEFT,	  /* its owner left or joined anew */
	ELECTION_CAUSE_OFFER,	  /* its owner offered it: planned move */
	ELECTION_CAUSE_CONFLICT,  /* a higher claim */
	ELECTION_CAUSE_WITHDRAWN, /* the plan no longer has it */
	ELECTION_CAUSE_STOPPED,	  /* this node leaves */
};
const char *election_cause_name(enum election_cause cause);
const char *node_state_name(enum node_state state);

struct election_action {
	enum election_action_type type;
	union {
		uint64_t until_ns; /* LEASE */
		struct {
			struct ip address;
			uint64_t epoch;
			uint32_t owner; /* CLAIM, and OWN/DISOWN: the other node concerned, or 0 */
			enum election_cause cause;
		} vip; /* OWN, DISOWN, ANNOUNCE, EPOCH, CLAIM */
		struct {
			const struct heartbeat *heartbeat; /* owned by the list until it is reset */
			bool now;
			uint32_t to; /* ROWS on the management path: only to this node */
		} message;	     /* BEAT, ROWS */
		enum node_state state;
		struct {
			uint32_t node;
			bool live;
			enum election_cause cause;
		} peer;
	};
};

/* A growing list that the caller keeps and reuses. Zero-initialised is empty. */
struct election_actions {
	struct election_action *list;
	size_t count, capacity;
	struct heartbeat **messages; /* storage behind BEAT and ROWS */
	size_t message_count, message_capacity;
	bool out_of_memory; /* an action was lost: the caller must stop the node */
};
void election_actions_reset(struct election_actions *actions); /* empty again, memory kept */
void election_actions_fini(struct election_actions *actions);

struct election;

/* A node that just started at now_ns: JOINING, no lease. Returns NULL and ENOMEM. */
struct election *election_create(const struct election_config *config, uint64_t now_ns);
void election_free(struct election *election);

/* One step. now_ns never goes back. Returns 0 or -ENOMEM, after which the state stays usable. */
int election_step(struct election *election, uint64_t now_ns, const struct election_event *event,
		  struct election_actions *actions);

/*
 * Whether a message of this boot of this node may be new: its seq is above the last one taken from
 * that boot on that path, or the boot is not known yet. Cheap; asked before the HMAC is computed.
 */
bool election_seq_fresh(const struct election *election, uint32_t node, uint64_t boot_id,
			enum heartbeat_path path, uint64_t seq);

/* Views for status, metrics, explain and the simulator's assertions. */

struct election_vip_view {
	struct ip address;
	uint64_t epoch;
	uint32_t owner;	     /* of the best claim known; 0 none */
	uint32_t offered_to; /* 0 none */
	uint64_t since_ns;
	bool mine;    /* owner is this node and it answers while leased */
	bool planned; /* in this node's plan */
	bool healthy;
};
bool election_vip(const struct election *election, const struct ip *vip,
		  struct election_vip_view *view);
void election_vips(const struct election *election,
		   void (*each)(void *arg, const struct election_vip_view *view), void *arg);

struct election_peer_view {
	uint32_t node;
	uint64_t boot_id;
	enum node_state state;
	bool live, fenced;
	uint16_t lapsed_ms;
	uint64_t heard_ns[HEARTBEAT_PATHS]; /* when last; 0 never */
	uint64_t lost[HEARTBEAT_PATHS];	    /* beats */
	uint64_t interval_ns;
	uint8_t multiplier, key_id;
};
void election_peers(const struct election *election,
		    void (*each)(void *arg, const struct election_peer_view *view), void *arg);

struct election_view {
	enum node_state state;
	uint64_t lease_until_ns; /* 0 fenced for ever */
	uint32_t rows_version;
	size_t owned;
};
void election_view(const struct election *election, struct election_view *view);

/* Why the election sees a node as it does for one VIP, in plan order (explain). */
struct election_candidate {
	uint32_t node;
	bool heard, healthy, able;
	const char *excluded; /* static text, or NULL when it is a candidate */
};
size_t election_candidates(const struct election *election, const struct ip *vip,
			   struct election_candidate *out, size_t max);

#endif
