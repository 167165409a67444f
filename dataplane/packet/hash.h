/* SPDX-License-Identifier: BSD-3-Clause */
/* Keyed hashing of addresses: who does not know the seed cannot aim at one bucket. */
#ifndef PACKET_HASH_H
#define PACKET_HASH_H

#include <stdint.h>
#include <string.h>
#include <sys/random.h>

#include "packet/ip.h"

/* Odd constants with as many ones as zeros (digits of pi), so that a zero word still mixes. */
#define HASH_K0 UINT64_C(0x243f6a8885a308d3)
#define HASH_K1 UINT64_C(0x13198a2e03707345)

/* A CRC would be cheaper, but it is linear: two keys that collide do so under every seed. */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_ip(uint64_t seed, const struct ip *ip)
{
	uint64_t high, low;

	memcpy(&high, ip->b, sizeof(high));
	memcpy(&low, ip->b + sizeof(high), sizeof(low));
	return hash_mix(hash_mix(high ^ HASH_K0, low ^ seed) ^ seed, HASH_K1);
}

/* Before the kernel has entropy the address of the table, random by its layout, has to do. */
static inline uint64_t hash_seed(const void *table)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = hash_mix((uintptr_t)table ^ HASH_K0, HASH_K1);
	return seed;
}

#endif
