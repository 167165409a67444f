/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel's network around a kernel port, against a real kernel in a namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "hostnet.h"
#include "log.h"
#include "mld.h"

#include "netns.h"

#define EVENT_TIMEOUT_MS 5000

static struct {
	unsigned int calls;
	char netdev[16];
	bool up;
} heard;

static void on_link(void *arg, const char *netdev, bool up)
{
	assert_ptr_equal(arg, &heard);
	heard.calls++;
	heard.up = up;
	(void)snprintf(heard.netdev, sizeof(heard.netdev), "%s", netdev);
}

/* Each test has a fresh namespace: a NIC n0 with its far end n1, a kernel port k0 with k1. */
static int fresh_namespace(void **state)
{
	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	memset(&heard, 0, sizeof(heard));
	run("ip link set lo up");
	run("ip link add n0 type veth peer name n1");
	run("ip link add k0 type veth peer name k1");
	run("ip link set n1 up");
	run("ip link set k1 up");
	return 0;
}

static struct hostnet *create(void)
{
	struct hostnet *hostnet = hostnet_create(on_link, &heard);

	assert_non_null(hostnet);
	return hostnet;
}

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

static void write_sysctl(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

static const char *sysctl_of(const char *path)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "cat /proc/sys/%s", path);
	return output(command);
}

/* Everything that a claim may touch. */
static char *snapshot(void)
{
	static const char *const commands[] = {
		"ip -j link show dev n0",
		"ip -j addr show dev n0",
		"ip route show table all dev n0",
		"ip -6 route show table all dev n0",
		"cat /proc/sys/net/ipv6/conf/n0/disable_ipv6",
	};
	char *all = calloc(1, 65536);

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		strcat(all, output(commands[i]));
	return all;
}

static void assert_same(const char *after, const char *before)
{
	size_t at = 0;

	while (before[at] != '\0' && before[at] == after[at])
		at++;
	if (before[at] != after[at])
		fail_msg("before: …%.200s\nafter:  …%.200s", &before[at], &after[at]);
}

/* The kernel ends DAD, even where it is off, in a work queue some time later. */
static void await_ipv6(void)
{
	await_shown("ip -6 route show table local dev n0", "local fe80:");
	await_shown("ip -6 route show table local dev n0", "local 2001:db8::77");
}

static void use_the_nic(void)
{
	/* Without DAD addresses are what they are at once, and snapshots can be compared. */
	write_sysctl("/proc/sys/net/ipv6/conf/n0/accept_dad", "0");
	run("ip link set n0 up");
	run("ip addr add 192.0.2.77/24 brd + dev n0");
	run("ip addr add 192.0.2.78/24 dev n0 label n0:second");
	run("ip addr add 2001:db8::77/64 dev n0");
	run("ip route add default via 192.0.2.1 dev n0 metric 50");
	run("ip route add 198.51.100.0/24 dev n0 table 77");
	run("ip -6 route add 2001:db8:1::/48 via 2001:db8::1 dev n0");
	await_ipv6();
}

static void assert_silent(void)
{
	assert_true(shows("ip link show dev n0", "NOARP"));
	assert_true(shows("ip link show dev n0", "UP"));
	assert_string_equal(output("ip -o addr show dev n0"), "");
	assert_string_equal(output("ip route show table all dev n0"), "");
	assert_string_equal(output("ip -6 route show table all dev n0"), "");
	assert_string_equal(sysctl_of("net/ipv6/conf/n0/disable_ipv6"), "1\n");
	assert_true(shows("nft list table netdev vipgate", "hook ingress device \"n0\""));
}

static void a_claimed_nic_is_silent_and_stop_puts_everything_back(void **state)
{
	struct hostnet *hostnet;
	char *before, *after;

	(void)state;
	use_the_nic();
	before = snapshot();
	hostnet = create();
	assert_int_equal(hostnet_device_claim(hostnet, "n0"), 0);
	assert_int_equal(hostnet_device_claim(hostnet, "n0"), 0);
	assert_silent();
	assert_true(hostnet_link_up(hostnet, "n0"));
	hostnet_free(hostnet);
	await_ipv6();
	after = snapshot();
	assert_same(after, before);
	assert_false(shows("find /run -type f", "before-"));
	free(before);
	free(after);
}

static void a_nic_that_was_down_without_arp_is_so_again(void **state)
{
	struct hostnet *hostnet;
	char *before, *after;

	(void)state;
	write_sysctl("/proc/sys/net/ipv6/conf/n0/disable_ipv6", "1");
	/* One that was never up has another queue discipline. */
	run("ip link set n0 up");
	run("ip link set n0 down");
	run("ip link set n0 arp off");
	before = snapshot();
	hostnet = create();
	assert_int_equal(hostnet_device_claim(hostnet, "n0"), 0);
	assert_silent();
	hostnet_free(hostnet);
	after = snapshot();
	assert_same(after, before);
	free(before);
	free(after);
}

static void routes_of_a_nic_without_addresses_go_and_come_back(void **state)
{
	struct hostnet *hostnet;
	char *before, *after;

	(void)state;
	write_sysctl("/proc/sys/net/ipv6/conf/n0/disable_ipv6", "1");
	run("ip link set n0 up");
	run("ip route add 198.51.100.0/24 dev n0");
	run("ip route add default via 198.51.100.1 dev n0 table 77");
	before = snapshot();
	hostnet = create();
	assert_int_equal(hostnet_device_claim(hostnet, "n0"), 0);
	assert_silent();
	hostnet_free(hostnet);
	after = snapshot();
	assert_same(after, before);
	free(before);
	free(after);
}

/* Does what `dies` does in a process that ends without undoing anything. */
static void in_a_process_that_is_killed(void (*dies)(struct hostnet *hostnet))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		dies(create());
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void claims(struct hostnet *hostnet)
{
	(void)hostnet_device_claim(hostnet, "n0");
}

static void a_claim_outlives_sigkill_and_the_next_clean_stop_undoes_it(void **state)
{
	struct hostnet *hostnet;
	char *before, *after;

	(void)state;
	use_the_nic();
	before = snapshot();
	in_a_process_that_is_killed(claims);
	assert_silent();
	in_a_process_that_is_killed(claims);
	assert_silent();
	hostnet = create();
	assert_int_equal(hostnet_device_claim(hostnet, "n0"), 0);
	assert_silent();
	hostnet_free(hostnet);
	await_ipv6();
	after = snapshot();
	assert_same(after, before);
	free(before);
	free(after);
}

static void a_nic_that_the_configuration_no_longer_names_is_given_back_at_start(void **state)
{
	struct config_interface interface = {.name = "front", .kernel_name = "k0"};
	struct hostnet *hostnet;
	char *before, *after;

	(void)state;
	use_the_nic();
	before = snapshot();
	in_a_process_that_is_killed(claims);
	assert_silent();
	hostnet = create();
	assert_int_equal(hostnet_port_setup(hostnet, &interface), 0);
	await_ipv6();
	after = snapshot();
	assert_same(after, before);
	assert_false(shows("nft list ruleset", "vipgate"));
	hostnet_free(hostnet);
	free(before);
	free(after);
}

/* UDP from 198.51.100.9 to port 9 of 203.0.113.5, as it arrives at n0. */
static void send_to_nic(void)
{
	uint8_t frame[14 + 20 + 8 + 4] = {
		[12] = 0x08, [13] = 0x00, [14] = 0x45, [17] = 32, [22] = 64,  [23] = 17,
		[26] = 198,  [27] = 51,	  [28] = 100,  [29] = 9,  [30] = 203, [32] = 113,
		[33] = 5,    [35] = 7,	  [37] = 9,    [39] = 12,
	};
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_halen = 6};
	struct ifreq request = {.ifr_name = "n0"};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	uint32_t sum = 0;

	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &request), 0);
	memcpy(frame, request.ifr_hwaddr.sa_data, 6);
	frame[6] = 2;
	for (size_t i = 14; i < 34; i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = ~(sum + (sum >> 16));
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	to.sll_ifindex = (int)if_nametoindex("n1");
	assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(frame));
	close(fd);
}

static void the_kernel_takes_nothing_from_a_claimed_nic(void **state)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct ip vip = ip_of("203.0.113.5");
	struct hostnet *hostnet = create();
	struct pollfd wait = {.events = POLLIN};

	(void)state;
	/* So that n1 says nothing else that would be counted. */
	write_sysctl("/proc/sys/net/ipv6/conf/n1/disable_ipv6", "1");
	assert_int_equal(hostnet_device_claim(hostnet, "n0"), 0);
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", &vip, 1), 0);
	wait.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(wait.fd, (struct sockaddr *)&any, sizeof(any)), 0);
	send_to_nic();
	await_shown("nft list table netdev vipgate", "counter packets 1 ");
	assert_int_equal(poll(&wait, 1, 0), 0);
	/* The same frame does arrive once nothing is in its way. */
	run("nft delete table netdev vipgate");
	send_to_nic();
	assert_int_equal(poll(&wait, 1, EVENT_TIMEOUT_MS), 1);
	hostnet_repair(hostnet);
	assert_silent();
	close(wait.fd);
	hostnet_free(hostnet);
}

static void a_netdev_that_is_not_there_is_an_error(void **state)
{
	static const char *const names[] = {"n9", "", "a-name-of-more-than-fifteen"};
	struct hostnet *hostnet = create();

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(hostnet_device_claim(hostnet, names[i]), -ENODEV);
	assert_false(hostnet_link_up(hostnet, "n9"));
	hostnet_free(hostnet);
}

/* Processes notifications until the link callback has been called `calls` times. */
static void await_link(struct hostnet *hostnet, unsigned int calls)
{
	struct pollfd wait = {.fd = hostnet_fd(hostnet), .events = POLLIN};

	while (heard.calls < calls) {
		assert_int_equal(poll(&wait, 1, EVENT_TIMEOUT_MS), 1);
		hostnet_process(hostnet);
	}
}

static void the_carrier_of_a_claimed_nic_is_followed(void **state)
{
	struct hostnet *hostnet = create();

	(void)state;
	assert_int_equal(hostnet_device_claim(hostnet, "n0"), 0);
	if (!hostnet_link_up(hostnet, "n0"))
		await_link(hostnet, 1);
	heard.calls = 0;
	run("ip link set n1 down");
	await_link(hostnet, 1);
	assert_string_equal(heard.netdev, "n0");
	assert_false(heard.up);
	assert_false(hostnet_link_up(hostnet, "n0"));
	run("ip link set n1 up");
	await_link(hostnet, 2);
	assert_true(heard.up);
	assert_true(hostnet_link_up(hostnet, "n0"));
	run("ip link del n0");
	await_link(hostnet, 3);
	assert_false(heard.up);
	hostnet_free(hostnet);
}

static void arp_that_somebody_turns_on_again_is_turned_off(void **state)
{
	struct hostnet *hostnet = create();

	(void)state;
	assert_int_equal(hostnet_device_claim(hostnet, "n0"), 0);
	run("ip link set n0 arp on");
	write_sysctl("/proc/sys/net/ipv6/conf/n0/disable_ipv6", "0");
	hostnet_repair(hostnet);
	assert_silent();
	hostnet_free(hostnet);
}

static void vips_come_and_go_on_lo_and_others_addresses_stay(void **state)
{
	struct ip vips[] = {ip_of("203.0.113.5"), ip_of("2001:db8:5::5"), ip_of("203.0.113.6"),
			    ip_of("203.0.113.7")};
	struct hostnet *hostnet = create();

	(void)state;
	run("ip link set lo down");
	run("ip addr add 203.0.113.7/32 dev lo");
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", vips, 4), 0);
	assert_true(shows("ip link show dev lo", "UP"));
	assert_true(shows("ip -o addr show dev lo", "203.0.113.5/32 scope global noprefixroute"));
	assert_true(shows("ip -o addr show dev lo",
			  "2001:db8:5::5/128 scope global nodad noprefixroute"));
	assert_true(shows("ip -o addr show dev lo", "203.0.113.6/32"));
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", vips, 2), 0);
	assert_true(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	assert_false(shows("ip -o addr show dev lo", "203.0.113.6/32"));
	assert_true(shows("ip -o addr show dev lo", "203.0.113.7/32"));
	hostnet_free(hostnet);
	assert_false(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	assert_false(shows("ip -o addr show dev lo", "2001:db8:5::5"));
	assert_true(shows("ip -o addr show dev lo", "203.0.113.7/32"));
}

static void vips_that_somebody_flushed_are_put_on_lo_again(void **state)
{
	struct ip vips[] = {ip_of("203.0.113.5"), ip_of("2001:db8:5::5")};
	struct hostnet *hostnet = create();

	(void)state;
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", vips, 2), 0);
	run("ip addr flush dev lo scope global");
	assert_false(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	hostnet_repair(hostnet);
	assert_true(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	assert_true(shows("ip -o addr show dev lo", "2001:db8:5::5/128"));
	hostnet_free(hostnet);
}

static void sets_vips(struct hostnet *hostnet)
{
	struct ip vips[] = {ip_of("203.0.113.5"), ip_of("2001:db8:5::5"), ip_of("203.0.113.6"),
			    ip_of("2001:db8:5::6")};

	(void)hostnet_vips_set(hostnet, 0, "k0", vips, 4);
}

static void a_killed_predecessors_vips_are_adopted(void **state)
{
	struct config_interface first = {.name = "a", .kernel_name = "k0"};
	struct config_interface second = {.name = "b", .kernel_name = "k1"};
	struct ip kept = ip_of("203.0.113.5"), other = ip_of("2001:db8:5::5");
	struct hostnet *hostnet;

	(void)state;
	in_a_process_that_is_killed(sets_vips);
	assert_true(shows("ip -o addr show dev lo", "203.0.113.6/32"));
	hostnet = create();
	assert_int_equal(hostnet_port_setup(hostnet, &first), 0);
	assert_int_equal(hostnet_port_setup(hostnet, &second), 0);
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", &kept, 1), 0);
	/* It may be the second interface's. */
	assert_true(shows("ip -o addr show dev lo", "2001:db8:5::5/128"));
	assert_int_equal(hostnet_vips_set(hostnet, 1, "k1", &other, 1), 0);
	assert_true(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	assert_true(shows("ip -o addr show dev lo", "2001:db8:5::5/128"));
	assert_false(shows("ip -o addr show dev lo", "203.0.113.6/32"));
	assert_false(shows("ip -o addr show dev lo", "2001:db8:5::6"));
	hostnet_free(hostnet);
	assert_false(shows("ip -o addr show dev lo", "203.0.113.5/32"));
	assert_false(shows("ip -o addr show dev lo", "2001:db8:5::5"));
}

static void the_kernel_port_joins_and_leaves_solicited_node_groups(void **state)
{
	struct ip vips[] = {ip_of("2001:db8:5::12:3456"), ip_of("2001:db8:6::12:3456"),
			    ip_of("2001:db8:5::78:9abc"), ip_of("203.0.113.5")};
	struct hostnet *hostnet = create();

	(void)state;
	run("ip link set k0 up");
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", vips, 4), 0);
	assert_true(shows("ip maddr show dev k0", "ff02::1:ff12:3456"));
	assert_true(shows("ip maddr show dev k0", "ff02::1:ff78:9abc"));
	assert_int_equal(hostnet_vips_set(hostnet, 0, "k0", &vips[1], 1), 0);
	assert_true(shows("ip maddr show dev k0", "ff02::1:ff12:3456"));
	assert_false(shows("ip maddr show dev k0", "ff02::1:ff78:9abc"));
	hostnet_free(hostnet);
	assert_false(shows("ip maddr show dev k0", "ff02::1:ff12:3456"));
}

static void thousands_of_groups_fit(void **state)
{
	enum { COUNT = 3000 };
	struct ip *vips = calloc(COUNT, sizeof(*vips));
	struct mld mld;
	size_t lines = 0;

	(void)state;
	run("ip link set k0 up");
	for (size_t i = 0; i < COUNT; i++) {
		vips[i] = ip_of("2001:db8:5::");
		vips[i].b[14] = (uint8_t)(i >> 8);
		vips[i].b[15] = (uint8_t)i;
	}
	mld_init(&mld, if_nametoindex("k0"));
	assert_int_equal(mld_set(&mld, vips, COUNT), 0);
	for (const char *at = output("ip maddr show dev k0");
	     (at = strstr(at, "ff02::1:ff00:")) != NULL; at++)
		lines++;
	assert_true(lines > 0);
	assert_int_equal(mld.group_count, COUNT);
	assert_int_equal(mld_set(&mld, vips, 0), 0);
	assert_false(shows("ip maddr show dev k0", "ff02::1:ff00:"));
	mld_fini(&mld);
	free(vips);
}

static struct ip_prefix prefix_of(const char *text, uint8_t len)
{
	struct ip_prefix prefix = {ip_of(text), len};

	prefix.len += ip_is_v4(&prefix.addr) ? 96 : 0;
	return prefix;
}

static void a_kernel_port_gets_its_settings_and_loses_them(void **state)
{
	static const struct {
		const char *path, *value;
	} wanted[] = {
		{"net/ipv4/conf/k0/rp_filter", "2\n"},
		{"net/ipv4/conf/k0/src_valid_mark", "1\n"},
		{"net/ipv4/conf/k0/send_redirects", "0\n"},
		{"net/ipv4/conf/k0/accept_redirects", "0\n"},
		{"net/ipv4/conf/k0/arp_announce", "2\n"},
		{"net/ipv4/conf/all/send_redirects", "0\n"},
		{"net/ipv6/conf/k0/accept_redirects", "0\n"},
		{"net/ipv6/conf/k0/disable_ipv6", "0\n"},
	};
	enum { COUNT = sizeof(wanted) / sizeof(wanted[0]) };
	const struct ip_prefix addresses[] = {prefix_of("192.0.2.11", 24),
					      prefix_of("2001:db8::11", 64)};
	const struct config_interface interface = {
		.name = "front", .kernel_name = "k0", .addresses = addresses, .address_count = 2};
	struct hostnet *hostnet;
	char before[COUNT][32];

	(void)state;
	write_sysctl("/proc/sys/net/ipv6/conf/k0/disable_ipv6", "1");
	for (size_t i = 0; i < COUNT; i++)
		(void)snprintf(before[i], sizeof(before[i]), "%s", sysctl_of(wanted[i].path));
	hostnet = create();
	assert_int_equal(hostnet_port_setup(hostnet, &interface), 0);
	for (size_t i = 0; i < COUNT; i++)
		assert_string_equal(sysctl_of(wanted[i].path), wanted[i].value);
	assert_true(shows("ip -o addr show dev k0", "192.0.2.11/24 brd 192.0.2.255 scope global"));
	assert_true(shows("ip -o addr show dev k0", "2001:db8::11/64 scope global nodad"));
	assert_true(shows("ip link show dev k0", "UP"));
	run("ip addr flush dev k0");
	run("ip link set k0 down");
	write_sysctl("/proc/sys/net/ipv4/conf/k0/rp_filter", "1");
	hostnet_repair(hostnet);
	assert_true(shows("ip -o addr show dev k0", "192.0.2.11/24"));
	assert_true(shows("ip -o addr show dev k0", "2001:db8::11/64"));
	assert_true(shows("ip link show dev k0", "UP"));
	assert_string_equal(sysctl_of("net/ipv4/conf/k0/rp_filter"), "2\n");
	hostnet_free(hostnet);
	for (size_t i = 0; i < COUNT; i++)
		assert_string_equal(sysctl_of(wanted[i].path), before[i]);
	assert_string_equal(output("ip -o addr show dev k0"), "");
	assert_false(shows("ip link show dev k0", ",UP"));
}

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
		cmocka_unit_test_setup(a_claimed_nic_is_silent_and_stop_puts_everything_back,
				       fresh_namespace),
		cmocka_unit_test_setup(a_nic_that_was_down_without_arp_is_so_again,
				       fresh_namespace),
		cmocka_unit_test_setup(routes_of_a_nic_without_addresses_go_and_come_back,
				       fresh_namespace),
		cmocka_unit_test_setup(a_claim_outlives_sigkill_and_the_next_clean_stop_undoes_it,
				       fresh_namespace),
		cmocka_unit_test_setup(
			a_nic_that_the_configuration_no_longer_names_is_given_back_at_start,
			fresh_namespace),
		cmocka_unit_test_setup(the_kernel_takes_nothing_from_a_claimed_nic,
				       fresh_namespace),
		cmocka_unit_test_setup(a_netdev_that_is_not_there_is_an_error, fresh_namespace),
		cmocka_unit_test_setup(the_carrier_of_a_claimed_nic_is_followed, fresh_namespace),
		cmocka_unit_test_setup(arp_that_somebody_turns_on_again_is_turned_off,
				       fresh_namespace),
		cmocka_unit_test_setup(vips_come_and_go_on_lo_and_others_addresses_stay,
				       fresh_namespace),
		cmocka_unit_test_setup(vips_that_somebody_flushed_are_put_on_lo_again,
				       fresh_namespace),
		cmocka_unit_test_setup(a_killed_predecessors_vips_are_adopted, fresh_namespace),
		cmocka_unit_test_setup(the_kernel_port_joins_and_leaves_solicited_node_groups,
				       fresh_namespace),
		cmocka_unit_test_setup(thousands_of_groups_fit, fresh_namespace),
		cmocka_unit_test_setup(a_kernel_port_gets_its_settings_and_loses_them,
				       fresh_namespace),
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
