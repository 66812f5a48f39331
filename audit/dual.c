#include "audit/dual.h"
#include "audit/content.h"
#include "audit/keeping.h"
#include "audit/role.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every act that may need two people. */
static const struct dual_act acts[] = {
	{ CTL_ROLE_ADD, "role-add", ROLE_OFFICER, 0, role_add_refused, role_add_run, false, role_add_put },
	{ CTL_ROLE_RM, "role-rm", ROLE_OFFICER, 0, role_rm_refused, role_rm_run, false },
	{ CTL_LIFT, "lift", ROLE_OFFICER, 0, model_lift_refused, model_lift_run, false },
	{ CTL_HOLD_RM, "hold-rm", ROLE_OFFICER, 0, hold_rm_refused, hold_rm_run, false },
	{ CTL_ERASE, "erase", ROLE_OFFICER, 0, erase_refused, erase_run, false },
	{ CTL_PRUNE, "prune", ROLE_OFFICER, 0, prune_refused, prune_run, false },
	{ CTL_ROTATE, "rotate", ROLE_OFFICER, 0, rotate_refused, rotate_run, false },
	{ CTL_SERVE, "serve", ROLE_OFFICER, 0, model_serve_refused, model_serve_run, false },
	{ CTL_EXPORT, "export", ROLE_OFFICER, TWO_EXPORT, export_refused, export_run, false },
	{ CTL_TRUST_ADD, "trust-add", ROLE_OFFICER, TWO_TRUST, trust_add_refused, trust_add_run, true,
		trust_add_put },
	{ CTL_TRUST_RM, "trust-rm", ROLE_OFFICER, TWO_TRUST, trust_rm_refused, trust_rm_run, false },
	{ CTL_WITNESSES, "witnesses", ROLE_OFFICER, TWO_TRUST, witnesses_refused, witnesses_run, false },
	{ CTL_POLICY_SET, "policy-set", ROLE_OFFICER, TWO_POLICY, policy_set_refused, policy_set_run, false },
	{ CTL_QUOTA_SET, "quota-set", ROLE_OFFICER, TWO_POLICY, quota_set_refused, quota_set_run, true },
	{ CTL_ACCESS_ADD, "access-add", ROLE_OFFICER, TWO_ACCESS, access_add_refused, access_add_run, false,
		access_add_put },
};

const struct dual_act *dual_act(u32 type)
{
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (acts[i].type == type)
			return &acts[i];
	return NULL;
}

bool dual_wanted(const struct keepd *k, u32 type)
{
	const struct dual_act *a = dual_act(type);
	return a && (a->policy == 0 || (a->policy & k->state.policy.two_persons));
}

static void act_digest(const struct dual_act *a, const struct dual_row *row, u8 ret[SHA256_BYTES])
{
	static const char prefix[] = "keep act\n";
	struct sha256 h;
	sha256_init(&h);
	sha256_update(&h, prefix, sizeof prefix - 1);
	sha256_update(&h, a->name, strlen(a->name));
	sha256_update(&h, "\n", 1);
	sha256_update(&h, row->body, row->len);
	sha256_update(&h, row->file, sizeof row->file);
	sha256_final(&h, ret);
}

static void put_act(struct audit_record *rec, const struct dual_act *a, const struct dual_row *row)
{
	jsonw_kv_str(&rec->w, "act", a->name);
	audit_record_str(rec, "object", row->object, sizeof row->object);
	jsonw_kv_hex(&rec->w, "act_digest", row->digest, sizeof row->digest);
}

/* ---- proposing ---- */

static void row_make(
	struct conn *c, const struct dual_act *a, const struct dual_proposal *p, struct dual_row *row)
{
	const struct role_row *person = role_row_of(c);
	assert(p->len <= sizeof row->body);
	*row = (struct dual_row){ .type = p->type,
		.uid = c->peer.uid,
		.len = p->len,
		.file_bytes = p->file_len,
		.expires_s = keepd_judged(c->k).at_s + DUAL_EXPIRE_S };
	memcpy(row->body, p->body, p->len);
	if (person)
		memcpy(row->person, person->name, sizeof row->person);
	if (p->file_len)
		sha256_of(p->file, p->file_len, row->file);
	snprintf(row->object, sizeof row->object, "%s", p->object);
	snprintf(row->reason, sizeof row->reason, "%s", p->reason);
	act_digest(a, row, row->digest);
}

static int propose(
	struct conn *c, const struct dual_act *a, const struct dual_proposal *p, struct dual_row *row)
{
	struct keepd *k = c->k;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(k->log, &rec, EVENT_PROPOSE, INTENT_NONE, &who);
	row->index = rec.index;
	put_act(&rec, a, row);
	jsonw_kv_hex(&rec.w, "file", row->file, row->file_bytes ? sizeof row->file : 0);
	audit_record_str(&rec, "reason", row->reason, sizeof row->reason);
	jsonw_kv_u64(&rec.w, "expires_s", row->expires_s);
	int r = audit_pending_put(&k->state, row);
	assert(r == 0); /* the caller has just looked */
	r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : audit_log_put_pending(k->log, &k->state);
	if (!r && row->file_bytes)
		r = audit_log_put_blob(k->log, row->file, p->file, p->file_len);
	return r;
}

/* Does the very same act wait already? */
static const struct dual_row *waiting(const struct keepd *k, const struct dual_row *row)
{
	for (u32 i = 0; i < k->state.n_pending; i++)
		if (memcmp(k->state.pending[i].digest, row->digest, sizeof row->digest) == 0)
			return &k->state.pending[i];
	return NULL;
}

/* Who is refused an act of two people has tried something that the log should know of. */
static void refuse(struct conn *c, u32 type, u64 id, const char *why)
{
	role_denied(c, type, "two people", why);
	client_end(c, id, END_REFUSED, UINT64_MAX, "%s", why);
}

void dual_propose(struct conn *c, u64 id, const struct dual_proposal *p)
{
	struct keepd *k = c->k;
	const struct dual_act *a = dual_act(p->type);
	struct dual_row row;
	char why[REASON_LEN_MAX + 1];
	assert(a);
	c->state = CLIENT_IDLE;
	if (client_refused(c, id, 0) || role_unsigned(c, p->type, id))
		return;
	if (k->single_user) {
		snprintf(why, sizeof why, "%s%s%.100s: it takes two people, and this appliance has one user",
			a->name, p->object[0] ? " " : "", p->object);
		refuse(c, p->type, id, why);
		return;
	}
	row_make(c, a, p, &row);
	const struct dual_row *twin = waiting(k, &row);
	if (a->refused(k, &row, why))
		refuse(c, p->type, id, why);
	else if (twin)
		client_end(c, id, END_REFUSED, twin->index, "%s %s: proposal %" PRIu64 " waits already",
			a->name, row.object, twin->index);
	else if (k->state.n_pending == PENDING_MAX)
		client_end(c, id, END_REFUSED, UINT64_MAX, "%u proposals wait already", PENDING_MAX);
	else if (propose(c, a, p, &row) == 0)
		client_end(c, id, END_DONE, row.index,
			"proposed: another %s says keep approve %" PRIu64 ", within %u days",
			audit_role_words(a->approvers).s, row.index, DUAL_EXPIRE_S / 86400u);
	else
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "%s", audit_log_failed(k->log));
}

int dual_name_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_name n;
	if (client_name(f, &n))
		return -EPROTO;
	dual_propose(c, f->h.id,
		&(struct dual_proposal){
			.type = f->h.type, .body = &n, .len = sizeof n, .object = n.name, .reason = n.text });
	return 0;
}

/* ---- acts that need one person only ---- */

int dual_or_now(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct dual_row act = { .type = f->h.type, .len = sizeof(struct proto_name) };
	struct proto_name n;
	struct dual_doing d = { .row = &act, .who = conn_actor(c) };
	char why[REASON_LEN_MAX + 1];
	u64 index;
	if (dual_wanted(k, f->h.type))
		return dual_name_frame(c, f);
	if (client_name(f, &n))
		return -EPROTO;
	memcpy(act.body, &n, sizeof n);
	if (client_refused(c, f->h.id, 0))
		return 0;
	if (dual_act(f->h.type)->refused(k, &act, why))
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "%s", why);
	else if (dual_act(f->h.type)->run(k, &d, &index) == 0)
		client_end(c, f->h.id, END_DONE, index, "%s", "");
	return 0;
}

/* ---- deciding ---- */

/* The row goes, and its file when nothing else names it. */
static int settle(struct keepd *k, const struct dual_row *row, struct audit_record *rec)
{
	audit_pending_drop(&k->state, row->index);
	int r = audit_log_append(k->log, rec, &k->state);
	r = r ? r : audit_log_put_pending(k->log, &k->state);
	if (!r && row->file_bytes && dual_act(row->type)->drops_file &&
		!audit_state_names(&k->state, row->file))
		r = audit_log_drop_blob(k->log, row->file);
	return r;
}

static int put_decision(struct keepd *k, u32 event, const struct dual_row *row, const struct audit_actor *who,
	const char *reason)
{
	struct audit_record rec;
	const struct dual_act *a = dual_act(row->type);
	audit_log_record(k->log, &rec, event, row->index, who);
	put_act(&rec, a, row);
	if (reason)
		audit_record_str(&rec, "reason", reason, REASON_LEN_MAX);
	return settle(k, row, &rec);
}

/* Why this client may not decide it so, into why. */
static bool decide_refused(
	struct conn *c, const struct proto_decide *d, const struct dual_row *row, char *why)
{
	const char *none;
	const struct dual_act *a = dual_act(row->type);
	bool own = row->uid == c->peer.uid;
	u32 may = role_of(c, &none) & a->approvers;
	const char *text = NULL;
	char buf[128];
	if (memcmp(d->digest, row->digest, sizeof row->digest) != 0)
		text = "the digest is of another act";
	else if (d->approve && own)
		text = "whoever proposed it cannot approve it: it takes two people";
	else if (!own && !may) {
		snprintf(buf, sizeof buf, "it takes the role %s", audit_role_words(a->approvers).s);
		text = buf;
	} else if (d->approve && keepd_judged(c->k).at_s >= row->expires_s)
		text = "its time is over";
	if (text)
		snprintf(why, REASON_LEN_MAX + 1, "proposal %" PRIu64 ": %s", row->index, text);
	if (!text && !own)
		c->role = may & -may;
	return text || (d->approve && a->refused(c->k, row, why));
}

static void approve(struct conn *c, u64 id, const struct dual_row *row, const char *reason)
{
	struct keepd *k = c->k;
	const struct dual_act *a = dual_act(row->type);
	struct dual_row done = *row;
	_cleanup_free_ u8 *file = NULL;
	struct dual_doing d = { .row = &done, .who = conn_actor(c) };
	u64 index = 0;
	int r = row->file_bytes ? audit_log_blob(k->log, row->file, &file, &d.file_len) : 0;
	if (r) {
		client_end(c, id, END_UNDECIDED, UINT64_MAX, "proposal %" PRIu64 ": its file: %s", row->index,
			r < 0 ? strerror(-r) : "not stored");
		return;
	}
	r = put_decision(k, EVENT_APPROVE, &done, &d.who, reason);
	d.file = file;
	d.who.proposal = done.index;
	r = r ? r : a->run(k, &d, &index);
	if (!r)
		client_end(c, id, END_DONE, index, "%s %s: approved and done, record %" PRIu64, a->name,
			done.object, index);
}

int decide_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_decide d;
	char why[REASON_LEN_MAX + 1];
	memcpy(&d, f->body, sizeof d);
	if (d.approve > 1 || d.reserved || !bytes_str_ok(d.text, sizeof d.text))
		return -EPROTO;
	if (client_refused(c, f->h.id, 0) || role_unsigned(c, f->h.type, f->h.id))
		return 0;
	const struct dual_row *row = audit_pending_find(&k->state, d.index);
	if (!row) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX,
			"proposal %" PRIu64 ": none waits under that index", d.index);
		return 0;
	}
	if (decide_refused(c, &d, row, why)) {
		refuse(c, f->h.type, f->h.id, why);
		return 0;
	}
	if (d.approve) {
		approve(c, f->h.id, row, d.text);
		return 0;
	}
	struct audit_actor who = conn_actor(c);
	struct dual_row gone = *row;
	u64 index = audit_log_size(k->log);
	if (put_decision(k, EVENT_REJECT, &gone, &who, d.text) == 0)
		client_end(c, f->h.id, END_DONE, index, "%s %s: rejected", dual_act(gone.type)->name,
			gone.object);
	return 0;
}

void dual_watch(struct keepd *k)
{
	struct audit_actor self = keepd_self(k);
	for (u32 i = 0; i < k->state.n_pending && !audit_log_failed(k->log); i++) {
		struct dual_row row = k->state.pending[i];
		if (keepd_judged(k).at_s < row.expires_s)
			continue;
		if (put_decision(k, EVENT_EXPIRE, &row, &self, NULL))
			return;
		i--;
	}
}

/* ---- listing ---- */

void dual_list(const struct keepd *k, struct jsonw *w)
{
	for (u32 i = 0; i < k->state.n_pending; i++) {
		const struct dual_row *row = &k->state.pending[i];
		const struct dual_act *a = dual_act(row->type);
		jsonw_object(w);
		jsonw_kv_u64(w, "index", row->index);
		jsonw_kv_str(w, "act", a->name);
		jsonw_kv_str(w, "object", row->object);
		jsonw_kv_str(w, "reason", row->reason);
		jsonw_kv_u64(w, "uid", row->uid);
		jsonw_kv_str(w, "person", row->person);
		jsonw_kv_str(w, "needs", audit_role_words(a->approvers).s);
		jsonw_kv_u64(w, "expires_s", row->expires_s);
		jsonw_kv_hex(w, "act_digest", row->digest, sizeof row->digest);
		jsonw_kv_hex(w, "file", row->file, row->file_bytes ? sizeof row->file : 0);
		jsonw_kv_u64(w, "file_bytes", row->file_bytes);
		jsonw_key(w, "detail");
		jsonw_object(w);
		if (a->put)
			a->put(w, row);
		jsonw_object_end(w);
		jsonw_kv_hex(w, "body", row->body, row->len);
		jsonw_object_end(w);
		jsonw_newline(w);
	}
}
