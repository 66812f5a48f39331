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

#include "base/limits.h"
#include "base/sha256.h"
#include "base/types.h"

/* Who may do what (audit/role.h); one bit each. */
enum role { ROLE_USER = 1, ROLE_OPERATOR = 2, ROLE_OFFICER = 4, ROLE_AUDITOR = 8 };

enum access_kind { ACCESS_KEY = 1, ACCESS_CERT };
/* What somebody may use; one bit each. */
enum access_use {
	USE_GENERATE = 1,
	USE_COUNT = 2 /* tokens */,
	USE_LIST = 4 /* models */,
	USE_CONSOLE = 8 /* of officers and auditors; given by its name alone */
};
#define USE_ALL 7u /* of those who ask models */
/* A way in: an API key, or what a certificate must show. Fields of the other kind are zero. */
struct proto_access {
	char name[NAME_LEN_MAX + 8];	  /* of the key, or of the rule */
	char principal[NAME_LEN_MAX + 8]; /* who comes by it; certificates: "" the name that san matched */
	u32 kind, role;	    /* enum access_kind; one of those that may ask a model, or use the console */
	u32 uses, reserved; /* enum access_use */
	u64 expires_s;	    /* seconds of UTC; 0, of rules only: never */
	char models[NAME_LEN_MAX + 8]; /* names that it may use, as a pattern; "": all */
	u8 hash[SHA256_BYTES];	       /* of keys */
	char ca[NAME_LEN_MAX + 8];     /* of rules: the trust root that the path leads to */
	char san[ACCESS_NAME_LEN_MAX +
		 1]; /* "email:…", "dns:…", "uri:…" or "upn:…", where one * stands for one or more characters; "": any */
	char issuer[ACCESS_NAME_LEN_MAX + 1];	 /* who signed the leaf, as RFC 2253 writes it; "": any */
	char policy_oid[ACCESS_OID_LEN_MAX + 1]; /* a policy that the path states; "": any */
	char text[REASON_LEN_MAX + 1];
};
SIZE_PIN(proto_access, 1112);
struct proto_prove_key {
	char name[NAME_LEN_MAX + 8];
	u8 proof[SHA256_BYTES];
};
SIZE_PIN(proto_prove_key, 104);
/* What a client's certificate says, as keep-gateway has read it after it had judged the path. */
struct proto_prove_cert {
	u64 generation; /* of the roots and lists that it was judged by: as proto_clients has it */
	u64 until_s;	/* when the first of path and lists ends, seconds of UTC */
	u8 leaf[SHA256_BYTES];
	char ca[NAME_LEN_MAX + 8]; /* the trust root that the path leads to */
	char issuer[ACCESS_NAME_LEN_MAX + 1];
	u32 n_names, n_policies;
	char names[ACCESS_NAMES_MAX][ACCESS_NAME_LEN_MAX + 1];
	char policies[ACCESS_POLICIES_MAX][ACCESS_OID_LEN_MAX + 1];
};
SIZE_PIN(proto_prove_cert, 2400);

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
