/* SPDX-License-Identifier: BSD-3-Clause */
/* The event loop around libevent: turns come first, everything else is bounded between them. */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#define SECOND_NS UINT64_C(1000000000)

enum {
	PRIORITY_TURN,
	PRIORITY_OTHER,
	PRIORITIES,
};

const uint64_t loop_lateness_bounds_ns[LOOP_LATENESS_BUCKETS] = {
	100000, 250000, 500000, 1000000, 2500000, 10000000, 50000000, 250000000,
};

struct loop {
	struct event_base *base;
	struct event *tick, *wake;
	int timer_fd;
	uint64_t interval_ns;
	uint64_t due_ns; /* when the next periodic turn should begin */
	struct loop_lateness lateness;
	void (*turn)(void *arg);
	void *arg;
};

uint64_t loop_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

struct loop *loop_create(void)
{
	const struct timeval slice = {.tv_usec = 500};
	struct event_config *config = event_config_new();
	struct loop *loop = calloc(1, sizeof(*loop));

	if (config == NULL || loop == NULL)
		goto fail;
	loop->timer_fd = -1;
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	event_config_set_max_dispatch_interval(config, &slice, 8, PRIORITY_OTHER);
	loop->base = event_base_new_with_config(config);
	if (loop->base == NULL || event_base_priority_init(loop->base, PRIORITIES) < 0)
		goto fail;
	event_config_free(config);
	return loop;
fail:
	if (config != NULL)
		event_config_free(config);
	loop_free(loop);
	errno = ENOMEM;
	return NULL;
}

static void turn_clear(struct loop *loop)
{
	if (loop->tick != NULL)
		event_free(loop->tick);
	if (loop->wake != NULL)
		event_free(loop->wake);
	if (loop->timer_fd >= 0)
		close(loop->timer_fd);
	loop->tick = loop->wake = NULL;
	loop->timer_fd = -1;
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->base != NULL) {
		turn_clear(loop);
		event_base_free(loop->base);
	}
	free(loop);
}

struct event_base *loop_base(const struct loop *loop)
{
	return loop->base;
}

static void lateness_count(struct loop *loop, uint64_t now_ns)
{
	uint64_t late = now_ns > loop->due_ns ? now_ns - loop->due_ns : 0;
	size_t i = 0;

	while (i < LOOP_LATENESS_BUCKETS && late > loop_lateness_bounds_ns[i])
		i++;
	loop->lateness.buckets[i]++;
	loop->lateness.turns++;
	loop->lateness.sum_ns += late;
	if (late > loop->lateness.max_ns)
		loop->lateness.max_ns = late;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;
	uint64_t expired;

	(void)what;
	if (read(fd, &expired, sizeof(expired)) != (ssize_t)sizeof(expired))
		return;
	lateness_count(loop, loop_now_ns());
	loop->lateness.missed += expired - 1;
	loop->due_ns += expired * loop->interval_ns;
	loop->turn(loop->arg);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;

	(void)fd;
	(void)what;
	loop->turn(loop->arg);
}

static int timer_start(struct loop *loop)
{
	struct itimerspec spec = {
		.it_interval = {.tv_sec = (time_t)(loop->interval_ns / SECOND_NS),
				.tv_nsec = (long)(loop->interval_ns % SECOND_NS)},
	};

	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (loop->timer_fd < 0)
		return -errno;
	loop->due_ns = loop_now_ns() + loop->interval_ns;
	spec.it_value.tv_sec = (time_t)(loop->due_ns / SECOND_NS);
	spec.it_value.tv_nsec = (long)(loop->due_ns % SECOND_NS);
	return timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL) < 0 ? -errno : 0;
}

int loop_turn_set(struct loop *loop, uint64_t interval_ns, int wake_fd, void (*turn)(void *arg),
		  void *arg)
{
	int ret;

	turn_clear(loop);
	loop->interval_ns = interval_ns;
	loop->turn = turn;
	loop->arg = arg;
	ret = timer_start(loop);
	if (ret < 0)
		goto fail;
	ret = -ENOMEM;
	loop->tick = event_new(loop->base, loop->timer_fd, EV_READ | EV_PERSIST, on_tick, loop);
	if (loop->tick == NULL || event_priority_set(loop->tick, PRIORITY_TURN) < 0 ||
	    event_add(loop->tick, NULL) < 0)
		goto fail;
	if (wake_fd < 0)
		return 0;
	loop->wake = event_new(loop->base, wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
	if (loop->wake == NULL || event_priority_set(loop->wake, PRIORITY_TURN) < 0 ||
	    event_add(loop->wake, NULL) < 0)
		goto fail;
	return 0;
fail:
	turn_clear(loop);
	return ret;
}

int loop_run(struct loop *loop)
{
	return event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY) < 0 ? -EIO : 0;
}

void loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

void loop_lateness(const struct loop *loop, struct loop_lateness *lateness)
{
	*lateness = loop->lateness;
}
