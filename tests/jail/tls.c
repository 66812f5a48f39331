/* TLS inside of the gateway's sandbox: handshakes with and without a client's certificate, which is judged, and bytes both ways. What OpenSSL asks of
 * the kernel for them is what the filter must allow: one call more ends the process. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sandbox.h"
#include "gateway/tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TURNS_MAX 10000u

struct pair {
	EVP_PKEY *key;
	X509 *cert;
};

/* A key of P-256 and a certificate that it has signed itself. */
static struct pair pair_make(void)
{
	struct pair p = { EVP_EC_gen("P-256"), X509_new() };
	X509_NAME *name = X509_get_subject_name(p.cert);
	X509_set_version(p.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(p.cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(p.cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(p.cert), 3600);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const u8 *)"keep.test", -1, -1, 0);
	X509_set_issuer_name(p.cert, name);
	X509_set_pubkey(p.cert, p.key);
	return X509_sign(p.cert, p.key, EVP_sha256()) ? p : (struct pair){ 0 };
}

static struct tls *server_make(const struct pair *p)
{
	BIO *cert = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
	struct tls_params params = { .now_s = (u64)time(NULL) };
	struct tls *t = NULL;
	const char *why;
	char *cert_text, *key_text;
	PEM_write_bio_X509(cert, p->cert);
	PEM_write_bio_PrivateKey(key, p->key, NULL, NULL, 0, NULL, NULL);
	params.cert_len = (size_t)BIO_get_mem_data(cert, &cert_text);
	params.key_len = (size_t)BIO_get_mem_data(key, &key_text);
	params.cert = cert_text;
	params.key = key_text;
	int r = tls_create(&params, &t, &why);
	BIO_free(cert);
	BIO_free(key);
	return r ? NULL : t;
}

/* What keepd would say: this certificate is a root that vouches for clients. 0; as tls_clients_load. */
static int trust(struct tls *tls, const struct pair *p)
{
	u8 said[4096] = { 0 };
	struct proto_clients head = { .generation = 1 };
	struct proto_client_root root = { .name = "corp" };
	BIO *pem = BIO_new(BIO_s_mem());
	char *text;
	PEM_write_bio_X509(pem, p->cert);
	root.bytes = (u32)BIO_get_mem_data(pem, &text);
	size_t n = sizeof head + sizeof root + root.bytes;
	if (n > sizeof said)
		return 1;
	memcpy(said, &head, sizeof head);
	memcpy(said + sizeof head, &root, sizeof root);
	memcpy(said + sizeof head + sizeof root, text, root.bytes);
	BIO_free(pem);
	return tls_clients_load(tls, said, n);
}

static void on_read(struct bufferevent *bev, void *ctx)
{
	char text[16];
	size_t n = bufferevent_read(bev, text, sizeof text);
	bufferevent_write(bev, text, n);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
	*(bool *)ctx |= (what & BEV_EVENT_CONNECTED) != 0;
}

struct talk {
	struct event_base *base;
	SSL *ssl;
	struct bufferevent *bev;
	bool connected;
};

/* Both ends turn until what the client asks of OpenSSL is done. */
static bool turn_until(struct talk *t, int (*step)(SSL *ssl))
{
	for (u32 i = 0; i < TURNS_MAX; i++) {
		int r = step(t->ssl);
		event_base_loop(t->base, EVLOOP_NONBLOCK);
		if (r > 0)
			return true;
	}
	return false;
}

static int ask(SSL *ssl)
{
	return SSL_write(ssl, "ping", 4);
}

static int hear(SSL *ssl)
{
	char text[8];
	return SSL_read(ssl, text, sizeof text) == 4 && !memcmp(text, "ping", 4);
}

/* One connection; 0, or a number that says what went wrong. */
static int converse(struct tls *tls, struct event_base *base, SSL_CTX *client, const int fd[2], int want)
{
	struct proto_prove_cert cert;
	const char *why;
	struct talk t = { .base = base, .ssl = SSL_new(client), .bev = tls_accept(tls, base, fd[0]) };
	SSL_set_fd(t.ssl, fd[1]);
	bufferevent_setcb(t.bev, on_read, NULL, on_event, &t.connected);
	bufferevent_enable(t.bev, EV_READ | EV_WRITE);
	if (!turn_until(&t, SSL_connect) || !turn_until(&t, ask) || !turn_until(&t, hear) || !t.connected)
		return 2;
	if (tls_judge(tls, tls_of(t.bev), (u64)time(NULL), &cert, &why) != want)
		return 3;
	tls_bye(t.bev);
	bufferevent_free(t.bev);
	SSL_free(t.ssl);
	close(fd[1]);
	return 0;
}

/* As main() of keep-gateway does: everything that is made once, the sandbox, then strangers. */
static int serve(void)
{
	struct pair p = pair_make();
	struct tls *tls = server_make(&p);
	struct event_base *base = event_base_new();
	SSL_CTX *nobody = SSL_CTX_new(TLS_client_method()), *somebody = SSL_CTX_new(TLS_client_method());
	int fds[4][2]; /* accepted: inside no socket can be made */
	for (u32 i = 0; i < ARRAY_LEN(fds); i++)
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds[i]) < 0)
			return 1;
	if (!tls || !base || SSL_CTX_use_certificate(somebody, p.cert) != 1 ||
		SSL_CTX_use_PrivateKey(somebody, p.key) != 1)
		return 1;
	if (sandbox_enter(&(struct sandbox_params){ .role = SANDBOX_GATEWAY }))
		return 1;
	int r = trust(tls, &p) ? 4 : converse(tls, base, nobody, fds[0], 1);
	for (u32 i = 1; i < ARRAY_LEN(fds) && !r; i++)
		r = converse(tls, base, somebody, fds[i], 0); /* its own root */
	return r;
}

static void tls_in_the_sandbox(void **state)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(60);
		_exit(serve());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFSIGNALED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(tls_in_the_sandbox) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
