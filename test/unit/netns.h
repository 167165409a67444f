/* SPDX-License-Identifier: BSD-3-Clause */
/* Network namespaces and commands for tests that need real kernel state. Include once, after
 * cmocka. */
#ifndef TEST_NETNS_H
#define TEST_NETNS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a command whose words are separated by blanks; what it wrote goes to out. Its exit code. */
static int run_into(char *out, size_t size, const char *command)
{
	char *words[32], *copy = strdup(command), *rest = copy;
	size_t count = 0, used = 0;
	int pipes[2], status;
	ssize_t len;
	pid_t pid;

	while (count < 31 && (words[count] = strsep(&rest, " ")) != NULL)
		count += words[count][0] != '\0';
	words[count] = NULL;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(pipes[1], STDOUT_FILENO);
		execvp(words[0], words);
		_exit(127);
	}
	close(pipes[1]);
	while ((len = read(pipes[0], out + used, size - 1 - used)) > 0)
		used += (size_t)len;
	out[used] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	free(copy);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
	char command[512], out[4096];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	if (run_into(out, sizeof(out), command) != 0)
		fail_msg("failed: %s", command);
}

/* What a command wrote, in one of a few buffers that take turns. */
static const char *output(const char *command)
{
	static char buffers[8][1 << 20];
	static unsigned int turn;
	char *out = buffers[turn++ % 8];

	assert_int_equal(run_into(out, sizeof(buffers[0]), command), 0);
	return out;
}

static bool shows(const char *command, const char *text)
{
	return strstr(output(command), text) != NULL;
}

/* Waits for what the kernel does on its own, some time after a request. */
__attribute__((unused)) static void await_shown(const char *command, const char *text)
{
	for (unsigned int i = 0; i < 5000; i++) {
		if (shows(command, text))
			return;
		(void)poll(NULL, 0, 1);
	}
	fail_msg("%s never shows \"%s\"", command, text);
}

/* Why namespaces cannot be made here, or NULL. */
static const char *netns_missing(void)
{
	if (geteuid() != 0)
		return "not root: no network namespace can be made";
	if (unshare(CLONE_NEWNS) < 0)
		return "mount namespaces are missing or forbidden (CAP_SYS_ADMIN)";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) < 0)
		return "no tmpfs can be mounted on /run of an own mount namespace";
	if (unshare(CLONE_NEWNET) < 0)
		return "network namespaces are missing or forbidden (CAP_SYS_ADMIN)";
	return NULL;
}

#endif
