#include "audit/tlog/witness.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int tlog_witness_read(const void *data, size_t len, struct witness_request *ret)
{
	struct witness_request q = { 0 };
	struct tlog_text t = tlog_text(data, len);
	struct tlog_line line, rest;
	if (len > WITNESS_BYTES_MAX || tlog_text_line(&t, &line) || !tlog_line_after(&line, "old ", &rest) ||
		bytes_decimal(rest.s, rest.len, &q.old) ||
		tlog_text_hashes(&t, q.proof, WITNESS_PROOF_MAX, &q.n_proof))
		return 1;
	q.checkpoint = t.p;
	q.checkpoint_len = (size_t)(t.end - t.p);
	int r = tlog_note_parse(q.checkpoint, q.checkpoint_len, &q.note);
	q.signatures_bad = r == 2;
	if (r == 1 || tlog_checkpoint_read(q.note.text, q.note.text_len, &q.cp))
		return 1;
	*ret = q;
	return 0;
}

int tlog_witness_write(u64 old, const struct merkle_proof *proof, const char *note, size_t note_len,
	char **ret, size_t *ret_len)
{
	char *out = NULL, b[48];
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	if (!f)
		return err_errno();
	fprintf(f, "old %" PRIu64 "\n", old);
	for (u32 i = 0; i < proof->n; i++) {
		tlog_base64(proof->h[i].b, sizeof proof->h[i].b, b);
		fprintf(f, "%s\n", b);
	}
	fputc('\n', f);
	fwrite(note, 1, note_len, f);
	if (fclose(f) != 0) {
		free(out);
		return err_origin(-ENOMEM);
	}
	*ret = out;
	*ret_len = len;
	return 0;
}

/* Is it known (404), and signed by a key of its log, with no such signature wrong (403)? Lines that are no signatures are malformed
 * (400), but one that claims to be of such a key is a wrong signature of it. */
static u32 judge_log(const struct witness_request *q, const struct note_key *logs, size_t n_logs)
{
	bool known = false, any = false;
	for (size_t i = 0; i < n_logs; i++) {
		struct note_signed s;
		if (!tlog_checkpoint_key_fits(&q->cp, &logs[i]))
			continue;
		known = true;
		if (q->signatures_bad && tlog_note_names(&q->note, &logs[i]))
			return 403;
		if (q->signatures_bad)
			continue;
		int r = tlog_note_judge(&q->note, &logs[i], 1, &s);
		if (r == 2)
			return 403;
		any |= r == 0;
	}
	return !known ? 404 : q->signatures_bad ? 400 : !any ? 403 : 200;
}

u32 tlog_witness_judge(const struct witness_request *q, const struct note_key *logs, size_t n_logs,
	const struct witness_seen *seen)
{
	u32 status = judge_log(q, logs, n_logs);
	u64 have = seen->seen ? seen->size : 0;
	const struct merkle empty = { 0 };
	struct merkle_hash none = tlog_merkle_root(&empty);
	if (status != 200)
		return status;
	if (q->old > q->cp.size)
		return 400;
	if (q->old != have)
		return 409;
	if (q->cp.size == 0 && memcmp(q->cp.root.b, none.b, sizeof none.b) != 0)
		return 422;
	if (q->old == 0)
		return q->n_proof == 0 ? 200 : 422;
	struct merkle_consistent c = { q->old, q->cp.size, &seen->root, &q->cp.root, q->proof, q->n_proof };
	return tlog_merkle_consistency_check(&c) ? 422 : 200;
}
