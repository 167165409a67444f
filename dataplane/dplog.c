/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's log lines, cut out of its stream and handed to the caller's log function by one thread. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <rte_log.h>

#include "dplog.h"

#define LINE_LEN     256
#define LINES_PARKED 32

static struct {
	dplog_fn *log;
	pthread_t owner;
	FILE *stream;
	pthread_mutex_t lock; /* guards what follows; never taken in a worker's packet path */
	char line[LINE_LEN];  /* what DPDK has written of the current line */
	size_t len;
	char last_error[LINE_LEN];
	struct {
		enum dataplane_log_level level;
		char text[LINE_LEN];
	} parked[LINES_PARKED]; /* lines of other threads */
	size_t parked_count;
	size_t lost;
} state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void hand_over(enum dataplane_log_level level, const char *message)
{
	if (state.log != NULL)
		state.log(level, message);
	else if (level <= DATAPLANE_LOG_WARNING)
		fprintf(stderr, "%s\n", message);
}

void dplog(enum dataplane_log_level level, const char *format, ...)
{
	char message[2 * LINE_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	hand_over(level, message);
}

/*
 * DPDK's errors are warnings here: what stops us is said once more, with its context, by whoever
 * asked for it. "Notice" and "info" are small talk.
 */
static enum dataplane_log_level level_of(int dpdk_level)
{
	if (dpdk_level < 0 || dpdk_level > (int)RTE_LOG_WARNING)
		return DATAPLANE_LOG_DEBUG;
	return dpdk_level == (int)RTE_LOG_WARNING ? DATAPLANE_LOG_INFO : DATAPLANE_LOG_WARNING;
}

/* Ends the current line. Called with the lock held; returns with it held. */
static void line_end(enum dataplane_log_level level)
{
	char text[LINE_LEN];

	state.line[state.len] = '\0';
	state.len = 0;
	if (state.line[0] == '\0')
		return;
	memcpy(text, state.line, sizeof(text));
	/* A driver's own words say more than those of the layers above it. */
	if (level == DATAPLANE_LOG_WARNING &&
	    (state.last_error[0] == '\0' ||
	     (strncmp(text, "EAL: ", 5) != 0 && strncmp(text, "vdev_", 5) != 0)))
		memcpy(state.last_error, text, sizeof(text));
	if (pthread_equal(pthread_self(), state.owner)) {
		pthread_mutex_unlock(&state.lock);
		hand_over(level, text);
		pthread_mutex_lock(&state.lock);
	} else if (state.parked_count < LINES_PARKED) {
		state.parked[state.parked_count].level = level;
		memcpy(state.parked[state.parked_count++].text, text, sizeof(text));
	} else {
		state.lost++;
	}
}

static void text_add(const char *buf, size_t len, enum dataplane_log_level level)
{
	pthread_mutex_lock(&state.lock);
	for (size_t i = 0; i < len; i++) {
		if (buf[i] == '\n')
			line_end(level);
		else if (state.len < LINE_LEN - 1)
			state.line[state.len++] = buf[i];
	}
	pthread_mutex_unlock(&state.lock);
}

static ssize_t stream_write(void *cookie, const char *buf, size_t len)
{
	(void)cookie;
	text_add(buf, len, level_of(rte_log_cur_msg_loglevel()));
	return (ssize_t)len;
}

/* The levels of libbpf and libxdp begin with 0, a warning. */
static int bpf_print(int level, const char *format, va_list args)
{
	char text[LINE_LEN];

	if (level > 0)
		return 0;
	vsnprintf(text, sizeof(text), format, args);
	text_add(text, strlen(text), DATAPLANE_LOG_DEBUG);
	return 0;
}

void dplog_hush_bpf(void)
{
	static const char *const names[][2] = {
		{"libbpf.so.1", "libbpf_set_print"},
		{"libxdp.so.1", "libxdp_set_print"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *library = dlopen(names[i][0], RTLD_NOW | RTLD_NOLOAD);
		void *(*set_print)(int (*)(int, const char *, va_list));

		if (library == NULL)
			continue;
		*(void **)&set_print = dlsym(library, names[i][1]);
		if (set_print != NULL)
			set_print(bpf_print);
		dlclose(library); /* the driver holds it open */
	}
}

void dplog_open(dplog_fn *log)
{
	cookie_io_functions_t functions = {.write = stream_write};

	state.log = log;
	state.owner = pthread_self();
	if (state.stream == NULL)
		state.stream = fopencookie(NULL, "w", functions);
	if (state.stream == NULL)
		return; /* DPDK then speaks to stderr */
	/* Unbuffered, so that a line's level can be asked for while it is written. */
	setvbuf(state.stream, NULL, _IONBF, 0);
	rte_openlog_stream(state.stream);
}

void dplog_flush(void)
{
	pthread_mutex_lock(&state.lock);
	while (state.parked_count > 0 || state.lost > 0) {
		char text[LINE_LEN];
		enum dataplane_log_level level = DATAPLANE_LOG_WARNING;

		if (state.parked_count > 0) {
			level = state.parked[0].level;
			memcpy(text, state.parked[0].text, sizeof(text));
			state.parked_count--;
			memmove(&state.parked[0], &state.parked[1],
				state.parked_count * sizeof(state.parked[0]));
		} else {
			snprintf(text, sizeof(text), "%zu lines of DPDK were lost", state.lost);
			state.lost = 0;
		}
		pthread_mutex_unlock(&state.lock);
		hand_over(level, text);
		pthread_mutex_lock(&state.lock);
	}
	pthread_mutex_unlock(&state.lock);
}

const char *dplog_last_error(void)
{
	return state.last_error;
}

void dplog_forget(void)
{
	state.last_error[0] = '\0';
}
