/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The only door of the dataplane. One thread (control) calls everything here unless a function says
 * otherwise; workers run from dataplane_start() to dataplane_stop(). All times are CLOCK_MONOTONIC
 * in nanoseconds. Interfaces are named by their index in the configuration.
 */
#ifndef DATAPLANE_H
#define DATAPLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>

#include "packet/ip.h"
#include "packet/verdict.h"
#include "packet/vip_table.h"

#define DATAPLANE_MAX_INTERFACES 16
#define DATAPLANE_MAX_WORKERS	 32
#define DATAPLANE_FRAME_MAX	 1600 /* largest frame through dataplane_send() */

enum dataplane_backend {
	DATAPLANE_BACKEND_AUTO,
	DATAPLANE_BACKEND_VHOST,
	DATAPLANE_BACKEND_TAP,
};

enum dataplane_hugepages {
	DATAPLANE_HUGEPAGES_AUTO, /* used when enough are free */
	DATAPLANE_HUGEPAGES_YES,
	DATAPLANE_HUGEPAGES_NO,
};

enum dataplane_idle {
	DATAPLANE_IDLE_ADAPTIVE, /* wait on file descriptors when idle */
	DATAPLANE_IDLE_BUSY,	 /* poll for ever */
};

struct dataplane_interface_config {
	const char *name;
	const char *device; /* a PCI address or a DPDK vdev with its arguments */
	uint16_t vlan;	    /* 0 = untagged */
	uint16_t mtu;
	const char *kernel_name; /* of the kernel port's netdev */
	enum dataplane_backend backend;
	const struct ip_prefix *addresses; /* of the node itself; addr keeps its host bits */
	size_t address_count;
	const struct ip *gateways;
	size_t gateway_count;
};

enum dataplane_log_level {
	DATAPLANE_LOG_ERROR,
	DATAPLANE_LOG_WARNING,
	DATAPLANE_LOG_INFO,
	DATAPLANE_LOG_DEBUG,
};

struct dataplane_config {
	const struct dataplane_interface_config *interfaces;
	size_t interface_count;
	const unsigned int *lcores; /* CPUs, a worker each */
	size_t lcore_count;
	unsigned int memory_mb;
	enum dataplane_hugepages hugepages;
	enum dataplane_idle idle;
	bool icmp_echo;
	uint64_t wait_max_ns; /* longest wait of an idle worker: less than a heartbeat interval */
	/* Called from control's thread only, DPDK's own lines included. message has no newline. */
	void (*log)(enum dataplane_log_level level, const char *message);
};

struct dataplane;

/*
 * The kernel netdev that a device string stands on ("net_af_xdp0,iface=eth1" → eth1), written into
 * name of IFNAMSIZ bytes. Returns false for devices that no kernel driver drives. Pure; may be
 * called before dataplane_start(), so that control makes the netdev safe first.
 */
bool dataplane_device_netdev(const char *device, char *name);

/*
 * Initialises EAL, opens devices and kernel ports and launches the workers; no VIPs, no lease.
 * The calling thread becomes EAL's main lcore. Once per process. Returns 0 or −errno with a
 * sentence in error that says what was found and what was expected; what had been opened is closed
 * again.
 */
int dataplane_start(const struct dataplane_config *config, struct dataplane **out, char *error,
		    size_t error_len);

/*
 * Stops workers, closes devices and kernel ports, frees everything; dp may be NULL. Returns 0, or
 * -EBUSY when mbufs were missing from a pool at the end (logged with the number).
 */
int dataplane_stop(struct dataplane *dp);

struct dataplane_interface_info {
	char driver[32];
	char netdev[16]; /* the kernel's netdev below the device, or "" */
	char kernel_port[16];
	const char *backend; /* "tap" or "vhost" */
	struct rte_ether_addr mac;
	uint16_t queues;
	int numa_node;
	bool link_known; /* false: the driver always says up; ask rtnetlink about netdev */
};
void dataplane_interface_info(const struct dataplane *dp, size_t interface,
			      struct dataplane_interface_info *info);

/* Link as the driver says (LSC or polled); meaningless unless link_known. */
bool dataplane_link_up(const struct dataplane *dp, size_t interface);

/*
 * Publishes the VIPs of an interface's group in place of the former ones. Copied. Returns 0,
 * -ENOMEM, -EINVAL or -EEXIST; on error the former table stays.
 */
int dataplane_vips_publish(struct dataplane *dp, size_t interface, const struct vip_spec *vips,
			   size_t count);

/* Starts or stops answering for one published VIP, at once. Returns 0, or -ENOENT. */
int dataplane_vip_own(struct dataplane *dp, size_t interface, const struct ip *vip, bool owned);

/*
 * The time until which workers of an interface may answer and announce. 0 = fenced for ever.
 * Workers read it last before each TX burst; what it no longer covers is dropped as no_lease.
 */
void dataplane_lease_set(struct dataplane *dp, size_t interface, uint64_t until_ns);

/*
 * Publishes the body of the interface's heartbeat (heartbeat_encode() output) and the key that
 * signs it. A worker sends it every interval_ns, and once at once if `now`, stamped with the next
 * seq, lapsed from the lease, and signed. len 0 stops sending. Copied.
 */
int dataplane_beat_set(struct dataplane *dp, size_t interface, const uint8_t *body, size_t len,
		       uint64_t interval_ns, const uint8_t key[32], bool now);

enum dataplane_send {
	DATAPLANE_SEND_PLAIN,	     /* the frame as it is */
	DATAPLANE_SEND_ANNOUNCEMENT, /* only while leased and the VIP is still owned */
	DATAPLANE_SEND_HEARTBEAT, /* a message body: gets header, stamp and signature, as a beat */
};

/*
 * Queues a frame for the wire. vip: for announcements, else NULL. Returns 0, -ENOBUFS when the ring
 * or pool is exhausted (counted), -EMSGSIZE.
 */
int dataplane_send(struct dataplane *dp, size_t interface, enum dataplane_send kind,
		   const struct ip *vip, const uint8_t *frame, size_t len);

/*
 * When this interface's heartbeat with these low 32 bits of seq left, or 0 if that is not among the
 * last 4,096 messages.
 */
uint64_t dataplane_sent_at(const struct dataplane *dp, size_t interface, uint32_t seq_low);

/* The next seq of the interface's counter, for a message that control sends itself. Thread-safe. */
uint64_t dataplane_next_seq(struct dataplane *dp, size_t interface);

/* When the slowest worker of an interface last went round its loop. */
uint64_t dataplane_polled_at(const struct dataplane *dp, size_t interface);

/* Fresh random bits per process, the boot id of all its messages. */
uint64_t dataplane_boot_id(const struct dataplane *dp);

struct dataplane_event {
	enum packet_event type;
	size_t interface;
	uint64_t received_ns; /* when the worker took it from the NIC */
	const uint8_t *frame; /* whole untagged Ethernet frame; valid during the call only */
	size_t len;
};

/* Readable while events are queued. Owned by the dataplane. */
int dataplane_event_fd(const struct dataplane *dp);

/* Calls handle for up to max queued events, in order of arrival. Returns how many there were. */
size_t dataplane_events_drain(struct dataplane *dp, size_t max,
			      void (*handle)(void *arg, const struct dataplane_event *event),
			      void *arg);

struct dataplane_counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_missed; /* lost in the NIC or socket for want of descriptors */
	uint64_t to_kernel, from_kernel;
	uint64_t kernel_dropped; /* by the kernel's own netdev, from its statistics */
	uint64_t arp_answered, ndp_answered, echo_answered, announced;
	uint64_t beats_sent;
	uint64_t drops[DROP_REASON_COUNT];
};

/* Sums of all workers since start. Any thread. */
void dataplane_counters(const struct dataplane *dp, size_t interface,
			struct dataplane_counters *counters);

struct dataplane_worker_info {
	unsigned int cpu;
	uint64_t loops, busy_loops; /* turns, and those that moved a packet */
	uint64_t waits;		    /* idle waits on file descriptors */
};
/* Returns the number of workers and fills info for up to max of them. */
size_t dataplane_workers(const struct dataplane *dp, struct dataplane_worker_info *info,
			 size_t max);

/* Mbufs of the packet pools: how many there are and how many are free now. */
void dataplane_mbufs(const struct dataplane *dp, size_t *total, size_t *available);

#endif
