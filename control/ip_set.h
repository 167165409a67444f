/* SPDX-License-Identifier: BSD-3-Clause */
/* A sorted set of addresses. */
#ifndef CONTROL_IP_SET_H
#define CONTROL_IP_SET_H

#include <stdbool.h>
#include <stddef.h>

#include "packet/ip.h"

/* Zero-initialised is empty. */
struct ip_set {
	struct ip *list; /* ascending, each once */
	size_t count, capacity;
};

bool ip_set_has(const struct ip_set *set, const struct ip *ip);
int ip_set_add(struct ip_set *set, const struct ip *ip); /* 0 or -ENOMEM */
void ip_set_remove(struct ip_set *set, const struct ip *ip);
/* Adds many, in any order, with doubles or without. 0, or -ENOMEM and nothing was added. */
int ip_set_add_all(struct ip_set *set, const struct ip *list, size_t count);
void ip_set_fini(struct ip_set *set);

#endif
