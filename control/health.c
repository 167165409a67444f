/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Probes of the local ingress by TCP connect. Every target waits in one of three queues: `due`
 * until its next probe, `again` until a first failure is repeated, `open` while it connects. As
 * each queue has one length of time, each is in order of time, and one timer serves them all.
 */
#include "health.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "log.h"

#define MS_NS	    UINT64_C(1000000)
#define INTERVAL_NS (100 * MS_NS)
#define AGAIN_NS    (20 * MS_NS)
#define LIMIT_NS    (100 * MS_NS)
#define FAILURES    2
#define SUCCESSES   3
/* Connects open at once; at most a quarter of the descriptors that the process may have. */
#define OPEN_MAX_DEFAULT 1024
/* Of a turn of the loop: what is due beyond it waits for the next turn. */
#define TURN_NS (MS_NS / 4)

enum opinion {
	UNKNOWN,
	GOOD,
	BAD,
};

TAILQ_HEAD(queue, target);

struct target {
	TAILQ_ENTRY(target) link;
	struct health *health;
	struct key *key;
	struct ip address;
	uint16_t port;
	enum opinion opinion;
	unsigned int failures, successes; /* in a row */
	int fd;				  /* -1 when it is not connecting */
	struct queue *queue;		  /* that it waits in */
	uint64_t at_ns;			  /* when that is over */
	struct event event;
};

/* The targets of a key lie side by side, those of one address too. */
struct key {
	char *name;
	struct target **targets;
	size_t target_count;
	bool known, healthy;
};

struct health {
	struct event_base *base;
	void (*changed)(void *arg, const char *key, bool healthy);
	void *arg;
	struct event *timer;
	struct queue due, again, open;
	size_t open_count, open_max;
	struct target **targets; /* sorted by key, address, port */
	size_t target_count;
	struct key *keys; /* sorted by name */
	size_t key_count, known_count;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * MS_NS + (uint64_t)now.tv_nsec;
}

static void arm(struct health *health)
{
	const struct target *heads[] = {TAILQ_FIRST(&health->open), NULL, NULL};
	uint64_t at_ns = UINT64_MAX, now = now_ns(), wait_ns;
	struct timeval wait;

	if (health->open_count < health->open_max) {
		heads[1] = TAILQ_FIRST(&health->due);
		heads[2] = TAILQ_FIRST(&health->again);
	}
	for (size_t i = 0; i < 3; i++)
		if (heads[i] != NULL && heads[i]->at_ns < at_ns)
			at_ns = heads[i]->at_ns;
	if (at_ns == UINT64_MAX) {
		(void)evtimer_del(health->timer);
		return;
	}
	/* Rounded up: an early timer would only come again. */
	wait_ns = at_ns > now ? at_ns - now + 999 : 0;
	wait.tv_sec = (time_t)(wait_ns / (1000 * MS_NS));
	wait.tv_usec = (suseconds_t)(wait_ns % (1000 * MS_NS) / 1000);
	(void)evtimer_add(health->timer, &wait);
}

/* What is known of one address: it serves when every port does. */
static enum opinion address_opinion(const struct key *key, size_t first, size_t end)
{
	enum opinion opinion = GOOD;

	for (size_t i = first; i < end; i++) {
		if (key->targets[i]->opinion == BAD)
			return BAD;
		if (key->targets[i]->opinion == UNKNOWN)
			opinion = UNKNOWN;
	}
	return opinion;
}

static enum opinion key_opinion(const struct key *key)
{
	enum opinion opinion = BAD, one;
	size_t end;

	for (size_t i = 0; i < key->target_count; i = end) {
		for (end = i + 1; end < key->target_count &&
				  ip_equal(&key->targets[end]->address, &key->targets[i]->address);
		     end++)
			;
		one = address_opinion(key, i, end);
		if (one == GOOD)
			return GOOD;
		if (one == UNKNOWN)
			opinion = UNKNOWN;
	}
	return opinion;
}

/* Last in whatever calls it: the callback may set new targets. */
static void decide(struct health *health, struct key *key)
{
	enum opinion opinion = key_opinion(key);

	if (opinion == UNKNOWN || (key->known && key->healthy == (opinion == GOOD)))
		return;
	health->known_count += !key->known;
	key->known = true;
	key->healthy = opinion == GOOD;
	health->changed(health->arg, key->name, key->healthy);
}

static void leave_queue(struct target *target)
{
	if (target->queue == &target->health->open) {
		(void)event_del(&target->event);
		close(target->fd);
		target->fd = -1;
		target->health->open_count--;
	}
	TAILQ_REMOVE(target->queue, target, link);
	target->queue = NULL;
}

/* The target is in no queue. */
static void wait_in(struct target *target, struct queue *queue, uint64_t time_ns)
{
	target->queue = queue;
	target->at_ns = now_ns() + time_ns;
	TAILQ_INSERT_TAIL(queue, target, link);
	target->health->open_count += queue == &target->health->open;
}

/* The outcome of a probe; the target is in no queue. Last in whatever calls it. */
static void judge(struct target *target, bool accepted)
{
	struct health *health = target->health;

	if (accepted) {
		target->failures = 0;
		target->successes++;
		/* The very first success will do: nobody waits for a node that has just started. */
		if (target->opinion == UNKNOWN || target->successes >= SUCCESSES)
			target->opinion = GOOD;
		wait_in(target, &health->due, INTERVAL_NS);
	} else {
		target->successes = 0;
		target->failures++;
		if (target->failures >= FAILURES)
			target->opinion = BAD;
		if (target->failures == 1)
			wait_in(target, &health->again, AGAIN_NS);
		else
			wait_in(target, &health->due, INTERVAL_NS);
	}
	decide(health, target->key);
}

/*
 * Whether the connection has itself as its other end: with nobody listening the kernel may choose
 * the very port that is probed as the source port, and a simultaneous open succeeds (RFC 9293
 * §3.5).
 */
static bool is_own_end(int fd)
{
	struct sockaddr_in6 near = {0}, far = {0};
	socklen_t near_len = sizeof(near), far_len = sizeof(far);

	return getsockname(fd, (struct sockaddr *)&near, &near_len) == 0 &&
	       getpeername(fd, (struct sockaddr *)&far, &far_len) == 0 && near_len == far_len &&
	       memcmp(&near, &far, near_len) == 0;
}

static void connected(evutil_socket_t fd, short what, void *arg)
{
	struct target *target = arg;
	struct health *health = target->health;
	int error = 0;
	socklen_t len = sizeof(error);
	bool accepted;

	(void)what;
	accepted = getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0 &&
		   !is_own_end(fd);
	leave_queue(target);
	judge(target, accepted);
	arm(health);
}

static socklen_t fill_address(const struct target *target, struct sockaddr_storage *storage)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;

	memset(storage, 0, sizeof(*storage));
	if (ip_is_v4(&target->address)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htobe16(target->port);
		v4->sin_addr.s_addr = ip_v4(&target->address);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htobe16(target->port);
	memcpy(&v6->sin6_addr, target->address.b, sizeof(target->address.b));
	return sizeof(*v6);
}

/* -EINPROGRESS, 0 when it is connected at once, or why not. fd is set unless there was no socket.
 */
static int begin_connect(struct target *target)
{
	static const struct linger reset = {.l_onoff = 1};
	struct sockaddr_storage address;
	socklen_t len = fill_address(target, &address);

	target->fd =
		socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (target->fd < 0)
		return -errno;
	/* Closed by RST: nothing stays in TIME_WAIT, neither here nor at the application. */
	(void)setsockopt(target->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (connect(target->fd, (struct sockaddr *)&address, len) < 0)
		return -errno;
	return is_own_end(target->fd) ? -ECONNREFUSED : 0;
}

/* Whether an error is this process's own want and says nothing of the target. */
static bool is_local(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

/* The target is in no queue. Last in whatever calls it. */
static void probe(struct target *target)
{
	struct health *health = target->health;
	int result = begin_connect(target);

	if (result == -EINPROGRESS) {
		if (event_assign(&target->event, health->base, target->fd, EV_WRITE, connected,
				 target) == 0 &&
		    event_add(&target->event, NULL) == 0) {
			wait_in(target, &health->open, LIMIT_NS);
			return;
		}
		result = -ENOMEM;
	}
	if (target->fd >= 0)
		close(target->fd);
	target->fd = -1;
	if (is_local(result)) {
		log_warning("health of %s cannot be probed: %s", target->key->name,
			    strerror(-result));
		wait_in(target, &health->due, INTERVAL_NS);
		return;
	}
	judge(target, result == 0);
}

/* One target that is due: the limit of its connect, its repetition, its next probe; or NULL. */
static struct target *next_due(struct health *health, uint64_t now)
{
	struct queue *queues[] = {&health->open, &health->again, &health->due};
	size_t count = health->open_count < health->open_max ? 3 : 1;

	for (size_t i = 0; i < count; i++) {
		struct target *target = TAILQ_FIRST(queues[i]);

		if (target != NULL && target->at_ns <= now)
			return target;
	}
	return NULL;
}

static void tick(evutil_socket_t fd, short what, void *arg)
{
	struct health *health = arg;
	uint64_t start = now_ns(), now = start;
	struct target *target;

	(void)fd;
	(void)what;
	while (now - start < TURN_NS && (target = next_due(health, now)) != NULL) {
		bool late = target->queue == &health->open;

		leave_queue(target);
		if (late)
			judge(target, false);
		else
			probe(target);
		now = now_ns();
	}
	arm(health);
}

static size_t open_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 4 >= OPEN_MAX_DEFAULT)
		return OPEN_MAX_DEFAULT;
	return limit.rlim_cur / 4 > 0 ? limit.rlim_cur / 4 : 1;
}

struct health *health_create(struct event_base *base,
			     void (*changed)(void *arg, const char *key, bool healthy), void *arg)
{
	struct health *health = calloc(1, sizeof(*health));

	if (health == NULL)
		return NULL;
	health->base = base;
	health->changed = changed;
	health->arg = arg;
	health->open_max = open_limit();
	TAILQ_INIT(&health->due);
	TAILQ_INIT(&health->again);
	TAILQ_INIT(&health->open);
	health->timer = evtimer_new(base, tick, health);
	if (health->timer == NULL) {
		free(health);
		errno = ENOMEM;
		return NULL;
	}
	return health;
}

static void free_target(struct target *target)
{
	if (target->queue != NULL)
		leave_queue(target);
	free(target);
}

static void free_keys(struct key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(keys[i].name);
	free(keys);
}

void health_free(struct health *health)
{
	if (health == NULL)
		return;
	for (size_t i = 0; i < health->target_count; i++)
		free_target(health->targets[i]);
	free(health->targets);
	free_keys(health->keys, health->key_count);
	event_free(health->timer);
	free(health);
}

static int compare_given(const void *a, const void *b)
{
	const struct health_target *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	if (order == 0)
		order = ip_cmp(&x->address, &y->address);
	return order != 0 ? order : (int)x->port - (int)y->port;
}

static int compare_kept(const struct target *kept, const struct health_target *given)
{
	const struct health_target same = {kept->key->name, kept->address, kept->port};

	return compare_given(&same, given);
}

static struct target *new_target(struct health *health, const struct health_target *given)
{
	struct target *target = calloc(1, sizeof(*target));

	if (target == NULL)
		return NULL;
	target->health = health;
	target->address = given->address;
	target->port = given->port;
	target->fd = -1;
	return target;
}

/* Sorted copies without doubles. NULL: -ENOMEM. */
static struct health_target *sorted(const struct health_target *targets, size_t *count)
{
	struct health_target *list = calloc(*count + 1, sizeof(*list));
	size_t kept = 0;

	if (list == NULL)
		return NULL;
	if (*count != 0)
		memcpy(list, targets, *count * sizeof(*list));
	qsort(list, *count, sizeof(*list), compare_given);
	for (size_t i = 0; i < *count; i++)
		if (kept == 0 || compare_given(&list[kept - 1], &list[i]) != 0)
			list[kept++] = list[i];
	*count = kept;
	return list;
}

/* What a replacement is made of, before anything of the old one is given up. */
struct draft {
	struct target **targets; /* NULL where an old one is kept */
	struct key *keys;
	size_t key_count;
};

static void draft_fini(struct draft *draft, size_t count)
{
	for (size_t i = 0; draft->targets != NULL && i < count; i++)
		free(draft->targets[i]);
	free(draft->targets);
	free_keys(draft->keys, draft->key_count);
}

static int draft_init(struct draft *draft, struct health *health, const struct health_target *list,
		      size_t count)
{
	size_t old = 0;

	draft->targets = calloc(count + 1, sizeof(*draft->targets));
	draft->keys = calloc(count + 1, sizeof(*draft->keys));
	if (draft->targets == NULL || draft->keys == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || strcmp(list[i - 1].key, list[i].key) != 0) {
			struct key *key = &draft->keys[draft->key_count];

			key->name = strdup(list[i].key);
			if (key->name == NULL)
				return -ENOMEM;
			draft->key_count++;
		}
		while (old < health->target_count &&
		       compare_kept(health->targets[old], &list[i]) < 0)
			old++;
		if (old < health->target_count && compare_kept(health->targets[old], &list[i]) == 0)
			continue;
		draft->targets[i] = new_target(health, &list[i]);
		if (draft->targets[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* Moves surviving targets into the draft and frees the others. */
static void merge_targets(struct health *health, struct draft *draft,
			  const struct health_target *list, size_t count)
{
	size_t old = 0;

	for (size_t i = 0; i < count; i++) {
		while (old < health->target_count &&
		       compare_kept(health->targets[old], &list[i]) < 0)
			free_target(health->targets[old++]);
		if (draft->targets[i] == NULL)
			draft->targets[i] = health->targets[old++];
	}
	while (old < health->target_count)
		free_target(health->targets[old++]);
}

static void merge_keys(struct health *health, struct draft *draft)
{
	size_t old = 0;

	health->known_count = 0;
	for (size_t i = 0; i < draft->key_count; i++) {
		struct key *key = &draft->keys[i];

		while (old < health->key_count && strcmp(health->keys[old].name, key->name) < 0)
			old++;
		if (old < health->key_count && strcmp(health->keys[old].name, key->name) == 0) {
			key->known = health->keys[old].known;
			key->healthy = health->keys[old].healthy;
		}
		health->known_count += key->known;
	}
}

/* Gives each target its key, and spreads the first probes of new ones over one interval. */
static void begin(struct health *health, const struct health_target *list)
{
	struct queue spread = TAILQ_HEAD_INITIALIZER(spread);
	struct target *target, *next;
	uint64_t now = now_ns();
	struct key *key = NULL;

	for (size_t i = 0; i < health->target_count; i++) {
		target = health->targets[i];
		if (i == 0 || strcmp(list[i - 1].key, list[i].key) != 0) {
			key = key == NULL ? health->keys : key + 1;
			key->targets = &health->targets[i];
		}
		key->target_count++;
		target->key = key;
		if (target->queue != NULL)
			continue;
		target->queue = &health->due;
		target->at_ns = now + INTERVAL_NS * i / health->target_count;
		TAILQ_INSERT_TAIL(&spread, target, link);
	}
	/* Both are in order of time, and so is what they become. */
	TAILQ_FOREACH(next, &health->due, link)
	while ((target = TAILQ_FIRST(&spread)) != NULL && target->at_ns < next->at_ns) {
		TAILQ_REMOVE(&spread, target, link);
		TAILQ_INSERT_BEFORE(next, target, link);
	}
	TAILQ_CONCAT(&health->due, &spread, link);
}

int health_targets_set(struct health *health, const struct health_target *targets, size_t count)
{
	struct health_target *list = sorted(targets, &count);
	struct draft draft = {0};

	if (list == NULL)
		return -ENOMEM;
	if (draft_init(&draft, health, list, count) < 0) {
		draft_fini(&draft, count);
		free(list);
		return -ENOMEM;
	}
	merge_targets(health, &draft, list, count);
	merge_keys(health, &draft);
	free(health->targets);
	free_keys(health->keys, health->key_count);
	health->targets = draft.targets;
	health->target_count = count;
	health->keys = draft.keys;
	health->key_count = draft.key_count;
	begin(health, list);
	free(list);
	arm(health);
	return 0;
}

bool health_known(const struct health *health)
{
	return health->known_count == health->key_count;
}

static int compare_key(const void *name, const void *key)
{
	return strcmp(name, ((const struct key *)key)->name);
}

bool health_of(const struct health *health, const char *key, bool *healthy)
{
	const struct key *found = health->key_count == 0
					  ? NULL
					  : bsearch(key, health->keys, health->key_count,
						    sizeof(*found), compare_key);

	if (found == NULL || !found->known)
		return false;
	*healthy = found->healthy;
	return true;
}
