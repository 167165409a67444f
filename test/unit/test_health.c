/* SPDX-License-Identifier: BSD-3-Clause */
/* Health probes against real listening sockets on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/event.h>

#include "health.h"
#include "log.h"

#include "netns.h"

#define TIMEOUT_S 10

static struct {
	struct event_base *base;
	struct health *health;
	unsigned int calls, wanted_calls;
	char key[64];
	bool healthy;
	bool late;
} test;

static void on_changed(void *arg, const char *key, bool healthy)
{
	assert_ptr_equal(arg, &test);
	test.calls++;
	test.healthy = healthy;
	(void)snprintf(test.key, sizeof(test.key), "%s", key);
	if (test.calls == test.wanted_calls)
		event_base_loopbreak(test.base);
}

static int fresh(void **state)
{
	(void)state;
	memset(&test, 0, sizeof(test));
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	run("ip link set lo up");
	test.base = event_base_new();
	test.health = health_create(test.base, on_changed, &test);
	assert_non_null(test.health);
	return 0;
}

static int done(void **state)
{
	(void)state;
	health_free(test.health);
	event_base_free(test.base);
	return 0;
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
	event_base_loopbreak(test.base);
}

/* Runs the loop until the callback has been called `calls` times in all. */
static void await_calls(unsigned int calls)
{
	struct timeval limit = {.tv_sec = TIMEOUT_S};
	struct event *timer = evtimer_new(test.base, on_timeout, &test.late);

	test.wanted_calls = calls;
	assert_int_equal(evtimer_add(timer, &limit), 0);
	if (test.calls < calls)
		event_base_dispatch(test.base);
	event_free(timer);
	if (test.late)
		fail_msg("%u of %u changes within %d s", test.calls, calls, TIMEOUT_S);
	assert_int_equal(test.calls, calls);
}

/* Runs the loop for that long: what must not change has the time to change. */
static void run_for_ms(unsigned int ms)
{
	struct timeval limit = {.tv_usec = ms * 1000};
	struct event *timer = evtimer_new(test.base, on_timeout, &test.late);

	assert_int_equal(evtimer_add(timer, &limit), 0);
	event_base_dispatch(test.base);
	event_free(timer);
	test.late = false;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_int_equal(ip_parse(text, &ip), 0);
	return ip;
}

/* Listens on one address and port only. */
static int listen_on(const char *address, uint16_t port, int backlog)
{
	struct ip ip = ip_of(address);
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	bool is_v4 = ip_is_v4(&ip);
	int one = 1;
	int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	v4.sin_addr.s_addr = ip_v4(&ip);
	memcpy(&v6.sin6_addr, ip.b, sizeof(ip.b));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6,
			      is_v4 ? sizeof(v4) : sizeof(v6)),
			 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void set_targets(const struct health_target *targets, size_t count)
{
	assert_int_equal(health_targets_set(test.health, targets, count), 0);
}

static void an_application_that_stops_listening_is_found_out_and_so_is_its_return(void **state)
{
	static const char *const addresses[] = {"127.0.0.1", "::1"};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const struct health_target target = {"default/nginx", ip_of(addresses[i]), 80};
		int fd = listen_on(addresses[i], 80, 16);
		uint64_t start_ms;
		bool healthy;

		set_targets(NULL, 0);
		assert_true(health_known(test.health));
		test.calls = 0;
		set_targets(&target, 1);
		assert_false(health_known(test.health));
		assert_false(health_of(test.health, "default/nginx", &healthy));
		await_calls(1);
		assert_true(test.healthy);
		assert_true(health_known(test.health));
		run_for_ms(250);
		assert_int_equal(test.calls, 1);
		close(fd);
		start_ms = now_ms();
		await_calls(2);
		assert_string_equal(test.key, "default/nginx");
		assert_false(test.healthy);
		/* One interval, one repetition, and a machine that others use too. */
		assert_in_range(now_ms() - start_ms, 0, 500);
		assert_true(health_of(test.health, "default/nginx", &healthy));
		assert_false(healthy);
		fd = listen_on(addresses[i], 80, 16);
		start_ms = now_ms();
		await_calls(3);
		assert_true(test.healthy);
		/* Three successes lie two intervals apart. */
		assert_in_range(now_ms() - start_ms, 150, 1000);
		close(fd);
	}
}

static void nothing_stays_in_time_wait_and_no_descriptor_leaks(void **state)
{
	const struct health_target target = {"a/b", ip_of("127.0.0.1"), 80};
	int fd = listen_on("127.0.0.1", 80, 64), before, after, accepted = 0, one;

	(void)state;
	before = dup(fd);
	close(before);
	set_targets(&target, 1);
	await_calls(1);
	run_for_ms(550);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	while ((one = accept(fd, NULL, NULL)) >= 0) {
		accepted++;
		close(one);
	}
	assert_in_range(accepted, 4, 7);
	set_targets(NULL, 0);
	/* Neither end has anything left of the connections, in whatever state. */
	assert_string_equal(output("ss -Htan state connected"), "");
	after = dup(fd);
	assert_int_equal(after, before);
	close(after);
	close(fd);
}

static void an_application_that_never_answers_is_unhealthy(void **state)
{
	const struct health_target targets[] = {{"a/b", ip_of("127.0.0.1"), 80},
						{"a/c", ip_of("::1"), 80}};
	int v4 = listen_on("127.0.0.1", 80, 16), v6 = listen_on("::1", 80, 16);
	uint64_t start_ms;

	(void)state;
	set_targets(targets, 2);
	await_calls(2);
	assert_true(test.healthy);
	run("nft add table inet test");
	run("nft add chain inet test input { type filter hook input priority 0 ; }");
	run("nft add rule inet test input tcp dport 80 drop");
	start_ms = now_ms();
	await_calls(4);
	assert_false(test.healthy);
	/* Two limits of 100 ms, 20 ms between, one interval before. */
	assert_in_range(now_ms() - start_ms, 200, 600);
	run("nft delete table inet test");
	await_calls(6);
	assert_true(test.healthy);
	close(v4);
	close(v6);
}

static void one_failure_alone_changes_nothing(void **state)
{
	const struct health_target target = {"a/b", ip_of("127.0.0.1"), 80};
	int fd = listen_on("127.0.0.1", 80, 64);

	(void)state;
	set_targets(&target, 1);
	await_calls(1);
	run("nft add table inet test");
	run("nft add set inet test once { type inet_service ; flags dynamic ; size 16 ; }");
	run("nft add chain inet test input { type filter hook input priority 0 ; }");
	/* Refuses the first connection and no other. */
	run("nft add rule inet test input tcp dport 80 tcp flags syn tcp dport != @once add @once "
	    "{ tcp dport } counter reject with tcp reset");
	run_for_ms(500);
	assert_true(shows("nft list ruleset", "counter packets 1 "));
	assert_int_equal(test.calls, 1);
	close(fd);
}

static void a_key_serves_when_one_address_has_every_port(void **state)
{
	const struct health_target targets[] = {
		{"a/b", ip_of("127.0.0.1"), 80}, {"a/b", ip_of("127.0.0.1"), 443},
		{"a/b", ip_of("::1"), 80},	 {"a/b", ip_of("::1"), 443},
		{"a/b", ip_of("::1"), 443},
	};
	int v4_80 = listen_on("127.0.0.1", 80, 16), v6_443 = listen_on("::1", 443, 16), v6_80;

	(void)state;
	set_targets(targets, 5);
	await_calls(1);
	assert_false(test.healthy); /* each address lacks a port */
	v6_80 = listen_on("::1", 80, 16);
	await_calls(2);
	assert_true(test.healthy);
	close(v4_80); /* the other address is whole */
	run_for_ms(300);
	assert_int_equal(test.calls, 2);
	close(v6_443);
	await_calls(3);
	assert_false(test.healthy);
	close(v6_80);
}

static void what_a_surviving_key_knew_stays(void **state)
{
	struct health_target targets[] = {
		{"a/b", ip_of("127.0.0.1"), 80},
		{"a/c", ip_of("127.0.0.1"), 81},
	};
	int fd = listen_on("127.0.0.1", 80, 16);
	bool healthy;

	(void)state;
	set_targets(targets, 1);
	await_calls(1);
	set_targets(targets, 2);
	assert_true(health_of(test.health, "a/b", &healthy) && healthy);
	assert_false(health_known(test.health));
	await_calls(2);
	assert_string_equal(test.key, "a/c");
	assert_false(test.healthy);
	assert_true(health_known(test.health));
	/* Another target under the same key: known until it is judged anew. */
	targets[0].port = 82;
	set_targets(targets, 2);
	assert_true(health_of(test.health, "a/b", &healthy) && healthy);
	await_calls(3);
	assert_string_equal(test.key, "a/b");
	assert_false(test.healthy);
	set_targets(&targets[1], 1);
	assert_false(health_of(test.health, "a/b", &healthy));
	close(fd);
}

static void a_connection_to_oneself_is_no_service(void **state)
{
	/* Every source port that the kernel may choose is the one that is probed. */
	const struct health_target targets[] = {{"a/b", ip_of("127.0.0.1"), 40001}};
	int fd;

	(void)state;
	fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
	assert_int_equal(write(fd, "40001 40001", 11), 11);
	close(fd);
	set_targets(targets, 1);
	await_calls(1);
	assert_false(test.healthy);
}

static void thousands_of_targets_get_by_with_few_descriptors(void **state)
{
	enum { COUNT = 2000, FAR = 600 };
	struct health_target *targets = calloc(COUNT, sizeof(*targets));
	struct rlimit before, few;
	char(*names)[16] = calloc(COUNT, sizeof(*names));
	int fd = listen_on("127.0.0.1", 80, 4096);

	(void)state;
	/* The limit is read when health begins. */
	health_free(test.health);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = 64;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	test.health = health_create(test.base, on_changed, &test);
	assert_non_null(test.health);
	/* The far ones answer nothing, each until its limit. */
	run("ip link add far type veth peer name away");
	run("ip link set far up");
	run("ip link set away up");
	run("ip addr add 192.0.2.1/24 dev far");
	run("ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev far");
	for (size_t i = 0; i < COUNT; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "a/%zu", i);
		targets[i].key = names[i];
		targets[i].address = ip_of(i < FAR ? "192.0.2.2" : "127.0.0.1");
		targets[i].port = 80;
	}
	set_targets(targets, 20);
	await_calls(20);
	assert_false(test.healthy);
	set_targets(&targets[FAR], COUNT - FAR);
	test.calls = 0;
	await_calls(COUNT - FAR);
	assert_true(health_known(test.health));
	assert_true(test.healthy);
	set_targets(targets, COUNT);
	set_targets(NULL, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	free(targets);
	free(names);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			an_application_that_stops_listening_is_found_out_and_so_is_its_return,
			fresh, done),
		cmocka_unit_test_setup_teardown(nothing_stays_in_time_wait_and_no_descriptor_leaks,
						fresh, done),
		cmocka_unit_test_setup_teardown(an_application_that_never_answers_is_unhealthy,
						fresh, done),
		cmocka_unit_test_setup_teardown(one_failure_alone_changes_nothing, fresh, done),
		cmocka_unit_test_setup_teardown(a_key_serves_when_one_address_has_every_port, fresh,
						done),
		cmocka_unit_test_setup_teardown(what_a_surviving_key_knew_stays, fresh, done),
		cmocka_unit_test_setup_teardown(a_connection_to_oneself_is_no_service, fresh, done),
		cmocka_unit_test_setup_teardown(thousands_of_targets_get_by_with_few_descriptors,
						fresh, done),
	};
	const char *missing = netns_missing();

	if (missing != NULL) {
		printf("SKIP: %s\n", missing);
		return 77; /* meson: skipped */
	}
	log_init(CONFIG_LOG_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
