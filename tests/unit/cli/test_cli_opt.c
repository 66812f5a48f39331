/* Options: where they may stand, what they may hold, one past each limit. */
#define _GNU_SOURCE
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// cmocka last
#include <cmocka.h>

static struct cli cli(void)
{
	return (struct cli){ .root = "/nowhere", .verb = cli_verb_find("run") };
}

struct got {
	bool flag, given;
	const char *str;
	u64 n64;
	u32 n32;
	f32 f;
	struct opt_list list;
};

static int parse(struct got *g, char **argv, int argc, int min, int max, int *ret)
{
	const struct opt opts[] = { { "--flag", OPT_FLAG, &g->flag, NULL },
		{ "--str", OPT_STR, &g->str, &g->given }, { "--n64", OPT_U64, &g->n64, NULL },
		{ "--n32", OPT_U32, &g->n32, NULL }, { "--f", OPT_F32, &g->f, NULL },
		{ "--list", OPT_LIST, &g->list, NULL } };
	struct cli c = cli();
	*g = (struct got){ 0 };
	return opt_parse(&c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, min, max }, ret);
}
#define PARSE(g, min, max, ret, ...)                                                                        \
	parse(&(g), (char *[]){ __VA_ARGS__, NULL }, (int)ARRAY_LEN(((char *[]){ __VA_ARGS__ })), min, max, \
		&(ret))

static void anywhere(void **state)
{
	struct got g;
	char *argv[] = { "a", "--n32", "7", "--str=x=y", "b", "--flag", NULL };
	int n;
	(void)state;
	assert_int_equal(parse(&g, argv, 6, 0, 2, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(argv[0], "a");
	assert_string_equal(argv[1], "b");
	assert_int_equal(g.n32, 7);
	assert_string_equal(g.str, "x=y");
	assert_true(g.given && g.flag);
}

static void dashes_end_them(void **state)
{
	struct got g;
	char *argv[] = { "--flag", "--", "--flag2", "-", NULL };
	int n;
	(void)state;
	assert_int_equal(parse(&g, argv, 4, 0, 2, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(argv[0], "--flag2");
	assert_string_equal(argv[1], "-");
}

static void refused(void **state)
{
	struct got g;
	int n;
	(void)state;
	assert_int_equal(PARSE(g, 0, 0, n, "--flg"), 1); /* unknown */
	assert_int_equal(n, CLI_USAGE);
	assert_int_equal(PARSE(g, 0, 0, n, "--fla"), 1); /* no abbreviations */
	assert_int_equal(PARSE(g, 0, 0, n, "--flag=1"), 1);
	assert_int_equal(PARSE(g, 0, 0, n, "--str"), 1);
	assert_int_equal(PARSE(g, 1, 1, n, "--flag"), 1); /* too few */
	assert_int_equal(n, CLI_USAGE);
	assert_int_equal(PARSE(g, 0, 1, n, "a", "b"), 1);
	assert_int_equal(PARSE(g, 0, 0, n, "-x"), 1);
}

/* What has a dash and no letter behind it is a bad argument, not a wrong option: whoever reads it says so. */
static void dashes_of_arguments(void **state)
{
	struct got g;
	char *argv[] = { "-1", "--flag", "-", "-,0", "- ", "-\xc3\xa9", NULL };
	int n;
	(void)state;
	assert_int_equal(parse(&g, argv, 6, 0, 5, &n), 0);
	assert_int_equal(n, 5);
	assert_string_equal(argv[0], "-1");
	assert_string_equal(argv[4], "-\xc3\xa9");
	assert_true(g.flag);
}

/* How many lines of usage a form has; some go on in the next line. */
static void forms(void **state)
{
	static const struct {
		const char *verb, *form;
		u32 lines;
	} rows[] = { { "audit", "show", 1 }, { "audit", "sign-off", 3 }, { "audit", "sign", 0 },
		{ "audit", "", 0 }, { "key", "add", 2 }, { "key", "revoke", 1 }, { "tlog", "root", 1 } };
	FILE *null = fopen("/dev/null", "w");
	(void)state;
	assert_non_null(null);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(cli_forms(null, cli_verb_find(rows[i].verb), rows[i].form), rows[i].lines);
	assert_true(cli_forms(null, cli_verb_find("audit"), NULL) > 10);
	fclose(null);
}

static void numbers(void **state)
{
	struct got g;
	int n;
	(void)state;
	assert_int_equal(PARSE(g, 0, 0, n, "--n32", "4294967295"), 0);
	assert_int_equal(PARSE(g, 0, 0, n, "--n32", "4294967296"), 1);
	assert_int_equal(PARSE(g, 0, 0, n, "--n64", "18446744073709551615"), 0);
	assert_true(g.n64 == UINT64_MAX);
	assert_int_equal(PARSE(g, 0, 0, n, "--n64", "18446744073709551616"), 1);
	assert_int_equal(PARSE(g, 0, 0, n, "--n64", ""), 1);
	assert_int_equal(PARSE(g, 0, 0, n, "--n64", "-1"), 1);
	assert_int_equal(PARSE(g, 0, 0, n, "--n64", "1x"), 1);
	assert_int_equal(PARSE(g, 0, 0, n, "--f", "0.5"), 0);
	assert_true(g.f == 0.5f);
	assert_int_equal(PARSE(g, 0, 0, n, "--f", "nan"), 1);
	assert_int_equal(PARSE(g, 0, 0, n, "--f", "1e99"), 1);
	assert_int_equal(PARSE(g, 0, 0, n, "--f", "1.0x"), 1);
}

static void lists(void **state)
{
	struct got g;
	char *argv[2 * (OPT_LIST_MAX + 1)];
	int n;
	(void)state;
	for (size_t i = 0; i <= OPT_LIST_MAX; i++) {
		argv[2 * i] = "--list";
		argv[2 * i + 1] = "v";
	}
	assert_int_equal(parse(&g, argv, 2 * OPT_LIST_MAX, 0, 0, &n), 0);
	assert_int_equal(g.list.n, OPT_LIST_MAX);
	assert_int_equal(parse(&g, argv, 2 * (OPT_LIST_MAX + 1), 0, 0, &n), 1);
}

static void token_lists(void **state)
{
	u32 *ids = NULL;
	size_t n;
	(void)state;
	assert_int_equal(opt_u32_list("1,2,4294967295", &ids, &n), 0);
	assert_int_equal(n, 3);
	assert_true(ids[0] == 1 && ids[1] == 2 && ids[2] == UINT32_MAX);
	free(ids);
	static const char *const bad[] = { "", ",", "1,", ",1", "1,,2", "1 2", "-1", "4294967296", "1.5",
		"00000000000000000001" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(opt_u32_list(bad[i], &ids, &n), 1);
}

static void verbs(void **state)
{
	(void)state;
	assert_non_null(cli_verb_find("import"));
	assert_null(cli_verb_find("imp"));
	assert_string_equal(cli_verb_near("imprt")->name, "import");
	assert_string_equal(cli_verb_near("rnu")->name, "run");
	assert_string_equal(cli_verb_near("list")->name, "ls");
	assert_null(cli_verb_near("frobnicate"));
	assert_null(cli_verb_near("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
	for (size_t i = 0; i < cli_n_verbs; i++) {
		assert_ptr_equal(cli_verb_find(cli_verbs[i].name), &cli_verbs[i]);
		assert_int_equal(
			strncmp(cli_verbs[i].usage, cli_verbs[i].name, strlen(cli_verbs[i].name)), 0);
	}
}

static void sizes(void **state)
{
	(void)state;
	assert_string_equal(out_size(0).s, "0 B");
	assert_string_equal(out_size(999).s, "999 B");
	assert_string_equal(out_size(1000).s, "1.0 kB");
	assert_string_equal(out_size(2046432).s, "2.0 MB");
	assert_string_equal(out_size(999999).s, "1.0 MB");
	assert_string_equal(out_size(4ull << 40).s, "4.4 TB");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(anywhere), cmocka_unit_test(dashes_end_them),
		cmocka_unit_test(dashes_of_arguments), cmocka_unit_test(forms), cmocka_unit_test(refused),
		cmocka_unit_test(numbers), cmocka_unit_test(lists), cmocka_unit_test(token_lists),
		cmocka_unit_test(verbs), cmocka_unit_test(sizes) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
