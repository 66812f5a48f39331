/* Questions about the log: its records, what leaves with a proof, and whether it holds. */
#include "audit/import.h"
#include "audit/keeping.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define RECORDS_PER_CALL 10000u	    /* records of one answer */
#define LINES_BYTES_MAX	 (8u << 20) /* bytes of records in one answer; then fewer come than were asked for */
#define CHECK_SLICE	 2000u	    /* records checked between two looks at the sockets */

static void log_read(struct conn *c, const char *what, u64 first, u64 count)
{
	look_record(c, &(struct look_told){ .what = what, .first = first, .count = count });
}

struct lines {
	u8 *buf;
	size_t len, cap;
	u64 n;
};

static int add_line(void *arg, u64 index, const char *line, size_t len)
{
	struct lines *l = arg;
	if (l->len + len + 1 > LINES_BYTES_MAX)
		return 1;
	if (l->len + len + 1 > l->cap) {
		size_t cap = MAX(2 * l->cap, ALIGN_UP(l->len + len + 1, (size_t)65536));
		u8 *p = realloc(l->buf, cap);
		if (!p)
			return err_origin(-ENOMEM);
		l->buf = p;
		l->cap = cap;
	}
	memcpy(l->buf + l->len, line, len);
	l->buf[l->len + len] = '\n';
	l->len += len + 1;
	l->n++;
	return 0;
}

static int records(struct conn *c, u64 id, u64 first, u64 count)
{
	struct lines l = { 0 };
	u64 size = audit_log_size(c->k->log);
	count = count == 0 || count > RECORDS_PER_CALL ? RECORDS_PER_CALL : count;
	if (first == UINT64_MAX)
		first = size > count ? size - count : 0;
	int r = audit_log_lines(c->k->log, first, count, add_line, &l);
	if (r >= 0)
		r = client_data(c, id, l.buf, l.len);
	free(l.buf);
	if (r) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "records: %s", strerror(-r));
		return 0;
	}
	log_read(c, "records", first, l.n);
	client_end(c, id, END_DONE, UINT64_MAX, "%s", "");
	return 0;
}

static int record(struct conn *c, u64 id, u64 index)
{
	struct lines l = { 0 };
	int r = audit_log_lines(c->k->log, index, 1, add_line, &l);
	if (!r && (l.n == 0 || index >= audit_log_size(c->k->log))) {
		client_end(c, id, END_REFUSED, UINT64_MAX, "record %" PRIu64 ": the log has %" PRIu64, index,
			audit_log_size(c->k->log));
		free(l.buf);
		return 0;
	}
	if (!r)
		r = client_data(c, id, l.buf, l.len);
	free(l.buf);
	if (r) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "record %" PRIu64 ": %s", index, strerror(-r));
		return 0;
	}
	log_read(c, "record", index, 1);
	client_end(c, id, END_DONE, UINT64_MAX, "%s", "");
	return 0;
}

/* The checkpoint of the last commit: what anybody may carry away. */
static int checkpoint(struct conn *c, u64 id)
{
	const struct audit_log *log = c->k->log;
	const struct note_key *key = audit_log_key(log);
	const char *note = audit_log_note(log);
	struct checkpoint cp = { 0 };
	size_t text_len;
	char vkey[NOTE_VKEY_MAX];
	if (tlog_note_open(note, strlen(note), key, 1, &text_len) ||
		tlog_checkpoint_read(note, text_len, &cp)) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "checkpoint: the stored one does not verify");
		return 0;
	}
	tlog_note_vkey(key, vkey, sizeof vkey);
	struct jsonw w;
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	jsonw_object(&w);
	jsonw_kv_str(&w, "origin", cp.origin);
	jsonw_kv_u64(&w, "size", cp.size);
	jsonw_kv_hex(&w, "root", cp.root.b, sizeof cp.root.b);
	jsonw_kv_str(&w, "vkey", vkey);
	rotate_list(c->k, &w);
	jsonw_kv_str(&w, "note", note);
	jsonw_object_end(&w);
	jsonw_newline(&w);
	return query_answer(c, id, &w);
}

/* ---- what leaves with a proof ---- */

static int entry_line(void *arg, u64 index, const char *line, size_t len)
{
	struct jsonw *w = arg;
	jsonw_key(w, "entry");
	jsonw_strn(w, line, len);
	return 1;
}

/* A receipt, a request, or what stands beside an excerpt, as the text that goes to a file. */
static int proof(struct conn *c, const struct proto_query *q, u64 id)
{
	struct keepd *k = c->k;
	struct witness_out out = { 0 };
	bool receipt = q->what == QUERY_RECEIPT, range = q->what == QUERY_RANGE;
	u64 to = 0;
	if (range && (q->count == 0 || __builtin_add_overflow(q->first, q->count, &to)))
		return -EPROTO;
	int r = receipt ? witness_receipt(k, q->first, q->count == 1, &out)
		: range ? witness_range(k, q->first, to, q->name[0] != 0, &out)
			: witness_request(k, q->first, &out);
	if (r) {
		client_end(c, id, r > 0 ? END_REFUSED : END_UNDECIDED, UINT64_MAX, "%" PRIu64 ": %s",
			range ? to : q->first, r > 0 ? "the log has not so many records" : strerror(-r));
		return 0;
	}
	struct jsonw w;
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	jsonw_object(&w);
	jsonw_kv_u64(&w, "size", out.size);
	jsonw_kv_bool(&w, "witnessed", out.witnessed);
	jsonw_key(&w, "text");
	jsonw_strn(&w, out.text, out.len);
	r = receipt ? audit_log_lines(k->log, q->first, 1, entry_line, &w) : 1;
	jsonw_object_end(&w);
	jsonw_newline(&w);
	free(out.text);
	if (r != 1) {
		jsonw_fini(&w);
		client_end(
			c, id, END_UNDECIDED, UINT64_MAX, "record %" PRIu64 " could not be read", q->first);
		return 0;
	}
	log_read(c, receipt ? "receipt" : range ? "range" : "request", q->first, range ? q->count : 1);
	return query_answer(c, id, &w);
}

/* ---- what records name by digest ---- */

static int blob(struct conn *c, const char *hex, u64 id)
{
	_cleanup_free_ u8 *data = NULL;
	u8 digest[SHA256_BYTES];
	size_t len = 0;
	if (strlen(hex) != 2 * sizeof digest || bytes_unhex(hex, sizeof digest, digest))
		return -EPROTO;
	int r = audit_log_blob(c->k->log, digest, &data, &len);
	if (r) {
		client_end(c, id, r > 0 ? END_REFUSED : END_UNDECIDED, UINT64_MAX, "file %.16s...: %s", hex,
			r > 0 ? "it is not kept" : strerror(-r));
		return 0;
	}
	struct jsonw w;
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	jsonw_object(&w);
	jsonw_key(&w, "text");
	jsonw_strn(&w, data, len);
	jsonw_object_end(&w);
	jsonw_newline(&w);
	return query_answer(c, id, &w);
}

/* ---- what is not answered yet ---- */

static void put_open(struct jsonw *w, u64 intent, const char *event)
{
	jsonw_object(w);
	jsonw_kv_u64(w, "intent", intent);
	jsonw_kv_str(w, "event", event);
	jsonw_object_end(w);
	jsonw_newline(w);
}

static int open_intents(struct conn *c, u64 id)
{
	const struct keepd *k = c->k;
	struct jsonw w;
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	for (const struct ticket *t = k->tickets; t; t = t->next)
		put_open(&w, t->intent, "request");
	for (const struct grant *g = k->grants; g; g = g->next)
		if (g->state == GRANT_LOADING)
			put_open(&w, g->id, "grant");
	for (u32 i = 0; i < k->state.n_pending; i++)
		put_open(&w, k->state.pending[i].index, "propose");
	if (k->import && k->import->intended)
		put_open(&w, k->import->intent, "import-intent");
	return query_answer(c, id, &w);
}

/* ---- verify: in slices ---- */

static int verify(struct conn *c, u64 id)
{
	log_read(c, "verify", 0, audit_log_size(c->k->log));
	c->check = calloc(1, sizeof *c->check);
	if (!c->check) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "verify: %s", strerror(ENOMEM));
		return 0;
	}
	c->state = CLIENT_WAIT; /* begun by query_work, behind the commit */
	return 0;
}

static void verified(struct conn *c, int r)
{
	struct audit_check *ck = c->check;
	struct jsonw w;
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	jsonw_object(&w);
	jsonw_kv_bool(&w, "ok", !r && ck->ok);
	jsonw_kv_u64(&w, "size", ck->size);
	jsonw_kv_u64(&w, "checked", ck->next);
	jsonw_kv_hex(&w, "root", ck->head.root.b, sizeof ck->head.root.b);
	jsonw_kv_str(&w, "origin", audit_log_key(c->k->log)->name);
	jsonw_kv_u64(&w, "open_intents", ck->tail.n_open);
	keeping_put_pruned(c->k, &w);
	if (r || !ck->ok) {
		if (!r)
			jsonw_kv_u64(&w, "first_bad", ck->first_bad);
		jsonw_kv_str(&w, "reason", r ? strerror(-r) : ck->why);
	}
	jsonw_object_end(&w);
	jsonw_newline(&w);
	int e = w.full ? -ENOMEM : client_data(c, c->cmd_id, w.buf, w.len);
	jsonw_fini(&w);
	u32 st = r || e ? END_UNDECIDED : ck->ok ? END_DONE : END_REFUSED;
	client_done(c, st, UINT64_MAX, "%s",
		st == END_DONE	    ? ""
		: st == END_REFUSED ? ck->why
				    : "the log could not be read");
	audit_check_fini(ck);
	free_ptr(&c->check);
}

bool query_work(struct keepd *k)
{
	bool more = look_work(k);
	for (struct conn *c = k->conns; c; c = c->next) {
		if (!c->check || c->dead)
			continue;
		if (audit_log_dirty(k->log))
			return true;
		struct audit_check *ck = c->check;
		int r = ck->size == 0 && !ck->done ? audit_check_begin(ck, k->log) : 0;
		if (!r)
			r = audit_check_step(ck, k->log, CHECK_SLICE);
		if (r || ck->done) {
			verified(c, r);
			continue;
		}
		client_progress(c, ck->next, ck->size, "records");
		more = true;
	}
	return more;
}

int query_log(struct conn *c, const struct proto_query *q, u64 id)
{
	switch (q->what) {
	case QUERY_RECORDS:
		return records(c, id, q->first, q->count);
	case QUERY_RECORD:
		return record(c, id, q->first);
	case QUERY_CHECKPOINT:
		return checkpoint(c, id);
	case QUERY_RECEIPT:
	case QUERY_REQUEST:
	case QUERY_RANGE:
		return proof(c, q, id);
	case QUERY_BLOB:
		return blob(c, q->name, id);
	case QUERY_OPEN:
		return open_intents(c, id);
	case QUERY_VERIFY:
		return verify(c, id);
	default:
		return keeping_query(c, q, id);
	}
}
