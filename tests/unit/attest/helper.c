#define _GNU_SOURCE
#include "helper.h"
#include "attest/policy.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct attest_blob helper_read(const char *path)
{
	struct attest_blob b = { 0 };
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s is not there", path);
	assert_int_equal(fd_read_file(fd, 1u << 30, &b.data, &b.len), 0);
	return b;
}

void helper_write(const char *path, const void *data, size_t len)
{
	_cleanup_fd_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, data, len), 0);
}

char *helper_tmp(void)
{
	char *dir = strdup("/tmp/keep-attest-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return dir;
}

static int rm_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

void helper_rm(char *dir)
{
	assert_int_equal(nftw(dir, rm_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	free(dir);
}

u32 helper_keys(const char *dir, const char *list, struct proto_key *ret, u32 max)
{
	char copy[128], *at = copy, path[512];
	u32 n = 0;
	if (!strcmp(list, "-"))
		return 0;
	snprintf(copy, sizeof copy, "%s", list);
	for (char *name; (name = strsep(&at, ","));) {
		struct attest_report report;
		snprintf(path, sizeof path, "%s/keys/%s.pub.pem", dir, name);
		struct attest_blob pem = helper_read(path);
		assert_true(n < max);
		assert_int_equal(attest_key_parse(pem.data, pem.len, &ret[n], &report), 0);
		assert_int_equal(bytes_put_str(ret[n].name, sizeof ret[n].name, name), 0);
		attest_blob_fini(&pem);
		n++;
	}
	return n;
}

u32 helper_threads;

static int verify(const struct attest_bundle_params *b, const char *bundle, const char *model,
	struct attest_report *report, struct attest_blob *ret)
{
	struct attest_manifest *m = NULL;
	struct attest_tree tree = { 0 };
	int r = attest_bundle_verify(b, &m, report);
	if (r)
		return r;
	struct attest_report of_tree;
	struct attest_tree_params t = { .path = model, .bundle_path = bundle, .listed = m };
	r = attest_tree_open(&t, &tree, &of_tree);
	if (r)
		*report = of_tree;
	struct attest_model_params p = {
		.manifest = m, .files = tree.files, .n_files = tree.n_files, .threads = helper_threads
	};
	if (r == 0 && !ret) {
		r = attest_model_verify(&p, NULL, report);
	} else if (r == 0) {
		struct attest_report without = *report; /* without a table, the verdict is the same */
		int again = attest_model_verify(&p, NULL, &without);
		r = attest_model_verify(&p, ret, report);
		assert_int_equal(again, r);
		memcpy(without.result, report->result, sizeof without.result);
		assert_memory_equal(&without, report, sizeof without);
	}
	attest_tree_fini(&tree);
	attest_manifest_free(m);
	return r;
}

static const char *judge(const char *bundle, const char *model, struct attest_bundle_params *b,
	struct attest_report *report, struct attest_blob *ret_segments)
{
	struct attest_blob data = helper_read(bundle), segments = { 0 };
	b->data = data.data;
	b->len = data.len;
	int r = verify(b, bundle, model, report, &segments);
	attest_blob_fini(&data);
	assert_in_range(r, 0, 1);
	assert_int_equal(report->verdict, r == 0 ? ATTEST_ACCEPTED : ATTEST_REJECTED);
	assert_true(bytes_str_ok(report->object, sizeof report->object));
	if (ret_segments && r == 0)
		*ret_segments = segments;
	else
		attest_blob_fini(&segments);
	return report->code;
}

const char *helper_verify(const char *bundle, const char *model, const struct proto_key *keys, u32 n_keys,
	struct attest_report *report, struct attest_blob *ret_segments)
{
	struct attest_bundle_params b = { .keys = keys, .n_keys = n_keys };
	return judge(bundle, model, &b, report, ret_segments);
}

const char *helper_verify_once(const char *bundle, const char *model, const struct proto_key *keys,
	u32 n_keys, struct attest_report *report)
{
	struct attest_blob data = helper_read(bundle);
	struct attest_bundle_params b = {
		.data = data.data, .len = data.len, .keys = keys, .n_keys = n_keys
	};
	int r = verify(&b, bundle, model, report, NULL);
	attest_blob_fini(&data);
	return r < 0 ? "undecided" : report->code;
}

const char *helper_verify_chain(const char *bundle, const char *model, const struct attest_certs *roots,
	i64 at, struct attest_report *report)
{
	struct attest_bundle_params b = { .roots = roots, .at = at };
	return judge(bundle, model, &b, report, NULL);
}

const char *helper_judge(
	const char *bundle, const char *model, struct attest_bundle_params *p, struct attest_report *report)
{
	return judge(bundle, model, p, report, NULL);
}

void helper_segments(const char *path, struct attest_tree *ret_tree, struct attest_blob *ret_segments)
{
	struct attest_report report;
	struct attest_tree_params t = { .path = path };
	assert_int_equal(attest_tree_open(&t, ret_tree, &report), 0);
	struct attest_file files[16];
	u8 digests[16][SHA256_BYTES];
	struct attest_manifest m = { .verified = true,
		.n_files = ret_tree->n_files,
		.files = files,
		.digests = digests[0],
		.n_digests = ret_tree->n_files };
	assert_true(ret_tree->n_files <= 16);
	for (u32 i = 0; i < ret_tree->n_files; i++) {
		const struct attest_source *s = &ret_tree->files[i];
		u8 *data;
		size_t len;
		assert_int_equal(fd_read_file(s->fd, 1u << 30, &data, &len), 0);
		sha256_of(data, len, digests[i]);
		free(data);
		files[i] = (struct attest_file){ s->path, i, 1, UINT64_MAX };
	}
	struct attest_model_params p = {
		.manifest = &m, .files = ret_tree->files, .n_files = ret_tree->n_files
	};
	assert_int_equal(attest_model_verify(&p, ret_segments, &report), 0);
}

const char *helper_layout(const char *path, struct attest_report *report, struct attest_blob *ret_layout)
{
	struct attest_tree tree;
	struct attest_blob segs = { 0 }, layout = { 0 };
	struct segments s;
	const char *why = "";
	helper_segments(path, &tree, &segs);
	assert_int_equal(segments_open(segs.data, segs.len, &s, &why), 0);
	struct attest_layout_params p = { .segments = &s, .files = tree.files, .n_files = tree.n_files };
	int r = attest_layout_make(&p, &layout, report);
	assert_in_range(r, 0, 1);
	struct layout l;
	if (r == 0)
		assert_int_equal(layout_open(layout.data, layout.len, &s, &l, &why), 0);
	if (ret_layout && r == 0)
		*ret_layout = layout;
	else
		attest_blob_fini(&layout);
	attest_tree_fini(&tree);
	attest_blob_fini(&segs);
	return report->code;
}

struct attest_policy *helper_policy(const char *text)
{
	struct attest_policy *p = NULL;
	struct attest_policy_errors e;
	if (attest_policy_parse(text, strlen(text), &p, &e))
		fail_msg("line %u: %s\n%s", e.v[0].line, e.v[0].text, text);
	return p;
}
