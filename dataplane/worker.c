/* SPDX-License-Identifier: BSD-3-Clause */
/* The poll-mode thread: turns over its lanes, housekeeping, and waits when there is nothing. */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "ethdev.h"
#include "kport.h"
#include "stage.h"
#include "worker.h"

#define HOUSEKEEPING_TURNS 64		    /* a power of two: turns between two quiescent states */
#define IDLE_TURNS	   16		    /* empty turns before a wait */
#define BLIND_WAIT_NS	   UINT64_C(500000) /* longest wait where a lane has no descriptor */
#define WAIT_FDS	   (1 + 2 * DATAPLANE_MAX_INTERFACES)

void worker_wake(struct worker *worker)
{
	uint64_t one = 1;

	/* Pairs with the fence in worker_wait(): either it sees our work, or we see it wait. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&worker->waiting, memory_order_relaxed) &&
	    write(worker->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return; /* an eventfd fails otherwise only when it is none */
}

static unsigned int lane_turn(struct lane *lane, uint64_t now_ns)
{
	unsigned int moved = stage_from_wire(lane, now_ns);

	if (lane->first) {
		moved += stage_from_control(lane);
		moved += stage_beat(lane, now_ns);
	}
	return moved + stage_from_kernel(lane, now_ns);
}

static unsigned int turn(struct worker *worker)
{
	uint64_t now_ns = clock_ns();
	unsigned int moved = 0;

	atomic_store_explicit(&worker->turn_ns, now_ns, memory_order_relaxed);
	for (size_t i = 0; i < worker->lane_count; i++)
		moved += lane_turn(worker->lane[i], now_ns);
	counter_add(&worker->loops, 1);
	if (moved > 0)
		counter_add(&worker->busy_loops, 1);
	return moved;
}

/* How long this worker may wait: to the next beat, and never longer than one interval. */
static uint64_t wait_ns(const struct worker *worker)
{
	uint64_t wait = worker->dp->wait_max_ns;
	uint64_t now_ns = clock_ns();

	for (size_t i = 0; i < worker->lane_count; i++) {
		const struct lane *lane = worker->lane[i];
		const struct beat *beat;

		if (lane->wait == LANE_WAIT_NONE && wait > BLIND_WAIT_NS)
			wait = BLIND_WAIT_NS;
		if (!lane->first)
			continue;
		beat = atomic_load_explicit(&lane->iface->beat, memory_order_acquire);
		if (beat == NULL || beat->len == 0)
			continue;
		if (lane->next_beat_ns <= now_ns)
			return 0;
		if (lane->next_beat_ns - now_ns < wait)
			wait = lane->next_beat_ns - now_ns;
	}
	return wait;
}

static void interrupts_arm(const struct worker *worker)
{
	for (size_t i = 0; i < worker->lane_count; i++) {
		const struct lane *lane = worker->lane[i];

		if (lane->wait == LANE_WAIT_INTERRUPT)
			rte_eth_dev_rx_intr_enable(lane->iface->port, lane->queue);
	}
}

static void interrupts_disarm(const struct worker *worker)
{
	uint64_t events;

	for (size_t i = 0; i < worker->lane_count; i++) {
		const struct lane *lane = worker->lane[i];

		if (lane->wait != LANE_WAIT_INTERRUPT)
			continue;
		rte_eth_dev_rx_intr_disable(lane->iface->port, lane->queue);
		/* An eventfd that does not block, see iface_lane_wait(). */
		if (read(lane->wait_fd, &events, sizeof(events)) < 0)
			continue;
	}
}

static nfds_t wait_fds(const struct worker *worker, struct pollfd *fds)
{
	nfds_t count = 0;

	fds[count++] = (struct pollfd){.fd = worker->wake_fd, .events = POLLIN};
	for (size_t i = 0; i < worker->lane_count; i++) {
		const struct lane *lane = worker->lane[i];

		fds[count++] = (struct pollfd){.fd = kport_fd(lane->iface->kport, lane->queue),
					       .events = POLLIN};
		if (lane->wait != LANE_WAIT_NONE)
			fds[count++] = (struct pollfd){.fd = lane->wait_fd, .events = POLLIN};
	}
	return count;
}

/* Sleeps until a descriptor is readable or a beat is due. Nothing of RCU is held meanwhile. */
static void worker_wait(struct worker *worker)
{
	struct rte_rcu_qsbr *rcu = worker->dp->rcu;
	struct pollfd fds[WAIT_FDS];
	nfds_t count = wait_fds(worker, fds);
	struct timespec timeout;
	uint64_t wait, events;

	atomic_store_explicit(&worker->waiting, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	interrupts_arm(worker);
	/* One more look: what came before the arming rings no bell. */
	if (turn(worker) == 0 && !atomic_load_explicit(&worker->dp->stop, memory_order_acquire)) {
		wait = wait_ns(worker);
		timeout = (struct timespec){.tv_sec = (time_t)(wait / UINT64_C(1000000000)),
					    .tv_nsec = (long)(wait % UINT64_C(1000000000))};
		rte_rcu_qsbr_thread_offline(rcu, worker->index);
		ppoll(fds, count, &timeout, NULL);
		rte_rcu_qsbr_thread_online(rcu, worker->index);
		counter_add(&worker->waits, 1);
	}
	interrupts_disarm(worker);
	atomic_store_explicit(&worker->waiting, false, memory_order_relaxed);
	if ((fds[0].revents & POLLIN) != 0 && read(worker->wake_fd, &events, sizeof(events)) < 0)
		return; /* emptied: what it stood for is looked at in the next turn */
}

int worker_main(void *arg)
{
	struct worker *worker = arg;
	struct dataplane *dp = worker->dp;
	unsigned int idle = 0;
	uint64_t turns = 0;

	rte_rcu_qsbr_thread_online(dp->rcu, worker->index);
	while (!atomic_load_explicit(&dp->stop, memory_order_acquire)) {
		idle = turn(worker) > 0 ? 0 : idle + 1;
		if ((++turns & (HOUSEKEEPING_TURNS - 1)) == 0)
			rte_rcu_qsbr_quiescent(dp->rcu, worker->index);
		if (dp->adaptive && idle >= IDLE_TURNS) {
			worker_wait(worker);
			idle = IDLE_TURNS - 1; /* one more empty turn: it was no frame */
		}
	}
	rte_rcu_qsbr_thread_offline(dp->rcu, worker->index);
	return 0;
}
