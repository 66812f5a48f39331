#define _GNU_SOURCE
#include "audit/console.h"
#include "audit/keepd.h"
#include "audit/principal.h"
#include "audit/role.h"
#include "base/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS 1000000000ull

/* By whichever clock says so first: one that is set back gives nobody more. */
static bool over(const struct keepd *k, const struct console_login *l)
{
	return l->until_ns <= keepd_now_ns() || l->until_s <= keepd_judged(k).at_s;
}

static void good_for(const struct keepd *k, struct console_login *l, u64 seconds)
{
	l->until_ns = keepd_now_ns() + seconds * NS;
	l->until_s = keepd_judged(k).at_s + seconds;
}

static void forget(struct console_login *l)
{
	explicit_bzero(l, sizeof *l);
}

/* A free place: one that was, or that has ended, or the oldest of that user, who has as many as he may. NULL: there is none. */
static struct console_login *place(struct keepd *k, u32 uid)
{
	struct console_login *free = NULL, *oldest = NULL;
	u32 own = 0;
	for (u32 i = 0; i < CONSOLE_LOGINS_MAX; i++) {
		struct console_login *l = &k->logins[i];
		if (l->index && over(k, l))
			forget(l);
		if (!l->index) {
			free = free ? free : l;
			continue;
		}
		own += l->uid == uid;
		if (l->uid == uid && (!oldest || l->index < oldest->index))
			oldest = l;
	}
	return own >= CONSOLE_USER_MAX ? oldest : free;
}

static struct console_login *found(struct keepd *k, const u8 proof[SHA256_BYTES], bool entered)
{
	struct console_login *is = NULL;
	u8 hash[SHA256_BYTES];
	access_key_hash(proof, hash);
	for (u32 i = 0; i < CONSOLE_LOGINS_MAX; i++) {
		struct console_login *l = &k->logins[i];
		if (access_same(hash, entered ? l->login : l->link) && l->index && l->entered == entered &&
			!over(k, l))
			is = l;
	}
	return is;
}

u32 console_forget(struct keepd *k, u32 uid)
{
	u32 n = 0;
	for (u32 i = 0; i < CONSOLE_LOGINS_MAX; i++)
		if (k->logins[i].index && k->logins[i].uid == uid) {
			n += !over(k, &k->logins[i]);
			forget(&k->logins[i]);
		}
	return n;
}

/* ---- whoever asks for a link ---- */

static void put_reads(struct jsonw *w, u32 reads)
{
	jsonw_kv_str(w, "reads", audit_role_words(reads).s);
}

static void name_put(const struct conn *c, char ret[NAME_LEN_MAX + 8])
{
	const struct role_row *row = c->k->single_user ? NULL : role_row_of(c);
	memset(ret, 0, NAME_LEN_MAX + 8);
	if (row)
		memcpy(ret, row->name, sizeof row->name);
	else
		snprintf(ret, NAME_LEN_MAX + 8, "uid:%u", c->peer.uid);
}

int console_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_console want;
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	const char *none;
	memcpy(&want, f->body, sizeof want);
	if (want.reserved || !want.minutes || want.minutes > CONSOLE_MINUTES_MAX)
		return -EPROTO;
	if (client_refused(c, f->h.id, 0))
		return 0;
	struct console_login *l = place(k, c->peer.uid);
	if (!l) {
		client_end(c, f->h.id, END_REFUSED, UINT64_MAX,
			"console: there are as many links and logins as fit; they end by themselves");
		return 0;
	}
	*l = (struct console_login){
		.uid = c->peer.uid, .reads = role_of(c, &none) & ROLE_LOG, .minutes = want.minutes
	};
	memcpy(l->link, want.hash, sizeof l->link);
	name_put(c, l->name);
	good_for(k, l, CONSOLE_LINK_S);
	audit_log_record(k->log, &rec, EVENT_CONSOLE_LINK, INTENT_NONE, &who);
	l->index = rec.index;
	audit_record_str(&rec, "principal", l->name, NAME_LEN_MAX);
	put_reads(&rec.w, l->reads);
	jsonw_kv_u64(&rec.w, "minutes", l->minutes);
	if (audit_log_append(k->log, &rec, NULL) == 0)
		client_end(c, f->h.id, END_DONE, rec.index, "%s", "");
	return 0;
}

int console_end_frame(struct conn *c, struct ipc_frame *f)
{
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	if (client_refused(c, f->h.id, 0))
		return 0;
	u32 n = console_forget(c->k, c->peer.uid);
	audit_log_record(c->k->log, &rec, EVENT_CONSOLE_END, INTENT_NONE, &who);
	jsonw_kv_u64(&rec.w, "logins", n);
	if (audit_log_append(c->k->log, &rec, NULL) == 0)
		client_end(c, f->h.id, END_DONE, rec.index, "%u links and logins ended", n);
	return 0;
}

/* ---- whoever comes by it ---- */

static struct proto_principal principal_of(const struct console_login *l)
{
	struct proto_principal p = { .how = HOW_LINK,
		.role = l->reads & -l->reads,
		.reads = l->reads,
		.uses = USE_CONSOLE,
		.expires_s = l->until_s };
	memcpy(p.name, l->name, sizeof p.name);
	memcpy(p.digest, l->login, sizeof p.digest);
	snprintf(p.credential, sizeof p.credential, "console-%" PRIu64, l->index);
	return p;
}

static int enter_record(struct conn *c, const struct console_login *l, const struct proto_principal *p)
{
	struct audit_record rec;
	struct audit_actor who = conn_actor(c);
	audit_log_record(c->k->log, &rec, EVENT_CONSOLE_ENTER, INTENT_NONE, &who);
	jsonw_kv_u64(&rec.w, "link", l->index);
	principal_fields(p, &rec);
	put_reads(&rec.w, l->reads);
	jsonw_kv_u64(&rec.w, "until_s", l->until_s);
	return audit_log_append(c->k->log, &rec, NULL);
}

int enter_frame(struct conn *c, struct ipc_frame *f)
{
	struct keepd *k = c->k;
	struct proto_enter e;
	memcpy(&e, f->body, sizeof e);
	explicit_bzero(f->body, sizeof e);
	if (principal_may_not(c, f->h.id))
		return 0;
	struct console_login *l = found(k, e.link, false);
	explicit_bzero(e.link, sizeof e.link);
	if (!l)
		return principal_unproven(c, f->h.id, client_word(f->h.type), "no such link waits");
	l->entered = true; /* and the link is void, whatever follows */
	memset(l->link, 0, sizeof l->link);
	memcpy(l->login, e.login, sizeof l->login);
	good_for(k, l, l->minutes * 60ull);
	struct proto_principal p = principal_of(l);
	return enter_record(c, l, &p) ? 0 : principal_proven(c, f->h.id, &p);
}

int prove_login_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_prove_key proof;
	memcpy(&proof, f->body, sizeof proof);
	explicit_bzero(f->body, sizeof proof);
	if (!bytes_str_ok(proof.name, sizeof proof.name) || proof.name[0])
		return -EPROTO;
	if (principal_may_not(c, f->h.id))
		return 0;
	const struct console_login *l = found(c->k, proof.proof, true);
	explicit_bzero(&proof, sizeof proof);
	if (!l)
		return principal_unproven(c, f->h.id, client_word(f->h.type), "no such login");
	struct proto_principal p = principal_of(l);
	return principal_proven(c, f->h.id, &p);
}

/* ---- what was proven ---- */

const struct console_login *console_login_of(const struct keepd *k, const struct proto_principal *p)
{
	for (u32 i = 0; i < CONSOLE_LOGINS_MAX; i++) {
		const struct console_login *l = &k->logins[i];
		if (l->index && l->entered && !over(k, l) && access_same(l->login, p->digest))
			return l;
	}
	return NULL;
}

const struct role_row *console_person(const struct keepd *k, const struct proto_principal *p)
{
	const struct console_login *l = p->how == HOW_LINK ? console_login_of(k, p) : NULL;
	return l && !k->single_user ? audit_role_by_uid(&k->state, l->uid) : NULL;
}
