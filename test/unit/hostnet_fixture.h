/* SPDX-License-Identifier: BSD-3-Clause */
/* A namespace with a NIC and a kernel port for each test of hostnet. Include once, after netns.h.
 */
#ifndef TEST_HOSTNET_FIXTURE_H
#define TEST_HOSTNET_FIXTURE_H

#include <signal.h>

#include "hostnet.h"
#include "log.h"

static struct {
	unsigned int calls;
	char netdev[16];
	bool up;
} heard;

static void on_link(void *arg, const char *netdev, bool up)
{
	assert_ptr_equal(arg, &heard);
	heard.calls++;
	heard.up = up;
	(void)snprintf(heard.netdev, sizeof(heard.netdev), "%s", netdev);
}

/* Each test has a fresh namespace: a NIC n0 with its far end n1, a kernel port k0 with k1. */
static int fresh_namespace(void **state)
{
	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	memset(&heard, 0, sizeof(heard));
	run("ip link set lo up");
	run("ip link add n0 type veth peer name n1");
	run("ip link add k0 type veth peer name k1");
	run("ip link set n1 up");
	run("ip link set k1 up");
	return 0;
}

static struct hostnet *create(void)
{
	struct hostnet *hostnet = hostnet_create(on_link, &heard);

	assert_non_null(hostnet);
	return hostnet;
}

__attribute__((unused)) static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

__attribute__((unused)) static void write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

/* Does what `dies` does in a process that ends without undoing anything. */
__attribute__((unused)) static void
in_a_process_that_is_killed(void (*dies)(struct hostnet *hostnet))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		dies(create());
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

__attribute__((unused)) static const char *sysctl_of(const char *path)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "cat /proc/sys/%s", path);
	return output(command);
}

__attribute__((unused)) static struct ip_prefix prefix_of(const char *text, uint8_t len)
{
	struct ip_prefix prefix = {ip_of(text), len};

	prefix.len += ip_is_v4(&prefix.addr) ? 96 : 0;
	return prefix;
}

#endif
