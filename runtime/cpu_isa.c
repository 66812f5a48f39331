#include "runtime/cpu.h"

#include <stdio.h>
#include <string.h>

#ifdef __aarch64__
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1ul << 20)
#endif
#endif

bool cpu_level_runs(enum cpu_level level)
{
	switch (level) {
	case CPU_PORTABLE:
		return true;
#ifdef __x86_64__
	case CPU_AVX2:
		return __builtin_cpu_supports("avx2");
	case CPU_AVX512:
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx512vnni");
#endif
#ifdef __aarch64__
	case CPU_NEON:
		return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
#endif
	default:
		return false;
	}
}

enum cpu_level cpu_level_best(void)
{
	enum cpu_level best = CPU_PORTABLE;
	for (u32 i = 0; i < CPU_LEVELS_N; i++)
		if (cpu_level_runs(i))
			best = i;
	return best;
}

const char *cpu_level_name(enum cpu_level level)
{
	static const char *const names[] = { [CPU_PORTABLE] = "portable",
		[CPU_AVX2] = "avx2",
		[CPU_AVX512] = "avx512-vnni",
		[CPU_NEON] = "neon-dotprod" };
	return names[level];
}

#ifdef __x86_64__
#include <cpuid.h>

void cpu_model_name(char *ret, size_t cap)
{
	char brand[49] = { 0 }, *from = brand;
	for (u32 i = 0; i < 3; i++) {
		u32 r[4];
		if (!__get_cpuid(0x80000002u + i, &r[0], &r[1], &r[2], &r[3])) {
			snprintf(ret, cap, "x86-64");
			return;
		}
		memcpy(brand + sizeof(r) * i, r, sizeof(r));
	}
	while (*from == ' ')
		from++;
	for (size_t n = strlen(from); n > 0 && from[n - 1] == ' '; n--)
		from[n - 1] = 0;
	for (char *c = from; *c; c++)
		*c = *c >= 32 && *c < 127 ? *c : '?';
	snprintf(ret, cap, "%s", *from ? from : "x86-64");
}
#else
void cpu_model_name(char *ret, size_t cap)
{
#ifdef __aarch64__
	snprintf(ret, cap, "AArch64");
#else
	snprintf(ret, cap, "unknown");
#endif
}
#endif
