#define _GNU_SOURCE
#include "audit/principal.h"
#include "audit/console.h"
#include "audit/keepd.h"
#include "audit/role.h"
#include "base/access.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

const char *principal_how_name(u32 how)
{
	return how == HOW_PEER	 ? "peer-credentials"
	       : how == HOW_KEY	 ? "api-key"
	       : how == HOW_CERT ? "certificate"
	       : how == HOW_LINK ? "console-link"
				 : "";
}

#define NOBODY "the key or certificate is unknown, expired or removed"

/* ---- answers ---- */

int principal_unproven(struct conn *c, u64 id, const char *word, const char *detail)
{
	struct keepd *k = c->k;
	struct audit_actor who = conn_actor(c);
	c->who = (struct proto_principal){ .how = HOW_PEER };
	if (!audit_log_failed(k->log) && !role_denied_often(k))
		role_denied_put(k, &who, word, "who asks", detail);
	client_end(c, id, END_REFUSED, UINT64_MAX, "%s", NOBODY);
	return 0;
}

int principal_proven(struct conn *c, u64 id, const struct proto_principal *p)
{
	c->who = *p;
	conn_send(c, CTL_PRINCIPAL, id, p, sizeof *p, NULL);
	client_end(c, id, END_DONE, UINT64_MAX, "%s", "");
	return 0;
}

bool principal_may_not(struct conn *c, u64 id)
{
	if (role_speaks_for_others(c))
		return client_refused(c, id, 0);
	client_end(c, id, END_REFUSED, UINT64_MAX, "only keep-gateway asks for somebody else");
	return true;
}

static u64 now_s(const struct keepd *k)
{
	return keepd_judged(k).at_s;
}

/* ---- users of this machine ---- */

/* An accepted connection of http.sock, and no other stream that the gateway may hold: its journal's, or the listener. 0; 1. */
static int is_http(int fd)
{
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof a, n = sizeof(int);
	static const char name[] = "/http.sock";
	int kind = 0, listens = 1;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &n) < 0 || kind != SOCK_STREAM ||
		getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 || listens ||
		getsockname(fd, (struct sockaddr *)&a, &len) < 0 || a.sun_family != AF_UNIX)
		return 1;
	size_t most = len > offsetof(struct sockaddr_un, sun_path)
			      ? len - offsetof(struct sockaddr_un, sun_path)
			      : 0;
	size_t have = strnlen(a.sun_path, MIN(most, sizeof a.sun_path));
	return have < sizeof name - 1 || memcmp(a.sun_path + have - (sizeof name - 1), name, sizeof name - 1);
}

int prove_peer_frame(struct conn *c, struct ipc_frame *f)
{
	struct proto_principal p = { .how = HOW_PEER };
	struct ipc_peer peer;
	const char *why = "it is not a connection to http.sock";
	char text[REASON_LEN_MAX + 1];
	u32 roles, served;
	if (principal_may_not(c, f->h.id))
		return 0;
	if (is_http(f->fd) || ipc_peer(f->fd, &peer))
		return principal_unproven(c, f->h.id, client_word(f->h.type), why);
	int r = role_of_socket(c->k, f->fd, &roles, &why);
	served = r ? 0 : roles & ROLE_SERVED;
	p.reads = r ? 0 : roles & ROLE_LOG;
	if (!served && !p.reads) {
		snprintf(text, sizeof text, "uid %u: %s", peer.uid,
			r		? strerror(-r)
			: why && why[0] ? why
					: "it has no role that may ask a model");
		return principal_unproven(c, f->h.id, client_word(f->h.type), text);
	}
	snprintf(p.name, sizeof p.name, "uid:%u", peer.uid);
	p.role = served ? served & -served : p.reads & -p.reads;
	p.uses = (served ? USE_ALL : 0) | (p.reads ? USE_CONSOLE : 0);
	return principal_proven(c, f->h.id, &p);
}

/* ---- keys ---- */

static struct proto_principal principal_of(const struct access_row *row, u32 how)
{
	struct proto_principal p = {
		.how = how, .role = row->what.role, .uses = row->what.uses, .expires_s = row->what.expires_s
	};
	memcpy(p.name, row->what.principal, sizeof p.name);
	memcpy(p.credential, row->what.name, sizeof p.credential);
	memcpy(p.models, row->what.models, sizeof p.models);
	p.reads = p.uses & USE_CONSOLE ? p.role & ROLE_LOG : 0;
	return p;
}

int prove_key_frame(struct conn *c, struct ipc_frame *f)
{
	static const u8 none[SHA256_BYTES];
	struct proto_prove_key k;
	u8 hash[SHA256_BYTES];
	char text[REASON_LEN_MAX + 1];
	memcpy(&k, f->body, sizeof k);
	explicit_bzero(f->body, sizeof k);
	if (!bytes_str_ok(k.name, sizeof k.name))
		return -EPROTO;
	if (principal_may_not(c, f->h.id))
		return 0;
	const struct access_row *row = audit_access_find(&c->k->state, k.name);
	access_key_hash(k.proof, hash);
	explicit_bzero(&k.proof, sizeof k.proof);
	bool same = access_same(hash, row && row->what.kind == ACCESS_KEY ? row->what.hash : none);
	bool late = same && row->what.expires_s <= now_s(c->k);
	if (!same || late) {
		snprintf(text, sizeof text, "key %s: %s", k.name,
			late  ? "expired"
			: row ? "it is another one"
			      : "there is none of that name");
		return principal_unproven(c, f->h.id, client_word(f->h.type), text);
	}
	struct proto_principal p = principal_of(row, HOW_KEY);
	memcpy(p.digest, hash, sizeof p.digest);
	return principal_proven(c, f->h.id, &p);
}

/* ---- certificates ---- */

static bool vouches(const struct keepd *k, const char *ca)
{
	for (u32 i = 0; i < k->state.n_trust; i++)
		if (k->state.trust[i].kind == TRUST_CLIENTS && !strcmp(k->state.trust[i].name, ca))
			return true;
	return false;
}

/* The narrowest rule that fits. NULL: none, or several that are equally narrow, *ret_several. */
static const struct access_row *rule_for(const struct audit_state *s, const struct proto_prove_cert *c,
	char ret[NAME_LEN_MAX + 8], bool *ret_several)
{
	const struct access_row *best = NULL;
	char who[NAME_LEN_MAX + 8];
	*ret_several = false;
	for (u32 i = 0; i < s->n_access; i++) {
		const struct access_row *row = &s->ways[i];
		if (!access_rule_fits(&row->what, c, who))
			continue;
		int than = best ? access_rule_narrower(&row->what, &best->what) : 1;
		if (than < 0)
			continue;
		*ret_several = than == 0;
		best = row;
		memcpy(ret, who, sizeof who);
	}
	return *ret_several ? NULL : best;
}

int prove_cert_frame(struct conn *c, struct ipc_frame *f)
{
	const struct keepd *k = c->k;
	struct proto_prove_cert cert;
	char who[NAME_LEN_MAX + 8], text[REASON_LEN_MAX + 1];
	bool several = false;
	memcpy(&cert, f->body, sizeof cert);
	if (!access_cert_ok(&cert))
		return -EPROTO;
	if (principal_may_not(c, f->h.id))
		return 0;
	if (cert.generation != k->state.access.generation) {
		c->who = (struct proto_principal){ .how = HOW_PEER };
		client_end(c, f->h.id, END_UNDECIDED, k->state.access.generation,
			"what vouches for certificates has changed: judge it again");
		return 0;
	}
	const struct access_row *row = vouches(k, cert.ca) ? rule_for(&k->state, &cert, who, &several) : NULL;
	bool late =
		row && (cert.until_s <= now_s(k) || (row->what.expires_s && row->what.expires_s <= now_s(k)));
	if (!row || late) {
		snprintf(text, sizeof text, "certificate %.100s of %.64s: %s",
			cert.n_names ? cert.names[0] : "without a name", cert.ca,
			late	  ? "expired"
			: several ? "several rules fit it equally well"
				  : "no rule fits it");
		return principal_unproven(c, f->h.id, client_word(f->h.type), text);
	}
	struct proto_principal p = principal_of(row, HOW_CERT);
	memcpy(p.name, who, sizeof p.name);
	memcpy(p.digest, cert.leaf, sizeof p.digest);
	p.generation = cert.generation;
	p.expires_s = p.expires_s ? MIN(p.expires_s, cert.until_s) : cert.until_s;
	return principal_proven(c, f->h.id, &p);
}

/* ---- what was proven ---- */

static const struct access_row *row_of(const struct keepd *k, const struct proto_principal *p)
{
	const struct access_row *row =
		audit_access_find((struct audit_state *)(uintptr_t)&k->state, p->credential);
	bool key = p->how == HOW_KEY;
	if (!row || row->what.kind != (key ? ACCESS_KEY : ACCESS_CERT))
		return NULL;
	return !key || access_same(row->what.hash, p->digest) ? row : NULL;
}

const char *principal_ended(const struct keepd *k, const struct proto_principal *p)
{
	if (!p->name[0])
		return p->how ? NOBODY : NULL;
	if (p->how == HOW_PEER)
		return NULL;
	if (p->how == HOW_LINK)
		return console_login_of(k, p) ? NULL : NOBODY;
	if (!row_of(k, p) || (p->expires_s && p->expires_s <= now_s(k)))
		return NOBODY;
	if (p->how == HOW_CERT && p->generation != k->state.access.generation)
		return "what vouches for certificates has changed since this session began";
	return NULL;
}

bool principal_may_use(const struct proto_principal *p, const char *model)
{
	return access_like(p->models, model);
}

void principal_fields(const struct proto_principal *p, struct audit_record *rec)
{
	if (!p->name[0])
		return;
	audit_record_str(rec, "principal", p->name, NAME_LEN_MAX);
	jsonw_kv_str(&rec->w, "how", principal_how_name(p->how));
	if (p->credential[0])
		audit_record_str(rec, "credential", p->credential, NAME_LEN_MAX);
	if (p->how == HOW_CERT)
		jsonw_kv_hex(&rec->w, "leaf", p->digest, sizeof p->digest);
}
