/* The ctl socket: what a client may ask. */
#include "audit/console.h"
#include "audit/content.h"
#include "audit/keeping.h"
#include "audit/role.h"
#include "audit/search.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define IDLE (CLIENT_IDLE | CLIENT_SKIP)
#define NAME sizeof(struct proto_name)

static int skip_frame(void *conn, struct ipc_frame *f);
#define H(fn) ((int (*)(void *, struct ipc_frame *))(fn))

/* Which frame may come when, of what form, and who may send it. */
static const struct ipc_rule rules[] = {
	{ CTL_QUERY, IDLE, sizeof(struct proto_query), false, false, H(query_frame),
		ROLE_ANY }, /* queries[] below */
	{ CTL_SIGN, IDLE, sizeof(struct proto_sign), false, false, H(sign_frame), ROLE_ANY },
	{ CTL_TRUST_ADD, IDLE, sizeof(struct proto_trust), true, false, H(trust_add_frame), ROLE_OFFICER },
	{ CTL_TRUST_RM, IDLE, NAME, false, false, H(dual_or_now), ROLE_OFFICER },
	{ CTL_IMPORT, IDLE, sizeof(struct proto_import), true, false, H(import_frame), ROLE_OPERATOR },
	{ CTL_FILE, CLIENT_FILES, sizeof(struct proto_file), true, false, H(import_file_frame),
		ROLE_OPERATOR },
	{ CTL_BUNDLE, CLIENT_FILES, sizeof(struct proto_index), true, false, H(import_bundle_frame),
		ROLE_OPERATOR },
	{ CTL_IMPORT_GO, CLIENT_FILES, 0, false, false, H(import_go_frame), ROLE_OPERATOR },
	{ CTL_FILE, CLIENT_SKIP, sizeof(struct proto_file), true, false, skip_frame, ROLE_ANY },
	{ CTL_BUNDLE, CLIENT_SKIP, sizeof(struct proto_index), true, false, skip_frame, ROLE_ANY },
	{ CTL_IMPORT_GO, CLIENT_SKIP, 0, false, false, skip_frame, ROLE_ANY },
	{ CTL_POLICY_SET, IDLE, NAME, true, false, H(policy_set_frame), ROLE_OFFICER },
	{ CTL_WITNESSES, IDLE, NAME, true, false, H(witnesses_frame), ROLE_OFFICER },
	{ CTL_COSIGN, IDLE, 0, true, false, H(cosign_frame),
		ROLE_STAFF }, /* the witness signed it; who carries it is no matter */
	{ CTL_LOOK, IDLE, sizeof(struct proto_look), false, false, H(look_frame), ROLE_LOG },
	{ CTL_REVIEW, IDLE, 0, true, false, H(review_frame), ROLE_AUDITOR },
	{ CTL_TAKEN, IDLE, sizeof(struct proto_taken), false, false, H(taken_frame), ROLE_LOG },
	{ CTL_EXPLAIN, IDLE, NAME, false, false, H(explain_frame), ROLE_STAFF },
	{ CTL_REVOKE, IDLE, NAME, false, false, H(revoke_frame), ROLE_OFFICER },
	{ CTL_REMOVE, IDLE, NAME, false, false, H(remove_frame), ROLE_OPERATOR },
	{ CTL_SESSION, IDLE, sizeof(struct proto_session_want), false, false, H(session_frame), ROLE_SERVED },
	{ CTL_PLAN, IDLE, sizeof(struct proto_session_want), false, false, H(plan_frame),
		ROLE_SERVED | ROLE_OPERATOR },
	{ CTL_BEGIN, IDLE | CLIENT_WAIT, sizeof(struct proto_begin), true, false, H(begin_frame),
		ROLE_SERVED },
	{ CTL_ROLE_ADD, IDLE, sizeof(struct proto_role), false, false, H(role_add_frame), ROLE_OFFICER },
	{ CTL_ROLE_RM, IDLE, NAME, false, false, H(dual_name_frame), ROLE_OFFICER },
	{ CTL_LIFT, IDLE, NAME, false, false, H(dual_name_frame), ROLE_OFFICER },
	{ CTL_ROTATE, IDLE, NAME, false, false, H(dual_name_frame), ROLE_OFFICER },
	{ CTL_SERVE, IDLE, NAME, false, false, H(dual_name_frame), ROLE_OPERATOR | ROLE_OFFICER },
	{ CTL_RETAIN, IDLE, sizeof(struct proto_retain), false, false, H(retain_frame), ROLE_OFFICER },
	{ CTL_HOLD_ADD, IDLE, sizeof(struct proto_hold), false, false, H(hold_add_frame),
		ROLE_OFFICER | ROLE_AUDITOR },
	{ CTL_HOLD_RM, IDLE, NAME, false, false, H(dual_name_frame), ROLE_OFFICER },
	{ CTL_ERASE, IDLE, NAME, false, false, H(dual_name_frame), ROLE_OFFICER },
	{ CTL_ARCHIVED, IDLE, sizeof(struct proto_archive), false, false, H(archived_frame),
		ROLE_OFFICER | ROLE_AUDITOR },
	{ CTL_PRUNE, IDLE, sizeof(struct proto_prune), false, false, H(prune_frame), ROLE_OFFICER },
	{ CTL_EXPORT, IDLE, NAME, false, false, H(export_frame), ROLE_OPERATOR },
	{ CTL_STOP, IDLE, NAME, false, false, H(stop_frame), ROLE_ANY }, /* one's own; and as stop.c says */
	{ CTL_TEXT, IDLE, sizeof(struct proto_record), false, false, H(text_frame), ROLE_AUDITOR },
	{ CTL_QUOTA_SET, IDLE, NAME, true, false, H(quota_set_frame), ROLE_OFFICER },
	{ CTL_ACCESS_ADD, IDLE, sizeof(struct proto_access), false, false, H(access_add_frame),
		ROLE_OFFICER },
	{ CTL_ACCESS_RM, IDLE, NAME, false, false, H(access_rm_frame), ROLE_OFFICER },
	{ CTL_TLS_SET, IDLE, sizeof(struct proto_tls), false, false, H(tls_set_frame),
		ROLE_OPERATOR | ROLE_OFFICER },
	/* keep-gateway alone has these granted (principal.h) */
	{ CTL_PROVE_PEER, IDLE, 0, true, false, H(prove_peer_frame), ROLE_ANY },
	{ CTL_PROVE_KEY, IDLE, sizeof(struct proto_prove_key), false, false, H(prove_key_frame), ROLE_ANY },
	{ CTL_PROVE_CERT, IDLE, sizeof(struct proto_prove_cert), false, false, H(prove_cert_frame),
		ROLE_ANY },
	{ CTL_PROVE_LOGIN, IDLE, sizeof(struct proto_prove_key), false, false, H(prove_login_frame),
		ROLE_ANY },
	{ CTL_ENTER, IDLE, sizeof(struct proto_enter), false, false, H(enter_frame), ROLE_ANY },
	{ CTL_CONSOLE, IDLE, sizeof(struct proto_console), false, false, H(console_frame), ROLE_LOG },
	{ CTL_CONSOLE_END, IDLE, 0, false, false, H(console_end_frame), ROLE_LOG },
	{ CTL_DECIDE, IDLE, sizeof(struct proto_decide), false, false, H(decide_frame),
		ROLE_STAFF }, /* and as the act says: dual.c */
};

/* Who may ask what; what stands not here is not answered. */
static const u8 queries[] = {
	[QUERY_STATUS] = ROLE_ANY,
	[QUERY_TRUST] = ROLE_STAFF,
	[QUERY_MODELS] = ROLE_ANY,
	[QUERY_MODEL] = ROLE_ANY,
	[QUERY_RECORDS] = ROLE_LOG,
	[QUERY_RECORD] = ROLE_LOG,
	[QUERY_CHECKPOINT] = ROLE_ANY,
	[QUERY_VERIFY] = ROLE_STAFF,
	[QUERY_POLICY] = ROLE_STAFF,
	[QUERY_RECEIPT] = ROLE_LOG,
	[QUERY_REQUEST] = ROLE_STAFF,
	[QUERY_ROLES] = ROLE_STAFF,
	[QUERY_PENDING] = ROLE_STAFF,
	[QUERY_EVENTS] = ROLE_ANY,
	[QUERY_RANGE] = ROLE_LOG,
	[QUERY_BLOB] = ROLE_LOG,
	[QUERY_OPEN] = ROLE_STAFF,
	[QUERY_RETAIN] = ROLE_STAFF,
	[QUERY_WITNESSED] = ROLE_ANY,
	[QUERY_LEAVES] = ROLE_LOG,
	[QUERY_SUBTREES] = ROLE_LOG,
	[QUERY_QUOTA] = ROLE_STAFF,
	[QUERY_USAGE] = ROLE_ANY, /* of others: quota_set.c */
	[QUERY_ACCESS] = ROLE_STAFF,
	[QUERY_CLIENTS] = ROLE_ANY,
};

/* Commands in the words of the records. */
static const struct {
	u32 type;
	const char *word;
} words[] = {
	{ CTL_QUERY, "query" },
	{ CTL_SIGN, "sign" },
	{ CTL_TRUST_ADD, "trust-add" },
	{ CTL_TRUST_RM, "trust-rm" },
	{ CTL_IMPORT, "import" },
	{ CTL_POLICY_SET, "policy-set" },
	{ CTL_WITNESSES, "witnesses" },
	{ CTL_COSIGN, "cosign" },
	{ CTL_LOOK, "look" },
	{ CTL_REVIEW, "review" },
	{ CTL_TAKEN, "excerpt" },
	{ CTL_EXPLAIN, "explain" },
	{ CTL_REVOKE, "revoke" },
	{ CTL_REMOVE, "remove" },
	{ CTL_SESSION, "session" },
	{ CTL_PLAN, "plan" },
	{ CTL_BEGIN, "request" },
	{ CTL_ROLE_ADD, "role-add" },
	{ CTL_ROLE_RM, "role-rm" },
	{ CTL_LIFT, "lift" },
	{ CTL_SERVE, "serve" },
	{ CTL_ROTATE, "rotate" },
	{ CTL_DECIDE, "decide" },
	{ CTL_RETAIN, "retention" },
	{ CTL_HOLD_ADD, "hold-add" },
	{ CTL_HOLD_RM, "hold-rm" },
	{ CTL_ERASE, "erase" },
	{ CTL_ARCHIVED, "archive" },
	{ CTL_PRUNE, "prune" },
	{ CTL_TEXT, "text" },
	{ CTL_QUOTA_SET, "quota-set" },
	{ CTL_EXPORT, "export" },
	{ CTL_STOP, "stop" },
	{ CTL_ACCESS_ADD, "access-add" },
	{ CTL_ACCESS_RM, "access-rm" },
	{ CTL_TLS_SET, "tls-set" },
	{ CTL_PROVE_PEER, "prove-peer" },
	{ CTL_PROVE_KEY, "prove-key" },
	{ CTL_PROVE_CERT, "prove-cert" },
	{ CTL_CONSOLE, "console" },
	{ CTL_CONSOLE_END, "console-end" },
	{ CTL_ENTER, "console-enter" },
	{ CTL_PROVE_LOGIN, "prove-login" },
};

const char *client_word(u32 type)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (words[i].type == type)
			return words[i].word;
	return "command";
}

static int skip_frame(void *conn, struct ipc_frame *f)
{
	struct conn *c = conn;
	if (f->h.type == CTL_IMPORT_GO)
		c->state = CLIENT_IDLE;
	return 0;
}

static u32 allowed(const struct ipc_rule *r, const struct ipc_frame *f)
{
	struct proto_query q;
	if (r->type != CTL_QUERY)
		return r->roles;
	memcpy(&q, f->body, sizeof q);
	return q.what < ARRAY_LEN(queries) ? queries[q.what] : 0;
}

/* Does nothing that is still to come answer this frame? */
static bool is_over(const struct conn *c, u32 type)
{
	return type == CTL_BEGIN || (type != CTL_SIGN && c->state == CLIENT_IDLE);
}

/* Every command has an answer. One that stopped half-way has none that the closing gate could take back: the log failed under it, not at the
 * commit behind it; or something else did, and then the log must not keep the half that was written. */
static int carry_out(const struct ipc_rule *r, struct conn *c, struct ipc_frame *f)
{
	struct audit_log *log = c->k->log;
	u32 ends = c->n_ends;
	int e = r->handler(c, f);
	if (e || c->dead || c->n_ends != ends || r->handler == skip_frame || !is_over(c, f->h.type))
		return e;
	audit_log_fail(log, "%s: it could not be carried out whole", client_word(f->h.type));
	client_end(c, f->h.id, END_UNDECIDED, UINT64_MAX, "%s", audit_log_failed(log));
	return 0;
}

int client_frame(struct conn *c, struct ipc_frame *f)
{
	const struct ipc_rule *r = ipc_match(rules, ARRAY_LEN(rules), c->state, &c->seen, f);
	u32 may = r ? allowed(r, f) : 0;
	if (!may)
		return -EPROTO;
	if (f->h.type != CTL_BEGIN)
		c->cmd_id = f->h.id;
	if (r->state == IDLE)
		c->state = CLIENT_IDLE;
	if (role_begin(c, f, may) == 0)
		return carry_out(r, c, f);
	if (f->h.type == CTL_IMPORT)
		c->state = CLIENT_SKIP;
	return 0;
}

void client_closed(struct conn *c)
{
	if (c->import)
		import_cancel(c->import, "the client closed its connection", true);
	c->grant = NULL;
	for (struct conn *o = c->k->conns; o; o = o->next)
		if (o->job && o->job->client == c)
			o->job->client = NULL;
	if (c->check) {
		audit_check_fini(c->check);
		free_ptr(&c->check);
	}
	audit_search_free(&c->search);
	gate_client_gone(c);
}

_printf_(5, 0) static void send_end(
	struct conn *c, u64 id, u32 status, u64 index, const char *fmt, va_list ap)
{
	struct proto_end end = { .status = status, .index = index };
	vsnprintf(end.text, sizeof end.text, fmt, ap);
	size_t len = strlen(end.text);
	memset(end.text + len, 0, sizeof end.text - len);
	conn_send(c, CTL_END, id, &end, sizeof end, NULL);
}

void client_end(struct conn *c, u64 id, u32 status, u64 index, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	send_end(c, id, status, index, fmt, ap);
	va_end(ap);
}

void client_end_quota(struct conn *c, u64 id, const struct quota_no *no)
{
	struct proto_end end = { .status = no->status, .retry_s = no->retry_s, .index = UINT64_MAX };
	snprintf(end.text, sizeof end.text, "%s", no->text);
	conn_send(c, CTL_END, id, &end, sizeof end, NULL);
}

void client_done(struct conn *c, u32 status, u64 index, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	send_end(c, c->cmd_id, status, index, fmt, ap);
	va_end(ap);
	c->state = CLIENT_IDLE;
}

void client_progress(struct conn *c, u64 done, u64 total, const char *what)
{
	struct proto_progress p = { .done = done, .total = total };
	snprintf(p.what, sizeof p.what, "%s", what);
	conn_send(c, CTL_PROGRESS, c->cmd_id, &p, sizeof p, NULL);
}

int client_data(struct conn *c, u64 id, const void *data, size_t len)
{
	int fd = -1;
	int r = fd_memfd_sealed("keep-data", data, len, &fd);
	if (r)
		return r;
	struct proto_data d = { .bytes = len };
	conn_send(c, CTL_DATA, id, &d, sizeof d, &fd);
	return 0;
}

int client_name(const struct ipc_frame *f, struct proto_name *ret)
{
	struct proto_name n;
	memcpy(&n, f->body, sizeof n);
	if (!bytes_str_ok(n.name, sizeof n.name) || !bytes_str_ok(n.text, sizeof n.text))
		return -EPROTO;
	*ret = n;
	return 0;
}

bool client_refused(struct conn *c, u64 id, u64 need_space)
{
	const char *why = audit_log_failed(c->k->log);
	if (why) {
		client_end(
			c, id, END_REFUSED, UINT64_MAX, "the gate is shut until keepd is restarted: %s", why);
		return true;
	}
	if (c->k->stopping) {
		client_end(c, id, END_REFUSED, UINT64_MAX, "keepd is stopping");
		return true;
	}
	char text[REASON_LEN_MAX + 1];
	if (reserve_refused(c->k, need_space, text)) {
		client_end(c, id, END_REFUSED, UINT64_MAX, "%s", text);
		return true;
	}
	return false;
}
