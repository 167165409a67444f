/* SPDX-License-Identifier: BSD-3-Clause */
/* The state file's writer: the loop encodes, a thread writes, the newest text wins. */
#include "keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

#include "log.h"

struct keeper {
	struct state state;
	char *dir;
	struct event *timer; /* pending while something is not handed to the writer */
	bool dirty[STATE_FILES];
	_Atomic uint64_t failures;
	pthread_t writer;
	bool writer_runs;
	pthread_mutex_t lock; /* of what follows; held for a pointer swap only */
	pthread_cond_t wake;
	char *text[STATE_FILES]; /* handed to the writer, not begun yet */
	size_t len[STATE_FILES];
	bool stop;
};

static int64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void failed(struct keeper *keeper, enum state_file file, int error)
{
	atomic_fetch_add_explicit(&keeper->failures, 1, memory_order_relaxed);
	log_error("state_dir %s: cannot write %s: %s", keeper->dir, state_file_name(file),
		  strerror(error));
}

/* The next text to write; false when there is none and the keeper stops. */
static bool take(struct keeper *keeper, enum state_file *file, char **text, size_t *len)
{
	bool found = false;

	pthread_mutex_lock(&keeper->lock);
	while (!found) {
		for (size_t i = 0; i < STATE_FILES && !found; i++) {
			if (keeper->text[i] == NULL)
				continue;
			*file = (enum state_file)i;
			*text = keeper->text[i];
			*len = keeper->len[i];
			keeper->text[i] = NULL;
			found = true;
		}
		if (found || keeper->stop)
			break;
		pthread_cond_wait(&keeper->wake, &keeper->lock);
	}
	pthread_mutex_unlock(&keeper->lock);
	return found;
}

static void *write_all(void *arg)
{
	struct keeper *keeper = arg;
	enum state_file file;
	char *text;
	size_t len;

	while (take(keeper, &file, &text, &len)) {
		int ret = state_write(keeper->dir, file, text, len);

		if (ret < 0)
			failed(keeper, file, -ret);
		free(text);
	}
	return NULL;
}

static void hand_over(struct keeper *keeper, enum state_file file)
{
	char *text, *former;
	size_t len;
	int ret = state_encode(&keeper->state, file, &text, &len);

	if (ret < 0) {
		failed(keeper, file, -ret);
		return;
	}
	keeper->dirty[file] = false;
	pthread_mutex_lock(&keeper->lock);
	former = keeper->text[file];
	keeper->text[file] = text;
	keeper->len[file] = len;
	pthread_cond_signal(&keeper->wake);
	pthread_mutex_unlock(&keeper->lock);
	free(former);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *keeper = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < STATE_FILES; i++) {
		if (keeper->dirty[i])
			hand_over(keeper, (enum state_file)i);
	}
}

static void changed(struct keeper *keeper, enum state_file file)
{
	const struct timeval delay = {.tv_sec = 1};

	keeper->dirty[file] = true;
	if (!event_pending(keeper->timer, EV_TIMEOUT, NULL))
		event_add(keeper->timer, &delay);
}

struct keeper *keeper_create(struct event_base *base, const char *dir)
{
	char message[512];
	struct keeper *keeper = calloc(1, sizeof(*keeper));

	if (keeper == NULL)
		return NULL;
	pthread_mutex_init(&keeper->lock, NULL);
	pthread_cond_init(&keeper->wake, NULL);
	keeper->dir = strdup(dir);
	keeper->timer = evtimer_new(base, on_timer, keeper);
	if (keeper->dir == NULL || keeper->timer == NULL ||
	    state_load(dir, &keeper->state, message, sizeof(message)) == -ENOMEM)
		goto fail;
	if (message[0] != '\0')
		log_warning("state_dir %s: %s", dir, message);
	if (pthread_create(&keeper->writer, NULL, write_all, keeper) != 0)
		goto fail;
	keeper->writer_runs = true;
	return keeper;
fail:
	keeper_free(keeper);
	errno = ENOMEM;
	return NULL;
}

void keeper_free(struct keeper *keeper)
{
	if (keeper == NULL)
		return;
	if (keeper->writer_runs) {
		on_timer(-1, 0, keeper);
		pthread_mutex_lock(&keeper->lock);
		keeper->stop = true;
		pthread_cond_signal(&keeper->wake);
		pthread_mutex_unlock(&keeper->lock);
		pthread_join(keeper->writer, NULL);
	}
	if (keeper->timer != NULL)
		event_free(keeper->timer);
	state_fini(&keeper->state);
	pthread_cond_destroy(&keeper->wake);
	pthread_mutex_destroy(&keeper->lock);
	free(keeper->dir);
	free(keeper);
}

const struct state *keeper_state(const struct keeper *keeper)
{
	return &keeper->state;
}

static void check(const struct keeper *keeper, int ret)
{
	if (ret < 0)
		log_error("state_dir %s: not remembered: %s", keeper->dir, strerror(-ret));
}

void keeper_group_begin(struct keeper *keeper, const char *group)
{
	int ret;

	check(keeper, state_group_begin(&keeper->state, group, wall_ms()));
	ret = state_save(keeper->dir, &keeper->state, STATE_ELECTION);
	if (ret < 0)
		failed(keeper, STATE_ELECTION, -ret);
}

void keeper_group_incident(struct keeper *keeper, const char *group)
{
	check(keeper, state_group_incident(&keeper->state, group, wall_ms()));
	changed(keeper, STATE_ELECTION);
}

void keeper_group_leave(struct keeper *keeper, const char *group)
{
	check(keeper, state_group_leave(&keeper->state, group));
	changed(keeper, STATE_ELECTION);
}

uint64_t keeper_hold_ns(const struct keeper *keeper, const char *group, uint64_t hold_ns)
{
	return state_hold_ns(&keeper->state, group, wall_ms(), hold_ns);
}

void keeper_epoch_raise(struct keeper *keeper, const char *group, const struct ip *vip,
			uint64_t epoch)
{
	int ret = state_epoch_raise(&keeper->state, group, vip, epoch);

	check(keeper, ret);
	if (ret > 0)
		changed(keeper, STATE_ELECTION);
}

void keeper_allocations_set(struct keeper *keeper, const struct ipam_previous *list, size_t count)
{
	check(keeper, state_allocations_set(&keeper->state, list, count));
	changed(keeper, STATE_ALLOCATIONS);
}

uint64_t keeper_failures(const struct keeper *keeper)
{
	return atomic_load_explicit(&keeper->failures, memory_order_relaxed);
}
