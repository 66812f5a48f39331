/* The gateway's certificate as files: ROOT/tls/keep.tls.key and keep.tls.crt, named as the credentials are, and new.key between a request and the
 * certificate that answers it. */
#pragma once

#include "cli/app.h"
#include "proto.h"

#include <openssl/x509.h>

#define TLS_KEY	    "keep.tls.key"
#define TLS_CERT    "keep.tls.crt"
#define TLS_KEY_NEW "new.key"

/* ROOT/tls, made where it is not there. 0; otherwise an exit status, said. */
_must_use_ int tls_dir_open(const struct app *a, int *ret_dir);
/* A key from a file in it. 0; 1 there is none; otherwise an exit status above 1, said. */
_must_use_ int tls_key_read(int dir, const char *name, EVP_PKEY **ret);
/* A new file that only its owner may read, whole or not at all; an old one is replaced. 0; otherwise an exit status, said. */
_must_use_ int tls_file_put(int dir, const char *name, BIO *text);
_must_use_ int tls_key_put(int dir, const char *name, const EVP_PKEY *key);

/* The certificates of a file: the leaf first. NULL, and said why. */
STACK_OF(X509) * tls_certs_read(const char *path);
/* May it be shown: key, dates, use, names, and each certificate issued by the next, the last by one of roots where these are given? 0; otherwise an
 * exit status, said. */
struct tls_judged {
	STACK_OF(X509) * chain, *roots; /* roots: may be NULL */
	const EVP_PKEY *key;
	u64 now_s;
};
_must_use_ int tls_certs_judge(const char *path, const struct tls_judged *j);
/* What keepd records of it. */
void tls_facts(X509 *leaf, struct proto_tls *ret);
