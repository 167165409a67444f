/* SPDX-License-Identifier: BSD-3-Clause */
/* The step of the election: events in, actions out, and the states of this node itself. */
#include "core/election_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t silence_ns(uint64_t interval_ns, uint8_t multiplier)
{
	return interval_ns * multiplier + (WITHOUT(RULE_QUARTER) ? 0 : interval_ns / 4);
}

/* A lost action is the caller's to know: what it does would no longer match the state. */
struct election_action *action_add(struct election *e, enum election_action_type type)
{
	struct election_actions *actions = e->actions;
	const size_t capacity = actions->capacity == 0 ? 64 : actions->capacity * 2;
	struct election_action *list;

	if (actions->count == actions->capacity) {
		list = reallocarray(actions->list, capacity, sizeof(*list));
		if (list == NULL) {
			actions->out_of_memory = e->out_of_memory = true;
			return NULL;
		}
		actions->list = list;
		actions->capacity = capacity;
	}
	list = &actions->list[actions->count++];
	memset(list, 0, sizeof(*list));
	list->type = type;
	return list;
}

static struct heartbeat *message_storage(struct election_actions *actions)
{
	const size_t capacity = actions->message_capacity == 0 ? 8 : actions->message_capacity * 2;
	struct heartbeat **messages;

	if (actions->message_count == actions->message_capacity) {
		messages = reallocarray(actions->messages, capacity, sizeof(*messages));
		if (messages == NULL)
			return NULL;
		memset(messages + actions->message_capacity, 0,
		       (capacity - actions->message_capacity) * sizeof(*messages));
		actions->messages = messages;
		actions->message_capacity = capacity;
	}
	messages = &actions->messages[actions->message_count];
	if (*messages == NULL)
		*messages = malloc(sizeof(**messages));
	if (*messages != NULL)
		actions->message_count++;
	return *messages;
}

struct heartbeat *action_add_message(struct election *e, enum election_action_type type, bool now,
				     uint32_t to)
{
	struct heartbeat *message = message_storage(e->actions);
	struct election_action *action;

	if (message == NULL) {
		e->actions->out_of_memory = e->out_of_memory = true;
		return NULL;
	}
	action = action_add(e, type);
	if (action == NULL)
		return NULL;
	action->message.heartbeat = message;
	action->message.now = now;
	action->message.to = to;
	return message;
}

void election_actions_reset(struct election_actions *actions)
{
	actions->count = actions->message_count = 0;
	actions->out_of_memory = false;
}

void election_actions_fini(struct election_actions *actions)
{
	for (size_t i = 0; i < actions->message_capacity; i++)
		free(actions->messages[i]);
	free(actions->messages);
	free(actions->list);
	memset(actions, 0, sizeof(*actions));
}

struct election *election_create(const struct election_config *config, uint64_t now_ns)
{
	struct election *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->config = *config;
	e->now_ns = e->turn_ns = e->state_since_ns = e->noted_ns = now_ns;
	e->joined_ns = UINT64_MAX;
	e->link_up = true;
	e->run_out = true;
	e->was_fenced = true;
	e->lease_said_ns = UINT64_MAX; /* the first turn says that there is none */
	e->company_silence_ns = silence_ns(config->interval_ns, config->multiplier);
	e->dirty_all = e->peers_dirty = e->beat_now = true;
	e->due_ns = UINT64_MAX;
	return e;
}

void election_free(struct election *e)
{
	if (e == NULL)
		return;
	for (int slot = 0; slot < ELECTION_SLOTS; slot++)
		free(e->peers[slot].assembly.have);
	vips_fini(e);
	free(e->own);
	free(e->relay);
	free(e);
}

bool self_able(const struct election *e)
{
	return (e->state == NODE_STANDBY || e->state == NODE_ACTIVE) &&
	       (WITHOUT(RULE_ABLE) || (!e->run_out && e->now_ns < e->lease_until_ns));
}

bool self_fenced(const struct election *e)
{
	return e->run_out && (e->lease_until_ns == 0 ||
			      e->now_ns >= e->lease_until_ns + silence_ns(e->config.interval_ns,
									  e->config.multiplier));
}

void self_state(struct election *e, enum node_state state)
{
	struct election_action *action;

	if (state == e->state)
		return;
	if (e->state == NODE_JOINING)
		e->joined_ns = e->now_ns;
	e->state = state;
	e->state_since_ns = e->now_ns;
	e->beat_now = e->dirty_all = true;
	action = action_add(e, ELECTION_STATE);
	if (action != NULL)
		action->state = state;
}

/* Rule 10: nothing is answered from the first LEAVING on. */
static void self_leave(struct election *e)
{
	if (e->state == NODE_LEAVING)
		return;
	for (size_t i = 0; i < e->vip_count; i++)
		claim_stop(e, e->vips[i], ELECTION_CAUSE_STOPPED, 0);
	lease_end(e);
	self_state(e, NODE_LEAVING);
	e->leave_count = 0;
	e->leave_sent_ns = e->now_ns;
	e->left = false;
}

static void self_drain(struct election *e, bool on)
{
	if (on && e->state == NODE_JOINING) {
		self_leave(e); /* it holds nothing */
	} else if (on && (e->state == NODE_STANDBY || e->state == NODE_ACTIVE)) {
		self_state(e, NODE_DRAINING);
	} else if (!on && e->state == NODE_DRAINING) {
		self_state(e, NODE_STANDBY);
	} else if (!on && e->state == NODE_LEAVING) {
		/* Not gone yet after all: join as if just started. */
		self_state(e, NODE_JOINING);
		e->joined_ns = UINT64_MAX;
	}
}

/* Says LEAVING three times, an interval apart so that no one burst loses all. */
static void self_leaving(struct election *e)
{
	if (e->left || (e->leave_count > 0 && e->now_ns - e->leave_sent_ns < e->config.interval_ns))
		return;
	e->leave_sent_ns = e->now_ns;
	if (e->leave_count < 3) {
		e->leave_count++;
		e->beat_now = e->rows_again = true;
	} else {
		e->left = true;
		action_add(e, ELECTION_LEFT);
	}
}

static void self_turn_end(struct election *e)
{
	const uint64_t since = e->now_ns - e->state_since_ns;
	const bool fenced = self_fenced(e);
	const bool able = self_able(e);

	if (fenced != e->was_fenced)
		e->beat_now = e->dirty_all = true;
	e->was_fenced = fenced;
	if (able != e->was_able)
		e->dirty_all = true;
	e->was_able = able;
	switch (e->state) {
	case NODE_JOINING:
		if (since >= JOINING_NS && e->ready && peers_rows_held(e))
			self_state(e, NODE_STANDBY);
		break;
	case NODE_STANDBY:
		if (fenced)
			e->state_since_ns = e->now_ns; /* `hold` is time with a lease */
		else if (since >= e->config.hold_ns)
			self_state(e, NODE_ACTIVE);
		break;
	case NODE_ACTIVE:
		if (fenced)
			self_state(e, NODE_STANDBY);
		break;
	case NODE_DRAINING:
		if (e->owned == 0 || since >= e->config.drain_max_ns)
			self_leave(e);
		break;
	case NODE_LEAVING:
		break;
	}
	if (e->state == NODE_LEAVING)
		self_leaving(e);
}

static void turn_end(struct election *e)
{
	peers_update(e);
	lease_turn_end(e);
	self_turn_end(e);
	claims_turn_end(e);
	messages_turn_end(e);
}

static int health_changed(struct election *e, const struct ip *address, bool healthy)
{
	struct vip *vip = vip_get(e, address);

	if (vip == NULL)
		return -ENOMEM;
	if (vip->healthy == healthy)
		return 0;
	vip->healthy = healthy;
	vip->health_since_ns = e->now_ns;
	e->rows_changed = true;
	vip_dirty(e, vip);
	return 0;
}

static int floor_known(struct election *e, const struct ip *address, uint64_t epoch)
{
	struct vip *vip = vip_get(e, address);

	if (vip == NULL)
		return -ENOMEM;
	/* Where the number comes from keeps it already; a floor is no claim (design §8). */
	if (epoch < HEARTBEAT_EPOCH_LIMIT && epoch > vip->seen)
		vip->seen = epoch;
	return 0;
}

int election_step(struct election *e, uint64_t now_ns, const struct election_event *event,
		  struct election_actions *actions)
{
	int err = 0;

	e->now_ns = now_ns > e->now_ns ? now_ns : e->now_ns;
	e->actions = actions;
	e->out_of_memory = false;
	switch (event->type) {
	case ELECTION_TURN_BEGIN:
		lease_turn_begin(e, event->turn.polled_ns);
		break;
	case ELECTION_MESSAGE:
		message_heard(e, event);
		break;
	case ELECTION_GATEWAY:
		if (event->gateway.probe_sent_ns > e->gateway_ns)
			e->gateway_ns = event->gateway.probe_sent_ns;
		break;
	case ELECTION_TURN_END:
		turn_end(e);
		break;
	case ELECTION_PLAN:
		err = vip_plan(e, event->plan.vips, event->plan.count);
		break;
	case ELECTION_HEALTH:
		err = health_changed(e, &event->health.vip, event->health.healthy);
		break;
	case ELECTION_LINK:
		lease_link(e, event->link.up);
		break;
	case ELECTION_READY:
		e->ready = true;
		break;
	case ELECTION_DRAIN:
		self_drain(e, event->drain.on);
		break;
	case ELECTION_LEAVE:
		self_leave(e);
		break;
	case ELECTION_FLOOR:
		err = floor_known(e, &event->floor.vip, event->floor.epoch);
		break;
	case ELECTION_CONFIG:
		e->config.key_id = event->config.key_id;
		e->config.hold_ns = event->config.hold_ns;
		e->beat_said = false; /* anew: keys may differ though their ids do not */
		break;
	}
	e->actions = NULL;
	return err != 0 ? err : e->out_of_memory ? -ENOMEM : 0;
}
