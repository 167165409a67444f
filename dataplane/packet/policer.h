/* SPDX-License-Identifier: BSD-3-Clause */
/* A token bucket: at most `burst` at once and `rate` a second. */
#ifndef PACKET_POLICER_H
#define PACKET_POLICER_H

#include <stdbool.h>
#include <stdint.h>

struct policer {
	uint64_t filled_ns; /* up to when tokens were added */
	uint32_t rate;	    /* tokens a second */
	uint32_t burst;
	uint64_t tokens_ns; /* tokens, each worth 1e9 / rate ns */
};

static inline void policer_init(struct policer *policer, uint32_t rate, uint32_t burst)
{
	*policer = (struct policer){.rate = rate, .burst = burst};
}

/* Takes one token. False: the budget is used up. A fresh bucket is full. */
static inline bool policer_take(struct policer *policer, uint64_t now_ns)
{
	uint64_t token_ns = UINT64_C(1000000000) / policer->rate;
	uint64_t full_ns = token_ns * policer->burst;

	if (now_ns > policer->filled_ns) {
		uint64_t gained_ns = now_ns - policer->filled_ns;

		policer->tokens_ns = gained_ns > full_ns - policer->tokens_ns
					     ? full_ns
					     : policer->tokens_ns + gained_ns;
		policer->filled_ns = now_ns;
	}
	if (policer->tokens_ns < token_ns)
		return false;
	policer->tokens_ns -= token_ns;
	return true;
}

#endif
