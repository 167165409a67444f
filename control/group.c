/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a group, its turns, and the doors by which the rest of control speaks to it. */
#include "group_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "packet/announce.h"

#include "core/announcer.h"
#include "derive.h"
#include "keeper.h"
#include "log.h"

/* ---- announcing ---- */

static void announcement_send(struct group *group, const struct ip *vip, const uint8_t *frame,
			      size_t len)
{
	if (dataplane_send(group->config.dataplane, group->config.index,
			   DATAPLANE_SEND_ANNOUNCEMENT, vip, frame, len) < 0)
		group->counters.send_failed++;
}

static void announce(void *arg, const struct ip *vip)
{
	struct group *group = arg;
	uint16_t vlan = group->interface->vlan;
	uint8_t frame[ANNOUNCE_FRAME_MAX];

	if (!ip_is_v4(vip)) {
		announcement_send(group, vip, frame, announce_na(frame, &group->mac, vlan, vip));
		return;
	}
	announcement_send(group, vip, frame, announce_arp_request(frame, &group->mac, vlan, vip));
	announcement_send(group, vip, frame, announce_arp_reply(frame, &group->mac, vlan, vip));
}

/* ---- turns ---- */

/* On PCI the driver says so itself; of a netdev hostnet's notifications tell group_link(). */
static void poll_link(struct group *group, uint64_t now_ns)
{
	if (group->link_known)
		group_link(group, now_ns,
			   dataplane_link_up(group->config.dataplane, group->config.index));
}

void group_turn_begin(struct group *group, uint64_t now_ns)
{
	struct election_event begin = {.type = ELECTION_TURN_BEGIN};

	begin.turn.polled_ns = dataplane_polled_at(group->config.dataplane, group->config.index);
	group_step(group, now_ns, &begin);
	poll_link(group, now_ns);
}

/* What the election was told at its start and is no longer so. */
static void config_tell(struct group *group, uint64_t now_ns)
{
	struct election_event config = {.type = ELECTION_CONFIG};

	group->hold_changed = false;
	config.config.key_id = auth_key_id(&group->signing_key);
	config.config.hold_ns = keeper_hold_ns(group->config.keeper, group->interface->group,
					       group->config.config->failback_delay_ns);
	group_step(group, now_ns, &config);
}

void group_turn_end(struct group *group, uint64_t now_ns)
{
	const struct election_event end = {.type = ELECTION_TURN_END};

	group_step(group, now_ns, &end);
	if (group->hold_changed)
		config_tell(group, now_ns);
	group_management_turn(group, now_ns);
	announcer_run(group->announcer, now_ns, announce, group);
}

/* ---- what controller and hostnet say ---- */

int group_vips_set(struct group *group, uint64_t now_ns, struct derive_interface *vips)
{
	struct election_event plan = {.type = ELECTION_PLAN};
	int ret;

	for (size_t i = 0; i < vips->count; i++) {
		struct election_vip_view view;

		vips->specs[i].owned =
			election_vip(group->election, &vips->addresses[i], &view) && view.mine;
	}
	ret = dataplane_vips_publish(group->config.dataplane, group->config.index, vips->specs,
				     vips->count);
	if (ret < 0) {
		log_error("group %s: cannot publish %zu VIPs: %s", group->interface->group,
			  vips->count, strerror(-ret));
		return ret;
	}
	plan.plan.vips = vips->plan;
	plan.plan.count = vips->count;
	group_step(group, now_ns, &plan);
	return 0;
}

void group_health(struct group *group, uint64_t now_ns, const struct ip *vip, bool healthy)
{
	struct election_event health = {.type = ELECTION_HEALTH};

	health.health.vip = *vip;
	health.health.healthy = healthy;
	group_step(group, now_ns, &health);
}

void group_link(struct group *group, uint64_t now_ns, bool up)
{
	struct election_event link = {.type = ELECTION_LINK};

	if (group->link_said && group->counters.link_up == up)
		return;
	group->link_said = true;
	group->counters.link_up = up;
	if (up)
		log_info("group %s: link of %s is up", group->interface->group,
			 group->interface->device);
	else
		log_warning("group %s: link of %s is down: this node answers nothing there",
			    group->interface->group, group->interface->device);
	link.link.up = up;
	group_step(group, now_ns, &link);
	if (up)
		announcer_restart_all(group->announcer, now_ns);
}

void group_ready(struct group *group, uint64_t now_ns)
{
	const struct election_event ready = {.type = ELECTION_READY};

	group_step(group, now_ns, &ready);
}

void group_drain(struct group *group, uint64_t now_ns, bool on)
{
	struct election_event drain = {.type = ELECTION_DRAIN};

	group->left = false; /* an end of a drain begins anew */
	drain.drain.on = on;
	group_step(group, now_ns, &drain);
}

void group_leave(struct group *group, uint64_t now_ns)
{
	const struct election_event leave = {.type = ELECTION_LEAVE};

	group_step(group, now_ns, &leave);
}

bool group_left(const struct group *group)
{
	return group->left;
}

int group_keys_set(struct group *group, uint64_t now_ns, const struct config_key *keys,
		   size_t count)
{
	int ret = auth_keys_set(group->auth, keys, count);

	if (ret < 0)
		return ret;
	group->signing_key = keys[0];
	config_tell(group, now_ns);
	return 0;
}

/* ---- life ---- */

static struct election *election_make(const struct group *group, uint64_t now_ns)
{
	const struct config *config = group->config.config;
	const struct election_config election = {
		.group = group->id,
		.node = group->node_id,
		.boot_id = group->boot_id,
		.interval_ns = config->heartbeat_interval_ns,
		.multiplier = config->heartbeat_multiplier,
		.key_id = auth_key_id(&config->keys[0]),
		.has_gateways = group->interface->gateway_count > 0,
		.failback = config->failback,
		.hold_ns = keeper_hold_ns(group->config.keeper, group->interface->group,
					  config->failback_delay_ns),
		.drain_max_ns = config->drain_max_ns,
	};

	return election_create(&election, now_ns);
}

static struct auth *auth_make(const struct group *group)
{
	const struct auth_config auth = {
		.group = group->id,
		.node = group->node_id,
		.boot_id = group->boot_id,
		.keys = group->config.config->keys,
		.key_count = group->config.config->key_count,
	};

	return auth_create(&auth);
}

/* The epochs that the state file remembers: no claim of this run may be below them. */
static void floors_restore(struct group *group, uint64_t now_ns)
{
	const struct state_group *saved =
		state_group_find(keeper_state(group->config.keeper), group->interface->group);

	for (size_t i = 0; saved != NULL && i < saved->epoch_count; i++) {
		struct election_event floor = {.type = ELECTION_FLOOR};

		floor.floor.vip = saved->epochs[i].vip;
		floor.floor.epoch = saved->epochs[i].epoch;
		group_step(group, now_ns, &floor);
	}
}

struct group *group_create(const struct group_config *config, uint64_t now_ns)
{
	struct dataplane_interface_info info;
	struct group *group = calloc(1, sizeof(*group));

	if (group == NULL)
		return NULL;
	dataplane_interface_info(config->dataplane, config->index, &info);
	group->config = *config;
	group->interface = config->interface;
	group->mac = info.mac;
	group->link_known = info.link_known;
	group->id = name_id(group->interface->group);
	group->node_id = name_id(config->config->node);
	group->boot_id = dataplane_boot_id(config->dataplane);
	group->signing_key = config->config->keys[0];
	group->auth = auth_make(group);
	group->election = election_make(group, now_ns);
	group->announcer = announcer_create();
	if (group->auth == NULL || group->election == NULL || group->announcer == NULL ||
	    group_management_begin(group) < 0) {
		group_free(group);
		errno = ENOMEM;
		return NULL;
	}
	floors_restore(group, now_ns);
	return group;
}

void group_free(struct group *group)
{
	if (group == NULL)
		return;
	announcer_free(group->announcer);
	election_free(group->election);
	election_actions_fini(&group->actions);
	auth_free(group->auth);
	free(group->management);
	OPENSSL_cleanse(&group->signing_key, sizeof(group->signing_key));
	free(group);
}

/* ---- views ---- */

void group_counters(const struct group *group, struct group_counters *counters)
{
	*counters = group->counters;
}

const struct election *group_election(const struct group *group)
{
	return group->election;
}

uint32_t group_id(const struct group *group)
{
	return group->id;
}

const struct auth *group_auth(const struct group *group)
{
	return group->auth;
}

const struct config_interface *group_interface(const struct group *group)
{
	return group->interface;
}
