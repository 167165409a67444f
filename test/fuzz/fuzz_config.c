/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as vipgate.yaml and as a key file: accepted whole or refused with a reason. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config_read.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_problems(struct problems *problems)
{
	char buf[4096];
	size_t errors = 0;

	for (size_t i = 0; i < problems->count; i++) {
		errors += problems->list[i].error;
		CHECK(problems->list[i].text[0] != '\0');
		problem_format(&problems->list[i], buf, sizeof(buf));
		for (const char *p = buf; *p != '\0'; p++)
			CHECK((uint8_t)*p >= 0x20);
	}
	CHECK(errors == problems->errors);
	problems_fini(problems);
}

static void check_config(const struct config *config)
{
	char buf[512];

	CHECK(config->node != NULL && config->key_file != NULL);
	CHECK((config->source_file != NULL) != config->source_kubernetes);
	CHECK(config->interface_count > 0 && config->interface_count <= DATAPLANE_MAX_INTERFACES);
	CHECK(config->lcore_count > 0 && config->lcore_count <= DATAPLANE_MAX_WORKERS);
	CHECK(config->memory_mb >= 64);
	for (size_t i = 0; i < config->interface_count; i++) {
		const struct config_interface *interface = &config->interfaces[i];

		CHECK(interface->name != NULL && interface->group != NULL);
		CHECK(interface->device != NULL && strlen(interface->kernel_name) < 16);
		CHECK(interface->vlan <= 4094 && interface->mtu >= 1280);
		for (size_t j = 0; j < interface->address_count; j++)
			CHECK(!ip_is_none(&interface->addresses[j].addr));
		for (size_t j = 0; j < interface->gateway_count; j++)
			CHECK(!ip_is_none(&interface->gateways[j]));
	}
	CHECK(config_restart_keys(config, config, buf, sizeof(buf))[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems problems = {0};
	struct config keys = {0};
	struct config *config = config_parse((const char *)data, size, "c.yaml", &problems);

	CHECK((config == NULL) == (problems.errors > 0));
	if (config != NULL)
		check_config(config);
	config_free(config);
	check_problems(&problems);

	config_keys_parse(&keys, (const char *)data, size, "key", &problems);
	CHECK(keys.key_count <= 2 && (keys.key_count > 0 || problems.errors > 0));
	check_problems(&problems);
	return 0;
}
