/* Placement: what is loaded is what the plan says, to the byte; a model that is split over devices gives the bits of one; what the plan offers
 * instead of what does not fit would fit. */
#include "tests/logits/asks.h"
#include "tests/logits/tiny_model.h"
#include "runtime/dev.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

#define PROMPT 70u
#define NEW    3u

static struct rt_device *devices[4]; /* reference, native, and what there is of Vulkan on the CPU */
static u32 n_devices;
static u32 prompt[PROMPT];

static void open_device(const char *name)
{
	struct rt_device *d;
	const char *why = "";
	if (rt_device_open(name, &d, &why)) {
		printf("%s: not there, so nothing is split over it\n", name);
		return;
	}
	devices[n_devices++] = d;
}

static int open_all(void **state)
{
	u64 seed = 1;
	open_device("reference");
	open_device("native");
	open_device("llvmpipe");
	open_device("SwiftShader");
	tiny_ids(prompt, PROMPT, &seed);
	return n_devices < 2;
}

static int close_all(void **state)
{
	while (n_devices)
		rt_device_close(devices[--n_devices]);
	return 0;
}

/* ---- bits --------------------------------------------------------------------------------------------------------------- */

struct bits {
	u8 rows[SHA256_BYTES], answer[SHA256_BYTES];
};

/* Rows of a prompt, an answer beside strangers, and the same again from the cache. */
static struct bits bits_of(struct grant *g)
{
	static struct ask k[4];
	struct bits b;
	memset(k, 0, sizeof k);
	k[0] = (struct ask){ .kind = REQUEST_LOGITS, .ids = prompt, .n_ids = PROMPT };
	k[1] = (struct ask){
		.ids = prompt, .n_ids = PROMPT, .max_tokens = NEW, .temperature = 0.7f, .seed = 5
	};
	k[2] = (struct ask){ .ids = prompt + 9, .n_ids = 40, .max_tokens = NEW, .principal = 3 };
	k[3] = k[1];
	ask_all(k, 3, g);
	ask_all(&k[3], 1, g);
	assert_int_equal(k[3].outcome.n_cached, 2 * RT_KV_PAGE);
	assert_memory_equal(k[1].rows, k[3].rows, SHA256_BYTES);
	memcpy(b.rows, k[0].rows, SHA256_BYTES);
	memcpy(b.answer, k[1].rows, SHA256_BYTES);
	return b;
}

static struct bits bits_with(const struct tiny *t, struct rt_device *d, const struct grant_params *p)
{
	struct grant g;
	tiny_load(t, d, p, KV_F16, &g);
	u32 parts = 1;
	for (u32 i = 1; i < ARRAY_LEN(p->split); i++)
		parts += p->split[i] > 0;
	assert_int_equal(g.plan.p.n_parts, parts);
	assert_true(parts == 1 || strstr(g.ready.device, "layers 0-"));
	struct bits b = bits_of(&g);
	grant_fini(&g);
	return b;
}

/* Every device with the one behind it, the last with the first. */
static void split_in_two(const struct tiny *t, u32 most)
{
	struct grant_params one = { .wake = -1 };
	struct bits want = bits_with(t, devices[1], &one);
	for (u32 a = 0; a < MIN(n_devices, most); a++) {
		struct grant_params p = { .wake = -1, .n_others = 1, .split = { 1, 1 } };
		p.others[0] = devices[(a + 1) % n_devices];
		struct bits got = bits_with(t, devices[a], &p);
		assert_memory_equal(&want, &got, sizeof want);
	}
}

static void two_devices_give_the_bits_of_one(void **state)
{
	static const struct tiny_spec specs[] = {
		{ .type = TINY_MIXED, .seed = 1 },
		{ .type = TENSOR_Q4_K, .seed = 2, .untied = true, .factors = true },
		{ .type = TINY_MIXED, .seed = 3, .arch = LAYOUT_ARCH_GEMMA3 },
		{ .type = TINY_MIXED, .seed = 4, .arch = LAYOUT_ARCH_GPT_OSS },
		{ .type = TINY_MIXED, .seed = 5, .arch = LAYOUT_ARCH_COHERE2 },
	};
	for (u32 i = 0; i < ARRAY_LEN(specs); i++) {
		struct tiny t;
		tiny_make(&specs[i], &t);
		split_in_two(&t, i ? 1 : n_devices); /* what families add computes where any layer does */
		tiny_fini(&t);
	}
}

/* Every device there is, one behind the other: some have neither the first nor the last layers. */
static void all_devices_give_the_bits_of_one(void **state)
{
	for (u32 untied = 0; untied < 2; untied++) {
		struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 7, .layers = 6, .untied = untied };
		struct grant_params one = { .wake = -1 }, p = { .wake = -1, .n_others = n_devices - 1 };
		struct tiny t;
		tiny_make(&spec, &t);
		for (u32 i = 1; i < n_devices; i++) {
			p.others[i - 1] = devices[n_devices - i];
			p.split[i] = 1;
		}
		p.split[0] = 6 - (n_devices - 1);
		struct bits want = bits_with(&t, devices[1], &one), got = bits_with(&t, devices[0], &p);
		assert_memory_equal(&want, &got, sizeof want);
		tiny_fini(&t);
	}
}

/* ---- bytes -------------------------------------------------------------------------------------------------------------- */

/* A device whose buffers are counted: all of its functions but one are the device's own. */
struct counted {
	struct rt_device_fns fns;
	const struct rt_device_fns *own;
	struct rt_device *d;
	u64 weights, rest;
};
static struct counted counted[ARRAY_LEN(devices)];

static int count(struct rt_device *d, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_buf **ret)
{
	u32 i = 0;
	while (counted[i].d != d)
		i++;
	*(strcmp(tag, "weights") ? &counted[i].rest : &counted[i].weights) += bytes;
	return counted[i].own->buf_create(d, kind, bytes, tag, ret);
}

static void count_all(void)
{
	for (u32 i = 0; i < n_devices; i++) {
		counted[i] =
			(struct counted){ .fns = *devices[i]->fns, .own = devices[i]->fns, .d = devices[i] };
		counted[i].fns.buf_create = count;
		devices[i]->fns = &counted[i].fns;
	}
}

static void count_no_more(void)
{
	for (u32 i = 0; i < n_devices; i++)
		devices[i]->fns = counted[i].own;
}

/* What a plan says, what the grant says, and what the devices were asked for. */
static void planned_and_taken(const struct tiny *t, u32 a, u32 b, u32 layers)
{
	struct grant_params p = { .wake = -1,
		.n_others = b != a,
		.others = { devices[b] },
		.tails = 1,
		.ctx_usual = tiny_ctx_train(t) };
	struct proto_load_failed f;
	struct grant planned, g;
	u64 weights = 0, kv = 0, work = 0;
	p.split[0] = a == b ? 0 : 1;
	p.split[1] = a == b ? 0 : layers - 1;
	tiny_collect(t, KV_INT8, 0, &planned);
	assert_int_equal(grant_plan(&planned, devices[a], &p, &f), 0);
	assert_int_equal(planned.plan.p.fits, 1);
	count_all();
	tiny_load(t, devices[a], &p, KV_INT8, &g);
	count_no_more();
	assert_memory_equal(&planned.plan.p, &g.plan.p, sizeof g.plan.p);
	for (u32 i = 0; i < g.plan.p.n_parts; i++) {
		const struct proto_plan_part *q = &planned.plan.p.part[i];
		const struct counted *c = &counted[i ? b : a];
		assert_int_equal(c->weights, q->weights);
		assert_int_equal(c->rest, q->kv + q->work);
		assert_int_equal(grant_bytes(&g, devices[i ? b : a]), q->weights + q->kv + q->work);
		weights += q->weights;
		kv += q->kv;
		work += q->work;
	}
	assert_int_equal(g.ready.weight_bytes, weights);
	assert_int_equal(g.ready.kv_bytes, kv);
	assert_int_equal(g.ready.work_bytes, work);
	grant_fini(&g);
	grant_fini(&planned);
}

static void what_is_taken_was_planned(void **state)
{
	for (u32 arch = LAYOUT_ARCH_LLAMA; arch < LAYOUT_ARCHS_END; arch++) {
		struct tiny_spec spec = { .type = TINY_MIXED, .seed = arch, .arch = arch };
		struct tiny t;
		tiny_make(&spec, &t);
		for (u32 a = 0; a < n_devices; a++)
			for (u32 b = 0; b < n_devices; b++)
				if (a == b ? a < 2 || arch == LAYOUT_ARCH_LLAMA
					   : arch != LAYOUT_ARCH_GEMMA4 && a + b == n_devices - 1)
					planned_and_taken(&t, a, b, 2);
		tiny_fini(&t);
	}
}

/* ---- what does not fit -------------------------------------------------------------------------------------------------- */

static struct rt_device_info small(u64 bytes)
{
	struct rt_device_info i = { .name = "small",
		.memory_bytes = bytes,
		.buf_bytes_max = 1ull << 40,
		.range_bytes_max = 128u << 20 };
	return i;
}

/* A layout and its model, as a grant has them; released with grant_fini. */
static void bound(const struct tiny *t, struct grant *g)
{
	struct grant_params p = { .wake = -1 };
	struct proto_load_failed f;
	tiny_collect(t, KV_DEFAULT, 0, g);
	assert_int_equal(grant_plan(g, devices[0], &p, &f), 0);
}

/* Of a long context, layers with a window have a fixed part, to the byte; of a short one all that the others have. */
static void windows_have_their_part(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 1, .ctx = 131072, .arch = LAYOUT_ARCH_GEMMA3 };
	const struct kv_span span = { .window = 40, .rows = STEP_PROMPT_ROWS };
	const u32 tails = KV_TAILS * kv_span_pages(&span, UINT32_MAX);
	struct tiny t;
	struct grant g;
	tiny_make(&spec, &t);
	bound(&t, &g);
	for (u32 ctx = 256; ctx <= 131072; ctx *= 2) {
		const struct rt_device_info info = small(1ull << 34);
		struct plan_want w = {
			.devices = &info, .n_devices = 1, .ctx_tokens = ctx, .kv_mode = KV_F16
		};
		struct plan p;
		assert_int_equal(plan_make(&g.layout, &g.model, &w, &p), 0);
		u32 all = KV_CONTEXTS * ctx / RT_KV_PAGE, some = MIN(tails, all);
		assert_int_equal(p.kv_pages, all);
		assert_int_equal(p.p.tail_tokens, some < all ? some * RT_KV_PAGE : 0);
		assert_int_equal(p.p.window, 40);
		assert_int_equal(p.p.part[0].kv,
			2 * (op_kv_bytes(KV_F16, all, 2, 64) + op_kv_bytes(KV_F16, some, 2, 64)));
		plan_fini(&p);
	}
	grant_fini(&g);
	tiny_fini(&t);
}

static void remedies_are_true(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 1, .ctx = 65536, .layers = 8 };
	struct tiny t;
	struct grant g;
	u32 offered = 0, refused = 0;
	tiny_make(&spec, &t);
	bound(&t, &g);
	for (u64 mib = 1; mib < 256; mib += 3) {
		const struct rt_device_info info = small(mib << 20);
		struct plan_want w = { .devices = &info, .n_devices = 1, .ctx_tokens = 65536 };
		struct plan p;
		assert_int_equal(plan_make(&g.layout, &g.model, &w, &p), 0);
		plan_fini(&p);
		const struct proto_plan_part *q = &p.p.part[0];
		assert_int_equal(p.p.fits, q->weights + q->kv + q->work <= q->have);
		assert_true(p.p.fits ? !p.p.text[0] : !!strstr(p.p.text, "missing"));
		refused += !p.p.fits;
		for (u32 i = 0; i < p.p.n_remedies; i++) {
			struct plan other;
			w.kv_mode = p.p.remedy[i].kv_mode;
			w.ctx_tokens = p.p.remedy[i].ctx_tokens;
			assert_int_equal(plan_make(&g.layout, &g.model, &w, &other), 0);
			assert_int_equal(other.p.fits, 1);
			plan_fini(&other);
			offered++;
		}
	}
	printf("%u did not fit, %u settings that would\n", refused, offered);
	assert_true(offered > 20 && refused > offered / 4);
	grant_fini(&g);
	tiny_fini(&t);
}

/* The context of whoever asks for none: longer where there is more memory, never so long that its cache takes more than half of what the weights leave. */
static void the_usual_context_leaves_room(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 1, .ctx = 65536, .layers = 8 };
	struct tiny t;
	struct grant g;
	u32 before = CTX_TOKENS_DEFAULT, seen = 0;
	tiny_make(&spec, &t);
	bound(&t, &g);
	for (u64 mib = 16; mib < 8192; mib += mib / 4) {
		const struct rt_device_info info = small(mib << 20);
		struct plan_want w = { .devices = &info, .n_devices = 1 };
		struct plan p;
		assert_int_equal(plan_make(&g.layout, &g.model, &w, &p), 0);
		plan_fini(&p);
		const struct proto_plan_part *q = &p.p.part[0];
		assert_true(p.p.ctx_tokens >= before && p.p.ctx_tokens <= CTX_TOKENS_USUAL);
		if (p.p.ctx_tokens > CTX_TOKENS_DEFAULT) {
			assert_int_equal(p.p.kv_tokens, KV_CONTEXTS * p.p.ctx_tokens);
			assert_true(2 * q->kv <= q->have - q->weights && p.p.fits);
		}
		seen += p.p.ctx_tokens > before;
		before = p.p.ctx_tokens;
	}
	assert_int_equal(before, CTX_TOKENS_USUAL);
	assert_int_equal(seen, 3); /* 8192, 16384, 32768 */
	grant_fini(&g);
	tiny_fini(&t);
}

/* What an operator says counts as it stands, as far as the model was trained; of a model that computes otherwise in long contexts none is usual. */
static void the_usual_context_may_be_said(void **state)
{
	static const struct {
		u32 train, said, asked, long_rope, want;
	} rows[] = {
		{ 65536, 20000, 0, 0, 20000 },
		{ 65536, 20000, 300, 0, 300 },
		{ 16384, 20000, 0, 0, 16384 },
		{ 16384, 0, 0, 0, 16384 },
		{ 256, 0, 0, 0, 256 },
		{ 65536, 0, 0, 4096, 4096 },
		{ 65536, 20000, 0, 4096, 20000 },
	};
	for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
		struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 1, .ctx = rows[i].train };
		const struct rt_device_info info = small(64ull << 30);
		struct plan_want w = { .devices = &info,
			.n_devices = 1,
			.ctx_usual = rows[i].said,
			.ctx_tokens = rows[i].asked };
		struct tiny t;
		struct grant g;
		struct plan p;
		tiny_make(&spec, &t);
		bound(&t, &g);
		if (rows[i].long_rope) {
			g.model.rope_scaling = ROPE_LONG;
			g.model.rope_ctx = rows[i].long_rope;
		}
		assert_int_equal(plan_make(&g.layout, &g.model, &w, &p), 0);
		assert_int_equal(p.p.ctx_tokens, rows[i].want);
		plan_fini(&p);
		grant_fini(&g);
		tiny_fini(&t);
	}
}

/* What one device cannot hold goes to the next, and no device gets more than it has. */
static void layers_spread_as_they_fit(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 1, .ctx = 65536, .layers = 8, .untied = true };
	struct tiny t;
	struct grant g;
	tiny_make(&spec, &t);
	bound(&t, &g);
	u32 seen[5] = { 0 };
	for (u64 mib = 8; mib < 320; mib += 8) {
		const struct rt_device_info info[4] = { small(mib << 20), small(1 << 20), small(mib << 20),
			small(mib << 20) };
		const u64 taken[4] = { 1 << 20, 0, 0, 0 };
		struct plan_want w = { .devices = info, .n_devices = 4, .ctx_tokens = 65536, .taken = taken };
		struct plan p;
		u32 next = 0;
		assert_int_equal(plan_make(&g.layout, &g.model, &w, &p), 0);
		for (u32 i = 0; i < p.p.n_parts; i++) {
			const struct proto_plan_part *q = &p.p.part[i];
			assert_int_equal(q->first, next);
			assert_true(p.device[i] != 1 && q->end > q->first);
			assert_true(!p.p.fits || q->weights + q->kv + q->work + q->taken <= q->have);
			next = q->end;
		}
		assert_true(!p.p.fits || next == 8);
		seen[p.p.fits ? p.p.n_parts : 0]++;
		plan_fini(&p);
	}
	for (u32 i = 0; i < 4; i++)
		assert_true(seen[i]);
	grant_fini(&g);
	tiny_fini(&t);
}

/* What the program says to these options, when it ends with 2. */
static void says(const char *options, const char *want)
{
	char command[4096], text[4096] = "";
	snprintf(command, sizeof command, "%s %s 2>&1", getenv("KEEP_RUNTIME"), options);
	FILE *f = popen(command, "re");
	assert_non_null(f);
	(void)!fread(text, 1, sizeof text - 1, f);
	assert_int_equal(WEXITSTATUS(pclose(f)), 2);
	assert_non_null(strstr(text, want));
}

/* One device more than RUNTIME_DEVICES_MAX, one position more than CTX_TOKENS_MAX, and lists that are none: the program says so before it opens any. */
static void wrong_options_are_refused(void **state)
{
	static const char *const wrong[] = { "", "1,", ",1", "1,x", "0,0", "1,2,3", "1", "1,-2" };
	char options[512] = "";
	if (!getenv("KEEP_RUNTIME")) { /* run by hand: meson names it always */
		printf("KEEP_RUNTIME names no program\n");
		skip();
	}
	for (u32 i = 0; i <= RUNTIME_DEVICES_MAX; i++)
		strcat(options, " --device nothing");
	says(options, "at most 8 devices");
	snprintf(options, sizeof options, "--ctx %u", CTX_TOKENS_MAX + 1);
	says(options, "--ctx: 1 to 1048576 tokens");
	says("--ctx 0", "--ctx: 1 to 1048576 tokens");
	says("--ctx 4k", "--ctx: 1 to 1048576 tokens");
	for (u32 i = 0; i < ARRAY_LEN(wrong); i++) {
		snprintf(options, sizeof options, "--device a --device b --split '%s'", wrong[i]);
		says(options, "--split: how many layers each of the 2 devices computes");
	}
}

static void wrong_splits_are_refused(void **state)
{
	static const struct {
		u32 arch, split[2];
		const char *why;
	} cases[] = {
		{ LAYOUT_ARCH_LLAMA, { 1, 2 }, "the split is of 3 layers, the model has 2" },
		{ LAYOUT_ARCH_GEMMA4, { 1, 2 }, "embeddings of their own" },
	};
	for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
		struct tiny_spec spec = { .type = TINY_MIXED, .seed = 1, .arch = cases[i].arch };
		struct grant_params p = { .wake = -1, .n_others = 1, .others = { devices[1] } };
		struct proto_load_failed f = { 0 };
		struct tiny t;
		struct grant g;
		memcpy(p.split, cases[i].split, sizeof cases[i].split);
		tiny_make(&spec, &t);
		tiny_collect(&t, KV_DEFAULT, 0, &g);
		assert_int_equal(grant_load(&g, devices[0], &p, &f), 1);
		assert_non_null(strstr(f.text, cases[i].why));
		grant_fini(&g);
		tiny_fini(&t);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_devices_give_the_bits_of_one),
		cmocka_unit_test(all_devices_give_the_bits_of_one),
		cmocka_unit_test(what_is_taken_was_planned),
		cmocka_unit_test(windows_have_their_part),
		cmocka_unit_test(remedies_are_true),
		cmocka_unit_test(the_usual_context_leaves_room),
		cmocka_unit_test(the_usual_context_may_be_said),
		cmocka_unit_test(layers_spread_as_they_fit),
		cmocka_unit_test(wrong_splits_are_refused),
		cmocka_unit_test(wrong_options_are_refused),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, open_all, close_all);
}
