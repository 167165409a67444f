/* SPDX-License-Identifier: BSD-3-Clause */
/* The HTTP server: /metrics, /healthz, /readyz and one page for people. */
#ifndef CONTROL_HTTP_H
#define CONTROL_HTTP_H

struct daemon;
struct event_base;
struct http;

/* Listens on ADDRESS:PORT, a v6 ADDRESS in brackets. NULL and errno, logged. */
struct http *http_create(struct event_base *base, const char *listen, const struct daemon *daemon);
void http_free(struct http *http);

#endif
