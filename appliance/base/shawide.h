/* SHA-256 compression of sixteen messages at once, a word of each in every vector of AVX-512. Only where shawide_here() says that it is
 * there; what digests are made of is sha256.h. */
#pragma once

#include "base/types.h"

#define SHAWIDE_LANES 16u

bool shawide_here(void);
/* n blocks of 64 bytes of each of the messages at p; state[i][j] is word i of message j. */
void shawide_blocks(u32 state[8][SHAWIDE_LANES], const u8 *const p[SHAWIDE_LANES], size_t n);
