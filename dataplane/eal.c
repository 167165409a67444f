/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's environment abstraction layer: its arguments, worked out from the configuration. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <numa.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "eal.h"
#include "ethdev.h"
#include "dplog.h"
#include "netdev.h"

#define MAX_NODES 32

static bool hugepages_used;

static bool is_hex(const char *text, size_t digits)
{
	for (size_t i = 0; i < digits; i++)
		if (!isxdigit((unsigned char)text[i]))
			return false;
	return true;
}

/* bb:dd.f */
static bool is_short_address(const char *text)
{
	return is_hex(text, 2) && text[2] == ':' && is_hex(text + 3, 2) && text[5] == '.' &&
	       text[6] >= '0' && text[6] <= '7' && (text[7] == '\0' || text[7] == ',');
}

static bool has_domain(const char *device)
{
	return is_hex(device, 4) && device[4] == ':' && is_short_address(device + 5);
}

bool eal_device_is_pci(const char *device)
{
	return has_domain(device) || is_short_address(device);
}

int eal_device_name(const char *device, char *out)
{
	bool bare = eal_device_is_pci(device) && !has_domain(device);
	size_t len = strcspn(device, ",");
	int written;

	written = snprintf(out, RTE_ETH_NAME_MAX_LEN, "%s%.*s", bare ? "0000:" : "", (int)len,
			   device);
	return len == 0 || written >= RTE_ETH_NAME_MAX_LEN ? -EINVAL : 0;
}

__attribute__((format(printf, 2, 3))) static void arg_add(struct eal_args *args, const char *format,
							  ...)
{
	va_list list;
	int written;

	if (args->argc < 0 || args->argc >= EAL_ARGS_MAX) {
		args->argc = -1;
		return;
	}
	va_start(list, format);
	written = vsnprintf(args->text[args->argc], EAL_ARG_LEN, format, list);
	va_end(list);
	if (written >= EAL_ARG_LEN) {
		args->argc = -1;
		return;
	}
	args->argv[args->argc] = args->text[args->argc];
	args->argc++;
	args->argv[args->argc] = NULL;
}

static void memory_args(const struct dataplane_config *config, const struct eal_machine *machine,
			struct eal_args *args)
{
	char list[EAL_ARG_LEN] = "";
	size_t len = 0;

	if (!machine->hugepages) {
		/* --in-memory, which would do for both, refuses --no-huge. */
		arg_add(args, "--no-huge");
		arg_add(args, "--no-shconf");
		arg_add(args, "-m");
		arg_add(args, "%u", config->memory_mb);
		return;
	}
	arg_add(args, "--in-memory");
	for (size_t node = 0; node < machine->node_count && len < sizeof(list) - 16; node++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%u", node > 0 ? "," : "",
					machine->node_mb[node]);
	arg_add(args, "--socket-mem=%s", list);
}

int eal_args_build(const struct dataplane_config *config, const char *const *devices,
		   const struct eal_machine *machine, struct eal_args *args)
{
	char lcores[EAL_ARG_LEN];
	bool any_pci = false;
	size_t len;

	memset(args, 0, sizeof(*args));
	arg_add(args, "vipgate");
	len = (size_t)snprintf(lcores, sizeof(lcores), "--lcores=0@(%s)", machine->allowed_cpus);
	for (size_t i = 0; i < config->lcore_count && len < sizeof(lcores); i++)
		len += (size_t)snprintf(lcores + len, sizeof(lcores) - len, ",%zu@%u", i + 1,
					config->lcores[i]);
	if (len >= sizeof(lcores))
		return -E2BIG;
	arg_add(args, "%s", lcores);
	arg_add(args, "--main-lcore=0");
	/* Nothing of these instances is shared, so any number of them may have this prefix. */
	arg_add(args, "--file-prefix=vipgate");
	arg_add(args, "--no-telemetry");
	memory_args(config, machine, args);
	for (size_t i = 0; i < config->interface_count; i++) {
		if (eal_device_is_pci(devices[i])) {
			any_pci = true;
			arg_add(args, "-a");
			arg_add(args, "%s", devices[i]);
		} else {
			arg_add(args, "--vdev=%s", devices[i]);
		}
	}
	if (!any_pci) {
		arg_add(args, "--no-pci");
		arg_add(args, "--iova-mode=va");
	}
	return args->argc < 0 ? -E2BIG : 0;
}

/* The CPUs that this process may use, as a list of ranges. */
static void allowed_cpus(const cpu_set_t *set, char *out, size_t out_len)
{
	size_t len = 0;

	out[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		int last = cpu;

		if (!CPU_ISSET((size_t)cpu, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET((size_t)last + 1, set))
			last++;
		if (len < out_len)
			len += (size_t)snprintf(out + len, out_len - len,
						last > cpu ? "%s%d-%d" : "%s%d", len > 0 ? "," : "",
						cpu, last);
		cpu = last;
	}
}

static int cpus_check(const struct dataplane_config *config, const cpu_set_t *set, const char *list,
		      char *error, size_t error_len)
{
	for (size_t i = 0; i < config->lcore_count; i++) {
		unsigned int cpu = config->lcores[i];

		if (cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, set)) {
			snprintf(error, error_len,
				 "lcore %u is no CPU that this process may use: expected one of %s",
				 cpu, list);
			return -EINVAL;
		}
		for (size_t j = 0; j < i; j++) {
			if (config->lcores[j] != cpu)
				continue;
			snprintf(error, error_len, "lcore %u is listed twice", cpu);
			return -EINVAL;
		}
	}
	return 0;
}

/* MB of free hugepages of all sizes on one NUMA node, or on the machine when node is −1. */
static uint64_t hugepages_free_mb(int node)
{
	char base[64], path[400];
	uint64_t sum_kb = 0;
	struct dirent *entry;
	DIR *dir;

	if (node < 0)
		snprintf(base, sizeof(base), "/sys/kernel/mm/hugepages");
	else
		snprintf(base, sizeof(base), "/sys/devices/system/node/node%d/hugepages", node);
	dir = opendir(base);
	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		uint64_t size_kb, pages;
		FILE *file;

		if (sscanf(entry->d_name, "hugepages-%" SCNu64 "kB", &size_kb) != 1)
			continue;
		snprintf(path, sizeof(path), "%s/%s/free_hugepages", base, entry->d_name);
		file = fopen(path, "re");
		if (file == NULL)
			continue;
		if (fscanf(file, "%" SCNu64, &pages) == 1)
			sum_kb += size_kb * pages;
		fclose(file);
	}
	closedir(dir);
	return sum_kb / 1024;
}

/* The NUMA node of a device, or −1 where that means nothing. */
static int device_node(const char *device)
{
	char name[RTE_ETH_NAME_MAX_LEN], path[128], netdev[IF_NAMESIZE];
	int node = -1;
	FILE *file;

	if (dataplane_device_netdev(device, netdev))
		return netdev_numa_node(netdev);
	if (!eal_device_is_pci(device) || eal_device_name(device, name) < 0)
		return -1;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/numa_node", name);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	if (fscanf(file, "%d", &node) != 1)
		node = -1;
	fclose(file);
	return node;
}

/*
 * Splits the memory over the nodes: each device draws an equal share to its own node; what has no
 * node of its own goes where the workers run. Returns the number of nodes.
 */
static size_t memory_split(const struct dataplane_config *config, unsigned int *node_mb)
{
	size_t nodes = numa_available() < 0 ? 1 : (size_t)numa_max_node() + 1;
	unsigned int share = config->memory_mb / (unsigned int)config->interface_count;
	unsigned int rest = config->memory_mb;

	if (nodes > MAX_NODES)
		nodes = MAX_NODES;
	memset(node_mb, 0, MAX_NODES * sizeof(*node_mb));
	for (size_t i = 0; i < config->interface_count; i++) {
		int node = nodes > 1 ? device_node(config->interfaces[i].device) : 0;

		if (node < 0)
			node = numa_node_of_cpu((int)config->lcores[i % config->lcore_count]);
		if (node < 0 || (size_t)node >= nodes)
			node = 0;
		node_mb[node] += i + 1 == config->interface_count ? rest : share;
		rest -= share;
	}
	return nodes;
}

static int hugepages_decide(const struct dataplane_config *config, const unsigned int *node_mb,
			    size_t nodes, bool *use, char *error, size_t error_len)
{
	*use = config->hugepages != DATAPLANE_HUGEPAGES_NO;
	for (size_t node = 0; node < nodes && *use; node++) {
		uint64_t free_mb = hugepages_free_mb(nodes > 1 ? (int)node : -1);

		if (free_mb >= node_mb[node])
			continue;
		if (config->hugepages == DATAPLANE_HUGEPAGES_YES) {
			snprintf(error, error_len,
				 "hugepages: yes, but of %u MB wanted on NUMA node %zu %" PRIu64
				 " MB are free; raise /proc/sys/vm/nr_hugepages, or lower memory",
				 node_mb[node], node, free_mb);
			return -ENOMEM;
		}
		*use = false;
	}
	return 0;
}

/* net_tap would take one of these signals for itself and interrupt every system call of ours. */
static void realtime_signals_ignore(void)
{
	for (int sig = SIGRTMIN; sig <= SIGRTMAX; sig++) {
		struct sigaction old;

		if (sigaction(sig, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			signal(sig, SIG_IGN);
	}
}

/* Workers must never take a signal that is meant for the control thread. */
static int init_masked(struct eal_args *args)
{
	static const int own_fault[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	for (size_t i = 0; i < RTE_DIM(own_fault); i++)
		sigdelset(&all, own_fault[i]);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = rte_eal_init(args->argc, args->argv);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret < 0 ? -rte_errno : 0;
}

int eal_init(const struct dataplane_config *config, const char *const *devices, char *error,
	     size_t error_len)
{
	unsigned int node_mb[MAX_NODES];
	struct eal_machine machine = {.node_mb = node_mb};
	struct eal_args *args;
	char cpus[256];
	cpu_set_t set;
	int ret;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return -errno;
	allowed_cpus(&set, cpus, sizeof(cpus));
	machine.allowed_cpus = cpus;
	ret = cpus_check(config, &set, cpus, error, error_len);
	if (ret < 0)
		return ret;
	machine.node_count = memory_split(config, node_mb);
	ret = hugepages_decide(config, node_mb, machine.node_count, &machine.hugepages, error,
			       error_len);
	if (ret < 0)
		return ret;
	args = calloc(1, sizeof(*args));
	if (args == NULL)
		return -ENOMEM;
	ret = eal_args_build(config, devices, &machine, args);
	if (ret == 0) {
		realtime_signals_ignore();
		/* Ordinary pages come from the node that is preferred when they are first touched.
		 */
		if (!machine.hugepages && machine.node_count > 1)
			numa_set_preferred(device_node(config->interfaces[0].device));
		ret = init_masked(args);
		if (!machine.hugepages && machine.node_count > 1)
			numa_set_localalloc();
	}
	if (ret < 0)
		snprintf(error, error_len, "DPDK could not be initialised: %s (%s)",
			 dplog_last_error()[0] != '\0' ? dplog_last_error() : "no reason given",
			 strerror(-ret));
	free(args);
	hugepages_used = machine.hugepages;
	return ret;
}

bool eal_hugepages(void)
{
	return hugepages_used;
}

#ifndef __has_feature
#define __has_feature(feature) 0 /* clang's; gcc defines __SANITIZE_ADDRESS__ */
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
/* The AF_XDP driver forgets its umem when it closes a port: 80 bytes that are not ours to free. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:xsk_umem__create\n";
}
#endif
