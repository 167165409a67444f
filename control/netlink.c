/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests to the local kernel by netlink, one at a time or many in one system call. */
#include "netlink.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include <linux/netlink.h>

/* As many acknowledgements as surely fit the receive buffer at once (each costs about 1 KB of it).
 */
#define BATCH_MAX 64
/* Room that netlink_batch_next() keeps for one message. */
#define BATCH_MESSAGE 256
#define DUMP_TRIES    3

int netlink_open(struct netlink *netlink, int bus)
{
	/* Never reached, as answers come within the request; a lost one must not stop the loop. */
	const struct timeval patience = {.tv_sec = 1};
	int one = 1, error;

	*netlink = (struct netlink){.seq = (uint32_t)time(NULL)};
	netlink->socket = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (netlink->socket == NULL)
		return -errno;
	if (mnl_socket_bind(netlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		error = -errno;
		netlink_close(netlink);
		return error;
	}
	(void)setsockopt(mnl_socket_get_fd(netlink->socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
			 sizeof(patience));
	/* Only speed and strictness hang on these: without the first, acknowledgements carry the
	 * request; without the second, dumps are filtered here alone. */
	(void)mnl_socket_setsockopt(netlink->socket, NETLINK_CAP_ACK, &one, sizeof(one));
	(void)mnl_socket_setsockopt(netlink->socket, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	return 0;
}

void netlink_close(struct netlink *netlink)
{
	if (netlink->socket != NULL)
		mnl_socket_close(netlink->socket);
	netlink->socket = NULL;
}

struct nlmsghdr *netlink_prepare(struct netlink *netlink, void *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buf);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	/* A dump ends with NLMSG_DONE; an acknowledgement after it would stay in the queue. */
	if ((flags & NLM_F_DUMP) != NLM_F_DUMP)
		message->nlmsg_flags |= NLM_F_ACK;
	message->nlmsg_seq = ++netlink->seq;
	return message;
}

const struct nlmsghdr *netlink_list_next(const struct netlink_list *list,
					 const struct nlmsghdr *after)
{
	size_t offset = 0;

	if (after != NULL)
		offset = (size_t)((const char *)after - list->data) + MNL_ALIGN(after->nlmsg_len);
	return offset < list->len ? (const struct nlmsghdr *)(list->data + offset) : NULL;
}

int netlink_list_add(struct netlink_list *list, const struct nlmsghdr *message)
{
	size_t len = MNL_ALIGN(message->nlmsg_len);

	if (len > list->capacity - list->len) {
		size_t capacity = 2 * list->capacity + len + 1024;
		char *data = realloc(list->data, capacity);

		if (data == NULL)
			return -ENOMEM;
		list->data = data;
		list->capacity = capacity;
	}
	memset(list->data + list->len, 0, len);
	memcpy(list->data + list->len, message, message->nlmsg_len);
	list->len += len;
	return 0;
}

void netlink_list_fini(struct netlink_list *list)
{
	free(list->data);
	*list = (struct netlink_list){0};
}

/* The error of an NLMSG_ERROR (0 = acknowledged) or NLMSG_DONE message. */
static int message_error(const struct nlmsghdr *message)
{
	int error = 0;

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(error))
		memcpy(&error, mnl_nlmsg_get_payload(message), sizeof(error));
	return error < 0 ? error : 0;
}

/* 1: the answer is complete, 0: more comes, else −errno. */
static int take_answers(const struct nlmsghdr *message, ssize_t len, uint32_t seq,
			struct netlink_list *list, bool *interrupted)
{
	int left = (int)len, error;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != seq)
			continue;
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			*interrupted = true;
		if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
			error = message_error(message);
			return error < 0 ? error : 1;
		}
		if (list == NULL || message->nlmsg_type < NLMSG_MIN_TYPE)
			continue;
		error = netlink_list_add(list, message);
		if (error < 0)
			return error;
	}
	return 0;
}

static int request_once(struct netlink *netlink, struct nlmsghdr *request,
			struct netlink_list *list)
{
	_Alignas(struct nlmsghdr) char buf[32768];
	bool interrupted = false;
	int result = 0;

	if (list != NULL)
		list->len = 0;
	request->nlmsg_seq = ++netlink->seq;
	if (mnl_socket_sendto(netlink->socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (result == 0) {
		ssize_t len = mnl_socket_recvfrom(netlink->socket, buf, sizeof(buf));

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0)
			return -errno;
		result = take_answers((const struct nlmsghdr *)buf, len, request->nlmsg_seq, list,
				      &interrupted);
	}
	if (result < 0)
		return result;
	return interrupted ? -EINTR : 0;
}

int netlink_request(struct netlink *netlink, struct nlmsghdr *request, struct netlink_list *list)
{
	int error = -EINTR;

	for (int i = 0; i < DUMP_TRIES && error == -EINTR; i++)
		error = request_once(netlink, request, list);
	return error;
}

void netlink_batch_init(struct netlink_batch *batch, struct netlink *netlink,
			void (*done)(void *arg, const struct nlmsghdr *request, int error),
			void *arg)
{
	batch->netlink = netlink;
	batch->done = done;
	batch->arg = arg;
	batch->count = batch->len = 0;
}

/* The length that counts is known only once the message is built, so `len` follows one behind. */
static size_t batch_end(const struct netlink_batch *batch)
{
	const struct nlmsghdr *last = (const struct nlmsghdr *)(batch->data + batch->len);

	return batch->count == 0 ? 0 : batch->len + MNL_ALIGN(last->nlmsg_len);
}

struct nlmsghdr *netlink_batch_next(struct netlink_batch *batch, uint16_t type, uint16_t flags)
{
	if (batch->count == BATCH_MAX || batch_end(batch) + BATCH_MESSAGE > sizeof(batch->data))
		netlink_batch_flush(batch);
	batch->len = batch_end(batch);
	batch->count++;
	return netlink_prepare(batch->netlink, batch->data + batch->len, type, flags);
}

/* Other requests may have been made while the batch grew: its answers need numbers in a row. */
static uint32_t batch_number(struct netlink_batch *batch)
{
	struct nlmsghdr *message = (struct nlmsghdr *)batch->data;
	uint32_t first = batch->netlink->seq + 1;

	for (size_t i = 0; i < batch->count; i++) {
		message->nlmsg_seq = ++batch->netlink->seq;
		message = (struct nlmsghdr *)((char *)message + MNL_ALIGN(message->nlmsg_len));
	}
	return first;
}

static void batch_report(struct netlink_batch *batch, const int *errors)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)batch->data;

	for (size_t i = 0; i < batch->count; i++) {
		batch->done(batch->arg, message, errors[i]);
		message = (const struct nlmsghdr *)((const char *)message +
						    MNL_ALIGN(message->nlmsg_len));
	}
}

void netlink_batch_flush(struct netlink_batch *batch)
{
	_Alignas(struct nlmsghdr) char buf[32768];
	int errors[BATCH_MAX];
	size_t answered = 0;
	uint32_t first;
	int failed = 0;

	if (batch->count == 0)
		return;
	first = batch_number(batch);
	if (mnl_socket_sendto(batch->netlink->socket, batch->data, batch_end(batch)) < 0)
		failed = -errno;
	for (size_t i = 0; i < batch->count; i++)
		errors[i] = failed < 0 ? failed : -ENOBUFS; /* unless answered */
	while (failed == 0 && answered < batch->count) {
		ssize_t len = mnl_socket_recvfrom(batch->netlink->socket, buf, sizeof(buf));
		const struct nlmsghdr *message = (const struct nlmsghdr *)buf;
		int left = (int)len;

		if (len < 0 && errno != EINTR)
			failed = -errno;
		for (; len > 0 && mnl_nlmsg_ok(message, left);
		     message = mnl_nlmsg_next(message, &left)) {
			uint32_t i = message->nlmsg_seq - first;

			if (message->nlmsg_type != NLMSG_ERROR || i >= batch->count)
				continue;
			errors[i] = message_error(message);
			answered++;
		}
	}
	batch_report(batch, errors);
	batch->count = batch->len = 0;
}

void netlink_attributes(const struct nlmsghdr *message, size_t header, const struct nlattr **table,
			uint16_t max)
{
	const struct nlattr *attribute;

	memset(table, 0, (max + 1u) * sizeof(*table));
	if (mnl_nlmsg_get_payload_len(message) < header)
		return;
	mnl_attr_for_each(attribute, message,
			  (unsigned int)header) if (mnl_attr_get_type(attribute) <= max)
		table[mnl_attr_get_type(attribute)] = attribute;
}

uint32_t netlink_u32(const struct nlattr *attribute)
{
	if (attribute == NULL || mnl_attr_get_payload_len(attribute) < sizeof(uint32_t))
		return 0;
	return mnl_attr_get_u32(attribute);
}

struct ip netlink_ip(const struct nlattr *attribute)
{
	struct ip ip = {{0}};
	uint32_t v4;

	if (attribute == NULL)
		return ip;
	if (mnl_attr_get_payload_len(attribute) == sizeof(v4)) {
		memcpy(&v4, mnl_attr_get_payload(attribute), sizeof(v4));
		ip = ip_from_v4(v4);
	} else if (mnl_attr_get_payload_len(attribute) == sizeof(ip.b)) {
		memcpy(ip.b, mnl_attr_get_payload(attribute), sizeof(ip.b));
	}
	return ip;
}

uint8_t ip_family(const struct ip *ip)
{
	return ip_is_v4(ip) ? AF_INET : AF_INET6;
}

void netlink_put_ip(struct nlmsghdr *message, uint16_t type, const struct ip *ip)
{
	if (ip_is_v4(ip))
		mnl_attr_put(message, type, 4, &ip->b[12]);
	else
		mnl_attr_put(message, type, sizeof(ip->b), ip->b);
}

uint8_t ip_family_bits(const struct ip *ip, uint8_t mapped_len)
{
	return ip_is_v4(ip) ? (uint8_t)(mapped_len - 96) : mapped_len;
}
