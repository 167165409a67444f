/* SPDX-License-Identifier: BSD-3-Clause */
/* The state files of a node: kept in memory as struct state, replaced on disk atomically. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state_file.h"

/* More than 65,536 VIPs with the longest names need; guards memory against a wrong file. */
#define MAX_FILE      ((size_t)256 << 20)
#define MAX_INCIDENTS 64

static void allocations_fini(struct ipam_previous *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free((char *)list[i].class);
		free((char *)list[i].namespace);
		free((char *)list[i].name);
		free((char *)list[i].uid);
	}
	free(list);
}

void state_fini(struct state *state)
{
	allocations_fini(state->allocations, state->allocation_count);
	for (size_t i = 0; i < state->group_count; i++) {
		free(state->groups[i].name);
		free(state->groups[i].incidents);
		free(state->groups[i].epochs);
	}
	free(state->groups);
	memset(state, 0, sizeof(*state));
}

int state_allocations_set(struct state *state, const struct ipam_previous *list, size_t count)
{
	struct ipam_previous *copy = calloc(count ? count : 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		copy[i].address = list[i].address;
		copy[i].index = list[i].index;
		copy[i].class = strdup(list[i].class);
		copy[i].namespace = strdup(list[i].namespace);
		copy[i].name = strdup(list[i].name);
		copy[i].uid = strdup(list[i].uid ? list[i].uid : "");
		if (!copy[i].class || !copy[i].namespace || !copy[i].name || !copy[i].uid) {
			allocations_fini(copy, i + 1);
			return -ENOMEM;
		}
	}
	allocations_fini(state->allocations, state->allocation_count);
	state->allocations = copy;
	state->allocation_count = count;
	return 0;
}

/* Where a group is, or belongs. */
static size_t group_position(const struct state *state, const char *name)
{
	size_t low = 0, high = state->group_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(state->groups[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct state_group *state_group_find(const struct state *state, const char *group)
{
	size_t at = group_position(state, group);

	if (at == state->group_count || strcmp(state->groups[at].name, group) != 0)
		return NULL;
	return &state->groups[at];
}

/* A group's entry, made when it is missing: a group never seen before had no unclean end. */
static struct state_group *group_get(struct state *state, const char *name)
{
	size_t at = group_position(state, name);
	struct state_group *groups;
	char *copy;

	if (at < state->group_count && strcmp(state->groups[at].name, name) == 0)
		return &state->groups[at];
	copy = strdup(name);
	groups = realloc(state->groups, (state->group_count + 1) * sizeof(*groups));
	if (groups)
		state->groups = groups;
	if (!copy || !groups) {
		free(copy);
		return NULL;
	}
	memmove(&groups[at + 1], &groups[at], (state->group_count - at) * sizeof(*groups));
	groups[at] = (struct state_group){.name = copy, .clean = true};
	state->group_count++;
	return &groups[at];
}

/* The wall clock may have been set back: what lies in the future counts as now. */
static bool incident_counts(int64_t when_ms, int64_t now_ms)
{
	return when_ms > now_ms || now_ms - when_ms < STATE_INCIDENT_WINDOW_MS;
}

static int incident_add(struct state_group *group, int64_t now_ms)
{
	size_t kept = 0;
	int64_t *list;

	for (size_t i = 0; i < group->incident_count; i++)
		if (incident_counts(group->incidents[i], now_ms))
			group->incidents[kept++] =
				group->incidents[i] > now_ms ? now_ms : group->incidents[i];
	if (kept == MAX_INCIDENTS) /* the hold has long been at its maximum */
		memmove(group->incidents, group->incidents + 1, --kept * sizeof(*list));
	group->incident_count = kept;
	list = realloc(group->incidents, (kept + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	list[kept] = now_ms;
	group->incidents = list;
	group->incident_count = kept + 1;
	return 0;
}

int state_group_begin(struct state *state, const char *name, int64_t now_ms)
{
	struct state_group *group = group_get(state, name);

	if (!group || (!group->clean && incident_add(group, now_ms) < 0))
		return -ENOMEM;
	group->clean = false;
	return 0;
}

int state_group_incident(struct state *state, const char *name, int64_t now_ms)
{
	struct state_group *group = group_get(state, name);

	return group ? incident_add(group, now_ms) : -ENOMEM;
}

int state_group_leave(struct state *state, const char *name)
{
	struct state_group *group = group_get(state, name);

	if (!group)
		return -ENOMEM;
	group->clean = true;
	return 0;
}

uint64_t state_hold_ns(const struct state *state, const char *name, int64_t now_ms,
		       uint64_t hold_ns)
{
	const struct state_group *group = state_group_find(state, name);
	uint64_t hold = hold_ns;

	for (size_t i = 0; group && i < group->incident_count; i++) {
		if (!incident_counts(group->incidents[i], now_ms))
			continue;
		if (hold >= STATE_HOLD_MAX_NS / 2)
			return hold_ns > STATE_HOLD_MAX_NS ? hold_ns : STATE_HOLD_MAX_NS;
		hold *= 2;
	}
	return hold;
}

int state_epoch_raise(struct state *state, const char *name, const struct ip *vip, uint64_t epoch)
{
	struct state_group *group = group_get(state, name);
	size_t low = 0, high;

	if (!group)
		return -ENOMEM;
	high = group->epoch_count;
	/* Files are sorted, so loading one appends. */
	if (high > 0 && ip_cmp(&group->epochs[high - 1].vip, vip) < 0)
		low = high;
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ip_cmp(&group->epochs[mid].vip, vip) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < group->epoch_count && ip_equal(&group->epochs[low].vip, vip)) {
		if (group->epochs[low].epoch >= epoch)
			return 0;
		group->epochs[low].epoch = epoch;
		return 1;
	}
	if (group->epoch_count == group->epoch_capacity) {
		size_t capacity = group->epoch_capacity ? group->epoch_capacity * 2 : 16;
		struct state_epoch *grown = realloc(group->epochs, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		group->epochs = grown;
		group->epoch_capacity = capacity;
	}
	memmove(&group->epochs[low + 1], &group->epochs[low],
		(group->epoch_count - low) * sizeof(*group->epochs));
	group->epochs[low] = (struct state_epoch){.vip = *vip, .epoch = epoch};
	group->epoch_count++;
	return 1;
}

const char *state_file_name(enum state_file file)
{
	return file == STATE_ALLOCATIONS ? "allocations" : "election";
}

/* Reads a whole file into malloc'ed memory. 0 or −errno. */
static int read_whole(int dir, const char *name, char **text, size_t *len)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t used = 0, size;
	struct stat st;
	char *buf = NULL;
	int err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = -EISDIR;
	else if ((uint64_t)st.st_size > MAX_FILE)
		err = -EFBIG;
	if (err)
		goto out;
	size = (size_t)st.st_size;
	buf = malloc(size + 1);
	if (!buf)
		err = -ENOMEM;
	while (!err && used < size) {
		ssize_t n = read(fd, buf + used, size - used);

		if (n == 0)
			break;
		if (n > 0)
			used += (size_t)n;
		else if (errno != EINTR)
			err = -errno;
	}
out:
	close(fd);
	if (err) {
		free(buf);
		return err;
	}
	*text = buf;
	*len = used;
	return 0;
}

/* Appends one problem to message, after "; ". */
static void complain(char *message, size_t size, const char *dir, const char *name,
		     const char *problem, const char *fate)
{
	size_t used = strnlen(message, size);

	if (used < size)
		snprintf(message + used, size - used, "%s%s/%s: %s; %s", used ? "; " : "", dir,
			 name, problem, fate);
}

/* Loads one file, or keeps it aside. 0, -ENOMEM or -EBADMSG. */
static int load_one(int dirfd, const char *dir, struct state *state, enum state_file file,
		    char *message, size_t size)
{
	const char *name = state_file_name(file);
	char problem[256], aside[32], fate[128];
	char *text = NULL;
	size_t len = 0;
	int err = read_whole(dirfd, name, &text, &len);

	if (err == -ENOENT)
		return 0;
	if (err)
		snprintf(problem, sizeof(problem), "cannot be read: %s", strerror(-err));
	else
		err = state_decode(state, file, text, len, problem, sizeof(problem));
	free(text);
	if (!err || err == -ENOMEM)
		return err;
	snprintf(aside, sizeof(aside), "%s.bad", name);
	if (renameat(dirfd, name, dirfd, aside) == 0)
		snprintf(fate, sizeof(fate), "kept aside as %s, started without it", aside);
	else
		snprintf(fate, sizeof(fate), "not to be kept aside as %s: %s, started without it",
			 aside, strerror(errno));
	complain(message, size, dir, name, problem, fate);
	return -EBADMSG;
}

int state_load(const char *dir, struct state *state, char *message, size_t len)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int result = 0;

	if (len > 0)
		message[0] = '\0';
	if (fd < 0) {
		if (errno == ENOENT)
			return 0;
		snprintf(message, len, "%s: cannot be read: %s", dir, strerror(errno));
		return -EBADMSG;
	}
	for (int file = 0; file < STATE_FILES; file++) {
		int err = load_one(fd, dir, state, (enum state_file)file, message, len);

		if (err == -ENOMEM || result == 0)
			result = err;
		if (err == -ENOMEM)
			break;
	}
	close(fd);
	return result;
}

static int write_whole(int dir, const char *name, const char *text, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int err = 0;

	if (fd < 0)
		return -errno;
	while (!err && len > 0) {
		ssize_t n = write(fd, text, len);

		if (n >= 0) {
			text += n;
			len -= (size_t)n;
		} else if (errno != EINTR) {
			err = -errno;
		}
	}
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

int state_write(const char *dir, enum state_file file, const char *text, size_t len)
{
	const char *name = state_file_name(file);
	char temporary[32];
	int fd, err;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	snprintf(temporary, sizeof(temporary), "%s.tmp", name);
	err = write_whole(fd, temporary, text, len);
	if (!err && renameat(fd, temporary, fd, name) < 0)
		err = -errno;
	if (err)
		unlinkat(fd, temporary, 0);
	else if (fsync(fd) < 0)
		err = -errno;
	close(fd);
	return err;
}

int state_save(const char *dir, const struct state *state, enum state_file file)
{
	char *text;
	size_t len;
	int err = state_encode(state, file, &text, &len);

	if (err)
		return err;
	err = state_write(dir, file, text, len);
	free(text);
	return err;
}
