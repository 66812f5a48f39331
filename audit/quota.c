#define _GNU_SOURCE
#include "audit/quota.h"
#include "audit/facts.h"
#include "audit/keepd.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_S      60u
#define DAY_S	      86400u
#define PROMPT_TOKENS 16u /* that a template or tokenizer adds to a prompt of a byte a token */

/* ---- meters ---------------------------------------------------------------------------------------------------------------- */

void quota_roll(struct usage_row *row, u64 at_s)
{
	if (row->minute != at_s / MINUTE_S) {
		row->minute = at_s / MINUTE_S;
		row->minute_tokens = 0;
		row->minute_requests = 0;
	}
	if (row->day != at_s / DAY_S) {
		row->day = at_s / DAY_S;
		row->day_tokens = 0;
	}
}

/* Those whose day is over, and whom nobody names. */
static void drop_old(struct quotas *q, u64 at_s)
{
	for (struct meter **p = &q->meters; *p;) {
		struct meter *m = *p;
		if (m->n_open || m->n_sessions || m->row.day == at_s / DAY_S) {
			p = &m->next;
			continue;
		}
		*p = m->next;
		q->n--;
		free(m);
	}
}

struct meter *quota_meter(struct quotas *q, const char *name, u64 at_s)
{
	for (struct meter *m = q->meters; m; m = m->next)
		if (!strcmp(m->row.principal, name))
			return m;
	if (q->n == QUOTA_PRINCIPALS_MAX)
		drop_old(q, at_s);
	struct meter *m = q->n < QUOTA_PRINCIPALS_MAX ? calloc(1, sizeof *m) : NULL;
	if (!m)
		return NULL;
	snprintf(m->row.principal, sizeof m->row.principal, "%s", name);
	m->next = q->meters;
	q->meters = m;
	q->n++;
	return m;
}

/* Whom the client speaks for, else the client; by a digest where the name could not stand in a record as it is. */
void quota_who(const struct session *s, char ret[NAME_LEN_MAX + 8])
{
	u8 digest[SHA256_BYTES];
	char hex[41];
	if (!s->who.name[0]) {
		snprintf(ret, NAME_LEN_MAX + 8, "uid:%u", s->actor.uid);
	} else if (audit_subject_name_ok(s->who.name)) {
		memcpy(ret, s->who.name, NAME_LEN_MAX + 8);
	} else {
		sha256_of(s->who.name, strlen(s->who.name), digest);
		bytes_hex(digest, 20, hex);
		snprintf(ret, NAME_LEN_MAX + 8, "sha256:%s", hex);
	}
}

static const struct quota_rule *rule_of(const struct session *s, const struct keepd *k)
{
	char uid[32];
	snprintf(uid, sizeof uid, "uid:%u", s->actor.uid);
	return quota_rule_for(
		&k->quotas->rules, s->who.name[0] ? s->who.name : uid, audit_role_name(s->actor.role));
}

/* What a session of this client would be. */
static struct session session_like(const struct conn *c)
{
	struct session as = { .actor = conn_actor(c), .who = c->who };
	as.actor.role = c->who.name[0] ? c->who.role : as.actor.role;
	return as;
}

bool quota_model_ok(struct conn *c, u64 id, const char *model)
{
	struct session as = session_like(c);
	const struct quota_rule *r = rule_of(&as, c->k);
	if (quota_allows_model(r, model))
		return true;
	client_end(c, id, END_REFUSED, UINT64_MAX,
		"model %s: it is not among the models of line %u of the quotas", model, r->line);
	return false;
}

bool quota_shows_model(const struct conn *c, const char *model)
{
	const char *none;
	struct session as = session_like(c);
	if (!c->who.name[0] && (role_of(c, &none) & ROLE_STAFF))
		return true;
	return quota_allows_model(rule_of(&as, c->k), model);
}

/* ---- a request ------------------------------------------------------------------------------------------------------------- */

_printf_(4, 5) static int refuse(struct quota_no *no, u32 status, u64 retry_s, const char *fmt, ...)
{
	va_list ap;
	*no = (struct quota_no){ .status = status, .retry_s = (u32)retry_s };
	va_start(ap, fmt);
	vsnprintf(no->text, sizeof no->text, fmt, ap);
	va_end(ap);
	return 1;
}

/* One record a day says that somebody's day is spent. */
static void record_spent(struct keepd *k, const struct session *s, struct meter *m, u64 limit)
{
	struct audit_record rec;
	if (m->told_day == m->row.day || audit_log_failed(k->log))
		return;
	m->told_day = m->row.day;
	audit_log_record(k->log, &rec, EVENT_QUOTA_SPENT, INTENT_NONE, &s->actor);
	jsonw_kv_str(&rec.w, "principal", m->row.principal);
	jsonw_kv_u64(&rec.w, "limit", limit);
	jsonw_kv_u64(&rec.w, "tokens", m->row.day_tokens);
	int r = audit_log_append(k->log, &rec, NULL);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

/* What the request itself may not be, whatever was used before. */
static int too_large(const struct quota_rule *r, const struct request_header *h, struct quota_no *no)
{
	const u64 *l = r->limit;
	if (!l[QUOTA_PARALLEL] || !l[QUOTA_REQUESTS_MINUTE])
		return refuse(no, END_REFUSED, 0, "line %u of the quotas allows no requests", r->line);
	if (h->max_tokens > l[QUOTA_ANSWER])
		return refuse(no, END_REFUSED, 0,
			"max_tokens %u: line %u of the quotas allows answers of %" PRIu64 " tokens",
			h->max_tokens, r->line, l[QUOTA_ANSWER]);
	if (h->max_tokens >= l[QUOTA_CONTEXT])
		return refuse(no, END_REFUSED, 0,
			"max_tokens %u: line %u of the quotas allows %" PRIu64 " tokens of prompt and answer",
			h->max_tokens, r->line, l[QUOTA_CONTEXT]);
	return 0;
}

/* A minute or a day, in which a request takes at least so much. */
struct window {
	const char *what; /* "minute" */
	u64 limit, used, least;
	u64 until_s; /* it is over in so many seconds */
};
static int never_of(const struct quota_rule *r, const struct window *w, u32 max_tokens, struct quota_no *no)
{
	if (w->least <= w->limit)
		return 0;
	return refuse(no, END_REFUSED, 0,
		"max_tokens %u, with a prompt: line %u of the quotas allows %" PRIu64 " tokens a %s",
		max_tokens, r->line, w->limit, w->what);
}

/* What is left of it. 0; 1 refused. */
static int left_of(const struct quota_rule *r, const struct window *w, u64 *left, struct quota_let *let,
	struct quota_no *no)
{
	if (w->limit == QUOTA_NONE)
		return 0;
	u64 has = w->limit - MIN(w->used, w->limit);
	if (has < w->least)
		return refuse(no, END_SPENT, w->until_s,
			"%" PRIu64 " of the %" PRIu64 " tokens of this %s are left (line %u of the quotas)",
			has, w->limit, w->what, r->line);
	if (has < *left)
		let->retry_s = (u32)w->until_s;
	*left = MIN(*left, has);
	return 0;
}

/* How many tokens may be reserved. 0; 1 refused. */
static int reserve(struct session *s, const struct quota_rule *r, const struct request_header *h,
	size_t bytes, u64 at_s, struct quota_let *let, struct quota_no *no)
{
	const struct meter *m = s->meter;
	const u64 *l = r->limit;
	u64 context = MIN((u64)s->grant->ready.ctx_tokens, l[QUOTA_CONTEXT]);
	u64 most = MIN(context, bytes + PROMPT_TOKENS + h->max_tokens);
	struct window minute = { "minute", l[QUOTA_TOKENS_MINUTE], m->row.minute_tokens, h->max_tokens + 1ull,
		MINUTE_S - at_s % MINUTE_S };
	struct window day = { "day", l[QUOTA_TOKENS_DAY], m->row.day_tokens, h->max_tokens + 1ull,
		DAY_S - at_s % DAY_S };
	if (never_of(r, &day, h->max_tokens, no) || never_of(r, &minute, h->max_tokens, no))
		return 1;
	let->tokens_ever = (u32)MIN(MIN(most, day.limit), minute.limit);
	if (left_of(r, &day, &most, let, no)) {
		record_spent(s->client->k, s, s->meter, l[QUOTA_TOKENS_DAY]);
		return 1;
	}
	if (left_of(r, &minute, &most, let, no))
		return 1;
	let->charge.reserved = most;
	let->tokens_max = (u32)most;
	return 0;
}

int quota_begin(
	struct session *s, const void *request, size_t len, struct quota_let *ret, struct quota_no *no)
{
	struct keepd *k = s->client->k;
	const struct quota_rule *r = rule_of(s, k);
	char name[NAME_LEN_MAX + 8];
	struct request_header h;
	u64 at_s = keepd_judged(k).at_s;
	*ret = (struct quota_let){ .charge = { .at_s = at_s } };
	if (s->quotas != k->state.quota.index)
		return refuse(no, END_AGAIN, 1, "the quotas were changed: open a new session");
	if (!r)
		return 0;
	if (len < sizeof h)
		return refuse(no, END_REFUSED, 0, "the request is too short to be one");
	memcpy(&h, request, sizeof h);
	if (!s->meter) {
		quota_who(s, name);
		s->meter = quota_meter(k->quotas, name, at_s);
		if (!s->meter)
			return refuse(no, END_UNDECIDED, 1, "%u principals are counted already",
				QUOTA_PRINCIPALS_MAX);
		s->meter->n_sessions++;
	}
	struct meter *m = ret->charge.meter = s->meter;
	quota_roll(&m->row, at_s);
	if (too_large(r, &h, no))
		return 1;
	if (m->n_open >= r->limit[QUOTA_PARALLEL])
		return refuse(no, END_SPENT, 1,
			"%u requests run at once, as many as line %u of the quotas allows", m->n_open,
			r->line);
	if (m->row.minute_requests >= r->limit[QUOTA_REQUESTS_MINUTE])
		return refuse(no, END_SPENT, MINUTE_S - at_s % MINUTE_S,
			"%u requests came in this minute, as many as line %u of the quotas allows",
			m->row.minute_requests, r->line);
	return h.kind == REQUEST_TOKENIZE ? 0 : reserve(s, r, &h, len, at_s, ret, no);
}

void quota_take(const struct quota_charge *c)
{
	if (!c->meter)
		return;
	c->meter->n_open++;
	c->meter->row.minute_requests++;
	c->meter->row.minute_tokens += c->reserved;
	c->meter->row.day_tokens += c->reserved;
}

static void give_back(struct usage_row *row, u64 at_s, u64 n)
{
	if (row->minute == at_s / MINUTE_S)
		row->minute_tokens -= MIN(n, row->minute_tokens);
	if (row->day == at_s / DAY_S)
		row->day_tokens -= MIN(n, row->day_tokens);
}

void quota_settle(const struct quota_charge *c, u64 used)
{
	if (c->meter)
		give_back(&c->meter->row, c->at_s, c->reserved - used);
}

void quota_ticket_gone(const struct quota_charge *c)
{
	if (c->meter)
		c->meter->n_open--;
}

void quota_session_gone(struct session *s)
{
	if (s->meter)
		s->meter->n_sessions--;
	s->meter = NULL;
}

void quota_put(struct audit_record *rec, const struct quota_charge *c, const u64 *used)
{
	if (!c->meter)
		return;
	jsonw_key(&rec->w, "quota");
	jsonw_object(&rec->w);
	jsonw_kv_str(&rec->w, "principal", c->meter->row.principal);
	jsonw_kv_u64(&rec->w, "at_s", c->at_s);
	jsonw_kv_u64(&rec->w, "reserved", c->reserved);
	if (used)
		jsonw_kv_u64(&rec->w, "used", *used);
	jsonw_object_end(&rec->w);
}

/* ---- across a restart ------------------------------------------------------------------------------------------------------ */

/* A number behind the mark; rule 5 of record.h makes it that of the field. */
static bool number(const char *from, const char *end, const char *mark, u64 *ret)
{
	const char *at = memmem(from, (size_t)(end - from), mark, strlen(mark));
	u64 v = 0;
	if (!at)
		return false;
	for (at += strlen(mark); at < end && *at >= '0' && *at <= '9'; at++)
		v = 10 * v + (u64)(*at - '0');
	*ret = v;
	return true;
}

/* What a record says of a charge, added up. */
static int on_charge(void *arg, u64 index, const char *line, size_t len)
{
	static const char mark[] = ",\"quota\":{\"principal\":\"";
	struct quotas *q = arg;
	const char *end = line + len, *at = memmem(line, len, mark, sizeof mark - 1), *quote;
	char name[NAME_LEN_MAX + 8];
	u64 at_s, reserved, used;
	if (!at)
		return 0;
	at += sizeof mark - 1;
	quote = memchr(at, '"', (size_t)(end - at));
	if (!quote || (size_t)(quote - at) > NAME_LEN_MAX || !number(quote, end, ",\"at_s\":", &at_s) ||
		!number(quote, end, ",\"reserved\":", &reserved))
		return 0;
	snprintf(name, sizeof name, "%.*s", (int)(quote - at), at);
	struct meter *m = quota_meter(q, name, at_s);
	if (!m)
		return 0;
	if (number(quote, end, ",\"used\":", &used)) {
		give_back(&m->row, at_s, reserved - MIN(used, reserved));
		return 0;
	}
	quota_roll(&m->row, at_s);
	m->row.minute_requests++;
	m->row.minute_tokens += reserved;
	m->row.day_tokens += reserved;
	return 0;
}

static int load_rules(struct keepd *k)
{
	struct quotas *q = k->quotas;
	const struct quota_row *row = &k->state.quota;
	struct quota_error e;
	u8 *text = NULL;
	int r = row->bytes ? audit_log_blob(k->log, row->digest, &text, &q->len) : 0;
	q->text = (char *)text;
	if (!r && row->bytes)
		r = quota_parse(q->text, q->len, &q->rules, &e);
	return r > 0 ? err_origin(-EBADMSG) : r;
}

int quota_load(struct keepd *k)
{
	struct quotas *q = k->quotas = calloc(1, sizeof *q);
	if (!q)
		return err_origin(-ENOMEM);
	for (u32 i = 0; i < k->state.n_usage; i++) {
		struct meter *m = quota_meter(q, k->state.usage[i].principal, 0);
		if (!m)
			return err_origin(-ENOMEM);
		m->row = k->state.usage[i];
	}
	int r = load_rules(k);
	if (r || !k->state.quota.bytes)
		return r;
	r = audit_log_lines(k->log, k->state.quota.usage + 1, UINT64_MAX, on_charge, q);
	return r;
}

void quota_free(struct keepd *k)
{
	struct quotas *q = k->quotas;
	for (struct meter *m = q ? q->meters : NULL, *next; m; m = next) {
		next = m->next;
		free(m);
	}
	if (q)
		free(q->text);
	free_ptr(&k->quotas);
}

/* What counts from today on into the state, by name. */
static void rows_of(struct keepd *k)
{
	struct audit_state *s = &k->state;
	s->n_usage = 0;
	drop_old(k->quotas, keepd_judged(k).at_s);
	for (const struct meter *m = k->quotas->meters; m; m = m->next)
		audit_usage_put(s, &m->row);
}

static void record_usage(struct keepd *k)
{
	struct audit_record rec;
	struct audit_actor self = keepd_self(k);
	rows_of(k);
	audit_log_record(k->log, &rec, EVENT_USAGE, INTENT_NONE, &self);
	k->state.quota.usage = rec.index;
	jsonw_kv_u64(&rec.w, "principals", k->state.n_usage);
	int r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : audit_log_put_quota(k->log, &k->state);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

void quota_watch(struct keepd *k, bool stop)
{
	u64 size = audit_log_size(k->log);
	if (k->state.quota.bytes && !audit_log_failed(k->log) &&
		(stop || size - k->state.quota.usage >= USAGE_RECORDS))
		record_usage(k);
}
