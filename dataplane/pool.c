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

struct rte_mempool *pool_create(const char *name, unsigned int count, unsigned int cache,
				uint16_t data_room, int socket, bool hardware)
{
	struct rte_pktmbuf_pool_private private = {
		.mbuf_data_room_size = data_room,
		.mbuf_priv_size = FRAME_TAG_SIZE,
	};
	struct rte_mempool *pool = rte_mempool_create_empty(
		name, count, (unsigned int)sizeof(struct rte_mbuf) + FRAME_TAG_SIZE + data_room,
		cache, sizeof(private), eal_hugepages() ? socket : SOCKET_ID_ANY,
		hardware ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG);

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
