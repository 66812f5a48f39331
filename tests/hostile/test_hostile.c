/* No header, however absurd, does more than be refused, with its own words: each row of table.c through the layout job.
 *
 *   test_hostile                 the test
 *   test_hostile print           the rows with what is said now
 *   test_hostile write DIR       each row as DIR/NUMBER/m.gguf, and "NUMBER<tab>code<tab>text" lines on standard output */
#include "tests/hostile/edit.h"
#include "tests/hostile/judge.h"
#include "tests/hostile/table.h"
#include "base/fd.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define SEED_BYTES_MAX (1u << 20)

/* The file that a row is about, to be freed. */
static u8 *make(const struct hostile *h, u64 *ret_len)
{
	static struct edit e;
	char path[512];
	u8 *seed;
	size_t len;
	snprintf(path, sizeof path, "%s/gguf/good-%s.gguf", KEEP_VECTORS, h->base);
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fd_read_file(fd, SEED_BYTES_MAX, &seed, &len)) {
		fprintf(stderr, "%s cannot be read\n", path);
		exit(1);
	}
	edit_open(&e, seed, len);
	edit_say(&e, h->changes);
	u8 *file = edit_write(&e, ret_len);
	free(seed);
	return file;
}

static int judge(const struct hostile *h, struct attest_report *report)
{
	u64 len;
	u8 *file = make(h, &len), *exact = malloc(len); /* of exactly its length, for sanitizers */
	assert(exact);
	memcpy(exact, file, len);
	int r = hostile_judge(exact, len, report);
	free(exact);
	free(file);
	return r;
}

static void every_row_is_refused(void **state)
{
	u32 wrong = 0;
	for (u32 i = 0; i < hostile_rows_n; i++) {
		const struct hostile *h = &hostile_rows[i];
		struct attest_report report;
		int r = judge(h, &report);
		if (r && !strcmp(report.code, h->code) && !strcmp(report.detail, h->text))
			continue;
		fprintf(stderr, "%s, %s: %s: %s\n  instead of %s: %s\n", h->base, h->changes,
			r ? report.code : "accepted", r ? report.detail : "", h->code, h->text);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

/* The editor leaves alone what nobody asked it to change. */
static void nothing_changed_is_accepted(void **state)
{
	for (u32 i = 0; i < hostile_rows_n; i++) {
		struct hostile h = { hostile_rows[i].base, "", "", "" };
		struct attest_report report;
		if (i && !strcmp(h.base, hostile_rows[i - 1].base))
			continue;
		if (judge(&h, &report))
			fail_msg("%s: %s", h.base, report.detail);
	}
}

/* A key of other families that says nothing here does no harm: tools write every key that they have a name for. */
static void nothing_said_is_accepted(void **state)
{
	static const struct hostile rows[] = { { "glm4moe", ".interleave_moe_layer_step=u32:0", "", "" },
		{ "qwen3moe", ".interleave_moe_layer_step=u32:0 .leading_dense_block_count=u32:0", "", "" },
		{ "llama4", ".leading_dense_block_count=u32:0 .nextn_predict_layers=u32:0", "", "" },
		{ "f32", ".attn_logit_softcapping=f32:0 .expert_count=u32:0 .attention.sliding_window=u32:0",
			"", "" } };
	for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
		struct attest_report report;
		if (judge(&rows[i], &report))
			fail_msg("%s, %s: %s", rows[i].base, rows[i].changes, report.detail);
	}
}

static void print_rows(void)
{
	for (u32 i = 0; i < hostile_rows_n; i++) {
		struct attest_report report;
		int r = judge(&hostile_rows[i], &report);
		printf("%s\t%s\t%s\t%s\n", hostile_rows[i].base, hostile_rows[i].changes,
			r ? report.code : "accepted", r ? report.detail : "");
	}
}

static int write_rows(const char *dir)
{
	char path[512];
	for (u32 i = 0; i < hostile_rows_n; i++) {
		const struct hostile *h = &hostile_rows[i];
		u64 len;
		u8 *file = make(h, &len);
		snprintf(path, sizeof path, "%s/%u", dir, i);
		int r = mkdir(path, 0755);
		snprintf(path, sizeof path, "%s/%u/m.gguf", dir, i);
		_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (r || fd < 0 || fd_write_all(fd, file, len))
			return 1;
		printf("%u\t%s\t%s\n", i, h->code, h->text);
		free(file);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_is_refused),
		cmocka_unit_test(nothing_changed_is_accepted), cmocka_unit_test(nothing_said_is_accepted) };
	if (argc == 2 && !strcmp(argv[1], "print"))
		return print_rows(), 0;
	if (argc == 3 && !strcmp(argv[1], "write"))
		return write_rows(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
