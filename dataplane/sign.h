/* SPDX-License-Identifier: BSD-3-Clause */
/* The signature of a heartbeat as it leaves: HMAC-SHA256 cut to 128 bits (RFC 2104, RFC 4868). */
#ifndef DATAPLANE_SIGN_H
#define DATAPLANE_SIGN_H

#include <stddef.h>
#include <stdint.h>

/* A key, ready for use by one thread. */
struct signer;

/* Returns NULL and errno. */
struct signer *signer_create(const uint8_t key[32]);
void signer_free(struct signer *signer);

/*
 * Writes the tag of a message into its last HEARTBEAT_TAG_LEN bytes; all before them is signed.
 * len > HEARTBEAT_TAG_LEN. Returns 0 or -EIO.
 */
int signer_sign(struct signer *signer, uint8_t *message, size_t len);

#endif
