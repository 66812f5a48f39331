/* A choice from what a device says of a row is the choice from the row, or none. Rows of logits as models give them and as none would, every setting of
 * the sampler, penalties on ids that lead, masks of all densities; and how often it takes the whole row after all. And whole answers both ways. */
#include "runtime/dev.h"
#include "runtime/op.h"
#include "runtime/sampler.h"
#include "tests/logits/asks.h"
#include "tests/logits/tiny_model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N_MAX 20011u
#define IDS   40u

enum look { PEAKED, FLAT, TIED, EQUAL, HUGE_ONES, LOOKS };
static const char *const look_names[LOOKS] = { "peaked", "flat", "tied", "equal", "huge" };

struct bed {
	struct rt_device *d;
	struct sampler s;
	u32 n;
	struct rt_buf *x, *need, *most, *out;
	u32 ids[IDS];
	u64 mask[N_MAX / 64 + 1];
	u64 seed;
	u32 asked, unsure, whole;
};

static u32 below(struct bed *b, u32 n)
{
	return (u32)(tiny_random(&b->seed) >> 33) % n;
}

static f32 one(struct bed *b)
{
	return (f32)below(b, 1u << 24) * 0x1p-24f;
}

static struct rt_buf *make(struct bed *b, enum rt_buf_kind kind, u64 bytes)
{
	struct rt_buf *r;
	assert_int_equal(rt_buf_create(b->d, kind, bytes, "few", &r), 0);
	return r;
}

static struct bed *bed(u32 n)
{
	struct bed *b = calloc(1, sizeof *b);
	const char *why;
	assert_non_null(b);
	b->n = n;
	b->seed = n;
	assert_int_equal(rt_device_open("reference", &b->d, &why), 0);
	assert_int_equal(sampler_create(n, &b->s), 0);
	b->x = make(b, RT_BUF_INPUT, n * sizeof(f32));
	b->need = make(b, RT_BUF_INPUT, 2 * sizeof(u32));
	b->most = make(b, RT_BUF_WORK, n * sizeof(u32));
	b->out = make(b, RT_BUF_OUTPUT, op_top_words(n, OP_TOP_MAX) * sizeof(u32));
	return b;
}

static void bed_fini(struct bed *b)
{
	struct rt_buf *bufs[] = { b->x, b->need, b->most, b->out };
	for (u32 i = 0; i < ARRAY_LEN(bufs); i++)
		rt_buf_destroy(b->d, bufs[i]);
	sampler_fini(&b->s);
	rt_device_close(b->d);
	free(b);
}

/* Sum of a few uniform ones is normal enough; a peaked row has some that lead by far. */
static f32 logit(struct bed *b, enum look look)
{
	f32 g = (one(b) + one(b) + one(b) + one(b) - 2) * 3;
	switch (look) {
	case FLAT:
		return g * 0.3f;
	case TIED:
		return (f32)(i32)(g * 2);
	case EQUAL:
		return -1.5f;
	case HUGE_ONES:
		return below(b, 50) ? -0x1p40f : g * 0x1p30f;
	case PEAKED:
	case LOOKS:
		break;
	}
	return below(b, 300) ? g * 1.5f : g + 12 * one(b);
}

/* Ids that were said before: some lead, some do not, some stand twice. */
static void fill(struct bed *b, enum look look)
{
	f32 *x = rt_host_ptr(b->x);
	u32 lead = 0;
	for (u32 i = 0; i < b->n; i++) {
		x[i] = logit(b, look) + 0.0f;
		x[i] = fabsf(x[i]) < 0x1p-40f ? 0 : x[i];
		lead = x[i] > x[lead] ? i : lead;
	}
	for (u32 i = 0; i < IDS; i++)
		b->ids[i] = i % 3 ? below(b, b->n) : (lead + i / 6) % b->n;
}

/* About one of `every` may come; at least one. */
static const u64 *mask_of(struct bed *b, u32 every)
{
	memset(b->mask, 0, sizeof b->mask);
	for (u32 i = 0; i < b->n; i++)
		b->mask[i / 64] |= (u64)(below(b, every) == 0) << (i % 64);
	u32 id = below(b, b->n);
	b->mask[id / 64] |= 1ull << (id % 64);
	return b->mask;
}

/* Both ways. What is not chosen from few is chosen from the row, so there is nothing to compare. */
static void both(struct bed *b, const struct sampler_params *p)
{
	const struct sampler_need need = sampler_need(p, p->allowed, IDS);
	const struct op_top_blocks top = { .rows = 1,
		.n = b->n,
		.cap = OP_TOP_MAX,
		.x = { b->x, 0 },
		.need = { b->need, 0 },
		.most = { b->most, 0 },
		.out = { b->out, 0 } };
	u32 want = b->n, got = b->n;
	b->asked++;
	b->whole += !need.blocks;
	memcpy(rt_host_ptr(b->need), &need, sizeof need);
	assert_int_equal(rt_begin(b->d), 0);
	assert_int_equal(op_top_blocks(b->d, &top), 0);
	assert_int_equal(rt_submit(b->d), 0);
	if (!need.blocks)
		return;
	const struct sampler_few few = { rt_host_ptr(b->out), need, OP_TOP_MAX };
	int r = sampler_pick_few(&b->s, p, &few, b->ids, IDS, &got);
	int whole = sampler_pick(&b->s, p, rt_host_ptr(b->x), b->ids, IDS, &want);
	assert_true(r == 0 || r == 2);
	assert_false(r == 0 && whole != 0);
	if (r == 0 && got != want)
		fail_msg("%u for %u: T %g k %u p %g min %g penalty %g mask %d", got, want,
			(f64)p->temperature, p->top_k, (f64)p->top_p, (f64)p->min_p, (f64)p->repeat_penalty,
			p->allowed != NULL);
	b->unsure += r == 2;
}

static const f32 temperatures[] = { 0, 0.1f, 0.7f, 1, 1.6f };
static const f32 top_ps[] = { 1, 0.95f, 0.5f, 0 };
static const f32 min_ps[] = { 0, 0.05f, 0.5f };
static const f32 penalties[] = { 1, 1.1f, 2, 0.8f };
static const u32 top_ks[] = { 0, 1, 40, 128, 1000 };
static const u32 everys[] = { 0, 1, 2, 30, 5000 };

/* One of all settings, by number. */
static struct sampler_params setting(struct bed *b, u32 i)
{
	struct sampler_params p = { .seed = tiny_random(&b->seed), .repeat_last_n = i % 2 ? 8 : 64 };
	p.temperature = temperatures[i % 5];
	p.top_p = top_ps[i / 5 % 4];
	p.min_p = min_ps[i / 20 % 3];
	p.repeat_penalty = penalties[i / 60 % 4];
	p.top_k = top_ks[i / 240 % 5];
	u32 every = everys[i / 1200 % 5];
	p.allowed = every ? mask_of(b, every) : NULL;
	return p;
}
#define SETTINGS 6000u

static void all_settings(u32 n, u32 step)
{
	struct bed *b = bed(n);
	for (u32 look = 0; look < LOOKS; look++) {
		b->asked = b->unsure = b->whole = 0;
		for (u32 i = look; i < SETTINGS; i += step) {
			fill(b, look);
			struct sampler_params p = setting(b, i);
			both(b, &p);
		}
		print_message("%u ids, %s: of %u choices %u want the whole row, %u take it\n", n,
			look_names[look], b->asked, b->whole, b->unsure);
		assert_true(b->unsure < b->asked);
	}
	bed_fini(b);
}

static void every_setting(void **state)
{
	all_settings(1, 37);
	all_settings(77, 1);
	all_settings(2049, 7);
	all_settings(5001, 5); /* more blocks than are said */
	all_settings(N_MAX, 37);
}

/* What people ask for: how often is the row of a model that knows what it wants read whole? */
static void usual(void **state)
{
	static const struct {
		const char *name;
		struct sampler_params p;
		u32 every, most; /* of a mask; per mille */
	} asks[] = {
		{ "greedy", { .temperature = 0, .top_p = 1, .repeat_penalty = 1 }, 0, 0 },
		{ "greedy, penalty", { .temperature = 0, .top_p = 1, .repeat_penalty = 1.1f }, 0, 0 },
		{ "T 0.8, k 40, p 0.95",
			{ .temperature = 0.8f, .top_p = 0.95f, .top_k = 40, .repeat_penalty = 1 }, 0, 0 },
		{ "the same, penalty",
			{ .temperature = 0.8f, .top_p = 0.95f, .top_k = 40, .repeat_penalty = 1.1f }, 0, 0 },
		{ "T 0.6, p 0.9", { .temperature = 0.6f, .top_p = 0.9f, .repeat_penalty = 1 }, 0, 10 },
		{ "T 0.7, min-p 0.05",
			{ .temperature = 0.7f, .top_p = 1, .min_p = 0.05f, .repeat_penalty = 1 }, 0, 10 },
		{ "T 0.6, all", { .temperature = 0.6f, .top_p = 1, .repeat_penalty = 1 }, 0, 50 },
		{ "greedy, a grammar", { .temperature = 0, .top_p = 1, .repeat_penalty = 1 }, 3, 10 },
		{ "T 0.7, k 20, a grammar",
			{ .temperature = 0.7f, .top_p = 0.8f, .top_k = 20, .repeat_penalty = 1 }, 3, 10 },
	};
	struct bed *b = bed(N_MAX);
	for (u32 i = 0; i < ARRAY_LEN(asks); i++) {
		b->asked = b->unsure = 0;
		for (u32 k = 0; k < 200; k++) {
			struct sampler_params p = asks[i].p;
			fill(b, PEAKED);
			p.seed = k;
			p.repeat_last_n = 64;
			p.allowed = asks[i].every ? mask_of(b, asks[i].every) : NULL;
			both(b, &p);
		}
		print_message("%-24s %u of %u take the whole row\n", asks[i].name, b->unsure, b->asked);
		assert_true(b->unsure * 1000 <= asks[i].most * b->asked);
	}
	bed_fini(b);
}

/* ---- whole answers -------------------------------------------------------------------------------------------------------- */

#define ASKS 8u

static struct rt_device *devices[2];
static u32 n_devices, n_few;
static bool refuse; /* every third row is wanted whole after all */
static struct ask before[ASKS], after[ASKS];
static u32 prompts[ASKS][60];
static int (*real_few)(struct sched_seq *q, u32 pos, const struct sampler_few *few, u32 *ret_next);

static int few(struct sched_seq *q, u32 pos, const struct sampler_few *f, u32 *ret_next)
{
	return refuse && n_few++ % 3 == 0 ? SAMPLER_WHOLE : real_few(q, pos, f, ret_next);
}

/* Greedy, with a penalty, hot, top-k, top-p, min-p, a penalty that lifts, which takes rows; and all rows of a prompt, more than are read at once. */
static struct ask asked(u32 i)
{
	static const f32 repeats[ASKS] = { 1, 1.15f, 1, 1.3f, 1, 1, 0.9f, 1 };
	return (struct ask){ .kind = i == 7 ? REQUEST_LOGITS : 0,
		.ids = prompts[i],
		.n_ids = 18 + 6 * i,
		.max_tokens = i == 7 ? 0 : 40,
		.temperature = i < 2 ? 0 : 0.9f,
		.top_k = i == 2 || i == 3 ? 3 : 0,
		.top_p = i == 4 ? 0.9f : 1,
		.min_p = i == 5 ? 0.05f : 0,
		.repeat_penalty = repeats[i],
		.seed = i };
}

/* Which device; both: its layers on both. */
struct way {
	u32 device, draft;
	bool both;
};

static void run(struct ask *k, const struct tiny *t, const struct way *w, bool tops)
{
	struct grant_params p = { .wake = -1, .draft = w->draft, .no_draft = !w->draft };
	struct grant g;
	if (w->both) {
		p.others[p.n_others++] = devices[!w->device];
		p.split[0] = p.split[1] = 1;
	}
	for (u32 i = 0; i < n_devices; i++)
		devices[i]->info.tops = tops;
	tiny_load(t, devices[w->device], &p, KV_F16, &g);
	assert_int_equal(g.work.work_bytes, g.plan.p.part[0].work);
	for (u32 i = 0; i < ASKS; i++) {
		k[i] = asked(i);
		ask_begin(&k[i], &g);
		assert_null(k[i].refused);
		if (k[i].a.seq.few)
			real_few = k[i].a.seq.few;
		k[i].a.seq.few = few;
	}
	ask_finish(&g);
	assert_true(!tops || (g.sched.n_few > 200 && g.sched.n_whole > 50));
	assert_true(tops || (!g.sched.n_few && !g.sched.n_whole));
	assert_true(!refuse || !tops || g.sched.n_again > 60);
	grant_fini(&g);
}

static void same(const struct ask *a, const struct ask *b)
{
	assert_true(a->over && b->over);
	assert_int_equal(a->outcome.finish, b->outcome.finish);
	assert_int_equal(a->n_out, b->n_out);
	assert_memory_equal(a->out, b->out, a->n_out * sizeof *a->out);
	assert_memory_equal(a->outcome.tokens, b->outcome.tokens, SHA256_BYTES);
	assert_memory_equal(a->outcome.text, b->outcome.text, SHA256_BYTES);
}

static void both_ways(bool untied, const struct way *w)
{
	const struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 9, .ctx = 512, .untied = untied };
	struct tiny t;
	tiny_make(&spec, &t);
	refuse = false;
	run(before, &t, w, false);
	for (u32 r = 0; r < 2; r++) {
		refuse = r;
		run(after, &t, w, true);
		for (u32 i = 0; i < ASKS; i++)
			same(&before[i], &after[i]);
	}
	tiny_fini(&t);
}

/* A head that is the embedding is computed on the first device, else on the last. */
static void answers(void **state)
{
	for (u32 d = 0; d < n_devices; d++) {
		both_ways(false, &(struct way){ .device = d });
		both_ways(false, &(struct way){ .device = d, .draft = 4 });
	}
	for (u32 untied = 0; untied < 2 && n_devices == 2; untied++)
		both_ways(untied, &(struct way){ .both = true });
}

static int open_all(void **state)
{
	u64 seed = 1;
	static const char *const names[] = { "native", "llvmpipe" };
	n_devices = ask_devices(names, ARRAY_LEN(names), devices);
	for (u32 i = 0; i < ASKS; i++)
		tiny_ids(prompts[i], ARRAY_LEN(prompts[0]), &seed);
	return n_devices == 0;
}

static int close_all(void **state)
{
	ask_devices_close(devices, n_devices);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_setting), cmocka_unit_test(usual),
		cmocka_unit_test_setup_teardown(answers, open_all, close_all) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
