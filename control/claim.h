/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A NIC that a kernel driver still drives below AF_XDP or AF_PACKET: made silent, so that after our
 * death the kernel answers for nothing on it (design §9), and put back at a clean stop. While it is
 * claimed it has arp off, IPv6 disabled, no addresses and no routes.
 */
#ifndef CONTROL_CLAIM_H
#define CONTROL_CLAIM_H

#include <net/if.h>
#include <stdbool.h>

#include "netlink.h"
#include "nftables.h"
#include "saved.h"
#include "sysctl.h"

struct claim {
	char netdev[IFNAMSIZ];	/* the name that it was claimed by */
	char current[IFNAMSIZ]; /* its name now */
	unsigned int ifindex;	/* 0: gone */
	int lock_fd;		/* held until claim_fini(); −1: it is not ours */
	bool up, warned;
	bool before_arp, before_up;
	uint64_t before_ns;	       /* CLOCK_BOOTTIME of the lists, for lifetimes */
	struct netlink_list addresses; /* RTM_NEWADDR messages as they were dumped */
	struct netlink_list routes;    /* RTM_NEWROUTE, those of the kernel's own making left out */
};

/*
 * Claims a netdev. What it was before is read from `saved` when a killed predecessor had claimed
 * it, from the kernel otherwise, and is saved before anything is changed. 0 or −errno, logged, and
 * -EBUSY when a living vipgate has it; after an error claim_undo() may be called, and what was done
 * is undone by it.
 */
int claim_init(struct claim *claim, struct netlink *netlink, struct sysctls *sysctls,
	       struct saved *saved, const char *netdev);

/* Claims again what somebody changed meanwhile; logged. */
void claim_repair(struct claim *claim, struct netlink *netlink);

/* Puts back what was before, as far as the netdev still exists. */
void claim_undo(struct claim *claim, struct netlink *netlink, struct sysctls *sysctls,
		struct saved *saved);
void claim_fini(struct claim *claim);

/* Gives back what a killed predecessor claimed and `claims`, which are all of this process, do not.
 */
void claim_undo_abandoned(const struct claim *claims, size_t count, struct netlink *netlink,
			  struct sysctls *sysctls, struct saved *saved);

/*
 * What the kernel gets of a claimed NIC: nothing. AF_PACKET hands it a copy of every frame, past
 * the worker's filter, and so does a stale XDP program after a SIGKILL, for as long as VIPs are on
 * lo. Writes the table of all claims; without claims: removes it.
 */
void claim_ingress_write(const struct claim *claims, size_t count, struct nftables_table *table);

/* claim_lock.c: a descriptor to hold, -EBUSY when a living process holds it, or another −errno. */
int claim_lock(unsigned int ifindex);

/* claim_saved.c. Load: what was before a killed predecessor claimed it, false when none did. */
bool claim_load(struct claim *claim, const struct saved *saved, unsigned int ifindex,
		unsigned int flags);
int claim_save(const struct claim *claim, struct saved *saved); /* 0 or −errno */
void claim_forget(const struct claim *claim, struct saved *saved);
/* The next netdev from *at on that is saved as claimed. False: no more. */
bool claim_saved_next(const struct saved *saved, size_t *at, char netdev[IFNAMSIZ]);

#endif
