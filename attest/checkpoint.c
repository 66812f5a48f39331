/* What a transparency log commits to: inclusion proofs (RFC 9162, 2.1.3.2) and checkpoints, which are signed notes (C2SP).
 *
 *   origin, size, root in base64 and any further lines; an empty line; "— name base64(4 bytes of the key's number, signature)" for
 *   each signature. Lines of keys that are not the log's are held to the form and ignored; of the log's own, one must be there and all
 *   must hold. */
#include "attest/sigstore.h"
#include "base/bytes.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define DASH "\xe2\x80\x94 " /* U+2014 and a blank */

static void ctx_free(EVP_MD_CTX **c)
{
	EVP_MD_CTX_free(*c);
}

static int refuse(struct attest_report *report, const char *why)
{
	return attest_reject(report, ATTEST_LOG_PROOF, "checkpoint", "the log's checkpoint %s", why);
}

int log_verify(const struct trusted_log *l, const void *data, size_t len, const u8 *sig, size_t sig_len)
{
	struct attest_report scratch;
	attest_report_init(&scratch);
	if (!l->ed25519)
		return key_verify(&l->key, data, len, sig, sig_len, &scratch);
	_cleanup_(ctx_free) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, l->ed25519) != 1)
		return err_origin(-ENOMEM);
	int ok = EVP_DigestVerify(ctx, sig, sig_len, data, len);
	ERR_clear_error();
	return ok != 1;
}

/* ---- inclusion -------------------------------------------------------------------------------------------------------------- */

static void node(const u8 *left, const u8 *right, u8 ret[SHA256_BYTES])
{
	struct sha256 h;
	sha256_init(&h);
	sha256_update(&h, "\x01", 1);
	sha256_update(&h, left, SHA256_BYTES);
	sha256_update(&h, right, SHA256_BYTES);
	sha256_final(&h, ret);
}

bool inclusion_holds(const struct inclusion *p, const u8 root[SHA256_BYTES])
{
	u8 r[SHA256_BYTES];
	if (p->index >= p->size)
		return false;
	u64 fn = p->index, sn = p->size - 1;
	memcpy(r, p->leaf, sizeof r);
	for (u32 i = 0; i < p->n; i++) {
		if (sn == 0)
			return false;
		if (fn & 1 || fn == sn) {
			node(p->path[i], r, r);
			while (!(fn & 1) && fn) {
				fn >>= 1;
				sn >>= 1;
			}
		} else {
			node(r, p->path[i], r);
		}
		fn >>= 1;
		sn >>= 1;
	}
	return sn == 0 && !memcmp(r, root, SHA256_BYTES);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------------------ */

/* The next line and the place behind its line feed; NULL where there is none. */
static const char *line_of(const char **at, size_t *ret_len)
{
	const char *line = *at, *end = strchr(line, '\n');
	if (!end)
		return NULL;
	*ret_len = (size_t)(end - line);
	*at = end + 1;
	return line;
}

static int body_parse(
	const char *text, u64 *ret_size, u8 ret_root[SHA256_BYTES], struct attest_report *report)
{
	size_t len, size_len, root_len, n;
	const char *origin = line_of(&text, &len), *size = origin ? line_of(&text, &size_len) : NULL;
	const char *root = size ? line_of(&text, &root_len) : NULL;
	_cleanup_free_ u8 *digest = NULL;
	if (!root || len == 0 || bytes_decimal(size, size_len, ret_size))
		return refuse(report, "does not name its origin, size and root");
	int r = base64_decode(root, root_len, &digest, &n);
	if (r < 0)
		return r;
	if (r || n != SHA256_BYTES)
		return refuse(report, "has a root that is not a digest in canonical base64");
	memcpy(ret_root, digest, SHA256_BYTES);
	return 0;
}

struct note {
	const char *text; /* up to the empty line; the origin is its first line */
	size_t len;
	u32 n_own; /* signatures of the log that held */
};

/* The first generation calls its origin "name - tree", the second "name". */
static bool name_fits(const struct note *note, const char *name, size_t len)
{
	return !memcmp(note->text, name, MIN(len, note->len)) && len < note->len &&
	       (note->text[len] == '\n' || !strncmp(note->text + len, " - ", 3));
}

static int signature_check(const struct trusted_log *l, struct note *note, const char *line, size_t len,
	struct attest_report *report)
{
	_cleanup_free_ u8 *sig = NULL;
	size_t n;
	const char *name = line + sizeof DASH - 1, *blank = NULL;
	if (len > sizeof DASH && !memcmp(line, DASH, sizeof DASH - 1))
		blank = memchr(name, ' ', len - (sizeof DASH - 1));
	if (!blank || blank == name || memchr(name, '+', (size_t)(blank - name)))
		return refuse(report, "has a malformed line among its signatures");
	int r = base64_decode(blank + 1, (size_t)(line + len - blank - 1), &sig, &n);
	if (r < 0)
		return r;
	if (r || n < 5)
		return refuse(report, "has a signature that is not canonical base64");
	if (memcmp(sig, l->note, 4))
		return 0;
	if (!name_fits(note, name, (size_t)(blank - name)))
		return refuse(report, "was signed by the log under another name");
	r = log_verify(l, note->text, note->len, sig + 4, n - 4);
	if (r == 1)
		return refuse(report, "was not signed by the log");
	note->n_own++;
	return r;
}

int checkpoint_open(const struct trusted_log *l, const char *text, u64 *ret_size, u8 ret_root[SHA256_BYTES],
	struct attest_report *report)
{
	const char *blank = strstr(text, "\n\n"), *at = blank ? blank + 2 : text, *line;
	struct note note = { .text = text };
	u64 size = 0;
	u8 root[SHA256_BYTES];
	if (!blank)
		return refuse(report, "has no signatures");
	note.len = (size_t)(blank - text) + 1;
	int r = body_parse(text, &size, root, report);
	for (size_t len, n = 0; !r && *at; n++) {
		line = line_of(&at, &len);
		if (!line)
			return refuse(report, "ends within a line");
		if (n == CHECKPOINT_SIGNATURES_MAX)
			return attest_reject(report, ATTEST_SIZE_LIMIT, "checkpoint",
				"the log's checkpoint has more than %u signatures",
				CHECKPOINT_SIGNATURES_MAX);
		r = signature_check(l, &note, line, len, report);
	}
	if (r)
		return r;
	if (!note.n_own)
		return refuse(report, "was not signed by the log");
	*ret_size = size;
	memcpy(ret_root, root, SHA256_BYTES);
	return 0;
}
