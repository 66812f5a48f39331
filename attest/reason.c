#include "attest/attest.h"
#include "attest/internal.h"
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
	u32 reason;
	const char *code, *text;
} reasons[] = {
	{ ATTEST_SIZE_LIMIT, "size-limit", "it is larger than Keep reads" },
	{ ATTEST_UTF8, "utf8", "it is not UTF-8" },
	{ ATTEST_JSON, "json", "it is not one JSON object with nothing behind it" },
	{ ATTEST_DUPLICATE_KEY, "duplicate-key", "an object names a key twice" },
	{ ATTEST_DEPTH_LIMIT, "depth-limit", "it is nested deeper than Keep reads" },
	{ ATTEST_FIELD, "field", "a field is missing, unknown or of the wrong type" },
	{ ATTEST_MEDIA_TYPE, "media-type", "it is not a Sigstore bundle" },
	{ ATTEST_METHOD, "method", "this build does not verify that signing method" },
	{ ATTEST_MATERIAL, "material", "the verification material does not fit the method" },
	{ ATTEST_BASE64, "base64", "it is not canonical base64" },
	{ ATTEST_PAYLOAD_TYPE, "payload-type", "the envelope does not hold an in-toto statement" },
	{ ATTEST_SIGNATURE_COUNT, "signature-count", "there must be exactly one signature" },
	{ ATTEST_KEY_HINT, "key-hint", "the key's fingerprint in the bundle is malformed" },
	{ ATTEST_KEY, "key", "it is not an ECDSA key on P-256, P-384 or P-521" },
	{ ATTEST_UNKNOWN_KEY, "unknown-key", "the bundle was signed by a key that is not trusted" },
	{ ATTEST_SIGNATURE, "signature", "the signature does not fit the key and the statement" },
	{ ATTEST_SIGNATURE_DER, "signature-der", "the signature is not exact DER" },
	{ ATTEST_STATEMENT, "statement", "it is not an in-toto statement v1" },
	{ ATTEST_PREDICATE_TYPE, "predicate-type", "the statement is not a model signature" },
	{ ATTEST_SUBJECT, "subject", "there must be exactly one named subject with a SHA-256" },
	{ ATTEST_SERIALIZATION, "serialization", "the method of listing files is not a known one" },
	{ ATTEST_HASH_TYPE, "hash-type", "it is a digest that this build does not compute" },
	{ ATTEST_SHARD, "shard", "the shards do not cover the file exactly" },
	{ ATTEST_IGNORE_PATH, "ignore-path", "an ignored path must be relative and plain" },
	{ ATTEST_RESOURCE, "resource", "an entry of the list lacks its name, algorithm or digest" },
	{ ATTEST_PATH, "path", "a file's name must be relative, plain UTF-8" },
	{ ATTEST_DUPLICATE_FILE, "duplicate-file", "one file is listed twice" },
	{ ATTEST_ROOT_DIGEST, "root-digest", "the subject's digest is not that of the list" },
	{ ATTEST_EMPTY_MODEL, "empty-model", "there is no file" },
	{ ATTEST_FILE_LIMIT, "file-limit", "it has more files, depth or bytes than a model may have" },
	{ ATTEST_MISSING_FILE, "missing-file", "it was signed and is not there" },
	{ ATTEST_EXTRA_FILE, "extra-file", "it is there and was not signed" },
	{ ATTEST_SYMLINK, "symlink", "symbolic links are not part of a model" },
	{ ATTEST_SPECIAL_FILE, "special-file", "it is neither a regular file nor a directory" },
	{ ATTEST_DIGEST, "digest", "the bytes are not the ones that were signed" },
	{ ATTEST_CHANGED, "changed", "the file changed while it was read" },
	{ ATTEST_EMPTY_FILE, "empty-file", "an empty file has no shard, so its name would not be signed" },
	{ ATTEST_TRANSFER, "transfer", "an archive that is no transfer of a model" },
	{ ATTEST_CERTIFICATE, "certificate", "it is not an X.509 v3 certificate in exact DER" },
	{ ATTEST_CHAIN, "chain", "the certificate does not lead to a pinned root" },
	{ ATTEST_EXPIRED, "expired", "a certificate of the chain has expired at the judged time" },
	{ ATTEST_NOT_YET, "not-yet", "a certificate of the chain is not valid yet at the judged time" },
	{ ATTEST_EKU, "eku", "a certificate of the chain is not for code signing" },
	{ ATTEST_KEY_USAGE, "key-usage", "a certificate's key usage forbids what it was used for" },
	{ ATTEST_WEAK_KEY, "weak-key", "a key in the chain is weaker than RSA 3072 or P-256" },
	{ ATTEST_WEAK_HASH, "weak-hash", "a certificate is signed over less than SHA-256" },
	{ ATTEST_PATH_LENGTH, "path-length", "a CA of the chain allows fewer CAs below it" },
	{ ATTEST_NAME_CONSTRAINT, "name-constraint", "a CA of the chain may not vouch for the name" },
	{ ATTEST_CRITICAL_EXTENSION, "critical-extension",
		"a critical extension that Keep does not interpret" },
	{ ATTEST_REVOKED, "revoked", "a certificate of the chain was revoked by its issuer" },
	{ ATTEST_CRL, "crl", "a revocation list is unreadable, forged or incomplete" },
	{ ATTEST_CRL_STALE, "crl-stale", "a revocation list is not current at the judged time" },
	{ ATTEST_CRL_MISSING, "crl-missing", "there is no revocation list of an issuer of the chain" },
	{ ATTEST_IDENTITY, "identity", "the leaf names somebody else than the pinned identity" },
	{ ATTEST_TIMESTAMP, "timestamp", "no time stamp of a pinned authority holds" },
	{ ATTEST_TRUSTED_ROOT, "trusted-root", "the trusted-root file contradicts itself or trusts nobody" },
	{ ATTEST_LOG_UNKNOWN, "log-unknown", "the entry is of a log that the trusted root does not hold" },
	{ ATTEST_LOG_PROOF, "log-proof", "the log's checkpoint does not include the entry" },
	{ ATTEST_LOG_PROMISE, "log-promise", "the log did not sign the promise to include the entry" },
	{ ATTEST_LOG_ENTRY, "log-entry", "the log's entry is about something else" },
	{ ATTEST_SCT, "sct", "no trusted certificate log vouches for the leaf" },
	{ ATTEST_SIGNING_TIME, "signing-time", "nothing signed says when it was signed" },
	{ ATTEST_POLICY, "policy", "the policy does not speak for it, or cannot be read" },
	{ ATTEST_SIGNERS, "signers", "the policy asks for more distinct signers" },
	{ ATTEST_DENIED, "denied", "the policy denies it" },
	{ ATTEST_LICENCE, "licence", "the policy does not allow the licence" },
	{ ATTEST_SEQUENCE, "sequence", "it is older than the policy allows" },
	{ ATTEST_COSIGNED, "cosigned", "the bundles do not sign the same files" },
	{ ATTEST_TRUST_ROOT, "trust-root", "it is not what a trust root of that kind needs" },
	{ ATTEST_SEGMENTS, "segments", "the segment table is malformed" },
	{ ATTEST_GGUF_NONE, "gguf-none", "there is no .gguf file" },
	{ ATTEST_GGUF_MAGIC, "gguf-magic", "the file does not begin with GGUF" },
	{ ATTEST_GGUF_VERSION, "gguf-version", "only version 3 is read" },
	{ ATTEST_GGUF_TRUNCATED, "gguf-truncated", "the file ends within its header" },
	{ ATTEST_GGUF_LIMIT, "gguf-limit", "a count or length is over the limit" },
	{ ATTEST_GGUF_KEY, "gguf-key", "a metadata key is empty, too long, not ASCII, or there twice" },
	{ ATTEST_GGUF_VALUE, "gguf-value", "a metadata value has the wrong type" },
	{ ATTEST_GGUF_MISSING_KEY, "gguf-missing-key",
		"a metadata key that the architecture needs is missing" },
	{ ATTEST_GGUF_ARCHITECTURE, "gguf-architecture", "Keep does not compute this architecture" },
	{ ATTEST_GGUF_EXPERTS, "gguf-experts",
		"the experts' numbers or their routing are not what Keep computes" },
	{ ATTEST_GGUF_HYPERPARAMETER, "gguf-hyperparameter",
		"a hyper-parameter is out of range or contradicts another" },
	{ ATTEST_GGUF_TENSOR_NAME, "gguf-tensor-name",
		"a tensor name is empty, too long, not ASCII, or there twice" },
	{ ATTEST_GGUF_TENSOR_TYPE, "gguf-tensor-type", "Keep does not compute with this tensor type" },
	{ ATTEST_GGUF_TENSOR_SHAPE, "gguf-tensor-shape",
		"the shape is impossible or not the architecture's" },
	{ ATTEST_GGUF_TENSOR_MISSING, "gguf-tensor-missing",
		"a tensor that the architecture needs is missing" },
	{ ATTEST_GGUF_TENSOR_EXTRA, "gguf-tensor-extra", "the architecture has no such tensor" },
	{ ATTEST_GGUF_ALIGNMENT, "gguf-alignment", "the alignment or an offset is not what it must be" },
	{ ATTEST_GGUF_OFFSET, "gguf-offset", "the tensor reaches beyond its file" },
	{ ATTEST_GGUF_OVERLAP, "gguf-overlap", "two tensors share bytes" },
	{ ATTEST_GGUF_SPLIT, "gguf-split", "the .gguf files are not one complete set" },
	{ ATTEST_GGUF_TOKENIZER, "gguf-tokenizer", "Keep does not have this tokenizer" },
	{ ATTEST_GGUF_PRE_TOKENIZER, "gguf-pre-tokenizer", "Keep does not have this pre-tokenizer" },
	{ ATTEST_GGUF_VOCAB, "gguf-vocab", "the vocabulary does not fit together" },
	{ ATTEST_GGUF_TEMPLATE, "gguf-template", "the chat template is too long or not text" },
};

const char *attest_reason_code(u32 reason)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].reason == reason)
			return reasons[i].code;
	return NULL;
}

const char *attest_reason_text(u32 reason)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].reason == reason)
			return reasons[i].text;
	return NULL;
}

u32 attest_reason_at(size_t i)
{
	return i < ARRAY_LEN(reasons) ? reasons[i].reason : ATTEST_REASON_NONE;
}

/* ---- reports -------------------------------------------------------------------------------------------------------------- */

/* Copy as much as fits, cut at a character's edge, with control characters and broken UTF-8 made visible: reports are printed. */
void attest_text(char *field, size_t size, const char *s, size_t len)
{
	size_t n = 0;
	memset(field, 0, size);
	while (len) {
		size_t c = 1;
		while (c <= 4 && !(c <= len && bytes_utf8_ok(s, c)))
			c++;
		const char *from = s;
		size_t put = c <= 4 ? c : 1, take = put;
		if (c > 4 || (u8)*s < 0x20 || *s == 0x7f) {
			from = "?";
			put = take = 1;
		}
		if (n + put >= size)
			return;
		memcpy(field + n, from, put);
		n += put;
		s += take;
		len -= take;
	}
}

void attest_report_init(struct attest_report *r)
{
	*r = (struct attest_report){ .verdict = ATTEST_ACCEPTED };
	memcpy(r->code, "accepted", 8);
}

void attest_report_undecided(struct attest_report *r, int error, const char *object)
{
	assert(error < 0);
	r->verdict = ATTEST_UNDECIDED;
	r->reason = ATTEST_REASON_NONE;
	attest_text(r->code, sizeof r->code, "undecided", 9);
	if (!r->object[0])
		attest_text(r->object, sizeof r->object, object, strlen(object));
	const char *why = strerror(-error);
	attest_text(r->detail, sizeof r->detail, why, strlen(why));
}

int attest_reject(struct attest_report *r, u32 reason, const char *object, const char *fmt, ...)
{
	const char *code = attest_reason_code(reason);
	assert(code);
	r->verdict = ATTEST_REJECTED;
	r->reason = reason;
	attest_text(r->code, sizeof r->code, code, strlen(code));
	attest_text(r->object, sizeof r->object, object, strlen(object));
	memset(r->expected, 0, sizeof r->expected);
	memset(r->found, 0, sizeof r->found);
	char text[2 * sizeof r->detail];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	attest_text(r->detail, sizeof r->detail, text, strlen(text));
	return 1;
}

int attest_about(struct attest_report *r, int error, const char *object)
{
	attest_text(r->object, sizeof r->object, object, strlen(object));
	return error;
}

void attest_expected(struct attest_report *r, const char *expected, const char *found)
{
	attest_text(r->expected, sizeof r->expected, expected, strlen(expected));
	attest_text(r->found, sizeof r->found, found, strlen(found));
}

void attest_expected_hex(
	struct attest_report *r, const u8 expected[SHA256_BYTES], const u8 found[SHA256_BYTES])
{
	attest_expected_digest(r, expected, found, SHA256_BYTES);
}

void attest_expected_digest(struct attest_report *r, const u8 *expected, const u8 *found, u32 len)
{
	char e[2 * HASH_BYTES_MAX + 1], f[2 * HASH_BYTES_MAX + 1];
	assert(len <= HASH_BYTES_MAX);
	bytes_hex(expected, len, e);
	bytes_hex(found, len, f);
	attest_expected(r, e, f);
}

void attest_expected_u64(struct attest_report *r, u64 expected, u64 found)
{
	char e[24], f[24];
	snprintf(e, sizeof e, "%llu", (unsigned long long)expected);
	snprintf(f, sizeof f, "%llu", (unsigned long long)found);
	attest_expected(r, e, f);
}
