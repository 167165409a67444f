/* SPDX-License-Identifier: BSD-3-Clause */
/* Decodes arbitrary bytes as a heartbeat; what is accepted must survive a second round unchanged.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "packet/heartbeat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct heartbeat first, second;
	uint8_t once[HEARTBEAT_MAX_LEN], twice[HEARTBEAT_MAX_LEN];
	const int len = heartbeat_length(data, size);
	struct heartbeat_id id;
	size_t encoded;

	if (len < 0)
		return 0;
	heartbeat_peek(data, &id);
	if (heartbeat_decode(data, (size_t)len, &first) != 0)
		return 0;
	if (id.node != first.node || id.boot_id != first.boot_id || id.seq != first.seq ||
	    id.group != first.group)
		abort();
	encoded = heartbeat_encode(&first, once);
	if (heartbeat_length(once, encoded) != (int)encoded ||
	    heartbeat_decode(once, encoded, &second) != 0)
		abort();
	if (heartbeat_encode(&second, twice) != encoded || memcmp(once, twice, encoded) != 0)
		abort();
	heartbeat_stamp(once, encoded, 1, 2);
	return 0;
}
