/* SPDX-License-Identifier: BSD-3-Clause */
/* DPDK's environment abstraction layer: its arguments, worked out from the configuration. */
#ifndef DATAPLANE_EAL_H
#define DATAPLANE_EAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane.h"

#define EAL_ARGS_MAX (32 + 2 * DATAPLANE_MAX_INTERFACES)
#define EAL_ARG_LEN  512

/* What the arguments depend on beside the configuration: the machine. */
struct eal_machine {
	const char *allowed_cpus; /* a list as in taskset -c: the CPUs that this process may use */
	bool hugepages;		  /* enough of them are free */
	const unsigned int *node_mb; /* memory wanted from each NUMA node */
	size_t node_count;
};

struct eal_args {
	int argc;
	char *argv[EAL_ARGS_MAX + 1];
	char text[EAL_ARGS_MAX][EAL_ARG_LEN];
};

/* "0000:3b:00.0", "3b:00.0", either with ",key=value" behind it. */
bool eal_device_is_pci(const char *device);

/*
 * The name by which DPDK knows a device: what stands before the comma, a PCI address with its
 * domain. out has RTE_ETH_NAME_MAX_LEN bytes. Returns 0 or -EINVAL.
 */
int eal_device_name(const char *device, char *out);

/*
 * Builds the arguments for rte_eal_init(). Pure. devices: the configured ones, with what iface.c
 * added to them. Returns 0, or -E2BIG when one does not fit.
 */
int eal_args_build(const struct dataplane_config *config, const char *const *devices,
		   const struct eal_machine *machine, struct eal_args *args);

/*
 * Initialises DPDK, once per process. The lcores are 0 for the calling thread, which stays on all
 * its CPUs, and 1… for the workers. Returns 0 or −errno with a sentence in error.
 */
int eal_init(const struct dataplane_config *config, const char *const *devices, char *error,
	     size_t error_len);

/* Whether the memory is of hugepages (and so on the node that was asked for). */
bool eal_hugepages(void);

#endif
