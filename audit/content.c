#define _GNU_SOURCE
#include "audit/content.h"
#include "audit/log_retain.h"
#include "audit/search.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- whose exchange a record belongs to ---- */

/* Compared, not parsed: of every subject that is known, does the record name it? */
struct whose {
	struct subjects *subjects;
	struct subject *subject;
	struct audit_record_head head;
	bool salted, known;
};

static bool says(const char *line, size_t len, const char *key, const char *value)
{
	char want[NAME_LEN_MAX + 32];
	int n = snprintf(want, sizeof want, ",\"%s\":\"%s\"", key, value);
	return memmem(line, len, want, (size_t)n) != NULL;
}

static int on_whose(void *arg, u64 index, const char *line, size_t len)
{
	struct whose *w = arg;
	static const char mark[] = ",\"texts\":\"";
	w->known = audit_record_head(line, len, &w->head) == 0;
	w->salted = memmem(line, len, mark, sizeof mark - 1) != NULL;
	for (u32 i = 0; w->salted && i < w->subjects->n && !w->subject; i++) {
		struct subject *s = &w->subjects->v[i];
		if (s->name[0] && s->made <= index && says(line, len, "subject", s->name))
			w->subject = s;
	}
	return 1;
}

/* 0; -errno. */
static int whose(struct keepd *k, u64 index, struct whose *ret)
{
	*ret = (struct whose){ .subjects = &k->subjects };
	int r = index < audit_log_size(k->log) ? audit_log_lines(k->log, index, 1, on_whose, ret) : 0;
	return MIN(r, 0);
}

/* ---- exchanges ---- */

static const char *replayed(struct keepd *k, u64 index, struct exchange *ret)
{
	struct whose w;
	if (whose(k, index, &w))
		return "the record to replay could not be read";
	if (w.salted && !w.subject)
		return "the salt of the record to replay was erased: nothing can be compared with it";
	ret->texts = w.salted ? TEXTS_COMMITMENTS : TEXTS_DIGESTS;
	ret->subject = w.subject;
	return NULL;
}

/* Whom the client speaks for, else the client. A name that a subject cannot have stands there by its digest. */
static void subject_name(const struct session *s, char out[NAME_LEN_MAX + 8])
{
	u8 digest[SHA256_BYTES];
	char hex[41];
	if (!s->who.name[0]) {
		snprintf(out, NAME_LEN_MAX + 8, "uid:%u", s->actor.uid);
	} else if (audit_subject_name_ok(s->who.name)) {
		memcpy(out, s->who.name, NAME_LEN_MAX + 8);
	} else {
		sha256_of(s->who.name, strlen(s->who.name), digest);
		bytes_hex(digest, 20, hex);
		snprintf(out, NAME_LEN_MAX + 8, "sha256:%s", hex);
	}
}

const char *content_exchange(struct keepd *k, const struct session *s, u64 replay_of, struct exchange *ret)
{
	char name[NAME_LEN_MAX + 8];
	*ret = (struct exchange){ .texts = k->state.retain.set.texts };
	if (replay_of != REPLAY_NONE)
		return replayed(k, replay_of, ret);
	if (ret->texts == TEXTS_DIGESTS)
		return NULL;
	subject_name(s, name);
	ret->subject = audit_subject_find(&k->subjects, name);
	int r = ret->subject ? 0
			     : audit_subject_make(&k->subjects, name, audit_log_size(k->log), &ret->subject);
	return r > 0 ? "there are too many subjects already"
	       : r   ? "its subject's key could not be stored"
		     : NULL;
}

void content_shown(const struct exchange *x, const u8 digest[SHA256_BYTES], u8 ret[SHA256_BYTES])
{
	if (x->subject)
		audit_subject_commit(x->subject, x->intent, digest, ret);
	else
		memmove(ret, digest, SHA256_BYTES);
}

void content_fields(const struct exchange *x, struct audit_record *rec, bool request, bool retained)
{
	if (!x->subject)
		return;
	jsonw_kv_str(&rec->w, "texts", audit_texts_name(x->texts));
	if (request)
		jsonw_kv_str(&rec->w, "subject", x->subject->name);
	jsonw_kv_bool(&rec->w, "retained", retained);
}

u64 content_room(const struct exchange *x, u64 bytes)
{
	return x->texts == TEXTS_CONTENT ? 2 * (bytes + SUBJECT_SEAL_BYTES + 4096) : 1;
}

void content_keep(struct keepd *k, const struct exchange *x, u64 index, const void *text, size_t len)
{
	_cleanup_free_ u8 *sealed = NULL;
	size_t n;
	int r = audit_subject_seal(x->subject, index, text, len, &sealed, &n);
	if (r)
		audit_log_fail(k->log, "text of record %" PRIu64 ": %s", index, strerror(-r));
	else
		r = audit_log_put_text(k->log, index, x->subject->name, sealed, n);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

/* ---- the runtime's answers ---- */

int content_answer_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_answer p;
	memcpy(&p, f->body, sizeof p);
	struct ticket *t = c->k->tickets;
	while (t && (t->request != f->h.id || t->session->id != p.session))
		t = t->next;
	if (!t || !t->keeps || t->answered)
		return -EPROTO;
	if (fd_map_sealed(f->fd, ANSWER_BYTES_MAX, &t->answer) || t->answer.len != p.bytes)
		return -EPROTO;
	t->answered = true;
	return 0;
}

bool content_answer_wrong(const struct ticket *t, const u8 text[SHA256_BYTES])
{
	u8 digest[SHA256_BYTES];
	if (!t->answered)
		return false;
	sha256_of(t->answer.data ? t->answer.data : (const u8 *)"", t->answer.len, digest);
	return memcmp(digest, text, sizeof digest) != 0;
}

bool content_answer_kept(struct keepd *k, const struct ticket *t)
{
	return t->answered && reserve_room(k) >= content_room(&t->exchange, t->answer.len);
}

/* ---- reading ---- */

/* The exchange that a record is part of. NULL; else why nothing can be shown. */
static const char *find(struct keepd *k, u64 index, struct whose *ret, u64 *ret_intent)
{
	if (whose(k, index, ret))
		return "the log could not be read";
	if (!ret->known)
		return "there is no such record";
	u32 event = ret->head.event;
	*ret_intent = event == EVENT_OUTCOME ? ret->head.intent : index;
	if (event != EVENT_REQUEST && event != EVENT_OUTCOME)
		return "it is neither a request nor an outcome";
	if (event == EVENT_OUTCOME && whose(k, *ret_intent, ret))
		return "the log could not be read";
	if (!ret->salted)
		return "texts were not kept then: it holds plain digests";
	return ret->subject ? NULL : "its subject was erased";
}

/* Header and text into fresh memory, to be wiped. 0; 1 it is not what was sealed; -errno. */
static int open_text(struct keepd *k, const struct whose *w, u64 index, u64 intent, u8 **ret, size_t *ret_len)
{
	struct proto_text h = { .intent = intent };
	_cleanup_free_ u8 *sealed = NULL;
	size_t len = 0;
	int r = audit_log_text(k->log, index, &sealed, &len);
	if (r < 0 || (r == 0 && len < SUBJECT_SEAL_BYTES))
		return r < 0 ? r : 1;
	h.kept = r == 0;
	h.bytes = h.kept ? len - SUBJECT_SEAL_BYTES : 0;
	memcpy(h.subject, w->subject->name, sizeof h.subject);
	audit_subject_salt(w->subject, intent, h.salt);
	u8 *out = malloc(sizeof h + h.bytes);
	if (!out)
		return err_origin(-ENOMEM);
	memcpy(out, &h, sizeof h);
	r = h.kept ? audit_subject_unseal(w->subject, index, sealed, len, out + sizeof h) : 0;
	if (r) {
		free(out);
		return r;
	}
	*ret = out;
	*ret_len = sizeof h + h.bytes;
	return 0;
}

int content_search(void *keepd, const struct audit_search_row *row, bool *ret_looked)
{
	struct keepd *k = keepd;
	struct whose w;
	static const char kept[] = ",\"retained\":true";
	u8 *text = NULL;
	size_t len = 0;
	u64 intent;
	if (!memmem(row->line, row->len, kept, sizeof kept - 1) || find(k, row->index, &w, &intent))
		return 1; /* none was kept, or its subject was erased */
	int r = open_text(k, &w, row->index, intent, &text, &len);
	if (r)
		return r > 0 ? err_origin(-EBADMSG) : r;
	*ret_looked = true;
	r = memmem(text + sizeof(struct proto_text), len - sizeof(struct proto_text), row->words,
		    strlen(row->words))
		    ? 0
		    : 1;
	sodium_memzero(text, len);
	free(text);
	return r;
}

int text_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_record p;
	struct whose w;
	u8 *text = NULL;
	size_t len = 0;
	u64 intent;
	memcpy(&p, f->body, sizeof p);
	if (client_refused(c, f->h.id, 0))
		return 0;
	const char *why = find(k, p.index, &w, &intent);
	int r = why ? 0 : open_text(k, &w, p.index, intent, &text, &len);
	if (r > 0)
		why = "the stored text is not the one that was sealed";
	if (!r && !why)
		r = client_data(c, f->h.id, text, len);
	if (text)
		sodium_memzero(text, len);
	free(text);
	if (r < 0)
		client_end(c, f->h.id, END_UNDECIDED, UINT64_MAX, "record %" PRIu64 ": %s", p.index,
			strerror(-r));
	else if (why)
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "record %" PRIu64 ": %s", p.index, why);
	if (r < 0 || why)
		return 0;
	look_record(c, &(struct look_told){ .what = "text", .first = p.index, .count = 1 });
	client_end(c, f->h.id, END_DONE, UINT64_MAX, "%s", "");
	return 0;
}
