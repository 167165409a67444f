/* SPDX-License-Identifier: BSD-3-Clause */
/* The socket of the management path: UDP, one for all interfaces. Whose a datagram is, its group id
 * says; what is in it, group.h judges. */
#ifndef CONTROL_MGMT_H
#define CONTROL_MGMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/ip.h"

struct mgmt_address {
	struct ip ip;
	uint16_t port;
};
bool mgmt_address_equal(const struct mgmt_address *a, const struct mgmt_address *b);

/* A number for an address, as auth_check() wants its source. */
uint64_t mgmt_address_number(const struct mgmt_address *address);

struct mgmt;

/*
 * Binds ADDRESS:PORT, which the node need not have yet: a management network that comes late, or
 * never, keeps nobody from starting. NULL, errno.
 */
struct mgmt *mgmt_create(const struct mgmt_address *local);
void mgmt_free(struct mgmt *mgmt);

int mgmt_fd(const struct mgmt *mgmt);
const struct mgmt_address *mgmt_local(const struct mgmt *mgmt);

/* Hands on up to max datagrams that wait; never blocks. Returns how many there were. */
size_t mgmt_receive(struct mgmt *mgmt, size_t max,
		    void (*handle)(void *arg, const struct mgmt_address *from, const uint8_t *data,
				   size_t len),
		    void *arg);

/* Sends one datagram. Nobody there is no error. Returns 0 or −errno. */
int mgmt_send(const struct mgmt *mgmt, const struct mgmt_address *to, const uint8_t *data,
	      size_t len);

#endif
