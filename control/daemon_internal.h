/* SPDX-License-Identifier: BSD-3-Clause */
/* What the daemon*.c files share, and nothing else uses. */
#ifndef CONTROL_DAEMON_INTERNAL_H
#define CONTROL_DAEMON_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include <event2/event.h>

#include "daemon.h"

/* daemon.c: what the loop calls. */
void daemon_on_turn(void *arg);
void daemon_on_link(void *arg, const char *netdev, bool up);
void daemon_on_netlink(evutil_socket_t fd, short what, void *arg);
void daemon_on_management(evutil_socket_t fd, short what, void *arg);
void daemon_on_second(evutil_socket_t fd, short what, void *arg);
void daemon_on_deadline(evutil_socket_t fd, short what, void *arg);
void daemon_on_signal(evutil_socket_t fd, short what, void *arg);
struct event *daemon_watch_fd(struct daemon *daemon, int fd, event_callback_fn handle);

/* daemon_start.c: everything up to the loop. Returns an exit code. */
int daemon_begin(struct daemon *daemon);

/* daemon_reload.c. Reading returns an exit code, its problems are logged. */
int daemon_config_read(const char *path, struct config **out);
void daemon_reload(struct daemon *daemon);
/* Watches the file that the source is read from now. */
void daemon_source_watch(struct daemon *daemon);

#endif
