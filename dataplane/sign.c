/* SPDX-License-Identifier: BSD-3-Clause */
/* The signature of a heartbeat as it leaves, with a context that is prepared once for each key. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "packet/heartbeat.h"
#include "sign.h"

struct signer {
	EVP_MAC_CTX *mac;
};

struct signer *signer_create(const uint8_t key[32])
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	struct signer *signer = calloc(1, sizeof(*signer));
	EVP_MAC *hmac = NULL;

	if (signer == NULL)
		return NULL;
	hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (hmac != NULL)
		signer->mac = EVP_MAC_CTX_new(hmac);
	EVP_MAC_free(hmac); /* the context holds a reference of its own */
	if (signer->mac == NULL || EVP_MAC_init(signer->mac, key, 32, params) != 1) {
		signer_free(signer);
		errno = ENOMEM;
		return NULL;
	}
	return signer;
}

void signer_free(struct signer *signer)
{
	if (signer == NULL)
		return;
	EVP_MAC_CTX_free(signer->mac);
	free(signer);
}

int signer_sign(struct signer *signer, uint8_t *message, size_t len)
{
	uint8_t tag[EVP_MAX_MD_SIZE];
	size_t tag_len;

	/* Without a key, init starts over with the one that the context holds. */
	if (EVP_MAC_init(signer->mac, NULL, 0, NULL) != 1 ||
	    EVP_MAC_update(signer->mac, message, len - HEARTBEAT_TAG_LEN) != 1 ||
	    EVP_MAC_final(signer->mac, tag, &tag_len, sizeof(tag)) != 1)
		return -EIO;
	memcpy(message + len - HEARTBEAT_TAG_LEN, tag, HEARTBEAT_TAG_LEN);
	return 0;
}
