#include "audit/tlog/review.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char magic[] = "keep review v1";

static bool line_ok(const struct tlog_line *l)
{
	if (!l->s || l->len == 0 || l->len > REVIEW_LINE_MAX || !bytes_utf8_ok(l->s, l->len))
		return false;
	for (size_t i = 0; i < l->len; i++)
		if ((u8)l->s[i] < 0x20 || l->s[i] == 0x7f)
			return false;
	return true;
}

int tlog_review_text(const struct tlog_review *r, char **ret)
{
	char root[48], vkey[NOTE_VKEY_MAX], *out = NULL;
	size_t len = 0;
	bool ok = line_ok(&r->remark) && r->n_questions <= REVIEW_QUESTIONS_MAX && r->from < r->to;
	for (u32 i = 0; ok && i < r->n_questions; i++)
		ok = line_ok(&r->question[i]);
	if (!ok)
		return 1;
	FILE *f = open_memstream(&out, &len);
	if (!f)
		return err_errno();
	tlog_base64(r->root.b, sizeof r->root.b, root);
	tlog_note_vkey(&r->key, vkey, sizeof vkey);
	fprintf(f, "%s\n%s\nrange %" PRIu64 " %" PRIu64 "\nroot %s\nkey %s\ntime %" PRIu64 "\nremark %.*s\n",
		magic, r->origin, r->from, r->to, root, vkey, r->time, (int)r->remark.len, r->remark.s);
	for (u32 i = 0; i < r->n_questions; i++)
		fprintf(f, "question %.*s\n", (int)r->question[i].len, r->question[i].s);
	if (fclose(f) != 0) {
		free(out);
		return err_origin(-ENOMEM);
	}
	*ret = out;
	return 0;
}

/* The next line, which begins so. */
static int next(struct tlog_text *t, const char *prefix, struct tlog_line *ret)
{
	struct tlog_line line;
	return tlog_text_line(t, &line) || !tlog_line_after(&line, prefix, ret);
}

static int range(const struct tlog_line *l, struct tlog_review *r)
{
	const char *gap = memchr(l->s, ' ', l->len);
	if (!gap)
		return 1;
	size_t n = (size_t)(gap - l->s);
	return bytes_decimal(l->s, n, &r->from) || bytes_decimal(gap + 1, l->len - n - 1, &r->to) ||
	       r->from >= r->to;
}

int tlog_review_read(const char *text, size_t len, struct tlog_review *ret)
{
	struct tlog_review r = { 0 };
	struct tlog_text t = tlog_text(text, len);
	struct tlog_line l;
	if (len > REVIEW_BYTES_MAX || tlog_text_line(&t, &l) || l.len != sizeof magic - 1 ||
		memcmp(l.s, magic, l.len) != 0 || tlog_text_line(&t, &l) || !line_ok(&l) ||
		l.len > NOTE_NAME_MAX)
		return 1;
	memcpy(r.origin, l.s, l.len);
	if (next(&t, "range ", &l) || range(&l, &r) || next(&t, "root ", &l) ||
		tlog_hash(l.s, l.len, &r.root) || next(&t, "key ", &l) ||
		tlog_note_key_from_vkey(l.s, l.len, &r.key) || r.key.type != NOTE_ED25519 ||
		next(&t, "time ", &l) || bytes_decimal(l.s, l.len, &r.time) ||
		next(&t, "remark ", &r.remark) || !line_ok(&r.remark))
		return 1;
	while (t.p < t.end) {
		if (r.n_questions == REVIEW_QUESTIONS_MAX || next(&t, "question ", &l) || !line_ok(&l))
			return 1;
		r.question[r.n_questions++] = l;
	}
	*ret = r;
	return 0;
}

int tlog_review_open(const char *note, size_t len, struct tlog_review *ret)
{
	struct tlog_review r;
	struct note n;
	struct note_signed s;
	if (len > REVIEW_BYTES_MAX || tlog_note_parse(note, len, &n) ||
		tlog_review_read(n.text, n.text_len, &r))
		return 1;
	if (tlog_note_judge(&n, &r.key, 1, &s))
		return 2;
	*ret = r;
	return 0;
}
