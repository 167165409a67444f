/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet buffers, with room for our tag, in as little memory as their devices allow. */
#include <errno.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#include "dplog.h"
#include "eal.h"
#include "pool.h"
#include "runtime.h"

/* An object of the pool as rte_mempool makes it, without its padding for memory channels. */
static uint32_t object_size(uint16_t data_room)
{
	return rte_mempool_calc_obj_size((uint32_t)sizeof(struct rte_mbuf) + FRAME_TAG_SIZE +
						 data_room,
					 RTE_MEMPOOL_F_NO_SPREAD, NULL);
}

/*
 * Where pages are small rte_mempool puts a buffer that hardware shall reach wholly on one, or on
 * pages of its own, and leaves gaps. They are made part of the buffer: net_af_xdp registers
 * count × object size bytes with its socket, and the kernel refuses what lies beyond.
 */
static uint16_t fill_page(uint16_t data_room)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);
	uint32_t size = object_size(data_room);
	uint32_t wanted =
		size > page ? RTE_ALIGN_CEIL(size, page) : page / rte_align32prevpow2(page / size);

	return (uint16_t)(data_room + wanted - size);
}

struct rte_mempool *pool_create(const char *name, unsigned int count, unsigned int cache,
				uint16_t data_room, int socket, bool hardware)
{
	uint16_t room = hardware && !eal_hugepages() ? fill_page(data_room) : data_room;
	struct rte_pktmbuf_pool_private private = {
		.mbuf_data_room_size = room,
		.mbuf_priv_size = FRAME_TAG_SIZE,
	};
	struct rte_mempool *pool = rte_mempool_create_empty(
		name, count, (unsigned int)sizeof(struct rte_mbuf) + FRAME_TAG_SIZE + room, cache,
		sizeof(private), eal_hugepages() ? socket : SOCKET_ID_ANY,
		hardware ? RTE_MEMPOOL_F_NO_SPREAD : RTE_MEMPOOL_F_NO_IOVA_CONTIG);

	if (pool == NULL) {
		errno = rte_errno;
		return NULL;
	}
	rte_pktmbuf_pool_init(pool, &private);
	if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0 ||
	    rte_mempool_populate_default(pool) < 0) {
		rte_mempool_free(pool);
		errno = ENOMEM;
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

uint64_t pool_bytes(unsigned int count, uint16_t data_room, bool hardware)
{
	uint64_t size = rte_mempool_calc_obj_size(
		(uint32_t)sizeof(struct rte_mbuf) + FRAME_TAG_SIZE + data_room, 0, NULL);
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (hardware && !eal_hugepages()) /* as many as fit whole on a page, or whole pages */
		size = size > page ? RTE_ALIGN_CEIL(size, page) : page / (page / size);
	return count * size;
}

size_t pool_missing(const struct rte_mempool *pool, size_t kept)
{
	size_t out;

	if (pool == NULL)
		return 0;
	out = rte_mempool_in_use_count(pool);
	if (out > kept) {
		dplog(DATAPLANE_LOG_ERROR,
		      "%zu packet buffers of pool %s are missing at the end (%zu of %u out, a "
		      "driver may keep %zu)",
		      out - kept, pool->name, out, pool->size, kept);
		return out - kept;
	}
	if (out > 0)
		dplog(DATAPLANE_LOG_DEBUG,
		      "%zu packet buffers of pool %s went down with the rings of their driver", out,
		      pool->name);
	return 0;
}
