/* Erasing a subject. Order, so that a crash at any step leaves either everything or nothing readable:
 *
 *   1. the record of the intent, and the deletion of the sealed texts, in one transaction;
 *   2. behind its commit: the subject's slot is overwritten with zeros where it lies, and the write-ahead log is emptied the same way;
 *   3. the record of the outcome.
 *
 * A start that finds 1 without 3 does 2 again. Until 2 is done the key still exists, so nothing that is said in 1 may be believed without 3. */
#define _GNU_SOURCE
#include "audit/content.h"
#include "audit/log_retain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool erase_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1])
{
	const struct proto_name *n = (const void *)row->body;
	const struct subject *s = audit_subject_find(&k->subjects, n->name);
	const struct hold_row *h = audit_hold_on_subject(&k->state.retain, n->name);
	bool runs = false;
	for (const struct ticket *t = k->tickets; t; t = t->next)
		runs |= s && t->exchange.subject == s;
	if (!s)
		snprintf(why, REASON_LEN_MAX + 1, "subject %s: nothing is kept of it", n->name);
	else if (h)
		snprintf(why, REASON_LEN_MAX + 1, "subject %s: the hold %s (record %" PRIu64 ") keeps it",
			n->name, h->name, h->index);
	else if (runs || k->erasing.subject[0])
		snprintf(why, REASON_LEN_MAX + 1, "subject %s: %s", n->name,
			runs ? "requests of it are running" : "another one is being erased");
	return !s || h || runs || k->erasing.subject[0];
}

int erase_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	const struct proto_name *n = (const void *)d->row->body;
	struct audit_record rec;
	struct texts_count count;
	int r = audit_log_texts(k->log, n->name, &count);
	if (r)
		return r;
	audit_log_record(k->log, &rec, EVENT_ERASE, INTENT_NONE, &d->who);
	jsonw_kv_str(&rec.w, "subject", n->name);
	jsonw_kv_u64(&rec.w, "texts", count.n);
	jsonw_kv_u64(&rec.w, "bytes", count.bytes);
	audit_record_str(&rec, "reason", d->row->reason, sizeof d->row->reason);
	r = audit_log_append(k->log, &rec, NULL);
	if (!r)
		r = audit_log_drop_texts(k->log, n->name);
	if (r)
		return r;
	k->erasing.intent = rec.index;
	memcpy(k->erasing.subject, n->name, sizeof k->erasing.subject);
	keepd_effect(k, EFFECT_ERASE, NULL, NULL);
	*ret_index = rec.index;
	return 0;
}

static int destroyed(struct keepd *k, u64 intent, bool resumed)
{
	struct audit_record rec;
	struct audit_actor self = keepd_self(k);
	audit_log_record(k->log, &rec, EVENT_ERASED, intent, &self);
	jsonw_kv_str(&rec.w, "why", resumed ? "finished at start" : "key, salt and texts are overwritten");
	return audit_log_append(k->log, &rec, NULL);
}

int erase_effect(struct keepd *k)
{
	struct subject *s = audit_subject_find(&k->subjects, k->erasing.subject);
	u64 intent = k->erasing.intent;
	memset(&k->erasing, 0, sizeof k->erasing);
	int r = s ? audit_subject_destroy(&k->subjects, s) : 0;
	if (!r)
		r = audit_log_commit(k->log); /* of what other effects of this turn found to record */
	if (!r)
		r = audit_log_scrub(k->log);
	return r ? r : destroyed(k, intent, false);
}

/* ---- at start ---- */

struct named {
	struct subjects *subjects;
	struct subject *found;
};

static int on_intent(void *arg, u64 index, const char *line, size_t len)
{
	struct named *n = arg;
	for (u32 i = 0; i < n->subjects->n; i++) {
		char want[NAME_LEN_MAX + 32];
		struct subject *s = &n->subjects->v[i];
		int at = snprintf(want, sizeof want, ",\"subject\":\"%s\",", s->name);
		if (s->name[0] && s->made <= index && memmem(line, len, want, (size_t)at))
			n->found = s;
	}
	return 1;
}

/* A slot that the crash tore is of nobody any more: it goes too. */
static int destroy_named(struct keepd *k, u64 intent)
{
	struct named n = { .subjects = &k->subjects };
	int r = audit_log_lines(k->log, intent, 1, on_intent, &n);
	r = MIN(r, 0);
	if (!r && n.found)
		r = audit_subject_destroy(&k->subjects, n.found);
	for (u32 i = 0; !r && !n.found && i < k->subjects.n; i++) {
		struct subject *s = &k->subjects.v[i];
		if (s->magic[0] != '?')
			continue;
		r = audit_subject_destroy(&k->subjects, s);
		k->subjects.n_damaged--;
	}
	return r;
}

int erase_resume(struct keepd *k, const struct audit_check *c)
{
	int r = 0;
	for (size_t i = 0; !r && i < c->tail.n_open; i++)
		if (c->tail.open[i].event == EVENT_ERASE)
			r = destroy_named(k, c->tail.open[i].index);
	if (!r)
		r = audit_log_scrub(k->log); /* of a prune or an erasure that a crash cut short */
	for (size_t i = 0; !r && i < c->tail.n_open; i++)
		if (c->tail.open[i].event == EVENT_ERASE)
			r = destroyed(k, c->tail.open[i].index, true);
	return r;
}
