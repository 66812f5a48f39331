/* The file of quotas: installed, shown, and what it leaves to whom. */
#define _GNU_SOURCE
#include "audit/dual.h"
#include "audit/quota.h"
#include "audit/role.h"
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (8u << 20) /* bytes of one answer: a line for each principal */

/* ---- installing ------------------------------------------------------------------------------------------------------------ */

/* The act: only why; the file is beside it. */
struct quota_act {
	char reason[REASON_LEN_MAX + 1];
};

int quota_set_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_name n;
	struct quota_act act;
	struct quota_error e;
	static struct quota q;
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	u64 index;
	if (client_name(f, &n) || n.name[0])
		return -EPROTO;
	if (client_refused(c, f->h.id, 0) ||
		trust_read_file(c, f->h.id, f, "quotas", QUOTA_FILE_BYTES_MAX, &data, &len))
		return 0;
	if (!len || quota_parse((const char *)data, len, &q, &e)) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "quotas: line %u: %s", len ? e.line : 1,
			len ? e.text : "the file is empty");
		return 0;
	}
	memcpy(act.reason, n.text, sizeof act.reason);
	if (dual_wanted(c->k, CTL_QUOTA_SET)) {
		dual_propose(c, f->h.id,
			&(struct dual_proposal){ .type = CTL_QUOTA_SET,
				.body = &act,
				.len = sizeof act,
				.file = data,
				.file_len = len,
				.object = "quotas",
				.reason = act.reason });
		return 0;
	}
	struct dual_row row = { .type = CTL_QUOTA_SET, .len = sizeof act };
	memcpy(row.body, &act, sizeof act);
	struct dual_doing d = { .row = &row, .file = data, .file_len = len, .who = conn_actor(c) };
	if (quota_set_run(c->k, &d, &index) == 0)
		client_end(c, f->h.id, END_DONE, index, "%s", "");
	return 0;
}

bool quota_set_refused(struct keepd *k, const struct dual_row *act, char why[REASON_LEN_MAX + 1])
{
	return false; /* it was read when it was proposed; whatever was set meanwhile, it may follow */
}

/* Who sits under the old rules for somebody else hears of it at once: what it refuses by itself would not come here. */
static void tell_sessions(struct keepd *k)
{
	for (struct session *s = k->sessions; s; s = s->next)
		if (s->client && s->who.name[0])
			client_end(s->client, 0, END_AGAIN, k->state.quota.index, "the quotas were changed");
}

int quota_set_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct quota_act act;
	struct quota_error e;
	struct audit_record rec;
	struct quotas *q = k->quotas;
	memcpy(&act, d->row->body, sizeof act);
	char *text = malloc(d->file_len + 1);
	if (!text || !d->file_len) {
		free(text);
		audit_log_fail(k->log, "quotas: out of memory");
		return err_origin(-ENOMEM);
	}
	memcpy(text, d->file, d->file_len);
	int r = quota_parse(text, d->file_len, &q->rules, &e);
	assert(r == 0); /* it was read when it was proposed */
	free(q->text);
	q->text = text;
	q->len = d->file_len;
	struct quota_row row = k->state.quota;
	audit_log_record(k->log, &rec, EVENT_QUOTA_SET, INTENT_NONE, &d->who);
	jsonw_kv_hex(&rec.w, "old", row.digest, row.bytes ? sizeof row.digest : 0);
	sha256_of(text, q->len, row.digest);
	row.bytes = q->len;
	row.index = *ret_index = rec.index;
	row.usage = row.usage ? row.usage : rec.index;
	jsonw_kv_hex(&rec.w, "quotas", row.digest, sizeof row.digest);
	jsonw_kv_u64(&rec.w, "bytes", row.bytes);
	jsonw_kv_u64(&rec.w, "sections", q->rules.n);
	audit_record_str(&rec, "reason", act.reason, sizeof act.reason);
	k->state.quota = row;
	r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : audit_log_put_quota(k->log, &k->state);
	if (!r)
		tell_sessions(k);
	return r ? r : audit_log_put_blob(k->log, row.digest, text, q->len);
}

/* ---- questions ------------------------------------------------------------------------------------------------------------- */

static int text(struct conn *c, u64 id)
{
	const struct keepd *k = c->k;
	const struct quota_row *row = &k->state.quota;
	struct jsonw w;
	jsonw_init_grow(&w, ANSWER_MAX);
	jsonw_object(&w);
	jsonw_kv_bool(&w, "set", row->bytes > 0);
	jsonw_kv_hex(&w, "quotas", row->digest, row->bytes ? sizeof row->digest : 0);
	jsonw_kv_u64(&w, "index", row->index);
	jsonw_key(&w, "text");
	jsonw_strn(&w, row->bytes ? k->quotas->text : "", row->bytes ? k->quotas->len : 0);
	jsonw_object_end(&w);
	jsonw_newline(&w);
	return query_answer(c, id, &w);
}

static void put_limits(struct jsonw *w, const struct quota_rule *r)
{
	static const char *const keys[QUOTA_LIMITS] = { "context", "max_tokens", "parallel",
		"requests_per_minute", "tokens_per_minute", "tokens_per_day" };
	for (u32 i = 0; i < QUOTA_LIMITS; i++)
		if (r->limit[i] != QUOTA_NONE)
			jsonw_kv_u64(w, keys[i], r->limit[i]);
}

static void put_list(struct jsonw *w, const char *key, const struct quota_text *list)
{
	struct quota_text word;
	size_t at = 0;
	if (!list->len)
		return;
	jsonw_key(w, key);
	jsonw_array(w);
	while (quota_word(list, &at, &word))
		jsonw_strn(w, word.s, word.len);
	jsonw_array_end(w);
}

/* What holds for somebody, and what was used. */
struct holder {
	const char *principal; /* as rules know it */
	const char *name;      /* as it is counted */
	u32 role;
};
static void put_holder(const struct keepd *k, struct jsonw *w, const struct holder *h)
{
	const struct quota_rule *r =
		quota_rule_for(&k->quotas->rules, h->principal, audit_role_name(h->role));
	struct usage_row row = { 0 };
	u32 open = 0;
	for (const struct meter *m = k->quotas->meters; m; m = m->next)
		if (!strcmp(m->row.principal, h->name)) {
			row = m->row;
			open = m->n_open;
		}
	quota_roll(&row, keepd_judged(k).at_s);
	jsonw_object(w);
	jsonw_kv_str(w, "principal", h->principal);
	jsonw_kv_u64(w, "line", r ? r->line : 0);
	if (r) {
		char *system = NULL;
		put_limits(w, r);
		put_list(w, "models", &r->models);
		put_list(w, "tools", &r->tools);
		if (!quota_system(r, &system))
			jsonw_kv_str(w, "system", system);
		free(system);
	}
	jsonw_kv_u64(w, "running", open);
	jsonw_kv_u64(w, "minute_requests", row.minute_requests);
	jsonw_kv_u64(w, "minute_tokens", row.minute_tokens);
	jsonw_kv_u64(w, "day_tokens", row.day_tokens);
	jsonw_object_end(w);
	jsonw_newline(w);
}

/* Of whoever asks: the client itself, or for whom it has proven to ask. */
static void put_own(const struct conn *c, struct jsonw *w)
{
	struct session as = { .actor = conn_actor(c), .who = c->who };
	char uid[32], name[NAME_LEN_MAX + 8];
	quota_who(&as, name);
	snprintf(uid, sizeof uid, "uid:%u", c->peer.uid);
	if (c->who.name[0])
		put_holder(c->k, w, &(struct holder){ c->who.name, name, c->who.role });
	else
		put_holder(c->k, w, &(struct holder){ uid, name, as.actor.role });
}

static int usage(struct conn *c, const struct proto_query *q, u64 id)
{
	struct keepd *k = c->k;
	bool staff = role_reads(c) & ROLE_STAFF;
	struct jsonw w;
	if (q->name[0] && !staff) {
		client_end(c, id, END_REFUSED, UINT64_MAX,
			"what others use is shown to operators, officers and auditors");
		return 0;
	}
	jsonw_init_grow(&w, ANSWER_MAX);
	if (!staff || q->count == 1) {
		put_own(c, &w);
		return query_answer(c, id, &w);
	}
	for (const struct meter *m = k->quotas->meters; m; m = m->next)
		if (!q->name[0] || !strcmp(m->row.principal, q->name))
			put_holder(k, &w, &(struct holder){ m->row.principal, m->row.principal, ROLE_USER });
	return query_answer(c, id, &w);
}

int quota_query(struct conn *c, const struct proto_query *q, u64 id)
{
	return q->what == QUERY_QUOTA ? text(c, id) : usage(c, q, id);
}
