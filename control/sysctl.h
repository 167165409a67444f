/* SPDX-License-Identifier: BSD-3-Clause */
/* Sysctls that vipgate sets, with what they were before. */
#ifndef CONTROL_SYSCTL_H
#define CONTROL_SYSCTL_H

#include <stddef.h>

#include "saved.h"

#define SYSCTL_PATH_MAX	 128
#define SYSCTL_VALUE_MAX 32

struct sysctl {
	char path[SYSCTL_PATH_MAX]; /* below /proc/sys, such as net/ipv4/conf/vip0/rp_filter */
	char before[SYSCTL_VALUE_MAX], wanted[SYSCTL_VALUE_MAX];
};

struct sysctls {
	struct saved *saved; /* where `before` is kept beyond this process */
	struct sysctl *list;
	size_t count;
};

void sysctls_init(struct sysctls *sysctls, struct saved *saved);

/* Reads a sysctl, without the final newline. 0 or −errno. */
int sysctl_read(const char *path, char value[SYSCTL_VALUE_MAX]);

/*
 * Sets one and remembers what it was: before a killed predecessor set it, when that is known. One
 * that is right already is not written. 0 or −errno, not logged. The caller commits `saved`.
 */
int sysctl_set(struct sysctls *sysctls, const char *path, const char *value);

/* Sets again what somebody changed meanwhile; logged. Returns how many. */
size_t sysctls_repair(struct sysctls *sysctls);

/*
 * Puts back those whose path begins with prefix ("" = all), last one first, unless somebody else
 * changed them meanwhile, and forgets them.
 */
void sysctls_undo(struct sysctls *sysctls, const char *prefix);
void sysctls_fini(struct sysctls *sysctls);

#endif
