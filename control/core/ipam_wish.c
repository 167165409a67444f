/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads what a Service asks for out of its fields and annotations. */
#include <errno.h>
#include <string.h>

#include "core/arena.h"
#include "core/ipam_wish.h"

#define METALLB_IPS    "metallb.io/loadBalancerIPs"
#define METALLB_SHARED "metallb.io/allow-shared-ip"
#define BLANKS	       " \t\r\n"

static const char *annotation(const struct object_service *service, const char *key)
{
	const char *value = object_map_get(&service->meta.annotations, key);

	return value && *value ? value : NULL;
}

/* What names the class of a Service, strongest first; the binding and the default come after. */
static const struct {
	const char *what, *annotation;
} names[] = {
	{"spec.loadBalancerClass", NULL},
	{"annotation " OBJECT_ANNOTATION_CLASS, OBJECT_ANNOTATION_CLASS},
	{"annotation " OBJECT_ANNOTATION_L2NAME, OBJECT_ANNOTATION_L2NAME},
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static const char *class_name(const struct object_service *service, size_t i)
{
	if (names[i].annotation)
		return annotation(service, names[i].annotation);
	return service->class_field && *service->class_field ? service->class_field : NULL;
}

static const struct object_class *class_find(const struct object_set *set, const char *name)
{
	for (size_t i = 0; i < set->class_count; i++)
		if (strcmp(set->classes[i].meta.name, name) == 0)
			return &set->classes[i];
	return NULL;
}

const struct object_class *ipam_class_of(const struct object_set *set,
					 const struct object_service *service, const char *bound)
{
	const struct object_class *found = NULL;

	if (!service->load_balancer)
		return NULL;
	for (size_t i = 0; i < NAMES; i++) {
		const char *name = class_name(service, i);

		if (name)
			return class_find(set, name);
	}
	if (service->bound_class)
		bound = service->bound_class;
	/* A binding to a class that is gone binds no longer, else the Service would be lost. */
	if (bound)
		found = class_find(set, bound);
	if (found)
		return found;
	for (size_t i = 0; i < set->class_count; i++) {
		const struct object_class *class = &set->classes[i];

		if (class->is_default && (!found || ipam_meta_cmp(&class->meta, &found->meta) < 0))
			found = class;
	}
	return found;
}

int ipam_note_add(struct ipam_wish *wish, struct arena *arena, enum ipam_severity severity,
		  const char *reason, const char *text)
{
	struct ipam_note *note = text ? arena_alloc(arena, sizeof(*note)) : NULL;

	if (!note)
		return -ENOMEM;
	note->severity = severity;
	note->reason = reason;
	note->text = text;
	if (!wish->notes_end)
		wish->notes_end = &wish->notes;
	*wish->notes_end = note;
	wish->notes_end = &note->next;
	return 0;
}

int ipam_failure_add(struct ipam_wish *wish, struct arena *arena, const char *text)
{
	if (text && wish->failures)
		text = arena_printf(arena, "%s; %s", wish->failures, text);
	if (!text)
		return -ENOMEM;
	wish->failures = text;
	return 0;
}

/* The strongest name was taken; whoever wrote another one should learn it. */
static int note_mismatch(struct ipam_wish *wish, struct arena *arena)
{
	size_t first = NAMES;

	for (size_t i = 0; i < NAMES; i++) {
		const char *name = class_name(wish->service, i);

		if (!name)
			continue;
		if (first == NAMES) {
			first = i;
			continue;
		}
		if (strcmp(name, class_name(wish->service, first)) == 0)
			continue;
		return ipam_note_add(
			wish, arena, IPAM_WARNING, "ClassMismatch",
			arena_printf(arena,
				     "%s names class %s and %s names class %s: the first is used",
				     names[first].what, class_name(wish->service, first),
				     names[i].what, name));
	}
	return 0;
}

static int read_count(struct ipam_wish *wish, struct arena *arena)
{
	const char *text = annotation(wish->service, OBJECT_ANNOTATION_COUNT);
	const char *digits;
	size_t len;

	wish->count = 1;
	if (!text)
		return 0;
	digits = text + strspn(text, BLANKS);
	len = strspn(digits, "0123456789");
	if (len > 0 && digits[len + strspn(digits + len, BLANKS)] == '\0') {
		unsigned int count = 0;

		for (size_t i = 0; i < len && count <= IPAM_MAX_COUNT; i++)
			count = count * 10 + (unsigned int)(digits[i] - '0');
		if (count > 0 && count <= IPAM_MAX_COUNT) {
			wish->count = count;
			return 0;
		}
		if (count > IPAM_MAX_COUNT)
			wish->count = IPAM_MAX_COUNT;
	}
	return ipam_note_add(
		wish, arena, IPAM_WARNING, "InvalidCount",
		arena_printf(arena,
			     "annotation " OBJECT_ANNOTATION_COUNT
			     ": found \"%.40s\", expected a number from 1 to %d: %u is used",
			     text, IPAM_MAX_COUNT, wish->count));
}

/* The pins of a Service as one text, the strongest source only. */
static const char *pins_text(const struct object_service *service)
{
	const char *text = annotation(service, OBJECT_ANNOTATION_IPS);

	if (!text)
		text = annotation(service, METALLB_IPS);
	if (!text && service->load_balancer_ip && *service->load_balancer_ip)
		text = service->load_balancer_ip;
	return text;
}

/* Cuts the next pin out of a list. False at the end. ip is none when it is no address. */
static bool next_pin(const char **list, struct ip *ip, char *word, size_t size)
{
	const char *start = *list + strspn(*list, "," BLANKS);
	size_t len = strcspn(start, "," BLANKS);

	*list = start + len;
	if (len == 0)
		return false;
	if (len >= size)
		len = size - 1;
	memcpy(word, start, len);
	word[len] = '\0';
	if (ip_parse(word, ip) < 0)
		memset(ip, 0, sizeof(*ip));
	return true;
}

/* The family of a Service that states none and is single stack: of its first pin, else of what it
 * has, else IPv4 when the pool has that.
 */
static bool single_family(const struct ipam_wish *wish)
{
	const char *list = pins_text(wish->service);
	char word[64];
	struct ip ip;

	if (list && next_pin(&list, &ip, word, sizeof(word)) && !ip_is_none(&ip))
		return !ip_is_v4(&ip);
	if (wish->had_v4 != wish->had_v6)
		return wish->had_v6;
	return wish->pool->walks[0].count == 0 && wish->pool->walks[1].count > 0;
}

static void read_families(struct ipam_wish *wish)
{
	const struct object_service *service = wish->service;
	bool lacks_first, lacks_second;

	wish->family_count = 1;
	wish->families[0].v6 =
		service->family_count > 0 ? service->family_v6[0] : single_family(wish);
	/* Two families stated without a policy mean both, as in the API server. */
	if (service->family_policy == OBJECT_SINGLE_STACK && service->family_count < 2)
		return;
	if (service->family_count == 0)
		wish->families[0].v6 =
			wish->pool->walks[0].count == 0 && wish->pool->walks[1].count > 0;
	wish->family_count = 2;
	wish->families[1].v6 = !wish->families[0].v6;
	if (service->family_policy != OBJECT_PREFER_DUAL_STACK)
		return;
	/* Preferred means: what the pool lacks is not missed. */
	lacks_first = wish->pool->walks[wish->families[0].v6].count == 0;
	lacks_second = wish->pool->walks[wish->families[1].v6].count == 0;
	if (lacks_second || lacks_first)
		wish->family_count = 1;
	if (lacks_first && !lacks_second)
		wish->families[0].v6 = wish->families[1].v6;
}

static int pin_add(struct ipam_wish *wish, const struct ip *ip, const char *word,
		   struct arena *arena)
{
	struct ipam_family *family = NULL;
	const char *why;

	/* What is no address pins the first family, so that it gets no other one by itself. */
	for (size_t i = 0; i < wish->family_count; i++)
		if (!family && (ip_is_none(ip) || wish->families[i].v6 == !ip_is_v4(ip)))
			family = &wish->families[i];
	if (family && family->pin_count < wish->count) {
		family->pins[family->pin_count++] = *ip;
		why = ip_is_none(ip) ? "is no address" : NULL;
	} else if (family) {
		why = "is one more than " OBJECT_ANNOTATION_COUNT " asks for";
	} else {
		why = "is of a family that the Service does not have";
	}
	if (!why)
		return 0;
	return ipam_note_add(wish, arena, IPAM_WARNING, "InvalidPin",
			     arena_printf(arena, "the pinned IP %s %s", word, why));
}

static int read_pins(struct ipam_wish *wish, struct arena *arena)
{
	const char *list = pins_text(wish->service);
	char word[64];
	struct ip ip;
	int err = 0;

	while (!err && list && next_pin(&list, &ip, word, sizeof(word)))
		err = pin_add(wish, &ip, word, arena);
	return err;
}

int ipam_wish_read(struct ipam_wish *wish, struct arena *arena)
{
	int err = note_mismatch(wish, arena);

	if (!err)
		err = read_count(wish, arena);
	if (err)
		return err;
	read_families(wish);
	for (size_t i = 0; i < wish->family_count; i++) {
		struct ipam_family *family = &wish->families[i];

		family->pins = arena_array(arena, wish->count, sizeof(*family->pins));
		family->vips = arena_array(arena, wish->count, sizeof(*family->vips));
		if (!family->pins || !family->vips)
			return -ENOMEM;
	}
	wish->shared_key = annotation(wish->service, OBJECT_ANNOTATION_SHARED);
	if (!wish->shared_key)
		wish->shared_key = annotation(wish->service, METALLB_SHARED);
	return read_pins(wish, arena);
}

static bool ports_clash(const struct object_service *a, const struct object_service *b)
{
	for (size_t i = 0; i < a->port_count; i++)
		for (size_t j = 0; j < b->port_count; j++)
			if (a->ports[i].protocol == b->ports[j].protocol &&
			    a->ports[i].port == b->ports[j].port)
				return true;
	return false;
}

static bool selectors_equal(const struct object_map *a, const struct object_map *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const char *other = object_map_get(b, a->pairs[i].key);

		if (!other || strcmp(other, a->pairs[i].value) != 0)
			return false;
	}
	return true;
}

bool ipam_wish_shares(const struct ipam_wish *a, const struct ipam_wish *b)
{
	const struct object_service *left = a->service, *right = b->service;

	if (a == b || !a->shared_key || !b->shared_key || a->pool != b->pool ||
	    strcmp(a->shared_key, b->shared_key) != 0 || ports_clash(left, right))
		return false;
	if (left->policy_local || right->policy_local)
		return selectors_equal(&left->selector, &right->selector);
	return true;
}
