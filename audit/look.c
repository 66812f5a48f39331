/* Reviews: searching the log, signing it off, and saying that an excerpt was taken. Each is itself a record. */
#include "audit/console.h"
#include "audit/content.h"
#include "audit/principal.h"
#include "audit/role.h"
#include "audit/search.h"
#include "audit/tlog/review.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_SLICE 4096u /* records looked at between two looks at the sockets: some milliseconds */

/* Reading the log is itself recorded; with the gate shut it cannot be, and is answered all the same. */
void look_record(struct conn *c, const struct look_told *t)
{
	if (audit_log_failed(c->k->log))
		return;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(c->k->log, &rec, EVENT_LOG_READ, INTENT_NONE, &who);
	audit_record_str(&rec, "what", t->what, 64);
	jsonw_kv_u64(&rec.w, "first", t->first);
	jsonw_kv_u64(&rec.w, "count", t->count);
	if (t->filter && t->filter[0])
		audit_record_str(&rec, "filter", t->filter, 1000);
	if (t->manifest)
		jsonw_kv_hex(&rec.w, "manifest", t->manifest, SHA256_BYTES);
	principal_fields(&c->who, &rec);
	int r = audit_log_append(c->k->log, &rec, NULL);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

/* ---- searching ---- */

int look_frame(struct conn *c, struct ipc_frame *f)
{
	const struct proto_look *q = (const void *)f->body;
	const char *why;
	int r = audit_search_begin(q, audit_log_size(c->k->log), &c->search, &why);
	if (r) {
		const char *event = r > 0 ? audit_search_unknown(q) : NULL;
		client_end(c, f->h.id, r < 0 ? END_UNDECIDED : END_REFUSED, UINT64_MAX, "filter: %s%s%s",
			event ? event : "", event ? ": " : "", r < 0 ? strerror(-r) : why);
		return 0;
	}
	/* who may read the texts that were kept; nobody does over the network */
	if (!c->who.how && (role_of(c, &why) & ROLE_AUDITOR))
		audit_search_texts(c->search, content_search, c->k);
	c->state = CLIENT_WAIT; /* begun by look_work */
	return 0;
}

/* The filter as the record has it. Words that were looked for in kept texts stand there by their digest: they may be somebody's, and the record
 * stays when the texts are erased. */
static void filter_words(const struct audit_search *s, char *out, size_t cap)
{
	struct proto_look q = *audit_search_asked(s);
	u8 digest[SHA256_BYTES];
	if (audit_search_in_texts(s)) {
		sha256_of(q.text, strlen(q.text), digest);
		memcpy(q.text, "sha256:", 8);
		bytes_hex(digest, sizeof digest, q.text + 7);
	}
	audit_search_words(&q, out, cap);
	if (audit_search_in_texts(s))
		snprintf(out + strlen(out), cap - strlen(out), " (also in kept texts)");
}

static void told(struct conn *c, int r)
{
	const struct audit_search *s = c->search;
	const struct proto_look *q = audit_search_asked(s);
	static const char *const names[] = { "", "records", "summary by actor", "summary by model",
		"summary by event", "timeline" };
	char words[1024];
	u8 *data = NULL;
	size_t len = 0;
	r = r ? r : audit_search_lines(s, &data, &len);
	r = r ? r : client_data(c, c->cmd_id, data, len);
	free(data);
	filter_words(s, words, sizeof words);
	u64 first = MIN(q->from, audit_log_size(c->k->log));
	look_record(c, &(struct look_told){ .what = q->purpose[0] ? q->purpose : names[q->what],
			       .first = first,
			       .count = audit_search_found(s),
			       .filter = words });
	if (r)
		client_done(c, END_UNDECIDED, UINT64_MAX, "records: %s",
			r == -EBADMSG
				? "one of them, or a text that was kept, is not the one that was written"
				: strerror(-r));
	else
		client_done(c, END_DONE, audit_search_next(s), "%s", "");
	audit_search_free(&c->search);
}

bool look_work(struct keepd *k)
{
	bool more = false;
	for (struct conn *c = k->conns; c; c = c->next) {
		u64 done, total;
		if (!c->search || c->dead)
			continue;
		int r = audit_search_step(c->search, k->log, &k->zones, LOOK_SLICE);
		if (r || audit_search_done(c->search)) {
			told(c, r);
			continue;
		}
		audit_search_progress(c->search, &done, &total);
		client_progress(c, done, total, "records");
		more = true;
	}
	return more;
}

/* ---- sign-offs ---- */

/* Why this sign-off is not one of this log; NULL when it is. */
static const char *review_check(struct conn *c, const struct tlog_review *r)
{
	struct audit_log *log = c->k->log;
	struct merkle_source s = audit_log_hashes(log);
	struct merkle_hash root;
	const struct role_row *person = c->who.how ? console_person(c->k, &c->who) : role_row_of(c);
	struct note_key key;
	if (strcmp(r->origin, audit_log_key(log)->name) != 0)
		return "it is about another log";
	if (r->to > audit_log_size(log))
		return "it is about more records than the log has";
	if (tlog_merkle_root_at(&s, r->to, &root))
		return "the log could not be read";
	if (memcmp(root.b, r->root.b, sizeof root.b) != 0)
		return "what was reviewed is not this log";
	if (person && person->vkey[0] &&
		(tlog_note_key_from_vkey(person->vkey, strlen(person->vkey), &key) ||
			memcmp(key.public_key, r->key.public_key, sizeof key.public_key) != 0))
		return "it is not signed with the enrolled key of whoever brings it";
	return NULL;
}

int review_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct tlog_review r;
	_cleanup_free_ u8 *note = NULL;
	char vkey[NOTE_VKEY_MAX];
	size_t len;
	if (client_refused(c, f->h.id, 0) ||
		trust_read_file(c, f->h.id, f, "sign-off", REVIEW_BYTES_MAX, &note, &len))
		return 0;
	int e = tlog_review_open((const char *)note, len, &r);
	const char *why =
		e ? e == 2 ? "its signature does not hold" : "it is malformed" : review_check(c, &r);
	if (why) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "sign-off: %s", why);
		return 0;
	}
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	tlog_note_vkey(&r.key, vkey, sizeof vkey);
	audit_log_record(k->log, &rec, EVENT_REVIEW, INTENT_NONE, &who);
	jsonw_kv_u64(&rec.w, "from", r.from);
	jsonw_kv_u64(&rec.w, "to", r.to);
	jsonw_kv_hex(&rec.w, "root", r.root.b, sizeof r.root.b);
	jsonw_kv_str(&rec.w, "key", vkey);
	jsonw_kv_u64(&rec.w, "questions", r.n_questions);
	jsonw_key(&rec.w, "note");
	jsonw_strn(&rec.w, note, len);
	principal_fields(&c->who, &rec);
	if (audit_log_append(k->log, &rec, NULL) == 0)
		client_end(c, f->h.id, END_DONE, rec.index,
			"records %" PRIu64 " to %" PRIu64 " signed off, %u open questions", r.from, r.to - 1,
			r.n_questions);
	return 0;
}

/* ---- excerpts ---- */

int taken_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_taken t;
	memcpy(&t, f->body, sizeof t);
	if (!bytes_str_ok(t.what, sizeof t.what) || t.from >= t.to)
		return -EPROTO;
	if (client_refused(c, f->h.id, 0))
		return 0;
	if (t.to > audit_log_size(c->k->log)) {
		client_end(
			c, f->h.id, END_REFUSED, UINT64_MAX, "%s: the log has not so many records", t.what);
		return 0;
	}
	u64 index = audit_log_size(c->k->log);
	look_record(
		c, &(struct look_told){
			   .what = t.what, .first = t.from, .count = t.to - t.from, .manifest = t.manifest });
	client_end(c, f->h.id, END_DONE, index, "%s", "");
	return 0;
}
