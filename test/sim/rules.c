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

#define BIT(fault) (UINT32_C(1) << FAULT_##fault)

/*
 * For each rule a schedule that fails without it, and holds with it. Seed 0: none is known yet;
 * that is said, and is a hole to close.
 */
static const struct {
	const char *name;
	uint64_t seed;
	struct sim_options options;
} rules[] = {
	[RULE_LEASE] = {"LEASE", 1, {0}},
	[RULE_CORROBORATION] = {"CORROBORATION",
				7,
				{.nodes = 3, .faults = BIT(CUT) | BIT(ONE_WAY)}},
	[RULE_RENEWAL_WAIT] = {"RENEWAL_WAIT", 439, {.nodes = 3}},
	[RULE_MANAGEMENT] = {"MANAGEMENT",
			     129,
			     {.nodes = 3, .faults = BIT(CUT) | BIT(PARTITION) | BIT(ONE_WAY)}},
	[RULE_GATEWAY] = {"GATEWAY", 2, {.nodes = 2, .faults = BIT(CRASH) | BIT(PARTITION)}},
	[RULE_RELAY] = {"RELAY", 5, {.nodes = 3, .faults = BIT(CUT) | BIT(ONE_WAY)}},
	[RULE_RANK] = {"RANK", 437, {.nodes = 3}},
	[RULE_QUARTER] = {"QUARTER", 6, {0}},
	[RULE_FENCE] = {"FENCE", 192, {.nodes = 3}},
	[RULE_CONFLICT] = {"CONFLICT", 1, {.nodes = 2, .faults = BIT(PARTITION)}},
	[RULE_ANNOUNCE_AGAIN] = {"ANNOUNCE_AGAIN", 0, {0}},
	[RULE_PAUSE] = {"PAUSE", 0, {0}},
	[RULE_ABLE] = {"ABLE",
		       16,
		       {.nodes = 2, .faults = BIT(PAUSE_CONTROL) | BIT(PAUSE) | BIT(PLAN)}},
	[RULE_ALONE] = {"ALONE", 8, {0}},
	[RULE_CLAIM_LIMIT] = {"CLAIM_LIMIT",
			      23,
			      {.nodes = 5, .faults = BIT(CUT) | BIT(ONE_WAY) | BIT(PARTITION)}},
	[RULE_UNLISTED] = {"UNLISTED",
			   261,
			   {.nodes = 3,
			    .faults =
				    BIT(UNLIST) | BIT(CRASH) | BIT(CUT) | BIT(PAUSE) | BIT(PLAN)}},
	[RULE_OFFER] = {"OFFER", 1, {.nodes = 3, .faults = BIT(DRAIN)}},
	[RULE_OUTBID] = {"OUTBID", 298, {.nodes = 3}},
	[RULE_ROWS_REPEAT] = {"ROWS_REPEAT",
			      207,
			      {.nodes = 4,
			       .faults = BIT(LOSS) | BIT(PARTITION) | BIT(CRASH) | BIT(HEALTH)}},
	[RULE_OUTBID_WAIT] = {"OUTBID_WAIT", 12, {.nodes = 5, .faults = BIT(PARTITION)}},
	[RULE_RETIRED_BOOT] = {"RETIRED_BOOT",
			       395,
			       {.nodes = 3, .faults = BIT(CRASH) | BIT(PAUSE_WORKER)}},
	[RULE_WITHDRAW] = {"WITHDRAW", 7, {.nodes = 3}},
};
_Static_assert(sizeof(rules) / sizeof(rules[0]) == RULE_COUNT, "a rule without a seed");

/* Whether a seed of the range fails without the rule, and not with it. */
static bool search(unsigned int rule, uint64_t first, uint64_t last,
		   const struct sim_options *options)
{
	char failure[SIM_FAILURE];
	bool held = true;

	election_mutant = rule;
	for (; first <= last && held; first++)
		held = sim_run(first, options, failure);
	if (held)
		printf("without %s: not noticed\n", rules[rule].name);
	else
		printf("without %s: seed %" PRIu64 ": %s\n", rules[rule].name, first - 1, failure);
	election_mutant = 0;
	if (!held && !sim_run(first - 1, options, failure)) {
		printf("with %s: seed %" PRIu64 ": %s\n", rules[rule].name, first - 1, failure);
		held = true; /* the seed shows nothing about the rule */
	}
	fflush(stdout);
	return !held;
}

int rules_check(const char *only, uint64_t first, uint64_t last, const struct sim_options *options)
{
	unsigned int unnoticed = 0, holes = 0;

	for (unsigned int rule = 1; rule < RULE_COUNT; rule++) {
		if (only != NULL && strcmp(only, rules[rule].name) != 0)
			continue;
		if (first == 0 && rules[rule].seed == 0) {
			printf("without %s: no seed is kept\n", rules[rule].name);
			holes++;
			continue;
		}
		if (first != 0 ? !search(rule, first, last, options)
			       : !search(rule, rules[rule].seed, rules[rule].seed,
					 &rules[rule].options))
			unnoticed++;
	}
	printf("%u rules can be left out unnoticed, %u have no seed\n", unnoticed, holes);
	return unnoticed > 0 ? 1 : 0;
}

bool rules_leave_out(const char *name)
{
	for (unsigned int rule = 1; rule < RULE_COUNT && name != NULL; rule++)
		if (strcmp(name, rules[rule].name) == 0)
			election_mutant = rule;
	return election_mutant != 0;
}
