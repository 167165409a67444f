/* SPDX-License-Identifier: BSD-3-Clause */
/* Why a VIP is where it is: candidates, who is none and why, and what speaks for the owner. */
#include "status.h"

#include <string.h>

#include "controller.h"
#include "daemon.h"
#include "group.h"

#define CANDIDATES_MAX 64

static json_t *candidates(const struct daemon *daemon, const struct election *election,
			  const struct ipam_vip *vip)
{
	struct election_candidate list[CANDIDATES_MAX];
	size_t count = election_candidates(election, &vip->address, list, CANDIDATES_MAX);
	json_t *out = json_array();

	for (size_t i = 0; i < count && i < CANDIDATES_MAX; i++) {
		json_array_append_new(
			out, json_pack("{s:o, s:b, s:b, s:b, s:s?}", "node",
				       status_node(daemon, list[i].node), "heard",
				       (int)list[i].heard, "healthy", (int)list[i].healthy, "able",
				       (int)list[i].able, "excluded", list[i].excluded));
	}
	return out;
}

static json_t *excluded(const struct daemon *daemon, const struct ipam_vip *vip)
{
	const struct object_set *set = controller_generation(daemon->controller)->set;
	json_t *out = json_array();

	for (size_t i = 0; i < set->node_count; i++) {
		const char *node = set->nodes[i].meta.name;
		const char *why = plan_excluded(set, vip, node);

		if (why != NULL)
			json_array_append_new(out,
					      json_pack("{s:s, s:s}", "node", node, "why", why));
	}
	return out;
}

/* One sentence. The first of the plan needs no reason; another owner does. */
static json_t *why(const struct daemon *daemon, const struct election *election,
		   const struct ipam_vip *vip)
{
	struct election_candidate list[CANDIDATES_MAX];
	size_t count = election_candidates(election, &vip->address, list, CANDIDATES_MAX);
	struct election_vip_view view = {0};
	char hex[NAME_HEX_LEN], first_hex[NAME_HEX_LEN];
	const char *owner, *first;

	election_vip(election, &vip->address, &view);
	owner = names_get(&daemon->names, view.owner, hex);
	if (count == 0)
		return json_string("no node may hold it: no candidate is left in the plan");
	if (owner == NULL)
		return json_string("nobody holds it: no candidate is able yet");
	first = names_get(&daemon->names, list[0].node, first_hex);
	if (list[0].node == view.owner)
		return json_sprintf("%s is the first of the plan", owner);
	if (list[0].excluded != NULL)
		return json_sprintf("%s took it because %s, the first of the plan, is out: %s",
				    owner, first, list[0].excluded);
	if (!list[0].heard)
		return json_sprintf("%s took it because %s, the first of the plan, is not heard",
				    owner, first);
	if (!list[0].healthy)
		return json_sprintf("%s has it because the ingress on %s, the first of the plan, "
				    "does not serve",
				    owner, first);
	return json_sprintf("%s keeps it until it may move back to %s, the first of the plan",
			    owner, first);
}

static json_t *explain(const struct daemon *daemon, size_t interface, const struct ipam_vip *vip)
{
	const struct election *election = group_election(daemon->groups[interface]);
	json_t *out = status_vip(daemon, interface, vip);

	if (out == NULL)
		return NULL;
	json_object_set_new(out, "group", json_string(daemon->config->interfaces[interface].group));
	json_object_set_new(out, "why", why(daemon, election, vip));
	json_object_set_new(out, "candidates", candidates(daemon, election, vip));
	json_object_set_new(out, "excluded", excluded(daemon, vip));
	return out;
}

json_t *status_explain(const struct daemon *daemon, const char *what)
{
	const struct generation *generation = controller_generation(daemon->controller);
	json_t *list = json_array();
	struct ip address;
	bool is_address = ip_parse(what, &address) == 0;

	for (size_t i = 0; i < daemon->group_count; i++) {
		const struct derive_interface *interface = &generation->interfaces[i];

		for (size_t j = 0; j < interface->count; j++) {
			const struct ipam_vip *vip = interface->vips[j];

			if (is_address ? ip_equal(&vip->address, &address)
				       : derive_vip_has_service(vip, what))
				json_array_append_new(list, explain(daemon, i, vip));
		}
	}
	if (json_array_size(list) > 0)
		return json_pack("{s:o}", "vips", list);
	json_decref(list);
	return json_pack("{s:o}", "error",
			 json_sprintf("%s is neither a VIP nor a Service NAMESPACE/NAME that has "
				      "one here",
				      what));
}
