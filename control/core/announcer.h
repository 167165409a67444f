/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When each held VIP is announced: a schedule without clock or socket (design §9 "Announcing"). A
 * VIP is due 0, 20, 100, 400 ms, 1.1, 2.2 and 5 s after its start, then every 60 s; the first
 * round goes at up to 10,000 VIPs a second, the later ones at 1,000.
 */
#ifndef CORE_ANNOUNCER_H
#define CORE_ANNOUNCER_H

#include <stddef.h>
#include <stdint.h>

#include "packet/ip.h"

struct announcer;

struct announcer *announcer_create(void); /* NULL and ENOMEM */
void announcer_free(struct announcer *announcer);

/* Starts vip's schedule at now_ns, anew when it has one already. Returns 0 or -ENOMEM. */
int announcer_start(struct announcer *announcer, const struct ip *vip, uint64_t now_ns);

/* Ends vip's schedule; nothing happens when it has none. */
void announcer_stop(struct announcer *announcer, const struct ip *vip);

/* Starts every schedule anew: the link came back, or a partition healed. */
void announcer_restart_all(struct announcer *announcer, uint64_t now_ns);

/*
 * Calls announce for each VIP that is due at now_ns and that the rates allow now, in the order of
 * their due times. The callback must not call the announcer. Returns how many there were.
 */
size_t announcer_run(struct announcer *announcer, uint64_t now_ns,
		     void (*announce)(void *arg, const struct ip *vip), void *arg);

/*
 * When announcer_run() has something to do next: now_ns or later; UINT64_MAX when it holds no VIP.
 */
uint64_t announcer_next(const struct announcer *announcer, uint64_t now_ns);

#endif
