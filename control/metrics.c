/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes every counter with its HELP and TYPE, one family after another. */
#include "metrics.h"

#include <inttypes.h>

#include "controller.h"
#include "daemon.h"
#include "group.h"
#include "keeper.h"
#include "loop.h"
#include "status.h"

#define NODE_STATES (NODE_LEAVING + 1)

struct page {
	const struct daemon *daemon;
	FILE *out;
	struct dataplane_counters counters[DATAPLANE_MAX_INTERFACES];
	struct group_counters groups[DATAPLANE_MAX_INTERFACES];
	struct auth_counters auth[DATAPLANE_MAX_INTERFACES];
};

void metrics_escape(const char *value, FILE *out)
{
	for (; *value != '\0'; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
}

static void family(struct page *page, const char *name, const char *type, const char *help)
{
	fprintf(page->out, "# HELP vipgate_%s %s\n# TYPE vipgate_%s %s\n", name, help, name, type);
}

/* One sample with up to two labels; a NULL name ends them. */
static void sample(struct page *page, const char *name, const char *label1, const char *value1,
		   const char *label2, const char *value2, uint64_t number)
{
	fprintf(page->out, "vipgate_%s", name);
	if (label1 != NULL) {
		fprintf(page->out, "{%s=\"", label1);
		metrics_escape(value1, page->out);
		if (label2 != NULL) {
			fprintf(page->out, "\",%s=\"", label2);
			metrics_escape(value2, page->out);
		}
		fputs("\"}", page->out);
	}
	fprintf(page->out, " %" PRIu64 "\n", number);
}

static const char *interface_name(const struct page *page, size_t i)
{
	return page->daemon->config->interfaces[i].name;
}

static const char *group_name(const struct page *page, size_t i)
{
	return page->daemon->config->interfaces[i].group;
}

/* ---- dataplane ---- */

/* A counter of every interface, found by its place in struct dataplane_counters. */
struct packet_family {
	const char *name, *help;
	size_t offset;
};
#define PACKET_FAMILY(NAME, FIELD, HELP)                                                           \
	{                                                                                          \
		.name = NAME, .help = HELP, .offset = offsetof(struct dataplane_counters, FIELD)   \
	}
static const struct packet_family packet_families[] = {
	PACKET_FAMILY("rx_packets_total", rx_packets, "Frames taken from the NIC."),
	PACKET_FAMILY("rx_bytes_total", rx_bytes, "Bytes taken from the NIC."),
	PACKET_FAMILY("tx_packets_total", tx_packets, "Frames given to the NIC."),
	PACKET_FAMILY("tx_bytes_total", tx_bytes, "Bytes given to the NIC."),
	PACKET_FAMILY("rx_missed_total", rx_missed, "Frames lost for want of descriptors."),
	PACKET_FAMILY("to_kernel_total", to_kernel, "Frames passed to the kernel port."),
	PACKET_FAMILY("from_kernel_total", from_kernel, "Frames taken from the kernel port."),
	PACKET_FAMILY("kernel_dropped_total", kernel_dropped, "Frames the kernel's port dropped."),
	PACKET_FAMILY("arp_answered_total", arp_answered, "ARP requests answered for VIPs."),
	PACKET_FAMILY("ndp_answered_total", ndp_answered, "Solicitations answered for VIPs."),
	PACKET_FAMILY("echo_answered_total", echo_answered, "Echo requests answered for VIPs."),
	PACKET_FAMILY("announcements_total", announced, "Announcements of VIPs sent."),
};

static void packets(struct page *page)
{
	for (size_t f = 0; f < sizeof(packet_families) / sizeof(packet_families[0]); f++) {
		const struct packet_family *one = &packet_families[f];

		family(page, one->name, "counter", one->help);
		for (size_t i = 0; i < page->daemon->group_count; i++)
			sample(page, one->name, "interface", interface_name(page, i), NULL, NULL,
			       *(const uint64_t *)((const char *)&page->counters[i] + one->offset));
	}
	family(page, "drops_total", "counter", "Frames dropped, by reason.");
	for (size_t i = 0; i < page->daemon->group_count; i++) {
		for (size_t r = 0; r < DROP_REASON_COUNT; r++)
			sample(page, "drops_total", "interface", interface_name(page, i), "reason",
			       drop_reason_name((enum drop_reason)r), page->counters[i].drops[r]);
	}
}

#define CPU_LEN 16

static const char *cpu_name(const struct dataplane_worker_info *worker, char *buf)
{
	snprintf(buf, CPU_LEN, "%u", worker->cpu);
	return buf;
}

static void machine(struct page *page)
{
	char cpu[CPU_LEN];
	struct dataplane_worker_info workers[DATAPLANE_MAX_WORKERS];
	size_t total, available;
	size_t count = dataplane_workers(page->daemon->dataplane, workers, DATAPLANE_MAX_WORKERS);

	dataplane_mbufs(page->daemon->dataplane, &total, &available);
	family(page, "mbufs", "gauge", "Packet buffers there are.");
	sample(page, "mbufs", NULL, NULL, NULL, NULL, total);
	family(page, "mbufs_free", "gauge", "Packet buffers free now.");
	sample(page, "mbufs_free", NULL, NULL, NULL, NULL, available);
	family(page, "worker_loops_total", "counter", "Turns of a worker's loop.");
	for (size_t i = 0; i < count; i++)
		sample(page, "worker_loops_total", "cpu", cpu_name(&workers[i], cpu), NULL, NULL,
		       workers[i].loops);
	family(page, "worker_busy_loops_total", "counter", "Turns that moved a packet.");
	for (size_t i = 0; i < count; i++)
		sample(page, "worker_busy_loops_total", "cpu", cpu_name(&workers[i], cpu), NULL,
		       NULL, workers[i].busy_loops);
	family(page, "worker_waits_total", "counter", "Times that an idle worker waited.");
	for (size_t i = 0; i < count; i++)
		sample(page, "worker_waits_total", "cpu", cpu_name(&workers[i], cpu), NULL, NULL,
		       workers[i].waits);
}

/* ---- peers and VIPs ---- */

/* A counter of every group, found by its place in struct group_counters. */
static void group_family(struct page *page, const char *name, const char *help, size_t offset)
{
	family(page, name, "counter", help);
	for (size_t i = 0; i < page->daemon->group_count; i++)
		sample(page, name, "group", group_name(page, i), NULL, NULL,
		       *(const uint64_t *)((const char *)&page->groups[i] + offset));
}

static void heartbeats(struct page *page)
{
	family(page, "heartbeats_sent_total", "counter", "Messages sent to peers, by path.");
	for (size_t i = 0; i < page->daemon->group_count; i++) {
		sample(page, "heartbeats_sent_total", "group", group_name(page, i), "path", "front",
		       page->counters[i].beats_sent);
		sample(page, "heartbeats_sent_total", "group", group_name(page, i), "path",
		       "management", page->groups[i].management_sent);
	}
	family(page, "heartbeats_heard_total", "counter", "Authentic messages of peers, by path.");
	for (size_t i = 0; i < page->daemon->group_count; i++) {
		sample(page, "heartbeats_heard_total", "group", group_name(page, i), "path",
		       "front", page->auth[i].heard[HEARTBEAT_FRONT]);
		sample(page, "heartbeats_heard_total", "group", group_name(page, i), "path",
		       "management", page->auth[i].heard[HEARTBEAT_MANAGEMENT]);
	}
	group_family(page, "management_send_failures_total",
		     "Datagrams of the management path that did not leave.",
		     offsetof(struct group_counters, management_failed));
	family(page, "management_strangers_total", "counter",
	       "Datagrams of the management path that are of no group here.");
	sample(page, "management_strangers_total", NULL, NULL, NULL, NULL,
	       page->daemon->mgmt_strangers);
	family(page, "heartbeats_rejected_total", "counter", "Messages not believed, by reason.");
	for (size_t i = 0; i < page->daemon->group_count; i++) {
		for (size_t r = 0; r < AUTH_REJECT_COUNT; r++)
			sample(page, "heartbeats_rejected_total", "group", group_name(page, i),
			       "reason", auth_reject_name((enum auth_reject)r),
			       page->auth[i].rejected[r]);
	}
}

struct peer_count {
	uint64_t states[NODE_STATES], lost, fenced;
};

static void count_peer(void *arg, const struct election_peer_view *peer)
{
	struct peer_count *count = arg;

	if (!peer->live)
		count->lost++;
	else if (peer->fenced)
		count->fenced++;
	else if (peer->state < NODE_STATES)
		count->states[peer->state]++;
}

static void peers(struct page *page)
{
	family(page, "peers", "gauge", "Peers by state.");
	for (size_t i = 0; i < page->daemon->group_count; i++) {
		struct peer_count count = {{0}};

		election_peers(group_election(page->daemon->groups[i]), count_peer, &count);
		for (size_t s = 0; s < NODE_STATES; s++)
			sample(page, "peers", "group", group_name(page, i), "state",
			       node_state_name((enum node_state)s), count.states[s]);
		sample(page, "peers", "group", group_name(page, i), "state", "lost", count.lost);
		sample(page, "peers", "group", group_name(page, i), "state", "fenced",
		       count.fenced);
	}
}

static void vips(struct page *page)
{
	family(page, "vips", "gauge", "VIPs by state, as this node sees them.");
	for (size_t i = 0; i < page->daemon->group_count; i++) {
		const char *group = group_name(page, i);
		struct status_vip_count count;

		status_vip_count(page->daemon, i, &count);
		sample(page, "vips", "group", group, "state", "owned", count.owned);
		sample(page, "vips", "group", group, "state", "peer", count.peer);
		sample(page, "vips", "group", group, "state", "draining", count.draining);
		sample(page, "vips", "group", group, "state", "none", count.none);
	}
}

static void moves(struct page *page, const char *name, const char *help, bool taken)
{
	family(page, name, "counter", help);
	for (size_t i = 0; i < page->daemon->group_count; i++) {
		for (size_t c = ELECTION_CAUSE_NONE + 1; c < GROUP_CAUSES; c++)
			sample(page, name, "group", group_name(page, i), "cause",
			       election_cause_name((enum election_cause)c),
			       taken ? page->groups[i].taken[c] : page->groups[i].lost[c]);
	}
}

static void groups(struct page *page)
{
	heartbeats(page);
	peers(page);
	vips(page);
	moves(page, "vips_taken_total", "VIPs that this node took, by cause.", true);
	moves(page, "vips_lost_total", "VIPs that this node gave up, by cause.", false);
	group_family(page, "conflicts_total", "Foreign claims of a VIP held here.",
		     offsetof(struct group_counters, conflicts));
	group_family(page, "defences_total", "Announcements against such a claim.",
		     offsetof(struct group_counters, defences));
	group_family(page, "peers_lost_total", "Peers that fell silent.",
		     offsetof(struct group_counters, peers_lost));
	group_family(page, "gateway_probes_total", "Probes of gateways sent.",
		     offsetof(struct group_counters, probes_sent));
	group_family(page, "gateway_answers_total", "Answers of gateways heard.",
		     offsetof(struct group_counters, probes_answered));
	group_family(page, "control_frames_lost_total", "Frames of control that did not fit.",
		     offsetof(struct group_counters, send_failed));
	family(page, "link_up", "gauge", "Whether the link of an interface is up.");
	for (size_t i = 0; i < page->daemon->group_count; i++)
		sample(page, "link_up", "interface", interface_name(page, i), NULL, NULL,
		       page->groups[i].link_up);
}

/* ---- control ---- */

static void lateness(struct page *page)
{
	struct loop_lateness late;
	uint64_t sum = 0;

	loop_lateness(page->daemon->loop, &late);
	family(page, "loop_lateness_seconds", "histogram", "How late control's turns began.");
	for (size_t i = 0; i < LOOP_LATENESS_BUCKETS; i++) {
		sum += late.buckets[i];
		fprintf(page->out, "vipgate_loop_lateness_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
			(double)loop_lateness_bounds_ns[i] / 1e9, sum);
	}
	fprintf(page->out,
		"vipgate_loop_lateness_seconds_bucket{le=\"+Inf\"} %" PRIu64
		"\nvipgate_loop_lateness_seconds_sum %.9f\n"
		"vipgate_loop_lateness_seconds_count %" PRIu64 "\n",
		late.turns, (double)late.sum_ns / 1e9, late.turns);
	family(page, "loop_lateness_max_seconds", "gauge", "The latest turn since start.");
	fprintf(page->out, "vipgate_loop_lateness_max_seconds %.9f\n", (double)late.max_ns / 1e9);
	family(page, "loop_turns_missed_total", "counter", "Periods without a turn of their own.");
	sample(page, "loop_turns_missed_total", NULL, NULL, NULL, NULL, late.missed);
}

static void freshness(struct page *page)
{
	const struct daemon *daemon = page->daemon;
	struct controller_view view;

	controller_view(daemon->controller, &view);
	family(page, "config_loaded_timestamp_seconds", "gauge", "Last good configuration.");
	sample(page, "config_loaded_timestamp_seconds", NULL, NULL, NULL, NULL,
	       (uint64_t)daemon->config_loaded_s);
	family(page, "config_failed_timestamp_seconds", "gauge", "Last bad one; 0 never.");
	sample(page, "config_failed_timestamp_seconds", NULL, NULL, NULL, NULL,
	       (uint64_t)daemon->config_failed_s);
	family(page, "config_reload_failures_total", "counter", "Configurations refused.");
	sample(page, "config_reload_failures_total", NULL, NULL, NULL, NULL,
	       daemon->config_failures);
	family(page, "source_loaded_timestamp_seconds", "gauge", "Last good source.");
	sample(page, "source_loaded_timestamp_seconds", NULL, NULL, NULL, NULL,
	       (uint64_t)view.loaded_s);
	family(page, "source_failed_timestamp_seconds", "gauge", "Last bad one; 0 never.");
	sample(page, "source_failed_timestamp_seconds", NULL, NULL, NULL, NULL,
	       (uint64_t)view.failed_s);
	family(page, "source_reload_failures_total", "counter", "Sources refused.");
	sample(page, "source_reload_failures_total", NULL, NULL, NULL, NULL, view.reload_failures);
	family(page, "state_write_failures_total", "counter", "Writes to state_dir that failed.");
	sample(page, "state_write_failures_total", NULL, NULL, NULL, NULL,
	       keeper_failures(daemon->keeper));
}

static void pools(struct page *page)
{
	const struct generation *generation = controller_generation(page->daemon->controller);
	const struct object_set *set = generation->set;
	uint64_t total, used;

	family(page, "pool_addresses", "gauge", "Addresses of a class.");
	for (size_t i = 0; i < set->class_count; i++) {
		derive_pool_usage(generation->allocations, &set->classes[i], &total, &used);
		sample(page, "pool_addresses", "class", set->classes[i].meta.name, NULL, NULL,
		       total);
	}
	family(page, "pool_addresses_in_use", "gauge", "Addresses of a class that are VIPs.");
	for (size_t i = 0; i < set->class_count; i++) {
		derive_pool_usage(generation->allocations, &set->classes[i], &total, &used);
		sample(page, "pool_addresses_in_use", "class", set->classes[i].meta.name, NULL,
		       NULL, used);
	}
}

void metrics_write(const struct daemon *daemon, FILE *out)
{
	struct page page = {.daemon = daemon, .out = out};
	const char *why;

	for (size_t i = 0; i < daemon->group_count; i++) {
		dataplane_counters(daemon->dataplane, i, &page.counters[i]);
		group_counters(daemon->groups[i], &page.groups[i]);
		auth_counters(group_auth(daemon->groups[i]), &page.auth[i]);
	}
	family(&page, "build_info", "gauge", "1, labelled with the version.");
	sample(&page, "build_info", "version", VIPGATE_VERSION, "node", daemon->config->node, 1);
	family(&page, "ready", "gauge", "Whether /readyz says yes.");
	sample(&page, "ready", NULL, NULL, NULL, NULL, status_ready(daemon, &why));
	packets(&page);
	machine(&page);
	groups(&page);
	lateness(&page);
	freshness(&page);
	pools(&page);
}
