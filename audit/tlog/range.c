#include "audit/tlog/range.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "keep-range@v1";

/* Level of the largest complete subtree that begins at `at` and ends at or before `size`. */
static u32 level_at(u64 at, u64 size)
{
	u32 level = at ? (u32)__builtin_ctzll(at) : 63;
	u32 most = 63 - (u32)__builtin_clzll(size - at);
	return MIN(level, most);
}

/* Roots of the largest subtrees that fill [at, end), where the first of them may begin at `at`. */
static int fill(const struct merkle_source *s, u64 at, u64 end, struct tlog_range *r)
{
	while (at < end) {
		u32 level = level_at(at, end);
		int e = tlog_merkle_subtree(s, level, at >> level, &r->h[r->n]);
		if (e)
			return e;
		r->n++;
		at += 1ull << level;
	}
	return 0;
}

int tlog_range_make(const struct merkle_source *s, u64 from, u64 to, u64 size, struct tlog_range *ret)
{
	struct tlog_range r = { .from = from, .to = to };
	if (from >= to || to > size)
		return 1;
	int e = fill(s, 0, from, &r);
	e = e ? e : fill(s, to, size, &r);
	if (!e)
		*ret = r;
	return e;
}

int tlog_range_write(const struct tlog_range *r, char **ret, size_t *ret_len)
{
	char *out = NULL, b[48];
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	if (!f)
		return err_errno();
	fprintf(f, "%s\nfrom %" PRIu64 "\nto %" PRIu64 "\n", magic, r->from, r->to);
	for (u32 i = 0; i < r->n; i++) {
		tlog_base64(r->h[i].b, sizeof r->h[i].b, b);
		fprintf(f, "%s\n", b);
	}
	fputc('\n', f);
	fwrite(r->note, 1, r->note_len, f);
	if (fclose(f) != 0) {
		free(out);
		return err_origin(-ENOMEM);
	}
	*ret = out;
	*ret_len = len;
	return 0;
}

static int line_number(struct tlog_text *t, const char *prefix, u64 *ret)
{
	struct tlog_line line, rest;
	return tlog_text_line(t, &line) || !tlog_line_after(&line, prefix, &rest) ||
	       bytes_decimal(rest.s, rest.len, ret);
}

int tlog_range_read(const void *data, size_t len, struct tlog_range *ret)
{
	struct tlog_range r = { 0 };
	struct tlog_text t = tlog_text(data, len);
	struct tlog_line line;
	struct note note;
	struct checkpoint cp;
	if (len > PROOF_BYTES_MAX || tlog_text_line(&t, &line) || line.len != sizeof magic - 1 ||
		memcmp(line.s, magic, line.len) != 0 || line_number(&t, "from ", &r.from) ||
		line_number(&t, "to ", &r.to) || r.from >= r.to ||
		tlog_text_hashes(&t, r.h, RANGE_HASHES_MAX, &r.n))
		return 1;
	r.note = t.p;
	r.note_len = (size_t)(t.end - t.p);
	if (tlog_note_parse(r.note, r.note_len, &note) ||
		tlog_checkpoint_read(note.text, note.text_len, &cp) || r.to > cp.size)
		return 1;
	*ret = r;
	return 0;
}

int tlog_range_begin(const struct tlog_range *r, struct merkle *ret)
{
	struct merkle m = { 0 };
	struct merkle_hash path[MERKLE_PROOF_MAX + 1];
	u32 n = 0;
	while (m.size < r->from) {
		if (n == r->n)
			return 1;
		tlog_merkle_add_subtree(&m, level_at(m.size, r->from), &r->h[n++], path);
	}
	*ret = m;
	return 0;
}

int tlog_range_end(const struct tlog_range *r, u64 size, struct merkle *tree)
{
	struct merkle_hash path[MERKLE_PROOF_MAX + 1];
	u32 n = (u32)__builtin_popcountll(r->from);
	if (tree->size != r->to || size < r->to)
		return 1;
	while (tree->size < size) {
		if (n == r->n)
			return 1;
		tlog_merkle_add_subtree(tree, level_at(tree->size, size), &r->h[n++], path);
	}
	return n == r->n ? 0 : 1;
}
