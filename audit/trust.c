/* Trust roots: who vouches. keepd stores their bytes, by digest; keep-attest reads them. A key stands in its row; a file (certificates,
 * revocation lists, stamp authorities) in the table of blobs, under the digest that its row names. */
#include "audit/dual.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *kind_name(u32 kind)
{
	static const char *const names[] = { [TRUST_KEY] = "key",
		[TRUST_ROOT] = "root",
		[TRUST_CRL] = "crl",
		[TRUST_TSA] = "tsa",
		[TRUST_SIGSTORE] = "sigstore",
		[TRUST_CLIENTS] = "clients" };
	return kind < ARRAY_LEN(names) && names[kind] ? names[kind] : "unknown";
}

static bool is_zero(const void *p, size_t n)
{
	const u8 *b = p;
	while (n && !*b)
		b++, n--;
	return n == 0;
}

static bool pattern_ok(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-*?")] == 0;
}

static bool frame_ok(const struct proto_trust *t)
{
	const struct proto_identity *id = &t->identity;
	return t->kind >= TRUST_KEY && t->kind <= TRUST_CLIENTS && t->replace <= 1 &&
	       bytes_str_ok(t->name, sizeof t->name) && bytes_str_ok(t->models, sizeof t->models) &&
	       bytes_str_ok(t->serves, sizeof t->serves) && pattern_ok(t->models) && pattern_ok(t->serves) &&
	       bytes_str_ok(id->san, sizeof id->san) && bytes_str_ok(id->provider, sizeof id->provider) &&
	       bytes_str_ok(id->issuer, sizeof id->issuer) &&
	       bytes_str_ok(id->policy_oid, sizeof id->policy_oid) &&
	       (t->kind != TRUST_KEY || is_zero(id, sizeof *id));
}

int trust_read_file(
	struct conn *c, u64 id, struct ipc_frame *f, const char *what, u64 max, u8 **ret, size_t *ret_len)
{
	u8 *data = NULL;
	size_t len = 0;
	int r = fd_read_file(f->fd, max, &data, &len);
	if (r == 0 && len > 0 && role_file_ok(c, data, len)) {
		*ret = data;
		*ret_len = len;
		return 0;
	}
	free(data);
	client_end(c, id, r < 0 ? END_UNDECIDED : END_REFUSED, UINT64_MAX, "%s: %s", what,
		r < 0	 ? strerror(-r)
		: r == 1 ? "not a regular file"
		: r == 2 ? "longer than Keep reads"
		: len	 ? "not the file that was signed"
			 : "empty");
	return 1;
}

/* ---- adding ------------------------------------------------------------------------------------------------------------------ */

static u64 stored_bytes(const struct audit_state *s, const char *but)
{
	u64 n = 0;
	for (u32 i = 0; i < s->n_trust; i++)
		if (strcmp(s->trust[i].name, but) != 0)
			n += s->trust[i].bytes;
	return n;
}

/* Why it cannot be added now, or NULL. */
static const char *refusal(struct keepd *k, const struct proto_trust *t, u64 bytes)
{
	const struct trust_row *old = audit_trust_find(&k->state, t->name);
	if (old && !t->replace)
		return "there is a trust root of that name";
	if (!old && t->replace)
		return "there is none of that name to replace";
	if (old && old->kind != t->kind)
		return "the one that is there is of another kind";
	if (!old && k->state.n_trust == TRUST_KEYS_MAX)
		return "there are as many trust roots as fit";
	if (stored_bytes(&k->state, t->name) + bytes > TRUST_BYTES_MAX)
		return "all files of the trust store together may have 64 MiB";
	return NULL;
}

/* Ask keep-attest whether the file is what it is said to be. */
static int ask(struct conn *c, u64 id, const struct proto_trust *t, u8 **data, size_t len)
{
	bool key = t->kind == TRUST_KEY;
	struct proto_job p = { .kind = key ? JOB_KIND_KEY : JOB_KIND_TRUST, .n_trust = !key };
	struct conn *jc;
	_cleanup_fd_ int fd = -1;
	int r = fd_memfd_sealed("keep-trust", *data, len, &fd);
	_cleanup_fd_ int begin = r ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (!r && begin < 0)
		r = err_errno();
	if (!r)
		r = job_start(c->k, &p, &begin, &jc);
	if (r) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "keep-attest: %s",
			r > 0 ? "nobody listens at attest.sock" : strerror(-r));
		return 0;
	}
	if (!key)
		conn_send(jc, JOB_TRUST, 0, t, sizeof *t, &fd);
	conn_send(jc, JOB_GO, 0, NULL, 0, NULL);
	jc->job->trust = *t;
	jc->job->client = c;
	jc->job->data = *data;
	jc->job->len = len;
	*data = NULL;
	c->state = CLIENT_WAIT;
	return 0;
}

int trust_add_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_trust t;
	struct keepd *k = c->k;
	_cleanup_free_ u8 *data = NULL;
	size_t len = 0;
	memcpy(&t, f->body, sizeof t);
	if (!frame_ok(&t))
		return -EPROTO;
	if (!bytes_name_ok(t.name)) {
		client_end(c, f->h.id, END_USAGE, UINT64_MAX,
			"a name has 1 to %u of a-z 0-9 . _ - and starts with a letter or digit",
			NAME_LEN_MAX);
		return 0;
	}
	if (client_refused(c, f->h.id, 0))
		return 0;
	u64 most = t.kind == TRUST_KEY ? KEY_PEM_BYTES_MAX : TRUST_FILE_BYTES_MAX;
	if (trust_read_file(c, f->h.id, f, t.name, most, &data, &len) ||
		(t.kind != TRUST_KEY &&
			client_refused(c, f->h.id, 2 * len))) /* a file is written into the log's disk */
		return 0;
	const char *why = refusal(k, &t, t.kind == TRUST_KEY ? 0 : len);
	if (why) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "trust %s: %s", t.name, why);
		return 0;
	}
	return ask(c, f->h.id, &t, &data, len);
}

/* A row that another one of the same key or file already stands for. */
static const struct trust_row *same(const struct audit_state *s, const struct trust_row *row)
{
	for (u32 i = 0; i < s->n_trust; i++)
		if (memcmp(s->trust[i].key_id, row->key_id, SHA256_BYTES) == 0 &&
			s->trust[i].kind == row->kind && strcmp(s->trust[i].name, row->name) != 0 &&
			row->kind == TRUST_KEY)
			return &s->trust[i];
	return NULL;
}

static struct trust_row row_of(const struct job *j)
{
	struct trust_row row = { .kind = j->trust.kind,
		.bytes = j->trust.kind == TRUST_KEY ? 0 : j->len,
		.replaces = j->trust.replace,
		.identity = j->trust.identity };
	memcpy(row.name, j->trust.name, sizeof row.name);
	memcpy(row.models, j->trust.models, sizeof row.models);
	memcpy(row.serves, j->trust.serves, sizeof row.serves);
	if (row.kind == TRUST_KEY) {
		row.curve_bits = j->key.curve_bits;
		row.der_len = j->key.der_len;
		memcpy(row.key_id, j->key.id, sizeof row.key_id);
		memcpy(row.der, j->key.der, j->key.der_len);
	} else {
		sha256_of(j->data, j->len, row.key_id);
	}
	return row;
}

static void put_row(struct jsonw *w, const struct trust_row *row)
{
	const struct proto_identity *id = &row->identity;
	jsonw_kv_str(w, "name", row->name);
	jsonw_kv_str(w, "kind", kind_name(row->kind));
	jsonw_kv_hex(w, "key_id", row->key_id, sizeof row->key_id);
	if (row->kind == TRUST_KEY) {
		jsonw_kv_u64(w, "curve_bits", row->curve_bits);
		jsonw_kv_hex(w, "der", row->der, row->der_len);
	} else {
		jsonw_kv_u64(w, "bytes", row->bytes);
	}
	audit_record_text(w, "models", row->models, sizeof row->models);
	if (row->serves[0])
		audit_record_text(w, "serves", row->serves, sizeof row->serves);
	if (!is_zero(id->leaf, sizeof id->leaf))
		jsonw_kv_hex(w, "leaf", id->leaf, sizeof id->leaf);
	if (id->san[0])
		audit_record_text(w, "san", id->san, sizeof id->san);
	if (id->provider[0])
		audit_record_text(w, "provider", id->provider, sizeof id->provider);
	if (id->issuer[0])
		audit_record_text(w, "issuer", id->issuer, sizeof id->issuer);
	if (id->policy_oid[0])
		audit_record_text(w, "policy_oid", id->policy_oid, sizeof id->policy_oid);
}

void trust_add_put(struct jsonw *w, const struct dual_row *act)
{
	struct trust_row row;
	memcpy(&row, act->body, sizeof row);
	put_row(w, &row);
}

/* Once nobody names the file any more. */
static int drop_blob(struct keepd *k, const struct trust_row *gone)
{
	return !gone->bytes || audit_state_names(&k->state, gone->key_id)
		       ? 0
		       : audit_log_drop_blob(k->log, gone->key_id);
}

/* Whoever came by certificate proves it again. */
static void clients_changed(struct keepd *k, u32 kind, u64 index)
{
	if (kind == TRUST_CLIENTS || kind == TRUST_CRL)
		k->state.access.generation = index;
}

/* The row into record and state, and its file. */
static int add(struct keepd *k, const struct trust_row *from, const struct dual_doing *d, u64 *ret_index)
{
	struct trust_row row = *from, old = { 0 };
	const struct trust_row *was = audit_trust_find(&k->state, row.name);
	struct audit_record rec;
	if (was)
		old = *was;
	audit_log_record(k->log, &rec, EVENT_TRUST_ADD, INTENT_NONE, &d->who);
	row.index = *ret_index = rec.index;
	row.replaces = 0;
	int r = audit_trust_put(&k->state, &row);
	assert(r == 0); /* refusal() has just looked */
	put_row(&rec.w, &row);
	if (was)
		jsonw_kv_hex(&rec.w, "replaces", old.key_id, sizeof old.key_id);
	clients_changed(k, row.kind, rec.index);
	r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : audit_log_put_trust(k->log, &row);
	r = r ? r : audit_log_put_access(k->log, &k->state);
	r = r || !was ? r : drop_blob(k, &old);
	return r || !row.bytes ? r : audit_log_put_blob(k->log, row.key_id, d->file, d->file_len);
}

/* The act of adding a row: it says already what keep-attest found. */
static struct dual_row act_of(const struct trust_row *row)
{
	struct dual_row act = { .type = CTL_TRUST_ADD, .len = sizeof *row, .file_bytes = row->bytes };
	static_assert(sizeof *row <= sizeof act.body, "a trust root's row is an act");
	memcpy(act.body, row, sizeof *row);
	return act;
}

bool trust_add_refused(struct keepd *k, const struct dual_row *act, char why[REASON_LEN_MAX + 1])
{
	struct trust_row row;
	memcpy(&row, act->body, sizeof row);
	const struct trust_row *twin = same(&k->state, &row);
	struct proto_trust t = { .kind = row.kind, .replace = row.replaces };
	memcpy(t.name, row.name, sizeof t.name);
	const char *text = refusal(k, &t, row.bytes);
	if (twin)
		snprintf(why, REASON_LEN_MAX + 1, "trust %s: the same key is trusted as %s", row.name,
			twin->name);
	else if (text)
		snprintf(why, REASON_LEN_MAX + 1, "trust %s: %.150s", row.name, text);
	return twin || text;
}

int trust_add_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct trust_row row;
	memcpy(&row, d->row->body, sizeof row);
	return add(k, &row, d, ret_index);
}

static bool key_usable(const struct proto_key *key)
{
	return key->der_len > 0 && key->der_len <= KEY_DER_BYTES_MAX && key->curve_bits <= 1024;
}

void trust_job_done(struct keepd *k, struct job *j)
{
	struct conn *c = j->client;
	if (!c || audit_log_failed(k->log))
		return;
	if (j->report.verdict != ATTEST_ACCEPTED) {
		client_done(c, j->report.verdict == ATTEST_REJECTED ? END_REFUSED : END_UNDECIDED, UINT64_MAX,
			"trust %s: %.200s", j->trust.name, j->report.detail);
		return;
	}
	if (j->trust.kind == TRUST_KEY && (!j->has_key || !key_usable(&j->key))) {
		client_done(c, END_UNDECIDED, UINT64_MAX, "trust %s: keep-attest gave no usable key",
			j->trust.name);
		return;
	}
	struct trust_row row = row_of(j);
	struct dual_row as_act = act_of(&row);
	char text[REASON_LEN_MAX + 1];
	if (trust_add_refused(k, &as_act, text)) { /* others may have added meanwhile */
		client_done(c, END_REFUSED, UINT64_MAX, "%s", text);
		return;
	}
	if (dual_wanted(k, CTL_TRUST_ADD)) {
		dual_propose(c, c->cmd_id,
			&(struct dual_proposal){ .type = CTL_TRUST_ADD,
				.body = &row,
				.len = sizeof row,
				.file = row.bytes ? j->data : NULL,
				.file_len = row.bytes,
				.object = row.name,
				.reason = "" });
		return;
	}
	struct dual_doing d = { .file = j->data, .file_len = j->len, .who = conn_actor(c) };
	u64 index;
	if (add(k, &row, &d, &index) == 0)
		client_done(c, END_DONE, index, "%s", "");
}

bool trust_rm_refused(struct keepd *k, const struct dual_row *act, char why[REASON_LEN_MAX + 1])
{
	struct proto_name n;
	memcpy(&n, act->body, sizeof n);
	if (audit_trust_find(&k->state, n.name))
		return false;
	snprintf(why, REASON_LEN_MAX + 1, "trust %s: there is none", n.name);
	return true;
}

int trust_rm_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct proto_name n;
	struct audit_record rec;
	memcpy(&n, d->row->body, sizeof n);
	struct trust_row gone = *audit_trust_find(&k->state, n.name);
	audit_log_record(k->log, &rec, EVENT_TRUST_REMOVE, INTENT_NONE, &d->who);
	*ret_index = rec.index;
	jsonw_kv_str(&rec.w, "name", n.name);
	jsonw_kv_hex(&rec.w, "key_id", gone.key_id, sizeof gone.key_id);
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	audit_trust_drop(&k->state, n.name);
	clients_changed(k, gone.kind, rec.index);
	int r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : audit_log_drop_trust(k->log, n.name);
	r = r ? r : audit_log_put_access(k->log, &k->state);
	return r ? r : drop_blob(k, &gone);
}

/* ---- for jobs ---------------------------------------------------------------------------------------------------------------- */

/* What vouches for clients, and the lists that serve it alone, say nothing of a model. */
static bool about_models(const struct keepd *k, const struct trust_row *row)
{
	const struct trust_row *served =
		row->serves[0] ? audit_trust_find((struct audit_state *)(uintptr_t)&k->state, row->serves)
			       : NULL;
	return row->kind != TRUST_CLIENTS && !(served && served->kind == TRUST_CLIENTS);
}

void trust_count(const struct keepd *k, struct proto_job *p)
{
	p->n_keys = p->n_trust = 0;
	for (u32 i = 0; i < k->state.n_trust; i++)
		if (about_models(k, &k->state.trust[i]))
			*(k->state.trust[i].kind == TRUST_KEY ? &p->n_keys : &p->n_trust) += 1;
}

static void send_key(struct conn *jc, const struct trust_row *t)
{
	struct proto_key key = { .der_len = t->der_len, .curve_bits = t->curve_bits };
	memcpy(key.name, t->name, sizeof key.name);
	memcpy(key.id, t->key_id, sizeof key.id);
	memcpy(key.der, t->der, sizeof key.der);
	memcpy(key.models, t->models, sizeof key.models);
	conn_send(jc, JOB_KEY, 0, &key, sizeof key, NULL);
}

/* A blob as a sealed memory file. 0; -EIO the database does not hold what the state names; -errno. */
static int blob_fd(struct keepd *k, const u8 *digest, int *ret)
{
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	int r = audit_log_blob(k->log, digest, &data, &len);
	if (r)
		return r < 0 ? r : err_origin(-EIO);
	return fd_memfd_sealed("keep-blob", data, len, ret);
}

int trust_send(struct keepd *k, struct conn *jc)
{
	for (u32 i = 0; i < k->state.n_trust; i++) {
		const struct trust_row *row = &k->state.trust[i];
		_cleanup_fd_ int fd = -1;
		if (!about_models(k, row))
			continue;
		if (row->kind == TRUST_KEY) {
			send_key(jc, row);
			continue;
		}
		struct proto_trust t = { .kind = row->kind, .identity = row->identity };
		memcpy(t.name, row->name, sizeof t.name);
		memcpy(t.models, row->models, sizeof t.models);
		memcpy(t.serves, row->serves, sizeof t.serves);
		int r = blob_fd(k, row->key_id, &fd);
		if (r)
			return r;
		conn_send(jc, JOB_TRUST, 0, &t, sizeof t, &fd);
	}
	return 0;
}

int policy_send(struct keepd *k, struct conn *jc)
{
	_cleanup_fd_ int fd = -1;
	if (!k->state.policy.bytes)
		return 0;
	int r = blob_fd(k, k->state.policy.digest, &fd);
	if (!r)
		conn_send(jc, JOB_POLICY, 0, NULL, 0, &fd);
	return r;
}
