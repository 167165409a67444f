/* SPDX-License-Identifier: BSD-3-Clause */
/* Files are opened without waiting and judged by their descriptor: no pipe can hold us, no swap of
 * the name can pass a check. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/arena.h"
#include "text_file.h"

static int judge(int fd, size_t max, mode_t forbidden, const struct object_where *where,
		 struct problems *problems, size_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		int error = errno;

		problems_add(problems, true, where, "cannot be read: %s", strerror(error));
		return -error;
	}
	if (!S_ISREG(st.st_mode)) {
		problems_add(problems, true, where, "found %s, expected a regular file",
			     S_ISDIR(st.st_mode) ? "a directory" : "a special file");
		return -EINVAL;
	}
	if ((st.st_mode & forbidden) != 0) {
		problems_add(problems, true, where,
			     "found mode %04o, which lets others at it, expected %04o or stricter",
			     st.st_mode & 07777, 0600 & ~forbidden);
		return -EPERM;
	}
	if (st.st_size > (off_t)max) {
		problems_add(problems, true, where, "found %lld bytes, expected at most %zu",
			     (long long)st.st_size, max);
		return -EFBIG;
	}
	*size = (size_t)st.st_size;
	return 0;
}

/* Fills text of size + 1 bytes; the file may have become shorter meanwhile, never longer. */
static ssize_t fill(int fd, char *text, size_t size)
{
	size_t len = 0;

	while (len < size) {
		ssize_t n = read(fd, text + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

int text_file_read(const char *path, size_t max, mode_t forbidden, struct problems *problems,
		   char **text, size_t *len)
{
	struct object_where where = {.file = path};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error;
	ssize_t n = 0;
	size_t size = 0;

	*text = NULL;
	if (fd < 0) {
		error = errno;
		problems_add(problems, true, &where, "cannot be opened: %s", strerror(error));
		return -error;
	}
	error = judge(fd, max, forbidden, &where, problems, &size);
	if (error < 0)
		goto out;
	*text = calloc(1, size + 1);
	n = *text == NULL ? -ENOMEM : fill(fd, *text, size);
	if (n < 0) {
		error = (int)n;
		problems_add(problems, true, &where, "cannot be read: %s", strerror(-error));
		free(*text);
		*text = NULL;
		goto out;
	}
	*len = (size_t)n;
out:
	close(fd);
	return error;
}

const char *text_file_path(struct arena *arena, const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');

	if (path[0] == '/' || slash == NULL)
		return arena_strdup(arena, path);
	return arena_printf(arena, "%.*s/%s", (int)(slash - file), file, path);
}
