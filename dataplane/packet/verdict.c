/* SPDX-License-Identifier: BSD-3-Clause */
/* The texts of drop reasons. */
#include "packet/verdict.h"

const char *drop_reason_name(enum drop_reason reason)
{
	static const char *const names[] = {
#define X(name, text) [DROP_##name] = text,
		DROP_REASONS(X)
#undef X
	};

	return names[reason];
}
