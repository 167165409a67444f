/* SPDX-License-Identifier: BSD-3-Clause */
/* The start of the daemon, in the order that keeps it safe at any point. */
#include "daemon_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>

#include <event2/event.h>

#include "controller.h"
#include "group.h"
#include "hostnet.h"
#include "http.h"
#include "keeper.h"
#include "log.h"
#include "loop.h"
#include "mgmt.h"
#include "socket.h"

#define TURN_MIN_NS UINT64_C(100000)

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
		/* A turn counts silence only if the worker came round within an interval (rule 1):
		 * what waking up takes must fit in as well. */
		.wait_max_ns = config->heartbeat_interval_ns / 4 * 3,
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

	daemon->hostnet = hostnet_create(daemon_on_link, daemon);
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

static int management_begin(struct daemon *daemon)
{
	const struct mgmt_address local = {daemon->config->management_address,
					   daemon->config->management_port};
	char text[IP_STRLEN];

	if (ip_is_none(&local.ip))
		return 0;
	daemon->mgmt = mgmt_create(&local);
	if (daemon->mgmt == NULL) {
		log_error("heartbeat.management: cannot use port %u of %s: %s", local.port,
			  ip_format(&local.ip, text), strerror(errno));
		return -errno;
	}
	return 0;
}

static int groups_begin(struct daemon *daemon)
{
	const struct config *config = daemon->config;

	for (size_t i = 0; i < config->interface_count; i++) {
		const char *name = config->interfaces[i].group;
		struct group_config group = {
			.index = i,
			.config = config,
			.interface = &config->interfaces[i],
			.dataplane = daemon->dataplane,
			.keeper = daemon->keeper,
			.names = &daemon->names,
			.mgmt = daemon->mgmt,
		};

		keeper_group_begin(daemon->keeper, name);
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

	daemon->signals = daemon_watch_fd(daemon, daemon->signal_fd, daemon_on_signal);
	daemon->netlink = daemon_watch_fd(daemon, hostnet_fd(daemon->hostnet), daemon_on_netlink);
	daemon->second = event_new(base, -1, EV_PERSIST, daemon_on_second, daemon);
	daemon->deadline = evtimer_new(base, daemon_on_deadline, daemon);
	if (daemon->signals == NULL || daemon->netlink == NULL || daemon->second == NULL ||
	    event_add(daemon->second, &second) < 0 || daemon->deadline == NULL)
		return -ENOMEM;
	if (daemon->mgmt != NULL) {
		daemon->management =
			daemon_watch_fd(daemon, mgmt_fd(daemon->mgmt), daemon_on_management);
		if (daemon->management == NULL)
			return -ENOMEM;
	}
	daemon_source_watch(daemon);
	return loop_turn_set(daemon->loop, turn_ns > TURN_MIN_NS ? turn_ns : TURN_MIN_NS,
			     dataplane_event_fd(daemon->dataplane), daemon_on_turn, daemon);
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

int daemon_begin(struct daemon *daemon)
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
	if (network_begin(daemon) < 0 || management_begin(daemon) < 0 || groups_begin(daemon) < 0) {
		generation_free(generation);
		return EXIT_FAILED;
	}
	if (controller_begin(daemon, generation) < 0 || events_begin(daemon) < 0 ||
	    servers_begin(daemon) < 0)
		return EXIT_FAILED;
	return EXIT_DONE;
}
