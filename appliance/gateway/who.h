/* Who asks, and why we may say so. Whether that is so is keepd's word: a request is admitted when keepd has named its principal, before a
 * byte of its body is read, and a session is opened by proving the same again. Nothing of this is kept from one request to the next.
 *
 * What a request can show, the first of these that it has:
 *
 *   a key of Keep's in Authorization: Bearer or x-api-key (a bearer of another form is a placeholder that clients send, and is ignored)
 *   on pages of the console, the cookie of a login
 *   the certificate of its TLS connection
 *   its unix socket, whose other end the kernel names
 */
#pragma once

#include "base/fd.h"
#include "gateway/http.h"
#include "proto.h"

#include <event2/event.h>

/* What is shown to keepd. */
struct proof {
	u32 type; /* CTL_PROVE_…; 0: nothing */
	int fd;	  /* PEER: the client's connection, borrowed; -1 */
	union {
		struct proto_prove_key key;
		struct proto_prove_cert cert;
	};
};
/* A principal of this request: x->who once it is admitted. is.name, is.role, is.how, is.uses, is.models, is.credential. */
struct who {
	struct proto_principal is;
	struct proof proof;
};
static inline const struct who *who_of(const struct http_exchange *x)
{
	return x->who;
}

/* By the same key, certificate or user, and judged by the same roots and rules. */
bool who_same(const struct proto_principal *a, const struct proto_principal *b);

struct gateway;
/* Of a head: who sends it? Ends with http_admit, or with an answer. */
void who_admit(void *ctx, struct http_exchange *x);
/* Somebody comes by TLS: what vouches for clients is asked for again, where it is old. */
void who_refresh(void *ctx);
