/* A statement, as if its signature had held: what comes out of the reader is a list that the rest may rely on. */
#include "attest/internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Digests in the files' order without gap, names proper, shards within the limit. */
static void manifest_check(const struct attest_manifest *m)
{
	u32 next = 0;
	assert(m->n_files > 0 && m->n_files <= MODEL_FILES_MAX && hash_available(m->hash));
	for (u32 i = 0; i < m->n_files; i++) {
		const struct attest_file *f = &m->files[i];
		assert(f->first == next && f->n > 0);
		assert(path_ok(f->path, strlen(f->path)) || (!strcmp(f->path, ".") && m->n_files == 1));
		if (m->shard_bytes)
			assert(f->bytes <= f->n * m->shard_bytes && f->bytes > (f->n - 1) * m->shard_bytes);
		else
			assert(f->n == 1 && f->bytes == UINT64_MAX);
		next += f->n;
	}
	assert(next == m->n_digests && m->shard_bytes <= SHARD_BYTES_MAX && m->name[0]);
	for (u32 i = 0; i < m->n_ignore; i++)
		assert(path_ok(m->ignore[i], strlen(m->ignore[i])));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_manifest *m = NULL;
	struct attest_report report;
	attest_report_init(&report);
	int r = statement_parse(data, size, &m, &report);
	assert((r == 0) == (m != NULL) && (r == 1) == (report.verdict == ATTEST_REJECTED));
	if (m)
		manifest_check(m);
	attest_manifest_free(m);
	return 0;
}
