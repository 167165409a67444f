/* SPDX-License-Identifier: BSD-3-Clause */
/* A front-end NIC: from the configured device string to a started port with its kernel port. */
#ifndef DATAPLANE_IFACE_H
#define DATAPLANE_IFACE_H

#include <stddef.h>

#include "runtime.h"

/*
 * Opens the port and its kernel port, with its memory, and receives nothing yet. device: as
 * device_prepare() wrote it. On error what was opened is closed again.
 */
int iface_open(const struct dataplane_config *config, size_t index, const char *device,
	       struct iface **out, char *error, size_t error_len);

/* Starts the port: frames arrive from here on. */
int iface_start(struct iface *iface, char *error, size_t error_len);

/* Finds what each lane can wait on, once the port is started. */
void iface_lane_wait(const struct iface *iface, struct lane *lane);

/* Stops the port, takes back what its rings hold, closes it and its kernel port. */
void iface_stop(struct iface *iface);

/* Mbufs that the interface's driver may still hold when it is closed; 0 for well-behaved ones. */
size_t iface_mbufs_kept(const struct iface *iface);

/* NULL is legal. */
void iface_free(struct iface *iface);

#endif
