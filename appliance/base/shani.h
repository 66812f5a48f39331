/* SHA-256 compression by the processor's SHA extensions: n blocks of 64 bytes. Only where shani_here() says that they are there; what
 * digests are made of is sha256.h. */
#pragma once

#include "base/types.h"

/* The constants of the rounds (FIPS 180-4, 4.2.2); on x86 only. */
extern const u32 shani_k[64];

bool shani_here(void);
void shani_blocks(u32 state[8], const u8 *p, size_t n);
/* Two independent messages, n blocks of each, in little more than the time of one. */
void shani_blocks2(u32 state_a[8], const u8 *a, u32 state_b[8], const u8 *b, size_t n);
