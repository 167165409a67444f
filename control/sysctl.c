/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets sysctls, remembers what they were, and puts them back. */
#include "sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define KEY_PREFIX "sysctl:"

static int open_sysctl(const char *path, int flags)
{
	char file[SYSCTL_PATH_MAX + sizeof("/proc/sys/")];
	int fd;

	(void)snprintf(file, sizeof(file), "/proc/sys/%s", path);
	fd = open(file, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *path, char value[SYSCTL_VALUE_MAX])
{
	int fd = open_sysctl(path, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return fd;
	len = read(fd, value, SYSCTL_VALUE_MAX - 1);
	if (len < 0)
		len = -errno;
	close(fd);
	if (len < 0)
		return (int)len;
	value[len] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return 0;
}

static int sysctl_write(const char *path, const char *value)
{
	int fd = open_sysctl(path, O_WRONLY), error = 0;
	ssize_t len = (ssize_t)strlen(value);

	if (fd < 0)
		return fd;
	if (write(fd, value, (size_t)len) != len)
		error = -errno;
	close(fd);
	return error;
}

void sysctls_init(struct sysctls *sysctls, struct saved *saved)
{
	*sysctls = (struct sysctls){.saved = saved};
}

/* A saved value counts only while the sysctl still is as a predecessor left it. */
static int remember(struct sysctls *sysctls, const char *path, const char *now, const char *value)
{
	char key[sizeof(KEY_PREFIX) + SYSCTL_PATH_MAX];
	struct sysctl *list, *entry;
	const char *before;

	list = reallocarray(sysctls->list, sysctls->count + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	sysctls->list = list;
	entry = &list[sysctls->count];
	(void)snprintf(key, sizeof(key), KEY_PREFIX "%s", path);
	before = saved_get(sysctls->saved, key);
	if (before == NULL || strcmp(now, value) != 0)
		before = now;
	(void)snprintf(entry->path, sizeof(entry->path), "%s", path);
	(void)snprintf(entry->wanted, sizeof(entry->wanted), "%s", value);
	(void)snprintf(entry->before, sizeof(entry->before), "%s", before);
	if (saved_set(sysctls->saved, key, entry->before) < 0)
		return -ENOMEM;
	sysctls->count++;
	return 0;
}

static struct sysctl *find(struct sysctls *sysctls, const char *path)
{
	for (size_t i = 0; i < sysctls->count; i++)
		if (strcmp(sysctls->list[i].path, path) == 0)
			return &sysctls->list[i];
	return NULL;
}

int sysctl_set(struct sysctls *sysctls, const char *path, const char *value)
{
	struct sysctl *known = find(sysctls, path);
	char now[SYSCTL_VALUE_MAX];
	int error;

	if (strlen(path) >= SYSCTL_PATH_MAX || strlen(value) >= SYSCTL_VALUE_MAX)
		return -ENAMETOOLONG;
	error = sysctl_read(path, now);
	if (error < 0)
		return error;
	if (known != NULL)
		(void)snprintf(known->wanted, sizeof(known->wanted), "%s", value);
	else
		error = remember(sysctls, path, now, value);
	if (error < 0 || strcmp(now, value) == 0)
		return error;
	/* On disk before it is done, so that no moment exists in which a SIGKILL loses it. */
	error = saved_commit(sysctls->saved);
	if (error < 0)
		log_warning("%s: cannot remember what sysctls were before: %s",
			    sysctls->saved->path, strerror(-error));
	return sysctl_write(path, value);
}

size_t sysctls_repair(struct sysctls *sysctls)
{
	char now[SYSCTL_VALUE_MAX];
	size_t repaired = 0;

	for (size_t i = 0; i < sysctls->count; i++) {
		const struct sysctl *entry = &sysctls->list[i];

		if (sysctl_read(entry->path, now) < 0 || strcmp(now, entry->wanted) == 0)
			continue;
		if (sysctl_write(entry->path, entry->wanted) < 0)
			continue;
		log_warning("sysctl %s was changed to %s, set to %s again", entry->path, now,
			    entry->wanted);
		repaired++;
	}
	return repaired;
}

static void undo(struct sysctls *sysctls, const struct sysctl *entry)
{
	char key[sizeof(KEY_PREFIX) + SYSCTL_PATH_MAX], now[SYSCTL_VALUE_MAX];
	int error;

	/* The netdev may be gone, and its sysctls with it. */
	if (sysctl_read(entry->path, now) == 0 && strcmp(now, entry->wanted) == 0 &&
	    strcmp(now, entry->before) != 0) {
		error = sysctl_write(entry->path, entry->before);
		if (error < 0)
			log_warning("sysctl %s: cannot put back %s: %s", entry->path, entry->before,
				    strerror(-error));
	}
	(void)snprintf(key, sizeof(key), KEY_PREFIX "%s", entry->path);
	saved_drop(sysctls->saved, key);
}

void sysctls_undo(struct sysctls *sysctls, const char *prefix)
{
	for (size_t i = sysctls->count; i-- > 0;) {
		if (strncmp(sysctls->list[i].path, prefix, strlen(prefix)) != 0)
			continue;
		undo(sysctls, &sysctls->list[i]);
		memmove(&sysctls->list[i], &sysctls->list[i + 1],
			(--sysctls->count - i) * sizeof(sysctls->list[0]));
	}
}

void sysctls_fini(struct sysctls *sysctls)
{
	free(sysctls->list);
	*sysctls = (struct sysctls){0};
}
