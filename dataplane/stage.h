/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker does for one lane in one turn: take bursts, judge, partition, hand on. */
#ifndef DATAPLANE_STAGE_H
#define DATAPLANE_STAGE_H

#include "runtime.h"

/* One burst from the wire: answers and forwarded frames back to it, the rest to the kernel port
 * and to control. Returns how many frames there were. */
unsigned int stage_from_wire(struct lane *lane, uint64_t now_ns);

/* One burst from the kernel port to the wire. Returns how many frames there were. */
unsigned int stage_from_kernel(struct lane *lane, uint64_t now_ns);

/* What control queued with dataplane_send(). For the first lane alone. */
unsigned int stage_from_control(struct lane *lane);

/* The heartbeat, when it is due. For the first lane alone. */
unsigned int stage_beat(struct lane *lane, uint64_t now_ns);

#endif
