#define _GNU_SOURCE
#include "attest/hash.h"
#include "base/fd.h"
#include "base/limits.h"
#include "cli/file.h"
#include "cli/model.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static void wipe(u8 **p, size_t n)
{
	if (*p)
		explicit_bzero(*p, n);
	free(*p);
	*p = NULL;
}

/* ---- tokens ---------------------------------------------------------------------------------------------------------------- */

/* The first line of a file. */
static int pin_of_file(const char *path, char *pin, size_t *ret_len)
{
	u8 *data = NULL;
	size_t len;
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : fd_read_file(fd, PIN_BYTES_MAX + 2, &data, &len);
	if (r) {
		out_say("%s: %s", path, r < 0 ? out_reason(r) : "not a file that can hold a PIN");
		return 1;
	}
	size_t n = strcspn((const char *)data, "\r\n");
	bool fits = n && n <= PIN_BYTES_MAX && n + strspn((const char *)data + n, "\r\n") == len;
	if (fits)
		memcpy(pin, data, *ret_len = n);
	else
		out_say("%s: does not hold one line of at most %u bytes", path, PIN_BYTES_MAX);
	wipe(&data, len);
	return fits ? 0 : 1;
}

/* Typed by the user, unseen. */
static int pin_of_terminal(const char *label, char *pin, size_t *ret_len)
{
	struct termios was, quiet;
	_cleanup_fd_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (tty < 0 || tcgetattr(tty, &was) < 0) {
		out_say("no terminal to ask for the PIN; give --pin-file, or pin-source in the URI");
		return 1;
	}
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	dprintf(tty, "PIN of %s: ", label);
	if (tcsetattr(tty, TCSAFLUSH, &quiet) < 0)
		return -errno;
	ssize_t n = read(tty, pin, PIN_BYTES_MAX + 1);
	(void)tcsetattr(tty, TCSAFLUSH, &was);
	dprintf(tty, "\n");
	while (n > 0 && (pin[n - 1] == '\n' || pin[n - 1] == '\r'))
		n--;
	if (n <= 0 || n > (ssize_t)PIN_BYTES_MAX)
		return 1;
	*ret_len = (size_t)n;
	return 0;
}

/* The user's file first, then the URI's, then the terminal. */
static int pin_ask(void *ctx, const char *source, const char *label, char *pin, size_t *ret_len)
{
	const struct model_sign_params *p = ctx;
	if (p->pin_file)
		return pin_of_file(p->pin_file, pin, ret_len);
	if (source)
		return pin_of_file(strncmp(source, "file:", 5) ? source : source + 5, pin, ret_len);
	return pin_of_terminal(label, pin, ret_len);
}

static void token_close(struct attest_token **t)
{
	*t = attest_token_close(*t);
}

/* A key file, or a token. 0; otherwise an exit status, said. */
static int read_key(
	const struct model_sign_params *p, struct attest_token **ret_token, u8 **ret_pem, size_t *ret_len)
{
	struct attest_report rep;
	if (strncmp(p->key, "pkcs11:", 7))
		return model_read_file(p->key, KEY_PEM_BYTES_MAX, ret_pem, ret_len);
	struct attest_token_params t = { .uri = p->key, .pin = pin_ask, .ctx = (void *)(uintptr_t)p };
	int r = attest_token_open(&t, ret_token, &rep);
	return r ? model_say_result(r, &rep, "the token", false) : 0;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------- */

/* Read everything, sign it, write the bundle. tree and key are there already. */
static int sign(const struct attest_sign_params *p, const char *model, const char *out)
{
	struct attest_report rep;
	struct attest_blob b = { 0 };
	attest_report_init(&rep);
	int r = attest_sign(p, &b, &rep);
	out_progress_end();
	r = r ? model_say_result(r, &rep, model, false) : file_write(out, b.data, b.len);
	attest_blob_fini(&b);
	return r;
}

/* The key's certificates, leaf first. 0; otherwise an exit status, said. */
static int read_chain(const struct model_sign_params *p, struct attest_certs **certs)
{
	int r = p->cert ? model_read_roots(p->cert, certs, false) : 0;
	for (size_t i = 0; i < p->chain.n && !r; i++)
		r = model_read_roots(p->chain.v[i], certs, false);
	return r;
}

int model_sign(const struct model_sign_params *p)
{
	struct attest_tree tree = { 0 };
	struct attest_report rep;
	_cleanup_(model_certs_free) struct attest_certs *certs = NULL;
	_cleanup_(token_close) struct attest_token *token = NULL;
	u8 *pem = NULL;
	size_t pem_len = 0;
	int r = attest_prepare();
	if (r)
		return out_fail(CLI_UNDECIDED, "OpenSSL: %s", out_reason(r));
	r = read_chain(p, &certs);
	r = r ? r : read_key(p, &token, &pem, &pem_len);
	if (r)
		return r;
	attest_report_init(&rep);
	r = attest_tree_open(&(struct attest_tree_params){ .path = p->model,
				     .bundle_path = p->out,
				     .ignore = p->ignore,
				     .n_ignore = p->n_ignore },
		&tree, &rep);
	if (r) {
		r = model_say_result(r, &rep, p->model, false);
	} else {
		r = sign(&(struct attest_sign_params){ .tree = &tree,
				 .token = token,
				 .key_pem = pem,
				 .key_len = pem_len,
				 .shard_bytes = p->shards,
				 .hash = p->hash,
				 .certs = certs,
				 .ignore = p->ignore,
				 .n_ignore = p->n_ignore,
				 .progress = &model_progress },
			p->model, p->out);
		if (r == 0)
			out_say("%s: signs %u files, %s", p->out, tree.n_files, out_size(tree.bytes).s);
	}
	wipe(&pem, pem_len);
	attest_tree_fini(&tree);
	return r;
}

int cmd_sign(struct cli *c, int argc, char **argv)
{
	struct model_sign_params p = { 0 };
	char path[PATH_MAX];
	const char *hash = "sha256";
	bool sharded = false;
	int n;
	const struct opt opts[] = { { "--key", OPT_STR, &p.key, NULL }, { "--cert", OPT_STR, &p.cert, NULL },
		{ "--chain", OPT_LIST, &p.chain, NULL }, { "--out", OPT_STR, &p.out, NULL },
		{ "--pin-file", OPT_STR, &p.pin_file, NULL }, { "--hash", OPT_STR, &hash, NULL },
		{ "--shards", OPT_U64, &p.shards, &sharded } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (!p.key)
		return out_usage(c, "--key KEY.pem or --key pkcs11:... is needed");
	if (p.pin_file && strncmp(p.key, "pkcs11:", 7))
		return out_usage(c, "--pin-file is for a key in a token");
	if (attest_hash_of_name(hash, &p.hash))
		return out_usage(c, "--hash is sha256, blake2b or blake3");
	if (sharded && !p.shards)
		return out_usage(c, "--shards: at least 1 byte");
	if (p.chain.n && !p.cert)
		return out_usage(c, "--chain is for --cert");
	p.model = argv[0];
	struct stat st;
	size_t len = strlen(p.model);
	while (len > 1 && p.model[len - 1] == '/')
		len--;
	if (!p.out) {
		bool dir = stat(p.model, &st) == 0 && S_ISDIR(st.st_mode);
		if (snprintf(path, sizeof path, "%.*s%s", (int)len, p.model, dir ? "/model.sig" : ".sig") >=
			(int)sizeof path)
			return out_fail(CLI_UNDECIDED, "%s: the name is too long", p.model);
		p.out = path;
	}
	int r = model_sign(&p);
	if (r == 0)
		out_next("keep verify %s --bundle %s --%s.pem", p.model, p.out,
			p.cert ? "root CA" : "key PUB");
	return r;
}
