/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet buffers, with room for our tag, in as little memory as their devices allow. */
#ifndef DATAPLANE_POOL_H
#define DATAPLANE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mempool.h>

/*
 * hardware: a device reads and writes them by itself, so that none may lie across two pages that
 * are no neighbours. socket: NUMA node; without hugepages there is but one. Returns NULL and errno.
 */
struct rte_mempool *pool_create(const char *name, unsigned int count, unsigned int cache,
				uint16_t data_room, int socket, bool hardware);

/* Bytes that such a pool takes, about. */
uint64_t pool_bytes(unsigned int count, uint16_t data_room, bool hardware);

/* How many buffers are out beyond the `kept` that a driver is known not to give back; logged. */
size_t pool_missing(const struct rte_mempool *pool, size_t kept);

#endif
