/* Transfers: what is written is read, by us and as POSIX says; what breaks a rule is refused and named. */
#define _GNU_SOURCE
#include "attest/transfer.h"
#include "helper.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An archive being made, on disk: tmpfs counts holes of a tebibyte. */
static char *dir, path_of[600];
static int out = -1;
static u64 end;

static int setup(void **state)
{
	(void)state;
	dir = helper_tmp();
	snprintf(path_of, sizeof path_of, "%s/t.tar", dir);
	out = open(path_of, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	end = 0;
	return out < 0;
}
static int teardown(void **state)
{
	(void)state;
	close(out);
	helper_rm(dir);
	return 0;
}

static void put(const void *data, size_t len)
{
	assert_int_equal(pwrite(out, data, len, (off_t)end), len);
	end += len;
}
/* A member of so many bytes, which are a hole. */
static u64 member(const char *name, u64 bytes)
{
	u8 header[TRANSFER_HEADER_MAX];
	put(header, attest_transfer_header(name, bytes, header));
	u64 at = end;
	end += bytes + attest_transfer_padding(bytes);
	return at;
}
static void finish(void)
{
	assert_int_equal(ftruncate(out, (off_t)(end + TRANSFER_END_BYTES)), 0);
}

/* "" when it is accepted, else the reason's code. */
static const char *judged(void)
{
	static struct attest_report report;
	struct attest_transfer t;
	attest_report_init(&report);
	int r = attest_transfer_read(out, &t, &report);
	assert_in_range(r, 0, 1);
	if (r == 0)
		attest_transfer_fini(&t);
	return r ? report.code : "";
}

static void names_and_sizes_of_any_length(void **state)
{
	char path[PATH_LEN_MAX + 1], name[PATH_LEN_MAX + 8];
	(void)state;
	for (size_t n = 1; n <= PATH_LEN_MAX; n += n < 90 ? 40 : 1) {
		struct attest_transfer t;
		struct attest_report report;
		for (size_t i = 0; i < n; i++)
			path[i] = i % 60 == 59 && i + 1 < n && n % 3 ? '/' : 'a';
		path[n] = 0;
		end = 0;
		assert_int_equal(ftruncate(out, 0), 0);
		snprintf(name, sizeof name, "m/%s", path);
		member("m.sig", 10);
		u64 at = member(name, n);
		finish();
		assert_int_equal(attest_transfer_read(out, &t, &report), 0);
		assert_string_equal(t.name, "m");
		assert_int_equal(t.n_files, 1);
		assert_string_equal(t.files[0].path, path);
		assert_int_equal(t.files[0].offset, at);
		assert_int_equal(t.files[0].bytes, n);
		assert_int_equal(t.bundles[0].bytes, 10);
		attest_transfer_fini(&t);
	}
}

/* 11 octal digits end at 8 GiB; behind that a pax record says the size. The file is a hole. */
static void sizes_beyond_eight_gigabytes(void **state)
{
	static const u64 sizes[] = { 0, 1, 511, 512, (8ull << 30) - 1, 8ull << 30, 1ull << 40 };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct attest_transfer t;
		struct attest_report report;
		end = 0;
		assert_int_equal(ftruncate(out, 0), 0);
		member("big.sig", 1);
		u64 at = member("big/x", sizes[i]);
		finish();
		assert_int_equal(attest_transfer_read(out, &t, &report), 0);
		assert_int_equal(t.files[0].bytes, sizes[i]);
		assert_int_equal(t.files[0].offset, at);
		attest_transfer_fini(&t);
	}
}

static void bundles_come_first_and_in_order(void **state)
{
	struct attest_transfer t;
	struct attest_report report;
	(void)state;
	member("m.sig", 3);
	member("m.1.sig", 4);
	member("m", 5);
	finish();
	assert_int_equal(attest_transfer_read(out, &t, &report), 0);
	assert_int_equal(t.n_bundles, 2);
	assert_int_equal(t.bundles[1].bytes, 4);
	assert_true(t.single);
	assert_string_equal(t.files[0].path, "m");
	attest_transfer_fini(&t);
}

static void put_raw(const char *field, size_t offset, size_t len)
{
	/* the last header written, with one field other and its sum made right again */
	u8 h[TRANSFER_BLOCK];
	u32 sum = 0;
	assert_int_equal(pread(out, h, sizeof h, (off_t)(end - TRANSFER_BLOCK)), sizeof h);
	memcpy(h + offset, field, len);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < sizeof h; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
	assert_int_equal(pwrite(out, h, sizeof h, (off_t)(end - TRANSFER_BLOCK)), sizeof h);
}

/* A pax header whose record is text, before a file m/x. */
static void pax_before_file(const char *text)
{
	char block[TRANSFER_BLOCK] = "";
	member("m.sig", 512);
	member("records", 0);
	char size[16];
	snprintf(size, sizeof size, "%011o", (unsigned)strlen(text));
	put_raw(size, 124, 12);
	put_raw("x", 156, 1);
	memcpy(block, text, strlen(text));
	put(block, sizeof block);
	member("m/x", 0);
}

static void wrong_field(size_t offset, const char *field, size_t len)
{
	member("m.sig", 0);
	member("m/x", 0);
	put_raw(field, offset, len);
}

static void no_bundle(void)
{
	member("m/x", 1);
}
static void bundle_behind(void)
{
	member("m.sig", 1), member("m/x", 1), member("m.1.sig", 1);
}
static void bundle_skipped(void)
{
	member("m.sig", 1), member("m.2.sig", 1);
}
static void bundle_too_long(void)
{
	member("m.sig", BUNDLE_BYTES_MAX + 1ull), member("m/x", 1);
}
static void stranger(void)
{
	member("m.sig", 1), member("n/x", 1);
}
static void upwards(void)
{
	member("m.sig", 1), member("m/../x", 1);
}
static void absolute(void)
{
	member("m.sig", 1), member("m//x", 1);
}
static void file_and_directory(void)
{
	member("m.sig", 1), member("m", 1), member("m/x", 1);
}
static void directory_and_file(void)
{
	member("m.sig", 1), member("m/x", 1), member("m", 1);
}
static void nothing(void)
{
	member("m.sig", 1);
}
static void hard_link(void)
{
	wrong_field(156, "2", 1);
}
static void device(void)
{
	wrong_field(156, "3", 1);
}
static void long_name_of_gnu(void)
{
	wrong_field(156, "L", 1);
}
static void global_records(void)
{
	wrong_field(156, "g", 1);
}
static void not_ustar(void)
{
	wrong_field(257, "tar", 3);
}
static void size_no_number(void)
{
	wrong_field(124, "12345678x12", 12);
}
static void size_too_great(void)
{
	wrong_field(124, "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 12);
}
static void size_beyond(void)
{
	wrong_field(124, "00000010000", 12);
}
static void directory_with_bytes(void)
{
	wrong_field(156, "5", 1);
	put_raw("00000000001", 124, 12);
	put("x", 1);
	end += 511;
}
static void pax_no_length(void)
{
	pax_before_file("path=m/y\n");
}
static void pax_too_long(void)
{
	pax_before_file("99 path=m/y\n");
}
static void pax_too_short(void)
{
	pax_before_file("3 path=m/y\n");
}
static void pax_no_value(void)
{
	pax_before_file("7 path\n");
}
static void pax_size(void)
{
	pax_before_file("9 size=x\n");
}
static void pax_good(void)
{
	pax_before_file("12 path=m/y\n");
}
static void pax_other(void)
{
	pax_before_file("20 mtime=1234567.89\n");
}
static void empty_name(void)
{
	member(".sig", 1), member("/x", 1);
}
static void name_too_long(void)
{
	char name[NAME_LEN_MAX + 16] = "";
	memset(name, 'a', NAME_LEN_MAX + 8);
	strcat(name, ".sig");
	member(name, 1);
}
static void too_many_bundles(void)
{
	char name[32];
	member("m.sig", 1);
	for (u32 i = 1; i <= BUNDLES_MAX; i++) {
		snprintf(name, sizeof name, "m.%u.sig", i);
		member(name, 1);
	}
}
static void too_many_files(void)
{
	char name[32];
	member("m.sig", 1);
	for (u32 i = 0; i <= MODEL_FILES_MAX; i++) {
		snprintf(name, sizeof name, "m/%u", i);
		member(name, 1);
	}
}
static void bytes_behind(void)
{
	member("m.sig", 1);
	member("m/x", 1);
	end += 1024;
	put("x", 1);
	end += 511;
}
static void zeros_behind(void)
{
	member("m.sig", 1), member("m/x", 1), end += 64ull * 1024;
}
static void record_of_tar(void)
{
	member("m.sig", 1), member("m/x", 1), end += 10240;
}

static void what_breaks_a_rule_is_refused(void **state)
{
	static const struct {
		void (*make)(void);
		const char *code;
	} rows[] = { { no_bundle, "transfer" }, { bundle_behind, "transfer" }, { bundle_skipped, "transfer" },
		{ bundle_too_long, "transfer" }, { stranger, "transfer" }, { upwards, "path" },
		{ absolute, "path" }, { file_and_directory, "transfer" }, { directory_and_file, "transfer" },
		{ nothing, "empty-model" }, { hard_link, "transfer" }, { device, "transfer" },
		{ long_name_of_gnu, "transfer" }, { global_records, "transfer" }, { not_ustar, "transfer" },
		{ size_no_number, "transfer" }, { size_too_great, "transfer" }, { size_beyond, "transfer" },
		{ directory_with_bytes, "transfer" }, { pax_no_length, "transfer" },
		{ pax_too_long, "transfer" }, { pax_too_short, "transfer" }, { pax_no_value, "transfer" },
		{ pax_size, "transfer" }, { pax_good, "" }, { pax_other, "" }, { empty_name, "transfer" },
		{ name_too_long, "transfer" }, { too_many_bundles, "transfer" },
		{ too_many_files, "file-limit" }, { bytes_behind, "transfer" }, { zeros_behind, "transfer" },
		{ record_of_tar, "" } };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		end = 0;
		assert_int_equal(ftruncate(out, 0), 0);
		rows[i].make();
		finish();
		const char *got = judged();
		if (strcmp(got, rows[i].code))
			fail_msg("row %zu: \"%s\", not \"%s\"", i, got, rows[i].code);
	}
}

/* Cut anywhere, it is refused; each byte of a header other, it is refused or says the same files. */
static void cut_and_flipped(void **state)
{
	u8 whole[4096];
	(void)state;
	member("m.sig", 1);
	member("m/x", 1);
	finish();
	size_t len = (size_t)(end + TRANSFER_END_BYTES);
	assert_true(len <= sizeof whole);
	assert_int_equal(pread(out, whole, len, 0), len);
	for (size_t n = 0; n < end; n++) {
		assert_int_equal(ftruncate(out, 0), 0);
		assert_int_equal(pwrite(out, whole, n, 0), n);
		assert_string_equal(judged(), "transfer");
	}
	assert_int_equal(pwrite(out, whole, len, 0), len);
	for (size_t i = 0; i < TRANSFER_BLOCK; i++) {
		u8 other = whole[i] ^ 1;
		assert_int_equal(pwrite(out, &other, 1, (off_t)i), 1);
		/* two blanks and a 0 around the sum are not looked at */
		assert_true(!strcmp(judged(), "transfer") || (i >= 148 && i < 156));
		assert_int_equal(pwrite(out, &whole[i], 1, (off_t)i), 1);
	}
}

/* A file of the tree is a place in the archive; who signs sees one file. */
static void members_are_sources(void **state)
{
	struct attest_tree_params p = { .path = path_of, .transfers = true };
	struct attest_tree tree = { 0 };
	struct attest_report report;
	(void)state;
	member("m.sig", 1);
	u64 at = member("m/b", 1000);
	member("m/a", 0);
	finish();
	assert_int_equal(attest_tree_open(&p, &tree, &report), 0);
	assert_int_equal(tree.n_files, 2);
	assert_string_equal(tree.files[1].path, "b");
	assert_int_equal(tree.files[1].offset, at);
	assert_int_equal(tree.bytes, 1000);
	assert_string_equal(tree.name, "m");
	attest_tree_fini(&tree);
	p.transfers = false;
	assert_int_equal(attest_tree_open(&p, &tree, &report), 0);
	assert_int_equal(tree.n_files, 1);
	assert_int_equal(tree.files[0].offset, 0);
	attest_tree_fini(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(names_and_sizes_of_any_length, setup, teardown),
		cmocka_unit_test_setup_teardown(sizes_beyond_eight_gigabytes, setup, teardown),
		cmocka_unit_test_setup_teardown(bundles_come_first_and_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(what_breaks_a_rule_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_and_flipped, setup, teardown),
		cmocka_unit_test_setup_teardown(members_are_sources, setup, teardown),
	};
	return cmocka_run_group_tests_name("attest_transfer", tests, NULL, NULL);
}
