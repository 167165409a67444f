/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of the terminal: those that ask the daemon, and check. */
#ifndef CONTROL_CLI_H
#define CONTROL_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#define CLI_SOCKET "/run/vipgate/vipgate.sock"
#define CLI_CONFIG "/etc/vipgate/vipgate.yaml"

/* status, vips, peers, stats, explain: asks, prints. argument: of explain, else NULL. Returns an
 * exit code. */
int cli_show(const char *socket, const char *command, const char *argument, bool json);

/* Drains and waits up to wait_s for the last VIP to be gone; or ends a drain. */
int cli_drain(const char *socket, unsigned int wait_s);
int cli_undrain(const char *socket);

/* Every problem of the configuration and of a file source, and the latter's plan. */
int cli_check(const char *config_path);

/* Prints a document as columns; false when command has no such form. (cli_print.c) */
bool cli_print(const char *command, const json_t *document, FILE *out);

#endif
