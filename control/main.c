/* SPDX-License-Identifier: BSD-3-Clause */
/* vipgate: finds the command, reads its options, runs it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "daemon.h"

struct options {
	const char *command;
	const char *config, *socket;
	const char *argument;
	unsigned int wait_s;
	bool json;
};

static int run(const struct options *options)
{
	return daemon_run(options->config);
}

static int check(const struct options *options)
{
	return cli_check(options->config);
}

static int show(const struct options *options)
{
	return cli_show(options->socket, options->command, options->argument, options->json);
}

static int drain(const struct options *options)
{
	return cli_drain(options->socket, options->wait_s);
}

static int undrain(const struct options *options)
{
	return cli_undrain(options->socket);
}

/* letters: the options that a command takes: c --config, s --socket, j --json, w --wait. */
static const struct command {
	const char *name, *letters;
	bool argument;
	int (*call)(const struct options *options);
	const char *usage, *help;
} commands[] = {
	{"run", "c", false, run, "run [--config FILE]", "run the gateway"},
	{"check", "c", false, check, "check [--config FILE]",
	 "check configuration and objects, print the plan"},
	{"status", "js", false, show, "status [--json] [--socket PATH]",
	 "this node, its interfaces, what is wrong and what to do"},
	{"vips", "js", false, show, "vips [--json] [--socket PATH]", "who holds which VIP"},
	{"peers", "js", false, show, "peers [--json] [--socket PATH]", "the other nodes"},
	{"stats", "js", false, show, "stats [--json] [--socket PATH]", "packet counters"},
	{"explain", "js", true, show, "explain VIP|NAMESPACE/SERVICE [--json] [--socket PATH]",
	 "why a VIP is where it is"},
	{"drain", "sw", false, drain, "drain [--wait 30s] [--socket PATH]",
	 "move all VIPs to other nodes"},
	{"undrain", "s", false, undrain, "undrain [--socket PATH]", "take VIPs again"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	fputs("usage: vipgate COMMAND\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-54s %s\n", commands[i].usage, commands[i].help);
	fputs("\nexit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 no daemon at the "
	      "socket\n",
	      out);
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* Seconds: "30", "30s" or "5m". */
static int parse_wait(const char *text, unsigned int *seconds)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno != 0 || end == text || text[0] == '-' || number > 86400)
		return -EINVAL;
	if (strcmp(end, "m") == 0)
		number *= 60;
	else if (*end != '\0' && strcmp(end, "s") != 0)
		return -EINVAL;
	*seconds = (unsigned int)number;
	return 0;
}

static int parse(const struct command *command, int argc, char **argv, struct options *options)
{
	static const struct option names[] = {
		{"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},	  {"wait", required_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},	  {0},
	};
	int letter, found = 0;

	optind = 2; /* behind the command */
	while ((letter = getopt_long(argc, argv, "h", names, &found)) != -1) {
		if (letter == 'h') {
			printf("usage: vipgate %s\n%s\n", command->usage, command->help);
			exit(EXIT_DONE);
		}
		if (letter == '?')
			return -EINVAL;
		if (strchr(command->letters, letter) == NULL) {
			fprintf(stderr, "vipgate: %s has no option --%s\nusage: vipgate %s\n",
				command->name, names[found].name, command->usage);
			return -EINVAL;
		}
		if (letter == 'c')
			options->config = optarg;
		else if (letter == 's')
			options->socket = optarg;
		else if (letter == 'j')
			options->json = true;
		else if (parse_wait(optarg, &options->wait_s) < 0) {
			fprintf(stderr, "vipgate: --wait: found %s, expected a time like 30s\n",
				optarg);
			return -EINVAL;
		}
	}
	if (command->argument && optind < argc)
		options->argument = argv[optind++];
	if (optind < argc || (command->argument && options->argument == NULL)) {
		if (optind < argc)
			fprintf(stderr, "vipgate: found the argument %s, expected none\n",
				argv[optind]);
		fprintf(stderr, "usage: vipgate %s\n", command->usage);
		return -EINVAL;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options options = {
		.config = CLI_CONFIG,
		.socket = CLI_SOCKET,
		.wait_s = 30,
	};
	const struct command *command;

	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		usage(stdout);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("vipgate " VIPGATE_VERSION);
		return EXIT_DONE;
	}
	command = find(argv[1]);
	if (command == NULL) {
		fprintf(stderr, "vipgate: %s is no command\n", argv[1]);
		usage(stderr);
		return EXIT_USAGE;
	}
	options.command = command->name;
	if (parse(command, argc, argv, &options) < 0)
		return EXIT_USAGE;
	return command->call(&options);
}
