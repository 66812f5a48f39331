#include "audit/tlog/command.h"
#include "base/bytes.h"

#include <sodium.h>
#include <stdio.h>

void tlog_command_digest(
	u32 type, const void *body, size_t len, const u8 file[SHA256_BYTES], u8 ret[SHA256_BYTES])
{
	struct sha256 h;
	sha256_init(&h);
	sha256_update(&h, &type, sizeof type);
	if (len)
		sha256_update(&h, body, len);
	sha256_update(&h, file, SHA256_BYTES);
	sha256_final(&h, ret);
}

size_t tlog_command_text(const char *origin, const u8 digest[SHA256_BYTES], char *out)
{
	char hex[2 * SHA256_BYTES + 1];
	bytes_hex(digest, SHA256_BYTES, hex);
	return (size_t)snprintf(out, COMMAND_TEXT_MAX, "keep command\n%s\n%s\n", origin, hex);
}

void tlog_command_sign(
	const struct note_key *key, const char *origin, const u8 digest[SHA256_BYTES], u8 ret_signature[64])
{
	char text[COMMAND_TEXT_MAX];
	size_t n = tlog_command_text(origin, digest, text);
	crypto_sign_detached(ret_signature, NULL, (const u8 *)text, n, key->secret_key);
}

bool tlog_command_signed(
	const struct note_key *key, const char *origin, const u8 digest[SHA256_BYTES], const u8 signature[64])
{
	char text[COMMAND_TEXT_MAX];
	size_t n = tlog_command_text(origin, digest, text);
	return crypto_sign_verify_detached(signature, (const u8 *)text, n, key->public_key) == 0;
}
