/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mutation check: leaves out one rule of the election after the other and expects that a kept
 * seed notices. A rule that no seed misses is a hole in the guarantees, or no rule.
 */
#include "core/election_internal.h"
#include "sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

unsigned int election_mutant;

/* For each rule a seed that fails without it, and holds with it. */
static const struct {
	const char *name;
	uint64_t seed;
	unsigned int nodes; /* 0: by the seed */
} rules[] = {
	[RULE_LEASE] = {"LEASE", 1},
	[RULE_CORROBORATION] = {"CORROBORATION", 1},
	[RULE_RENEWAL_WAIT] = {"RENEWAL_WAIT", 1},
	[RULE_MANAGEMENT] = {"MANAGEMENT", 1},
	[RULE_GATEWAY] = {"GATEWAY", 1},
	[RULE_RELAY] = {"RELAY", 1},
	[RULE_RANK] = {"RANK", 1},
	[RULE_QUARTER] = {"QUARTER", 1},
	[RULE_FENCE] = {"FENCE", 1},
	[RULE_CONFLICT] = {"CONFLICT", 1},
	[RULE_ANNOUNCE_AGAIN] = {"ANNOUNCE_AGAIN", 1},
	[RULE_PAUSE] = {"PAUSE", 1},
	[RULE_ABLE] = {"ABLE", 1},
	[RULE_ALONE] = {"ALONE", 1},
	[RULE_CLAIM_LIMIT] = {"CLAIM_LIMIT", 1},
	[RULE_UNLISTED] = {"UNLISTED", 1},
	[RULE_OFFER] = {"OFFER", 1},
	[RULE_OUTBID] = {"OUTBID", 1},
	[RULE_ROWS_REPEAT] = {"ROWS_REPEAT", 1},
	[RULE_OUTBID_WAIT] = {"OUTBID_WAIT", 1},
	[RULE_RETIRED_BOOT] = {"RETIRED_BOOT", 1},
	[RULE_WITHDRAW] = {"WITHDRAW", 1},
};
_Static_assert(sizeof(rules) / sizeof(rules[0]) == RULE_COUNT, "a rule without a seed");

/* The first seed in the range that fails without the rule; 0 none. */
static uint64_t search(unsigned int rule, uint64_t first, uint64_t last, unsigned int nodes)
{
	const struct sim_options options = {.quiet = true, .nodes = nodes};
	char failure[SIM_FAILURE];
	bool held = true;

	election_mutant = rule;
	for (; first <= last && held; first++)
		held = sim_run(first, &options, failure);
	election_mutant = 0;
	if (held)
		printf("without %s: not noticed\n", rules[rule].name);
	else
		printf("without %s: seed %" PRIu64 ": %s\n", rules[rule].name, first - 1, failure);
	fflush(stdout);
	return held ? 0 : first - 1;
}

int rules_check(const char *only, uint64_t first, uint64_t last, unsigned int nodes)
{
	unsigned int unnoticed = 0;

	for (unsigned int rule = 1; rule < RULE_COUNT; rule++) {
		if (only != NULL && strcmp(only, rules[rule].name) != 0)
			continue;
		if (search(rule, first != 0 ? first : rules[rule].seed,
			   first != 0 ? last : rules[rule].seed,
			   first != 0 ? nodes : rules[rule].nodes) == 0)
			unnoticed++;
	}
	printf("%u rules can be left out unnoticed\n", unnoticed);
	return unnoticed > 0 ? 1 : 0;
}

bool rules_leave_out(const char *name)
{
	for (unsigned int rule = 1; rule < RULE_COUNT && name != NULL; rule++)
		if (strcmp(name, rules[rule].name) == 0)
			election_mutant = rule;
	return election_mutant != 0;
}
