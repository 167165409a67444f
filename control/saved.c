/* SPDX-License-Identifier: BSD-3-Clause */
/* A small file of keys and values that remembers what the kernel's settings were before. */
#include "saved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void read_lines(struct saved *saved, FILE *file)
{
	char *line = NULL, *blank;
	size_t capacity = 0;
	ssize_t len;

	while ((len = getline(&line, &capacity, file)) > 0) {
		if (line[len - 1] != '\n')
			break; /* cut short: cannot happen, the file is renamed into place */
		line[len - 1] = '\0';
		blank = strchr(line, ' ');
		if (blank == NULL)
			continue;
		*blank = '\0';
		if (saved_set(saved, line, blank + 1) < 0)
			break;
	}
	free(line);
}

int saved_init(struct saved *saved)
{
	struct stat ns;
	FILE *file;

	*saved = (struct saved){0};
	if (stat("/proc/self/ns/net", &ns) < 0)
		return -errno;
	(void)snprintf(saved->path, sizeof(saved->path), SAVED_DIR "/before-%lu",
		       (unsigned long)ns.st_ino);
	file = fopen(saved->path, "re");
	if (file == NULL)
		return errno == ENOENT ? 0 : -errno;
	read_lines(saved, file);
	fclose(file);
	for (size_t i = 0; i < saved->count; i++)
		saved->list[i].fresh = false;
	saved->changed = false;
	return 0;
}

void saved_fini(struct saved *saved)
{
	for (size_t i = 0; i < saved->count; i++) {
		free(saved->list[i].key);
		free(saved->list[i].value);
	}
	free(saved->list);
	saved->list = NULL;
	saved->count = 0;
}

const char *saved_get(const struct saved *saved, const char *key)
{
	for (size_t i = 0; i < saved->count; i++)
		if (strcmp(saved->list[i].key, key) == 0)
			return saved->list[i].value;
	return NULL;
}

int saved_set(struct saved *saved, const char *key, const char *value)
{
	struct saved_entry entry = {strdup(key), strdup(value), true}, *list;

	if (entry.key == NULL || entry.value == NULL)
		goto fail;
	saved->changed = true;
	for (size_t i = 0; i < saved->count; i++)
		if (strcmp(saved->list[i].key, key) == 0) {
			free(saved->list[i].key);
			free(saved->list[i].value);
			saved->list[i] = entry;
			return 0;
		}
	list = reallocarray(saved->list, saved->count + 1, sizeof(*list));
	if (list == NULL)
		goto fail;
	saved->list = list;
	saved->list[saved->count++] = entry;
	return 0;
fail:
	free(entry.key);
	free(entry.value);
	return -ENOMEM;
}

void saved_drop(struct saved *saved, const char *prefix)
{
	size_t kept = 0;

	for (size_t i = 0; i < saved->count; i++) {
		if (strncmp(saved->list[i].key, prefix, strlen(prefix)) != 0) {
			saved->list[kept++] = saved->list[i];
			continue;
		}
		free(saved->list[i].key);
		free(saved->list[i].value);
		saved->changed = true;
	}
	saved->count = kept;
}

int saved_commit(struct saved *saved)
{
	char temporary[sizeof(saved->path) + 8];
	FILE *file;
	int fd, error;

	if (!saved->changed)
		return 0;
	if (saved->count == 0) {
		saved->changed = false;
		return unlink(saved->path) < 0 && errno != ENOENT ? -errno : 0;
	}
	if (mkdir(SAVED_DIR, 0755) < 0 && errno != EEXIST)
		return -errno;
	(void)snprintf(temporary, sizeof(temporary), "%s.new", saved->path);
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	file = fdopen(fd, "w");
	if (file == NULL) {
		error = -errno;
		close(fd);
		return error;
	}
	for (size_t i = 0; i < saved->count; i++)
		fprintf(file, "%s %s\n", saved->list[i].key, saved->list[i].value);
	if (ferror(file) | (fclose(file) != 0)) {
		(void)unlink(temporary);
		return -EIO;
	}
	if (rename(temporary, saved->path) < 0)
		return -errno;
	saved->changed = false;
	return 0;
}
