/* SPDX-License-Identifier: BSD-3-Clause */
/* What a claimed NIC was before, in the file that outlives us, and back again. */
#include "claim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define KEY_MAX	  64
#define HEX_WIDTH 2

/* "claim:NETDEV:WHAT", or "claim:NETDEV:WHAT:N" for one message of a list. */
static const char *key_of(char key[KEY_MAX], const struct claim *claim, const char *what)
{
	(void)snprintf(key, KEY_MAX, "claim:%s:%s", claim->netdev, what);
	return key;
}

static int save_list(struct saved *saved, const struct claim *claim, const char *what,
		     const struct netlink_list *list)
{
	const struct nlmsghdr *message = NULL;
	char key[KEY_MAX], name[16];
	unsigned int n = 0;
	int error = 0;

	while (error == 0 && (message = netlink_list_next(list, message)) != NULL) {
		char *hex = malloc(HEX_WIDTH * message->nlmsg_len + 1);

		if (hex == NULL)
			return -ENOMEM;
		for (size_t i = 0; i < message->nlmsg_len; i++)
			(void)sprintf(&hex[HEX_WIDTH * i], "%02x", ((const uint8_t *)message)[i]);
		(void)snprintf(name, sizeof(name), "%s:%u", what, n++);
		error = saved_set(saved, key_of(key, claim, name), hex);
		free(hex);
	}
	return error;
}

static int load_message(struct netlink_list *list, const char *hex)
{
	size_t len = strlen(hex) / HEX_WIDTH;
	struct nlmsghdr *message = calloc(1, len + sizeof(*message));
	unsigned int byte;
	int error = -EINVAL;

	if (message == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < len && sscanf(&hex[HEX_WIDTH * i], "%2x", &byte) == 1; i++)
		((uint8_t *)message)[i] = (uint8_t)byte;
	if (len >= sizeof(*message) && message->nlmsg_len == len)
		error = netlink_list_add(list, message);
	free(message);
	return error;
}

static int load_list(const struct saved *saved, const struct claim *claim, const char *what,
		     struct netlink_list *list)
{
	char key[KEY_MAX], name[16];
	const char *hex;
	int error = 0;

	for (unsigned int n = 0; error == 0; n++) {
		(void)snprintf(name, sizeof(name), "%s:%u", what, n);
		hex = saved_get(saved, key_of(key, claim, name));
		if (hex == NULL)
			break;
		error = load_message(list, hex);
	}
	return error;
}

bool claim_load(struct claim *claim, const struct saved *saved, unsigned int ifindex,
		unsigned int flags)
{
	char key[KEY_MAX];
	const char *state = saved_get(saved, key_of(key, claim, "state"));
	unsigned int before_ifindex, arp, up;
	unsigned long long ns;

	/* The name, or the number of the namespace, may be another's by now. */
	if (state == NULL || !(flags & IFF_NOARP) ||
	    sscanf(state, "%u %u %u %llu", &before_ifindex, &arp, &up, &ns) != 4 ||
	    before_ifindex != ifindex)
		return false;
	claim->before_arp = arp != 0;
	claim->before_up = up != 0;
	claim->before_ns = ns;
	if (load_list(saved, claim, "address", &claim->addresses) < 0 ||
	    load_list(saved, claim, "route", &claim->routes) < 0)
		log_warning("%s: %s is damaged: not all of its addresses and routes can be put back"
			    " at stop",
			    claim->netdev, saved->path);
	return true;
}

int claim_save(const struct claim *claim, struct saved *saved)
{
	char key[KEY_MAX], state[64];
	int error;

	saved_drop(saved, key_of(key, claim, ""));
	(void)snprintf(state, sizeof(state), "%u %u %u %llu", claim->ifindex, claim->before_arp,
		       claim->before_up, (unsigned long long)claim->before_ns);
	error = saved_set(saved, key_of(key, claim, "state"), state);
	if (error == 0)
		error = save_list(saved, claim, "address", &claim->addresses);
	if (error == 0)
		error = save_list(saved, claim, "route", &claim->routes);
	if (error == 0)
		error = saved_commit(saved);
	return error;
}

void claim_forget(const struct claim *claim, struct saved *saved)
{
	char key[KEY_MAX];

	saved_drop(saved, key_of(key, claim, ""));
}

bool claim_saved_next(const struct saved *saved, size_t *at, char netdev[IFNAMSIZ])
{
	char form[KEY_MAX];

	for (; *at < saved->count; (*at)++) {
		if (sscanf(saved->list[*at].key, "claim:%15[^:]:", netdev) != 1)
			continue;
		(void)snprintf(form, sizeof(form), "claim:%s:state", netdev);
		if (strcmp(form, saved->list[*at].key) != 0)
			continue;
		(*at)++;
		return true;
	}
	return false;
}
