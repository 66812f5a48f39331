#include "runtime/cpu.h"

const struct cpu_tile_kernel *cpu_q_neon(u32 type)
{
	return NULL;
}
