/* SPDX-License-Identifier: BSD-3-Clause */
/* The HTTP server against clients that are many and silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include <event2/event.h>

#include "http.h"
#include "loop.h"

#define CLIENTS 150 /* and the backlog of the listener takes what is not accepted */
#define REQUEST "GET /healthz HTTP/1.0\r\n\r\n"

static uint16_t port;

/* A port that was free a moment ago. */
static uint16_t free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static int client(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(port),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}

static unsigned int descriptors(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 1024; fd++) {
		socklen_t len = sizeof(int);
		int on;

		count += getsockopt(fd, SOL_SOCKET, SO_TYPE, &on, &len) == 0;
	}
	return count;
}

/* Serves until fd can be read or written, for ten seconds at most. */
static bool becomes(struct event_base *base, int fd, short events)
{
	const uint64_t begin = loop_now_ns();
	struct pollfd pollfd = {.fd = fd, .events = events};

	while (poll(&pollfd, 1, 1) == 0) {
		if (loop_now_ns() - begin > UINT64_C(10000000000))
			return false;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	return true;
}

static void silent_clients_do_not_take_all_descriptors(void **state)
{
	struct event_base *base = event_base_new();
	struct http *http;
	char listen[32], text[64] = "";
	unsigned int before;
	int fds[CLIENTS], last;

	(void)state;
	port = free_port();
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	http = http_create(base, listen, NULL);
	assert_non_null(http);
	before = descriptors();
	for (size_t i = 0; i < CLIENTS; i++) {
		fds[i] = client();
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	assert_in_range(descriptors() - before - CLIENTS, 60, 70);
	for (size_t i = 0; i < CLIENTS; i++)
		close(fds[i]);
	last = client();
	assert_true(becomes(base, last, POLLOUT));
	assert_int_equal(send(last, REQUEST, strlen(REQUEST), MSG_NOSIGNAL), strlen(REQUEST));
	assert_true(becomes(base, last, POLLIN));
	assert_true(recv(last, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "200"));
	close(last);
	http_free(http);
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silent_clients_do_not_take_all_descriptors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
