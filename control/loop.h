/* SPDX-License-Identifier: BSD-3-Clause */
/* Control's event loop: a periodic turn on a timerfd, early turns when a descriptor asks for one,
 * and how late the turns were. */
#ifndef CONTROL_LOOP_H
#define CONTROL_LOOP_H

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct loop;

/* Upper bounds of the lateness histogram, in nanoseconds; what is above the last is in +Inf. */
#define LOOP_LATENESS_BUCKETS 8
extern const uint64_t loop_lateness_bounds_ns[LOOP_LATENESS_BUCKETS];

struct loop_lateness {
	uint64_t turns;	 /* periodic turns since start */
	uint64_t missed; /* periods that had no turn of their own */
	uint64_t sum_ns, max_ns;
	uint64_t buckets[LOOP_LATENESS_BUCKETS + 1]; /* not cumulative */
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t loop_now_ns(void);

struct loop *loop_create(void); /* NULL and errno */
void loop_free(struct loop *loop);

/* The base for other events. Their callbacks must be short: between turns at most eight of them or
 * half a millisecond pass. */
struct event_base *loop_base(const struct loop *loop);

/* Calls turn(arg) every interval_ns, and whenever wake_fd (-1: none) is readable; turn drains it.
 * Returns 0 or −errno. */
int loop_turn_set(struct loop *loop, uint64_t interval_ns, int wake_fd, void (*turn)(void *arg),
		  void *arg);

/* Runs until loop_stop(). Returns 0, or -EIO when the base failed. */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

void loop_lateness(const struct loop *loop, struct loop_lateness *lateness);

#endif
