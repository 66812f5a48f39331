/* TLS 1.3 towards clients, and what their certificates say.
 *
 * A handshake proves that a client has the key of the certificate that it shows; whose certificate counts is judged behind it, at every request, by
 * the roots and lists that keepd last named. So a client that is refused hears why, and a list that comes in counts at the next request of a
 * connection that is open already. No session is ever resumed: there is no ticket and no cache, so nothing has to be asked again.
 *
 * Judged by OpenSSL, whose path builder stands behind keep-attest's too, as strictly as there: a store for each root, with its own lists
 * alone and no file of the system; with a list, every CA of the path needs a current one; keys from RSA 3072 and P-256; client authentication wherever
 * a purpose is stated. Not by keep-attest itself: a job is a process, and whoever breaks the gateway ends the handshake that a job would judge. */
#pragma once

#include "base/types.h"
#include "proto.h"

#include <event2/bufferevent.h>
#include <event2/event.h>

struct tls;
struct ssl_st;

struct tls_params {
	const void *cert; /* PEM: the leaf, and behind it the CAs up to the root, without that */
	size_t cert_len;
	const void *key; /* PEM */
	size_t key_len;
	u64 now_s;
	void (*comes)(void *ctx); /* somebody connects; may be NULL */
	void *ctx;
};
/* 0; 1 they cannot be used, *ret_why says why; -ENOMEM. */
_must_use_ int tls_create(const struct tls_params *p, struct tls **ret, const char **ret_why);
struct tls *tls_free(struct tls *t);

/* The server's end of a connection; fd is taken where it succeeds. NULL: out of memory. */
struct bufferevent *tls_accept(struct tls *t, struct event_base *base, evutil_socket_t fd);
/* The connection's TLS; NULL: it has none. */
struct ssl_st *tls_of(struct bufferevent *bev);
/* Say that nothing more is sent. */
void tls_bye(struct bufferevent *bev);

/* What keepd answers to QUERY_CLIENTS takes the place of what there was. 0; 1 it cannot be read: then nobody comes by certificate; -ENOMEM. */
_must_use_ int tls_clients_load(struct tls *t, const void *data, size_t len);
/* Of which the next judgement is; UINT64_MAX: nothing was loaded. */
u64 tls_generation(const struct tls *t);

/* Judge the certificate of a connection at a time in seconds. 0, *ret; 1 none was shown; 2 it does not count, *ret_why says why (until the next call). */
_must_use_ int tls_judge(const struct tls *t, struct ssl_st *ssl, u64 now_s, struct proto_prove_cert *ret,
	const char **ret_why);
