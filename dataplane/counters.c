/* SPDX-License-Identifier: BSD-3-Clause */
/* Sums of the lanes' counters, and the check that no frame was lost between them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "counters.h"
#include "ethdev.h"
#include "kport.h"
#include "runtime.h"

void counters_sum(struct dataplane_counters *sum, const struct lane_counters *lane)
{
	sum->rx_packets += counter_get(&lane->rx_packets);
	sum->rx_bytes += counter_get(&lane->rx_bytes);
	sum->tx_packets += counter_get(&lane->tx_packets);
	sum->tx_bytes += counter_get(&lane->tx_bytes);
	sum->to_kernel += counter_get(&lane->to_kernel);
	sum->from_kernel += counter_get(&lane->from_kernel);
	sum->arp_answered += counter_get(&lane->arp_answered);
	sum->ndp_answered += counter_get(&lane->ndp_answered);
	sum->echo_answered += counter_get(&lane->echo_answered);
	sum->announced += counter_get(&lane->announced);
	sum->beats_sent += counter_get(&lane->beats_sent);
	for (size_t i = 0; i < DROP_REASON_COUNT; i++)
		sum->drops[i] += counter_get(&lane->drops[i]);
}

int64_t counters_balance(const struct iface *iface)
{
	struct dataplane_counters sum = {0};
	uint64_t originated = 0, to_control = 0, dropped = 0;

	for (uint16_t q = 0; q < iface->queues; q++) {
		const struct lane *lane = iface->lane[q];

		if (lane == NULL)
			continue;
		counters_sum(&sum, &lane->counters);
		originated += counter_get(&lane->counters.originated);
		to_control += counter_get(&lane->counters.to_control);
	}
	for (size_t i = 0; i < DROP_REASON_COUNT; i++)
		dropped += sum.drops[i];
	return (int64_t)(sum.rx_packets + sum.from_kernel + originated) -
	       (int64_t)(sum.tx_packets + sum.to_kernel + to_control + dropped);
}

void dataplane_counters(const struct dataplane *dp, size_t interface,
			struct dataplane_counters *counters)
{
	const struct iface *iface = dp->iface[interface];
	struct rte_eth_stats stats;

	memset(counters, 0, sizeof(*counters));
	for (uint16_t q = 0; q < iface->queues; q++)
		counters_sum(counters, &iface->lane[q]->counters);
	counters_sum(counters, &iface->control);
	if (rte_eth_stats_get(iface->port, &stats) == 0)
		counters->rx_missed = stats.imissed + stats.rx_nombuf;
	counters->kernel_dropped = kport_dropped(iface->kport);
}
