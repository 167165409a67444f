/* SPDX-License-Identifier: BSD-3-Clause */
/* What came in by a kernel port leaves by it: rules, routes, nftables and real connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "hostnet.h"

#include "netns.h"
#include "hostnet_fixture.h"

static const struct ip_prefix *node_addresses(void)
{
	static struct ip_prefix addresses[2];

	addresses[0] = prefix_of("192.0.2.11", 24);
	addresses[1] = prefix_of("2001:db8::11", 64);
	return addresses;
}

static const struct ip *gateways(void)
{
	static struct ip gateways[2];

	gateways[0] = ip_of("2001:db8::1");
	gateways[1] = ip_of("192.0.2.1");
	return gateways;
}

static struct config_interface front(void)
{
	return (struct config_interface){.name = "front",
					 .kernel_name = "k0",
					 .addresses = node_addresses(),
					 .address_count = 2,
					 .gateways = gateways(),
					 .gateway_count = 2};
}

static void assert_reply_path(bool there)
{
	static const struct {
		const char *command, *text;
	} pieces[] = {
		{"ip rule show", "fwmark 0x10/0xf0 lookup 42261"},
		{"ip -6 rule show", "fwmark 0x10/0xf0 lookup 42261"},
		{"ip rule show", "from 203.0.113.5 lookup 42261"},
		{"ip -6 rule show", "from 2001:db8:5::5 lookup 42261"},
		{"ip route show table all", "default via 192.0.2.1 dev k0 table 42261"},
		{"ip route show table all", "192.0.2.0/24 dev k0 table 42261"},
		{"ip -6 route show table all", "default via 2001:db8::1 dev k0 table 42261"},
		{"ip -6 route show table all", "2001:db8::/64 dev k0 table 42261"},
		{"nft list ruleset", "iifname \"k0\" ct direction original ct mark set"},
		{"nft list ruleset", "type route hook output"},
	};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
		if (shows(pieces[i].command, pieces[i].text) != there)
			fail_msg("%s: \"%s\" is %s", pieces[i].command, pieces[i].text,
				 there ? "missing" : "still there");
}

static void sets_reply_path(struct hostnet *hostnet)
{
	struct config_interface interface = front();
	struct ip vips[] = {ip_of("203.0.113.5"), ip_of("2001:db8:5::5")};

	(void)hostnet_port_setup(hostnet, &interface);
	(void)hostnet_vips_set(hostnet, 0, "k0", vips, 2);
}

static void the_reply_path_is_repaired_when_somebody_flushes_it(void **state)
{
	static const char *const faults[] = {
		"nft flush ruleset",
		"nft flush table inet vipgate",
		"ip rule del priority 4226",
		"ip -6 rule del priority 4226",
		"ip rule del priority 32800",
		"ip route flush table 42261",
		"ip -6 route flush table 42261",
		"ip link set k0 down",
	};
	struct hostnet *hostnet = create();

	(void)state;
	sets_reply_path(hostnet);
	assert_reply_path(true);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		run("%s", faults[i]);
		hostnet_repair(hostnet);
		assert_reply_path(true);
	}
	run("ip rule add priority 5000 fwmark 0x7 lookup main");
	hostnet_free(hostnet);
	assert_reply_path(false);
	assert_true(shows("ip rule show", "fwmark 0x7"));
	assert_false(shows("nft list ruleset", "vipgate"));
}

static void a_start_without_gateways_clears_a_killed_predecessors_reply_path(void **state)
{
	struct config_interface interface = front();
	struct hostnet *hostnet;

	(void)state;
	in_a_process_that_is_killed(sets_reply_path);
	assert_reply_path(true);
	hostnet = create();
	interface.gateway_count = 0;
	assert_int_equal(hostnet_port_setup(hostnet, &interface), 0);
	assert_false(shows("ip rule show", "42261"));
	assert_false(shows("ip -6 rule show", "42261"));
	assert_false(shows("nft list ruleset", "vipgate"));
	hostnet_free(hostnet);
}

/* What a far client does in its own namespace, behind the gateway: 0 = it was answered. */
static int connect_from(const char *source, const char *vip)
{
	struct timeval limit = {.tv_sec = 3};
	struct sockaddr_in6 near = {.sin6_family = AF_INET6}, far = {.sin6_family = AF_INET6};
	bool v4 = strchr(vip, '.') != NULL;
	char mapped[2][80];
	int fd;

	(void)snprintf(mapped[0], sizeof(mapped[0]), "%s%s", v4 ? "::ffff:" : "", source);
	(void)snprintf(mapped[1], sizeof(mapped[1]), "%s%s", v4 ? "::ffff:" : "", vip);
	far.sin6_port = htons(80);
	if (inet_pton(AF_INET6, mapped[0], &near.sin6_addr) != 1 ||
	    inet_pton(AF_INET6, mapped[1], &far.sin6_addr) != 1)
		return 2;
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Applies to connect() too. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (bind(fd, (struct sockaddr *)&near, sizeof(near)) < 0)
		return 3;
	return connect(fd, (struct sockaddr *)&far, sizeof(far)) == 0 ? 0 : 4;
}

/* A process in a namespace of its own that does one connect when it is told to. */
struct client {
	pid_t pid;
	int to, from;
};

static void client_main(int to, int from)
{
	char request[2][64], done;

	if (unshare(CLONE_NEWNET) < 0)
		_exit(1);
	(void)!write(from, "n", 1);
	(void)!read(to, &done, 1);
	run("ip link set lo up");
	/* As a router would: ask with the address of the link, not the client's. */
	write_sysctl("/proc/sys/net/ipv4/conf/k1/arp_announce", "2");
	run("ip addr add 192.0.2.1/24 dev k1");
	run("ip addr add 2001:db8::1/64 dev k1 nodad");
	run("ip link set k1 up");
	run("ip addr add 198.51.100.7/32 dev lo");
	run("ip addr add 2001:db8:7::7/128 dev lo nodad");
	run("ip route add 203.0.113.0/24 via 192.0.2.11");
	run("ip -6 route add 2001:db8:5::/64 via 2001:db8::11");
	(void)!write(from, "r", 1);
	while (read(to, request, sizeof(request)) == (ssize_t)sizeof(request)) {
		done = (char)connect_from(request[0], request[1]);
		(void)!write(from, &done, 1);
	}
	_exit(0);
}

static void client_start(struct client *client)
{
	int to[2], from[2];
	char byte;

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	client->pid = fork();
	assert_true(client->pid >= 0);
	if (client->pid == 0) {
		close(to[1]);
		close(from[0]);
		client_main(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	client->to = to[1];
	client->from = from[0];
	assert_int_equal(read(client->from, &byte, 1), 1);
	run("ip link set k1 netns %d", (int)client->pid);
	assert_int_equal(write(client->to, "g", 1), 1);
	assert_int_equal(read(client->from, &byte, 1), 1);
}

static int client_connect(const struct client *client, const char *source, const char *vip)
{
	char request[2][64] = {{0}}, answer;

	(void)snprintf(request[0], sizeof(request[0]), "%s", source);
	(void)snprintf(request[1], sizeof(request[1]), "%s", vip);
	assert_int_equal(write(client->to, request, sizeof(request)), sizeof(request));
	assert_int_equal(read(client->from, &answer, 1), 1);
	return answer;
}

static void client_stop(struct client *client)
{
	close(client->to);
	close(client->from);
	assert_int_equal(waitpid(client->pid, NULL, 0), client->pid);
}

static int listen_everywhere(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static void what_came_in_by_the_kernel_port_leaves_by_it(void **state)
{
	static const struct {
		const char *source, *vip;
	} cases[] = {
		{"198.51.100.7", "203.0.113.5"}, /* behind the gateway */
		{"2001:db8:7::7", "2001:db8:5::5"},
		{"192.0.2.1", "203.0.113.5"}, /* on the link */
		{"2001:db8::1", "2001:db8:5::5"},
	};
	struct hostnet *hostnet = create();
	struct client client;
	int fd = listen_everywhere();

	(void)state;
	client_start(&client);
	sets_reply_path(hostnet);
	/* First with no other way at all, then with one that leads elsewhere. */
	for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
		if (elsewhere) {
			run("ip link set n0 up");
			run("ip route add default dev n0");
			run("ip -6 route add default dev n0");
			run("ip route add 192.0.2.0/25 dev n0");
		}
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			if (client_connect(&client, cases[i].source, cases[i].vip) != 0)
				fail_msg("%s got no answer from %s %s another default route",
					 cases[i].source, cases[i].vip,
					 elsewhere ? "with" : "without");
	}
	client_stop(&client);
	close(fd);
	hostnet_free(hostnet);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_reply_path_is_repaired_when_somebody_flushes_it,
				       fresh_namespace),
		cmocka_unit_test_setup(
			a_start_without_gateways_clears_a_killed_predecessors_reply_path,
			fresh_namespace),
		cmocka_unit_test_setup(what_came_in_by_the_kernel_port_leaves_by_it,
				       fresh_namespace),
	};
	const char *missing = netns_missing();

	if (missing != NULL) {
		printf("SKIP: %s\n", missing);
		return 77; /* meson: skipped */
	}
	log_init(CONFIG_LOG_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
