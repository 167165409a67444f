/* SPDX-License-Identifier: BSD-3-Clause */
/* From objects to running VIPs, and from probes to the elections. */
#include "controller.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

#include "group.h"
#include "health.h"
#include "hostnet.h"
#include "keeper.h"
#include "log.h"
#include "loop.h"

#define READY_TIMEOUT_NS UINT64_C(5000000000) /* health that stays unknown delays nobody longer */
#define FAILURE_LEN	 512
#define DEBOUNCE_US	 100000 /* editors and ConfigMap mounts change a file in several steps */

/* One reading of the source in a thread of its own. What it points to is not changed meanwhile. */
struct job {
	pthread_t thread;
	bool runs, again;
	struct generation *result; /* written by the thread, read after it is joined */
	char failure[FAILURE_LEN];
	int done_fd;
	struct event *done, *soon;
	const struct config *config;
	char *source;
	const struct generation *former;
};

struct controller {
	struct controller_config config;
	struct generation *generation;
	struct health *health;
	struct job job;
	struct controller_view view;
	char *source; /* the file that the next reading takes */
	uint64_t started_ns;
	char failure[FAILURE_LEN];
};

static int64_t wall_s(void)
{
	return (int64_t)time(NULL);
}

/* ---- reading the source ---- */

static void problems_log(const struct problems *problems, char *failure, size_t len)
{
	char line[FAILURE_LEN];

	for (size_t i = 0; i < problems->count; i++) {
		const struct problem *problem = &problems->list[i];

		problem_format(problem, line, sizeof(line));
		if (problem->error && failure[0] == '\0')
			problem_format(problem, failure, len);
		if (problem->error)
			log_error("%s", line);
		else
			log_warning("%s", line);
	}
}

static struct generation *read_source(const struct config *config, const char *source,
				      const struct ipam_previous *previous, size_t previous_count,
				      const struct plan *plan, char *failure, size_t failure_len)
{
	struct problems problems = {0};
	struct generation *generation =
		generation_read(config, source, previous, previous_count, plan, &problems);

	failure[0] = '\0';
	if (generation == NULL) {
		problems_log(&problems, failure, failure_len);
		if (failure[0] == '\0')
			snprintf(failure, failure_len, "%s: no memory", source);
	}
	problems_fini(&problems);
	return generation;
}

struct generation *controller_load(const struct config *config,
				   const struct ipam_previous *previous, size_t previous_count)
{
	char failure[FAILURE_LEN];

	return read_source(config, config->source_file, previous, previous_count, NULL, failure,
			   sizeof(failure));
}

static void *job_run(void *arg)
{
	struct job *job = arg;
	const uint64_t one = 1;

	job->result = read_source(job->config, job->source, job->former->previous,
				  job->former->previous_count, job->former->plan, job->failure,
				  sizeof(job->failure));
	if (write(job->done_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
		log_error("reload: cannot wake the loop");
	return NULL;
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct controller *controller = arg;
	struct job *job = &controller->job;

	(void)fd;
	(void)what;
	if (controller->generation == NULL)
		return;
	if (job->runs) {
		job->again = true;
		return;
	}
	job->again = false;
	job->result = NULL;
	job->former = controller->generation;
	free(job->source);
	job->source = strdup(controller->source);
	job->runs = job->source != NULL && pthread_create(&job->thread, NULL, job_run, job) == 0;
	if (!job->runs)
		log_error("reload: cannot start a thread");
}

void controller_reload(struct controller *controller)
{
	const struct timeval delay = {.tv_usec = DEBOUNCE_US};

	event_add(controller->job.soon, &delay);
}

int controller_source_set(struct controller *controller, const char *path)
{
	char *source = strdup(path);

	if (source == NULL)
		return -ENOMEM;
	free(controller->source);
	controller->source = source;
	controller_reload(controller);
	return 0;
}

static void reload_failed(struct controller *controller, const char *failure)
{
	controller->view.reload_failures++;
	controller->view.failed_s = wall_s();
	if (failure != controller->failure)
		snprintf(controller->failure, sizeof(controller->failure), "%s", failure);
	controller->view.failure = controller->failure;
	log_error("the last good state is kept: %s", controller->failure);
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
	struct controller *controller = arg;
	struct job *job = &controller->job;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) != (ssize_t)sizeof(count) || !job->runs)
		return;
	pthread_join(job->thread, NULL);
	job->runs = false;
	controller->view.reloads++;
	if (job->result == NULL)
		reload_failed(controller, job->failure);
	else
		controller_apply(controller, job->result);
	job->result = NULL;
	if (job->again)
		controller_reload(controller);
}

/* ---- carrying it into the daemon ---- */

static int names_learn(struct controller *controller, const struct object_set *set)
{
	for (size_t i = 0; i < set->node_count; i++) {
		const char *other;
		int ret = names_add(controller->config.names, set->nodes[i].meta.name, &other);

		if (ret == -EEXIST)
			log_error("nodes %s and %s have the same id: one must be renamed",
				  set->nodes[i].meta.name, other);
		if (ret < 0)
			return ret;
	}
	return 0;
}

static void notes_log(const struct generation *generation, const struct generation *former)
{
	for (size_t i = 0; i < generation->note_count; i++) {
		const struct generation_note *note = &generation->notes[i];

		if (generation_has_note(former, note->text))
			continue;
		if (note->warning)
			log_warning("%s", note->text);
		else
			log_info("%s", note->text);
	}
}

bool controller_service_healthy(const struct controller *controller,
				const struct object_service *service)
{
	char key[600]; /* namespace and name have at most 253 bytes each */
	bool healthy;

	snprintf(key, sizeof(key), "%s/%s", service->meta.namespace, service->meta.name);
	return !health_of(controller->health, key, &healthy) || healthy;
}

bool controller_healthy(const struct controller *controller, const struct ipam_vip *vip)
{
	for (size_t i = 0; i < vip->owner_count; i++) {
		if (!controller_service_healthy(controller, vip->owners[i].service))
			return false;
	}
	return true;
}

/* Tells the elections of VIPs, all of them or those of one Service. */
static void health_tell(struct controller *controller, const char *key)
{
	const struct generation *generation = controller->generation;
	uint64_t now = loop_now_ns();

	for (size_t i = 0; i < controller->config.group_count; i++) {
		const struct derive_interface *interface = &generation->interfaces[i];

		for (size_t j = 0; j < interface->count; j++) {
			const struct ipam_vip *vip = interface->vips[j];

			if (key == NULL || derive_vip_has_service(vip, key))
				group_health(controller->config.groups[i], now, &vip->address,
					     controller_healthy(controller, vip));
		}
	}
}

static void on_health(void *arg, const char *key, bool healthy)
{
	struct controller *controller = arg;

	if (healthy)
		log_info("service %s: the local ingress serves", key);
	else
		log_warning("service %s: the local ingress does not answer", key);
	health_tell(controller, key);
}

static void carry(struct controller *controller, const struct generation *generation)
{
	const struct controller_config *config = &controller->config;
	uint64_t now = loop_now_ns();
	int ret;

	for (size_t i = 0; i < config->group_count; i++) {
		struct derive_interface *interface = &generation->interfaces[i];

		group_nodes_set(config->groups[i], interface, generation->set);
		if (group_vips_set(config->groups[i], now, interface) < 0)
			continue;
		ret = hostnet_vips_set(config->hostnet, i, config->kernel_ports[i],
				       interface->addresses, interface->count);
		if (ret < 0)
			log_error("cannot give the kernel the VIPs of %s: %s",
				  config->kernel_ports[i], strerror(-ret));
	}
	ret = health_targets_set(controller->health, generation->targets, generation->target_count);
	if (ret < 0)
		log_error("cannot set %zu health targets: %s", generation->target_count,
			  strerror(-ret));
	keeper_allocations_set(config->keeper, generation->previous, generation->previous_count);
}

int controller_apply(struct controller *controller, struct generation *generation)
{
	struct generation *former = controller->generation;
	const char *node = controller->config.config->node;
	int ret = names_learn(controller, generation->set);

	if (ret < 0) {
		snprintf(controller->failure, sizeof(controller->failure),
			 "names of nodes clash or are too many");
		reload_failed(controller, controller->failure);
		generation_free(generation);
		return ret;
	}
	notes_log(generation, former);
	if (!generation_has_node(generation, node) &&
	    (former == NULL || generation_has_node(former, node)))
		log_warning("no Node %s in the source: this node will hold no VIP", node);
	controller->generation = generation;
	carry(controller, generation);
	health_tell(controller, NULL);
	generation_free(former);
	controller->view.loaded_s = wall_s();
	controller->view.failure = NULL;
	log_info("source: %zu services have %zu VIPs on %zu nodes",
		 generation->allocations->service_count, generation->allocations->vip_count,
		 generation->set->node_count);
	return 0;
}

void controller_turn(struct controller *controller, uint64_t now_ns)
{
	if (controller->view.ready || controller->generation == NULL)
		return;
	if (!health_known(controller->health) && now_ns - controller->started_ns < READY_TIMEOUT_NS)
		return;
	controller->view.ready = true;
	for (size_t i = 0; i < controller->config.group_count; i++)
		group_ready(controller->config.groups[i], now_ns);
}

/* ---- life ---- */

struct controller *controller_create(const struct controller_config *config, uint64_t now_ns)
{
	struct controller *controller = calloc(1, sizeof(*controller));
	struct job *job;

	if (controller == NULL)
		return NULL;
	controller->config = *config;
	controller->started_ns = now_ns;
	job = &controller->job;
	job->config = config->config;
	job->done_fd = -1;
	controller->source = strdup(config->config->source_file);
	if (controller->source == NULL)
		goto fail;
	job->done_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (job->done_fd < 0)
		goto fail;
	job->done =
		event_new(config->base, job->done_fd, EV_READ | EV_PERSIST, on_done, controller);
	job->soon = evtimer_new(config->base, on_soon, controller);
	controller->health = health_create(config->base, on_health, controller);
	if (job->done == NULL || event_add(job->done, NULL) < 0 || job->soon == NULL ||
	    controller->health == NULL)
		goto fail;
	return controller;
fail:
	controller_free(controller);
	errno = ENOMEM;
	return NULL;
}

void controller_free(struct controller *controller)
{
	struct job *job;

	if (controller == NULL)
		return;
	job = &controller->job;
	if (job->runs) {
		pthread_join(job->thread, NULL);
		generation_free(job->result);
	}
	if (job->done != NULL)
		event_free(job->done);
	if (job->soon != NULL)
		event_free(job->soon);
	if (job->done_fd >= 0)
		close(job->done_fd);
	health_free(controller->health);
	generation_free(controller->generation);
	free(job->source);
	free(controller->source);
	free(controller);
}

const char *controller_source(const struct controller *controller)
{
	return controller->source;
}

const struct generation *controller_generation(const struct controller *controller)
{
	return controller->generation;
}

void controller_view(const struct controller *controller, struct controller_view *view)
{
	*view = controller->view;
}
