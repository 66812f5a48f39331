/* Ways in: keys and rules are added and removed; what vouches for clients is handed to the gateway; the gateway's own certificate. */
#include "audit/dual.h"
#include "audit/principal.h"
#include "base/access.h"
#include "base/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- adding ---- */

static const char *kind_word(u32 kind)
{
	return kind == ACCESS_KEY ? "key" : "rule";
}

static bool same_key(const struct audit_state *s, const u8 hash[SHA256_BYTES])
{
	for (u32 i = 0; i < s->n_access; i++)
		if (s->ways[i].what.kind == ACCESS_KEY && access_same(s->ways[i].what.hash, hash))
			return true;
	return false;
}

bool access_add_refused(struct keepd *k, const struct dual_row *act, char why[REASON_LEN_MAX + 1])
{
	struct proto_access a;
	memcpy(&a, act->body, sizeof a);
	const char *text = access_check(&a);
	u64 now = keepd_judged(k).at_s;
	if (!text && audit_access_find(&k->state, a.name))
		text = "there is a key or rule of that name";
	if (!text && k->state.n_access == ACCESS_MAX)
		text = "there are as many keys and rules as fit";
	if (!text && a.expires_s && a.expires_s <= now)
		text = "it would have expired already";
	if (!text && a.kind == ACCESS_KEY && a.expires_s - now > ACCESS_KEY_DAYS_MAX * 86400ull)
		text = "a key is good for ten years at most";
	if (!text && a.kind == ACCESS_KEY && same_key(&k->state, a.hash))
		text = "that key is there already";
	if (text)
		snprintf(why, REASON_LEN_MAX + 1, "%s %.64s: %s", kind_word(a.kind), a.name, text);
	return text != NULL;
}

static void put_uses(struct jsonw *w, u32 uses)
{
	jsonw_key(w, "uses");
	jsonw_array(w);
	for (u32 bit = 1; bit <= USE_CONSOLE; bit <<= 1)
		if (uses & bit)
			jsonw_str(w, access_use_name(bit));
	jsonw_array_end(w);
}

static void put_what(struct jsonw *w, const struct proto_access *a)
{
	jsonw_kv_str(w, "name", a->name);
	jsonw_kv_str(w, "kind", kind_word(a->kind));
	jsonw_kv_str(w, "principal", a->principal);
	jsonw_kv_str(w, "person_role", audit_role_name(a->role));
	put_uses(w, a->uses);
	jsonw_kv_str(w, "models", a->models);
	jsonw_kv_u64(w, "expires_s", a->expires_s);
	if (a->kind == ACCESS_KEY) {
		jsonw_kv_hex(w, "hash", a->hash, sizeof a->hash);
		return;
	}
	jsonw_kv_str(w, "ca", a->ca);
	jsonw_kv_str(w, "san", a->san);
	jsonw_kv_str(w, "issuer", a->issuer);
	jsonw_kv_str(w, "policy_oid", a->policy_oid);
}

void access_add_put(struct jsonw *w, const struct dual_row *row)
{
	struct proto_access a;
	memcpy(&a, row->body, sizeof a);
	put_what(w, &a);
}

int access_add_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct access_row row = { 0 };
	struct audit_record rec;
	memcpy(&row.what, d->row->body, sizeof row.what);
	audit_log_record(k->log, &rec, EVENT_ACCESS_ADD, INTENT_NONE, &d->who);
	put_what(&rec.w, &row.what);
	audit_record_str(&rec, "reason", row.what.text, sizeof row.what.text);
	memset(row.what.text, 0, sizeof row.what.text);
	row.index = *ret_index = rec.index;
	int r = audit_access_put(&k->state, &row);
	assert(r == 0); /* refused() has just looked */
	if (row.what.kind == ACCESS_CERT)
		k->state.access.generation = rec.index;
	r = audit_log_append(k->log, &rec, &k->state);
	return r ? r : audit_log_put_access(k->log, &k->state);
}

int access_add_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct dual_row act = { .type = CTL_ACCESS_ADD, .len = sizeof(struct proto_access) };
	struct dual_doing d = { .row = &act, .who = conn_actor(c) };
	struct proto_access a;
	char why[REASON_LEN_MAX + 1];
	u64 index;
	memcpy(&a, f->body, sizeof a);
	const char *bad = access_check(&a);
	if (bad) {
		client_end(c, f->h.id, END_USAGE, UINT64_MAX, "%s", bad);
		return 0;
	}
	if (dual_wanted(k, CTL_ACCESS_ADD)) {
		dual_propose(c, f->h.id,
			&(struct dual_proposal){ .type = CTL_ACCESS_ADD,
				.body = &a,
				.len = sizeof a,
				.object = a.name,
				.reason = a.text });
		return 0;
	}
	memcpy(act.body, &a, sizeof a);
	if (client_refused(c, f->h.id, 0))
		return 0;
	if (access_add_refused(k, &act, why))
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "%s", why);
	else if (access_add_run(k, &d, &index) == 0)
		client_end(c, f->h.id, END_DONE, index, "%s", "");
	return 0;
}

/* ---- removing: one officer, at once ---- */

/* Sessions of whoever came by it end. */
static u32 end_sessions(struct keepd *k, const char *name)
{
	u32 n = 0;
	for (struct session *s = k->sessions, *next; s; s = next) {
		next = s->next;
		if (!s->client || s->who.how == HOW_PEER || strcmp(s->who.credential, name))
			continue;
		conn_drop(s->client, "what it came by was removed");
		gate_session_end(s, "what it came by was removed");
		n++;
		if (s->n_open == 0)
			gate_session_free(k, s);
	}
	return n;
}

int access_rm_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_name n;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	if (client_name(f, &n))
		return -EPROTO;
	if (client_refused(c, f->h.id, 0) || role_unsigned(c, f->h.type, f->h.id))
		return 0;
	const struct access_row *found = audit_access_find(&k->state, n.name);
	if (!found) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "%s: there is no key or rule of that name",
			n.name);
		return 0;
	}
	struct access_row gone = *found;
	audit_log_record(k->log, &rec, EVENT_ACCESS_REMOVE, INTENT_NONE, &who);
	u64 index = rec.index;
	jsonw_kv_str(&rec.w, "name", n.name);
	jsonw_kv_str(&rec.w, "kind", kind_word(gone.what.kind));
	jsonw_kv_str(&rec.w, "principal", gone.what.principal);
	audit_access_drop(&k->state, n.name);
	if (gone.what.kind == ACCESS_CERT)
		k->state.access.generation = index;
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	int r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : audit_log_put_access(k->log, &k->state);
	u32 ended = r ? 0 : end_sessions(k, n.name);
	if (!r)
		client_end(c, f->h.id, END_DONE, index, "%u sessions ended", ended);
	return 0;
}

void access_list(const struct keepd *k, struct jsonw *w)
{
	u64 now = keepd_judged(k).at_s;
	for (u32 i = 0; i < k->state.n_access; i++) {
		const struct access_row *row = &k->state.ways[i];
		jsonw_object(w);
		put_what(w, &row->what);
		jsonw_kv_bool(w, "expired", row->what.expires_s && row->what.expires_s <= now);
		jsonw_kv_u64(w, "index", row->index);
		jsonw_object_end(w);
		jsonw_newline(w);
	}
}

/* ---- what vouches for clients ---- */

struct text {
	u8 *buf;
	size_t len;
};

/* 0; -errno. */
static int text_add(struct text *t, const void *data, size_t len)
{
	u8 *more = realloc(t->buf, t->len + len + 1);
	if (!more)
		return -ENOMEM;
	memcpy(more + t->len, data, len);
	t->buf = more;
	t->len += len;
	return 0;
}

static int text_add_blob(struct keepd *k, struct text *t, const u8 *digest)
{
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	int r = audit_log_blob(k->log, digest, &data, &len);
	if (r)
		return r < 0 ? r : -EIO;
	r = text_add(t, data, len);
	return r ? r : text_add(t, "\n", 1);
}

/* A root with the lists that serve it. */
static int text_add_root(struct keepd *k, struct text *t, const struct trust_row *root)
{
	struct proto_client_root head = { 0 };
	size_t at = t->len;
	memcpy(head.name, root->name, sizeof head.name);
	int r = text_add(t, &head, sizeof head);
	r = r ? r : text_add_blob(k, t, root->key_id);
	for (u32 i = 0; !r && i < k->state.n_trust; i++) {
		const struct trust_row *row = &k->state.trust[i];
		if (row->kind == TRUST_CRL && (!row->serves[0] || !strcmp(row->serves, root->name)))
			r = text_add_blob(k, t, row->key_id);
	}
	if (r)
		return r;
	head.bytes = t->len - at - sizeof head;
	memcpy(t->buf + at, &head, sizeof head);
	return 0;
}

int clients_answer(struct conn *c, u64 id, u64 known)
{
	struct keepd *k = c->k;
	if (known == k->state.access.generation) {
		client_end(c, id, END_DONE, known, "%s", "");
		return 0;
	}
	struct proto_clients head = { .generation = k->state.access.generation };
	struct text t = { 0 };
	int r = text_add(&t, &head, sizeof head);
	for (u32 i = 0; !r && i < k->state.n_trust; i++)
		if (k->state.trust[i].kind == TRUST_CLIENTS)
			r = text_add_root(k, &t, &k->state.trust[i]);
	r = r ? r : client_data(c, id, t.buf, t.len);
	free(t.buf);
	if (r)
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "what vouches for clients: %s", strerror(-r));
	else
		client_end(c, id, END_DONE, head.generation, "%s", "");
	return 0;
}

/* ---- the gateway's own certificate ---- */

static const u32 warn_days[] = { 30, 7, 1, 0 };

/* How many of these marks are behind us. */
static u32 marks_passed(u64 until_s, u64 now)
{
	u32 n = 0;
	while (n < ARRAY_LEN(warn_days) && now + warn_days[n] * 86400ull >= until_s)
		n++;
	return n;
}

int tls_set_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_tls t;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	memcpy(&t, f->body, sizeof t);
	if (!bytes_str_ok(t.subject, sizeof t.subject) || !bytes_str_ok(t.issuer, sizeof t.issuer) ||
		t.from_s >= t.until_s)
		return -EPROTO;
	if (client_refused(c, f->h.id, 0))
		return 0;
	audit_log_record(k->log, &rec, EVENT_TLS_SET, INTENT_NONE, &who);
	u64 index = rec.index;
	k->state.access.tls = t;
	k->state.access.tls_index = index;
	k->state.access.tls_warned = marks_passed(t.until_s, keepd_judged(k).at_s);
	jsonw_kv_hex(&rec.w, "leaf", t.leaf, sizeof t.leaf);
	audit_record_str(&rec, "subject", t.subject, sizeof t.subject);
	audit_record_str(&rec, "issuer", t.issuer, sizeof t.issuer);
	jsonw_kv_u64(&rec.w, "from_s", t.from_s);
	jsonw_kv_u64(&rec.w, "until_s", t.until_s);
	int r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : audit_log_put_access(k->log, &k->state);
	if (!r)
		client_end(c, f->h.id, END_DONE, index, "%s", "");
	return 0;
}

void tls_watch(struct keepd *k)
{
	struct access_head *h = &k->state.access;
	struct audit_actor self = keepd_self(k);
	struct audit_record rec;
	u32 n = h->tls_index ? marks_passed(h->tls.until_s, keepd_judged(k).at_s) : 0;
	if (n <= h->tls_warned || audit_log_failed(k->log))
		return;
	h->tls_warned = n;
	audit_log_record(k->log, &rec, EVENT_TLS_ENDS, INTENT_NONE, &self);
	jsonw_kv_hex(&rec.w, "leaf", h->tls.leaf, sizeof h->tls.leaf);
	jsonw_kv_u64(&rec.w, "until_s", h->tls.until_s);
	jsonw_kv_u64(&rec.w, "days", warn_days[n - 1]);
	int r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : audit_log_put_access(k->log, &k->state);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

void tls_status(const struct keepd *k, struct jsonw *w)
{
	const struct access_head *h = &k->state.access;
	if (!h->tls_index)
		return;
	u64 now = keepd_judged(k).at_s;
	jsonw_key(w, "tls");
	jsonw_object(w);
	jsonw_kv_hex(w, "leaf", h->tls.leaf, sizeof h->tls.leaf);
	jsonw_kv_str(w, "subject", h->tls.subject);
	jsonw_kv_str(w, "issuer", h->tls.issuer);
	jsonw_kv_u64(w, "from_s", h->tls.from_s);
	jsonw_kv_u64(w, "until_s", h->tls.until_s);
	jsonw_kv_u64(w, "left_s", h->tls.until_s > now ? h->tls.until_s - now : 0);
	jsonw_kv_u64(w, "index", h->tls_index);
	jsonw_object_end(w);
}
