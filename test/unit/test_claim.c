/* SPDX-License-Identifier: BSD-3-Clause */
/* A NIC that a kernel driver drives: claimed, followed, and given back, against a real kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <net/if.h>
#include <netinet/in.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "hostnet.h"

#include "netns.h"
#include "hostnet_fixture.h"

#define EVENT_TIMEOUT_MS 5000

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

static void a_nic_that_a_living_vipgate_has_stays_its(void **state)
{
	struct config_interface interface = {.name = "front", .kernel_name = "k0"};
	struct hostnet *first, *second;
	char *before, *after;

	(void)state;
	use_the_nic();
	before = snapshot();
	first = create();
	assert_int_equal(hostnet_device_claim(first, "n0"), 0);
	second = create();
	assert_int_equal(hostnet_device_claim(second, "n0"), -EBUSY);
	assert_silent();
	/* Another configuration in the same namespace, which does not name it. */
	assert_int_equal(hostnet_device_claim(second, "n1"), 0);
	assert_int_equal(hostnet_port_setup(second, &interface), 0);
	assert_true(shows("ip link show dev n0", "NOARP"));
	assert_string_equal(output("ip -o addr show dev n0"), "");
	hostnet_free(second);
	assert_true(shows("ip link show dev n0", "NOARP"));
	assert_string_equal(output("ip -o addr show dev n0"), "");
	hostnet_free(first);
	await_ipv6();
	after = snapshot();
	assert_same(after, before);
	free(before);
	free(after);
	/* Free for the next one. */
	first = create();
	assert_int_equal(hostnet_device_claim(first, "n0"), 0);
	hostnet_free(first);
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
		cmocka_unit_test_setup(a_nic_that_a_living_vipgate_has_stays_its, fresh_namespace),
		cmocka_unit_test_setup(
			a_nic_that_the_configuration_no_longer_names_is_given_back_at_start,
			fresh_namespace),
		cmocka_unit_test_setup(the_kernel_takes_nothing_from_a_claimed_nic,
				       fresh_namespace),
		cmocka_unit_test_setup(a_netdev_that_is_not_there_is_an_error, fresh_namespace),
		cmocka_unit_test_setup(the_carrier_of_a_claimed_nic_is_followed, fresh_namespace),
		cmocka_unit_test_setup(arp_that_somebody_turns_on_again_is_turned_off,
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
