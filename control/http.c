/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP on libevent's evhttp: small bounded answers, GET and HEAD only. */
#include "http.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>

#include "daemon.h"
#include "log.h"
#include "metrics.h"
#include "page.h"
#include "status.h"

#define HEADERS_MAX 8192
#define BODY_MAX    1024
#define TIMEOUT_S   10

#define CONNECTIONS_MAX 64
#define RESUME_MS	100

struct http {
	struct evhttp *server;
	struct evconnlistener *listener; /* the server's */
	struct event *resume;		 /* pending while no more connections are taken */
	const struct daemon *daemon;
	/* Referenced, since libevent tells nobody when a connection ends. */
	struct bufferevent *connections[CONNECTIONS_MAX];
};

/* ---- how many connections there are ---- */

/* A bufferevent that was freed has lost its callbacks; a living one of evhttp has them. */
static bool is_dead(struct bufferevent *connection)
{
	bufferevent_data_cb readable, writable;
	bufferevent_event_cb event;
	void *arg;

	bufferevent_getcb(connection, &readable, &writable, &event, &arg);
	return event == NULL;
}

/* Lets go of ended connections. Returns how many places are free, and one of them. */
static size_t places(struct http *http, struct bufferevent ***free_place)
{
	size_t count = 0;

	for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
		if (http->connections[i] != NULL && is_dead(http->connections[i])) {
			bufferevent_decref(http->connections[i]);
			http->connections[i] = NULL;
		}
		if (http->connections[i] != NULL)
			continue;
		count++;
		*free_place = &http->connections[i];
	}
	return count;
}

static void pause_accepting(struct http *http)
{
	const struct timeval delay = {.tv_usec = RESUME_MS * 1000};

	evconnlistener_disable(http->listener);
	event_add(http->resume, &delay);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct bufferevent **free_place;
	struct http *http = arg;

	(void)fd;
	(void)what;
	if (places(http, &free_place) == 0)
		pause_accepting(http);
	else
		evconnlistener_enable(http->listener);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	evconnlistener_enable(arg);
}

/* No descriptors are left: the listener stays readable, and the loop would only turn for it. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	const struct timeval delay = {.tv_usec = RESUME_MS * 1000};

	(void)arg; /* evhttp's */
	if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, on_rested, listener,
			    &delay) == 0)
		evconnlistener_disable(listener);
}

/* evhttp asks for the bufferevent of each connection that it takes. */
static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
	struct bufferevent *connection = bufferevent_socket_new(base, -1, 0);
	struct http *http = arg;
	struct bufferevent **free_place;
	size_t count = places(http, &free_place);

	if (connection != NULL && count > 0) {
		bufferevent_incref(connection);
		*free_place = connection;
	}
	if (count <= 1)
		pause_accepting(http);
	return connection;
}

/* ---- answers ---- */

static void reply(struct evhttp_request *request, int code, const char *reason, const char *type,
		  const void *text, size_t len)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	struct evbuffer *body = evbuffer_new();

	evhttp_add_header(headers, "Content-Type", type);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
	if (body != NULL)
		evbuffer_add(body, text, len);
	evhttp_send_reply(request, code, reason, body);
	if (body != NULL)
		evbuffer_free(body);
}

static void reply_text(struct evhttp_request *request, int code, const char *reason,
		       const char *text)
{
	reply(request, code, reason, "text/plain; charset=utf-8", text, strlen(text));
}

/* Sends what write() puts into a stream. */
static void reply_stream(struct evhttp_request *request, const struct daemon *daemon,
			 const char *type, void (*write)(const struct daemon *daemon, FILE *out))
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out != NULL) {
		write(daemon, out);
		fclose(out);
	}
	if (text == NULL)
		reply_text(request, 500, "Internal Server Error", "no memory\n");
	else
		reply(request, 200, "OK", type, text, len);
	free(text);
}

static void on_metrics(struct evhttp_request *request, void *arg)
{
	const struct http *http = arg;

	reply_stream(request, http->daemon, "text/plain; version=0.0.4; charset=utf-8",
		     metrics_write);
}

static void on_page(struct evhttp_request *request, void *arg)
{
	const struct http *http = arg;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);

	evhttp_add_header(headers, "Content-Security-Policy",
			  "default-src 'none'; style-src 'unsafe-inline'");
	reply_stream(request, http->daemon, "text/html; charset=utf-8", page_write);
}

/* The loop that answers this is the one that turns. */
static void on_health(struct evhttp_request *request, void *arg)
{
	(void)arg;
	reply_text(request, 200, "OK", "ok\n");
}

static void on_ready(struct evhttp_request *request, void *arg)
{
	const struct http *http = arg;
	const char *why;
	char text[256];

	if (status_ready(http->daemon, &why)) {
		reply_text(request, 200, "OK", "ok\n");
		return;
	}
	snprintf(text, sizeof(text), "not ready: %s\n", why);
	reply_text(request, 503, "Service Unavailable", text);
}

static void on_other(struct evhttp_request *request, void *arg)
{
	(void)arg;
	reply_text(request, 404, "Not Found", "/, /metrics, /healthz and /readyz are here\n");
}

/* Splits ADDRESS:PORT; a v6 address is in brackets. */
static int split(const char *listen, char *address, size_t len, uint16_t *port)
{
	const char *colon = strrchr(listen, ':');
	const char *end = colon;
	char *rest;
	unsigned long number;

	if (colon == NULL)
		return -EINVAL;
	if (listen[0] == '[' && colon > listen && colon[-1] == ']') {
		listen++;
		end = colon - 1;
	}
	if ((size_t)(end - listen) >= len)
		return -EINVAL;
	memcpy(address, listen, (size_t)(end - listen));
	address[end - listen] = '\0';
	number = strtoul(colon + 1, &rest, 10);
	if (colon[1] == '\0' || *rest != '\0' || number > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)number;
	return 0;
}

struct http *http_create(struct event_base *base, const char *listen, const struct daemon *daemon)
{
	struct http *http = calloc(1, sizeof(*http));
	struct evhttp_bound_socket *bound;
	char address[64];
	uint16_t port;
	int ret = http != NULL ? split(listen, address, sizeof(address), &port) : -ENOMEM;

	if (ret < 0)
		goto fail;
	http->daemon = daemon;
	http->server = evhttp_new(base);
	ret = -ENOMEM;
	if (http->server == NULL)
		goto fail;
	evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(http->server, HEADERS_MAX);
	evhttp_set_max_body_size(http->server, BODY_MAX);
	evhttp_set_timeout(http->server, TIMEOUT_S);
	evhttp_set_cb(http->server, "/", on_page, http);
	evhttp_set_cb(http->server, "/metrics", on_metrics, http);
	evhttp_set_cb(http->server, "/healthz", on_health, http);
	evhttp_set_cb(http->server, "/readyz", on_ready, http);
	evhttp_set_gencb(http->server, on_other, http);
	http->resume = evtimer_new(base, on_resume, http);
	if (http->resume == NULL)
		goto fail;
	errno = 0;
	bound = evhttp_bind_socket_with_handle(http->server, address, port);
	if (bound == NULL) {
		ret = errno != 0 ? -errno : -EADDRNOTAVAIL;
		goto fail;
	}
	http->listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(http->listener, on_accept_error);
	evhttp_set_bevcb(http->server, on_connection, http);
	return http;
fail:
	log_error("http: cannot listen on %s: %s", listen, strerror(-ret));
	http_free(http);
	errno = -ret;
	return NULL;
}

void http_free(struct http *http)
{
	struct bufferevent **free_place;

	if (http == NULL)
		return;
	if (http->server != NULL)
		evhttp_free(http->server);
	if (http->resume != NULL)
		event_free(http->resume);
	places(http, &free_place); /* all have ended */
	free(http);
}
