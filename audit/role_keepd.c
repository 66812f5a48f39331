/* Roles in a running keepd: who a connection is, what it may begin, and the acts that enrol people (each by two officers). */
#define _GNU_SOURCE
#include "audit/console.h"
#include "audit/dual.h"
#include "audit/principal.h"
#include "audit/role.h"
#include "audit/tlog/command.h"
#include "base/bytes.h"
#include "base/daemon.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- who it is ---- */

static bool is_unit(const struct keepd *k, u32 uid)
{
	for (u32 i = 0; i < k->groups.n_units; i++)
		if (k->groups.units[i] == uid)
			return true;
	return false;
}

static bool is_gateway(const struct keepd *k, u32 uid)
{
	return k->groups.has_gateway && k->groups.gateway == uid;
}

bool role_speaks_for_others(const struct conn *c)
{
	return c->k->single_user || is_gateway(c->k, c->peer.uid);
}

/* 0, *ret the roles of its peer's groups; -errno. */
static int roles_of_groups(const struct keepd *k, int fd, u32 gid, u32 *ret)
{
	_cleanup_free_ u32 *gids = malloc((PEER_GROUPS_MAX + 1) * sizeof *gids);
	socklen_t len = PEER_GROUPS_MAX * sizeof *gids;
	if (!gids)
		return err_origin(-ENOMEM);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &len) < 0)
		return errno == ERANGE ? err_origin(-E2BIG) : err_errno();
	size_t n = len / sizeof *gids;
	gids[n++] = gid;
	*ret = audit_role_of_groups(&k->groups, gids, n);
	return 0;
}

int role_peer(struct conn *c)
{
	return roles_of_groups(c->k, c->fd, c->peer.gid, &c->group_roles);
}

const struct role_row *role_row_of(const struct conn *c)
{
	return audit_role_by_uid(&c->k->state, c->peer.uid);
}

static u32 role_of_uid(const struct keepd *k, u32 uid, u32 group_roles, const char **ret_why)
{
	*ret_why = NULL;
	if (k->single_user)
		return ROLE_ANY;
	if (is_unit(k, uid)) {
		*ret_why = "it is one of Keep's own units";
		return 0;
	}
	if (is_gateway(k, uid))
		return ROLE_USER;
	const struct role_row *row = audit_role_by_uid(&k->state, uid);
	u32 mask = row ? row->roles : group_roles;
	*ret_why = audit_role_conflict(mask);
	if (!mask)
		*ret_why = "it is in none of the groups keep-user, keep-operator, keep-officer, "
			   "keep-auditor, and "
			   "not enrolled";
	return *ret_why ? 0 : mask;
}

u32 role_of(const struct conn *c, const char **ret_why)
{
	return role_of_uid(c->k, c->peer.uid, c->group_roles, ret_why);
}

u32 role_reads(const struct conn *c)
{
	const char *none;
	if (!c->who.how || !role_speaks_for_others(c))
		return role_of(c, &none);
	if (!c->who.reads) /* the gateway's own roles read nothing for whom it has proven */
		return role_of(c, &none) & ~(u32)ROLE_LOG;
	return principal_ended(c->k, &c->who) ? 0 : c->who.reads;
}

/* What the console asks: questions, and the two things that it hands in for a reader. */
static bool is_reading(u32 type)
{
	return type == CTL_QUERY || type == CTL_LOOK || type == CTL_EXPLAIN || type == CTL_TAKEN ||
	       type == CTL_REVIEW;
}

int role_of_socket(const struct keepd *k, int fd, u32 *ret, const char **ret_why)
{
	struct ipc_peer peer;
	u32 groups;
	int r = ipc_peer(fd, &peer);
	r = r ? r : roles_of_groups(k, fd, peer.gid, &groups);
	if (r)
		return r;
	*ret = role_of_uid(k, peer.uid, groups, ret_why);
	if (k->single_user ? peer.uid != k->uid && peer.uid != 0 : is_gateway(k, peer.uid)) {
		*ret = 0;
		*ret_why = k->single_user ? "it is not the one user of this appliance"
					  : "it is keep-gateway itself";
	}
	return 0;
}

struct audit_actor conn_actor(const struct conn *c)
{
	struct audit_actor a = { .uid = c->peer.uid, .pid = c->peer.pid };
	if (c->kind != CONN_CLIENT)
		return a;
	const struct role_row *row = c->k->single_user ? NULL : role_row_of(c);
	a.role = c->role;
	a.auth = c->k->single_user ? AUTH_SINGLE_USER : c->sign.holds ? AUTH_SIGNATURE : AUTH_PEER;
	if (row)
		memcpy(a.person, row->name, sizeof a.person);
	if (c->sign.holds) {
		memcpy(a.signed_digest, c->sign.digest, sizeof a.signed_digest);
		memcpy(a.signature, c->sign.signature, sizeof a.signature);
	}
	return a;
}

/* ---- signed commands ---- */

int sign_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_sign s;
	memcpy(&s, f->body, sizeof s);
	c->sign = (struct conn_sign){ .given = true, .id = f->h.id };
	memcpy(c->sign.signature, s.signature, sizeof s.signature);
	memcpy(c->sign.file, s.file, sizeof s.file);
	return 0;
}

/* Why the signature before the command does not hold, or NULL. */
static const char *sign_check(struct conn *c, const struct ipc_frame *f)
{
	const struct role_row *row = role_row_of(c);
	struct note_key key;
	static const u8 zero[SHA256_BYTES];
	if (c->k->single_user || !row || !row->vkey[0])
		return "nobody with an enrolled key sent it";
	if ((f->fd >= 0) != (memcmp(c->sign.file, zero, sizeof zero) != 0))
		return "what was signed and what came differ in a file";
	if (tlog_note_key_from_vkey(row->vkey, strlen(row->vkey), &key))
		return "the enrolled key cannot be read";
	tlog_command_digest(f->h.type, f->body, f->h.len, c->sign.file, c->sign.digest);
	if (!tlog_command_signed(&key, audit_log_key(c->k->log)->name, c->sign.digest, c->sign.signature))
		return "it is not of the enrolled key, or of another command";
	return NULL;
}

bool role_unsigned(struct conn *c, u32 type, u64 id)
{
	const struct role_row *row = role_row_of(c);
	if (c->sign.holds || c->k->single_user || !row || !row->vkey[0])
		return false;
	role_denied(c, type, "a signature", "it has an enrolled key and did not sign");
	client_end(c, id, END_REFUSED, UINT64_MAX, "%s has an enrolled key and must sign this: --key FILE",
		row->name);
	return true;
}

bool role_file_ok(const struct conn *c, const void *data, size_t len)
{
	u8 digest[SHA256_BYTES];
	if (!c->sign.holds)
		return true;
	sha256_of(data, len, digest);
	return memcmp(digest, c->sign.file, sizeof digest) == 0;
}

/* ---- what it may begin ---- */

/* Whoever has no role may still knock, and must not fill the log by it: so many are recorded in an hour, the rest is counted. */
bool role_denied_often(struct keepd *k)
{
	u64 now = keepd_now_ns();
	if (!k->denials.since_ns || now - k->denials.since_ns >= 3600 * 1000000000ull) {
		k->denials.since_ns = now;
		k->denials.n = 0;
	}
	if (k->denials.n++ < DENIALS_PER_HOUR)
		return false;
	k->denials.left_out++;
	return true;
}

void role_denied_put(
	struct keepd *k, const struct audit_actor *who, const char *what, const char *needs, const char *why)
{
	struct audit_record rec;
	audit_log_record(k->log, &rec, EVENT_DENIED, INTENT_NONE, who);
	jsonw_kv_str(&rec.w, "what", what);
	jsonw_kv_str(&rec.w, "needs", needs);
	audit_record_str(&rec, "why", why, REASON_LEN_MAX);
	if (k->denials.left_out)
		jsonw_kv_u64(&rec.w, "left_out", k->denials.left_out);
	k->denials.left_out = 0;
	int r = audit_log_append(k->log, &rec, NULL);
	(void)r; /* the log has failed then, and the end of the turn says so */
}

void role_denied(struct conn *c, u32 type, const char *needs, const char *why)
{
	const char *none;
	struct audit_actor who = conn_actor(c);
	if (audit_log_failed(c->k->log) || c->denied)
		return;
	c->denied = true;
	if (role_of(c, &none) || !role_denied_often(c->k))
		role_denied_put(c->k, &who, client_word(type), needs, why);
}

static int deny(struct conn *c, const struct ipc_frame *f, u32 allowed, const char *why)
{
	c->role = 0;
	c->sign = (struct conn_sign){ 0 };
	role_denied(c, f->h.type, audit_role_words(allowed).s, why);
	client_end(c, f->h.id, END_REFUSED, UINT64_MAX, "%s: uid %u may not: %s", client_word(f->h.type),
		c->peer.uid, why);
	return 1;
}

int role_begin(struct conn *c, const struct ipc_frame *f, u32 allowed)
{
	const char *why;
	char text[160];
	u32 has = role_of(c, &why), may = has & allowed;
	bool sign = c->sign.given && c->sign.id == f->h.id && f->h.type != CTL_SIGN;
	if (has && is_reading(f->h.type)) {
		may = (has = role_reads(c)) & allowed;
		why = "what it was let in by has ended";
	}
	if (!has)
		return deny(c, f, allowed, why);
	if (!may) {
		snprintf(text, sizeof text, "it takes the role %s", audit_role_words(allowed).s);
		return deny(c, f, allowed, text);
	}
	if (f->h.type != CTL_BEGIN)
		c->role = may & -may; /* the one that may least */
	why = sign ? sign_check(c, f) : NULL;
	if (why) {
		snprintf(text, sizeof text, "the signature does not hold: %s", why);
		return deny(c, f, allowed, text);
	}
	if (f->h.type != CTL_SIGN && f->h.type != CTL_BEGIN) {
		c->sign.holds = sign;
		c->sign.given = false;
	}
	return 0;
}

/* ---- enrolling ---- */

/* The keys of two people differ, and so do their uids. */
static const char *clash(const struct keepd *k, const struct proto_role *p)
{
	for (u32 i = 0; i < k->state.n_roles; i++) {
		const struct role_row *row = &k->state.roles[i];
		if (strcmp(row->name, p->name) == 0)
			continue;
		if (row->uid == p->uid)
			return "another person has that uid";
		if (p->vkey[0] && strcmp(row->vkey, p->vkey) == 0)
			return "another person has that key";
	}
	return NULL;
}

bool role_add_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1])
{
	struct proto_role p;
	struct note_key key;
	memcpy(&p, row->body, sizeof p);
	const char *text = audit_role_conflict(p.roles);
	if (!p.roles || (p.roles & ~(u32)ROLE_ANY))
		text = "no such role";
	if (!text && (is_unit(k, p.uid) || is_gateway(k, p.uid)))
		text = "that uid is one of Keep's own units";
	if (!text && p.vkey[0] &&
		(tlog_note_key_from_vkey(p.vkey, strlen(p.vkey), &key) || key.type != NOTE_ED25519))
		text = "the key is not an Ed25519 vkey";
	if (!text)
		text = clash(k, &p);
	if (!text && k->state.n_roles == PERSONS_MAX && !audit_role_find(&k->state, p.name))
		text = "there are as many persons as fit";
	if (text)
		snprintf(why, REASON_LEN_MAX + 1, "role %s: %s", p.name, text);
	return text != NULL;
}

bool role_rm_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1])
{
	struct proto_name n;
	memcpy(&n, row->body, sizeof n);
	if (audit_role_find(&k->state, n.name))
		return false;
	snprintf(why, REASON_LEN_MAX + 1, "role %s: there is no such person", n.name);
	return true;
}

static void put_roles(struct jsonw *w, u32 mask)
{
	jsonw_key(w, "roles");
	jsonw_array(w);
	for (u32 bit = 1; bit <= ROLE_AUDITOR; bit <<= 1)
		if (mask & bit)
			jsonw_str(w, audit_role_name(bit));
	jsonw_array_end(w);
}

void role_add_put(struct jsonw *w, const struct dual_row *row)
{
	struct proto_role p;
	memcpy(&p, row->body, sizeof p);
	jsonw_kv_str(w, "name", p.name);
	jsonw_kv_u64(w, "person_uid", p.uid);
	put_roles(w, p.roles);
	jsonw_kv_str(w, "vkey", p.vkey);
}

/* What somebody began under roles that have changed ends here. */
static void disconnect(struct keepd *k, u32 uid, const struct audit_actor *who)
{
	for (struct conn *c = k->conns; c; c = c->next)
		if (c->kind == CONN_CLIENT && c->peer.uid == uid && c->peer.pid != who->pid)
			conn_drop(c, "its roles have changed");
}

int role_add_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct proto_role p;
	struct audit_record rec;
	struct role_row row = { 0 };
	memcpy(&p, d->row->body, sizeof p);
	audit_log_record(k->log, &rec, EVENT_ROLE_ADD, INTENT_NONE, &d->who);
	memcpy(row.name, p.name, sizeof row.name);
	memcpy(row.vkey, p.vkey, sizeof row.vkey);
	row.uid = p.uid;
	row.roles = p.roles;
	row.index = *ret_index = rec.index;
	int r = audit_role_put(&k->state, &row);
	assert(r == 0); /* refused() has just looked */
	role_add_put(&rec.w, d->row);
	audit_record_str(&rec, "reason", p.text, sizeof p.text);
	disconnect(k, p.uid, &d->who);
	console_forget(k, p.uid);
	r = audit_log_append(k->log, &rec, &k->state);
	return r ? r : audit_log_put_roles(k->log, &k->state);
}

int role_rm_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index)
{
	struct proto_name n;
	struct audit_record rec;
	memcpy(&n, d->row->body, sizeof n);
	struct role_row gone = *audit_role_find(&k->state, n.name);
	audit_log_record(k->log, &rec, EVENT_ROLE_REMOVE, INTENT_NONE, &d->who);
	*ret_index = rec.index;
	jsonw_kv_str(&rec.w, "name", n.name);
	jsonw_kv_u64(&rec.w, "person_uid", gone.uid);
	put_roles(&rec.w, gone.roles);
	audit_record_str(&rec, "reason", n.text, sizeof n.text);
	audit_role_drop(&k->state, n.name);
	disconnect(k, gone.uid, &d->who);
	console_forget(k, gone.uid);
	int r = audit_log_append(k->log, &rec, &k->state);
	return r ? r : audit_log_put_roles(k->log, &k->state);
}

int role_add_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_role p;
	memcpy(&p, f->body, sizeof p);
	if (!bytes_str_ok(p.name, sizeof p.name) || !bytes_str_ok(p.vkey, sizeof p.vkey) ||
		!bytes_str_ok(p.text, sizeof p.text))
		return -EPROTO;
	if (!bytes_name_ok(p.name)) {
		client_end(c, f->h.id, END_USAGE, UINT64_MAX,
			"a name has 1 to %u of a-z 0-9 . _ - and starts with a letter or digit",
			NAME_LEN_MAX);
		return 0;
	}
	dual_propose(c, f->h.id,
		&(struct dual_proposal){ .type = CTL_ROLE_ADD,
			.body = &p,
			.len = sizeof p,
			.object = p.name,
			.reason = p.text });
	return 0;
}

/* ---- listing ---- */

void role_list(const struct keepd *k, struct jsonw *w)
{
	for (u32 i = 0; i < k->state.n_roles; i++) {
		const struct role_row *row = &k->state.roles[i];
		jsonw_object(w);
		jsonw_kv_str(w, "name", row->name);
		jsonw_kv_u64(w, "uid", row->uid);
		put_roles(w, row->roles);
		jsonw_kv_str(w, "vkey", row->vkey);
		jsonw_kv_u64(w, "index", row->index);
		jsonw_object_end(w);
		jsonw_newline(w);
	}
	for (u32 i = 0; i < ROLE_COUNT && !k->single_user; i++) {
		if (!k->groups.has[i])
			continue;
		char group[32];
		snprintf(group, sizeof group, "keep-%s", audit_role_name(1u << i));
		jsonw_object(w);
		jsonw_kv_str(w, "group", group);
		jsonw_kv_u64(w, "gid", k->groups.gid[i]);
		put_roles(w, 1u << i);
		jsonw_object_end(w);
		jsonw_newline(w);
	}
}
