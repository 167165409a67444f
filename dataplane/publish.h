/* SPDX-License-Identifier: BSD-3-Clause */
/* What control publishes to the workers, beside what dataplane.h says of it. */
#ifndef DATAPLANE_PUBLISH_H
#define DATAPLANE_PUBLISH_H

#include "runtime.h"

/* Frees what was unpublished and every worker has stopped looking at; all of it when none runs. */
void publish_reclaim(struct dataplane *dp);

#endif
