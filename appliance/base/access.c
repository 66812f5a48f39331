#include "base/access.h"
#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

static const char prefix[] = "keep_";

/* ---- keys ---- */

void access_key_text(const char *name, const u8 secret[ACCESS_SECRET_BYTES], char ret[ACCESS_KEY_TEXT_SIZE])
{
	int n = snprintf(ret, ACCESS_KEY_TEXT_SIZE, "%s%s_", prefix, name);
	assert(n > 0 && (size_t)n + 2 * ACCESS_SECRET_BYTES < ACCESS_KEY_TEXT_SIZE);
	bytes_hex(secret, ACCESS_SECRET_BYTES, ret + n);
}

bool access_key_meant(const char *text, size_t len)
{
	return len >= sizeof prefix - 1 && !memcmp(text, prefix, sizeof prefix - 1);
}

int access_key_read(const char *text, size_t len, struct proto_prove_key *ret)
{
	const size_t digits = 2 * ACCESS_SECRET_BYTES, fixed = sizeof prefix - 1 + 1 + digits;
	struct proto_prove_key k = { 0 };
	u8 secret[ACCESS_SECRET_BYTES];
	if (!access_key_meant(text, len) || len <= fixed || len - fixed > NAME_LEN_MAX ||
		text[len - digits - 1] != '_' ||
		bytes_unhex(text + len - digits, ACCESS_SECRET_BYTES, secret))
		return 1;
	memcpy(k.name, text + sizeof prefix - 1, len - fixed);
	access_key_proof(secret, k.proof);
	explicit_bzero(secret, sizeof secret);
	if (!bytes_name_ok(k.name) || strlen(k.name) != len - fixed)
		return 1;
	*ret = k;
	return 0;
}

static void digest(const char *label, const u8 *data, u8 ret[SHA256_BYTES])
{
	struct sha256 h;
	sha256_init(&h);
	sha256_update(&h, label, strlen(label));
	sha256_update(&h, data, 32);
	sha256_final(&h, ret);
	explicit_bzero(&h, sizeof h);
}

void access_key_proof(const u8 secret[ACCESS_SECRET_BYTES], u8 ret[SHA256_BYTES])
{
	digest("keep key\n", secret, ret);
}

void access_key_hash(const u8 proof[SHA256_BYTES], u8 ret[SHA256_BYTES])
{
	digest("keep proof\n", proof, ret);
}

bool access_same(const u8 a[SHA256_BYTES], const u8 b[SHA256_BYTES])
{
	volatile u8 differs = 0;
	for (u32 i = 0; i < SHA256_BYTES; i++)
		differs |= a[i] ^ b[i];
	return !differs;
}

/* ---- patterns ---- */

bool access_like(const char *pattern, const char *text)
{
	const char *star = NULL, *from = text;
	if (!*pattern)
		return true;
	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			from = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* ---- rules ---- */

static bool is_zero(const void *p, size_t n)
{
	const u8 *b = p;
	while (n && !*b)
		b++, n--;
	return n == 0;
}

static bool visible(const char *s)
{
	for (; *s; s++)
		if ((u8)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

/* A kind, and something behind it that is not only the star. */
static bool san_ok(const char *san)
{
	static const char *const kinds[] = { "email:", "dns:", "uri:", "upn:" };
	const char *star = strchr(san, '*');
	if (!san[0])
		return true;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t n = strlen(kinds[i]);
		if (!strncmp(san, kinds[i], n))
			return strlen(san + n) > (star ? 1u : 0u) && !(star && strchr(star + 1, '*'));
	}
	return false;
}

static bool oid_ok(const char *s)
{
	return s[strspn(s, "0123456789.")] == 0;
}

static const char *cert_check(const struct proto_access *a)
{
	if (!is_zero(a->hash, sizeof a->hash))
		return "a rule for certificates has no key";
	if (!bytes_name_ok(a->ca))
		return "a rule names the trust root that vouches for its certificates";
	if (!a->san[0] && !a->issuer[0] && !a->policy_oid[0])
		return "a CA vouches for more people than are meant: name, issuer or policy must be given";
	if (!san_ok(a->san))
		return "a name begins with email:, dns:, uri: or upn:, and has one * at most";
	if (!oid_ok(a->policy_oid))
		return "a policy is a number with dots";
	if (!a->principal[0] && !a->san[0])
		return "a rule without a name needs a principal";
	return NULL;
}

static const char *key_check(const struct proto_access *a)
{
	if (is_zero(a->hash, sizeof a->hash))
		return "a key has a hash";
	if (!a->expires_s)
		return "a key expires";
	if (!a->principal[0])
		return "a key is somebody's: its principal is missing";
	if (a->ca[0] || a->san[0] || a->issuer[0] || a->policy_oid[0])
		return "a key has no certificate";
	return NULL;
}

const char *access_check(const struct proto_access *a)
{
	static const char form[] = "a text is not one";
	if (!bytes_str_ok(a->name, sizeof a->name) || !bytes_str_ok(a->principal, sizeof a->principal) ||
		!bytes_str_ok(a->models, sizeof a->models) || !bytes_str_ok(a->ca, sizeof a->ca) ||
		!bytes_str_ok(a->san, sizeof a->san) || !bytes_str_ok(a->issuer, sizeof a->issuer) ||
		!bytes_str_ok(a->policy_oid, sizeof a->policy_oid) || !bytes_str_ok(a->text, sizeof a->text))
		return form;
	if (!visible(a->san) || !visible(a->issuer) || !visible(a->text))
		return form;
	if (!bytes_name_ok(a->name) || (a->principal[0] && !bytes_name_ok(a->principal)))
		return "a name has 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit";
	if (a->models[strspn(a->models, "abcdefghijklmnopqrstuvwxyz0123456789._-*?")])
		return "a pattern of models is made of the characters of names, * and ?";
	if (a->role != ROLE_USER && a->role != ROLE_OPERATOR && a->role != ROLE_OFFICER &&
		a->role != ROLE_AUDITOR)
		return "over the network somebody is user, operator, officer or auditor, and one of these";
	if (!a->uses || (a->uses & ~(USE_ALL | USE_CONSOLE)) || a->reserved)
		return "no such use";
	if ((a->uses & USE_CONSOLE) && a->role != ROLE_OFFICER && a->role != ROLE_AUDITOR)
		return "the console is for officers and auditors";
	if (a->role == ROLE_OFFICER && a->uses != USE_CONSOLE)
		return "over the network an officer uses the console, and nothing else";
	return a->kind == ACCESS_KEY ? key_check(a) : a->kind == ACCESS_CERT ? cert_check(a) : "no such kind";
}

bool access_cert_ok(const struct proto_prove_cert *c)
{
	bool ok = c->n_names <= ACCESS_NAMES_MAX && c->n_policies <= ACCESS_POLICIES_MAX &&
		  bytes_str_ok(c->ca, sizeof c->ca) && bytes_str_ok(c->issuer, sizeof c->issuer);
	for (u32 i = 0; i < ACCESS_NAMES_MAX; i++)
		ok &= bytes_str_ok(c->names[i], sizeof c->names[i]) && visible(c->names[i]) &&
		      (c->names[i][0] != 0) == (i < c->n_names);
	for (u32 i = 0; i < ACCESS_POLICIES_MAX; i++)
		ok &= bytes_str_ok(c->policies[i], sizeof c->policies[i]) && oid_ok(c->policies[i]) &&
		      (c->policies[i][0] != 0) == (i < c->n_policies);
	return ok;
}

/* The one star stands for one or more characters. */
static bool name_fits(const char *san, const char *name)
{
	const char *star = strchr(san, '*');
	size_t n = strlen(name), head = star ? (size_t)(star - san) : 0, tail = star ? strlen(star + 1) : 0;
	if (!star)
		return !strcmp(san, name);
	return n > head + tail && !memcmp(san, name, head) && !strcmp(star + 1, name + n - tail);
}

static const char *fitting_name(const struct proto_access *rule, const struct proto_prove_cert *c)
{
	for (u32 i = 0; i < c->n_names; i++)
		if (name_fits(rule->san, c->names[i]))
			return c->names[i];
	return NULL;
}

static bool states(const struct proto_prove_cert *c, const char *oid)
{
	for (u32 i = 0; i < c->n_policies; i++)
		if (!strcmp(c->policies[i], oid))
			return true;
	return false;
}

bool access_rule_fits(
	const struct proto_access *rule, const struct proto_prove_cert *c, char ret[NAME_LEN_MAX + 8])
{
	const char *name = rule->san[0] ? fitting_name(rule, c) : "";
	if (rule->kind != ACCESS_CERT || strcmp(rule->ca, c->ca) || !name)
		return false;
	if ((rule->issuer[0] && strcmp(rule->issuer, c->issuer)) ||
		(rule->policy_oid[0] && !states(c, rule->policy_oid)))
		return false;
	const char *who = rule->principal[0] ? rule->principal : name;
	/* a name that does not fit whole would be somebody else's */
	return strlen(who) <= NAME_LEN_MAX && !bytes_put_str(ret, NAME_LEN_MAX + 8, who);
}

/* 2 an exact name, 1 a pattern, 0 any name. */
static int narrowness(const struct proto_access *a)
{
	return !a->san[0] ? 0 : strchr(a->san, '*') ? 1 : 2;
}

int access_rule_narrower(const struct proto_access *a, const struct proto_access *b)
{
	return narrowness(a) - narrowness(b);
}

/* ---- words ---- */

const char *access_use_name(u32 use)
{
	return use == USE_GENERATE  ? "generate"
	       : use == USE_COUNT   ? "count"
	       : use == USE_LIST    ? "list"
	       : use == USE_CONSOLE ? "console"
				    : "";
}
