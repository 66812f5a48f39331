#define _GNU_SOURCE
#include "gateway/tls.h"
#include "gateway/tls_clients.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#define CERT_LIST_BYTES_MAX 32768 /* of a client's certificates; four of RSA 4096 have 8 KiB */

struct tls {
	SSL_CTX *ctx;
	struct tls_clients *clients; /* NULL: nothing was loaded */
	void (*comes)(void *ctx);
	void *ctx_comes;
};

/* ---- our own certificate --------------------------------------------------------------------------------------------------- */

/* A file must not ask the terminal. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
	return -1;
}

static const char *use_key(SSL_CTX *ctx, const struct tls_params *p)
{
	BIO *b = BIO_new_mem_buf(p->key, (int)p->key_len);
	EVP_PKEY *key = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
	bool ok = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;
	EVP_PKEY_free(key);
	BIO_free(b);
	return ok ? NULL : "the key cannot be read, or is not the certificate's";
}

static const char *use_cert(SSL_CTX *ctx, const struct tls_params *p)
{
	const char *why = "the certificate cannot be read";
	BIO *b = BIO_new_mem_buf(p->cert, (int)p->cert_len);
	X509 *c = b ? PEM_read_bio_X509(b, NULL, no_password, NULL) : NULL;
	time_t now = (time_t)p->now_s;
	if (c && X509_cmp_time(X509_get0_notAfter(c), &now) <= 0)
		why = "the certificate has expired: keep tls csr makes the request for another";
	else if (c && SSL_CTX_use_certificate(ctx, c) == 1)
		why = NULL;
	X509_free(c);
	for (X509 *more; !why && (more = PEM_read_bio_X509(b, NULL, no_password, NULL));)
		if (SSL_CTX_add_extra_chain_cert(ctx, more) != 1) { /* taken, where it succeeds */
			X509_free(more);
			why = "its chain cannot be used";
		}
	BIO_free(b);
	return why;
}

/* ---- the protocol ---------------------------------------------------------------------------------------------------------- */

/* HTTP/1.1 is what is spoken here; who offers only others is told so in the handshake. */
static int on_alpn(SSL *ssl, const u8 **out, u8 *out_len, const u8 *in, unsigned in_len, void *arg)
{
	static const u8 ours[] = "http/1.1";
	for (unsigned at = 0; at < in_len && at + 1u + in[at] <= in_len; at += 1u + in[at]) {
		if (in[at] != sizeof ours - 1 || memcmp(in + at + 1, ours, in[at]))
			continue;
		*out = in + at + 1;
		*out_len = in[at];
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* tls.h says where it is judged. */
static int any_cert(X509_STORE_CTX *ctx, void *arg)
{
	return 1;
}

static bool set_groups(SSL_CTX *ctx)
{
	/* the first is there from OpenSSL 3.5 on */
	bool ok = SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519:P-256:P-384") == 1 ||
		  SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1;
	ERR_clear_error();
	return ok;
}

static bool set_protocol(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
					 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* an idle connection holds none */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, any_cert, NULL);
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_BYTES_MAX);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1 && SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
	       set_groups(ctx) &&
	       SSL_CTX_set_ciphersuites(ctx, "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
					     "TLS_AES_128_GCM_SHA256") == 1;
}

int tls_create(const struct tls_params *p, struct tls **ret, const char **ret_why)
{
	struct tls *t = calloc(1, sizeof *t);
	const char *why = "out of memory";
	if (t)
		t->ctx = SSL_CTX_new(TLS_server_method());
	if (!t || !t->ctx || !set_protocol(t->ctx)) {
		tls_free(t);
		return -ENOMEM;
	}
	why = use_cert(t->ctx, p);
	why = why ? why : use_key(t->ctx, p);
	ERR_clear_error();
	if (why) {
		tls_free(t);
		*ret_why = why;
		return 1;
	}
	t->comes = p->comes;
	t->ctx_comes = p->ctx;
	*ret = t;
	return 0;
}

struct tls *tls_free(struct tls *t)
{
	if (t) {
		SSL_CTX_free(t->ctx);
		tls_clients_free(t->clients);
	}
	free(t);
	return NULL;
}

/* ---- connections ----------------------------------------------------------------------------------------------------------- */

struct bufferevent *tls_accept(struct tls *t, struct event_base *base, evutil_socket_t fd)
{
	SSL *ssl = SSL_new(t->ctx);
	if (!ssl)
		return NULL;
	if (t->comes)
		t->comes(t->ctx_comes);
	if (!t->clients || !tls_clients_count(t->clients)) /* nobody's would count: nobody is asked for one */
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
	struct bufferevent *bev = bufferevent_openssl_socket_new(
		base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (!bev)
		SSL_free(ssl);
	return bev;
}

struct ssl_st *tls_of(struct bufferevent *bev)
{
	return bufferevent_openssl_get_ssl(bev);
}

void tls_bye(struct bufferevent *bev)
{
	SSL *ssl = tls_of(bev);
	if (ssl && SSL_is_init_finished(ssl))
		SSL_shutdown(ssl); /* where the socket is full, its end says the same */
	ERR_clear_error();
}

/* ---- theirs ---------------------------------------------------------------------------------------------------------------- */

int tls_clients_load(struct tls *t, const void *data, size_t len)
{
	struct tls_clients *fresh = NULL;
	int r = tls_clients_read(data, len, &fresh);
	if (r < 0)
		return r;
	t->clients = tls_clients_free(t->clients);
	t->clients = fresh;
	SSL_CTX_set0_CA_list(t->ctx, fresh ? tls_clients_names(fresh) : NULL);
	return r;
}

u64 tls_generation(const struct tls *t)
{
	return t->clients ? tls_clients_generation(t->clients) : UINT64_MAX;
}

int tls_judge(const struct tls *t, struct ssl_st *ssl, u64 now_s, struct proto_prove_cert *ret,
	const char **ret_why)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	if (!leaf)
		return 1;
	*ret_why = "no CA is trusted to vouch for clients";
	if (!t->clients)
		return 2;
	return tls_clients_judge(
		t->clients, &(struct tls_shown){ leaf, SSL_get_peer_cert_chain(ssl), now_s }, ret, ret_why);
}
