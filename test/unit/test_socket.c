/* SPDX-License-Identifier: BSD-3-Clause */
/* The Unix socket's server against clients that are slow, greedy or talk nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#include "socket.h"

#define REQUEST "{\"command\":\"nonsense\"}\n"

struct lab {
	char directory[64], path[96];
	struct event_base *base;
	struct socket_server *server;
};

static int setup(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	assert_non_null(lab);
	strcpy(lab->directory, "/tmp/vipgate-socket-XXXXXX");
	assert_non_null(mkdtemp(lab->directory));
	snprintf(lab->path, sizeof(lab->path), "%s/s", lab->directory);
	lab->base = event_base_new();
	assert_non_null(lab->base);
	lab->server = socket_create(lab->base, lab->path, NULL);
	assert_non_null(lab->server);
	*state = lab;
	return 0;
}

static int teardown(void **state)
{
	struct lab *lab = *state;

	socket_free(lab->server);
	event_base_free(lab->base);
	rmdir(lab->directory);
	free(lab);
	return 0;
}

static void serve(const struct lab *lab)
{
	for (int i = 0; i < 64; i++)
		assert_int_not_equal(event_base_loop(lab->base, EVLOOP_NONBLOCK), -1);
}

static int client(const struct lab *lab)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, lab->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	serve(lab);
	return fd;
}

/* Counts the lines that come, until none has come for a while. */
static size_t lines(const struct lab *lab, int fd)
{
	size_t count = 0;
	char buf[65536];
	ssize_t len;

	for (int idle = 0; idle < 16;) {
		serve(lab);
		len = recv(fd, buf, sizeof(buf), 0);
		idle = len > 0 ? 0 : idle + 1;
		for (ssize_t i = 0; i < len; i++)
			count += buf[i] == '\n';
	}
	return count;
}

static void who_never_listens_is_not_listened_to(void **state)
{
	const struct lab *lab = *state;
	size_t sent = 0, at = 0;
	int fd = client(lab);

	for (int idle = 0; idle < 16;) {
		ssize_t len = send(fd, &REQUEST[at], strlen(REQUEST) - at, MSG_NOSIGNAL);

		if (len < 0) {
			assert_int_equal(errno, EAGAIN);
			idle++;
			serve(lab);
			continue;
		}
		idle = 0;
		at += (size_t)len;
		sent += at == strlen(REQUEST);
		at %= strlen(REQUEST);
		assert_true(sent < 200000); /* some MB: more than the kernel's buffers */
	}
	/* And what it asked is answered when it does listen. */
	assert_int_equal(lines(lab, fd), sent);
	close(fd);
}

static void a_request_may_come_in_pieces(void **state)
{
	const struct lab *lab = *state;
	int fd = client(lab);

	for (size_t i = 0; i < strlen(REQUEST); i++) {
		assert_int_equal(send(fd, &REQUEST[i], 1, MSG_NOSIGNAL), 1);
		serve(lab);
	}
	assert_int_equal(lines(lab, fd), 1);
	close(fd);
}

static void a_line_without_end_ends_the_connection(void **state)
{
	const struct lab *lab = *state;
	char junk[5000];
	int fd = client(lab);

	memset(junk, 'x', sizeof(junk));
	assert_int_equal(send(fd, junk, sizeof(junk), MSG_NOSIGNAL), sizeof(junk));
	serve(lab);
	assert_true(recv(fd, junk, sizeof(junk), 0) <= 0 && errno != EAGAIN);
	close(fd);
}

static void more_clients_than_there_is_room_for_are_sent_away(void **state)
{
	const struct lab *lab = *state;
	size_t served = 0;
	int fds[48];

	for (size_t i = 0; i < 48; i++) {
		fds[i] = client(lab);
		/* One that was sent away takes nothing any more. */
		if (send(fds[i], REQUEST, strlen(REQUEST), MSG_NOSIGNAL) < 0)
			continue;
		served += lines(lab, fds[i]);
	}
	assert_int_equal(served, 32);
	for (size_t i = 0; i < 48; i++)
		close(fds[i]);
	serve(lab);
	fds[0] = client(lab);
	assert_int_equal(send(fds[0], REQUEST, strlen(REQUEST), MSG_NOSIGNAL), strlen(REQUEST));
	assert_int_equal(lines(lab, fds[0]), 1);
	close(fds[0]);
}

static void only_the_owner_and_the_group_may_ask(void **state)
{
	const struct lab *lab = *state;
	struct stat stat_buf;

	assert_int_equal(stat(lab->path, &stat_buf), 0);
	assert_int_equal(stat_buf.st_mode & 0777, 0660);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_never_listens_is_not_listened_to),
		TEST(a_request_may_come_in_pieces),
		TEST(a_line_without_end_ends_the_connection),
		TEST(more_clients_than_there_is_room_for_are_sent_away),
		TEST(only_the_owner_and_the_group_may_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
