/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a node remembers between two runs, in state_dir: which VIPs its Services had, the epoch
 * below which it must not claim, and how its last runs ended. Never a claim (design §8).
 */
#ifndef CONTROL_STATE_FILE_H
#define CONTROL_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ipam.h"
#include "packet/ip.h"

/* A crash, fence or restart without drain counts for this long (design §8, `hold`). */
#define STATE_INCIDENT_WINDOW_MS (INT64_C(30) * 60 * 1000)
/* `hold` doubles with each of them up to this. */
#define STATE_HOLD_MAX_NS (UINT64_C(30) * 60 * 1000000000)

/* The largest epoch seen for a VIP. */
struct state_epoch {
	struct ip vip;
	uint64_t epoch;
};

/* What is remembered of one group. */
struct state_group {
	char *name;
	bool clean;	    /* the last run left by LEAVING; false while one is under way */
	int64_t *incidents; /* wall clock, ms since 1970, oldest first */
	size_t incident_count;
	struct state_epoch *epochs; /* sorted by address */
	size_t epoch_count, epoch_capacity;
};

/* Zero-initialised is empty. Owns everything that it points to. */
struct state {
	struct ipam_previous *allocations; /* as ipam_run() takes them */
	size_t allocation_count;
	struct state_group *groups; /* sorted by name */
	size_t group_count;
};
void state_fini(struct state *state); /* empty again */

/* Replaces the allocations by a copy of a list. 0 or -ENOMEM, which leaves the old ones. */
int state_allocations_set(struct state *state, const struct ipam_previous *list, size_t count);

/* What is remembered of a group, or NULL. */
const struct state_group *state_group_find(const struct state *state, const char *group);

/*
 * A run of a group begins: if the last one did not leave cleanly, that is an incident. Clears the
 * clean mark, so save before the first claim. now_ms: wall clock. 0 or -ENOMEM.
 */
int state_group_begin(struct state *state, const char *group, int64_t now_ms);
/* The node fenced itself: an incident. 0 or -ENOMEM. */
int state_group_incident(struct state *state, const char *group, int64_t now_ms);
/* The run ended by LEAVING: the next begin is no incident. 0 or -ENOMEM. */
int state_group_leave(struct state *state, const char *group);

/* `hold` after doubling once for each incident of the last 30 min. */
uint64_t state_hold_ns(const struct state *state, const char *group, int64_t now_ms,
		       uint64_t hold_ns);

/*
 * Raises a VIP's epoch floor; a lower one than known changes nothing. Returns 1 when it rose (the
 * file is stale now), 0 when it did not, or -ENOMEM.
 */
int state_epoch_raise(struct state *state, const char *group, const struct ip *vip, uint64_t epoch);

/* The files in state_dir; each is written whole and stands alone, so that one bad file costs
 * little.
 */
enum state_file {
	STATE_ALLOCATIONS, /* "allocations" */
	STATE_ELECTION,	   /* "election": groups and epochs */
	STATE_FILES,
};
const char *state_file_name(enum state_file file);

/*
 * Reads both files from dir into state, which must be empty. A missing file is no error: the first
 * run. A file that cannot be used (unreadable, damaged, of a newer version) is kept aside as
 * NAME.bad, and what the other holds is still loaded. Damage to "election" leaves nothing of it.
 * message: what went wrong and where, several joined by "; ", "" when nothing did.
 * Returns 0, -ENOMEM, or -EBADMSG when a file was kept aside; the state is usable after all of
 * them.
 */
int state_load(const char *dir, struct state *state, char *message, size_t len);

/*
 * Writes one file: temporary file, fsync, rename, fsync of dir, which is made when missing. Blocks
 * on the disk. Returns 0 or −errno; the old file is whole after an error. To keep fsync off the
 * event loop use state_encode() there and state_write() in another thread, one at a time per file.
 */
int state_save(const char *dir, const struct state *state, enum state_file file);
int state_write(const char *dir, enum state_file file, const char *text, size_t len);

/*
 * The text of one file, malloc'ed, NUL-terminated, its last line the SHA-256 of all before. First
 * line: "vipgate-state VERSION NAME"; then one record a line. A reader skips records and fields at
 * the end of a line that it does not know; only what breaks this raises the version. 0 or -ENOMEM.
 */
int state_encode(const struct state *state, enum state_file file, char **text, size_t *len);

/*
 * Reads what state_encode() wrote into state, beside what is there of other files. message: "line
 * N: found X, expected Y". Returns 0, -EBADMSG (state holds nothing of this file), or -ENOMEM.
 */
int state_decode(struct state *state, enum state_file file, const char *text, size_t len,
		 char *message, size_t message_len);

/* Writes the last line for len bytes of text into line, of 73 bytes (tests and fuzzing). */
void state_seal(const char *text, size_t len, char *line);

#endif
