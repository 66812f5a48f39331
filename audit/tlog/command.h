/* Signed commands: what a person with an enrolled key says to keepd (audit/role.h), made by the command line and checked by keepd; so that
 * anybody with the log and the enrolled vkeys can check it again.
 *
 *   digest = SHA-256(u32 type of the command, its struct, SHA-256 of its file or 32 zero bytes), little-endian
 *   text   = "keep command\n" <origin of the log> "\n" <digest in hexadecimal> "\n", signed with Ed25519 */
#pragma once

#include "audit/tlog/note.h"
#include "base/sha256.h"

#define COMMAND_TEXT_MAX (NOTE_NAME_MAX + 96u)

void tlog_command_digest(
	u32 type, const void *body, size_t len, const u8 file[SHA256_BYTES], u8 ret[SHA256_BYTES]);
/* out holds COMMAND_TEXT_MAX bytes. Returns the length. */
size_t tlog_command_text(const char *origin, const u8 digest[SHA256_BYTES], char *out);
void tlog_command_sign(
	const struct note_key *key, const char *origin, const u8 digest[SHA256_BYTES], u8 ret_signature[64]);
bool tlog_command_signed(const struct note_key *key, const char *origin, const u8 digest[SHA256_BYTES],
	const u8 signature[64]);
