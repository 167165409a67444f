/* SPDX-License-Identifier: BSD-3-Clause */
/* Device strings, and the netdev that a kernel driver still drives below some of them. */
#ifndef DATAPLANE_DEVICE_H
#define DATAPLANE_DEVICE_H

#include <stddef.h>

#include "dataplane.h"

#define DEVICE_LEN	   256	/* room for a device string as DPDK gets it */
#define DEVICE_XDP_MAX_MTU 3300 /* a frame, its headroom and its mbuf share a page */

/*
 * Before EAL: checks what can be checked of the netdev below a device, takes a stale XDP program
 * off it, and writes into device (of device_len bytes) the string that DPDK is to be given. claim:
 * a descriptor to be closed when the device is no longer used, or −1. Returns 0 or −errno with a
 * sentence in error.
 */
int device_prepare(const struct dataplane_interface_config *config, size_t workers, char *device,
		   size_t device_len, int *claim, char *error, size_t error_len);

#endif
