/* SPDX-License-Identifier: BSD-3-Clause */
/* The turns of the daemon, what else its loop hears of, and its end. */
#include "daemon_internal.h"

#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "controller.h"
#include "group.h"
#include "hostnet.h"
#include "http.h"
#include "keeper.h"
#include "log.h"
#include "loop.h"
#include "mgmt.h"
#include "notify.h"
#include "socket.h"
#include "source_file.h"

#define EVENTS_PER_TURN	   4096
#define DATAGRAMS_PER_TURN 128
#define LEAVE_MIN_NS	   UINT64_C(1000000000)
#define LEAVE_INTERVALS	   5 /* LEAVING is sent three times, one apart: then nobody waits for us */

/* ---- the turn ---- */

static void on_event(void *arg, const struct dataplane_event *event)
{
	struct daemon *daemon = arg;

	if (event->interface < daemon->group_count)
		group_event(daemon->groups[event->interface], loop_now_ns(), event);
}

static void on_datagram(void *arg, const struct mgmt_address *from, const uint8_t *data, size_t len)
{
	struct daemon *daemon = arg;
	struct heartbeat_id id;

	if (heartbeat_length(data, len) > 0) {
		heartbeat_peek(data, &id);
		for (size_t i = 0; i < daemon->group_count; i++) {
			if (group_id(daemon->groups[i]) == id.group) {
				group_datagram(daemon->groups[i], loop_now_ns(), from, data, len);
				return;
			}
		}
	}
	daemon->mgmt_strangers++;
}

/* Stops when everybody has left, or when an election lost an action for want of memory. */
static void check_end(struct daemon *daemon)
{
	bool left = daemon->leaving;

	for (size_t i = 0; i < daemon->group_count; i++) {
		struct group_counters counters;

		group_counters(daemon->groups[i], &counters);
		left &= group_left(daemon->groups[i]);
		if (counters.out_of_memory && !daemon->failed) {
			log_error("no memory: this node stops rather than act on half a decision");
			daemon->failed = true;
			left = true;
			break;
		}
	}
	if (left)
		loop_stop(daemon->loop);
}

void daemon_on_turn(void *arg)
{
	struct daemon *daemon = arg;

	for (size_t i = 0; i < daemon->group_count; i++)
		group_turn_begin(daemon->groups[i], loop_now_ns());
	dataplane_events_drain(daemon->dataplane, EVENTS_PER_TURN, on_event, daemon);
	if (daemon->mgmt != NULL)
		mgmt_receive(daemon->mgmt, DATAGRAMS_PER_TURN, on_datagram, daemon);
	for (size_t i = 0; i < daemon->group_count; i++)
		group_turn_end(daemon->groups[i], loop_now_ns());
	controller_turn(daemon->controller, loop_now_ns());
	check_end(daemon);
}

/* ---- what else happens ---- */

void daemon_drain(struct daemon *daemon, bool on)
{
	if (daemon->leaving || daemon->draining == on)
		return;
	daemon->draining = on;
	log_info("%s", on ? "draining" : "no longer draining");
	for (size_t i = 0; i < daemon->group_count; i++)
		group_drain(daemon->groups[i], loop_now_ns(), on);
}

void daemon_on_link(void *arg, const char *netdev, bool up)
{
	struct daemon *daemon = arg;

	for (size_t i = 0; i < daemon->group_count; i++) {
		if (!daemon->info[i].link_known && strcmp(daemon->info[i].netdev, netdev) == 0)
			group_link(daemon->groups[i], loop_now_ns(), up);
	}
}

static void leave(struct daemon *daemon, const char *why)
{
	const uint64_t wanted = LEAVE_INTERVALS * daemon->config->heartbeat_interval_ns;
	const uint64_t limit_ns = wanted > LEAVE_MIN_NS ? wanted : LEAVE_MIN_NS;
	const struct timeval limit = {.tv_sec = (time_t)(limit_ns / 1000000000),
				      .tv_usec = (suseconds_t)(limit_ns % 1000000000 / 1000)};

	if (daemon->leaving) {
		log_warning("%s again: stopping at once", why);
		loop_stop(daemon->loop);
		return;
	}
	log_info("%s: leaving", why);
	notify_send("STOPPING=1");
	daemon->leaving = true;
	event_add(daemon->deadline, &limit);
	for (size_t i = 0; i < daemon->group_count; i++)
		group_leave(daemon->groups[i], loop_now_ns());
}

/* Without its kernel port a node would answer for VIPs that nobody serves. */
static void check_kernel_ports(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->group_count && !daemon->leaving; i++) {
		if (if_nametoindex(daemon->kernel_ports[i]) != 0 || errno != ENODEV)
			continue;
		log_error("%s was removed by somebody, nothing reaches the kernel any more: this "
			  "node stops",
			  daemon->kernel_ports[i]);
		daemon->failed = true;
		leave(daemon, daemon->kernel_ports[i]);
	}
}

void daemon_on_netlink(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *daemon = arg;

	(void)fd;
	(void)what;
	hostnet_process(daemon->hostnet);
	check_kernel_ports(daemon);
	daemon_on_turn(daemon); /* a link that went down is told at once */
}

void daemon_on_management(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	daemon_on_turn(arg); /* which reads it */
}

struct event *daemon_watch_fd(struct daemon *daemon, int fd, event_callback_fn handle)
{
	struct event *event =
		event_new(loop_base(daemon->loop), fd, EV_READ | EV_PERSIST, handle, daemon);

	if (event != NULL && event_add(event, NULL) < 0) {
		event_free(event);
		return NULL;
	}
	return event;
}

static void note_rise(uint64_t value, uint64_t *seen, uint64_t *rose_ns)
{
	if (value > *seen)
		*rose_ns = loop_now_ns();
	*seen = value;
}

void daemon_on_second(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *daemon = arg;

	(void)fd;
	(void)what;
	hostnet_repair(daemon->hostnet);
	for (size_t i = 0; i < daemon->group_count; i++) {
		struct dataplane_counters counters;
		struct group_counters group;
		struct auth_counters auth;

		dataplane_counters(daemon->dataplane, i, &counters);
		group_counters(daemon->groups[i], &group);
		auth_counters(group_auth(daemon->groups[i]), &auth);
		note_rise(counters.drops[DROP_BAD_CHECKSUM], &daemon->bad_checksum[i],
			  &daemon->bad_checksum_rose_ns[i]);
		note_rise(group.twins, &daemon->twins[i], &daemon->twins_rose_ns[i]);
		for (size_t j = 0; j < AUTH_REJECT_COUNT; j++)
			note_rise(auth.rejected[j], &daemon->rejected[i][j],
				  &daemon->rejected_rose_ns[i][j]);
	}
}

void daemon_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	const struct daemon *daemon = arg;

	(void)fd;
	(void)what;
	log_warning("LEAVING could not be sent in time: stopping without");
	loop_stop(daemon->loop);
}

/* ---- signals ---- */

void daemon_on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *daemon = arg;
	struct signalfd_siginfo info;

	(void)what;
	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		daemon_reload(daemon);
	else
		leave(daemon, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
}

/* ---- stop ---- */

static void event_end(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

/* Undoes daemon_begin(), as far as it came. Returns whether every mbuf was back. */
static bool end(struct daemon *daemon)
{
	bool clean;

	http_free(daemon->http);
	socket_free(daemon->socket);
	controller_free(daemon->controller);
	for (size_t i = 0; i < daemon->group_count; i++) {
		if (group_left(daemon->groups[i]))
			keeper_group_leave(daemon->keeper,
					   group_interface(daemon->groups[i])->group);
	}
	clean = dataplane_stop(daemon->dataplane) == 0;
	if (clean && daemon->dataplane != NULL)
		log_info("stopped: all mbufs are back");
	for (size_t i = 0; i < daemon->group_count; i++)
		group_free(daemon->groups[i]);
	mgmt_free(daemon->mgmt);
	keeper_free(daemon->keeper);
	event_end(daemon->signals);
	event_end(daemon->netlink);
	event_end(daemon->management);
	event_end(daemon->changes);
	event_end(daemon->second);
	event_end(daemon->deadline);
	source_file_unwatch(daemon->watch);
	hostnet_free(daemon->hostnet);
	loop_free(daemon->loop);
	names_fini(&daemon->names);
	config_free(daemon->loaded);
	config_free(daemon->config);
	if (daemon->signal_fd >= 0)
		close(daemon->signal_fd);
	if (daemon->lock_fd >= 0)
		close(daemon->lock_fd);
	return clean;
}

int daemon_run(const char *config_path)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int code = EXIT_FAILED;

	log_init(CONFIG_LOG_INFO, false);
	if (daemon == NULL)
		return EXIT_FAILED;
	daemon->signal_fd = daemon->lock_fd = -1;
	code = daemon_config_read(config_path, &daemon->config);
	if (code == EXIT_DONE)
		code = daemon_begin(daemon);
	if (code == EXIT_DONE) {
		log_info("node %s runs vipgate %s", daemon->config->node, VIPGATE_VERSION);
		notify_send("READY=1");
		if (loop_run(daemon->loop) < 0 || daemon->failed)
			code = EXIT_FAILED;
	}
	if (!end(daemon) && code == EXIT_DONE)
		code = EXIT_FAILED;
	free(daemon);
	return code;
}
