/* SPDX-License-Identifier: BSD-3-Clause */
/* The Unix socket: a server on libevent's buffers, and the client that the commands use. */
#include "socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#include "daemon.h"
#include "log.h"
#include "loop.h"
#include "status.h"

#define REQUEST_MAX 4096
#define CLIENTS_MAX 32
#define ANSWER_MAX  (256 << 20)
#define IDLE_S	    30

struct client {
	struct socket_server *server;
	struct bufferevent *buffer;
	struct client *next;
};

struct socket_server {
	struct daemon *daemon;
	struct evconnlistener *listener;
	struct client *clients;
	size_t count;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

static int path_address(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	strcpy(address->sun_path, path);
	return 0;
}

/* ---- server ---- */

static json_t *answer_drain(struct daemon *daemon, bool on)
{
	daemon_drain(daemon, on);
	return json_pack("{s:b}", "draining", (int)daemon->draining);
}

static json_t *answer(struct daemon *daemon, const char *command, const char *argument)
{
	if (strcmp(command, "status") == 0)
		return status_status(daemon);
	if (strcmp(command, "vips") == 0)
		return status_vips(daemon);
	if (strcmp(command, "peers") == 0)
		return status_peers(daemon);
	if (strcmp(command, "stats") == 0)
		return status_stats(daemon);
	if (strcmp(command, "explain") == 0 && argument != NULL)
		return status_explain(daemon, argument);
	if (strcmp(command, "drain") == 0)
		return answer_drain(daemon, true);
	if (strcmp(command, "undrain") == 0)
		return answer_drain(daemon, false);
	return json_pack("{s:s}", "error", "no such command");
}

json_t *socket_answer(struct daemon *daemon, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, 0, NULL);
	const char *command = json_string_value(json_object_get(request, "command"));
	json_t *document;

	if (command == NULL)
		document = json_pack("{s:s}", "error", "a request is {\"command\": NAME}");
	else
		document = answer(daemon, command,
				  json_string_value(json_object_get(request, "argument")));
	json_decref(request);
	return document;
}

static void client_free(struct client *client)
{
	struct client **link = &client->server->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	client->server->count--;
	bufferevent_free(client->buffer);
	free(client);
}

static void client_answer(struct client *client, const char *line, size_t len)
{
	struct evbuffer *output = bufferevent_get_output(client->buffer);
	json_t *document = socket_answer(client->server->daemon, line, len);
	char *text = document != NULL ? json_dumps(document, JSON_COMPACT) : NULL;

	evbuffer_add_printf(output, "%s\n", text != NULL ? text : "{\"error\":\"no memory\"}");
	free(text);
	json_decref(document);
}

/*
 * One request at a time, and the next when its answer is gone: who only asks and never listens
 * fills two socket buffers, not our memory, and others have their turn in between.
 */
static void on_readable(struct bufferevent *buffer, void *arg)
{
	struct client *client = arg;
	struct evbuffer *input = bufferevent_get_input(buffer);
	size_t len;
	char *line;

	if (evbuffer_get_length(bufferevent_get_output(buffer)) > 0)
		return; /* on_written() comes back to it */
	line = evbuffer_readln(input, &len, EVBUFFER_EOL_LF);
	if (line != NULL) {
		client_answer(client, line, len);
		free(line);
		/* Also lest libevent calls this again and again while the input is full. */
		bufferevent_disable(buffer, EV_READ);
	} else if (evbuffer_get_length(input) >= REQUEST_MAX) {
		client_free(client);
	}
}

static void on_written(struct bufferevent *buffer, void *arg)
{
	bufferevent_enable(buffer, EV_READ);
	if (evbuffer_get_length(bufferevent_get_input(buffer)) > 0)
		on_readable(buffer, arg);
}

static void on_end(struct bufferevent *buffer, short what, void *arg)
{
	(void)buffer;
	(void)what;
	client_free(arg);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t fd,
			  struct sockaddr *address, int len, void *arg)
{
	const struct timeval idle = {.tv_sec = IDLE_S};
	struct socket_server *server = arg;
	struct client *client = NULL;

	(void)address;
	(void)len;
	if (server->count < CLIENTS_MAX)
		client = calloc(1, sizeof(*client));
	if (client != NULL)
		client->buffer = bufferevent_socket_new(evconnlistener_get_base(listener), fd,
							BEV_OPT_CLOSE_ON_FREE);
	if (client == NULL || client->buffer == NULL) {
		free(client);
		close(fd);
		return;
	}
	client->server = server;
	client->next = server->clients;
	server->clients = client;
	server->count++;
	bufferevent_setcb(client->buffer, on_readable, on_written, on_end, client);
	bufferevent_setwatermark(client->buffer, EV_READ, 0, REQUEST_MAX);
	bufferevent_set_timeouts(client->buffer, &idle, &idle);
	bufferevent_enable(client->buffer, EV_READ | EV_WRITE);
}

static int listen_on(const char *path)
{
	struct sockaddr_un address;
	int ret = path_address(path, &address);
	mode_t mask;
	int fd;

	if (ret < 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path); /* a dead daemon's: a living one holds the lock */
	mask = umask(0117);
	ret = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(mask);
	if (ret == 0 && listen(fd, CLIENTS_MAX) < 0)
		ret = -errno;
	if (ret < 0)
		close(fd);
	return ret < 0 ? ret : fd;
}

struct socket_server *socket_create(struct event_base *base, const char *path,
				    struct daemon *daemon)
{
	struct socket_server *server = calloc(1, sizeof(*server));
	int fd;

	if (server == NULL)
		return NULL;
	server->daemon = daemon;
	fd = listen_on(path);
	if (fd < 0) {
		free(server);
		errno = -fd;
		return NULL;
	}
	strcpy(server->path, path);
	server->listener =
		evconnlistener_new(base, on_connection, server, LEV_OPT_CLOSE_ON_FREE, 0, fd);
	if (server->listener == NULL) {
		close(fd);
		socket_free(server);
		errno = ENOMEM;
		return NULL;
	}
	return server;
}

void socket_free(struct socket_server *server)
{
	if (server == NULL)
		return;
	while (server->clients != NULL)
		client_free(server->clients);
	if (server->listener != NULL)
		evconnlistener_free(server->listener);
	unlink(server->path);
	free(server);
}

/* ---- client ---- */

/* Waits for events on fd; the time is counted from begin_ns. */
static int wait_for(int fd, short events, uint64_t begin_ns, int timeout_ms)
{
	uint64_t passed = (loop_now_ns() - begin_ns) / 1000000;
	struct pollfd pollfd = {.fd = fd, .events = events};
	int ret;

	if (passed >= (uint64_t)timeout_ms)
		return -ETIMEDOUT;
	ret = poll(&pollfd, 1, timeout_ms - (int)passed);
	return ret > 0 ? 0 : ret == 0 ? -ETIMEDOUT : -errno;
}

static int send_request(int fd, const char *command, const char *argument)
{
	json_t *request = json_pack("{s:s, s:s*}", "command", command, "argument", argument);
	char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
	size_t len = text != NULL ? strlen(text) : 0;
	int ret = text != NULL ? 0 : -ENOMEM;

	json_decref(request);
	if (text != NULL) {
		text[len++] = '\n'; /* in place of the NUL: it is sent by length */
		/* shorter than the socket's buffer: goes whole */
		if (send(fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
			ret = errno != 0 ? -errno : -EPIPE;
	}
	free(text);
	return ret;
}

static int receive(int fd, uint64_t begin_ns, int timeout_ms, json_t **out)
{
	struct evbuffer *buffer = evbuffer_new();
	size_t len;
	char *line = NULL;
	int ret = buffer != NULL ? 0 : -ENOMEM;

	while (ret == 0 && line == NULL) {
		ret = wait_for(fd, POLLIN, begin_ns, timeout_ms);
		if (ret == 0) {
			int got = evbuffer_read(buffer, fd, 65536);

			if (got < 0 && errno != EINTR)
				ret = -errno;
			else if (got == 0 || evbuffer_get_length(buffer) > ANSWER_MAX)
				ret = -EPROTO;
		} else if (ret == -EINTR) {
			ret = 0;
		}
		if (ret == 0)
			line = evbuffer_readln(buffer, &len, EVBUFFER_EOL_LF);
	}
	if (line != NULL) {
		*out = json_loadb(line, len, 0, NULL);
		ret = json_is_object(*out) ? 0 : -EPROTO;
	}
	free(line);
	if (buffer != NULL)
		evbuffer_free(buffer);
	return ret;
}

json_t *socket_ask(const char *path, const char *command, const char *argument, int timeout_ms)
{
	uint64_t begin = loop_now_ns();
	struct sockaddr_un address;
	json_t *document = NULL;
	int ret = path_address(path, &address);
	int fd = -1;

	if (ret == 0) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
			ret = -errno;
	}
	if (ret == 0)
		ret = send_request(fd, command, argument);
	if (ret == 0)
		ret = receive(fd, begin, timeout_ms, &document);
	if (fd >= 0)
		close(fd);
	if (ret < 0) {
		json_decref(document);
		errno = -ret;
		return NULL;
	}
	return document;
}
