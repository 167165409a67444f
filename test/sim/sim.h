/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A group of nodes in virtual time, driven by one seed: the daemon's own election and codec, and a
 * model of worker, network and gateway around them.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/election.h"

#define SIM_NODES   64
#define SIM_VIPS    16
#define SIM_FAULTS  6 /* of one schedule, at most */
#define SIM_SENT    4096
#define SIM_QUEUE   1024 /* frames that wait for a paused thread */
#define SIM_FAILURE 320
#define US	    UINT64_C(1000)
#define MS	    UINT64_C(1000000)
#define SEC	    UINT64_C(1000000000)

struct frame {
	size_t len;
	unsigned int refs;
	unsigned int key; /* signed with */
	bool decoded;
	uint8_t bytes[HEARTBEAT_MAX_LEN];
	struct heartbeat heartbeat; /* decoded, by the first receiver for all */
};

struct queue {
	struct frame *frames[SIM_QUEUE];
	uint64_t probe_ns; /* newest answered probe that waits too; 0 none */
	size_t count;
};

struct sim_node {
	uint32_t id;
	int ppm;	   /* its clock runs this much too fast */
	unsigned int life; /* counts starts; events of a former life are void */
	bool running;
	struct election *election;
	struct election_actions actions;
	uint64_t boot_id, seq;
	uint64_t sent_ns[SIM_SENT];
	uint32_t sent_seq[SIM_SENT];
	bool sent_management[SIM_SENT];

	/* worker */
	uint64_t worker_until, worker_since; /* paused from, until */
	uint64_t lease_until;
	struct heartbeat body;
	bool has_body, send_now;
	struct queue nic, ring, out;

	/* control */
	uint64_t control_until, control_since;
	uint64_t management_next;

	/* outlives the process */
	uint64_t floor[SIM_VIPS];
	bool unhealthy[SIM_VIPS];
	unsigned int plan;		 /* which of the plans it follows */
	unsigned int key_sign, key_also; /* it verifies with both */
	bool link_up;
	int gateway_cut; /* by how many faults */

	/* for assertions */
	uint64_t confirmed_ns, company_ns;
	uint64_t renewed_ns;	    /* when a lease that had run out was last renewed */
	uint64_t control_paused_ns; /* end of the last pause of control */
	uint64_t worker_paused_ns;  /* likewise */
	uint64_t answered_ns; /* when it could answer last, as far as noted: see last_answer() */
	bool drained;	      /* its drain is the last thing that was done to the group */
	uint64_t claimed_ns[SIM_VIPS];
	uint64_t owned_ns[SIM_VIPS]; /* since when, without a break */
	uint64_t announced_ns[SIM_VIPS];
};

struct sim_plan {
	bool has[SIM_VIPS];
	unsigned int order[SIM_VIPS][SIM_NODES];
	size_t count[SIM_VIPS];
};

enum sim_event_type {
	SIM_TURN,
	SIM_BEAT,
	SIM_ARRIVE,	   /* a frame at a node's NIC */
	SIM_ARRIVE_MANAGE, /* a datagram at control's socket */
	SIM_ANSWER,	   /* a gateway's answer at the NIC */
	SIM_START,
	SIM_RESUME, /* a paused worker goes on */
	SIM_FAULT,
	SIM_CHECK_CRASH, /* G3 */
	SIM_CHECK_HEAL,	 /* G4 */
};

struct sim_event {
	uint64_t at, order;
	enum sim_event_type type;
	unsigned int node, life;
	struct frame *frame;
	uint64_t value;
};

enum sim_fault_type {
	FAULT_CRASH,
	FAULT_PAUSE,
	FAULT_PAUSE_WORKER,
	FAULT_PAUSE_CONTROL,
	FAULT_CUT,     /* both ways between two nodes */
	FAULT_ONE_WAY, /* from one node to another */
	FAULT_PARTITION,
	FAULT_LOSS,
	FAULT_LINK,
	FAULT_HEALTH,
	FAULT_PLAN,
	FAULT_DRAIN,
	FAULT_LEAVE,
	FAULT_GATEWAY,
	FAULT_DEAF,	  /* a node's receiver or transmitter is dead */
	FAULT_BURST,	  /* all frames are lost for a moment */
	FAULT_MANAGEMENT, /* one node's management path */
	FAULT_WITHDRAW,	  /* a VIP is in the plan of some or none */
	FAULT_UNLIST,	  /* a node is in the plan of no VIP */
	FAULT_ROTATE,	  /* a new key, with both keys held meanwhile */
	FAULT_KEY,	  /* a step of it at one node */
	FAULT_CALM,	  /* everything heals */
	FAULT_TYPES,
};

struct sim_options {
	unsigned int nodes; /* 0: by the seed */
	unsigned int vips;
	uint32_t faults; /* only these, a bit for each enum sim_fault_type; 0: all */
	bool trace;
	bool quiet; /* no trace of the first failure */
};

struct sim {
	uint64_t seed, random, now, order;
	bool trace, failed;
	char failure[SIM_FAILURE - 32];

	struct sim_event *heap;
	size_t heap_count, heap_capacity;
	struct frame *spare[256];
	size_t spare_count;

	size_t node_count, vip_count;
	struct sim_node nodes[SIM_NODES];
	uint64_t owns[SIM_VIPS];	       /* bit per node whose worker answers while leased */
	struct sim_plan plans[SIM_FAULTS + 1]; /* one after the other */
	unsigned int plan;
	uint64_t interval, hold;
	uint8_t multiplier;
	bool gateways, management;
	uint64_t delay_min, delay_max;
	unsigned int loss; /* in 1/1000 */
	unsigned int burst_loss;
	unsigned int duplicates; /* in 1/1000 */
	size_t nic_limit;	 /* frames that wait for a paused worker; later ones are lost */
	size_t ring_limit;	 /* for a paused control thread */
	unsigned int key;	 /* the group's newest */
	uint64_t key_until;	 /* all have done with the last rotation */
	uint32_t faults;	 /* as in the options */
	uint64_t faults_from, faults_to, end;
	/* from, to: how many faults cut it now */
	int cut[SIM_NODES][SIM_NODES], management_cut[SIM_NODES][SIM_NODES];
	unsigned int lost_in_row[SIM_NODES][SIM_NODES];
	uint64_t last_arrival[SIM_NODES][SIM_NODES];
	bool reorders; /* links do; else each is first in, first out, as a bridge is */

	/* for assertions */
	unsigned int disturbances; /* of the network, now */
	uint64_t net_ns;	   /* when one began or ended last */
	uint64_t fault_ns;	   /* when anything was done last */
	uint64_t cut_net_ns;	   /* when the group was whole before the last cut */
	uint64_t dual_since[SIM_VIPS];
	uint64_t ownerless_since[SIM_VIPS];
	uint64_t claims[SIM_VIPS][8]; /* times of the last claims */
	uint64_t crash_vips[SIM_NODES], crashed_ns[SIM_NODES];
	unsigned int taken[SIM_VIPS]; /* claims without an offer since the last crash */
	uint64_t heal_dual;	      /* VIPs with two answerers when a partition healed */
	uint64_t healed_ns;
};

/* Runs one seed. Returns whether all guarantees held; else failure, SIM_FAILURE bytes, says what.
 */
bool sim_run(uint64_t seed, const struct sim_options *options, char *failure);

uint64_t sim_random(struct sim *sim);
uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high); /* inclusive */
bool sim_chance(struct sim *sim, unsigned int per_mille);
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_push(struct sim *sim, uint64_t at, enum sim_event_type type, unsigned int node,
	      struct frame *frame, uint64_t value);
struct frame *frame_new(struct sim *sim);
void frame_put(struct sim *sim, struct frame *frame);

struct ip sim_vip(unsigned int index);
unsigned int sim_vip_index(const struct ip *address);
int sim_node_index(const struct sim *sim, uint32_t id);

/* node.c */
uint64_t node_now(const struct sim *sim, const struct sim_node *node); /* by its own clock */
void node_start(struct sim *sim, unsigned int index);
void node_stop(struct sim *sim, unsigned int index);
void node_turn(struct sim *sim, unsigned int index);
void node_beat(struct sim *sim, unsigned int index);
void node_resume(struct sim *sim, unsigned int index);
void node_arrive(struct sim *sim, unsigned int index, struct frame *frame, uint64_t probe_ns);
void node_arrive_management(struct sim *sim, unsigned int index, struct frame *frame);
void node_event(struct sim *sim, unsigned int index, const struct election_event *event);
void node_plan(struct sim *sim, unsigned int index);
bool node_answers(const struct sim *sim, unsigned int index);

/* fault.c */
bool fault_parse(const char *names, uint32_t *faults); /* "crash,pause" */
void fault_setup(struct sim *sim, const struct sim_options *options);
void fault_run(struct sim *sim, uint64_t value);

/* check.c */
void check_after(struct sim *sim);
void check_own(struct sim *sim, unsigned int index, unsigned int vip,
	       const struct election_action *action);
void check_lease(struct sim *sim, unsigned int index, uint64_t until);
void check_stop(struct sim *sim, unsigned int index, unsigned int vip,
		const struct election_action *action);
void check_ends(struct sim *sim, unsigned int index);
void check_crash_begin(struct sim *sim, unsigned int index);
void check_crash(struct sim *sim, unsigned int index);
void check_heal_begin(struct sim *sim);
void check_heal(struct sim *sim);
void check_disturbed(struct sim *sim, int change);

/*
 * rules.c, in the mutation check alone: every rule, or only the one named, with its kept seed or,
 * when first is not 0, with those of the range until one fails. Returns the exit status.
 */
int rules_check(const char *only, uint64_t first, uint64_t last, const struct sim_options *options);
bool rules_leave_out(const char *name); /* from now on; false: there is none of that name */

#endif
