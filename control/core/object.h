/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Kubernetes objects that vipgate reads, as plain structs: filled from manifests by
 * object_yaml.c and from API responses by object_json.c, read by IPAM, planning and control.
 */
#ifndef CORE_OBJECT_H
#define CORE_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/ip.h"

#define OBJECT_ANNOTATION_CLASS	 "network.deckhouse.io/metal-load-balancer-class"
#define OBJECT_ANNOTATION_L2NAME "network.deckhouse.io/l2-load-balancer-name"
#define OBJECT_ANNOTATION_COUNT	 "network.deckhouse.io/l2-load-balancer-external-ips-count"
#define OBJECT_ANNOTATION_IPS	 "network.deckhouse.io/load-balancer-ips"
#define OBJECT_ANNOTATION_SHARED "network.deckhouse.io/load-balancer-shared-ip-key"
#define OBJECT_CONDITION_CLASS	 "network.deckhouse.io/load-balancer-class"
#define OBJECT_LABEL_EXCLUDE	 "node.kubernetes.io/exclude-from-external-load-balancers"

/* Memory of a set: all of it lives and dies with the set. */
struct arena;

/* Where an object or field was read, for messages. file NULL: it came from the API. */
struct object_where {
	const char *file;
	unsigned int line, column; /* from 1 */
};

struct object_pair {
	const char *key, *value;
};

struct object_map {
	const struct object_pair *pairs;
	size_t count;
};

/* The value of a key, or NULL. */
const char *object_map_get(const struct object_map *map, const char *key);

struct object_meta {
	const char *name;
	const char *namespace; /* "" for cluster-scoped kinds; "default" when a manifest has none */
	const char *uid;       /* in the file source "namespace/name" when it has none */
	int64_t created;       /* seconds since 1970; 0 unknown */
	struct object_map labels, annotations;
	struct object_where where;
};

struct object_node {
	struct object_meta meta;
	const struct ip *addresses; /* never allocated as VIPs */
	size_t address_count;
	const struct ip *internal; /* of these, the ones of type InternalIP */
	size_t internal_count;
	bool network_unavailable;
};

/* An inclusive range; both ends of one family, first <= last. */
struct object_range {
	struct ip first, last;
};

struct object_class {
	struct object_meta meta;
	bool is_default;
	const struct object_range *pool; /* in list order */
	size_t pool_count;
	struct object_map node_selector; /* empty = all nodes */
	const char *const *interfaces;	 /* empty = all */
	size_t interface_count;
};

struct object_port {
	const char *name;
	uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP */
	uint16_t port, node_port;
	uint16_t target_port; /* 0 when it is a name */
};

enum object_family_policy {
	OBJECT_SINGLE_STACK,
	OBJECT_PREFER_DUAL_STACK,
	OBJECT_REQUIRE_DUAL_STACK,
};

struct object_service {
	struct object_meta meta;
	bool load_balancer;	 /* spec.type is LoadBalancer */
	const char *class_field; /* spec.loadBalancerClass, or NULL */
	const struct object_port *ports;
	size_t port_count;
	struct object_map selector;
	/* families in order; both false in [0]: not stated. families[i] true = IPv6 */
	bool family_v6[2];
	size_t family_count; /* 0 = not stated */
	enum object_family_policy family_policy;
	bool policy_local; /* externalTrafficPolicy: Local */
	uint16_t health_check_node_port;
	const struct ip_prefix *sources; /* loadBalancerSourceRanges */
	size_t source_count;
	const char *load_balancer_ip;
	const struct ip *ingress; /* status.loadBalancer.ingress, for adoption */
	size_t ingress_count;
	const char *bound_class; /* message of our condition when True, or NULL */
};

struct object_endpoint {
	const char *node; /* or NULL */
	const struct ip *addresses;
	size_t address_count;
	bool serving; /* ready, or without `ready`, or serving while terminating */
};

struct object_endpoint_slice {
	struct object_meta meta;
	const char *service; /* label kubernetes.io/service-name */
	const struct object_endpoint *endpoints;
	size_t endpoint_count;
	const struct object_port *ports;
	size_t port_count;
};

struct object_vip_service {
	const char *namespace, *name, *uid;
	unsigned int index;
};

/* A VirtualIP: the truth about one allocation. */
struct object_virtual_ip {
	struct object_meta meta;
	struct ip address;
	const char *class;
	const struct object_vip_service *services;
	size_t service_count;
	const char *shared_key; /* or NULL */
	const char *const *nodes;
	size_t node_count;
};

/* One consistent reading of the source. Immutable once handed on. Order of the arrays means
 * nothing. */
struct object_set {
	struct arena *arena; /* owns every pointer in here */
	struct object_node *nodes;
	size_t node_count;
	struct object_class *classes;
	size_t class_count;
	struct object_service *services;
	size_t service_count;
	struct object_endpoint_slice *slices;
	size_t slice_count;
	struct object_virtual_ip *virtual_ips;
	size_t virtual_ip_count;
};

struct object_set *object_set_create(void); /* NULL and ENOMEM */
void object_set_free(struct object_set *set);

#endif
