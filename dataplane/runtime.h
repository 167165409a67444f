/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the dataplane share. Every field says who writes it while workers run. */
#ifndef DATAPLANE_RUNTIME_H
#define DATAPLANE_RUNTIME_H

#include <net/if.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <rte_mbuf.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "counters.h"
#include "dataplane.h"
#include "packet/classify.h"
#include "packet/heartbeat.h"
#include "sign.h"

#define BURST		32
#define SENT_SLOTS	4096 /* a power of two: dataplane_sent_at() reaches this far back */
#define EVENT_RING	1024
#define SEND_RING	1024
#define FLOWS_PER_QUEUE 16384

/* The body of an interface's heartbeat. Immutable once published. */
struct beat {
	uint64_t interval_ns;
	uint16_t len; /* 0: none is sent */
	uint8_t body[HEARTBEAT_MAX_LEN];
};

/* When a message left. seq is 0 while the slot is being written. */
struct sent_slot {
	_Atomic uint64_t seq;
	_Atomic uint64_t at_ns;
};

/* Travels in the private area of an mbuf: worker → control (event) or control → worker (send). */
struct frame_tag {
	uint64_t received_ns;
	struct ip vip; /* of an announcement */
	uint16_t interface;
	uint8_t type; /* enum packet_event or enum dataplane_send */
};

/* Private area of every mbuf, in the multiple that mbufs want. */
#define FRAME_TAG_SIZE RTE_ALIGN_CEIL(sizeof(struct frame_tag), RTE_MBUF_PRIV_ALIGN)

static inline struct frame_tag *frame_tag(struct rte_mbuf *mbuf)
{
	return rte_mbuf_to_priv(mbuf);
}

struct kport;
struct worker;

/* How a lane's worker learns of new frames while it waits. */
enum lane_wait {
	LANE_WAIT_NONE,	     /* no descriptor: the wait is cut short */
	LANE_WAIT_SOCKET,    /* wait_fd is readable while frames are queued */
	LANE_WAIT_INTERRUPT, /* wait_fd is the queue's interrupt, to be armed */
};

/* A worker's share of an interface: one queue pair and one queue of the kernel port. */
struct lane {
	/* constant */
	struct iface *iface;
	struct worker *worker;
	uint16_t queue;
	bool first; /* sends the interface's heartbeats and control's frames */
	enum lane_wait wait;
	int wait_fd;
	/* the worker alone */
	struct packet_state state;
	uint64_t next_beat_ns;
	/* the worker writes, anybody reads */
	struct lane_counters counters;
} __rte_cache_aligned;

/* A front-end NIC. */
struct iface {
	/* constant */
	uint16_t index;
	char name[64];
	char device[256];
	char driver[32];
	char netdev[IFNAMSIZ];
	uint16_t port;
	bool port_open, port_started;
	bool link_known;
	bool rx_checksum; /* the NIC verifies L4 checksums */
	bool keeps_mbufs; /* the driver never gives back what its rings hold */
	int socket;
	uint16_t queues;
	uint16_t rx_desc, tx_desc;
	struct packet_env env;
	struct rte_mempool *pool;
	struct kport *kport;
	int queue_fd[DATAPLANE_MAX_WORKERS]; /* readable while the queue is not empty, or −1 */
	struct lane *lane[DATAPLANE_MAX_WORKERS]; /* by queue */
	/* control writes, workers read: pointers by RCU */
	_Atomic(struct vip_table *) vips;
	_Atomic(struct beat *) beat;
	_Atomic(struct signer *) signer;
	_Atomic uint64_t lease_ns;
	_Atomic bool beat_now; /* set by control, taken by the first lane */
	struct rte_ring *send; /* control → first lane */
	/* all lanes write and read */
	struct flow_table *flows;
	/* control alone */
	uint8_t key[32];
	struct lane_counters control; /* what control itself counts */
	/* the first lane writes (and control takes seq numbers) */
	_Atomic uint64_t seq;
	struct sent_slot sent[SENT_SLOTS];
};

/* A poll-mode thread. */
struct worker {
	/* constant */
	struct dataplane *dp;
	unsigned int index, lcore, cpu;
	int wake_fd; /* eventfd: control has something for this worker */
	struct lane *lane[DATAPLANE_MAX_INTERFACES];
	size_t lane_count;
	/* the worker writes, anybody reads */
	_Atomic uint64_t turn_ns; /* when its last turn began */
	_Atomic uint64_t loops, busy_loops, waits;
	_Atomic bool waiting; /* control must write wake_fd */
} __rte_cache_aligned;

/* Something unpublished that a worker may still look at. */
struct retired {
	struct retired *next;
	uint64_t token;
	void (*free)(void *what);
	void *what;
};

struct dataplane {
	/* constant */
	struct iface *iface[DATAPLANE_MAX_INTERFACES];
	size_t iface_count;
	struct worker *worker[DATAPLANE_MAX_WORKERS];
	size_t worker_count;
	bool adaptive;
	uint64_t wait_max_ns;
	uint64_t boot_id;
	struct rte_mempool *send_pool;
	struct rte_rcu_qsbr *rcu;
	struct rte_ring *events; /* workers → control */
	int event_fd;
	int claim[DATAPLANE_MAX_INTERFACES]; /* on netdevs, or −1 */
	bool launched;
	/* control alone */
	struct retired *retired;
	/* control writes */
	_Atomic bool stop;
	/* workers set, control clears: event_fd has been written since the last drain */
	_Atomic bool event_signalled;
};

static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

#endif
