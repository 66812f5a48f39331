#define _GNU_SOURCE
#include "gateway/who.h"
#include "base/access.h"
#include "gateway/console/console.h"
#include "gateway/gateway.h"
#include "gateway/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define JUDGE_TRIES   3u /* what vouches for clients changed that often while one was judged */
#define CLIENTS_OLD_S 5	 /* what was loaded is asked for again, when somebody comes, after so long */

/* A head that waits for keepd's word. */
struct knock {
	struct door_ask ask; /* first */
	struct gateway *g;
	struct http_exchange *x;
	u32 use, tries;
};

static enum api_form form_of(const struct http_exchange *x)
{
	struct http_str p = x->head->path;
	static const char messages[] = "/v1/messages";
	return p.len >= sizeof messages - 1 && !memcmp(p.s, messages, sizeof messages - 1) ? API_MESSAGES
											   : API_CHAT;
}

static void refuse(struct http_exchange *x, u32 status, const char *code, const char *why)
{
	struct api_error e;
	if (console_has(x->head)) {
		console_refuse(x, status, why);
		return;
	}
	api_refuse(&e, status, code, NULL, "%s", why);
	if (status == 401)
		reply_error_with(x, form_of(x), &e, "WWW-Authenticate: Bearer realm=\"keep\"\r\n");
	else
		reply_error(x, form_of(x), &e);
}

static void knock_free(struct knock *k)
{
	explicit_bzero(&k->ask.proof, sizeof k->ask.proof);
	free(k);
}

static void on_gone(struct http_exchange *x)
{
	struct knock *k = x->ctx;
	door_leave(k->g->door, &k->ask);
	knock_free(k);
}

static void end(struct knock *k, u32 status, const char *code, const char *why)
{
	struct http_exchange *x = k->x;
	x->gone = NULL;
	x->ctx = NULL;
	knock_free(k);
	refuse(x, status, code, why);
}

/* ---- what it shows --------------------------------------------------------------------------------------------------------- */

/* The key in a header; s NULL: none of ours. *ret_twice: the header stands there several times, and nobody knows which is meant. */
static struct http_str key_in(
	const struct http_head *h, const char *name, const char *scheme, bool *ret_twice)
{
	struct http_str found = { 0 };
	size_t n = strlen(scheme);
	for (u32 i = 0; i < h->n_headers; i++) {
		struct http_str v = h->headers[i].value;
		if (!http_str_like(h->headers[i].name, name))
			continue;
		bool ours =
			v.len >= n && !strncasecmp(v.s, scheme, n) && access_key_meant(v.s + n, v.len - n);
		if (ours && found.s)
			*ret_twice = true;
		if (ours)
			found = (struct http_str){ v.s + n, v.len - n };
	}
	return found;
}

/* A key: 0 it is the proof; 1 none was shown; 2 what was shown is none, and the answer was given. */
static int show_key(struct knock *k)
{
	bool twice = false;
	struct http_str a = key_in(k->x->head, "authorization", "Bearer ", &twice),
			b = key_in(k->x->head, "x-api-key", "", &twice);
	if (a.s && b.s && (a.len != b.len || memcmp(a.s, b.s, a.len)))
		twice = true;
	struct http_str key = a.s ? a : b;
	if (!key.s)
		return 1;
	if (twice || access_key_read(key.s, key.len, &k->ask.proof.key)) {
		end(k, 401, "invalid_api_key",
			twice ? "there are several API keys" : "that is not an API key of this appliance");
		return 2;
	}
	k->ask.proof.type = CTL_PROVE_KEY;
	return 0;
}

/* A login of the console, on its pages alone: a browser sends the cookie wherever it is led. As show_key. */
static int show_login(struct knock *k)
{
	u8 secret[ACCESS_SECRET_BYTES];
	struct http_str cookie = http_header_find(k->x->head, "cookie");
	int r = k->use != USE_CONSOLE || !cookie.s
			? 1
			: form_cookie(cookie.s, cookie.len, CONSOLE_COOKIE, secret);
	if (r == 1)
		return 1;
	if (r == 0) {
		access_key_proof(secret, k->ask.proof.key.proof);
		explicit_bzero(secret, sizeof secret);
		k->ask.proof.type = CTL_PROVE_LOGIN;
		return 0;
	}
	end(k, 401, "invalid_cookie", "The cookie of this console is none");
	return 2;
}

static void on_proven(struct door_ask *a, u32 status, u64 index, const char *why);
static void on_clients(struct door_ask *a, u32 status, u64 index, const char *why);

static void load_clients(struct knock *k)
{
	k->ask.proof.type = CTL_QUERY;
	k->ask.known = tls_generation(k->g->tls);
	k->ask.told = on_clients;
	door_ask(k->g->door, &k->ask);
}

/* As show_key. Whoever is refused by what was loaded is judged by what is in force. */
static int show_cert(struct knock *k)
{
	struct ssl_st *ssl = http_ssl(k->x);
	const char *why;
	char text[160];
	int r = ssl ? tls_judge(k->g->tls, ssl, (u64)time(NULL), &k->ask.proof.cert, &why) : 1;
	k->ask.proof.type = CTL_PROVE_CERT;
	if (r == 2 && k->tries++ == 0) {
		load_clients(k);
	} else if (r == 2) {
		snprintf(text, sizeof text, "the certificate does not count: %s", why);
		end(k, 401, "invalid_certificate", text);
	}
	return r;
}

/* By key, by login, by certificate, by socket. */
static void show(struct knock *k)
{
	int r = show_key(k);
	r = r == 1 ? show_login(k) : r;
	if (r == 1) {
		r = show_cert(k);
		if (r == 2)
			return;
	} else if (r == 2) {
		return;
	}
	if (r == 1 && http_is_local(k->x)) {
		k->ask.proof.type = CTL_PROVE_PEER;
		k->ask.proof.fd = http_socket(k->x);
	} else if (r == 1) {
		end(k, 401, "no_credentials", "an API key or a client certificate is needed");
		return;
	}
	k->ask.told = on_proven;
	door_ask(k->g->door, &k->ask);
}

/* ---- what keepd says ------------------------------------------------------------------------------------------------------- */

static void admitted(struct knock *k)
{
	struct http_exchange *x = k->x;
	struct who *w = malloc(sizeof *w);
	if (!w) {
		end(k, 503, NULL, "out of memory");
		return;
	}
	*w = (struct who){ k->ask.is, k->ask.proof };
	x->who = w;
	knock_free(k);
	http_admit(x);
}

static void on_proven(struct door_ask *a, u32 status, u64 index, const char *why)
{
	struct knock *k = (struct knock *)a;
	bool stale = status == END_UNDECIDED && index != UINT64_MAX && a->proof.type == CTL_PROVE_CERT;
	if (stale && k->tries++ < JUDGE_TRIES)
		load_clients(k);
	else if (status == END_REFUSED)
		end(k, 401, a->proof.type == CTL_PROVE_KEY ? "invalid_api_key" : "not_recognised", why);
	else if (status != END_DONE)
		end(k, 503, "unavailable", why[0] ? why : "the gate does not answer");
	else if (k->use & ~a->is.uses)
		end(k, 403, "scope", "this key or certificate is not for that path");
	else
		admitted(k);
}

/* 0; 1 they cannot be had. */
static int take_clients(struct gateway *g, struct door_ask *a, u32 status)
{
	int r = status == END_DONE ? 0 : 1;
	if (!r && a->clients.data)
		r = tls_clients_load(g->tls, a->clients.data, a->clients.len);
	fd_unmap(&a->clients);
	return r;
}

static void on_clients(struct door_ask *a, u32 status, u64 index, const char *why)
{
	struct knock *k = (struct knock *)a;
	if (take_clients(k->g, a, status))
		end(k, 503, "unavailable", "what vouches for clients cannot be read");
	else
		show(k);
}

void who_admit(void *ctx, struct http_exchange *x)
{
	struct gateway *g = ctx;
	u32 use = routes_use(x->head);
	if (!use) {
		http_admit(x);
		return;
	}
	struct knock *k = calloc(1, sizeof *k);
	if (!k) {
		refuse(x, 503, NULL, "out of memory");
		return;
	}
	*k = (struct knock){ .g = g, .x = x, .use = use, .ask = { .proof.fd = -1 } };
	x->ctx = k;
	x->gone = on_gone;
	show(k);
}

/* ---- what vouches for clients, in time ----------------------------------------------------------------------------------------- */

struct refresh {
	struct door_ask ask; /* first */
	struct gateway *g;
	bool runs;
	time_t last;
};

static void on_refreshed(struct door_ask *a, u32 status, u64 index, const char *why)
{
	struct refresh *r = (struct refresh *)a;
	r->runs = false;
	r->last = time(NULL);
	(void)take_clients(r->g, a, status); /* whoever comes by certificate is told */
}

void who_refresh(void *ctx)
{
	static struct refresh r;
	struct gateway *g = ctx;
	time_t now = time(NULL);
	if (!g->tls || r.runs || (r.last && now >= r.last && now - r.last < CLIENTS_OLD_S))
		return;
	r = (struct refresh){ .g = g, .runs = true, .last = r.last };
	r.ask = (struct door_ask){ .proof = { .type = CTL_QUERY, .fd = -1 },
		.known = tls_generation(g->tls),
		.told = on_refreshed };
	door_ask(g->door, &r.ask);
}

bool who_same(const struct proto_principal *a, const struct proto_principal *b)
{
	return a->how == b->how && a->generation == b->generation && !strcmp(a->name, b->name) &&
	       !strcmp(a->credential, b->credential) && !memcmp(a->digest, b->digest, sizeof a->digest);
}
