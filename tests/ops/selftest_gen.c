/* Prints shaders/selftest.h: the digests of the self-test's cases on the reference device.
 *   selftest_gen > shaders/selftest.h        selftest_gen FILE   compares instead: 1 when FILE differs */
#include "runtime/selftest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print(FILE *out, struct rt_device *d)
{
	fprintf(out, "/* Made by selftest_gen from the references: SHA-256 of the outputs of selftest_cases, "
		     "in their order. */\n"
		     "#pragma once\n\n#include \"base/types.h\"\n\n"
		     "/* clang-format off */\nstatic const u8 selftest_digests[][32] = {\n");
	for (u32 i = 0; i < selftest_cases_n; i++) {
		u8 digest[32];
		if (selftest_digest(d, &selftest_cases[i].c, digest) < 0)
			return -1;
		fprintf(out, "\t{");
		for (u32 b = 0; b < 32; b++)
			fprintf(out, "%s0x%02x,", b == 16 ? "\n\t\t" : " ", digest[b]);
		fprintf(out, " },\n");
	}
	fprintf(out, "};\n/* clang-format on */\n");
	return 0;
}

static int compare(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "r");
	char *have = calloc(1, len + 2);
	if (!f || !have)
		return 2;
	size_t n = fread(have, 1, len + 1, f);
	bool same = n == len && !memcmp(have, text, len);
	if (!same)
		fprintf(stderr, "%s: not what the references give; run selftest_gen > %s\n", path, path);
	fclose(f);
	free(have);
	return !same;
}

int main(int argc, char **argv)
{
	struct rt_device *d;
	const char *why;
	char *text = NULL;
	size_t len = 0;
	FILE *mem = open_memstream(&text, &len);
	if (!mem || rt_device_open("reference", &d, &why) || print(mem, d) < 0 || fclose(mem))
		return 2;
	rt_device_close(d);
	int r = argc > 1 ? compare(argv[1], text, len) : fwrite(text, 1, len, stdout) != len;
	free(text);
	return r;
}
