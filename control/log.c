/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines on stderr: formatted whole, written by one write(2), held back when they repeat. */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

/* In each window of this length the same line is written this often, the same format that often. */
#define LOG_WINDOW_NS	 (UINT64_C(10) * 1000000000)
#define LOG_LINE_BURST	 5
#define LOG_FORMAT_BURST 200

#define LOG_MESSAGE_LEN 2048
#define LOG_SLOTS	512 /* a power of two; an evicted slot only forgets that it was busy */

struct log_slot {
	uint64_t key; /* 0 = free */
	uint64_t window_ns;
	unsigned int count, suppressed;
};

static const char *const names[] = {
	[CONFIG_LOG_ERROR] = "error",
	[CONFIG_LOG_WARNING] = "warning",
	[CONFIG_LOG_INFO] = "info",
	[CONFIG_LOG_DEBUG] = "debug",
};

static enum config_log_level threshold = CONFIG_LOG_INFO;
static bool as_json;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Apart, so that many different lines of one format cannot push the format itself out. */
static struct log_slot line_slots[LOG_SLOTS], format_slots[LOG_SLOTS];

void log_init(enum config_log_level level, bool json)
{
	__atomic_store_n(&threshold, level, __ATOMIC_RELAXED);
	__atomic_store_n(&as_json, json, __ATOMIC_RELAXED);
}

bool log_enabled(enum config_log_level level)
{
	return level <= __atomic_load_n(&threshold, __ATOMIC_RELAXED);
}

static uint64_t hash(uint64_t h, const char *text)
{
	for (; *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return h;
}

static struct log_slot *slot_of(struct log_slot *slots, uint64_t key, uint64_t now_ns)
{
	struct log_slot *idlest = NULL;

	key |= 1;
	for (size_t i = 0; i < 4; i++) {
		struct log_slot *slot = &slots[((key >> 8) + i) & (LOG_SLOTS - 1)];

		if (slot->key == key)
			return slot;
		if (now_ns - slot->window_ns >= LOG_WINDOW_NS)
			slot->count = 0;
		if (idlest == NULL || slot->count < idlest->count)
			idlest = slot;
	}
	*idlest = (struct log_slot){.key = key, .window_ns = now_ns};
	return idlest;
}

/* Whether a line may be written; adds to *suppressed what was held back before it. */
static bool admit(struct log_slot *slots, uint64_t key, unsigned int burst, uint64_t now_ns,
		  unsigned int *suppressed)
{
	struct log_slot *slot = slot_of(slots, key, now_ns);

	if (now_ns - slot->window_ns >= LOG_WINDOW_NS) {
		*suppressed += slot->suppressed;
		slot->window_ns = now_ns;
		slot->count = slot->suppressed = 0;
	}
	if (slot->count >= burst) {
		slot->suppressed++;
		return false;
	}
	slot->count++;
	return true;
}

static bool limit(const char *format, const char *message, unsigned int *suppressed)
{
	struct timespec ts;
	uint64_t now_ns;
	bool pass;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	*suppressed = 0;
	pthread_mutex_lock(&lock);
	pass = admit(line_slots, hash(UINT64_C(0xcbf29ce484222325), message), LOG_LINE_BURST,
		     now_ns, suppressed);
	/* "%s" passes on lines of many origins: only their text says which of them repeat */
	if (pass && strcmp(format, "%s") != 0)
		pass = admit(format_slots, (uintptr_t)format * UINT64_C(0x9e3779b97f4a7c15),
			     LOG_FORMAT_BURST, now_ns, suppressed);
	pthread_mutex_unlock(&lock);
	return pass;
}

/* Length of the well-formed UTF-8 sequence at text (RFC 3629), or 0. */
static size_t utf8_len(const uint8_t *text)
{
	uint32_t rune;
	size_t n;

	if (text[0] < 0x80)
		return 1;
	n = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	rune = text[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		rune = rune << 6 | (text[i] & 0x3f);
	}
	if ((n == 3 && rune < 0x800) || (n == 4 && (rune < 0x10000 || rune > 0x10ffff)) ||
	    (rune >= 0xd800 && rune <= 0xdfff))
		return 0;
	return n;
}

/* Copies a message so that it stays one line of valid UTF-8, and with json one JSON string. */
static size_t escape(char *out, size_t room, const char *message, bool json)
{
	const uint8_t *in = (const uint8_t *)message;
	size_t used = 0;

	while (*in != '\0' && used + 8 < room) {
		size_t n = utf8_len(in);

		if (n == 0) {
			memcpy(out + used, "\xef\xbf\xbd", 3); /* U+FFFD */
			used += 3;
			in++;
		} else if (*in < 0x20 || *in == 0x7f) {
			used += (size_t)snprintf(out + used, 7, "\\u%04x", *in);
			in++;
		} else {
			if (json && (*in == '"' || *in == '\\'))
				out[used++] = '\\';
			memcpy(out + used, in, n);
			used += n;
			in += n;
		}
	}
	return used;
}

static size_t begin(char *line, size_t room, const char *level, bool json)
{
	struct timespec ts;
	struct tm tm;
	char second[32];
	int n;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(second, sizeof(second), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(line, room,
		     json ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"message\":\""
			  : "%s.%03ldZ %s ",
		     second, ts.tv_nsec / 1000000, level);
	return (size_t)n;
}

static size_t end(char *line, size_t room, unsigned int suppressed, bool json)
{
	int n = 0;

	if (json && suppressed > 0)
		n = snprintf(line, room, "\",\"suppressed\":%u}\n", suppressed);
	else if (json)
		n = snprintf(line, room, "\"}\n");
	else if (suppressed > 0)
		n = snprintf(line, room, " (%u lines like this were suppressed)\n", suppressed);
	else
		n = snprintf(line, room, "\n");
	return (size_t)n;
}

void log_line(enum config_log_level level, const char *format, ...)
{
	/* every byte of the message may become six, and the frame of a line takes its share */
	char message[LOG_MESSAGE_LEN], line[6 * LOG_MESSAGE_LEN + 256];
	bool json = __atomic_load_n(&as_json, __ATOMIC_RELAXED);
	int saved_errno = errno;
	unsigned int suppressed;
	ssize_t sent;
	size_t len;
	va_list args;

	if (!log_enabled(level))
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	if (limit(format, message, &suppressed)) {
		len = begin(line, sizeof(line), names[level], json);
		len += escape(line + len, sizeof(line) - len - 128, message, json);
		len += end(line + len, sizeof(line) - len, suppressed, json);
		do {
			sent = write(STDERR_FILENO, line, len);
		} while (sent < 0 && errno == EINTR);
	}
	errno = saved_errno;
}
