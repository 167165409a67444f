/* SPDX-License-Identifier: BSD-3-Clause */
/* Watches the source's file by the directories that hold it: its own, and where its links lead. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "source_file.h"

/*
 * Only what leaves a whole file behind: the writer closed it, or it was renamed into place. A file
 * that was only created or is being written is not ready; a link is, from its creation on.
 */
#define WATCH_MASK                                                                                 \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct source_file_watch {
	int fd;
	char *dir, *base;		/* of the path as given */
	int dir_watch;			/* -1: the directory is gone */
	char *target_dir, *target_base; /* where its links lead; NULL while that is dir itself */
	int target_watch;		/* -1: none */
};

/* Splits a path into two fresh strings. Returns 0 or -ENOMEM. */
static int split(const char *path, char **dir, char **base)
{
	const char *slash = strrchr(path, '/');

	*base = strdup(slash != NULL ? slash + 1 : path);
	if (slash == NULL)
		*dir = strdup(".");
	else
		*dir = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	return *dir == NULL || *base == NULL ? -ENOMEM : 0;
}

static char *join(const char *dir, const char *base)
{
	size_t len = strlen(dir) + strlen(base) + 2;
	char *path = malloc(len);

	if (path != NULL) {
		strcpy(path, dir);
		strcat(path, "/");
		strcat(path, base);
	}
	return path;
}

static void forget_target(struct source_file_watch *watch)
{
	if (watch->target_watch >= 0 && watch->target_watch != watch->dir_watch)
		inotify_rm_watch(watch->fd, watch->target_watch);
	watch->target_watch = -1;
	free(watch->target_dir);
	free(watch->target_base);
	watch->target_dir = watch->target_base = NULL;
}

/* Follows the file's links to where it really is now, and watches that directory, too. */
static void follow(struct source_file_watch *watch)
{
	char *path = join(watch->dir, watch->base), *real;

	if (watch->dir_watch < 0) /* perhaps it came back, made anew */
		watch->dir_watch = inotify_add_watch(watch->fd, watch->dir, WATCH_MASK);
	real = path != NULL ? realpath(path, NULL) : NULL;
	free(path);
	forget_target(watch);
	if (real != NULL && split(real, &watch->target_dir, &watch->target_base) == 0)
		watch->target_watch = inotify_add_watch(watch->fd, watch->target_dir, WATCH_MASK);
	free(real);
}

struct source_file_watch *source_file_watch(const char *path)
{
	struct source_file_watch *watch = calloc(1, sizeof(*watch));
	int error;

	if (watch == NULL)
		return NULL;
	watch->dir_watch = watch->target_watch = -1;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd < 0)
		goto fail;
	if (split(path, &watch->dir, &watch->base) < 0) {
		errno = ENOMEM;
		goto fail;
	}
	watch->dir_watch = inotify_add_watch(watch->fd, watch->dir, WATCH_MASK);
	if (watch->dir_watch < 0)
		goto fail;
	follow(watch);
	return watch;
fail:
	error = errno;
	source_file_unwatch(watch);
	errno = error;
	return NULL;
}

int source_file_watch_fd(const struct source_file_watch *watch)
{
	return watch->fd;
}

/* Whether something that was only created is whole already: a symbolic link, or a hard one. */
static bool is_whole(const char *dir, const char *name)
{
	char *path = join(dir, name);
	struct stat st;
	bool whole = path != NULL && lstat(path, &st) == 0 &&
		     (S_ISLNK(st.st_mode) || (S_ISREG(st.st_mode) && st.st_nlink > 1));

	free(path);
	return whole;
}

static bool concerns(struct source_file_watch *watch, const struct inotify_event *event)
{
	bool in_dir = event->wd == watch->dir_watch;
	bool in_target = event->wd == watch->target_watch;
	const char *dir = in_dir ? watch->dir : watch->target_dir;

	if ((event->mask & IN_Q_OVERFLOW) != 0)
		return true;
	if (!in_dir && !in_target)
		return false;
	if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) {
		if (in_dir)
			watch->dir_watch = -1;
		if (in_target)
			watch->target_watch = -1;
		return true;
	}
	if (event->len == 0)
		return false;
	/* a ConfigMap's files are links through ..data, which is what kubelet swaps */
	if (!(in_dir && strcmp(event->name, watch->base) == 0) &&
	    !(in_dir && strcmp(event->name, "..data") == 0) &&
	    !(in_target && strcmp(event->name, watch->target_base) == 0))
		return false;
	return (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0 || is_whole(dir, event->name);
}

bool source_file_changed(struct source_file_watch *watch)
{
	_Alignas(struct inotify_event) char buf[16 * (sizeof(struct inotify_event) + NAME_MAX + 1)];
	bool changed = false;
	ssize_t n;

	while ((n = read(watch->fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buf + at);

			changed = concerns(watch, event) || changed;
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	if (changed)
		follow(watch);
	return changed;
}

void source_file_unwatch(struct source_file_watch *watch)
{
	if (watch == NULL)
		return;
	if (watch->fd >= 0)
		close(watch->fd);
	free(watch->dir);
	free(watch->base);
	free(watch->target_dir);
	free(watch->target_base);
	free(watch);
}
