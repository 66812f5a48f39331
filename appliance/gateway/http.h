/* An HTTP/1.1 server on libevent: connections, deadlines, limits, replies whole or streamed. What a request means is its caller's.
 *
 * A connection reads one request at a time: head within HTTP_HEAD_S of its first byte, body within HTTP_BODY_S; what a client sends behind
 * waits until the answer is over. A body is not read before its sender is admitted, nor while too many others are (crowd.h). No user of this machine and
 * no address has more than n_client connections; of IPv6 the first 64 bits are the address, since one host may have all that follow. A client that hangs up is noticed while it is being answered. After a request that is malformed the
 * connection ends, since nobody can say where the next one would begin. */
#pragma once

#include "gateway/http_parse.h"

#include <event2/event.h>

struct http_server;
struct http_conn;
struct tls;
struct ssl_st;

#define HTTP_ID_MAX 28u /* characters of what a reply calls its request */

/* One request and its answer; ends with http_reply, http_end or http_cut, or when its client is gone. */
struct http_exchange {
	struct http_conn *conn;
	const struct http_head *head; /* until serve returns */
	const u8 *body;		      /* body_len bytes and a 0; until serve returns */
	void *who;		      /* what admit found; the exchange's, freed with it */
	void *ctx;		      /* the caller's */
	char id[HTTP_ID_MAX + 1]; /* in the head of its reply; drawn, until the caller knows a better one */
	void (*gone)(struct http_exchange *x); /* the client hung up, or was cut; x is no more behind it */
};

struct http_params {
	struct event_base *base;
	u32 n_max; /* connections at most: as many as there are descriptors for; 0: GATEWAY_CONNECTIONS_MAX, which nothing exceeds */
	u32 n_client; /* connections of one user, or of one address, at most */
	/* A head: may its sender ask? http_admit, or an answer; now or later. NULL: everybody may. */
	void (*admit)(void *ctx, struct http_exchange *x);
	/* A whole request. It is answered now or later. */
	void (*serve)(void *ctx, struct http_exchange *x);
	/* A request that cannot be read, of which only the status is known: answer with http_reply. */
	void (*refuse)(void *ctx, struct http_exchange *x, u32 status, const char *why);
	void *ctx;
};
/* 0; -ENOMEM. */
_must_use_ int http_create(const struct http_params *p, struct http_server **ret);
/* Serve a listening socket too, by TLS or (NULL) bare. The descriptor is borrowed and non-blocking. 0; -ENOMEM. */
_must_use_ int http_listen(struct http_server *s, int listener, struct tls *tls);
struct http_server *http_free(struct http_server *s);
u32 http_connections(const struct http_server *s);

/* Read the body, if there is one, and serve. */
void http_admit(struct http_exchange *x);
/* The connection; the server's. */
int http_socket(const struct http_exchange *x);
/* Is it a unix socket? */
bool http_is_local(const struct http_exchange *x);
/* Of TLS; NULL: bare. */
struct ssl_st *http_ssl(const struct http_exchange *x);

/* Lines of further headers, each ended by CR LF; may be "". */
void http_reply(struct http_exchange *x, u32 status, const char *type, const char *headers, const void *body,
	size_t len);
/* A stream: http_begin, any number of http_send, http_end. */
void http_begin(struct http_exchange *x, u32 status, const char *type, const char *headers);
/* A client that does not read is cut: gone is called from the loop, and what is sent until then goes nowhere. */
void http_send(struct http_exchange *x, const void *data, size_t len);
void http_end(struct http_exchange *x);
/* End the connection without an end of the stream: the client sees that it is not whole. gone is not called. */
void http_cut(struct http_exchange *x);
