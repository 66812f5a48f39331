/* The build-time check must refuse what it is there for: bad.comp compiled with each rule broken, and bytes that are no module. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "shaders/spv_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char **modules; /* paths of bad.comp compiled with BREAK = 0, 1, … */
static int n_modules;

static u32 *load(const char *path, size_t *ret_n)
{
	FILE *f = fopen(path, "rb");
	u32 *w = calloc(1, 1 << 20);
	assert_true(f && w);
	*ret_n = fread(w, 4, 1 << 18, f);
	fclose(f);
	return w;
}

static void every_broken_rule_is_found(void **s)
{
	size_t n, at;
	for (int i = 0; i < n_modules; i++) {
		u32 *w = load(modules[i], &n);
		const char *why = spv_check(w, n, &at);
		print_message("%2d %s\n", i, why ? why : "good");
		assert_true((why == NULL) == (i == 0));
		free(w);
	}
}

/* A good module with NoContraction taken from one operation. */
static void one_bare_operation_is_found(void **s)
{
	size_t n, at;
	u32 *w = load(modules[0], &n), found = 0;
	for (size_t i = 5; i < n && w[i] >> 16; i += w[i] >> 16)
		if ((w[i] & 0xffff) == 71 && w[i + 2] == 42 && !found++)
			w[i + 2] = 20; /* some other decoration */
	assert_true(found > 0);
	assert_string_equal(spv_check(w, n, &at), "OpFAdd, OpFSub or OpFMul without NoContraction");
	free(w);
}

static void damaged_modules_are_refused(void **s)
{
	size_t n, at;
	u32 *good = load(modules[0], &n), *w = malloc(4 * n);
	assert_non_null(w);
	assert_non_null(spv_check(good, 4, &at));
	assert_non_null(spv_check(good, n - 3, &at)); /* in the middle of the last store */
	memcpy(w, good, 4 * n);
	w[0] = 0;
	assert_non_null(spv_check(w, n, &at));
	w[0] = good[0];
	w[3] = 1; /* ids beyond the bound */
	assert_non_null(spv_check(w, n, &at));
	w[3] = UINT32_MAX;
	assert_non_null(spv_check(w, n, &at));
	for (size_t i = 5; i < n;
		i++) { /* any word changed: an answer, never a wild read (sanitizers watch) */
		memcpy(w, good, 4 * n);
		w[i] ^= 0x00030081u;
		(void)spv_check(w, n, &at);
		w[i] = UINT32_MAX;
		(void)spv_check(w, n, &at);
	}
	free(good);
	free(w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_broken_rule_is_found),
		cmocka_unit_test(one_bare_operation_is_found),
		cmocka_unit_test(damaged_modules_are_refused),
	};
	modules = argv + 1;
	n_modules = argc - 1;
	return n_modules < 2 ? 2 : cmocka_run_group_tests(tests, NULL, NULL);
}
