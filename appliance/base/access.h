/* Ways in over the network: what an API key looks like, what is said of it, and whether a rule fits a certificate. Pure functions, shared by
 * the command that makes a key, the gateway that is shown it, and keepd, which decides.
 *
 *   key     keep_<name>_<64 hex digits>: a name to look it up by, and 32 random bytes
 *   proof   SHA-256("keep key\n" ‖ the 32 bytes): what the gateway passes on; the key itself goes no further
 *   hash    SHA-256("keep proof\n" ‖ proof): what keepd stores and records
 *
 * So neither the log, nor the state, nor a copy of both opens anything: not at the network, which wants the key, nor at the gate's
 * socket, which wants the proof. The bytes are random, so one round of a fast digest is as good as any number of slow ones. */
#pragma once

#include "base/types.h"
#include "proto.h"

#define ACCESS_SECRET_BYTES  32u
#define ACCESS_KEY_TEXT_SIZE (5u + NAME_LEN_MAX + 1u + 2u * ACCESS_SECRET_BYTES + 1u) /* with its 0 */

/* The key as its holder gets it; a name that bytes_name_ok holds. */
void access_key_text(const char *name, const u8 secret[ACCESS_SECRET_BYTES], char ret[ACCESS_KEY_TEXT_SIZE]);
/* Is this text meant to be a key of Keep's? One that is not whole is meant, too. */
bool access_key_meant(const char *text, size_t len);
/* Read one. 0, *ret; 1 it is none. */
_must_use_ int access_key_read(const char *text, size_t len, struct proto_prove_key *ret);
void access_key_proof(const u8 secret[ACCESS_SECRET_BYTES], u8 ret[SHA256_BYTES]);
void access_key_hash(const u8 proof[SHA256_BYTES], u8 ret[SHA256_BYTES]);
/* As long as they are equal, in the same time wherever they differ. */
bool access_same(const u8 a[SHA256_BYTES], const u8 b[SHA256_BYTES]);

/* Does text fit a pattern, where * stands for any number of characters and ? for one? "" fits everything. Bounded by their product. */
bool access_like(const char *pattern, const char *text);
/* Is this what struct proto_access must be: names, one of the roles, a scope, and for its kind all that is needed and nothing else?
 * NULL; otherwise why not. */
const char *access_check(const struct proto_access *a);
/* Is it a frame that an honest gateway could send? */
bool access_cert_ok(const struct proto_prove_cert *c);
/* Does the rule fit? ret: who comes by it. */
bool access_rule_fits(
	const struct proto_access *rule, const struct proto_prove_cert *c, char ret[NAME_LEN_MAX + 8]);
/* Which of two rules that both fit is about fewer people: >0 a, <0 b, 0 neither. */
int access_rule_narrower(const struct proto_access *a, const struct proto_access *b);

/* The words of USE_GENERATE and the others; "" for none. */
const char *access_use_name(u32 use);
const char *access_how_name(u32 how);
