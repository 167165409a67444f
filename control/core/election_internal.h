/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of one election, shared by the election_*.c files and by nothing else. */
#ifndef CORE_ELECTION_INTERNAL_H
#define CORE_ELECTION_INTERNAL_H

#include "core/election.h"

#define ELECTION_SLOTS 64 /* peers that can be known at once: a bit each in a uint64_t */
#define NO_SLOT	       (-1)

#define MS UINT64_C(1000000)

#define ROWS_REPEAT_NS	(250 * MS)
#define PROBE_NS	(100 * MS)
#define OFFER_NS	(1000 * MS)
#define JOINING_NS	(1000 * MS)
#define FIRST_STEP_NS	(1000 * MS) /* rank step of a VIP that never had an owner */
#define NONCE_NS	(1000 * MS) /* age of an echo that still proves a new boot id */
#define PRESENT_NS	(1000 * MS) /* a beat lists whom it heard this recently */
#define TWIN_NS		(10000 * MS)
#define WITHDRAWN_NS	(600000 * MS)
#define CLAIMS_SECOND	3 /* claims of one VIP that a node makes in CLAIM_PERIOD_NS */
#define CLAIM_PERIOD_NS (1000 * MS)
#define ELECTION_DIRTY	256 /* VIPs to look at again; when more are, all are looked at */
#define ROWS_PAGES_TURN 64  /* pages that one turn sends at most */

/* A boot id that is heard but has not echoed us yet. */
struct candidate {
	uint64_t boot_id, heard_ns;
	uint64_t seq[HEARTBEAT_PATHS];
	enum heartbeat_path path; /* of the last message */
};

/* Pages of the version of a peer's rows that is on its way. */
struct assembly {
	uint32_t version;
	uint16_t pages, got;
	uint8_t *have; /* a bit per page */
	size_t have_len;
};

struct peer {
	uint64_t boot_id; /* accepted; 0 none: known by hearsay, or only present */
	uint64_t seq[HEARTBEAT_PATHS];
	uint64_t header_seq; /* of the message that the next lines were taken from */
	enum node_state state;
	uint16_t lapsed_ms, management_lapsed_ms;
	uint64_t interval_ns;
	uint8_t multiplier, key_id;
	uint32_t rows_version; /* stated */
	uint32_t rows_held;    /* complete here */
	uint32_t rows_echo;    /* of our rows, what it holds */
	struct assembly assembly;

	uint64_t heard_ns[HEARTBEAT_PATHS]; /* beats; 0 never */
	uint64_t heard_counted[HEARTBEAT_PATHS];
	uint64_t heard_turn; /* of the last front beat */
	uint64_t mentioned_ns;
	uint64_t lost[HEARTBEAT_PATHS];
	bool live, managed; /* less than S of silence on front, on management */
	bool fenced;
	bool gone;	/* rule 5 (a) and (b), as far as it is no matter of one VIP */
	bool heard_too; /* a live unfenced peer says that it hears this node */

	uint64_t hears; /* slots that it says it hears */
	uint32_t hears_boot[ELECTION_SLOTS];

	struct candidate candidate;
	uint64_t previous_boot, accepted_ns;
	uint64_t ignored_boot, ignored_until_ns;
	uint32_t signature; /* of what VIPs depend on, to notice changes */
};

struct vip {
	struct ip address;
	/* the best claim known */
	uint64_t epoch;
	uint32_t owner, offered_to;
	bool claimed;
	bool had_owner; /* a claim was heard of in this boot, adopted or not; a floor is none */
	bool mine;
	/* mine, but this claim of a gone node is higher (rule 7); epoch 0: none */
	uint64_t outbid_epoch, outbid_since_ns;
	uint32_t outbid_owner;
	uint64_t seen; /* largest epoch from anyone, and the floor */
	uint64_t since_ns;
	uint64_t withdrawn_until_ns; /* 0: no withdrawal of ours to state */
	uint64_t beaten_epoch;	     /* lower claim of a live node that we answered by announcing */
	uint32_t beaten_owner;
	uint64_t claim_ns[CLAIMS_SECOND]; /* our last claims of it, a ring; 0 none */
	unsigned int claim_next;
	/* plan */
	const uint32_t *nodes;
	size_t node_count;
	bool planned, lists_me;
	bool healthy;
	/* a bit per slot: what the peer's rows say, and what the version on its way says so far */
	uint64_t listed, listed_next, unhealthy, unhealthy_next;
	uint64_t health_since_ns;
	/* timers; 0 = not running */
	uint64_t vacant_since_ns, unlisted_since_ns;
	uint64_t offer_since_ns, offer_pause_ns;
	uint64_t offer_tried;
	bool dirty;
};

struct election {
	struct election_config config;
	enum node_state state;
	uint64_t now_ns, state_since_ns, joined_ns;
	bool ready, draining;
	uint64_t drain_since_ns, leave_sent_ns;
	unsigned int leave_count;
	bool left;

	uint64_t turn, turn_ns;
	uint64_t counted_ns; /* time as rule 1 counts silence */
	uint64_t polled_ns;

	/* lease */
	bool link_up, worker_stuck;
	bool run_out, was_able, was_fenced;
	uint64_t lease_until_ns, lease_said_ns;
	uint64_t noted_ns, noted_turn;
	uint64_t echo_ns, gateway_ns, probe_ns;
	uint64_t company_counted; /* last front beat of an unfenced node */
	uint64_t company_silence_ns;

	uint32_t nodes[ELECTION_SLOTS]; /* 0 = free slot */
	int slot_count;			/* slots from here on were never used: loops stop here */
	struct peer peers[ELECTION_SLOTS];
	bool peers_dirty;
	uint64_t peers_checked_ns;
	uint64_t twin_ns;

	struct vip **vips;
	size_t vip_count, vip_capacity;
	uint32_t *table; /* 1 + index into vips; 0 empty */
	size_t table_size;
	uint32_t *plan_nodes; /* what vip.nodes point into */
	size_t owned;
	struct vip *dirty[ELECTION_DIRTY];
	size_t dirty_count;
	bool dirty_all;
	uint64_t due_ns;	     /* when some VIP has a timer */
	struct vip *rebalance;	     /* the one open rebalance offer */
	uint64_t rebalance_taken_ns; /* when we last took one */

	/* messages out */
	uint32_t rows_version;
	bool rows_changed, rows_again, relay_due;
	struct heartbeat_row *own, *relay;
	size_t own_count, own_capacity, relay_count, relay_capacity;
	size_t rows_cursor, relay_cursor; /* next page to send */
	uint64_t rows_sent_ns, repeat_ns;
	struct heartbeat beat;
	bool beat_said, beat_now;
	uint64_t beat_now_ns;
	uint64_t hears_said;
	struct election_actions *actions;
	bool out_of_memory;
};

/*
 * For the simulator's mutation check alone: its build of these files can leave out one rule, and
 * some seed must notice. Everywhere else WITHOUT() is false and costs nothing.
 */
#ifdef ELECTION_MUTANTS
extern unsigned int election_mutant; /* enum election_rule, 0 none */
#define WITHOUT(rule) (election_mutant == (rule))
#else
#define WITHOUT(rule) false
#endif
enum election_rule {
	RULE_LEASE = 1,
	RULE_CORROBORATION,
	RULE_RENEWAL_WAIT,
	RULE_MANAGEMENT,
	RULE_GATEWAY,
	RULE_RELAY,
	RULE_RANK,
	RULE_QUARTER,
	RULE_FENCE,
	RULE_CONFLICT,
	RULE_ANNOUNCE_AGAIN,
	RULE_PAUSE,
	RULE_ABLE,
	RULE_ALONE,
	RULE_CLAIM_LIMIT,
	RULE_UNLISTED,
	RULE_OFFER,
	RULE_OUTBID,
	RULE_ROWS_REPEAT,
	RULE_OUTBID_WAIT,
	RULE_RETIRED_BOOT,
	RULE_WITHDRAW,
	RULE_COUNT,
};

static inline uint64_t slot_bit(int slot)
{
	return slot == NO_SLOT ? 0 : UINT64_C(1) << slot;
}

/* election.c */
struct election_action *action_add(struct election *e, enum election_action_type type);
struct heartbeat *action_add_message(struct election *e, enum election_action_type type, bool now,
				     uint32_t to);
uint64_t silence_ns(uint64_t interval_ns, uint8_t multiplier); /* S */
bool self_able(const struct election *e);
bool self_fenced(const struct election *e);
void self_state(struct election *e, enum node_state state);

/* election_peer.c */
int peer_slot(const struct election *e, uint32_t node);
int peer_slot_get(struct election *e, uint32_t node); /* makes one; NO_SLOT when all are taken */
bool peer_able(const struct peer *peer);
void peers_update(struct election *e);
void peer_judge(struct election *e, int slot);
bool peer_accept(struct election *e, int slot, const struct election_event *event);
void peer_self_twin(struct election *e);
bool peers_renewal_ready(const struct election *e);
bool peers_rows_held(const struct election *e);
uint64_t peers_unheard(const struct election *e);

/* election_lease.c */
void lease_turn_begin(struct election *e, uint64_t polled_ns);
void lease_turn_end(struct election *e);
void lease_link(struct election *e, bool up);
void lease_end(struct election *e); /* for ever */

/* election_claim.c, for offers */
void claim_make(struct election *e, struct vip *vip, enum election_cause cause);
unsigned int claim_order(bool healthy, enum node_state state); /* less is better */

/* election_vip.c */
struct vip *vip_find(const struct election *e, const struct ip *address);
struct vip *vip_get(struct election *e, const struct ip *address); /* makes one; NULL no memory */
void vip_dirty(struct election *e, struct vip *vip);
int vip_plan(struct election *e, const struct election_plan_vip *vips, size_t count);
void vips_forget_slot(struct election *e, int slot);
void vips_fini(struct election *e);

/* election_claim.c */
void claim_heard(struct election *e, struct vip *vip, uint64_t epoch, uint32_t owner,
		 uint32_t offered_to, bool direct);
void claim_seen(struct election *e, struct vip *vip, uint64_t epoch);
void claim_stop(struct election *e, struct vip *vip, enum election_cause cause, uint32_t other);
void claims_turn_end(struct election *e);
void claims_announce(struct election *e);
void claims_healed(struct election *e, int slot);
unsigned int claim_rank(const struct election *e, const struct vip *vip);

/* election_offer.c */
bool offer_take(struct election *e, struct vip *vip);
void offer_update(struct election *e, struct vip *vip, uint64_t *due_ns);
void offer_close(struct election *e, struct vip *vip);

/* election_message.c */
void message_heard(struct election *e, const struct election_event *event);
void messages_turn_end(struct election *e);

#endif
