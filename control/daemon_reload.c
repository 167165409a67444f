/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration and the source: read at start, on SIGHUP and on change. */
#include "daemon_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

#include "controller.h"
#include "group.h"
#include "log.h"
#include "loop.h"
#include "source_file.h"

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

int daemon_config_read(const char *path, struct config **out)
{
	struct problems problems = {0};

	*out = config_load(path, &problems);
	if (*out != NULL)
		log_init((*out)->log_level, (*out)->log_json);
	config_problems_log(&problems);
	problems_fini(&problems);
	return *out != NULL ? EXIT_DONE : EXIT_USAGE;
}

static void on_source_change(evutil_socket_t fd, short what, void *arg)
{
	const struct daemon *daemon = arg;

	(void)fd;
	(void)what;
	if (source_file_changed(daemon->watch))
		controller_reload(daemon->controller);
}

void daemon_source_watch(struct daemon *daemon)
{
	const char *path = controller_source(daemon->controller);

	if (daemon->changes != NULL)
		event_free(daemon->changes);
	source_file_unwatch(daemon->watch);
	daemon->changes = NULL;
	daemon->watch = source_file_watch(path);
	if (daemon->watch != NULL)
		daemon->changes = daemon_watch_fd(daemon, source_file_watch_fd(daemon->watch),
						  on_source_change);
	if (daemon->changes == NULL)
		log_warning("cannot watch %s: %s; SIGHUP reads it again", path, strerror(errno));
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
		int ret = group_keys_set(daemon->groups[i], loop_now_ns(), loaded->keys,
					 loaded->key_count);

		if (ret < 0)
			log_error("reload: the former keys are kept: %s", strerror(-ret));
	}
	if (loaded->source_file != NULL &&
	    strcmp(loaded->source_file, controller_source(daemon->controller)) != 0) {
		if (controller_source_set(daemon->controller, loaded->source_file) < 0)
			log_error("reload: no memory for the new source");
		daemon_source_watch(daemon);
	}
	config_free(daemon->loaded);
	daemon->loaded = loaded;
	daemon->config_failure[0] = '\0';
	daemon->config_loaded_s = (int64_t)time(NULL);
}

void daemon_reload(struct daemon *daemon)
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
