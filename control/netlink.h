/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to the local kernel by netlink (libmnl) and their answers. The kernel answers within the
 * call, so nothing here waits for anybody. Single-threaded.
 */
#ifndef CONTROL_NETLINK_H
#define CONTROL_NETLINK_H

#include <stddef.h>
#include <stdint.h>

#include <libmnl/libmnl.h>

#include "packet/ip.h"

/*
 * Marks what vipgate adds to the kernel: the protocol number of addresses (IFA_PROTO, kernel 5.18),
 * of rules (FRA_PROTOCOL) and of routes (rtm_protocol). Free in iproute2's rt_protos. A later start
 * recognises by it what a killed predecessor left behind.
 */
#define NETLINK_PROTO_VIPGATE 0x56

struct netlink {
	struct mnl_socket *socket;
	uint32_t seq;
};

/* bus: NETLINK_ROUTE or NETLINK_NETFILTER. 0 or −errno. */
int netlink_open(struct netlink *netlink, int bus);
void netlink_close(struct netlink *netlink);

/* A message of which only type, flags (beside NLM_F_REQUEST and NLM_F_ACK) and seq are set. */
struct nlmsghdr *netlink_prepare(struct netlink *netlink, void *buf, uint16_t type, uint16_t flags);

/* Messages of an answer, one after the other. Zero-initialised is empty. */
struct netlink_list {
	char *data;
	size_t len, capacity;
};
/* The message after `after`, the first one for NULL; NULL at the end. */
const struct nlmsghdr *netlink_list_next(const struct netlink_list *list,
					 const struct nlmsghdr *after);
int netlink_list_add(struct netlink_list *list, const struct nlmsghdr *message); /* copied */
void netlink_list_fini(struct netlink_list *list);

/*
 * Sends one request and reads all that comes back, up to the acknowledgement or the end of the
 * dump. list may be NULL; what it held before is lost. A dump that a change interrupted is made
 * again. 0, or the kernel's −errno.
 */
int netlink_request(struct netlink *netlink, struct nlmsghdr *request, struct netlink_list *list);

/*
 * Several requests in one system call. done is called for each, with 0 or the kernel's −errno, in
 * the order in which they were added.
 */
struct netlink_batch {
	struct netlink *netlink;
	void (*done)(void *arg, const struct nlmsghdr *request, int error);
	void *arg;
	size_t count, len;
	_Alignas(struct nlmsghdr) char data[16384];
};
void netlink_batch_init(struct netlink_batch *batch, struct netlink *netlink,
			void (*done)(void *arg, const struct nlmsghdr *request, int error),
			void *arg);
/* Where the next message is built, as by netlink_prepare(). Sends what is full. At most 256 bytes.
 */
struct nlmsghdr *netlink_batch_next(struct netlink_batch *batch, uint16_t type, uint16_t flags);
void netlink_batch_flush(struct netlink_batch *batch);

/* Fills table[0..max] with the attributes that follow a fixed header of `header` bytes. */
void netlink_attributes(const struct nlmsghdr *message, size_t header, const struct nlattr **table,
			uint16_t max);
/* Attributes that hold 4 bytes, and the 4 or 16 bytes of an address. 0 and none when not. */
uint32_t netlink_u32(const struct nlattr *attribute);
struct ip netlink_ip(const struct nlattr *attribute);

/* AF_INET or AF_INET6, and the address as the kernel wants it. */
uint8_t ip_family(const struct ip *ip);
void netlink_put_ip(struct nlmsghdr *message, uint16_t type, const struct ip *ip);
/* A length of the mapped form (struct ip_prefix) as the family counts it, and as the kernel says.
 */
uint8_t ip_family_bits(const struct ip *ip, uint8_t mapped_len);

#endif
