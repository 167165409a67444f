/* SPDX-License-Identifier: BSD-3-Clause */
/* Start, turn, reload and stop of the daemon, in the order that keeps it safe at any point. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "controller.h"
#include "group.h"
#include "hostnet.h"
#include "http.h"
#include "keeper.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "socket.h"
#include "source_file.h"

#define EVENTS_PER_TURN 4096
#define TURN_MIN_NS	UINT64_C(100000)
#define LEAVE_MAX_MS	1000 /* LEAVING is sent three times, then nobody waits for us */

static void config_problems_log(const struct problems *problems)
{
	char line[512];

	for (size_t i = 0; i < problems->count; i++) {
		problem_format(&problems->list[i], line, sizeof(line));
		if (problems->list[i].error)
			log_error("%s", line);
		else
			log_warning("%s", line);
	}
}

/* ---- the turn ---- */

static void on_event(void *arg, const struct dataplane_event *event)
{
	struct daemon *daemon = arg;

	if (event->interface < daemon->group_count)
		group_event(daemon->groups[event->interface], loop_now_ns(), event);
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

static void on_turn(void *arg)
{
	struct daemon *daemon = arg;

	for (size_t i = 0; i < daemon->group_count; i++)
		group_turn_begin(daemon->groups[i], loop_now_ns());
	dataplane_events_drain(daemon->dataplane, EVENTS_PER_TURN, on_event, daemon);
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

static void on_link(void *arg, const char *netdev, bool up)
{
	struct daemon *daemon = arg;

	for (size_t i = 0; i < daemon->group_count; i++) {
		if (!daemon->info[i].link_known && strcmp(daemon->info[i].netdev, netdev) == 0)
			group_link(daemon->groups[i], loop_now_ns(), up);
	}
}

static void on_netlink(evutil_socket_t fd, short what, void *arg)
{
	const struct daemon *daemon = arg;

	(void)fd;
	(void)what;
	hostnet_process(daemon->hostnet);
}

static struct event *watch_fd(struct daemon *daemon, int fd, event_callback_fn handle)
{
	struct event *event =
		event_new(loop_base(daemon->loop), fd, EV_READ | EV_PERSIST, handle, daemon);

	if (event != NULL && event_add(event, NULL) < 0) {
		event_free(event);
		return NULL;
	}
	return event;
}

static void on_source_change(evutil_socket_t fd, short what, void *arg)
{
	const struct daemon *daemon = arg;

	(void)fd;
	(void)what;
	if (source_file_changed(daemon->watch))
		controller_reload(daemon->controller);
}

/* Watches the file that the source is read from now. */
static void source_watch_begin(struct daemon *daemon)
{
	const char *path = controller_source(daemon->controller);

	if (daemon->changes != NULL)
		event_free(daemon->changes);
	source_file_unwatch(daemon->watch);
	daemon->changes = NULL;
	daemon->watch = source_file_watch(path);
	if (daemon->watch != NULL)
		daemon->changes =
			watch_fd(daemon, source_file_watch_fd(daemon->watch), on_source_change);
	if (daemon->changes == NULL)
		log_warning("cannot watch %s: %s; SIGHUP reads it again", path, strerror(errno));
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *daemon = arg;

	(void)fd;
	(void)what;
	hostnet_repair(daemon->hostnet);
	for (size_t i = 0; i < daemon->group_count; i++) {
		struct dataplane_counters counters;

		dataplane_counters(daemon->dataplane, i, &counters);
		if (counters.drops[DROP_BAD_CHECKSUM] > daemon->bad_checksum[i])
			daemon->bad_checksum_rose_ns[i] = loop_now_ns();
		daemon->bad_checksum[i] = counters.drops[DROP_BAD_CHECKSUM];
	}
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	const struct daemon *daemon = arg;

	(void)fd;
	(void)what;
	log_warning("LEAVING could not be sent in %d ms: stopping without", LEAVE_MAX_MS);
	loop_stop(daemon->loop);
}

/* ---- signals ---- */

static void leave(struct daemon *daemon, const char *signal_name)
{
	const struct timeval limit = {.tv_sec = LEAVE_MAX_MS / 1000,
				      .tv_usec = LEAVE_MAX_MS % 1000 * 1000};

	if (daemon->leaving) {
		log_warning("%s again: stopping at once", signal_name);
		loop_stop(daemon->loop);
		return;
	}
	log_info("%s: leaving", signal_name);
	notify_send("STOPPING=1");
	daemon->leaving = true;
	event_add(daemon->deadline, &limit);
	for (size_t i = 0; i < daemon->group_count; i++)
		group_leave(daemon->groups[i], loop_now_ns());
}

static void config_failed(struct daemon *daemon, const struct problems *problems)
{
	daemon->config_failures++;
	daemon->config_failed_s = (int64_t)time(NULL);
	snprintf(daemon->config_failure, sizeof(daemon->config_failure), "no memory");
	for (size_t i = problems->count; i > 0; i--) {
		if (problems->list[i - 1].error)
			problem_format(&problems->list[i - 1], daemon->config_failure,
				       sizeof(daemon->config_failure));
	}
	log_error("reload: the last good configuration is kept");
}

/* Takes over what may change while the daemon runs; the rest is shown as pending. */
static void config_take(struct daemon *daemon, struct config *loaded)
{
	config_restart_keys(daemon->config, loaded, daemon->restart_keys,
			    sizeof(daemon->restart_keys));
	if (daemon->restart_keys[0] != '\0')
		log_warning("reload: these take effect after a restart: %s", daemon->restart_keys);
	log_init(loaded->log_level, loaded->log_json);
	for (size_t i = 0; i < daemon->group_count; i++) {
		int ret = group_keys_set(daemon->groups[i], loaded->keys, loaded->key_count);

		if (ret < 0)
			log_error("reload: the former keys are kept: %s", strerror(-ret));
	}
	if (loaded->source_file != NULL &&
	    strcmp(loaded->source_file, controller_source(daemon->controller)) != 0) {
		if (controller_source_set(daemon->controller, loaded->source_file) < 0)
			log_error("reload: no memory for the new source");
		source_watch_begin(daemon);
	}
	config_free(daemon->loaded);
	daemon->loaded = loaded;
	daemon->config_failure[0] = '\0';
	daemon->config_loaded_s = (int64_t)time(NULL);
}

static void reload(struct daemon *daemon)
{
	struct problems problems = {0};
	struct config *loaded = config_load(daemon->config->path, &problems);

	log_info("SIGHUP: reading %s and the source again", daemon->config->path);
	daemon->config_reloads++;
	config_problems_log(&problems);
	if (loaded == NULL)
		config_failed(daemon, &problems);
	else
		config_take(daemon, loaded);
	problems_fini(&problems);
	controller_reload(daemon->controller);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *daemon = arg;
	struct signalfd_siginfo info;

	(void)what;
	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		reload(daemon);
	else
		leave(daemon, info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
}

/* Before any thread is made, so that all of them leave these signals to the loop. */
static int signals_block(struct daemon *daemon)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	daemon->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return daemon->signal_fd < 0 ? -errno : 0;
}

/* ---- start ---- */

static int directory_make(const char *path)
{
	char part[4096];

	if (strlen(path) >= sizeof(part))
		return -ENAMETOOLONG;
	strcpy(part, path);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

/* One daemon per socket: the lock lives as long as the process. */
static int lock(struct daemon *daemon)
{
	char path[4096];
	int ret = directory_make(daemon->config->socket);

	if (ret == 0 &&
	    (size_t)snprintf(path, sizeof(path), "%s.lock", daemon->config->socket) >= sizeof(path))
		ret = -ENAMETOOLONG;
	if (ret == 0) {
		daemon->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (daemon->lock_fd < 0 || flock(daemon->lock_fd, LOCK_EX | LOCK_NB) < 0)
			ret = -errno;
	}
	if (ret == -EWOULDBLOCK)
		log_error("another vipgate runs with the socket %s", daemon->config->socket);
	else if (ret < 0)
		log_error("cannot lock %s.lock: %s", daemon->config->socket, strerror(-ret));
	return ret;
}

static void on_dataplane_log(enum dataplane_log_level level, const char *message)
{
	static const enum config_log_level levels[] = {
		[DATAPLANE_LOG_ERROR] = CONFIG_LOG_ERROR,
		[DATAPLANE_LOG_WARNING] = CONFIG_LOG_WARNING,
		[DATAPLANE_LOG_INFO] = CONFIG_LOG_INFO,
		[DATAPLANE_LOG_DEBUG] = CONFIG_LOG_DEBUG,
	};

	log_line(levels[level], "dataplane: %s", message);
}

static int dataplane_begin(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	struct dataplane_interface_config interfaces[DATAPLANE_MAX_INTERFACES];
	struct dataplane_config dataplane = {
		.interfaces = interfaces,
		.interface_count = config->interface_count,
		.lcores = config->lcores,
		.lcore_count = config->lcore_count,
		.memory_mb = config->memory_mb,
		.hugepages = config->hugepages,
		.idle = config->idle,
		.icmp_echo = config->icmp_echo,
		.wait_max_ns = config->heartbeat_interval_ns,
		.log = on_dataplane_log,
	};
	char error[512] = "";
	int ret;

	for (size_t i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		interfaces[i] = (struct dataplane_interface_config){
			.name = interface->name,
			.device = interface->device,
			.vlan = interface->vlan,
			.mtu = interface->mtu,
			.kernel_name = interface->kernel_name,
			.backend = interface->backend,
			.addresses = interface->addresses,
			.address_count = interface->address_count,
			.gateways = interface->gateways,
			.gateway_count = interface->gateway_count,
		};
	}
	ret = dataplane_start(&dataplane, &daemon->dataplane, error, sizeof(error));
	if (ret < 0)
		log_error("dataplane: %s: %s", error, strerror(-ret));
	return ret;
}

static int network_begin(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	char netdev[16]; /* IFNAMSIZ */
	int ret;

	daemon->hostnet = hostnet_create(on_link, daemon);
	if (daemon->hostnet == NULL) {
		log_error("cannot watch the kernel's network: %s", strerror(errno));
		return -errno;
	}
	for (size_t i = 0; i < config->interface_count; i++) {
		if (!dataplane_device_netdev(config->interfaces[i].device, netdev))
			continue;
		ret = hostnet_device_claim(daemon->hostnet, netdev);
		if (ret < 0)
			return ret;
	}
	ret = dataplane_begin(daemon);
	for (size_t i = 0; i < config->interface_count && ret == 0; i++) {
		dataplane_interface_info(daemon->dataplane, i, &daemon->info[i]);
		daemon->kernel_ports[i] = daemon->info[i].kernel_port;
		ret = hostnet_port_setup(daemon->hostnet, &config->interfaces[i]);
	}
	return ret;
}

static int groups_begin(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	int64_t wall_ms = (int64_t)time(NULL) * 1000;

	for (size_t i = 0; i < config->interface_count; i++) {
		const char *name = config->interfaces[i].group;
		struct group_config group = {
			.index = i,
			.config = config,
			.interface = &config->interfaces[i],
			.dataplane = daemon->dataplane,
			.keeper = daemon->keeper,
			.names = &daemon->names,
		};

		keeper_group_begin(daemon->keeper, name);
		group.hold_ns = state_hold_ns(keeper_state(daemon->keeper), name, wall_ms,
					      config->failback_delay_ns);
		daemon->groups[i] = group_create(&group, loop_now_ns());
		if (daemon->groups[i] == NULL) {
			log_error("group %s: %s", name, strerror(errno));
			return -errno;
		}
		daemon->group_count++;
		if (!daemon->info[i].link_known && daemon->info[i].netdev[0] != '\0')
			group_link(daemon->groups[i], loop_now_ns(),
				   hostnet_link_up(daemon->hostnet, daemon->info[i].netdev));
		else
			group_link(daemon->groups[i], loop_now_ns(),
				   !daemon->info[i].link_known ||
					   dataplane_link_up(daemon->dataplane, i));
	}
	return 0;
}

static int controller_begin(struct daemon *daemon, struct generation *generation)
{
	const struct controller_config config = {
		.base = loop_base(daemon->loop),
		.config = daemon->config,
		.groups = daemon->groups,
		.group_count = daemon->group_count,
		.hostnet = daemon->hostnet,
		.keeper = daemon->keeper,
		.names = &daemon->names,
		.kernel_ports = daemon->kernel_ports,
	};

	daemon->controller = controller_create(&config, daemon->started_ns);
	if (daemon->controller == NULL) {
		generation_free(generation);
		return -errno;
	}
	return controller_apply(daemon->controller, generation);
}

static int events_begin(struct daemon *daemon)
{
	const struct timeval second = {.tv_sec = 1};
	struct event_base *base = loop_base(daemon->loop);
	uint64_t turn_ns = daemon->config->heartbeat_interval_ns / 10;

	daemon->signals = watch_fd(daemon, daemon->signal_fd, on_signal);
	daemon->netlink = watch_fd(daemon, hostnet_fd(daemon->hostnet), on_netlink);
	daemon->second = event_new(base, -1, EV_PERSIST, on_second, daemon);
	daemon->deadline = evtimer_new(base, on_deadline, daemon);
	if (daemon->signals == NULL || daemon->netlink == NULL || daemon->second == NULL ||
	    event_add(daemon->second, &second) < 0 || daemon->deadline == NULL)
		return -ENOMEM;
	source_watch_begin(daemon);
	return loop_turn_set(daemon->loop, turn_ns > TURN_MIN_NS ? turn_ns : TURN_MIN_NS,
			     dataplane_event_fd(daemon->dataplane), on_turn, daemon);
}

static int servers_begin(struct daemon *daemon)
{
	const struct config *config = daemon->config;

	daemon->socket = socket_create(loop_base(daemon->loop), config->socket, daemon);
	if (daemon->socket == NULL) {
		log_error("socket %s: %s", config->socket, strerror(errno));
		return -errno;
	}
	if (config->http[0] == '\0')
		return 0;
	daemon->http = http_create(loop_base(daemon->loop), config->http, daemon);
	return daemon->http != NULL ? 0 : -EADDRNOTAVAIL;
}

/* Everything up to the loop. Returns an exit code. */
static int begin(struct daemon *daemon)
{
	const struct config *config = daemon->config;
	const struct state *state;
	struct generation *generation;
	const char *other;

	daemon->started_ns = loop_now_ns();
	daemon->config_loaded_s = (int64_t)time(NULL);
	if (config->source_kubernetes || config->source_file == NULL) {
		log_error("%s: this version reads objects from source.file only", config->path);
		return EXIT_USAGE;
	}
	if (signals_block(daemon) < 0 || lock(daemon) < 0)
		return EXIT_FAILED;
	daemon->loop = loop_create();
	if (daemon->loop == NULL || names_add(&daemon->names, config->node, &other) < 0)
		return EXIT_FAILED;
	daemon->keeper = keeper_create(loop_base(daemon->loop), config->state_dir);
	if (daemon->keeper == NULL)
		return EXIT_FAILED;
	state = keeper_state(daemon->keeper);
	generation = controller_load(config, state->allocations, state->allocation_count);
	if (generation == NULL)
		return EXIT_USAGE;
	if (network_begin(daemon) < 0 || groups_begin(daemon) < 0) {
		generation_free(generation);
		return EXIT_FAILED;
	}
	if (controller_begin(daemon, generation) < 0 || events_begin(daemon) < 0 ||
	    servers_begin(daemon) < 0)
		return EXIT_FAILED;
	return EXIT_DONE;
}

/* ---- stop ---- */

static void event_end(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

/* Undoes begin(), as far as it came. Returns whether every mbuf was back. */
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
	keeper_free(daemon->keeper);
	event_end(daemon->signals);
	event_end(daemon->netlink);
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

static int config_read(const char *path, struct config **out)
{
	struct problems problems = {0};

	*out = config_load(path, &problems);
	if (*out != NULL)
		log_init((*out)->log_level, (*out)->log_json);
	config_problems_log(&problems);
	problems_fini(&problems);
	return *out != NULL ? EXIT_DONE : EXIT_USAGE;
}

int daemon_run(const char *config_path)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int code = EXIT_FAILED;

	log_init(CONFIG_LOG_INFO, false);
	if (daemon == NULL)
		return EXIT_FAILED;
	daemon->signal_fd = daemon->lock_fd = -1;
	code = config_read(config_path, &daemon->config);
	if (code == EXIT_DONE)
		code = begin(daemon);
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
