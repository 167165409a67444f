/* SPDX-License-Identifier: BSD-3-Clause */
/* What the dataplane makes of device strings, and the arguments that it gives DPDK. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane.h"
#include "eal.h"

static void netdev_is_found_below_kernel_driven_devices_only(void **state)
{
	static const struct {
		const char *device, *netdev;
	} cases[] = {
		{"net_af_xdp0,iface=eth1", "eth1"},
		{"net_af_xdp,iface=eth1,queue_count=2", "eth1"},
		{"net_af_xdp7,start_queue=1,iface=enp59s0f0np0", "enp59s0f0np0"},
		{"net_af_packet0,blocksz=4096,iface=eth2", "eth2"},
		{"net_af_xdp0,iface=", NULL},
		{"net_af_xdp0,myiface=eth1", NULL},
		{"net_af_xdp0", NULL},
		{"net_af_xdp0,iface=a-name-of-16-char", NULL},
		{"net_tap0,iface=dtap0", NULL},
		{"net_memif0,role=server", NULL},
		{"0000:3b:00.0", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[16] = "untouched";

		assert_int_equal(dataplane_device_netdev(cases[i].device, name),
				 cases[i].netdev != NULL);
		if (cases[i].netdev != NULL)
			assert_string_equal(name, cases[i].netdev);
	}
}

static void pci_addresses_are_told_from_vdevs_and_named_in_full(void **state)
{
	static const struct {
		const char *device, *name;
		bool pci;
	} cases[] = {
		{"0000:3b:00.0", "0000:3b:00.0", true},
		{"3b:00.1", "0000:3b:00.1", true},
		{"3B:1f.7,dv_flow_en=0", "0000:3B:1f.7", true},
		{"0000:3b:00.8", "0000:3b:00.8", false},
		{"0000:3b:00.0x", "0000:3b:00.0x", false},
		{"net_af_xdp0,iface=eth1", "net_af_xdp0", false},
		{"net_tap1", "net_tap1", false},
	};
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(eal_device_is_pci(cases[i].device), cases[i].pci);
		assert_int_equal(eal_device_name(cases[i].device, name), 0);
		assert_string_equal(name, cases[i].name);
	}
	assert_true(eal_device_name("", name) < 0);
	assert_true(eal_device_name(",iface=eth1", name) < 0);
}

static char *joined(const struct eal_args *args)
{
	static char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (int i = 0; i < args->argc; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? " " : "",
					args->argv[i]);
	assert_null(args->argv[args->argc]);
	return text;
}

static const unsigned int lcores[] = {2, 3};
static const struct dataplane_interface_config interfaces[2];

static void without_hugepages_memory_is_ordinary_and_nothing_is_shared(void **state)
{
	static const char *const devices[] = {"net_af_xdp0,iface=eth1"};
	static const unsigned int node_mb[] = {64};
	struct dataplane_config config = {
		.interfaces = interfaces,
		.interface_count = 1,
		.lcores = lcores,
		.lcore_count = 1,
		.memory_mb = 64,
	};
	struct eal_machine machine = {.allowed_cpus = "0-3", .node_mb = node_mb, .node_count = 1};
	struct eal_args args;

	(void)state;
	assert_int_equal(eal_args_build(&config, devices, &machine, &args), 0);
	assert_string_equal(joined(&args),
			    "vipgate --lcores=0@(0-3),1@2 --main-lcore=0 --file-prefix=vipgate "
			    "--no-telemetry --no-huge --no-shconf -m 64 "
			    "--vdev=net_af_xdp0,iface=eth1 --no-pci --iova-mode=va");
}

static void with_hugepages_each_node_gets_its_part(void **state)
{
	static const char *const devices[] = {"0000:3b:00.0", "net_tap0"};
	static const unsigned int node_mb[] = {256, 0, 256};
	struct dataplane_config config = {
		.interfaces = interfaces,
		.interface_count = 2,
		.lcores = lcores,
		.lcore_count = 2,
		.memory_mb = 512,
	};
	struct eal_machine machine = {
		.allowed_cpus = "0,2-3", .hugepages = true, .node_mb = node_mb, .node_count = 3};
	struct eal_args args;

	(void)state;
	assert_int_equal(eal_args_build(&config, devices, &machine, &args), 0);
	assert_string_equal(joined(&args),
			    "vipgate --lcores=0@(0,2-3),1@2,2@3 --main-lcore=0 "
			    "--file-prefix=vipgate --no-telemetry --in-memory "
			    "--socket-mem=256,0,256 -a 0000:3b:00.0 --vdev=net_tap0");
}

static void an_argument_that_does_not_fit_is_refused(void **state)
{
	static char device[EAL_ARG_LEN + 1];
	const char *const devices[] = {device};
	static const unsigned int node_mb[] = {64};
	struct dataplane_config config = {
		.interfaces = interfaces,
		.interface_count = 1,
		.lcores = lcores,
		.lcore_count = 1,
		.memory_mb = 64,
	};
	struct eal_machine machine = {.allowed_cpus = "0-3", .node_mb = node_mb, .node_count = 1};
	struct eal_args args;

	(void)state;
	memset(device, 'x', sizeof(device) - 1);
	assert_true(eal_args_build(&config, devices, &machine, &args) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(netdev_is_found_below_kernel_driven_devices_only),
		cmocka_unit_test(pci_addresses_are_told_from_vdevs_and_named_in_full),
		cmocka_unit_test(without_hugepages_memory_is_ordinary_and_nothing_is_shared),
		cmocka_unit_test(with_hugepages_each_node_gets_its_part),
		cmocka_unit_test(an_argument_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
