/* The files against the manifest: names equal, then one pass over the bytes, then digests. What comes out is the segment table. */
#include "attest/internal.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void attest_blob_fini(struct attest_blob *b)
{
	free(b->data);
	*b = (struct attest_blob){ 0 };
}

struct match {
	const struct attest_file *signed_file;
	const struct attest_source *source;
	int stage;
};

static int by_source_path(const void *a, const void *b)
{
	const struct match *x = a, *y = b;
	return strcmp(x->source->path, y->source->path);
}

/* An unnamed single file (bundles before v1.1) stands for the one source, whatever its name. */
static const char *name_of(const struct attest_model_params *p, const struct attest_file *f)
{
	return !strcmp(f->path, ".") && p->n_files == 1 ? p->files[0].path : f->path;
}

static struct match *match_find(struct match *m, u32 n, const char *path)
{
	u32 lo = 0, hi = n;
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		int c = strcmp(path, m[mid].source->path);
		if (c == 0)
			return &m[mid];
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

static int sources_check(const struct match *m, u32 n, struct attest_report *report)
{
	for (u32 i = 0; i < n; i++) {
		const char *path = m[i].source->path;
		if (!bytes_str_ok(path, sizeof m[i].source->path) || !path_ok(path, strlen(path)))
			return attest_reject(
				report, ATTEST_PATH, path, "the name is not relative, plain UTF-8");
		if (i && !strcmp(m[i - 1].source->path, path))
			return attest_reject(report, ATTEST_DUPLICATE_FILE, path, "%s is there twice", path);
	}
	return 0;
}

/* ret[i]: the source of the manifest's i-th file. */
static int names_match(const struct attest_model_params *p, struct match *sorted, struct match *ret,
	struct attest_report *report)
{
	for (u32 i = 0; i < p->n_files; i++)
		sorted[i] = (struct match){ NULL, &p->files[i], p->stages ? p->stages[i] : -1 };
	qsort(sorted, p->n_files, sizeof *sorted, by_source_path);
	int r = sources_check(sorted, p->n_files, report);
	if (r)
		return r;
	for (u32 i = 0; i < p->manifest->n_files; i++) {
		const struct attest_file *f = &p->manifest->files[i];
		struct match *m = match_find(sorted, p->n_files, name_of(p, f));
		if (!m)
			return attest_reject(report, ATTEST_MISSING_FILE, f->path,
				"%s was signed and is not there", f->path);
		m->signed_file = f;
		ret[i] = *m;
	}
	for (u32 i = 0; i < p->n_files; i++)
		if (!sorted[i].signed_file)
			return attest_reject(report, ATTEST_EXTRA_FILE, sorted[i].source->path,
				"%s is there and was not signed", sorted[i].source->path);
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------------------------------------- */

static int table_make(const struct match *m, u32 n, struct attest_blob *ret, struct segments_header **ret_h,
	struct segments_file **ret_files, u8 (**ret_digests)[SHA256_BYTES], struct attest_report *report)
{
	struct segments_header h = { .segment_bytes = SEGMENT_BYTES, .n_files = n };
	memcpy(h.magic, SEGMENTS_MAGIC, sizeof h.magic);
	for (u32 i = 0; i < n; i++) {
		u64 bytes = m[i].source->bytes;
		if (bytes > MODEL_BYTES_MAX || h.bytes > MODEL_BYTES_MAX - bytes)
			return attest_reject(report, ATTEST_FILE_LIMIT, m[i].source->path,
				"the model is larger than %llu bytes", MODEL_BYTES_MAX);
		h.bytes += bytes;
		h.n_segments += DIV_UP(bytes, (u64)SEGMENT_BYTES);
	}
	size_t len = sizeof h + n * sizeof **ret_files + h.n_segments * SHA256_BYTES;
	u8 *data = calloc(1, len);
	if (!data)
		return err_origin(-ENOMEM);
	memcpy(data, &h, sizeof h);
	*ret_h = (void *)data;
	*ret_files = (void *)(data + sizeof h);
	*ret_digests = (void *)(*ret_files + n);
	*ret = (struct attest_blob){ data, len };
	return 0;
}

static int shards_compare(const struct attest_model_params *p, const struct match *m,
	u8 (*found)[SHA256_BYTES], struct attest_report *report)
{
	const struct attest_file *f = m->signed_file;
	for (u32 i = 0; i < f->n; i++) {
		if (!memcmp(found[i], p->manifest->digests[f->first + i], SHA256_BYTES))
			continue;
		attest_reject(report, ATTEST_DIGEST, m->source->path,
			"the bytes of %s from %llu on are not the ones that were signed", m->source->path,
			(unsigned long long)(i * p->manifest->shard_bytes));
		attest_expected_hex(report, p->manifest->digests[f->first + i], found[i]);
		return 1;
	}
	return 0;
}

static int file_compare(const struct attest_model_params *p, const struct match *m,
	const u8 found[SHA256_BYTES], struct attest_report *report)
{
	const u8 *want = p->manifest->digests[m->signed_file->first];
	if (!memcmp(found, want, SHA256_BYTES))
		return 0;
	attest_reject(report, ATTEST_DIGEST, m->source->path,
		"the bytes of %s are not the ones that were signed", m->source->path);
	attest_expected_hex(report, want, found);
	return 1;
}

static int file_verify(const struct attest_model_params *p, struct pass *pass, const struct match *m,
	struct segments_file *entry, u8 (*segments)[SHA256_BYTES], struct attest_report *report)
{
	u64 shard_bytes = p->manifest->shard_bytes;
	_cleanup_free_ u8(*shards)[SHA256_BYTES] = NULL;
	if (shard_bytes && m->source->bytes != m->signed_file->bytes) {
		attest_reject(report, ATTEST_SHARD, m->source->path, "%s is not as long as its signed shards",
			m->source->path);
		attest_expected_u64(report, m->signed_file->bytes, m->source->bytes);
		return 1;
	}
	if (shard_bytes && !(shards = calloc(m->signed_file->n, SHA256_BYTES)))
		return err_origin(-ENOMEM);
	struct pass_file f = { .source = m->source,
		.stage = m->stage,
		.shard_bytes = shard_bytes,
		.segments = segments,
		.shards = shards };
	int r = pass_run(pass, &f, report);
	r = r ? r : shard_bytes ? shards_compare(p, m, shards, report) : file_compare(p, m, f.digest, report);
	if (r)
		return r;
	entry->bytes = m->source->bytes;
	entry->count = DIV_UP(entry->bytes, (u64)SEGMENT_BYTES);
	memcpy(entry->digest, f.digest, SHA256_BYTES);
	memcpy(entry->path, m->source->path, sizeof entry->path);
	return 0;
}

static_assert(sizeof(((struct segments_file *)0)->path) == sizeof(((struct attest_source *)0)->path), "path");

static int files_verify(const struct attest_model_params *p, const struct match *m, struct attest_blob *ret,
	struct attest_report *report)
{
	u32 n = p->manifest->n_files;
	struct segments_header *h = NULL;
	struct segments_file *files = NULL;
	u8(*digests)[SHA256_BYTES] = NULL;
	struct pass *pass = NULL;
	int r = table_make(m, n, ret, &h, &files, &digests, report);
	r = r ? r : pass_create(h->bytes, p->progress, &pass);
	u64 first = 0;
	for (u32 i = 0; i < n && !r; i++) {
		files[i].first = first;
		r = file_verify(p, pass, &m[i], &files[i], digests + first, report);
		first += files[i].count;
	}
	pass_destroy(pass);
	if (!r)
		report->bytes = h->bytes;
	return r;
}

int attest_model_verify(
	const struct attest_model_params *p, struct attest_blob *ret_segments, struct attest_report *report)
{
	assert(p->manifest->verified);
	if (p->n_files == 0)
		return attest_reject(report, ATTEST_EMPTY_MODEL, "model", "there is no file");
	if (p->n_files > MODEL_FILES_MAX)
		return attest_reject(
			report, ATTEST_FILE_LIMIT, "model", "there are more than %u files", MODEL_FILES_MAX);
	_cleanup_free_ struct match *sorted = calloc(p->n_files, sizeof *sorted);
	_cleanup_free_ struct match *matched = calloc(p->manifest->n_files, sizeof *matched);
	if (!sorted || !matched)
		return err_origin(-ENOMEM);
	struct attest_blob table = { 0 };
	int r = names_match(p, sorted, matched, report);
	r = r ? r : files_verify(p, matched, &table, report);
	if (r) {
		attest_blob_fini(&table);
		return r;
	}
	report->n_files = p->manifest->n_files;
	sha256_of(table.data, table.len, report->result);
	*ret_segments = table;
	return 0;
}
