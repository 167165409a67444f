/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs the election of a whole group in virtual time, seed by seed, and judges the guarantees. */
#include "sim.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Seeds that once failed, with the election as it was or with a guarantee that asked for too much.
 * A seed stands for its schedule only as long as fault.c draws as it did then.
 */
static const uint64_t kept[] = {99, 136, 143, 190, 474, 1329};

struct job {
	uint64_t first, last, step;
	bool keep_going;
};

static void report(uint64_t seed, const char *failure)
{
	printf("seed %" PRIu64 " failed at %s\n", seed, failure);
	fflush(stdout);
}

/* Returns how many seeds failed; without keep_going the first ends it, after telling all of it. */
static uint64_t run_seeds(const struct job *job, struct sim_options options)
{
	char failure[SIM_FAILURE];
	uint64_t failed = 0;

	for (uint64_t seed = job->first; seed <= job->last; seed += job->step) {
		if (sim_run(seed, &options, failure))
			continue;
		failed++;
		report(seed, failure);
		if (job->keep_going)
			continue;
		if (!options.quiet && !options.trace) {
			options.trace = true;
			sim_run(seed, &options, failure);
		}
		break;
	}
	return failed;
}

/* Every process takes every jobs-th seed. Returns how many of them saw a seed fail. */
static uint64_t run_jobs(const struct job *all, unsigned int jobs,
			 const struct sim_options *options)
{
	uint64_t failed = 0;
	int status;

	fflush(stdout);
	for (unsigned int i = 0; i < jobs; i++) {
		struct job job = *all;
		pid_t child;

		job.first += i;
		job.step = jobs;
		child = fork();
		if (child == 0)
			exit(run_seeds(&job, *options) > 0 ? 1 : 0);
		if (child < 0)
			failed += run_seeds(&job, *options) > 0;
	}
	while (wait(&status) > 0)
		failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	return failed;
}

static uint64_t run_kept(const struct sim_options *options)
{
	uint64_t failed = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		const struct job job = {kept[i], kept[i], 1, false};

		failed += run_seeds(&job, *options);
	}
	return failed;
}

static int usage(void)
{
	fprintf(stderr, "usage: sim [--seed N | --seeds A..B | --kept] [--jobs N] [--nodes N] "
			"[--vips N] [--faults crash,...] [--trace] [--keep-going] [--quiet]\n"
			"       sim_rules [--rule NAME] [--seeds A..B [--nodes N] [--faults ...]]\n"
			"       sim_rules --rule NAME --seed N --trace\n");
	return 2;
}

static bool parse(const char *text, const char *after, uint64_t *value, const char **end)
{
	char *stop;

	errno = 0;
	*value = strtoull(text, &stop, 10);
	*end = stop;
	return errno == 0 && stop != text && strncmp(stop, after, strlen(after)) == 0;
}

struct arguments {
	struct sim_options options;
	uint64_t first, last;
	unsigned int jobs;
	bool kept, keep_going;
	const char *rule;
};

static bool take_number(struct arguments *arguments, int option, const char *text)
{
	uint64_t value;
	const char *end;

	if (option == 'r')
		return parse(text, "..", &arguments->first, &end) &&
		       parse(end + 2, "", &arguments->last, &end) && *end == '\0' &&
		       arguments->first > 0;
	if (!parse(text, "", &value, &end) || *end != '\0' || value == 0)
		return false;
	if (option == 's')
		arguments->first = arguments->last = value;
	else if (option == 'n' && value <= SIM_NODES)
		arguments->options.nodes = (unsigned int)value;
	else if (option == 'v' && value <= SIM_VIPS)
		arguments->options.vips = (unsigned int)value;
	else if (option == 'j' && value <= 64)
		arguments->jobs = (unsigned int)value;
	else
		return false;
	return true;
}

static bool take(struct arguments *arguments, int option, const char *text)
{
	switch (option) {
	case 't':
		return arguments->options.trace = true;
	case 'q':
		return arguments->options.quiet = true;
	case 'k':
		return arguments->keep_going = true;
	case 'K':
		return arguments->kept = true;
	case 'f':
		return fault_parse(text, &arguments->options.faults);
	case 'R':
		arguments->rule = text;
		return true;
	case '?':
		return false;
	default:
		return take_number(arguments, option, text);
	}
}

static int run_all(const struct arguments *arguments)
{
	const struct job job = {arguments->first != 0 ? arguments->first : 1,
				arguments->first != 0 ? arguments->last : 300, 1,
				arguments->keep_going};
	uint64_t failed;

	if (arguments->kept)
		failed = run_kept(&arguments->options);
	else if (arguments->jobs > 1)
		failed = run_jobs(&job, arguments->jobs, &arguments->options);
	else
		failed = run_seeds(&job, arguments->options);
	if (failed == 0)
		printf("all guarantees held in %" PRIu64 " schedules\n",
		       arguments->kept ? (uint64_t)(sizeof(kept) / sizeof(kept[0]))
				       : job.last - job.first + 1);
	else
		printf("replay: sim --seed N --trace\n");
	return failed > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {
		{"seed", required_argument, NULL, 's'},	  {"seeds", required_argument, NULL, 'r'},
		{"trace", no_argument, NULL, 't'},	  {"nodes", required_argument, NULL, 'n'},
		{"vips", required_argument, NULL, 'v'},	  {"keep-going", no_argument, NULL, 'k'},
		{"quiet", no_argument, NULL, 'q'},	  {"jobs", required_argument, NULL, 'j'},
		{"kept", no_argument, NULL, 'K'},	  {"rule", required_argument, NULL, 'R'},
		{"faults", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0},
	};
	struct arguments arguments = {0};
	int option;

	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		if (!take(&arguments, option, optarg))
			return usage();
	if (optind < argc)
		return usage();
#ifdef ELECTION_MUTANTS
	if (!arguments.options.trace)
		return rules_check(arguments.rule, arguments.first, arguments.last,
				   &arguments.options);
	if (!rules_leave_out(arguments.rule))
		return usage();
#else
	if (arguments.rule != NULL)
		return usage();
#endif
	return run_all(&arguments);
}
