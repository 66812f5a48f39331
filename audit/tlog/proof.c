#include "audit/tlog/proof.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "c2sp.org/tlog-proof@v1";

int tlog_proof_read(const void *data, size_t len, struct tlog_proof *ret)
{
	struct tlog_proof p = { 0 };
	struct tlog_text t = tlog_text(data, len);
	struct tlog_line line, rest;
	struct note note;
	struct checkpoint cp;
	size_t n;
	if (len > PROOF_BYTES_MAX || tlog_text_line(&t, &line) || line.len != sizeof magic - 1 ||
		memcmp(line.s, magic, line.len) != 0 || tlog_text_line(&t, &line))
		return 1;
	if (tlog_line_after(&line, "extra ", &p.extra) &&
		(p.extra.len == 0 || tlog_unbase64(p.extra.s, p.extra.len, NULL, 0, &n) ||
			tlog_text_line(&t, &line)))
		return 1;
	if (!tlog_line_after(&line, "index ", &rest) || bytes_decimal(rest.s, rest.len, &p.index) ||
		tlog_text_hashes(&t, p.path.h, MERKLE_PROOF_MAX, &p.path.n))
		return 1;
	p.note = t.p;
	p.note_len = (size_t)(t.end - t.p);
	if (tlog_note_parse(p.note, p.note_len, &note) || tlog_checkpoint_read(note.text, note.text_len, &cp))
		return 1;
	*ret = p;
	return 0;
}

int tlog_proof_write(const struct tlog_proof *p, char **ret, size_t *ret_len)
{
	char *out = NULL, b[48];
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	if (!f)
		return err_errno();
	fprintf(f, "%s\n", magic);
	if (p->extra.len)
		fprintf(f, "extra %.*s\n", (int)p->extra.len, p->extra.s);
	fprintf(f, "index %" PRIu64 "\n", p->index);
	for (u32 i = 0; i < p->path.n; i++) {
		tlog_base64(p->path.h[i].b, sizeof p->path.h[i].b, b);
		fprintf(f, "%s\n", b);
	}
	fputc('\n', f);
	fwrite(p->note, 1, p->note_len, f);
	if (fclose(f) != 0) {
		free(out);
		return err_origin(-ENOMEM);
	}
	*ret = out;
	*ret_len = len;
	return 0;
}

int tlog_proof_verify(const struct tlog_policy *p, const void *data, size_t len,
	const struct merkle_hash *leaf, struct tlog_proof_verdict *ret, const char **ret_why)
{
	struct tlog_proof_verdict v;
	if (tlog_proof_read(data, len, &v.proof)) {
		*ret_why = "not a tlog-proof";
		return 1;
	}
	enum policy_judged j = tlog_policy_judge(p, v.proof.note, v.proof.note_len, &v.checkpoint);
	if (j != POLICY_VALID) {
		*ret_why = tlog_policy_words(j);
		return 1;
	}
	const struct checkpoint *c = &v.checkpoint.checkpoint;
	struct merkle_included in = { v.proof.index, c->size, leaf, &c->root, v.proof.path.h,
		v.proof.path.n };
	if (tlog_merkle_inclusion_check(&in)) {
		*ret_why = "the entry is not at that index of the checkpoint's tree";
		return 1;
	}
	*ret = v;
	return 0;
}
