/* The codebooks of the IQ1, IQ2 and IQ3 types as bytes, for the kernels that unpack their blocks. */
#pragma once

#include "runtime/cpu.h"

struct cpu_grids {
	u64 iq2_xxs[256], iq2_xs[512], iq2_s[1024]; /* eight magnitudes an entry */
	u64 iq1[2048];		      /* eight levels times 8: less 7 or 9 they are the values */
	u32 iq3_xxs[256], iq3_s[512]; /* four magnitudes */
	u64 signs[256],
		seven[128]; /* 0xff where the bit is set; seven: with an eighth that makes their number even */
};
const struct cpu_grids *cpu_grids(void);
/* As cpu_block_unpack, of the IQ1, IQ2 and IQ3 types, but w plus 128. */
void cpu_grid_unpack_avx512(const struct cpu_tile *t, u32 block, struct cpu_block *ret);
