/* Who vouches for clients: roots with the lists that serve them, as keepd named them, and the judgement of a certificate by them. */
#pragma once

#include "base/types.h"
#include "proto.h"

#include <openssl/x509.h>

struct tls_clients;
/* 0; 1 malformed, *ret is NULL; -ENOMEM. */
_must_use_ int tls_clients_read(const void *data, size_t len, struct tls_clients **ret);
struct tls_clients *tls_clients_free(struct tls_clients *c);
u64 tls_clients_generation(const struct tls_clients *c);
u32 tls_clients_count(const struct tls_clients *c);
/* Subjects of the roots, to tell clients which certificate is asked for; the caller's. NULL: out of memory. */
STACK_OF(X509_NAME) * tls_clients_names(const struct tls_clients *c);

struct tls_shown {
	X509 *leaf;
	STACK_OF(X509) * chain; /* what came with it; may be NULL */
	u64 now_s;
};
/* 0, *ret; 2 it does not count, *ret_why says why (until the next call). */
_must_use_ int tls_clients_judge(const struct tls_clients *c, const struct tls_shown *s,
	struct proto_prove_cert *ret, const char **ret_why);
