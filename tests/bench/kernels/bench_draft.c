/* What guesses at next tokens gain where an answer repeats what stands before, and what they cost where it does not; and what a running answer
 * waits for between two tokens while prompts of others are read.
 *
 *   bench_draft --repository DIR [--type TYPE] [--size SIZE] [--device NAME] [--rounds N] [--draft SIZE] [--only code|json|prose|waits|model]
 *
 * The model is of made-up weights (made.h), so what it costs is real and what it would say is not: the answers are texts that stand written, which
 * the scheduler is told token by token as if they had been chosen. Words, signs and blanks are cut into tokens as vocabularies for code do, a
 * blank with the word behind it. With --draft a second model of that size guesses too; what is said is then what it guessed, so and so often, and else
 * something else: what guesses of a draft model gain that is right so often. Every figure is a median of N rounds, with and without guesses in turn. */
#include "made.h"
#include "tests/bench/bench.h"
#include "runtime/draft_model.h"
#include "runtime/sched.h"

#include "base/fd.h"
#include "proto.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CTX	   4096u
#define ANSWER	   256u
#define ROUNDS_MAX 15u

static void fail(const char *what)
{
	fprintf(stderr, "bench_draft: %s\n", what);
	exit(1);
}

/* ---- texts ---- */

struct told {
	struct sched_seq q; /* first: the scheduler knows only this */
	u32 ids[CTX];
	u32 *text; /* what it says, by position */
	bool over;
};

/* Ids of a text, of at most `most` tokens: by a hash, so that equal words are equal tokens. */
static u32 cut(const char *s, u32 n_vocab, u32 *ret, u32 most)
{
	u32 n = 0;
	while (*s && n < most) {
		const char *end = s + (*s == ' ');
		u32 h = 2166136261u;
		if (isalpha((u8)*end) || *end == '_')
			while (isalpha((u8)*end) || *end == '_')
				end++;
		else if (*end && isspace((u8)*end))
			while (isspace((u8)*end) && end[1] != 0 && isspace((u8)end[1]))
				end++;
		if (end == s || !(isalpha((u8)end[-1]) || end[-1] == '_'))
			end += *end != 0;
		for (; s < end; s++)
			h = (h ^ (u8)*s) * 16777619u;
		ret[n++] = h % n_vocab;
	}
	return n;
}

static char *read_text(const char *dir, const char *path)
{
	char name[4096];
	_cleanup_fd_ int fd = -1;
	u8 *data = NULL;
	size_t len = 0;
	snprintf(name, sizeof name, "%s/%s", dir, path);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_file(fd, 1u << 20, &data, &len))
		fail("a text of the repository cannot be read");
	char *s = realloc(data, len + 1);
	if (!s)
		fail("no memory");
	s[len] = 0;
	return s;
}

/* A file whose functions are given another first word: what an editor asks for. */
static char *renamed(const char *s, const char *from, const char *to)
{
	size_t n = strlen(from), m = strlen(to), len = 0;
	char *out = calloc(strlen(s) * 2 + 1, 1);
	if (!out || m > 2 * n)
		fail("no memory");
	while (*s)
		if (!strncmp(s, from, n)) {
			memcpy(out + len, to, m);
			len += m;
			s += n;
		} else
			out[len++] = *s++;
	return out;
}

/* Objects of one shape with other values. */
static char *objects(u32 n)
{
	static const char *const places[] = { "Lyon", "Graz", "Porto", "Turku", "Gent", "Brno", "Cork" };
	char *out = calloc(n, 160);
	size_t len = 0;
	for (u32 i = 0; out && i < n; i++)
		len += (size_t)snprintf(out + len, 160,
			"  {\n    \"id\": %u,\n    \"place\": \"%s\",\n    \"open\": %s,\n    \"items\": "
			"%u\n  },\n",
			i, places[i * i % 7], i % 3 ? "true" : "false", i * 37 % 101);
	if (!out)
		fail("no memory");
	return out;
}

struct text {
	const char *only, *name;
	u32 ids[CTX];
	u32 n_prompt;
};

/* The prompt is `before`, and what it says is the beginning of `after`. */
static void put(struct text *t, const char *only, const char *name, const char *before, const char *after,
	u32 n_vocab)
{
	u32 answer[ANSWER], n = cut(before, n_vocab, t->ids, CTX - 2 * ANSWER);
	if (cut(after, n_vocab, answer, ANSWER) < ANSWER)
		fail("a text is too short");
	memcpy(t->ids + n, answer, sizeof answer);
	t->only = only;
	t->name = name;
	t->n_prompt = n;
}

#define TEXTS 3u
static struct text texts[TEXTS];

static void make_texts(const char *dir, u32 n_vocab)
{
	char *code = read_text(dir, "runtime/kv.c"), *prose = read_text(dir, "runtime/README.md");
	char *edited = renamed(code, "struct kv_pool", "struct page_pool"), *list = objects(64);
	if (strlen(prose) < 12000)
		fail("a text is too short");
	put(&texts[0], "code", "a file of C, said again with one name changed", code,
		strstr(edited, "static void list_add"), n_vocab);
	char *more = strstr(list, "  {\n    \"id\": 4,");
	char before[1024];
	snprintf(before, sizeof before, "%.*s", (int)MIN((size_t)(more - list), sizeof before - 1), list);
	put(&texts[1], "json", "JSON, four objects of a list in the prompt", before, more, n_vocab);
	char *later = prose + 9000;
	*later++ = 0;
	put(&texts[2], "prose", "prose that says new things", prose, later, n_vocab);
	free(code);
	free(prose);
	free(edited);
	free(list);
}

/* ---- answers ---- */

static int row(struct sched_seq *q, u32 pos, const f32 *logits, u32 *ret_next)
{
	struct told *t = (struct told *)q;
	*ret_next = t->text[pos + 1];
	return q->n_ids + 1 < q->n_prompt + q->n_new ? 0 : 1;
}

static void ended(struct sched_seq *q)
{
	((struct told *)q)->over = true;
}

static void begin(struct sched *s, struct told *t, u32 *ids, u32 n_prompt, u32 n_new)
{
	memset(&t->q, 0, sizeof t->q);
	t->over = false;
	t->text = ids;
	memcpy(t->ids, ids, n_prompt * sizeof *ids);
	t->q = (struct sched_seq){ .principal = 1,
		.ids = t->ids,
		.n_prompt = n_prompt,
		.n_new = n_new,
		.row = row,
		.ended = ended };
	if (sched_add(s, &t->q))
		fail("no room for a sequence");
}

static void step(struct sched *s)
{
	if (sched_step(s))
		fail("a step failed");
}

/* Seconds for the answer, its prompt not counted. */
static double say(struct sched *s, struct text *x)
{
	static struct told t;
	begin(s, &t, x->ids, x->n_prompt, ANSWER);
	while (t.q.n_ids == x->n_prompt)
		step(s);
	double start = bench_now();
	while (!t.over)
		step(s);
	return bench_now() - start;
}

static bool wanted(const char *only, const char *what)
{
	return !only || !strcmp(only, what);
}

static void guesses(struct sched *s, u32 rounds, const char *only)
{
	printf("| %u tokens of | without, tok/s | with guesses | ratio | guesses right |\n| --- | --- | --- "
	       "| --- | "
	       "--- |\n",
		ANSWER);
	for (u32 i = 0; i < TEXTS; i++) {
		if (!wanted(only, texts[i].only))
			continue;
		double with[ROUNDS_MAX], without[ROUNDS_MAX], ratio[ROUNDS_MAX];
		u64 drafted = s->n_drafted, right = s->n_right;
		for (u32 r = 0; r < rounds; r++) {
			s->p.no_draft = true;
			without[r] = (ANSWER - 1) / say(s, &texts[i]);
			s->p.no_draft = false;
			with[r] = (ANSWER - 1) / say(s, &texts[i]);
			ratio[r] = with[r] / without[r];
		}
		double low = bench_median(ratio, rounds);
		printf("| %s | %.1f | %.1f | **%.2f** (%.2f to %.2f) | %llu of %llu |\n", texts[i].name,
			bench_median(without, rounds), bench_median(with, rounds), low, ratio[0],
			ratio[rounds - 1], (unsigned long long)(s->n_right - right),
			(unsigned long long)(s->n_drafted - drafted));
		fflush(stdout);
	}
}

/* ---- a draft model ---- */

static u32 right_percent;
static u64 modelled, modelled_right; /* its guesses that were computed, and those that were right */

/* What was guessed, so often; else, and where nothing was, something that nobody guesses. */
static int row_agreeing(struct sched_seq *q, u32 pos, const f32 *logits, u32 *ret_next)
{
	static u64 seed = 1;
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	u32 draw = (u32)(seed >> 33);
	bool agrees = q->n_guessed && q->draft.kind == DRAFT_MODEL && draw % 100 < right_percent;
	*ret_next = agrees ? q->ids[q->n_ids] : draw / 128 % 32000;
	return q->n_ids + 1 < q->n_prompt + q->n_new ? 0 : 1;
}

static double say_agreeing(struct sched *s, struct text *x)
{
	static struct told t;
	begin(s, &t, x->ids, x->n_prompt, ANSWER);
	t.q.row = row_agreeing;
	while (t.q.n_ids == x->n_prompt)
		step(s);
	double start = bench_now();
	while (!t.over)
		step(s);
	modelled += t.q.model_drafted;
	modelled_right += t.q.model_right;
	return bench_now() - start;
}

static void model_guesses(struct sched *s, u32 rounds)
{
	static const u32 percents[] = { 0, 50, 70, 90 };
	printf("\n| %u tokens, a draft model right of 100 | without, tok/s | with it | ratio | guesses right "
	       "|\n"
	       "| --- | --- | --- | --- | --- |\n",
		ANSWER);
	fflush(stdout);
	for (u32 i = 0; i < ARRAY_LEN(percents); i++) {
		double with[ROUNDS_MAX], without[ROUNDS_MAX], ratio[ROUNDS_MAX];
		right_percent = percents[i];
		modelled = modelled_right = 0;
		for (u32 r = 0; r < rounds; r++) {
			s->p.no_draft = true;
			without[r] = (ANSWER - 1) / say_agreeing(s, &texts[1]);
			s->p.no_draft = false;
			with[r] = (ANSWER - 1) / say_agreeing(s, &texts[1]);
			ratio[r] = with[r] / without[r];
		}
		double median = bench_median(ratio, rounds);
		printf("| %u | %.1f | %.1f | **%.2f** (%.2f to %.2f) | %llu of %llu |\n", right_percent,
			bench_median(without, rounds), bench_median(with, rounds), median, ratio[0],
			ratio[rounds - 1], (unsigned long long)modelled_right, (unsigned long long)modelled);
		fflush(stdout);
	}
}

/* A model of that size beside the other, of the same kind. */
static void with_draft(struct sched *s, struct rt_device *d, const char *type, const char *size, u32 rounds)
{
	struct made b = { .d = d };
	struct model_work w;
	struct sched drafts;
	made_create(&b, type, size, CTX);
	struct sched_params sp = { .ctx_tokens = CTX, .no_draft = true, .drafts = true };
	struct model_work_params p = sched_work_params(&b.m, &sp, rt_device_info(d).range_bytes_max);
	p.kv_mode = KV_F16;
	p.kv_pages = CTX / RT_KV_PAGE;
	if (model_work_create(d, &b.m, &p, &w) || sched_create(d, &b.m, &w, &sp, &drafts))
		fail("no memory");
	draft_model_attach(s, &drafts);
	(void)say_agreeing(s, &texts[1]);
	model_guesses(s, rounds);
	draft_model_detach(s);
	sched_fini(&drafts);
	model_work_fini(d, &b.m, &w);
	made_fini(&b);
}

/* ---- what an answer waits for ---- */

#define READERS 4u

/* Milliseconds of a step: of n answers, and of n answers while prompts are read. */
static void waits(struct sched *s, u32 n)
{
	static struct told answers[BATCH_REQUESTS_MAX], readers[READERS];
	double alone[24], mixed[24];
	static u32 fresh[CTX];
	for (u32 i = 0; i < CTX; i++) /* found nowhere in the cache */
		fresh[i] = (i * 2654435761u + n) % s->m->n_vocab;
	s->p.no_draft = true;
	for (u32 i = 0; i < n; i++)
		begin(s, &answers[i], texts[1].ids, 24, 96);
	do
		step(s);
	while (answers[n - 1].q.n_ids == 24);
	for (u32 i = 0; i < ARRAY_LEN(alone); i++) {
		double start = bench_now();
		step(s);
		alone[i] = (bench_now() - start) * 1e3;
	}
	for (u32 i = 0; i < READERS; i++) {
		fresh[0] = i;
		begin(s, &readers[i], fresh, 640, 1);
	}
	for (u32 i = 0; i < ARRAY_LEN(mixed); i++) {
		double start = bench_now();
		step(s);
		mixed[i] = (bench_now() - start) * 1e3;
	}
	double one = bench_median(alone, ARRAY_LEN(alone)), both = bench_median(mixed, ARRAY_LEN(mixed));
	printf("| %u | %u | %.1f | %u | %.1f | %.1f |\n", n, n, one, n + STEP_PROMPT_ROWS, both,
		mixed[ARRAY_LEN(mixed) - 1]);
	fflush(stdout);
	for (u32 i = 0; i < n; i++)
		sched_remove(s, &answers[i].q);
	for (u32 i = 0; i < READERS; i++)
		sched_remove(s, &readers[i].q);
}

static void all_waits(struct sched *s)
{
	printf("\n| answers at once | rows of a step | ms | with prompts: rows | ms | the longest |\n| --- | "
	       "--- | --- | "
	       "--- | --- | --- |\n");
	waits(s, 1);
	waits(s, 8);
	waits(s, 32);
}

/* ---- all of it ---- */

struct options {
	const char *repository, *type, *size, *device, *rounds, *draft, *only;
};

static void parse(int argc, char **argv, struct options *o)
{
	const struct {
		const char *name, **value;
	} all[] = { { "--repository", &o->repository }, { "--type", &o->type }, { "--size", &o->size },
		{ "--device", &o->device }, { "--rounds", &o->rounds }, { "--draft", &o->draft },
		{ "--only", &o->only } };
	for (int i = 1; i + 1 < argc; i += 2)
		for (u32 k = 0; k < ARRAY_LEN(all); k++)
			if (!strcmp(argv[i], all[k].name))
				*all[k].value = argv[i + 1];
	if (argc % 2 == 0 || !o->repository)
		fail("usage: bench_draft --repository DIR [--type TYPE] [--size SIZE] [--device NAME] "
		     "[--rounds N] [--draft SIZE] [--only code|json|prose|waits|model]");
}

int main(int argc, char **argv)
{
	struct options o = { NULL, "Q4_K_M", "0.5b", "native", "5", NULL, NULL };
	struct made b = { 0 };
	struct model_work w;
	struct sched s;
	const char *why;
	parse(argc, argv, &o);
	u32 rounds = (u32)atoi(o.rounds);
	if (rounds < 1 || rounds > ROUNDS_MAX)
		fail("--rounds is 1 to 15");
	if (rt_device_open(o.device, &b.d, &why))
		fail(why);
	made_create(&b, o.type, o.size, CTX);
	make_texts(o.repository, b.m.n_vocab);
	struct sched_params sp = { .ctx_tokens = CTX };
	struct model_work_params p = sched_work_params(&b.m, &sp, rt_device_info(b.d).range_bytes_max);
	p.kv_mode = KV_F16;
	p.kv_pages = 3 * CTX / RT_KV_PAGE;
	if (model_work_create(b.d, &b.m, &p, &w) || sched_create(b.d, &b.m, &w, &sp, &s))
		fail("no memory");
	printf("%s %s on %s, %u rounds\n\n", o.size, o.type, rt_device_info(b.d).name, rounds);
	(void)say(&s, &texts[1]); /* packs, compiles */
	guesses(&s, rounds, o.only);
	if (wanted(o.only, "waits"))
		all_waits(&s);
	s.p.no_draft = false;
	if (o.draft && wanted(o.only, "model"))
		with_draft(&s, b.d, o.type, o.draft, rounds);
	sched_fini(&s);
	model_work_fini(b.d, &b.m, &w);
	made_fini(&b);
	rt_device_close(b.d);
	return 0;
}
