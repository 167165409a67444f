/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daemon's Unix socket: one JSON object a line each way. A request is {"command": NAME} with
 * "argument" where the command has one; the answer is the document, or {"error": TEXT}.
 */
#ifndef CONTROL_SOCKET_H
#define CONTROL_SOCKET_H

#include <jansson.h>

struct daemon;
struct event_base;
struct socket_server;

/* Listens on path, in place of a dead daemon's socket. NULL and errno. */
struct socket_server *socket_create(struct event_base *base, const char *path,
				    struct daemon *daemon);
void socket_free(struct socket_server *server); /* removes the path */

/* The answer to one request line; never NULL but without memory. For the server and for tests. */
json_t *socket_answer(struct daemon *daemon, const char *line, size_t len);

/*
 * The client's side: sends one request and waits for its answer, up to timeout_ms. Returns a new
 * reference, or NULL and errno: ECONNREFUSED, ENOENT and the like when nobody listens, ETIMEDOUT,
 * EPROTO when the answer is no JSON object.
 */
json_t *socket_ask(const char *path, const char *command, const char *argument, int timeout_ms);

#endif
