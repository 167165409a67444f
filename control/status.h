/* SPDX-License-Identifier: BSD-3-Clause */
/* What the daemon says of itself as JSON (design §5), for the socket and the web page alike. */
#ifndef CONTROL_STATUS_H
#define CONTROL_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct daemon;
struct ipam_vip;

/* Each returns a new reference, or NULL without memory. */
json_t *status_status(const struct daemon *daemon);
json_t *status_vips(const struct daemon *daemon);
json_t *status_peers(const struct daemon *daemon);
json_t *status_stats(const struct daemon *daemon);

/* Of a VIP, or of every VIP of a Service "ns/name". {"error": …} when there is no such thing.
 * (status_explain.c) */
json_t *status_explain(const struct daemon *daemon, const char *what);

/* What is wrong now and what to do, as an array of {text, advice}. (status_problems.c) */
json_t *status_problems(const struct daemon *daemon);

/* Whether the node should get traffic; else *reason says why not (static). */
bool status_ready(const struct daemon *daemon, const char **reason);

/* VIPs by state as in status_vips(). */
struct status_vip_count {
	size_t owned, peer, draining, none;
};
void status_vip_count(const struct daemon *daemon, size_t interface,
		      struct status_vip_count *count);

/* Parts of documents: one VIP's entry, a node's name (null for nobody), and times. */
json_t *status_vip(const struct daemon *daemon, size_t interface, const struct ipam_vip *vip);
json_t *status_node(const struct daemon *daemon, uint32_t id);
json_t *status_time(uint64_t at_ns);  /* CLOCK_MONOTONIC; null for 0 */
json_t *status_wall(int64_t seconds); /* since 1970; null for 0 */

/* "lost", "fenced", or the name of the state that a peer states. */
struct election_peer_view;
const char *status_peer_state(const struct election_peer_view *peer);

#endif
