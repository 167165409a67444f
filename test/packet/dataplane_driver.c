/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dataplane on a string: what the control thread would do, done by commands on standard input.
 * Each command is answered by one line: "ok", "error TEXT" or JSON. At the end of input it stops.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane.h"
#include "packet/announce.h"
#include "packet/heartbeat.h"

#define MAX_WORDS 128
#define MAX_VIPS  4096
#define MAX_PORTS 16

static struct dataplane *dp;
static struct dataplane_interface_config interfaces[DATAPLANE_MAX_INTERFACES];
static struct ip_prefix addresses[DATAPLANE_MAX_INTERFACES][4];
static struct ip gateways[DATAPLANE_MAX_INTERFACES][4];
static unsigned int lcores[DATAPLANE_MAX_WORKERS];
static struct dataplane_config config = {
	.interfaces = interfaces,
	.lcores = lcores,
	.memory_mb = 64,
	.icmp_echo = true,
	.wait_max_ns = 20000000,
};
static const uint8_t key[32] = "a key that only this test uses.";

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

static void log_line(enum dataplane_log_level level, const char *message)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	fprintf(stderr, "%s: %s\n", names[level], message);
}

static void fail(const char *what)
{
	fprintf(stderr, "bad argument: %s\n", what);
	exit(2);
}

static int address_add(const char *text, struct dataplane_interface_config *interface, size_t index)
{
	struct ip_prefix *prefix = &addresses[index][interface->address_count];
	char host[64];

	/* ip_prefix_parse() would clear the host bits. */
	snprintf(host, sizeof(host), "%.*s", (int)strcspn(text, "/"), text);
	if (interface->address_count == 4 || ip_prefix_parse(text, prefix) < 0 ||
	    ip_parse(host, &prefix->addr) < 0)
		return -1;
	interface->address_count++;
	interface->addresses = addresses[index];
	return 0;
}

static int gateway_add(const char *text, struct dataplane_interface_config *interface, size_t index)
{
	if (interface->gateway_count == 4 ||
	    ip_parse(text, &gateways[index][interface->gateway_count]) < 0)
		return -1;
	interface->gateway_count++;
	interface->gateways = gateways[index];
	return 0;
}

/* Options of an interface follow the -d that begins it. */
static void options(int argc, char **argv)
{
	struct dataplane_interface_config *interface = NULL;
	int option;

	while ((option = getopt(argc, argv, "d:n:k:m:v:a:g:B:l:M:H:bEw:")) != -1) {
		if (option == 'd') {
			if (config.interface_count == DATAPLANE_MAX_INTERFACES)
				fail(optarg);
			interface = &interfaces[config.interface_count++];
			*interface = (struct dataplane_interface_config){.name = "front",
									 .device = optarg,
									 .mtu = 1500,
									 .kernel_name = "vip0"};
			continue;
		}
		if (strchr("nkmvagB", option) != NULL && interface == NULL)
			fail("an interface begins with -d");
		switch (option) {
		case 'n':
			interface->name = optarg;
			break;
		case 'k':
			interface->kernel_name = optarg;
			break;
		case 'm':
			interface->mtu = (uint16_t)atoi(optarg);
			break;
		case 'v':
			interface->vlan = (uint16_t)atoi(optarg);
			break;
		case 'a':
			if (address_add(optarg, interface, config.interface_count - 1) < 0)
				fail(optarg);
			break;
		case 'g':
			if (gateway_add(optarg, interface, config.interface_count - 1) < 0)
				fail(optarg);
			break;
		case 'B':
			interface->backend = strcmp(optarg, "vhost") == 0 ? DATAPLANE_BACKEND_VHOST
									  : DATAPLANE_BACKEND_TAP;
			break;
		case 'l':
			lcores[config.lcore_count++] = (unsigned int)atoi(optarg);
			break;
		case 'M':
			config.memory_mb = (unsigned int)atoi(optarg);
			break;
		case 'H':
			config.hugepages = strcmp(optarg, "yes") == 0  ? DATAPLANE_HUGEPAGES_YES
					   : strcmp(optarg, "no") == 0 ? DATAPLANE_HUGEPAGES_NO
								       : DATAPLANE_HUGEPAGES_AUTO;
			break;
		case 'b':
			config.idle = DATAPLANE_IDLE_BUSY;
			break;
		case 'E':
			config.icmp_echo = false;
			break;
		case 'w':
			config.wait_max_ns = (uint64_t)atoi(optarg) * 1000000;
			break;
		default:
			exit(2);
		}
	}
}

static void answer(int ret)
{
	if (ret < 0)
		printf("error %s\n", strerror(-ret));
	else
		printf("ok\n");
}

/* "192.0.2.50+,tcp/80,udp/53": owned when marked by +. */
static int vip_parse(char *text, struct vip_spec *vip, struct vip_port *ports)
{
	char *save, *word = strtok_r(text, ",", &save);
	size_t len = word == NULL ? 0 : strlen(word);

	memset(vip, 0, sizeof(*vip));
	vip->owned = len > 0 && word[len - 1] == '+';
	if (vip->owned)
		word[len - 1] = '\0';
	if (len == 0 || ip_parse(word, &vip->address) < 0)
		return -EINVAL;
	vip->ports = ports;
	while ((word = strtok_r(NULL, ",", &save)) != NULL && vip->port_count < MAX_PORTS) {
		ports[vip->port_count++] =
			(struct vip_port){.protocol = strncmp(word, "tcp/", 4) == 0 ? 6 : 17,
					  .port = (uint16_t)atoi(word + 4)};
	}
	return 0;
}

static int publish(size_t interface, char **words, size_t count)
{
	static struct vip_port ports[MAX_WORDS][MAX_PORTS];
	static struct vip_spec vips[MAX_WORDS];

	for (size_t i = 0; i < count; i++)
		if (vip_parse(words[i], &vips[i], ports[i]) < 0)
			return -EINVAL;
	return dataplane_vips_publish(dp, interface, vips, count);
}

static size_t beat_body(uint8_t *body)
{
	struct heartbeat beat = {
		.version = HEARTBEAT_VERSION,
		.kind = HEARTBEAT_BEAT,
		.path = HEARTBEAT_FRONT,
		.state = NODE_ACTIVE,
		.group = 0x01020304,
		.node = 0x05060708,
		.boot_id = dataplane_boot_id(dp),
		.interval_us = 20000,
		.multiplier = 3,
	};

	return heartbeat_encode(&beat, body);
}

static int beat(size_t interface, uint64_t interval_us, bool now)
{
	uint8_t body[HEARTBEAT_MAX_LEN];

	return dataplane_beat_set(dp, interface, body, interval_us == 0 ? 0 : beat_body(body),
				  interval_us * 1000, key, now);
}

static int announce(size_t interface, const char *text, int times)
{
	struct dataplane_interface_info info;
	uint8_t frame[ANNOUNCE_FRAME_MAX];
	struct ip vip;
	size_t len;

	if (ip_parse(text, &vip) < 0)
		return -EINVAL;
	dataplane_interface_info(dp, interface, &info);
	if (ip_is_v4(&vip))
		len = announce_arp_request(frame, &info.mac, interfaces[interface].vlan, &vip);
	else
		len = announce_na(frame, &info.mac, interfaces[interface].vlan, &vip);
	for (int i = 0; i < times; i++) {
		int ret = dataplane_send(dp, interface, DATAPLANE_SEND_ANNOUNCEMENT, &vip, frame,
					 len);

		if (ret < 0)
			return ret;
	}
	return 0;
}

static int send_hex(size_t interface, const char *hex)
{
	uint8_t frame[DATAPLANE_FRAME_MAX + 1];
	size_t len = 0;

	for (; hex[0] != '\0' && hex[1] != '\0' && len < sizeof(frame); hex += 2) {
		unsigned int byte;

		if (sscanf(hex, "%2x", &byte) != 1)
			return -EINVAL;
		frame[len++] = (uint8_t)byte;
	}
	return dataplane_send(dp, interface, DATAPLANE_SEND_PLAIN, NULL, frame, len);
}

static int send_message(size_t interface)
{
	uint8_t body[HEARTBEAT_MAX_LEN];
	size_t len = beat_body(body);

	return dataplane_send(dp, interface, DATAPLANE_SEND_HEARTBEAT, NULL, body, len);
}

static void print_counters(size_t interface)
{
	struct dataplane_counters c;
	const char *comma = "";

	dataplane_counters(dp, interface, &c);
#define FIELD(name) printf("\"" #name "\":%" PRIu64 ",", c.name)
	printf("{");
	FIELD(rx_packets);
	FIELD(rx_bytes);
	FIELD(tx_packets);
	FIELD(tx_bytes);
	FIELD(rx_missed);
	FIELD(to_kernel);
	FIELD(from_kernel);
	FIELD(kernel_dropped);
	FIELD(arp_answered);
	FIELD(ndp_answered);
	FIELD(echo_answered);
	FIELD(announced);
	FIELD(beats_sent);
#undef FIELD
	printf("\"drops\":{");
	for (size_t i = 0; i < DROP_REASON_COUNT; i++) {
		if (c.drops[i] == 0)
			continue;
		printf("%s\"%s\":%" PRIu64, comma, drop_reason_name((enum drop_reason)i),
		       c.drops[i]);
		comma = ",";
	}
	printf("}}\n");
}

static void print_info(size_t interface)
{
	struct dataplane_interface_info info;
	const uint8_t *m = info.mac.addr_bytes;

	dataplane_interface_info(dp, interface, &info);
	printf("{\"driver\":\"%s\",\"netdev\":\"%s\",\"kernel_port\":\"%s\",\"backend\":\"%s\","
	       "\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\",\"queues\":%u,\"numa_node\":%d,"
	       "\"link_known\":%s,\"link_up\":%s}\n",
	       info.driver, info.netdev, info.kernel_port, info.backend, m[0], m[1], m[2], m[3],
	       m[4], m[5], info.queues, info.numa_node, info.link_known ? "true" : "false",
	       dataplane_link_up(dp, interface) ? "true" : "false");
}

static void print_workers(void)
{
	struct dataplane_worker_info info[DATAPLANE_MAX_WORKERS];
	size_t count = dataplane_workers(dp, info, DATAPLANE_MAX_WORKERS);

	printf("[");
	for (size_t i = 0; i < count; i++)
		printf("%s{\"cpu\":%u,\"loops\":%" PRIu64 ",\"busy_loops\":%" PRIu64
		       ",\"waits\":%" PRIu64 "}",
		       i > 0 ? "," : "", info[i].cpu, info[i].loops, info[i].busy_loops,
		       info[i].waits);
	printf("]\n");
}

static void print_mbufs(void)
{
	size_t total, available;

	dataplane_mbufs(dp, &total, &available);
	printf("{\"total\":%zu,\"available\":%zu}\n", total, available);
}

static void print_event(void *arg, const struct dataplane_event *event)
{
	size_t *count = arg;

	printf("%s{\"type\":%d,\"interface\":%zu,\"age_ns\":%" PRIu64 ",\"frame\":\"",
	       (*count)++ > 0 ? "," : "", event->type, event->interface,
	       now_ns() - event->received_ns);
	for (size_t i = 0; i < event->len; i++)
		printf("%02x", event->frame[i]);
	printf("\"}");
}

static void print_events(size_t max)
{
	size_t count = 0;

	printf("[");
	dataplane_events_drain(dp, max, print_event, &count);
	printf("]\n");
}

static void lease(size_t interface, const char *ms)
{
	uint64_t until = 0;

	if (strcmp(ms, "ever") == 0)
		until = UINT64_MAX;
	else if (atoi(ms) != 0)
		until = now_ns() + (uint64_t)((int64_t)atoi(ms) * 1000000);
	dataplane_lease_set(dp, interface, until);
	printf("ok\n");
}

/* Republishes the same VIPs over and over while workers look at them. */
static int republish(size_t interface, int times)
{
	static struct vip_spec vips[MAX_VIPS];

	for (int i = 0; i < times; i++) {
		size_t count = (size_t)(i % MAX_VIPS);

		for (size_t j = 0; j < count; j++)
			vips[j] = (struct vip_spec){
				.address = ip_from_v4(htobe32(0x0a000000U + (uint32_t)j)),
				.owned = true};
		if (dataplane_vips_publish(dp, interface, vips, count) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int own(size_t interface, const char *text, bool owned)
{
	struct ip vip;

	return ip_parse(text, &vip) < 0 ? -EINVAL : dataplane_vip_own(dp, interface, &vip, owned);
}

static void print_sent_at(size_t interface, const char *seq)
{
	uint64_t at = dataplane_sent_at(dp, interface, (uint32_t)strtoul(seq, NULL, 10));

	printf("{\"age_ns\":%" PRId64 "}\n", at == 0 ? -1 : (int64_t)(now_ns() - at));
}

static void command(char **words, size_t count)
{
	size_t interface = count > 1 ? (size_t)atoi(words[1]) : 0;
	const char *what = words[0];
	const char *arg = count > 2 ? words[2] : "";

	if (interface >= config.interface_count)
		answer(-EINVAL);
	else if (strcmp(what, "publish") == 0)
		answer(publish(interface, words + 2, count > 2 ? count - 2 : 0));
	else if (strcmp(what, "republish") == 0)
		answer(republish(interface, atoi(arg)));
	else if (strcmp(what, "own") == 0)
		answer(own(interface, arg, count > 3 && words[3][0] == '1'));
	else if (strcmp(what, "lease") == 0)
		lease(interface, arg);
	else if (strcmp(what, "beat") == 0)
		answer(beat(interface, strtoull(arg, NULL, 10), count > 3));
	else if (strcmp(what, "message") == 0)
		answer(send_message(interface));
	else if (strcmp(what, "announce") == 0)
		answer(announce(interface, arg, count > 3 ? atoi(words[3]) : 1));
	else if (strcmp(what, "send") == 0)
		answer(send_hex(interface, arg));
	else if (strcmp(what, "counters") == 0)
		print_counters(interface);
	else if (strcmp(what, "info") == 0)
		print_info(interface);
	else if (strcmp(what, "workers") == 0)
		print_workers();
	else if (strcmp(what, "mbufs") == 0)
		print_mbufs();
	else if (strcmp(what, "events") == 0)
		print_events(4096);
	else if (strcmp(what, "polled") == 0)
		printf("{\"age_ns\":%" PRIu64 "}\n", now_ns() - dataplane_polled_at(dp, interface));
	else if (strcmp(what, "sent_at") == 0)
		print_sent_at(interface, arg);
	else
		answer(-ENOSYS);
}

int main(int argc, char **argv)
{
	static char line[65536];
	char error[512];
	int ret;

	options(argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	config.log = log_line;
	ret = dataplane_start(&config, &dp, error, sizeof(error));
	if (ret < 0) {
		printf("failed %s\n", error);
		return 1;
	}
	printf("started\n");
	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *words[MAX_WORDS], *save, *word;
		size_t count = 0;

		for (word = strtok_r(line, " \n", &save); word != NULL && count < MAX_WORDS;
		     word = strtok_r(NULL, " \n", &save))
			words[count++] = word;
		if (count > 0 && strcmp(words[0], "stop") == 0)
			break;
		if (count > 0)
			command(words, count);
	}
	ret = dataplane_stop(dp);
	printf("stopped %d\n", ret);
	return ret < 0 ? 1 : 0;
}
