/* Layers with a window keep the pages of their window and no others, and no bit of an answer knows: models with windows that slide, of pieces, of all layers
 * and of some, with keys that layers share, over prompts of many windows; in chunks, in company, behind prefixes, in pages of others, on
 * every device. What they are compared with has every page of every layer. KEEP_DEVICES as for test_invariance. */
#include "tests/logits/asks.h"
#include "tests/logits/tiny_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PROMPT 200u /* of windows of 40, in a context of 256 */
#define NEW    9u
#define OTHERS 5u

static struct rt_device *devices[4];
static u32 n_devices;
static u32 prompt[PROMPT], others[OTHERS][PROMPT];

struct digests {
	u8 rows[SHA256_BYTES], gen[SHA256_BYTES], tokens[SHA256_BYTES];
};

static struct ask answer_to(const u32 *ids, u32 n, u64 principal)
{
	return (struct ask){ .ids = ids,
		.n_ids = n,
		.max_tokens = NEW,
		.temperature = 0.8f,
		.top_k = 40,
		.seed = 7,
		.principal = principal };
}

static struct digests digests_of(const struct ask *rows, const struct ask *gen)
{
	struct digests d;
	assert_null(rows->refused);
	assert_null(gen->refused);
	assert_true(rows->over && gen->over && gen->outcome.n_generated == NEW);
	memcpy(d.rows, rows->rows, SHA256_BYTES);
	memcpy(d.gen, gen->rows, SHA256_BYTES);
	memcpy(d.tokens, gen->outcome.tokens, SHA256_BYTES);
	return d;
}

/* All rows of the prompt and an answer, beside n strangers. */
static struct digests beside(struct grant *g, u32 n)
{
	static struct ask k[OTHERS + 2];
	for (u32 i = 0; i < n; i++)
		k[2 + i] = answer_to(others[i], PROMPT - 37 * i, 20 + i);
	k[0] = (struct ask){ .kind = REQUEST_LOGITS, .ids = prompt, .n_ids = PROMPT };
	k[1] = answer_to(prompt, PROMPT, 0);
	ask_all(k, n + 2, g);
	return digests_of(&k[0], &k[1]);
}

/* The answer again, once behind all of the prompt that is there, once behind less of it. */
static void from_cache(struct grant *g, const struct digests *want)
{
	static const u32 begun[] = { PROMPT, 150, 70 };
	static struct ask k, other;
	for (u32 i = 0; i < ARRAY_LEN(begun); i++) {
		other = answer_to(prompt, begun[i], 60 + i);
		ask_all(&other, 1, g);
		k = answer_to(prompt, PROMPT, 60 + i);
		ask_all(&k, 1, g);
		assert_int_equal(k.outcome.n_cached, (begun[i] - 1) / RT_KV_PAGE * RT_KV_PAGE);
		assert_memory_equal(k.rows, want->gen, SHA256_BYTES);
		assert_memory_equal(k.outcome.tokens, want->tokens, SHA256_BYTES);
	}
}

static void same(const struct digests *want, const struct digests *got)
{
	assert_memory_equal(want->rows, got->rows, SHA256_BYTES);
	assert_memory_equal(want->gen, got->gen, SHA256_BYTES);
	assert_memory_equal(want->tokens, got->tokens, SHA256_BYTES);
}

/* The context is said: the usual one of phi3 is what its factors are for, which is less than a window. */
static void load(const struct tiny *t, struct rt_device *d, const struct grant_params *p, u32 kv_mode,
	struct grant *ret)
{
	struct proto_load_failed f = { 0 };
	tiny_collect(t, kv_mode, 256, ret);
	int r = grant_load(ret, d, p, &f);
	if (!r)
		r = grant_ready(ret, p, &f);
	if (r)
		fail_msg("%s (%d)", f.text, r);
}

/* Every page of every layer. */
static struct digests whole(const struct tiny *t, u32 kv_mode, u64 *ret_bytes)
{
	struct grant_params p = { .wake = -1, .no_cache = true, .tails = BATCH_REQUESTS_MAX };
	struct grant g;
	load(t, devices[0], &p, kv_mode, &g);
	assert_int_equal(g.work.tail_pages, 0);
	struct digests d = beside(&g, 0);
	*ret_bytes = g.work.kv_bytes;
	grant_fini(&g);
	return d;
}

/* In every size of step, where a page is overwritten as soon as nobody needs it. */
static void in_few_pages(
	struct rt_device *d, const struct tiny *t, u32 kv_mode, const struct digests *want, u64 bytes)
{
	static const u32 chunks[] = { 1, 16, 0 };
	for (u32 i = 0; i < ARRAY_LEN(chunks); i++) {
		struct grant_params p = {
			.wake = -1, .chunk = chunks[i], .no_cache = true, .tails = 1, .kv_pages = 24
		};
		struct grant g;
		load(t, d, &p, kv_mode, &g);
		assert_true(g.work.tail_pages && g.work.tail_pages < 8 && g.work.kv_bytes < bytes);
		struct digests got = beside(&g, i ? OTHERS : 0);
		same(want, &got);
		got = beside(&g, 0); /* in pages of others */
		same(want, &got);
		grant_fini(&g);
	}
}

static void from_few_tails(struct rt_device *d, const struct tiny *t, u32 kv_mode, const struct digests *want)
{
	struct grant_params p = { .wake = -1, .chunk = 16, .tails = 3 };
	struct grant g;
	load(t, d, &p, kv_mode, &g);
	assert_true(g.work.tail_pages);
	struct digests got = beside(&g, 2);
	same(want, &got);
	from_cache(&g, want);
	grant_fini(&g);
}

static void bits_of_whole_caches(void **state)
{
	static const struct {
		u32 arch, kv_mode;
	} rows[] = { { LAYOUT_ARCH_GEMMA3, KV_F16 }, { LAYOUT_ARCH_GEMMA3, KV_INT8 },
		{ LAYOUT_ARCH_GEMMA4, KV_F16 }, { LAYOUT_ARCH_PHI3, KV_F16 }, { LAYOUT_ARCH_COHERE2, KV_F32 },
		{ LAYOUT_ARCH_GPT_OSS, KV_F16 }, { LAYOUT_ARCH_LLAMA4, KV_F16 } };
	for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
		struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = i + 1, .arch = rows[i].arch };
		struct tiny t;
		u64 bytes;
		tiny_make(&spec, &t);
		struct digests want = whole(&t, rows[i].kv_mode, &bytes);
		in_few_pages(devices[1], &t, rows[i].kv_mode, &want, bytes);
		for (u32 d = i ? 1 : 0; d < (i ? 2 : n_devices); d++) /* Vulkan reads tables alike for all */
			from_few_tails(devices[d], &t, rows[i].kv_mode, &want);
		tiny_fini(&t);
	}
}

/* Layers on two devices: each has the pages of its own. */
static void on_two_devices(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 1, .arch = LAYOUT_ARCH_GEMMA3 };
	struct grant_params p = { .wake = -1, .chunk = 16, .tails = 2, .n_others = 1, .split = { 1, 1 } };
	struct tiny t;
	struct grant g;
	u64 bytes;
	p.others[0] = devices[1];
	tiny_make(&spec, &t);
	struct digests want = whole(&t, KV_F16, &bytes);
	load(&t, devices[0], &p, KV_F16, &g);
	assert_true(g.work.tail_pages && g.work.next);
	struct digests got = beside(&g, 3);
	same(&want, &got);
	grant_fini(&g);
	tiny_fini(&t);
}

static void make(u32 *ids, u64 seed)
{
	tiny_ids(ids, PROMPT, &seed);
}

static int open_all(void **state)
{
	const char *names = getenv("KEEP_DEVICES"), *why = "";
	char list[256];
	snprintf(list, sizeof list, "%s", names ? names : "reference,native,llvmpipe");
	for (char *save, *s = strtok_r(list, ",", &save); s; s = strtok_r(NULL, ",", &save)) {
		if (n_devices == ARRAY_LEN(devices) || rt_device_open(s, &devices[n_devices], &why))
			fprintf(stderr, "%s: not there\n", s);
		else
			n_devices++;
	}
	make(prompt, 1);
	for (u32 i = 0; i < OTHERS; i++)
		make(others[i], 2 + i);
	return n_devices < 2; /* the CPU is always there */
}

static int close_all(void **state)
{
	while (n_devices)
		rt_device_close(devices[--n_devices]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(bits_of_whole_caches),
		cmocka_unit_test(on_two_devices) };
	return cmocka_run_group_tests(tests, open_all, close_all);
}
