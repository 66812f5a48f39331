/* The files against the manifest: names equal, then one pass over the bytes, then digests. What comes out is the segment table. */
#include "attest/internal.h"
#include "base/bytes.h"

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

struct table {
	struct segments_header h;
	struct attest_blob blob; /* data NULL: none is wanted */
	struct segments_file *files;
	u8 (*digests)[SHA256_BYTES];
};

static int table_sizes(struct table *t, const struct match *m, u32 n, struct attest_report *report)
{
	t->h = (struct segments_header){ .segment_bytes = SEGMENT_BYTES, .n_files = n };
	memcpy(t->h.magic, SEGMENTS_MAGIC, sizeof t->h.magic);
	for (u32 i = 0; i < n; i++) {
		u64 bytes = m[i].source->bytes;
		if (bytes > MODEL_BYTES_MAX || t->h.bytes > MODEL_BYTES_MAX - bytes)
			return attest_reject(report, ATTEST_FILE_LIMIT, m[i].source->path,
				"the model is larger than %llu bytes", MODEL_BYTES_MAX);
		t->h.bytes += bytes;
		t->h.n_segments += DIV_UP(bytes, (u64)SEGMENT_BYTES);
	}
	return 0;
}

static int table_make(struct table *t, const struct match *m, u32 n)
{
	size_t len = sizeof t->h + n * sizeof *t->files + t->h.n_segments * SHA256_BYTES;
	u64 first = 0;
	t->blob = (struct attest_blob){ calloc(1, len), len };
	if (!t->blob.data)
		return err_origin(-ENOMEM);
	memcpy(t->blob.data, &t->h, sizeof t->h);
	t->files = (void *)(t->blob.data + sizeof t->h);
	t->digests = (void *)(t->files + n);
	for (u32 i = 0; i < n; i++) {
		struct segments_file *f = &t->files[i];
		f->bytes = m[i].source->bytes;
		f->first = first;
		f->count = DIV_UP(f->bytes, (u64)SEGMENT_BYTES);
		memcpy(f->path, m[i].source->path, sizeof f->path);
		first += f->count;
	}
	return 0;
}

static_assert(sizeof(((struct segments_file *)0)->path) == sizeof(((struct attest_source *)0)->path), "path");

/* ---- the bytes ------------------------------------------------------------------------------------------------------------- */

struct work {
	const struct attest_manifest *manifest;
	const struct match *m; /* of the manifest's files */
	struct table table;
	u8 *found; /* beside manifest->digests, and as long */
	u32 digest_bytes;
};

static bool whole_files(const struct work *w)
{
	return w->table.blob.data || !w->manifest->shard_bytes;
}

static void file_task(struct work *w, u32 i, struct pass_task *t)
{
	const struct match *m = &w->m[i];
	t->source = m->source;
	t->to = m->source->bytes;
	t->digests = w->found + (size_t)m->signed_file->first * w->digest_bytes;
	if (!w->table.blob.data)
		return;
	t->stage = m->stage;
	t->piece_bytes = w->manifest->shard_bytes;
	t->file = w->table.files[i].digest;
	t->segments = w->table.digests + w->table.files[i].first;
}

/* The file that the i-th digest is of: files stand in the order of their digests. */
static u32 file_of_digest(const struct work *w, u32 i)
{
	u32 lo = 0, hi = w->manifest->n_files;
	while (hi - lo > 1) {
		u32 mid = lo + (hi - lo) / 2;
		if (w->manifest->files[mid].first <= i)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static void shard_task(struct work *w, u32 i, struct pass_task *t)
{
	const struct match *m = &w->m[file_of_digest(w, i)];
	u64 size = w->manifest->shard_bytes;
	t->source = m->source;
	t->from = (i - m->signed_file->first) * size;
	t->to = MIN(t->from + size, m->source->bytes);
	t->digests = w->found + (size_t)i * w->digest_bytes;
}

static void task(void *ctx, u32 i, struct pass_task *ret)
{
	struct work *w = ctx;
	*ret = (struct pass_task){ .stage = -1 };
	if (whole_files(w))
		file_task(w, i, ret);
	else
		shard_task(w, i, ret);
}

static int digests_compare(
	const struct work *w, const struct match *m, u32 first, u32 n, struct attest_report *report)
{
	for (u32 i = first; i < first + n; i++) {
		const u8 *want = w->manifest->digests + (size_t)i * w->digest_bytes,
			 *found = w->found + (size_t)i * w->digest_bytes;
		if (!memcmp(found, want, w->digest_bytes))
			continue;
		u64 from = (i - m->signed_file->first) * w->manifest->shard_bytes;
		if (w->manifest->shard_bytes)
			attest_reject(report, ATTEST_DIGEST, m->source->path,
				"the bytes of %s from %llu on are not the ones that were signed",
				m->source->path, (unsigned long long)from);
		else
			attest_reject(report, ATTEST_DIGEST, m->source->path,
				"the bytes of %s are not the ones that were signed", m->source->path);
		attest_expected_digest(report, want, found, w->digest_bytes);
		return 1;
	}
	return 0;
}

static int done(void *ctx, u32 i, struct attest_report *report)
{
	const struct work *w = ctx;
	if (!whole_files(w))
		return digests_compare(w, &w->m[file_of_digest(w, i)], i, 1, report);
	return digests_compare(w, &w->m[i], w->m[i].signed_file->first, w->m[i].signed_file->n, report);
}

static int lengths_check(
	const struct attest_manifest *manifest, const struct match *m, struct attest_report *report)
{
	for (u32 i = 0; i < manifest->n_files && manifest->shard_bytes; i++) {
		if (m[i].source->bytes == m[i].signed_file->bytes)
			continue;
		attest_reject(report, ATTEST_SHARD, m[i].source->path,
			"%s is not as long as its signed shards", m[i].source->path);
		attest_expected_u64(report, m[i].signed_file->bytes, m[i].source->bytes);
		return 1;
	}
	return 0;
}

static int files_verify(const struct attest_model_params *p, const struct match *m,
	struct attest_blob *ret_segments, struct attest_report *report)
{
	const struct attest_manifest *manifest = p->manifest;
	struct work w = { .manifest = manifest, .m = m, .digest_bytes = hash_bytes(manifest->hash) };
	int r = lengths_check(manifest, m, report);
	r = r ? r : table_sizes(&w.table, m, manifest->n_files, report);
	if (r)
		return r;
	_cleanup_free_ u8 *found = calloc(manifest->n_digests, w.digest_bytes);
	if (!found)
		return err_origin(-ENOMEM);
	w.found = found;
	r = ret_segments ? table_make(&w.table, m, manifest->n_files) : 0;
	r = r ? r
	      : pass_run(
			&(struct pass_params){ .n = whole_files(&w) ? manifest->n_files : manifest->n_digests,
				.hash = manifest->hash,
				.threads = p->threads,
				.total = w.table.h.bytes,
				.progress = p->progress,
				.ctx = &w,
				.task = task,
				.done = done },
			report);
	if (r) {
		attest_blob_fini(&w.table.blob);
		return r;
	}
	report->bytes = w.table.h.bytes;
	if (ret_segments)
		*ret_segments = w.table.blob;
	return 0;
}

int attest_model_verify(
	const struct attest_model_params *p, struct attest_blob *ret_segments, struct attest_report *report)
{
	assert(p->manifest->verified && (ret_segments || !p->stages));
	if (p->n_files == 0)
		return attest_reject(report, ATTEST_EMPTY_MODEL, "model", "there is no file");
	if (p->n_files > MODEL_FILES_MAX)
		return attest_reject(
			report, ATTEST_FILE_LIMIT, "model", "there are more than %u files", MODEL_FILES_MAX);
	_cleanup_free_ struct match *sorted = calloc(p->n_files, sizeof *sorted);
	_cleanup_free_ struct match *matched = calloc(p->manifest->n_files, sizeof *matched);
	if (!sorted || !matched)
		return err_origin(-ENOMEM);
	int r = names_match(p, sorted, matched, report);
	r = r ? r : files_verify(p, matched, ret_segments, report);
	if (r)
		return r;
	report->n_files = p->manifest->n_files;
	if (ret_segments)
		sha256_of(ret_segments->data, ret_segments->len, report->result);
	return 0;
}
