/* SPDX-License-Identifier: BSD-3-Clause */
/* <rte_ethdev.h> beside packet/ip.h: it draws in <netinet/ip.h>, whose struct ip must step aside.
 */
#ifndef DATAPLANE_ETHDEV_H
#define DATAPLANE_ETHDEV_H

#define ip netinet_ip
#include <netinet/ip.h>
#undef ip

#include <rte_ethdev.h>

#endif
