/* The promise of the arithmetic, on whole models: the logits of a request are the same bits whatever its prompt was cut into, whatever else
 * was computed with it, whether a prefix came from the cache, and on every device. Every weight type, every attention mode.
 *
 * KEEP_DEVICES names the devices, separated by commas; without it: the reference, the best other device, the native one, and the software
 * drivers of Vulkan that are there. The reference is scheduled in every way for every type, the second device for one model of mixed
 * types; all are with KEEP_FULL set, none with KEEP_ONCE. KEEP_MODELS names some models alone, as the lines of the test do: "NVFP4,glm4moe,phi3-scaled". The digests of the reference are stored in digests.h: a drift is a failure. */
#include "tests/logits/asks.h"
#include "tests/logits/digests.h"
#include "tests/logits/tiny_model.h"
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PROMPT 70u
#define NEW    12u

#define TYPE(name, ...) TENSOR_##name,
static const u32 types[] = { TENSOR_FLOATS(TYPE) TENSOR_BLOCKS(TYPE) TINY_MIXED };

/* A family stands among the types as FAMILY + its architecture, of mixed types: models of those differ in nothing that a type does. */
#define FAMILY 0x10000u
/* And as SCALED + one: of NVFP4 with a scale of every matrix and expert. */
#define SCALED 0x20000u

static struct rt_device *devices[8];
static u32 n_devices;

static const char *type_name(u32 type)
{
	static char name[32];
	if (type >= SCALED) {
		snprintf(name, sizeof name, "%s-scaled", arch_of(type - SCALED)->name);
		return name;
	}
	if (type >= FAMILY)
		return arch_of(type - FAMILY)->name;
	return type == TINY_MIXED ? "mixed" : tensor_type_info(type)->name;
}

static void make_prompt(u32 *ids, u32 n, u64 seed)
{
	tiny_ids(ids, n, &seed);
}

struct digests {
	u8 rows[SHA256_BYTES];	 /* logits of every prompt position */
	u8 gen[SHA256_BYTES];	 /* logits of the generating positions */
	u8 tokens[SHA256_BYTES]; /* the ids that were sampled */
};

static u32 prompt[PROMPT];

static struct ask logits_of(const u32 *ids, u32 n)
{
	return (struct ask){ .kind = REQUEST_LOGITS, .ids = ids, .n_ids = n };
}

static struct ask answer_to(const u32 *ids, u32 n)
{
	return (struct ask){
		.ids = ids, .n_ids = n, .max_tokens = NEW, .temperature = 0.8f, .top_k = 40, .seed = 7
	};
}

static void same(const char *what, const struct digests *want, const struct digests *got)
{
	if (memcmp(want, got, sizeof *want) == 0)
		return;
	fprintf(stderr, "%s: rows %s, generation %s, tokens %s\n", what,
		memcmp(want->rows, got->rows, 32) ? "DIFFER" : "equal",
		memcmp(want->gen, got->gen, 32) ? "DIFFER" : "equal",
		memcmp(want->tokens, got->tokens, 32) ? "DIFFER" : "equal");
	fail();
}

static struct digests digests_of(const struct ask *rows, const struct ask *gen)
{
	struct digests d;
	assert_true(rows->over && gen->over && gen->outcome.n_generated == NEW);
	assert_memory_equal(rows->result, rows->rows, SHA256_BYTES);
	assert_memory_equal(rows->outcome.tokens, rows->rows, SHA256_BYTES);
	memcpy(d.rows, rows->rows, SHA256_BYTES);
	memcpy(d.gen, gen->rows, SHA256_BYTES);
	memcpy(d.tokens, gen->outcome.tokens, SHA256_BYTES);
	return d;
}

/* One after the other, nothing cached: the plainest way. */
static struct digests plain(struct grant *g)
{
	static struct ask k[2];
	k[0] = logits_of(prompt, PROMPT);
	k[1] = answer_to(prompt, PROMPT);
	ask_all(&k[0], 1, g);
	ask_all(&k[1], 1, g);
	return digests_of(&k[0], &k[1]);
}

static struct digests plain_with(
	const struct tiny *t, struct rt_device *d, const struct grant_params *p, u32 kv_mode)
{
	struct grant g;
	tiny_load(t, d, p, kv_mode, &g);
	struct digests r = plain(&g);
	grant_fini(&g);
	return r;
}

/* With n - 2 strangers in the batch, of other principals, lengths and sampling. */
static struct digests in_company(struct grant *g, u32 n)
{
	static struct ask k[8];
	static u32 other[8][PROMPT];
	for (u32 i = 0; i < n; i++) {
		u32 len = 3 + i * 9;
		make_prompt(other[i], len, 100 + i);
		k[i] = answer_to(other[i], len);
		k[i].principal = 50 + i;
		k[i].seed = i;
	}
	k[0] = logits_of(prompt, PROMPT);
	k[n - 1] = answer_to(prompt, PROMPT);
	ask_all(k, n, g);
	return digests_of(&k[0], &k[n - 1]);
}

/* A second request comes while the first is answered, and a third is thrown out in the middle. */
static struct digests interleaved(struct grant *g)
{
	static struct ask k[3];
	static u32 other[40];
	make_prompt(other, 40, 5);
	k[0] = answer_to(prompt, PROMPT);
	k[1] = answer_to(other, 40);
	k[1].principal = 9;
	k[2] = logits_of(prompt, PROMPT);
	ask_begin(&k[0], g);
	for (int i = 0; i < 4; i++)
		assert_int_equal(sched_step(&g->sched), 0);
	ask_begin(&k[1], g);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sched_step(&g->sched), 0);
	answer_abort(&k[1].a, FINISH_CANCELLED, "test");
	assert_int_equal(k[1].outcome.finish, FINISH_CANCELLED);
	ask_begin(&k[2], g);
	ask_finish(g);
	return digests_of(&k[2], &k[0]);
}

/* After others of the same principal have left the beginning of the prompt in the cache. */
static struct digests from_cache(struct grant *g)
{
	static struct ask k[4];
	k[0] = answer_to(prompt, 40); /* leaves one full page of the prompt, and its own continuation */
	k[1] = answer_to(prompt, PROMPT);
	k[2] = answer_to(prompt, PROMPT);
	k[3] = logits_of(prompt, PROMPT);
	ask_all(&k[0], 1, g);
	ask_all(&k[1], 1, g);
	assert_int_equal(k[1].outcome.n_cached, RT_KV_PAGE);
	ask_all(&k[2], 1, g);
	assert_int_equal(k[2].outcome.n_cached, 2 * RT_KV_PAGE);
	ask_all(&k[3], 1, g);
	struct digests a = digests_of(&k[3], &k[1]), b = digests_of(&k[3], &k[2]);
	same("one and two cached pages", &a, &b);
	return a;
}

/* In a cache so small that the pages of others are taken, overwritten and reused. */
static struct digests from_reused_pages(struct grant *g)
{
	static struct ask k[4];
	static u32 other[4][PROMPT];
	for (u32 i = 0; i < 4; i++) {
		make_prompt(other[i], PROMPT, 900 + i);
		k[i] = answer_to(other[i], PROMPT);
		k[i].principal = 20 + i;
	}
	ask_all(k, 4, g);
	return plain(g);
}

static void one_model(struct rt_device *d, const struct tiny *t, u32 kv_mode, const struct digests *want)
{
	struct grant_params none = { .wake = -1, .no_cache = true }, cached = { .wake = -1 },
			    small = { .wake = -1, .kv_pages = 4 };
	struct grant g;
	static const u32 chunks[] = { 1, 16, 64 };
	struct digests got;
	for (u32 i = 0; i < ARRAY_LEN(chunks); i++) {
		struct grant_params p = { .wake = -1, .no_cache = true, .chunk = chunks[i] };
		got = plain_with(t, d, &p, kv_mode);
		same("prompt chunks", want, &got);
	}
	struct grant_params one = { .wake = -1, .batch = 1, .chunk = 16, .no_cache = true };
	got = plain_with(t, d, &one, kv_mode);
	same("batch of one", want, &got);
	tiny_load(t, d, &none, kv_mode, &g);
	got = in_company(&g, 2);
	same("batch of two", want, &got);
	got = in_company(&g, 7);
	same("batch of seven", want, &got);
	got = interleaved(&g);
	same("interleaved", want, &got);
	grant_fini(&g);
	tiny_load(t, d, &cached, kv_mode, &g);
	got = from_cache(&g);
	same("cached prefix", want, &got);
	grant_fini(&g);
	tiny_load(t, d, &small, kv_mode, &g);
	got = from_reused_pages(&g);
	same("reused pages", want, &got);
	grant_fini(&g);
}

/* Its first layer here, the others on the reference. Layers of Gemma 4 read what others made, so it is never cut (runtime-plan). */
static void one_split(struct rt_device *d, const struct tiny *t, u32 kv_mode, const struct digests *want)
{
	const struct layout_header *h = (const void *)t->layout;
	struct grant_params p = { .wake = -1,
		.no_cache = true,
		.n_others = 1,
		.others = { devices[0] },
		.split = { 1, h->n_layers - 1 } };
	if (h->arch == LAYOUT_ARCH_GEMMA4)
		return;
	struct digests got = plain_with(t, d, &p, kv_mode);
	same("split in two", want, &got);
}

static const char *const kv_names[] = { [KV_F32] = "f32", [KV_F16] = "f16", [KV_INT8] = "int8" };

/* Does this model run in that attention mode? A mode is a property of attention, not of weights: int8 has one model of floats, one of mixed types, one
 * with windows and one with sinks. */
static bool has_mode(u32 type, u32 kv_mode)
{
	if (kv_mode == KV_INT8)
		return type == TENSOR_F32 || type == TINY_MIXED || type == FAMILY + LAYOUT_ARCH_GEMMA3 ||
		       type == FAMILY + LAYOUT_ARCH_GPT_OSS;
	return type < FAMILY || kv_mode == KV_F16;
}

static struct tiny_spec spec_of(u32 type)
{
	if (type >= SCALED)
		return (struct tiny_spec){
			.type = TENSOR_NVFP4, .seed = type, .arch = type - SCALED, .scales = true
		};
	if (type >= FAMILY)
		return (struct tiny_spec){ .type = TINY_MIXED, .seed = type, .arch = type - FAMILY };
	return (struct tiny_spec){ .type = type,
		.seed = 42 + type,
		.untied = type == TENSOR_Q4_0 || type == TINY_MIXED,
		.factors = type == TENSOR_F32 || type == TINY_MIXED };
}

static struct digests reference_of(const struct tiny *t, struct rt_device *d, u32 kv_mode)
{
	struct grant_params p = { .wake = -1, .no_cache = true, .chunk = 16 };
	return plain_with(t, d, &p, kv_mode);
}

static void stored(u32 type, u32 kv_mode, char *hex)
{
	char name[32];
	snprintf(name, sizeof name, "%s/%s", type_name(type), kv_names[kv_mode]);
	hex[0] = 0;
	for (size_t i = 0; i < ARRAY_LEN(stored_digests); i++)
		if (strcmp(stored_digests[i][0], name) == 0)
			snprintf(hex, 65, "%s", stored_digests[i][1]);
}

/* Must this device schedule the model in every way? A family only on the device after the reference, the native one where it is: the layer
 * program is one, and what a family adds computes a row from that row alone. */
static bool in_every_way(u32 k, u32 type, u32 kv_mode)
{
	if (getenv("KEEP_ONCE"))
		return false;
	if (getenv("KEEP_FULL"))
		return true;
	if (type >= FAMILY)
		return k == MIN(1u, n_devices - 1);
	return k == 0 || (k == 1 && type == TINY_MIXED && kv_mode != KV_F32);
}

static void one_mode(const struct tiny *t, u32 type, u32 kv_mode)
{
	struct digests want = reference_of(t, devices[0], kv_mode);
	u8 all[SHA256_BYTES];
	char hex[65], old[65];
	sha256_of(&want, sizeof want, all);
	bytes_hex(all, sizeof all, hex);
	stored(type, kv_mode, old);
	fprintf(stderr, "%-8s kv %s: %.16s\n", type_name(type), kv_names[kv_mode], hex);
	assert_string_equal(hex, old);
	for (u32 k = 0; k < n_devices; k++) {
		struct digests got = k ? reference_of(t, devices[k], kv_mode) : want;
		same(rt_device_info(devices[k]).name, &want, &got);
		if (in_every_way(k, type, kv_mode))
			one_model(devices[k], t, kv_mode, &want);
		if (k && type >= FAMILY && in_every_way(k, type, kv_mode))
			one_split(devices[k], t, kv_mode, &want);
	}
}

/* Is the model among those that KEEP_MODELS names, separated by commas? Without it all are. */
static bool wanted(u32 type)
{
	const char *names = getenv("KEEP_MODELS"), *name = type_name(type);
	size_t len = strlen(name);
	for (const char *s = names; s && *s; s += strspn(s, ",")) {
		size_t n = strcspn(s, ",");
		if (n == len && !memcmp(s, name, n))
			return true;
		s += n;
	}
	return !names;
}

static void one_type(u32 type)
{
	if (!wanted(type))
		return;
	struct tiny_spec spec = spec_of(type);
	struct tiny t;
	tiny_make(&spec, &t);
	for (u32 kv_mode = KV_F32; kv_mode <= KV_INT8; kv_mode++)
		if (has_mode(type, kv_mode))
			one_mode(&t, type, kv_mode);
	tiny_fini(&t);
}

static void types_are_invariant(void **state)
{
	for (u32 i = 0; i < ARRAY_LEN(types); i++)
		one_type(types[i]);
}

static void families_are_invariant(void **state)
{
	for (u32 arch = LAYOUT_ARCH_LLAMA; arch < LAYOUT_ARCHS_END; arch++)
		one_type(FAMILY + arch);
}

/* Fused matrices; experts, a shared one and biases; experts with biases of their own. */
static const u32 scaled[] = { LAYOUT_ARCH_PHI3, LAYOUT_ARCH_GLM4MOE, LAYOUT_ARCH_GPT_OSS };

static void scales_are_invariant(void **state)
{
	for (u32 i = 0; i < ARRAY_LEN(scaled); i++)
		one_type(SCALED + scaled[i]);
}

static void print_type(u32 type)
{
	struct tiny_spec spec = spec_of(type);
	struct tiny t;
	tiny_make(&spec, &t);
	for (u32 kv_mode = KV_F32; kv_mode <= KV_INT8; kv_mode++) {
		if (!has_mode(type, kv_mode))
			continue;
		struct digests want = reference_of(&t, devices[0], kv_mode);
		u8 all[SHA256_BYTES];
		char hex[65];
		sha256_of(&want, sizeof want, all);
		bytes_hex(all, sizeof all, hex);
		printf("\t{ \"%s/%s\", \"%s\" },\n", type_name(type), kv_names[kv_mode], hex);
	}
	tiny_fini(&t);
}

static void print(void)
{
	printf("/* Printed by `test_invariance print`: SHA-256 of the digests of rows, generation and tokens "
	       "on the reference. */\n"
	       "static const char *const stored_digests[][2] = {\n");
	for (u32 i = 0; i < ARRAY_LEN(types); i++)
		print_type(types[i]);
	for (u32 arch = LAYOUT_ARCH_LLAMA; arch < LAYOUT_ARCHS_END; arch++)
		print_type(FAMILY + arch);
	for (u32 i = 0; i < ARRAY_LEN(scaled); i++)
		print_type(SCALED + scaled[i]);
	printf("};\n");
}

/* Opens what is there and not open yet. Returns false when there is no such device. */
static bool open_device(const char *name)
{
	const char *why = "";
	struct rt_device *d;
	int r = rt_device_open(name, &d, &why);
	if (r)
		return false;
	for (u32 i = 0; i < n_devices; i++)
		if (strcmp(rt_device_info(devices[i]).name, rt_device_info(d).name) == 0) {
			rt_device_close(d);
			return true;
		}
	if (n_devices < ARRAY_LEN(devices))
		devices[n_devices++] = d;
	fprintf(stderr, "device: %s, %s\n", rt_device_info(d).name, rt_device_info(d).driver);
	return true;
}

static void open_devices(void)
{
	const char *names = getenv("KEEP_DEVICES");
	char list[512];
	if (!open_device("reference"))
		exit(1);
	if (!names) {
		(void)open_device("native");
		(void)open_device(NULL);
		(void)open_device("native");
		(void)open_device("llvmpipe");
		(void)open_device("SwiftShader");
	}
	snprintf(list, sizeof list, "%s", names ? names : "");
	for (char *save, *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save))
		if (!open_device(name)) {
			fprintf(stderr, "%s: no such device\n", name);
			exit(1);
		}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(types_are_invariant),
		cmocka_unit_test(families_are_invariant), cmocka_unit_test(scales_are_invariant) };
	open_devices();
	make_prompt(prompt, PROMPT, 1);
	int r = 0;
	if (argc == 2 && strcmp(argv[1], "print") == 0)
		print();
	else
		r = cmocka_run_group_tests(tests, NULL, NULL);
	for (u32 i = 0; i < n_devices; i++)
		rt_device_close(devices[i]);
	return r;
}
