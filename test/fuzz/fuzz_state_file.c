/* SPDX-License-Identifier: BSD-3-Clause */
/* State files: whatever is accepted is written back and read again the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "state_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Reads, writes, reads and writes again: both texts must be equal. */
static void round_trip(enum state_file file, const char *text, size_t len)
{
	struct state one = {0}, two = {0};
	char message[128], *first = NULL, *second = NULL;
	size_t first_len, second_len;

	if (state_decode(&one, file, text, len, message, sizeof(message)) < 0) {
		if (message[0] == '\0' || one.group_count || one.allocation_count)
			abort();
		return;
	}
	if (state_encode(&one, file, &first, &first_len) < 0 ||
	    state_decode(&two, file, first, first_len, message, sizeof(message)) < 0 ||
	    state_encode(&two, file, &second, &second_len) < 0 || first_len != second_len ||
	    memcmp(first, second, first_len) != 0)
		abort();
	free(first);
	free(second);
	state_fini(&one);
	state_fini(&two);
}

/* The input as it is, and once more with the seal that it would need to be looked into. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *sealed = malloc(len + 80);

	if (!sealed)
		return 0;
	if (len > 0)
		memcpy(sealed, data, len);
	state_seal(sealed, len, sealed + len);
	for (int file = 0; file < STATE_FILES; file++) {
		round_trip((enum state_file)file, (const char *)data, len);
		round_trip((enum state_file)file, sealed, len + strlen(sealed + len));
	}
	free(sealed);
	return 0;
}
