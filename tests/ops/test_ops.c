/* Every op, on every pipeline row, on every Vulkan driver found, against the references: bit for bit.
 *   test_ops [DEVICE [OP [VARIANT]]]   OP "all" or one of op_names, VARIANT of the rows of pipelines.c
 * VK_DRIVER_FILES chooses drivers; KEEP_VALIDATE=1 puts the validation layer in between and fails on its messages. */
#include "runtime/cpu.h"
#include "runtime/gpu.h"
#include "runtime/op_case.h"
#include "tests/ops/recordings.h"

#include "base/arch.h"
#include "proto.h"
#include "shaders/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CASES_MAX   4096u
#define TARGETS_MAX 32u
#define LONG_K	    1024u /* elements of a row, from which on a product has small shapes */
#define SPLIT_RANGE \
	(256u << 10) /* bytes that an op may see of a buffer in the targets that must split weights */

enum share {
	SHARE_ALL,
	SHARE_PRODUCTS, /* rows differ in nothing else */
	SHARE_ONE_TYPE, /* products of it */
	SHARE_SPLIT, /* of weights and tables larger than SPLIT_RANGE, on the device of the target before */
};

struct target {
	struct rt_device *d;
	char name[96];
	enum share share; /* of the cases */
	u32 cases, bad;
	double seconds;
};

static struct op_case cases[CASES_MAX];
static u32 n_cases;
static struct target targets[TARGETS_MAX];
static u32 n_targets;
static const char *variant_wanted; /* NULL: all */
static bool validating;

static const enum op_case_fill fills[] = { FILL_PLAIN, FILL_ZERO, FILL_MAX, FILL_TINY, FILL_OUTLIER,
	FILL_MIXED };
static const char *const fill_names[] = { "plain", "zero", "max", "tiny", "outlier", "mixed" };
static const char *const op_names[] = { "embed", "mul_mat", "rms_norm", "quantize", "rope", "kv_store",
	"attention", "swiglu", "add", "rows", "layer_norm", "bias", "row_scale", "map", "geglu", "swiglu_oai",
	"combine", "top_blocks", "route", "group", "experts" };
#define TYPE(name, ...) TENSOR_##name,
static const u32 float_types[] = { TENSOR_FLOATS(TYPE) };
static const u32 block_types[] = { TENSOR_BLOCKS(TYPE) };

/* What fills buffers makes no difference to what calls say to the validation layer. */
static void add_case(struct op_case c)
{
	if (validating && c.fill != FILL_PLAIN)
		return;
	assert(n_cases < CASES_MAX);
	cases[n_cases++] = c;
}

struct shape {
	u32 rows, outs;
};

/* A product of each shape and each fill: one column, few, more than a tile, and counts that divide nothing. Where k is long, kernels turn oftener and
 * do nothing else, so those have the large shapes once and else small ones. */
static void add_products(u32 type, const u32 *ks, u32 n_ks)
{
	static const struct shape large[] = { { 1, 1 }, { 2, 63 }, { 7, 130 }, { 8, 5 }, { 9, 64 },
		{ 17, 33 }, { 29, 48 }, { 41, 97 }, { 101, 80 } };
	static const struct shape small[ARRAY_LEN(large)] = { { 1, 1 }, { 2, 9 }, { 7, 6 }, { 8, 5 },
		{ 9, 4 }, { 17, 3 }, { 3, 17 }, { 5, 7 }, { 4, 2 } };
	for (u32 i = 0; i < n_ks; i++)
		for (u32 f = 0; f < ARRAY_LEN(fills); f++) {
			u32 j = (i + f) % ARRAY_LEN(large), back = ARRAY_LEN(large) - 1 - j;
			const struct shape *of = f && ks[i] > LONG_K ? small : large;
			add_case((struct op_case){ CASE_MUL_MAT, type, .rows = of[j].rows, .k = ks[i],
				.n_out = of[j].outs, .fill = fills[f] });
			add_case((struct op_case){ CASE_MUL_MAT, type, .rows = 1, .k = ks[i],
				.n_out = of[back].outs, .fill = fills[f] });
		}
}

static void add_embeds(u32 type, u32 k)
{
	for (u32 f = 0; f < ARRAY_LEN(fills); f++) {
		add_case((struct op_case){
			CASE_EMBED, type, .rows = 7, .k = k, .n_out = 19, .fill = fills[f] });
		add_case((struct op_case){ CASE_EMBED, type, .rows = 7, .k = k, .n_out = 19,
			.heads = 1 + f % 2, .kv_heads = 3, .fill = fills[f] });
	}
}

/* Products of experts: of each width of tiles some full and some not, experts without a row, all of them, one expert, weights in any form. */
static void add_experts(u32 type, u32 k)
{
	static const struct {
		u32 rows, experts, used, outs, ids;
	} shapes[] = { { 1, 8, 2, 70, IDS_SPREAD }, { 1, 5, 5, 16, IDS_SPREAD }, { 2, 1, 1, 33, IDS_SAME },
		{ 9, 6, 3, 64, IDS_SPREAD }, { 37, 4, 1, 40, IDS_SPREAD }, { 13, 7, 2, 67, IDS_SAME },
		{ 5, 3, 3, 9, IDS_SPREAD }, { 3, 100, 4, 20, IDS_SPREAD } };
	for (u32 i = 0; i < ARRAY_LEN(shapes); i++)
		add_case((struct op_case){ CASE_EXPERTS, type, .rows = shapes[i].rows, .k = k,
			.n_out = shapes[i].outs, .kv_heads = shapes[i].experts, .heads = shapes[i].used,
			.pos = shapes[i].ids, .fill = fills[(i + type) % ARRAY_LEN(fills)] });
}

static void add_routes(void)
{
	static const struct {
		u32 rows, experts, used;
	} shapes[] = { { 1, 1, 1 }, { 1, 8, 2 }, { 3, 8, 8 }, { 40, 60, 6 }, { 2, 257, 32 }, { 97, 128, 8 },
		{ 3, EXPERTS_MAX, EXPERTS_USED_MAX } };
	for (u32 i = 0; i < ARRAY_LEN(shapes); i++) {
		struct op_case c = { CASE_ROUTE, .rows = shapes[i].rows, .k = shapes[i].experts,
			.heads = shapes[i].used };
		for (u32 kind = 0; kind < 3 * 2 * 2 * 2; kind++) {
			c.type = ARCH_ROUTE_SOFTMAX + kind % 3;
			c.biased = kind / 3 % 2;
			c.norm = kind / 6 % 2;
			c.scale = kind / 12 ? 2.5f : 0;
			c.fill = fills[(i + kind) % ARRAY_LEN(fills)];
			c.pos = (i + kind) % 4 == 3 ? 1 + kind % 3 : 0; /* ties */
			add_case(c);
		}
		for (u32 ids = IDS_SPREAD; ids <= IDS_SAME; ids++)
			add_case((struct op_case){ CASE_GROUP, ids, .rows = shapes[i].rows,
				.k = shapes[i].experts, .heads = shapes[i].used });
	}
	add_case(
		(struct op_case){ CASE_GROUP, IDS_SPREAD, .rows = OP_SLOTS_MAX / 32, .k = 300, .heads = 32 });
	add_case(
		(struct op_case){ CASE_GROUP, IDS_SAME, .rows = OP_SLOTS_MAX, .k = EXPERTS_MAX, .heads = 1 });
}

static void add_weight_cases(void)
{
	static const u32 f_ks[] = { 1, 31, 33, 77, 256, 1000 };
	static const u32 ks_32[] = { 32, 96, 256, 1056, 4640 };
	static const u32 ks_64[] = { 64, 192, 256, 1088, 4672 };
	static const u32 ks_256[] = { 256, 512, 4096, 4352 };
	for (u32 t = 0; t < ARRAY_LEN(float_types); t++) {
		add_products(float_types[t], f_ks, ARRAY_LEN(f_ks));
		add_embeds(float_types[t], 77);
		add_experts(float_types[t], 77);
	}
	for (u32 t = 0; t < ARRAY_LEN(block_types); t++) {
		u32 len = tensor_type_info(block_types[t])->block;
		if (len == 256)
			add_products(block_types[t], ks_256, ARRAY_LEN(ks_256));
		else
			add_products(block_types[t], len == 32 ? ks_32 : ks_64, ARRAY_LEN(ks_32));
		add_embeds(block_types[t], len == 32 ? 96 : 2 * len);
		add_experts(block_types[t], len == 32 ? 96 : 3 * len);
	}
}

static void add_row_cases(enum op_case_fill fill)
{
	static const u32 dims[] = { 1, 2, 32, 255, 256, 257, 1000, 4096 };
	for (u32 i = 0; i < ARRAY_LEN(dims); i++) {
		add_case((struct op_case){ CASE_RMS_NORM, .rows = 3, .k = dims[i], .fill = fill });
		add_case((struct op_case){ CASE_SWIGLU, .rows = 3, .k = dims[i], .fill = fill });
		add_case((struct op_case){ CASE_ADD, .rows = 3, .k = dims[i], .fill = fill });
		add_case((struct op_case){ CASE_ROWS, .rows = 9, .k = dims[i], .n_out = 5, .fill = fill });
		add_case((struct op_case){ CASE_LAYER_NORM, .rows = 3, .k = dims[i], .fill = fill });
		add_case((struct op_case){ CASE_GEGLU, .rows = 3, .k = dims[i], .fill = fill });
		add_case((struct op_case){ CASE_SWIGLU_OAI, .rows = 3, .k = dims[i], .fill = fill });
		add_case((struct op_case){ CASE_COMBINE, .rows = 1 + i, .k = dims[i], .n_out = 30,
			.heads = 1 + 2 * i, .fill = fill });
		add_case((struct op_case){ CASE_BIAS, .rows = 7, .k = dims[i], .fill = fill });
		add_case((struct op_case){
			CASE_ROW_SCALE, .rows = 7, .k = dims[i], .pos = 100, .fill = fill });
	}
	for (u32 kind = MAP_SCALE; kind <= MAP_XIELU; kind++) {
		add_case((struct op_case){ CASE_MAP, kind, .rows = 1, .k = 1, .fill = fill });
		add_case((struct op_case){ CASE_MAP, kind, .rows = 9, .k = 777, .fill = fill });
	}
	/* less than a block, exactly one, one more; a group and one more; more blocks wanted than there are */
	static const u32 vocabs[] = { 1, 31, 32, 33, 77, 2048, 2049, 20011 };
	for (u32 i = 0; i < ARRAY_LEN(vocabs); i++)
		for (u32 cap = 1; cap <= OP_TOP_MAX; cap = cap == 1 ? 40 : cap + 88)
			add_case((struct op_case){
				CASE_TOP_BLOCKS, .rows = 7, .k = vocabs[i], .heads = cap, .fill = fill });
	for (u32 rows = 1; rows <= 67; rows += 33) {
		add_case((struct op_case){ CASE_QUANTIZE, TENSOR_Q8_0, .rows = rows, .k = 96, .fill = fill });
		add_case(
			(struct op_case){ CASE_QUANTIZE, TENSOR_Q4_K, .rows = rows, .k = 256, .fill = fill });
		add_case((struct op_case){
			CASE_QUANTIZE, TENSOR_Q4_K, .rows = rows, .k = 1280, .fill = fill });
	}
	add_case((struct op_case){
		CASE_ROPE, .rows = 5, .k = 8, .heads = 3, .head_dim = 10, .pos = 100000, .fill = fill });
	add_case((struct op_case){
		CASE_ROPE, .rows = 33, .k = 128, .heads = 4, .head_dim = 128, .pos = 300, .fill = fill });
	add_case((struct op_case){ CASE_ROPE, .rows = 5, .k = 8, .heads = 3, .head_dim = 10, .pos = 1000,
		.fill = fill, .halves = true });
	add_case((struct op_case){ CASE_ROPE, .rows = 33, .k = 128, .heads = 4, .head_dim = 128, .pos = 300,
		.fill = fill, .halves = true });
}

/* of one position, within a block, of one, over several, all but the first */
static const u32 windows[] = { 1, 20, 32, 33, 64, 65, 500 };
#define ALL_WINDOWS UINT32_MAX
#define ALL_PARTS   UINT32_MAX

/* Attention by windows, one of those that fit or all. */
static void add_windows(struct op_case c, u32 which)
{
	u32 n = 0;
	while (n < ARRAY_LEN(windows) && windows[n] <= c.pos + 1)
		n++;
	for (u32 w = 0; w < n; w++) {
		if (which != ALL_WINDOWS && w != which % n)
			continue;
		c.window = windows[w];
		c.pieces = w % 2;
		c.sinks = w % 3 == 0;
		c.parts = 0;
		add_case(c);
		c.parts = 1 + w % 3;
		if (c.window > 64)
			add_case(c);
	}
}

/* Attention with sinks, whole and, where there is enough of it, in one of four counts of parts or in each. */
static void add_parts(struct op_case c, u32 which)
{
	c.sinks = true;
	add_case(c);
	for (u32 i = 0; i < 4 && c.pos >= 64; i++) {
		c.parts = 1 + 6 * i;
		c.sinks = i % 2;
		if (which == ALL_PARTS || which == i)
			add_case(c);
	}
}

/* Every shape with every window, cut and fill of keys and values; the cross of them all for one fill. */
static void add_kv_cases(u32 mode, enum op_case_fill fill)
{
	static const struct {
		u32 heads, kv_heads, head_dim, seqs, pos, rows;
	} shapes[] = {
		{ 1, 1, 2, 1, 0, 1 },
		{ 8, 2, 64, 3, 31, 5 },
		{ 6, 6, 80, 2, 32, 4 },
		{ 4, 1, 128, 1, 33, 3 },
		{ 2, 1, 512, 1, 63, 2 },
		{ 3, 1, 34, 20, 64, 40 },
		{ 4, 2, 64, 1, 500, 3 },
		{ 18, 2, 64, 2, 100, 3 },
		{ 7, 1, 128, 1, 65, 2 },
	};
	for (u32 i = 0; i < ARRAY_LEN(shapes); i++) {
		struct op_case c = { CASE_ATTENTION, mode, .rows = shapes[i].rows, .n_out = shapes[i].seqs,
			.heads = shapes[i].heads, .kv_heads = shapes[i].kv_heads,
			.head_dim = shapes[i].head_dim, .pos = shapes[i].pos, .fill = fill };
		add_case(c);
		add_windows(c, fill == FILL_PLAIN ? ALL_WINDOWS : i + fill);
		add_parts(c, fill == FILL_PLAIN ? ALL_PARTS : (i + fill) % 4);
		c.op = CASE_KV_STORE;
		if (i % 2)
			add_case(c);
	}
}

/* Of the sizes that a device which counts rounds still computes (device.h); past them it refuses (run_refusals). */
static void add_long_products(const u32 *types, u32 n)
{
	for (u32 t = 0; t < n; t++)
		for (u32 rows = 1; rows <= 8; rows += 7)
			add_case((struct op_case){
				CASE_MUL_MAT, types[t], .rows = rows, .k = OP_COUNTED_K_MAX, .n_out = 3 });
}

static void add_long_cases(void)
{
	static const u32 dims[] = { 64, 128, 512 };
	const struct rt_device_info counted = { .rounds_max = 65535 };
	add_long_products(block_types, ARRAY_LEN(block_types));
	add_long_products(float_types, ARRAY_LEN(float_types));
	for (u32 mode = KV_F32; mode <= KV_INT8; mode++)
		for (u32 i = 0; i < ARRAY_LEN(dims); i++)
			add_case((struct op_case){ CASE_ATTENTION, mode, .rows = 2, .n_out = 1, .heads = 2,
				.kv_heads = 1, .head_dim = dims[i],
				.pos = op_attention_reach(&counted, dims[i]) - 1 });
	for (u32 mode = KV_F32; mode <= KV_INT8; mode++) /* more blocks than attention_join takes at a time */
		add_case((struct op_case){ CASE_ATTENTION, mode, .rows = 2, .n_out = 1, .heads = 8,
			.kv_heads = 1, .head_dim = 64, .pos = 6000, .parts = 150 });
	add_case((struct op_case){ CASE_RMS_NORM, .rows = 1, .k = DIM_MAX });
	add_case((struct op_case){ CASE_QUANTIZE, TENSOR_Q8_0, .rows = 1, .k = DIM_MAX });
}

static void add_all_cases(void)
{
	add_long_cases();
	add_weight_cases();
	add_routes();
	for (u32 f = 0; f < ARRAY_LEN(fills); f++) {
		add_row_cases(fills[f]);
		add_kv_cases(KV_F32, fills[f]);
		add_kv_cases(KV_F16, fills[f]);
		add_kv_cases(KV_INT8, fills[f]);
	}
	/* more workgroups than one dimension takes */
	add_case((struct op_case){ CASE_ADD, .rows = 4099, .k = 4099, .fill = FILL_PLAIN });
}

/* Weights and tables that do not fit in SPLIT_RANGE. */
static bool is_split_case(const struct op_case *c)
{
	return c->n_out == 777 || (c->op == CASE_EXPERTS && c->n_out == 111) ||
	       (c->op == CASE_ROPE && c->pos == 100000);
}

static void add_split_cases(void)
{
#define SPLIT(name, c, number, block, bytes, ...)                                                            \
	{                                                                                                    \
		u32 k = block == 1 ? 997 : block == 256 ? 1280 : 1056 / block * block;                       \
		if (k * bytes / block * 777 <= SPLIT_RANGE)                                                  \
			k *= 4;                                                                              \
		add_case((struct op_case){ CASE_MUL_MAT, number, .rows = 3, .k = k, .n_out = 777 });         \
		add_case((struct op_case){                                                                   \
			CASE_EMBED, number, .rows = k > 1280 ? 12 : 30, .k = k, .n_out = 777 });             \
		add_case((struct op_case){                                                                   \
			CASE_EXPERTS, number, .rows = 3, .k = k, .n_out = 111, .kv_heads = 7, .heads = 3 }); \
	}
	TENSOR_FLOATS(SPLIT) TENSOR_BLOCKS(SPLIT)
}

/* ---- targets ---- */

static void add_target(const char *device, const char *only, enum share share)
{
	const struct gpu_params p = { .name = device, .only = only, .validate = validating };
	struct target *t = &targets[n_targets];
	const char *why = "";
	if (variant_wanted && strcmp(only, variant_wanted))
		return;
	assert(n_targets < TARGETS_MAX);
	if (gpu_open_with(&p, &t->d, &why) != 0) {
		fprintf(stderr, "%s: cannot be opened: %s\n", device, why);
		exit(1);
	}
	t->share = share;
	snprintf(t->name, sizeof(t->name), "%.60s  %s", device, only);
	n_targets++;
}

/* The target before, as if its buffers were seen by small ranges: pipelines are compiled once for both. */
static void add_split(const char *device)
{
	struct target *t = &targets[n_targets];
	if (variant_wanted && strcmp("wide", variant_wanted))
		return;
	assert(n_targets > 0 && n_targets < TARGETS_MAX);
	t->d = t[-1].d;
	t->share = SHARE_SPLIT;
	snprintf(t->name, sizeof(t->name), "%.60s  split", device);
	n_targets++;
}

/* The native CPU with the kernels of one level. */
static void add_level(enum cpu_level level, u32 threads)
{
	const struct cpu_params p = { .level = level, .threads = threads };
	struct target *t = &targets[n_targets];
	assert(n_targets < TARGETS_MAX);
	if (cpu_open_with(&p, &t->d) != 0) {
		fprintf(stderr, "%s: cannot be opened\n", cpu_level_name(level));
		exit(1);
	}
	t->share = SHARE_ALL;
	snprintf(t->name, sizeof(t->name), "%s  %s, %u threads", CPU_NAME, cpu_level_name(level), threads);
	n_targets++;
}

static void add_device(const struct gpu_found *f)
{
	const char *name = f->info.name;
	if (f->unfit) {
		printf("%s: skipped, %s\n", name, f->unfit);
		return;
	}
	/* the validation layer has seen the pipelines by then, which are called as those before are */
	enum share dot = validating ? SHARE_ONE_TYPE : SHARE_PRODUCTS;
	add_target(name, "lane", SHARE_ALL);
	add_target(name, "wide", SHARE_PRODUCTS);
	add_split(name);
	if (f->caps.uniform)
		add_target(name, "tile", SHARE_PRODUCTS);
	if (f->caps.int_dot) {
		add_target(name, "dot.lane", dot);
		add_target(name, "dot.wide", dot);
	}
	if (f->caps.tile.m)
		add_target(name, "cm", SHARE_PRODUCTS);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void report(
	const struct target *t, const struct op_case *c, const u32 *want, const u32 *have, size_t len)
{
	size_t n = 0, first = 0;
	for (size_t i = len / 4; i-- > 0;)
		if (want[i] != have[i]) {
			n++;
			first = i;
		}
	printf("BAD %s: %s type %u rows %u k %u out %u heads %u/%u/%u pos %u parts %u %s: %zu of %zu words, "
	       "first "
	       "%zu: %08x for %08x\n",
		t->name, op_names[c->op], c->type, c->rows, c->k, c->n_out, c->heads, c->kv_heads,
		c->head_dim, c->pos, c->parts, fill_names[c->fill], n, len / 4, first, have[first],
		want[first]);
}

static void run_on(struct target *t, const struct op_case *c, const void *want, size_t len)
{
	void *have = NULL;
	size_t have_len = 0;
	double start = now();
	u64 range = t->d->info.range_bytes_max;
	if (t->share == SHARE_SPLIT)
		t->d->info.range_bytes_max = SPLIT_RANGE;
	int r = op_case_run(t->d, c, &have, &have_len);
	t->d->info.range_bytes_max = range;
	t->seconds += now() - start;
	t->cases++;
	if (r < 0) {
		printf("BAD %s: %s type %u k %u: error %d\n", t->name, op_names[c->op], c->type, c->k, r);
		t->bad++;
	} else if (have_len != len || memcmp(have, want, len)) {
		report(t, c, want, have, len);
		t->bad++;
	}
	free(have);
}

static void reference_of(struct rt_device *ref, const struct op_case *c, void **ret, size_t *ret_len)
{
	if (op_case_run(ref, c, ret, ret_len) < 0) {
		printf("BAD reference: %s\n", op_names[c->op]);
		exit(1);
	}
}

static bool is_case_of(const struct target *t, const struct op_case *c)
{
	switch (t->share) {
	case SHARE_ALL:
		return true;
	case SHARE_PRODUCTS:
		return c->op == CASE_MUL_MAT || c->op == CASE_EXPERTS;
	case SHARE_ONE_TYPE:
		return (c->op == CASE_MUL_MAT || c->op == CASE_EXPERTS) && c->type == TENSOR_Q4_K;
	case SHARE_SPLIT:
		break;
	}
	return is_split_case(c);
}

/* Attention in parts is attention: what a case must give is what its one pass does. */
static void run_case(struct rt_device *ref, const struct op_case *c)
{
	struct op_case whole = *c;
	struct target parts = { .name = "reference, in parts" };
	void *want;
	size_t len;
	whole.parts = 0;
	reference_of(ref, &whole, &want, &len);
	if (c->parts) {
		parts.d = ref;
		run_on(&parts, c, want, len);
		if (parts.bad)
			exit(1);
	}
	for (u32 i = 0; i < n_targets; i++)
		if (is_case_of(&targets[i], c))
			run_on(&targets[i], c, want, len);
	free(want);
}

/* LLVM 19, of Debian 13, ends the process where it makes AVX-512 of rows that else only GPUs are given ("Cannot emit physreg copy instruction"): Mesa is
 * told of AVX alone. It looks once, so the program begins again. */
static void without_avx512(const struct gpu_instance *g, char **argv)
{
	for (u32 i = 0; i < g->n_found && !getenv("GALLIUM_OVERRIDE_CPU_CAPS"); i++)
		if (strstr(g->found[i].info.name, "LLVM 19.") &&
			!setenv("GALLIUM_OVERRIDE_CPU_CAPS", "avx", 1))
			execv("/proc/self/exe", argv);
}

/* What a target still has to show, and its line; how much was wrong. */
static u32 sum_up(struct target *t, struct rt_device *ref)
{
	bool native = !strcmp(rt_device_info(t->d).kind, "native");
	if (t->share == SHARE_ALL)
		t->bad += run_long_recording(t->d);
	if (!native && t->share != SHARE_SPLIT)
		t->bad += run_replays(t->d) + run_cuts(t->d, ref);
	u32 messages = native ? 0 : gpu_of(t->d)->instance->messages;
	printf("%-72s %4u cases, %u differ, %.1f s", t->name, t->cases, t->bad, t->seconds);
	printf(validating ? ", %u messages\n" : "\n", messages);
	return t->bad + messages;
}

int main(int argc, char **argv)
{
	struct gpu_instance *g;
	struct rt_device *ref;
	u32 bad = 0;
	validating = getenv("KEEP_VALIDATE") != NULL;
	if (gpu_instance_create(validating, &g) < 0) {
		printf(validating ? "the validation layer is not installed\n" : "no Vulkan loader\n");
		return 77;
	}
	without_avx512(g, argv);
	if (dev_ref_open(&ref) < 0)
		return 1;
	variant_wanted = argc > 3 ? argv[3] : NULL;
	for (u32 i = 0; i < g->n_found; i++)
		if (argc < 2 || strstr(g->found[i].info.name, argv[1]))
			add_device(&g->found[i]);
	gpu_instance_destroy(g);
	for (u32 l = 0; l < CPU_LEVELS_N; l++)
		if (cpu_level_runs(l) && (argc < 2 || strstr(CPU_NAME, argv[1])))
			add_level(l, l % 2 ? 3 : 2);
	if (n_targets == 0) {
		printf("no such device to test\n");
		return 1;
	}
	add_all_cases();
	add_split_cases();
	bad += run_refusals(ref);
	for (u32 i = 0; i < n_cases; i++)
		if (argc < 3 || !strcmp("all", argv[2]) || !strcmp(op_names[cases[i].op], argv[2]))
			run_case(ref, &cases[i]);
	for (u32 i = 0; i < n_targets; i++)
		bad += sum_up(&targets[i], ref);
	for (u32 i = 0; i < n_targets; i++)
		if (targets[i].share != SHARE_SPLIT)
			rt_device_close(targets[i].d);
	rt_device_close(ref);
	return bad != 0;
}
