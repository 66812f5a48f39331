/* Every row of pipelines.c that a chip would run, through the vendor's compiler, which needs no such chip:
 *   test_budget CHIP TABLE       holds it to the rules below and, row by row, to TABLE; a TABLE that is not there: the rules alone
 *   test_budget CHIP TABLE new   prints the lines of a new table
 *   test_budget CHIP loose       prints what every row costs, and what it would with contraction allowed
 *   test_budget CHIP name        prints "COMPILER, DRIVER", which tables are named by
 *   test_budget CHIP text ROW    prints what the driver shows of its forms of a row, named "KERNEL VARIANT"
 * 77: no device here compiles and tells. One device must be chosen by the environment; run.sh does. */
#include "tests/budget/loose.h"
#include "tests/budget/stats.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 4096u
#define SLACK \
	50u /* a cost may rise by 1/50 before it is beyond its budget: schedulers move by that for no reason */
#define CODE_TEXTS "ssembly"

struct line {
	char kernel[40], variant[24], chip[16];
	struct stats is;
};

static struct line lines[LINES_MAX];
static u32 n_lines;

/* A product and a sum with one rounding: the drivers' intermediate form, NVIDIA's, AMD's in all their spellings, Apple's. Not among these: `mad` of integers; AMD's v_mad_f32
 * and v_mac_f32, which round twice; and Adreno's mad.f32. That one Mesa makes of operations that it calls exact, so it takes it for two roundings, and only the self-test on such
 * a chip can tell. */
static const char *const fused[] = { "ffma", "hfma", "fmadd", "v_fma", "v_mad_mix", "v_dual_fma", "v_pk_fma",
	"s_fma", "v_dot2_f", "v_wmma_f" };
/* Functions that the contract has in other words. The approximate reciprocal is in divisions of integers, and NIR's lowering corrects it. */
static const char *const approximate[] = { "mufu.ex2", "mufu.lg2", "mufu.rsq", "mufu.sqrt", "mufu.sin",
	"mufu.cos", "v_exp_f", "v_log_f", "v_rsq_f", "v_sqrt_f", "v_sin_f", "v_cos_f", "v_div_" };

/* Does that end in a literal which is a power of two? */
static bool power_of_two(const char *text, const char *end)
{
	const char *x = strstr(text, "0x");
	return x && x < end && (strtoul(x, NULL, 16) & 0x7fffff) == 0;
}

/* The line before `at` that last wrote the register which is named there, NULL: none did. */
static const char *written_by(const char *text, const char *at, const char *reg, size_t len)
{
	for (const char *line = at; line > text;) {
		for (line--; line > text && line[-1] != '\n';)
			line--;
		const char *to = line + strspn(line, "\t ");
		to += strcspn(to, " \n");
		if (*to == ' ' && !strncmp(to + 1, reg, len) && to[1 + len] == ',')
			return line;
	}
	return NULL;
}

/* Does the instruction of RADV's that begins here multiply by a power of two? Then its product is exact, and one rounding is all there ever was: RADV makes one of these of
 * exact_from_int's float(i >> 12) * 4096 + float(i & 4095), with the 4096 in the instruction or in a register. */
static bool by_power_of_two(const char *text, const char *at)
{
	const char *end = at + strcspn(at, "\n;");
	if (!strncmp(at, "v_fmamk_f32", 11) || !strncmp(at, "v_dual_fmamk_f32", 16))
		return power_of_two(at, end);
	if (strncmp(at, "v_fma_f32", 9) && strncmp(at, "v_fmac_f32", 10))
		return false;
	for (u32 i = 0; i < 2; i++) { /* the factors stand behind the first comma and the second */
		if (!(at = strchr(at, ',')))
			return false;
		at += 2;
		size_t len = strcspn(at, ", \n");
		const char *made = written_by(text, at, at, len);
		if (made && !strncmp(made + strspn(made, "\t ") + 1, "_mov_b32", 8) &&
			power_of_two(made, made + strcspn(made, "\n;")))
			return true;
	}
	return false;
}

/* The first of words that begins a word of the text. */
static const char *find_word(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (const char *at = text; (at = strstr(at, words[i])); at++)
			if ((at == text || !(isalnum((u8)at[-1]) || at[-1] == '_')) &&
				!by_power_of_two(text, at))
				return words[i];
	return NULL;
}

static bool same_row(const struct line *l, const char *kernel, const char *variant, const char *chip)
{
	return !strcmp(l->kernel, kernel) && !strcmp(l->variant, variant) && !strcmp(l->chip, chip);
}

static const struct stats *budget_of(const char *kernel, const char *variant, const char *chip)
{
	for (u32 i = 0; i < n_lines; i++)
		if (same_row(&lines[i], kernel, variant, chip))
			return &lines[i].is;
	return NULL;
}

/* 0; 1 there is none; 2 a line is not one. */
static int read_table(const char *path)
{
	char text[256];
	FILE *f = fopen(path, "r");
	if (!f)
		return 1;
	int r = 0;
	while (r == 0 && fgets(text, sizeof(text), f)) {
		struct line *l = &lines[n_lines];
		struct stats *s = &l->is;
		if (text[0] == '#')
			continue;
		assert(n_lines < LINES_MAX);
		int n = sscanf(text, "%39s %23s %15s %u %u %u %u %u %u %u", l->kernel, l->variant, l->chip,
			&s->registers, &s->spills, &s->scratch, &s->shared, &s->occupancy, &s->code,
			&s->cost);
		n_lines += n == 10;
		if (n != 10)
			r = 2;
	}
	fclose(f);
	return r;
}

struct row {
	const char *kernel, *variant, *chip;
	u32 bad;
};

static void complain(struct row *r, const char *what, u32 is, u32 may)
{
	printf("BAD %s %s on %s: %s %u, budget %u\n", r->kernel, r->variant, r->chip, what, is, may);
	r->bad++;
}

static void hold(struct row *r, const struct stats *s, const struct stats *may)
{
	static const struct {
		const char *name;
		size_t at;
	} most[] = { { "registers", offsetof(struct stats, registers) },
		{ "spills", offsetof(struct stats, spills) },
		{ "bytes of scratch", offsetof(struct stats, scratch) },
		{ "bytes of shared memory", offsetof(struct stats, shared) } };
	for (u32 i = 0; i < ARRAY_LEN(most); i++) {
		u32 is = *(const u32 *)(const void *)((const u8 *)s + most[i].at),
		    limit = *(const u32 *)(const void *)((const u8 *)may + most[i].at);
		if (is > limit)
			complain(r, most[i].name, is, limit);
	}
	if (s->occupancy < may->occupancy)
		complain(r, "occupancy", s->occupancy, may->occupancy);
	if (s->cost > may->cost + may->cost / SLACK)
		complain(r, "cost", s->cost, may->cost);
}

/* What holds for every row on every chip, whatever a table says. */
static void hold_rules(struct row *r, const struct stats *s)
{
	for (u32 i = 0; i < STATS_TEXTS_MAX && s->text[i].text; i++) {
		const char *text = s->text[i].text, *word;
		if (!strcmp(s->text[i].name, "ACO IR"))
			continue; /* the machine code says the same */
		word = find_word(text, fused, ARRAY_LEN(fused));
		if (!word && strstr(s->text[i].name, CODE_TEXTS))
			word = find_word(text, approximate, ARRAY_LEN(approximate));
		if (word) {
			printf("BAD %s %s on %s: %s in its %s\n", r->kernel, r->variant, r->chip, word,
				s->text[i].name);
			r->bad++;
		}
	}
	if (s->code == 0 || s->cost == 0)
		complain(r, "no figures: instructions", s->code, 1);
	if (s->spills)
		complain(r, "spills", s->spills, 0);
}

static void print(const struct row *r, const struct stats *s)
{
	printf("%s\t%s\t%s\t%u\t%u\t%u\t%u\t%u\t%u\t%u\n", r->kernel, r->variant, r->chip, s->registers,
		s->spills, s->scratch, s->shared, s->occupancy, s->code, s->cost);
}

/* The cost of the row, and that of the same code without a single NoContraction. */
static int print_loose(const struct stats_device *d, const struct pipeline_row *row, const char *chip)
{
	struct stats s[2] = { 0 };
	struct pipeline_row loose;
	int r = loose_row(row, &loose);
	if (r < 0)
		return r;
	r = stats_of(d, row, &s[0]);
	r = r == 0 ? stats_of(d, &loose, &s[1]) : r;
	const char *word = NULL;
	for (u32 i = 0; r == 0 && i < STATS_TEXTS_MAX && s[1].text[i].text && !word; i++)
		word = find_word(s[1].text[i].text, fused, ARRAY_LEN(fused));
	if (r == 0)
		printf("%s\t%s\t%s\t%u\t%u\t%s\n", kernel_refs[row->kernel].name, row->variant, chip,
			s[0].cost, s[1].cost, word ? word : "-");
	stats_free(&s[0]);
	stats_free(&s[1]);
	loose_free(&loose);
	return r;
}

static void print_texts(const struct stats *s)
{
	for (u32 i = 0; i < STATS_TEXTS_MAX && s->text[i].text; i++)
		printf("==== %s\n%s\n", s->text[i].name, s->text[i].text);
}

struct all {
	const struct stats_device *d;
	const char *chip, *text; /* text: the row to be shown, NULL: none */
	bool table, print, loose;
	u32 rows, bad, unlisted;
};

/* A row as it is listed, or with `experts` a product's for products of experts. */
static int run_row(struct all *a, const struct pipeline_row *listed, bool experts)
{
	char variant[24];
	struct pipeline_row row = pipeline_row_resolve(listed, &a->d->found->caps, experts);
	snprintf(variant, sizeof(variant), "%s%s", row.variant, experts ? ".experts" : "");
	row.variant = variant;
	struct row r = { kernel_refs[row.kernel].name, row.variant, a->chip, 0 };
	struct stats s = { 0 };
	char name[64];
	snprintf(name, sizeof(name), "%s %s", r.kernel, r.variant);
	if (a->text && strcmp(a->text, name))
		return 0;
	if (a->loose)
		return print_loose(a->d, &row, a->chip);
	const struct stats *may = budget_of(r.kernel, r.variant, r.chip);
	int e = stats_of(a->d, &row, &s);
	if (e < 0) {
		printf("BAD %s %s on %s: does not compile\n", r.kernel, r.variant, r.chip);
		r.bad = 1;
	} else if (a->text) {
		print_texts(&s);
	} else if (a->print) {
		print(&r, &s);
	} else {
		hold_rules(&r, &s);
		if (a->table && may)
			hold(&r, &s, may);
		if (a->table && !may)
			printf("BAD %s %s on %s: has no budget\n", r.kernel, r.variant, r.chip);
		a->unlisted += a->table && !may;
	}
	stats_free(&s);
	a->rows++;
	a->bad += r.bad != 0;
	return e;
}

static int run_ways(struct all *a, const struct pipeline_row *listed)
{
	int r = run_row(a, listed, false);
	return r < 0 || !listed->experts ? r : run_row(a, listed, true);
}

int main(int argc, char **argv)
{
	struct stats_device d;
	const char *why;
	if (argc < 3)
		return 2;
	int r = stats_open(&d, &why);
	if (r != 0) {
		printf("%s: skipped: %s\n", argv[1], why);
		return r == 1 ? 77 : 1;
	}
	if (!strcmp(argv[2], "name")) {
		printf("%s, %s\n", KEEP_GLSLC, d.found->info.driver);
		stats_close(&d);
		return 0;
	}
	struct all a = { .d = &d, .chip = argv[1], .loose = !strcmp(argv[2], "loose") };
	a.print = argc > 3;
	a.text = argc > 3 && !strcmp(argv[2], "text") ? argv[3] : NULL;
	r = a.print || a.loose ? 1 : read_table(argv[2]);
	a.table = r == 0;
	for (u32 i = 0; i < pipeline_rows_n && r != 2; i++)
		if (pipeline_row_runs(&pipeline_rows[i], &d.found->caps) &&
			!(pipeline_rows[i].needs & PIPELINE_ON_CPU) && run_ways(&a, &pipeline_rows[i]) < 0)
			break;
	if (!a.print && !a.loose)
		printf("%s (%s, %s): %u rows, %u beyond their budgets, %u without one%s\n", argv[1],
			d.found->info.driver, KEEP_GLSLC, a.rows, a.bad, a.unlisted,
			a.table ? "" : "; no table for these compilers, so the rules alone");
	stats_close(&d);
	return r == 2 || a.bad || a.unlisted;
}
