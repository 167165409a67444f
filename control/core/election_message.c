/* SPDX-License-Identifier: BSD-3-Clause */
/* What peers say and what we say to them: beats and rows (design §8 "Messages"). */
#include "core/election_internal.h"

#include <stdlib.h>
#include <string.h>

static void beat_hears(struct election *e, struct peer *peer, const struct heartbeat *m)
{
	const uint64_t former = peer->hears;

	peer->hears = 0;
	for (size_t i = 0; i < m->peer_count; i++) {
		const struct heartbeat_peer *entry = &m->peers[i];
		int slot;

		if (entry->node == e->config.node) {
			if (entry->boot_low == (uint32_t)e->config.boot_id)
				peer->rows_echo = entry->rows_version;
			continue;
		}
		if (!entry->hears)
			continue;
		slot = peer_slot_get(e, entry->node);
		if (slot == NO_SLOT)
			continue;
		e->peers[slot].mentioned_ns = e->now_ns;
		peer->hears |= slot_bit(slot);
		if (peer->hears_boot[slot] != entry->boot_low)
			e->peers_dirty = true;
		peer->hears_boot[slot] = entry->boot_low;
	}
	if (peer->hears != former)
		e->peers_dirty = true;
	if (former & ~peer->hears)
		e->rows_again = e->relay_due = true; /* it stopped hearing somebody */
}

/* The lines of the header that describe the sender now; a late message of the other path is old. */
static void header_taken(struct election *e, struct peer *peer, const struct heartbeat *m)
{
	if (m->path == HEARTBEAT_MANAGEMENT && m->kind == HEARTBEAT_BEAT) {
		if ((peer->management_lapsed_ms > 0) != (m->lapsed_ms > 0))
			e->peers_dirty = true;
		peer->management_lapsed_ms = m->lapsed_ms;
	}
	if (m->seq <= peer->header_seq)
		return;
	peer->header_seq = m->seq;
	if (peer->state != (enum node_state)m->state ||
	    (peer->lapsed_ms == 0) != (m->lapsed_ms == 0))
		e->peers_dirty = true;
	peer->state = m->state;
	peer->lapsed_ms = m->lapsed_ms;
	peer->interval_ns = m->interval_us * UINT64_C(1000);
	peer->multiplier = m->multiplier;
	peer->key_id = m->key_id;
	if (peer->rows_version != m->rows_version)
		e->peers_dirty = e->dirty_all = true;
	peer->rows_version = m->rows_version;
	if (m->kind == HEARTBEAT_BEAT)
		beat_hears(e, peer, m);
}

static void beat_heard(struct election *e, int slot, const struct election_event *event)
{
	const struct heartbeat *m = event->message.heartbeat;
	struct peer *peer = &e->peers[slot];
	const uint64_t silence = silence_ns(peer->interval_ns, peer->multiplier);

	peer->heard_ns[m->path] = e->now_ns;
	peer->heard_counted[m->path] = e->counted_ns;
	if (m->path != HEARTBEAT_FRONT)
		return;
	peer->heard_turn = e->turn;
	if (m->lapsed_ms != HEARTBEAT_LAPSED_EVER && m->lapsed_ms * MS < silence) {
		e->company_counted = e->counted_ns;
		e->company_silence_ns = silence;
	}
	if (!event->message.echo_management && event->message.echo_sent_ns > e->echo_ns &&
	    heartbeat_find_peer(m, e->config.node, (uint32_t)e->config.boot_id) != NULL)
		e->echo_ns = event->message.echo_sent_ns; /* rule 2 (a) */
}

static bool assembly_start(struct election *e, struct assembly *assembly, const struct heartbeat *m,
			   uint64_t bit)
{
	const size_t need = (m->pages + 7u) / 8;
	uint8_t *have = assembly->have;

	if (need > assembly->have_len) {
		have = realloc(have, need);
		if (have == NULL) {
			e->out_of_memory = true;
			return false;
		}
		assembly->have = have;
		assembly->have_len = need;
	}
	memset(have, 0, need);
	assembly->version = m->rows_version;
	assembly->pages = m->pages;
	assembly->got = 0;
	for (size_t i = 0; i < e->vip_count; i++) {
		e->vips[i]->listed_next &= ~bit;
		e->vips[i]->unhealthy_next &= ~bit;
	}
	return true;
}

/* All pages came: what this version does not say holds no longer. */
static void assembly_done(struct election *e, struct peer *peer, uint64_t bit)
{
	peer->rows_held = peer->assembly.version;
	peer->assembly.pages = 0;
	for (size_t i = 0; i < e->vip_count; i++) {
		struct vip *vip = e->vips[i];

		if ((vip->listed ^ vip->listed_next) & bit) {
			vip->listed = (vip->listed & ~bit) | (vip->listed_next & bit);
			vip_dirty(e, vip);
		}
		if ((vip->unhealthy ^ vip->unhealthy_next) & bit) {
			vip->unhealthy = (vip->unhealthy & ~bit) | (vip->unhealthy_next & bit);
			vip->health_since_ns = e->now_ns;
			vip_dirty(e, vip);
		}
	}
}

static void row_heard(struct election *e, uint32_t node, uint64_t bit, bool fresh,
		      const struct heartbeat_row *row)
{
	struct vip *vip = vip_get(e, &row->vip);

	if (vip == NULL)
		return;
	switch ((enum heartbeat_row_kind)row->kind) {
	case HEARTBEAT_ROW_CLAIM:
		if (fresh) {
			vip->listed_next |= bit;
			if (!(vip->listed & bit))
				vip_dirty(e, vip);
			vip->listed |= bit;
		}
		claim_heard(e, vip, row->epoch, node, row->node, true);
		break;
	case HEARTBEAT_ROW_UNHEALTHY:
		if (!fresh)
			break;
		vip->unhealthy_next |= bit;
		if (!(vip->unhealthy & bit)) {
			vip->unhealthy |= bit;
			vip->health_since_ns = e->now_ns;
			vip_dirty(e, vip);
		}
		break;
	case HEARTBEAT_ROW_RELAYED:
		if (row->node != 0)
			claim_heard(e, vip, row->epoch, row->node, 0, false);
		break;
	case HEARTBEAT_ROW_WITHDRAWN:
		claim_heard(e, vip, row->epoch, 0, 0, true);
		break;
	}
}

static void rows_heard(struct election *e, int slot, const struct heartbeat *m)
{
	struct peer *peer = &e->peers[slot];
	struct assembly *assembly = &peer->assembly;
	const uint64_t bit = slot_bit(slot);
	bool fresh = false;

	if (m->rows_version != peer->rows_version)
		return; /* overtaken by a later version on the other path */
	if (m->pages > 0 && m->rows_version != peer->rows_held) {
		if ((assembly->pages != m->pages || assembly->version != m->rows_version) &&
		    !assembly_start(e, assembly, m, bit))
			return;
		fresh = !(assembly->have[m->page / 8] & 1 << m->page % 8);
	}
	for (size_t i = 0; i < m->row_count; i++)
		row_heard(e, e->nodes[slot], bit, fresh, &m->rows[i]);
	if (!fresh)
		return;
	assembly->have[m->page / 8] |= (uint8_t)(1 << m->page % 8);
	if (++assembly->got == assembly->pages)
		assembly_done(e, peer, bit);
}

/*
 * How many beats before this one did not come by its path. Other paths and kinds count with the
 * same seq, so a gap is a loss here only as far as beats were due here meanwhile.
 */
static uint64_t beats_missed(const struct election *e, const struct peer *peer,
			     const struct heartbeat *m)
{
	const uint64_t gap = m->seq - peer->seq[m->path] - 1;
	uint64_t due;

	if (peer->heard_ns[m->path] == 0 || peer->interval_ns == 0)
		return 0;
	due = (e->now_ns - peer->heard_ns[m->path] + peer->interval_ns / 2) / peer->interval_ns;
	if (due <= 1)
		return 0;
	return gap < due - 1 ? gap : due - 1;
}

void message_heard(struct election *e, const struct election_event *event)
{
	const struct heartbeat *m = event->message.heartbeat;
	struct peer *peer;
	int slot;

	if (m->group != e->config.group || m->path >= HEARTBEAT_PATHS)
		return;
	if (m->node == e->config.node) {
		if (m->boot_id != e->config.boot_id)
			peer_self_twin(e);
		return;
	}
	if (!election_seq_fresh(e, m->node, m->boot_id, m->path, m->seq))
		return;
	slot = peer_slot_get(e, m->node);
	if (slot == NO_SLOT || !peer_accept(e, slot, event))
		return;
	peer = &e->peers[slot];
	if (m->kind == HEARTBEAT_BEAT)
		peer->lost[m->path] += beats_missed(e, peer, m);
	peer->seq[m->path] = m->seq;
	header_taken(e, peer, m);
	if (m->kind == HEARTBEAT_BEAT)
		beat_heard(e, slot, event);
	peer_judge(e, slot);
	if (m->kind == HEARTBEAT_ROWS)
		rows_heard(e, slot, m);
}

/* What we say. */

static bool row_add(struct election *e, struct heartbeat_row **rows, size_t *count,
		    size_t *capacity, const struct heartbeat_row *row)
{
	const size_t more = *capacity == 0 ? 64 : *capacity * 2;
	struct heartbeat_row *grown;

	if (*count == *capacity) {
		grown = reallocarray(*rows, more, sizeof(**rows));
		if (grown == NULL) {
			e->out_of_memory = true;
			return false;
		}
		*rows = grown;
		*capacity = more;
	}
	(*rows)[(*count)++] = *row;
	return true;
}

static void own_rows_build(struct election *e)
{
	e->own_count = 0;
	for (size_t i = 0; i < e->vip_count; i++) {
		const struct vip *vip = e->vips[i];
		struct heartbeat_row row = {.vip = vip->address};

		if (vip->mine || vip->withdrawn_until_ns != 0) {
			row.kind = vip->mine ? HEARTBEAT_ROW_CLAIM : HEARTBEAT_ROW_WITHDRAWN;
			row.epoch = vip->epoch;
			row.node = vip->mine ? vip->offered_to : 0;
			row_add(e, &e->own, &e->own_count, &e->own_capacity, &row);
		}
		if (vip->lists_me && !vip->healthy) {
			row = (struct heartbeat_row){.vip = vip->address,
						     .kind = HEARTBEAT_ROW_UNHEALTHY};
			row_add(e, &e->own, &e->own_count, &e->own_capacity, &row);
		}
	}
}

static void relay_rows_build(struct election *e)
{
	const uint64_t unheard = peers_unheard(e);

	e->relay_count = 0;
	e->relay_cursor = 0;
	if (unheard == 0 || WITHOUT(RULE_RELAY))
		return;
	for (size_t i = 0; i < e->vip_count; i++) {
		const struct vip *vip = e->vips[i];
		const struct heartbeat_row row = {
			.vip = vip->address,
			.kind = HEARTBEAT_ROW_RELAYED,
			.epoch = vip->epoch,
			.node = vip->owner,
		};

		/* What everybody hears from the owner itself needs no relay. */
		if (vip->claimed && vip->owner != 0 && vip->owner != e->config.node &&
		    (slot_bit(peer_slot(e, vip->owner)) & unheard))
			row_add(e, &e->relay, &e->relay_count, &e->relay_capacity, &row);
	}
}

static void header_fill(const struct election *e, struct heartbeat *m, enum heartbeat_kind kind)
{
	memset(m, 0, offsetof(struct heartbeat, rows)); /* only row_count rows are ever read */
	m->version = HEARTBEAT_VERSION;
	m->kind = (uint8_t)kind;
	m->state = (uint8_t)e->state;
	m->group = e->config.group;
	m->node = e->config.node;
	m->boot_id = e->config.boot_id;
	m->interval_us = (uint32_t)(e->config.interval_ns / 1000);
	m->multiplier = e->config.multiplier;
	m->key_id = e->config.key_id;
	m->rows_version = e->rows_version;
}

static void page_send_to(struct election *e, const struct heartbeat_row *rows, size_t count,
			 uint16_t page, uint16_t pages, enum heartbeat_path path, uint32_t to)
{
	struct heartbeat *m = action_add_message(e, ELECTION_ROWS, false, to);

	if (m == NULL)
		return;
	header_fill(e, m, HEARTBEAT_ROWS);
	m->path = (uint8_t)path;
	m->page = page;
	m->pages = pages;
	m->row_count = (uint16_t)count;
	if (count > 0)
		memcpy(m->rows, rows, count * sizeof(*rows));
}

/* On the front for all, on the management path for each that is heard only there. */
static void page_send(struct election *e, const struct heartbeat_row *rows, size_t count,
		      uint16_t page, uint16_t pages)
{
	page_send_to(e, rows, count, page, pages, HEARTBEAT_FRONT, 0);
	for (int slot = 0; slot < e->slot_count; slot++)
		if (e->nodes[slot] != 0 && e->peers[slot].managed && !e->peers[slot].live)
			page_send_to(e, rows, count, page, pages, HEARTBEAT_MANAGEMENT,
				     e->nodes[slot]);
}

static size_t pages_of(size_t rows)
{
	return (rows + HEARTBEAT_PAGE_ROWS - 1) / HEARTBEAT_PAGE_ROWS;
}

static size_t page_rows(size_t count, size_t page)
{
	const size_t left = count - page * HEARTBEAT_PAGE_ROWS;

	return left < HEARTBEAT_PAGE_ROWS ? left : HEARTBEAT_PAGE_ROWS;
}

static bool rows_echoed(const struct election *e)
{
	for (int slot = 0; slot < e->slot_count; slot++) {
		const struct peer *peer = &e->peers[slot];

		if (e->nodes[slot] != 0 && (peer->live || peer->managed) &&
		    peer->rows_echo != e->rows_version)
			return false;
	}
	return true;
}

static void rows_update(struct election *e)
{
	const bool repeat = e->now_ns - e->repeat_ns >= ROWS_REPEAT_NS;
	const uint64_t since = e->now_ns - e->rows_sent_ns;
	const uint64_t interval = e->config.interval_ns;
	size_t pages, budget = ROWS_PAGES_TURN;

	if (e->rows_changed) {
		e->rows_changed = false;
		own_rows_build(e);
		if (e->rows_version != 0 || e->own_count != 0) {
			if (++e->rows_version == 0)
				e->rows_version = 1; /* 0 is the empty set of a new boot */
			e->rows_cursor = 0;
			e->rows_sent_ns = e->now_ns;
		}
	}
	pages = e->rows_version == 0 ? 0 : e->own_count == 0 ? 1 : pages_of(e->own_count);
	if (e->rows_cursor >= pages &&
	    (repeat || (e->rows_again && since >= interval / 4) ||
	     (since >= interval && !rows_echoed(e) && !WITHOUT(RULE_ROWS_REPEAT)))) {
		e->rows_again = false;
		e->rows_cursor = 0;
		e->rows_sent_ns = e->now_ns;
	}
	for (; e->rows_cursor < pages && budget > 0; e->rows_cursor++, budget--)
		page_send(e, e->own + e->rows_cursor * HEARTBEAT_PAGE_ROWS,
			  page_rows(e->own_count, e->rows_cursor), (uint16_t)e->rows_cursor,
			  (uint16_t)pages);
	if (repeat)
		e->repeat_ns = e->now_ns;
	if (repeat || e->relay_due) {
		e->relay_due = false;
		relay_rows_build(e);
	}
	for (; e->relay_cursor < pages_of(e->relay_count) && budget > 0;
	     e->relay_cursor++, budget--)
		page_send(e, e->relay + e->relay_cursor * HEARTBEAT_PAGE_ROWS,
			  page_rows(e->relay_count, e->relay_cursor), 0, 0);
}

static bool heard_lately(const struct election *e, uint64_t heard_ns)
{
	return heard_ns != 0 && e->now_ns - heard_ns < PRESENT_NS;
}

static void entry_add(struct heartbeat *m, const struct heartbeat_peer *entry)
{
	struct heartbeat_peer *at;

	if (m->peer_count == HEARTBEAT_MAX_PEERS)
		return;
	at = &m->peers[m->peer_count++]; /* by fields: padding stays zero, beats are compared */
	at->node = entry->node;
	at->boot_low = entry->boot_low;
	at->seq_low = entry->seq_low;
	at->rows_version = entry->rows_version;
	at->hears = entry->hears;
}

/* Boots that are only present go last: they find room unless the group is full. */
static uint64_t beat_build(const struct election *e, struct heartbeat *m)
{
	uint64_t hears = 0;

	header_fill(e, m, HEARTBEAT_BEAT);
	for (int slot = 0; slot < e->slot_count; slot++) {
		const struct peer *peer = &e->peers[slot];
		const bool front = heard_lately(e, peer->heard_ns[HEARTBEAT_FRONT]);
		struct heartbeat_peer entry = {
			.node = e->nodes[slot],
			.boot_low = (uint32_t)peer->boot_id,
			/* the front's, since that is what an echo can prove */
			.seq_low =
				(uint32_t)peer->seq[front ? HEARTBEAT_FRONT : HEARTBEAT_MANAGEMENT],
			.rows_version = peer->rows_held,
			.hears = peer->live && !peer->fenced,
		};

		if (e->nodes[slot] == 0 ||
		    (!front && !heard_lately(e, peer->heard_ns[HEARTBEAT_MANAGEMENT])))
			continue;
		if (entry.hears)
			hears |= slot_bit(slot);
		entry_add(m, &entry);
	}
	for (int slot = 0; slot < e->slot_count; slot++) {
		const struct candidate *candidate = &e->peers[slot].candidate;
		const struct heartbeat_peer entry = {
			.node = e->nodes[slot],
			.boot_low = (uint32_t)candidate->boot_id,
			.seq_low = (uint32_t)candidate->seq[candidate->path],
		};

		if (e->nodes[slot] != 0 && heard_lately(e, candidate->heard_ns))
			entry_add(m, &entry);
	}
	return hears;
}

static void beat_update(struct election *e)
{
	struct heartbeat beat;
	const uint64_t hears = beat_build(e, &beat);
	struct heartbeat *said;
	bool now;

	if (hears != e->hears_said || beat.state != e->beat.state)
		e->beat_now = true;
	now = e->beat_now &&
	      (!e->beat_said || e->now_ns - e->beat_now_ns >= e->config.interval_ns / 4);
	if (e->beat_said && !now && memcmp(&beat, &e->beat, offsetof(struct heartbeat, rows)) == 0)
		return;
	said = action_add_message(e, ELECTION_BEAT, now, 0);
	if (said == NULL)
		return;
	memcpy(said, &beat, offsetof(struct heartbeat, rows)); /* a beat has none */
	memcpy(&e->beat, &beat, offsetof(struct heartbeat, rows));
	e->beat_said = true;
	if (now) {
		e->hears_said = hears;
		e->beat_now = false;
		e->beat_now_ns = e->now_ns;
	}
}

void messages_turn_end(struct election *e)
{
	rows_update(e);
	beat_update(e);
}
