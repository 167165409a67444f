/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that talk to the daemon through its socket, and the exit codes they end with. */
#include "cli.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "daemon.h"
#include "loop.h"
#include "socket.h"

#define ASK_TIMEOUT_MS 10000
#define POLL_MS	       100

/* Asks; on failure says why on stderr and sets *code. */
static json_t *ask(const char *socket, const char *command, const char *argument, int *code)
{
	json_t *document = socket_ask(socket, command, argument, ASK_TIMEOUT_MS);
	const char *error;

	*code = EXIT_DONE;
	if (document == NULL) {
		bool nobody = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR;

		*code = nobody ? EXIT_NO_DAEMON : EXIT_FAILED;
		fprintf(stderr, "vipgate: %s: %s%s\n", socket, strerror(errno),
			nobody ? " (no daemon runs there)" : "");
		return NULL;
	}
	error = json_string_value(json_object_get(document, "error"));
	if (error != NULL) {
		fprintf(stderr, "vipgate: %s\n", error);
		*code = EXIT_FAILED;
		json_decref(document);
		return NULL;
	}
	return document;
}

int cli_show(const char *socket, const char *command, const char *argument, bool json)
{
	int code;
	json_t *document = ask(socket, command, argument, &code);

	if (document == NULL)
		return code;
	if (json)
		code = json_dumpf(document, stdout, JSON_INDENT(2)) == 0 ? EXIT_DONE : EXIT_FAILED;
	else
		code = cli_print(command, document, stdout) ? EXIT_DONE : EXIT_FAILED;
	if (json)
		putchar('\n');
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "vipgate: standard output: %s\n", strerror(errno));
		code = EXIT_FAILED;
	}
	json_decref(document);
	return code;
}

/* How many VIPs the daemon still answers for, or -1 and *code. */
static long owned(const char *socket, int *code)
{
	json_t *document = ask(socket, "status", NULL, code);
	const json_t *interface;
	long count = 0;
	size_t i;

	if (document == NULL)
		return -1;
	json_array_foreach(json_object_get(document, "interfaces"), i, interface) count +=
		(long)json_integer_value(json_object_get(interface, "owned"));
	json_decref(document);
	return count;
}

int cli_drain(const char *socket, unsigned int wait_s)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	uint64_t end = loop_now_ns() + wait_s * UINT64_C(1000000000);
	int code;
	long left;
	json_t *document = ask(socket, "drain", NULL, &code);

	if (document == NULL)
		return code;
	json_decref(document);
	left = owned(socket, &code);
	while (left > 0 && loop_now_ns() < end) {
		nanosleep(&pause, NULL);
		left = owned(socket, &code);
	}
	if (left > 0) {
		fprintf(stderr,
			"vipgate: %ld VIPs are still here after %u s: no other node took them\n",
			left, wait_s);
		return EXIT_FAILED;
	}
	if (left == 0)
		puts("drained: this node holds no VIP");
	return code;
}

int cli_undrain(const char *socket)
{
	int code;
	json_t *document = ask(socket, "undrain", NULL, &code);

	json_decref(document);
	return code;
}
