/* SPDX-License-Identifier: BSD-3-Clause */
/* vipgate.yaml: its defaults, and what each mistake in it is answered with. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "problems_text.h"

/* Lines 1 to 4 of most texts; what a case is about begins in line 5. */
#define FRONT	  "interfaces:\n  - {name: front, device: net_tap0, gateways: [192.0.2.1]}\n"
#define HEARTBEAT "heartbeat: {key_file: heartbeat.key}\n"
#define SOURCE	  "source: {file: objects.yaml}\n"
#define BASE	  FRONT HEARTBEAT SOURCE

#define KEY	"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY_TWO "ff112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"

static struct config *parse(const char *text, char *problems_buf, size_t len)
{
	struct problems problems = {0};
	struct config *config = config_parse(text, strlen(text), "dir/c.yaml", &problems);

	problems_text(&problems, problems_buf, len);
	return config;
}

static void what_is_left_out_has_a_default(void **state)
{
	char problems[1024];
	struct config *config;

	(void)state;
	setenv("NODE_NAME", "fe-7", 1);
	config = parse(BASE, problems, sizeof(problems));
	assert_string_equal(problems, "");
	assert_non_null(config);
	assert_string_equal(config->node, "fe-7");
	assert_int_equal(config->interface_count, 1);
	assert_string_equal(config->interfaces[0].group, "front");
	assert_string_equal(config->interfaces[0].kernel_name, "vip0");
	assert_int_equal(config->interfaces[0].mtu, 1500);
	assert_int_equal(config->interfaces[0].vlan, 0);
	assert_int_equal(config->lcore_count, 1);
	assert_true(config->lcores[0] < (unsigned int)get_nprocs_conf());
	assert_int_equal(config->memory_mb, 512);
	assert_true(config->icmp_echo);
	assert_int_equal(config->heartbeat_interval_ns, 20000000);
	assert_int_equal(config->heartbeat_multiplier, 3);
	assert_true(ip_is_none(&config->management_address));
	assert_true(config->failback);
	assert_int_equal(config->failback_delay_ns, UINT64_C(60000000000));
	assert_int_equal(config->drain_idle_ns, UINT64_C(30000000000));
	assert_int_equal(config->drain_max_ns, UINT64_C(600000000000));
	assert_string_equal(config->source_file, "dir/objects.yaml");
	assert_string_equal(config->key_file, "dir/heartbeat.key");
	assert_false(config->source_kubernetes);
	assert_string_equal(config->state_dir, "/var/lib/vipgate");
	assert_string_equal(config->http, "127.0.0.1:9798");
	assert_string_equal(config->socket, "/run/vipgate/vipgate.sock");
	assert_int_equal(config->log_level, CONFIG_LOG_INFO);
	assert_false(config->log_json);
	config_free(config);

	setenv("NODE_NAME", "two words", 1);
	assert_null(parse(BASE, problems, sizeof(problems)));
	assert_string_equal(problems,
			    "dir/c.yaml: error: node: found none here and \"two words\" as "
			    "$NODE_NAME, expected a node name of letters, digits, -, _ "
			    "and .\n");
	unsetenv("NODE_NAME");
	config = parse(BASE, problems, sizeof(problems));
	assert_non_null(config);
	char host[256];
	assert_int_equal(gethostname(host, sizeof(host)), 0);
	assert_string_equal(config->node, host);
	config_free(config);
}

static void every_key_is_read(void **state)
{
	static const char text[] =
		"node: fe-1\n"
		"interfaces:\n"
		"  - name: front\n"
		"    device: 0000:3b:00.0\n"
		"    group: zone-a\n"
		"    vlan: 12\n"
		"    mtu: 9000\n"
		"    kernel: {name: front0, backend: vhost}\n"
		"    addresses: [192.0.2.11/24, \"2001:db8::11/64\"]\n"
		"    gateways: [192.0.2.1, \"fe80::1\"]\n"
		"dataplane: {lcores: [0], memory: 1G, hugepages: no, idle: busy, icmp_echo: off}\n"
		"heartbeat:\n"
		"  interval: 1.5ms\n"
		"  multiplier: 5\n"
		"  key_file: /k\n"
		"  management: \"[2001:db8:1::11]:4226\"\n"
		"moves: {failback: false, failback_delay: 1m30s, drain_idle: 0s, drain_max: 2h}\n"
		"source: {kubernetes: {kubeconfig: /kc}}\n"
		"state_dir: /s\n"
		"http: off\n"
		"socket: /x.sock\n"
		"log: {level: debug, format: json}\n";
	char problems[1024], buf[IP_PREFIX_STRLEN];
	struct config *config;

	(void)state;
	config = parse(text, problems, sizeof(problems));
	assert_string_equal(problems, "");
	assert_non_null(config);
	assert_string_equal(config->node, "fe-1");
	assert_string_equal(config->interfaces[0].device, "0000:3b:00.0");
	assert_string_equal(config->interfaces[0].group, "zone-a");
	assert_int_equal(config->interfaces[0].vlan, 12);
	assert_int_equal(config->interfaces[0].mtu, 9000);
	assert_string_equal(config->interfaces[0].kernel_name, "front0");
	assert_int_equal(config->interfaces[0].backend, DATAPLANE_BACKEND_VHOST);
	assert_int_equal(config->interfaces[0].address_count, 2);
	/* host bits are the node's own address and must not be lost */
	assert_string_equal(ip_prefix_format(&config->interfaces[0].addresses[0], buf),
			    "192.0.2.11/24");
	assert_string_equal(ip_prefix_format(&config->interfaces[0].addresses[1], buf),
			    "2001:db8::11/64");
	assert_int_equal(config->interfaces[0].gateway_count, 2);
	assert_string_equal(ip_format(&config->interfaces[0].gateways[1], buf), "fe80::1");
	assert_int_equal(config->lcores[0], 0);
	assert_int_equal(config->memory_mb, 1024);
	assert_int_equal(config->hugepages, DATAPLANE_HUGEPAGES_NO);
	assert_int_equal(config->idle, DATAPLANE_IDLE_BUSY);
	assert_false(config->icmp_echo);
	assert_int_equal(config->heartbeat_interval_ns, 1500000);
	assert_int_equal(config->heartbeat_multiplier, 5);
	assert_string_equal(ip_format(&config->management_address, buf), "2001:db8:1::11");
	assert_int_equal(config->management_port, 4226);
	assert_false(config->failback);
	assert_int_equal(config->failback_delay_ns, UINT64_C(90000000000));
	assert_int_equal(config->drain_idle_ns, 0);
	assert_int_equal(config->drain_max_ns, UINT64_C(7200000000000));
	assert_true(config->source_kubernetes);
	assert_string_equal(config->kubeconfig, "/kc");
	assert_null(config->source_file);
	assert_string_equal(config->state_dir, "/s");
	assert_string_equal(config->http, "");
	assert_string_equal(config->socket, "/x.sock");
	assert_int_equal(config->log_level, CONFIG_LOG_DEBUG);
	assert_true(config->log_json);
	config_free(config);
}

static void a_mistake_is_named_with_its_place(void **state)
{
	static const struct {
		const char *text, *problems;
	} cases[] = {
		/* whole files */
		{"", "dir/c.yaml:1:1: error: found nothing, expected keys such as interfaces, "
		     "heartbeat and source\n"},
		{"[1]\n", "dir/c.yaml:1:1: error: configuration: found a list of 1, expected keys "
			  "such as interfaces, heartbeat and source\n"},
		{"node: [\n", "dir/c.yaml:2:1: error: this is no YAML: did not find expected node "
			      "content\n"},
		{"node: a\n",
		 "dir/c.yaml:1:1: error: found no interfaces, expected a list of 1 to 16 "
		 "interfaces, each with name and device\n"
		 "dir/c.yaml:1:1: error: found no heartbeat, expected a map with at least "
		 "key_file\n"
		 "dir/c.yaml:1:1: error: found no source, expected a map with either kubernetes or "
		 "file\n"},
		{BASE "---\nnode: b\n",
		 "dir/c.yaml:6:1: error: found a second document, expected one\n"},
		/* unknown and repeated keys */
		{BASE "nod: fe-1\n",
		 "dir/c.yaml:5:1: error: found the unknown key \"nod\", did you mean node?\n"},
		{BASE "moves: {failback_dealy: 1s}\n",
		 "dir/c.yaml:5:9: error: found the unknown key \"failback_dealy\", did you mean "
		 "failback_delay?\n"},
		{BASE "log: {colour: red}\n",
		 "dir/c.yaml:5:7: error: found the unknown key \"colour\", expected level or "
		 "format\n"},
		{BASE "node: a\nnode: b\n",
		 "dir/c.yaml:6:1: error: found the key \"node\" again, expected it once: it is "
		 "already in line 5, column 1\n"},
		/* names */
		{BASE "node: 5\n",
		 "dir/c.yaml:5:7: error: node: found the number 5, expected a node name of "
		 "letters, digits, -, _ and . (write it in quotes: \"5\")\n"},
		{BASE "node: a b\n", "dir/c.yaml:5:7: error: node: found \"a b\", expected a node "
				     "name of letters, digits, -, _ and .\n"},
		/* durations */
		{FRONT SOURCE "heartbeat: {key_file: k, interval: 20}\n",
		 "dir/c.yaml:4:36: error: interval: found \"20\", expected a duration such as "
		 "20ms\n"},
		{FRONT SOURCE "heartbeat: {key_file: k, interval: 2s}\n",
		 "dir/c.yaml:4:36: error: interval: found \"2s\", expected a duration from 1ms to "
		 "1s\n"},
		{FRONT SOURCE "heartbeat: {key_file: k, interval: 999us}\n",
		 "dir/c.yaml:4:36: error: interval: found \"999us\", expected a duration from 1ms "
		 "to 1s\n"},
		{BASE "moves: {failback_delay: 1 s}\n",
		 "dir/c.yaml:5:25: error: failback_delay: found \"1 s\", expected a duration such "
		 "as 60s\n"},
		{BASE "moves: {failback_delay: 99999999999999999999h}\n",
		 "dir/c.yaml:5:25: error: failback_delay: found \"99999999999999999999h\", "
		 "expected a duration such as 60s\n"},
		{BASE "moves: {drain_max: 25h}\n",
		 "dir/c.yaml:5:20: error: drain_max: found \"25h\", expected a duration from 0s to "
		 "24h\n"},
		/* numbers */
		{FRONT SOURCE "heartbeat: {key_file: k, multiplier: 1}\n",
		 "dir/c.yaml:4:38: error: multiplier: found \"1\", expected a number from 2 to "
		 "10\n"},
		{FRONT SOURCE "heartbeat: {key_file: k, multiplier: '3'}\n",
		 "dir/c.yaml:4:38: error: multiplier: found \"3\", expected a number from 2 to 10, "
		 "without quotes\n"},
		{BASE "dataplane: {memory: 63}\n",
		 "dir/c.yaml:5:21: error: memory: found \"63\", expected a size in MiB from 64 to "
		 "1048576\n"},
		{BASE "dataplane: {memory: 1T}\n",
		 "dir/c.yaml:5:21: error: memory: found \"1T\", expected a size in MiB from 64 to "
		 "1048576\n"},
		{BASE "dataplane: {lcores: [0, 0]}\n",
		 "dir/c.yaml:5:25: error: lcores: found \"0\" again, expected each CPU once\n"},
		{BASE "dataplane: {lcores: []}\n",
		 "dir/c.yaml:5:21: error: lcores: found an empty list, expected a list of 1 to 32 "
		 "CPUs such as [2, 3]\n"},
		{BASE "dataplane: {idle: lazy, hugepages: maybe, icmp_echo: 1}\n",
		 "dir/c.yaml:5:19: error: idle: found \"lazy\", expected adaptive or busy\n"
		 "dir/c.yaml:5:36: error: hugepages: found \"maybe\", expected auto, yes or no\n"
		 "dir/c.yaml:5:54: error: icmp_echo: found \"1\", expected true or false\n"},
		{BASE "dataplane: fast\n",
		 "dir/c.yaml:5:12: error: dataplane: found \"fast\", expected a map such as "
		 "{lcores: [2, 3], memory: 512}\n"},
		{BASE "moves:\n",
		 "dir/c.yaml:5:7: error: moves: found nothing, expected a map such "
		 "as {failback: true, failback_delay: 60s}\n"},
		/* endpoints and paths */
		{FRONT SOURCE "heartbeat: {key_file: k, management: 10.0.0.1}\n",
		 "dir/c.yaml:4:38: error: management: found \"10.0.0.1\", expected this node's "
		 "ADDRESS:PORT such as 10.0.0.11:4226\n"},
		{FRONT SOURCE "heartbeat: {key_file: k, management: 0.0.0.0:4226}\n",
		 "dir/c.yaml:4:38: error: management: found \"0.0.0.0:4226\", expected this node's "
		 "ADDRESS:PORT such as 10.0.0.11:4226\n"},
		{FRONT SOURCE "heartbeat: {interval: 20ms}\n",
		 "dir/c.yaml:4:12: error: found no key_file, expected the path of a key file such "
		 "as /etc/vipgate/heartbeat.key\n"},
		{BASE "http: 127.0.0.1:0\n",
		 "dir/c.yaml:5:7: error: http: found \"127.0.0.1:0\", expected ADDRESS:PORT such "
		 "as 127.0.0.1:9798, or off\n"},
		{BASE "http: \"::1:80\"\n",
		 "dir/c.yaml:5:7: error: http: found \"::1:80\", expected ADDRESS:PORT such as "
		 "127.0.0.1:9798, or off\n"},
		/* source */
		{FRONT HEARTBEAT "source: {}\n", "dir/c.yaml:4:9: error: source: found neither "
						 "kubernetes nor file, expected one of "
						 "them\n"},
		{FRONT HEARTBEAT "source:\n  kubernetes:\n  file: x\n",
		 "dir/c.yaml:5:3: error: source: found both kubernetes and file, expected one of "
		 "them\n"},
		{BASE "log: {level: loud, format: xml}\n",
		 "dir/c.yaml:5:14: error: level: found \"loud\", expected error, warning, info or "
		 "debug\n"
		 "dir/c.yaml:5:28: error: format: found \"xml\", expected text or json\n"},
	};
	char problems[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(parse(cases[i].text, problems, sizeof(problems)));
		assert_string_equal(problems, cases[i].problems);
	}
}

#define REST HEARTBEAT SOURCE "interfaces:\n"

static void a_mistake_in_an_interface_is_named_with_its_place(void **state)
{
	static const struct {
		const char *text, *problems;
	} cases[] = {
		{REST "  - {name: a, gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:4:5: error: found no device, expected a PCI address such as "
		 "0000:3b:00.0, or a vdev such as net_af_xdp0,iface=eth1\n"},
		{REST "  - {name: a, device: eth0, gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:4:23: error: device: found \"eth0\", expected a PCI address such as "
		 "0000:3b:00.0, or a vdev such as net_af_xdp0,iface=eth1\n"},
		{REST "  - {name: a, device: \"0000:3b:20.0\", gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:4:23: error: device: found \"0000:3b:20.0\", expected a PCI address "
		 "such as 0000:3b:00.0, or a vdev such as net_af_xdp0,iface=eth1\n"},
		{REST "  - {name: a, device: \"net_af_xdp0\", gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:4:23: error: device: found \"net_af_xdp0\", expected the netdev that "
		 "it stands on, as in net_af_xdp0,iface=eth1\n"},
		{REST "  - {name: a, device: net_tap0, mtu: 1279, gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:4:38: error: mtu: found \"1279\", expected an MTU from 1280 to "
		 "9216\n"},
		{REST "  - {name: a, device: net_tap0, mtu: 9000, gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:4:38: error: mtu: found 9000, expected at most 1500 with net_tap\n"},
		{REST "  - name: a\n    device: net_af_xdp0,iface=eth1\n    mtu: 3301\n"
		      "    gateways: [192.0.2.1]\n",
		 "dir/c.yaml:6:10: error: mtu: found 3301, expected at most 3300 with "
		 "net_af_xdp\n"},
		{REST "  - {name: a, device: net_tap0, vlan: 4095, gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:4:39: error: vlan: found \"4095\", expected a VLAN id from 0 to "
		 "4094\n"},
		{REST "  - {name: a, device: net_tap0, kernel: {name: far-too-long-a-name}, "
		      "gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:4:48: error: name: found \"far-too-long-a-name\", expected a device "
		 "name of 1 to 15 characters such as vip0\n"},
		{REST "  - {name: a, device: net_tap0, kernel: {backend: kni}, "
		      "gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:4:51: error: backend: found \"kni\", expected auto, vhost or tap\n"},
		{REST "  - name: a\n    device: net_tap0\n    addresses: [192.0.2.1, 192.0.2.2/33, "
		      "224.0.0.1/24]\n    gateways: [10.0.0.256]\n",
		 "dir/c.yaml:6:17: error: addresses: found \"192.0.2.1\", expected an address with "
		 "a prefix length such as 192.0.2.11/24\n"
		 "dir/c.yaml:6:28: error: addresses: found \"192.0.2.2/33\", expected an address "
		 "with a prefix length such as 192.0.2.11/24\n"
		 "dir/c.yaml:6:42: error: addresses: found \"224.0.0.1/24\", expected the unicast "
		 "address of this node and its subnet\n"
		 "dir/c.yaml:7:16: error: gateways: found \"10.0.0.256\", expected a unicast "
		 "address such as 192.0.2.1\n"},
		{REST "  - name: a\n    device: net_tap0\n    addresses: [192.0.2.1/24, "
		      "192.0.2.1/25]\n    gateways: [192.0.2.1]\n",
		 "dir/c.yaml:6:31: error: addresses: found \"192.0.2.1/25\" again, expected each "
		 "once\n"
		 "dir/c.yaml:7:16: error: gateways: found \"192.0.2.1\", expected another address "
		 "than the node's own\n"},
		{REST "  - {name: a, device: net_tap0, gateways: [192.0.2.1]}\n"
		      "  - {name: a, device: net_tap1, kernel: {name: vip0}, gateways: "
		      "[192.0.2.1]}\n",
		 "dir/c.yaml:5:12: error: name: found \"a\" again, expected another one than in "
		 "line 4, column 12\n"
		 "dir/c.yaml:5:48: error: kernel name: found \"vip0\" again, expected another one "
		 "than in line 4, column 5\n"},
		{REST "  - {name: a, device: net_tap0, gateways: [192.0.2.1]}\n"
		      "  - {name: b, device: net_tap0, group: a, gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:5:40: error: group: found \"a\" again, expected another one than in "
		 "line 4, column 5\n"
		 "dir/c.yaml:5:23: error: device: found it again with vlan 0, expected another "
		 "vlan than in line 4, column 23\n"},
		{REST "  - {name: a, device: \"net_tap0,iface=x\", gateways: [192.0.2.1]}\n"
		      "  - {name: b, device: net_tap0, vlan: 3, gateways: [192.0.2.1]}\n",
		 "dir/c.yaml:5:23: error: device: found other arguments than in line 4, column 23, "
		 "expected the same for one device\n"},
		{REST "  - front\n", "dir/c.yaml:4:5: error: interfaces: found \"front\", expected "
				     "a map with name and device\n"},
		{HEARTBEAT SOURCE "interfaces: []\n",
		 "dir/c.yaml:3:13: error: interfaces: found an empty list, expected a list of 1 to "
		 "16 interfaces, each with name and device\n"},
	};
	char problems[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(parse(cases[i].text, problems, sizeof(problems)));
		assert_string_equal(problems, cases[i].problems);
	}
}

static void a_cpu_that_is_not_there_is_an_error(void **state)
{
	char text[256], problems[512], expected[512];
	int cpus = get_nprocs_conf();

	(void)state;
	snprintf(text, sizeof(text), BASE "dataplane: {lcores: [%d]}\n", cpus);
	snprintf(expected, sizeof(expected),
		 "dir/c.yaml:5:22: error: lcores: found \"%d\", expected a CPU of this machine, "
		 "from 0 to %d\n",
		 cpus, cpus - 1);
	assert_null(parse(text, problems, sizeof(problems)));
	assert_string_equal(problems, expected);
}

static void memory_that_is_not_there_is_an_error(void **state)
{
	char problems[512], expected[512];
	uint64_t mib = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) >> 20;

	(void)state;
	snprintf(expected, sizeof(expected),
		 "dir/c.yaml:5:21: error: memory: found \"1024G\", expected at most the "
		 "%" PRIu64 " MiB that this machine has\n",
		 mib);
	assert_null(parse(BASE "dataplane: {memory: 1024G}\n", problems, sizeof(problems)));
	assert_string_equal(problems, expected);
}

static void what_is_only_doubtful_is_a_warning(void **state)
{
	static const struct {
		const char *text, *problems;
	} cases[] = {
		{REST "  - name: a\n    device: net_tap0\n    addresses: [192.0.2.11/24]\n"
		      "    gateways: [192.0.3.1]\n",
		 "dir/c.yaml:7:16: warning: gateways: found \"192.0.3.1\", expected an address in "
		 "the subnet of one of the addresses\n"},
		{REST "  - name: a\n    device: net_tap0\n    addresses: [192.0.2.11/24]\n"
		      "    gateways: [\"2001:db8::1\"]\n",
		 "dir/c.yaml:7:16: warning: gateways: found \"2001:db8::1\", expected a gateway of "
		 "the same family as one of the addresses\n"},
		{REST "  - {name: a, device: net_tap0}\n",
		 "dir/c.yaml:4:12: warning: found neither gateways nor heartbeat.management: a "
		 "node that is cut off cannot tell, and a VIP may get two owners\n"},
		/* and what looks doubtful but is not */
		{REST "  - name: a\n    device: net_tap0\n    addresses: [\"2001:db8::11/64\"]\n"
		      "    gateways: [\"fe80::1\", \"2001:db8::1\"]\n",
		 ""},
		{REST "  - {name: a, device: net_tap0, gateways: [192.0.2.1]}\n"
		      "  - {name: b, device: net_tap0, vlan: 3, gateways: [192.0.2.1]}\n",
		 ""},
	};
	char problems[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *config = parse(cases[i].text, problems, sizeof(problems));

		assert_string_equal(problems, cases[i].problems);
		assert_non_null(config);
		config_free(config);
	}
}

/* A directory of files for config_load(); the test's working directory meanwhile. */

static int enter_directory(void **state)
{
	char *dir = strdup("/tmp/vipgate-test-config-XXXXXX");

	if (dir == NULL || mkdtemp(dir) == NULL || chdir(dir) < 0) {
		free(dir);
		return -1;
	}
	*state = dir;
	return 0;
}

static int leave_directory(void **state)
{
	unlink("c.yaml");
	unlink("heartbeat.key");
	unlink("objects.yaml");
	if (chdir("/") < 0 || rmdir(*state) < 0)
		return -1;
	free(*state);
	return 0;
}

#define OBJECTS "{apiVersion: v1, kind: Node, metadata: {name: fe-1}}\n"

static void write_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(name, mode), 0);
}

static void keys_are_read_from_their_file(void **state)
{
	struct problems problems = {0};
	char buf[1024];
	struct config *config;

	(void)state;
	write_file("c.yaml", BASE, 0644);
	write_file("heartbeat.key", "# new\n" KEY_TWO "\r\n\n  " KEY " \n", 0600);
	config = config_load("c.yaml", &problems);
	assert_string_equal(problems_text(&problems, buf, sizeof(buf)), "");
	assert_non_null(config);
	assert_int_equal(config->key_count, 2);
	assert_int_equal(config->keys[0].bytes[0], 0xff);
	assert_int_equal(config->keys[0].bytes[10], 0xaa);
	assert_int_equal(config->keys[1].bytes[0], 0x00);
	assert_int_equal(config->keys[1].bytes[31], 0xff);
	config_free(config);
}

static void a_bad_key_file_is_refused_without_showing_it(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *problems;
	} cases[] = {
		{KEY "\n", 0640,
		 "heartbeat.key: error: found mode 0640, which lets others at it, expected 0600 or "
		 "stricter\n"},
		{KEY "\n", 0604,
		 "heartbeat.key: error: found mode 0604, which lets others at it, expected 0600 or "
		 "stricter\n"},
		{"", 0600,
		 "heartbeat.key:1:1: error: found no key, expected one or two lines of 64 "
		 "hexadecimal digits\n"},
		{"# none\n\n", 0400,
		 "heartbeat.key:1:1: error: found no key, expected one or two lines of 64 "
		 "hexadecimal digits\n"},
		{KEY "\n  0011\n", 0600,
		 "heartbeat.key:2:3: error: found 4 hexadecimal digits, expected a key of 64 (32 "
		 "bytes)\n"},
		{KEY "0\n", 0600,
		 "heartbeat.key:1:1: error: found 65 hexadecimal digits, expected a key of 64 (32 "
		 "bytes)\n"},
		{"00x1\n" KEY "\n", 0600,
		 "heartbeat.key:1:3: error: found what is no hexadecimal digit, expected a key of "
		 "64 of them\n"},
		{KEY "\n" KEY_TWO "\n" KEY "\n", 0600,
		 "heartbeat.key:3:1: error: found a third key, expected one or two\n"},
	};
	char buf[1024];

	(void)state;
	write_file("c.yaml", BASE, 0644);
	write_file("objects.yaml", OBJECTS, 0644);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct problems problems = {0};

		write_file("heartbeat.key", cases[i].text, cases[i].mode);
		assert_null(config_load("c.yaml", &problems));
		assert_string_equal(problems_text(&problems, buf, sizeof(buf)), cases[i].problems);
	}
}

static void errors_of_all_files_are_shown_at_once(void **state)
{
	struct problems problems = {0};
	char buf[1024];

	(void)state;
	write_file("c.yaml", BASE "http: x\n", 0644);
	write_file("objects.yaml", "a: b\n", 0644);
	assert_null(config_load("c.yaml", &problems));
	assert_string_equal(problems_text(&problems, buf, sizeof(buf)),
			    "c.yaml:5:7: error: http: found \"x\", expected ADDRESS:PORT such as "
			    "127.0.0.1:9798, or off\n"
			    "heartbeat.key: error: cannot be opened: No such file or directory\n"
			    "objects.yaml:1:1: error: found no kind, expected a kind such as "
			    "Service\n");
	problems = (struct problems){0};
	assert_null(config_load(".", &problems));
	assert_string_equal(problems_text(&problems, buf, sizeof(buf)),
			    ".: error: found a directory, expected a regular file\n");
	problems = (struct problems){0};
	assert_null(config_load("missing", &problems));
	assert_string_equal(problems_text(&problems, buf, sizeof(buf)),
			    "missing: error: cannot be opened: No such file or directory\n");
}

#define FRONT_WITH(more)                                                                           \
	REST "  - {name: front, device: net_tap0, gateways: [192.0.2.1], " more "}\nnode: nn\n"

static void only_what_cannot_change_live_waits_for_a_restart(void **state)
{
	static const struct {
		const char *text, *keys;
	} cases[] = {
		{BASE "node: nn\n", ""},
		{BASE "node: nn\nlog: {level: debug, format: json}\n", ""},
		{FRONT HEARTBEAT "source: {file: other}\nnode: nn\n", ""},
		{FRONT SOURCE "heartbeat: {key_file: other}\nnode: nn\n", ""},
		{BASE "node: m\n", "node"},
		{BASE "node: nn\nhttp: off\nsocket: /x\nstate_dir: /y\n",
		 "state_dir, http, socket"},
		{FRONT SOURCE "heartbeat: {key_file: k, interval: 5ms, multiplier: 4, management: "
			      "\"1.2.3.4:5\"}\nnode: nn\n",
		 "heartbeat.interval, heartbeat.multiplier, heartbeat.management"},
		{FRONT HEARTBEAT "source: {kubernetes: {}}\nnode: nn\n", "source.kubernetes"},
		{REST "  - {name: front, device: net_tap0, gateways: [192.0.2.2]}\nnode: nn\n",
		 "interfaces"},
		{FRONT_WITH("vlan: 1"), "interfaces"},
		{FRONT_WITH("mtu: 1400"), "interfaces"},
		{FRONT_WITH("group: other"), "interfaces"},
		{FRONT_WITH("kernel: {name: other}"), "interfaces"},
		{FRONT_WITH("kernel: {backend: tap}"), "interfaces"},
		{FRONT_WITH("addresses: [192.0.2.11/24]"), "interfaces"},
		{BASE "node: nn\nmoves: {failback: no}\ndataplane: {memory: 64, idle: busy}\n",
		 "dataplane.memory, dataplane.idle, moves.failback"},
	};
	char buf[256], problems[1024];
	struct config *running;

	(void)state;
	running = parse(BASE "node: nn\n", problems, sizeof(problems));
	assert_non_null(running);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct config *loaded = parse(cases[i].text, problems, sizeof(problems));

		assert_non_null(loaded);
		assert_string_equal(config_restart_keys(running, loaded, buf, sizeof(buf)),
				    cases[i].keys);
		config_free(loaded);
	}
	config_free(running);
}

static void the_sample_is_right_but_for_the_key_that_it_cannot_have(void **state)
{
	struct problems problems = {0};
	struct config *config;
	char buf[1024];
	char *text = NULL;
	size_t room = 0;
	FILE *file = fopen(SOURCE_ROOT "/conf/vipgate.yaml", "r");
	ssize_t len;

	(void)state;
	assert_non_null(file);
	len = getdelim(&text, &room, '\0', file);
	assert_true(len > 0);
	fclose(file);
	config = config_parse(text, (size_t)len, "vipgate.yaml", &problems);
	free(text);
	assert_string_equal(problems_text(&problems, buf, sizeof(buf)), "");
	assert_non_null(config);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_out_has_a_default),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(a_mistake_is_named_with_its_place),
		cmocka_unit_test(a_mistake_in_an_interface_is_named_with_its_place),
		cmocka_unit_test(a_cpu_that_is_not_there_is_an_error),
		cmocka_unit_test(memory_that_is_not_there_is_an_error),
		cmocka_unit_test(what_is_only_doubtful_is_a_warning),
		cmocka_unit_test_setup_teardown(keys_are_read_from_their_file, enter_directory,
						leave_directory),
		cmocka_unit_test_setup_teardown(a_bad_key_file_is_refused_without_showing_it,
						enter_directory, leave_directory),
		cmocka_unit_test_setup_teardown(errors_of_all_files_are_shown_at_once,
						enter_directory, leave_directory),
		cmocka_unit_test(only_what_cannot_change_live_waits_for_a_restart),
		cmocka_unit_test(the_sample_is_right_but_for_the_key_that_it_cannot_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
