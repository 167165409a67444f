/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP on libevent's evhttp: small bounded answers, GET and HEAD only. */
#include "http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "daemon.h"
#include "log.h"
#include "metrics.h"
#include "page.h"
#include "status.h"

#define HEADERS_MAX 8192
#define BODY_MAX    1024
#define TIMEOUT_S   10

struct http {
	struct evhttp *server;
	const struct daemon *daemon;
};

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
	errno = 0;
	if (evhttp_bind_socket(http->server, address, port) < 0) {
		ret = errno != 0 ? -errno : -EADDRNOTAVAIL;
		goto fail;
	}
	return http;
fail:
	log_error("http: cannot listen on %s: %s", listen, strerror(-ret));
	http_free(http);
	errno = -ret;
	return NULL;
}

void http_free(struct http *http)
{
	if (http == NULL)
		return;
	if (http->server != NULL)
		evhttp_free(http->server);
	free(http);
}
