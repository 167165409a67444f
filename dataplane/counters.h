/* SPDX-License-Identifier: BSD-3-Clause */
/* Counters with one writer each: relaxed atomics that cost no more than plain additions. */
#ifndef DATAPLANE_COUNTERS_H
#define DATAPLANE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "dataplane.h"

struct lane_counters {
	_Atomic uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	_Atomic uint64_t to_kernel, from_kernel;
	_Atomic uint64_t arp_answered, ndp_answered, echo_answered, announced, beats_sent;
	_Atomic uint64_t originated; /* mbufs that came from neither the wire nor the kernel */
	_Atomic uint64_t to_control; /* mbufs that went to the control thread */
	_Atomic uint64_t drops[DROP_REASON_COUNT];
};

/* Only the counter's one writer may call this. */
static inline void counter_add(_Atomic uint64_t *counter, uint64_t n)
{
	uint64_t old = atomic_load_explicit(counter, memory_order_relaxed);

	atomic_store_explicit(counter, old + n, memory_order_relaxed);
}

static inline uint64_t counter_get(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Adds a lane's counters to sum. */
void counters_sum(struct dataplane_counters *sum, const struct lane_counters *lane);

struct iface;

/*
 * Frames that came in (wire, kernel, control's own) less those that went somewhere (wire, kernel,
 * control, a drop reason). Anything but 0 after the workers have stopped is a lost or doubled mbuf.
 */
int64_t counters_balance(const struct iface *iface);

#endif
