/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs the election of a whole group in virtual time, seed by seed, and judges the guarantees. */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* splitmix64: good enough, and every seed is its own stream. */
uint64_t sim_random(struct sim *sim)
{
	uint64_t z = sim->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t sim_between(struct sim *sim, uint64_t low, uint64_t high)
{
	return low + sim_random(sim) % (high - low + 1);
}

bool sim_chance(struct sim *sim, unsigned int per_mille)
{
	return per_mille > 0 && sim_random(sim) % 1000 < per_mille;
}

void sim_trace(struct sim *sim, const char *format, ...)
{
	va_list arguments;

	if (!sim->trace)
		return;
	printf("%10.3f ms  ", (double)sim->now / 1e6);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

void sim_fail(struct sim *sim, const char *format, ...)
{
	va_list arguments;

	if (sim->failed)
		return;
	sim->failed = true;
	va_start(arguments, format);
	vsnprintf(sim->failure, sizeof(sim->failure), format, arguments);
	va_end(arguments);
	sim_trace(sim, "VIOLATION %s", sim->failure);
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

void sim_push(struct sim *sim, uint64_t at, enum sim_event_type type, unsigned int node,
	      struct frame *frame, uint64_t value)
{
	const struct sim_event event = {at,    sim->order++, type, node, sim->nodes[node].life,
					frame, value};
	size_t i;

	if (sim->heap_count == sim->heap_capacity) {
		sim->heap_capacity = sim->heap_capacity == 0 ? 1024 : sim->heap_capacity * 2;
		sim->heap = reallocarray(sim->heap, sim->heap_capacity, sizeof(*sim->heap));
		if (sim->heap == NULL)
			abort();
	}
	for (i = sim->heap_count++; i > 0 && before(&event, &sim->heap[(i - 1) / 2]);
	     i = (i - 1) / 2)
		sim->heap[i] = sim->heap[(i - 1) / 2];
	sim->heap[i] = event;
}

static struct sim_event pop(struct sim *sim)
{
	const struct sim_event top = sim->heap[0];
	const struct sim_event last = sim->heap[--sim->heap_count];
	size_t i = 0;

	for (size_t child = 1; child < sim->heap_count; child = 2 * i + 1) {
		if (child + 1 < sim->heap_count && before(&sim->heap[child + 1], &sim->heap[child]))
			child++;
		if (!before(&sim->heap[child], &last))
			break;
		sim->heap[i] = sim->heap[child];
		i = child;
	}
	if (sim->heap_count > 0)
		sim->heap[i] = last;
	return top;
}

struct frame *frame_new(struct sim *sim)
{
	struct frame *frame =
		sim->spare_count > 0 ? sim->spare[--sim->spare_count] : malloc(sizeof(*frame));

	if (frame == NULL)
		abort();
	frame->refs = 1;
	return frame;
}

void frame_put(struct sim *sim, struct frame *frame)
{
	if (--frame->refs > 0)
		return;
	if (sim->spare_count < sizeof(sim->spare) / sizeof(sim->spare[0]))
		sim->spare[sim->spare_count++] = frame;
	else
		free(frame);
}

struct ip sim_vip(unsigned int index)
{
	struct ip ip = {.b = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2}};

	if (index % 2 == 1) /* every second VIP is IPv6 */
		ip = (struct ip){.b = {0x20, 0x01, 0x0d, 0xb8}};
	ip.b[15] = (uint8_t)(index + 1);
	return ip;
}

unsigned int sim_vip_index(const struct ip *address)
{
	return address->b[15] - 1u;
}

int sim_node_index(const struct sim *sim, uint32_t id)
{
	for (unsigned int i = 0; i < sim->node_count; i++)
		if (sim->nodes[i].id == id)
			return (int)i;
	return -1;
}

/* An event of a former life of its node is void. */
static void dispatch(struct sim *sim, const struct sim_event *event)
{
	const struct sim_node *node = &sim->nodes[event->node];
	const bool valid = node->running && node->life == event->life;

	switch (event->type) {
	case SIM_TURN:
		if (valid)
			node_turn(sim, event->node);
		break;
	case SIM_BEAT:
		if (valid)
			node_beat(sim, event->node);
		break;
	case SIM_ARRIVE:
	case SIM_ARRIVE_MANAGE:
		if (!node->running)
			frame_put(sim, event->frame);
		else if (event->type == SIM_ARRIVE)
			node_arrive(sim, event->node, event->frame, 0);
		else
			node_arrive_management(sim, event->node, event->frame);
		break;
	case SIM_ANSWER:
		if (valid)
			node_arrive(sim, event->node, NULL, event->value);
		break;
	case SIM_START:
		node_start(sim, event->node);
		break;
	case SIM_RESUME:
		if (valid)
			node_resume(sim, event->node);
		break;
	case SIM_FAULT:
		fault_run(sim, event->value);
		break;
	case SIM_CHECK_CRASH:
		check_crash(sim, event->node);
		break;
	case SIM_CHECK_HEAL:
		check_heal(sim);
		break;
	}
}

static void sim_free(struct sim *sim)
{
	sim->trace = false;
	for (unsigned int i = 0; i < sim->node_count; i++) {
		node_stop(sim, i);
		election_actions_fini(&sim->nodes[i].actions);
	}
	for (size_t i = 0; i < sim->heap_count; i++)
		if (sim->heap[i].frame != NULL)
			frame_put(sim, sim->heap[i].frame);
	while (sim->spare_count > 0)
		free(sim->spare[--sim->spare_count]);
	free(sim->heap);
	free(sim);
}

bool sim_run(uint64_t seed, const struct sim_options *options, char *failure)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	bool held;

	if (sim == NULL)
		abort();
	sim->seed = sim->random = seed;
	sim->trace = options->trace;
	fault_setup(sim, options);
	sim_trace(sim,
		  "seed %" PRIu64 ": %zu nodes, %zu VIPs, m %u, %s gateways, %s management, delay "
		  "up to %" PRIu64 " us, loss %u/1000",
		  seed, sim->node_count, sim->vip_count, sim->multiplier,
		  sim->gateways ? "with" : "no", sim->management ? "with" : "no",
		  sim->delay_max / US, sim->loss);
	while (sim->heap_count > 0 && !sim->failed) {
		const struct sim_event event = pop(sim);

		if (event.at > sim->end) {
			if (event.frame != NULL)
				frame_put(sim, event.frame);
			break;
		}
		sim->now = event.at;
		dispatch(sim, &event);
		/* A frame that only arrives changes nothing before the next turn. */
		if (event.type != SIM_ARRIVE && event.type != SIM_ARRIVE_MANAGE)
			check_after(sim);
	}
	held = !sim->failed;
	if (!held)
		snprintf(failure, SIM_FAILURE, "%.3f ms: %s", (double)sim->now / 1e6, sim->failure);
	sim_free(sim);
	return held;
}
