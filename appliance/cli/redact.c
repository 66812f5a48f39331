#define _GNU_SOURCE
#include "cli/redact.h"

#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define PERSON_UID_MIN	  1000u /* as login.defs has it; below are services */
#define PERSON_UID_MAX	  65533u
#define DIGEST_DIGITS_MIN 32u
#define DIGEST_SHOWN	  8
#define SECRET_LEN_MIN	  40u /* a run of letters of both cases and digits: keys are that long, words are not */

static const char *const kinds[REDACT_N_KINDS] = { "user", "host", "address", "mac", "mail", "digest",
	"secret" };

const char *redact_kind_name(enum redact_kind k)
{
	return kinds[k];
}

/* The number of a thing, a new one when it is seen first; 0: out of memory. */
static u32 number_of(struct redact *r, enum redact_kind kind, const char *text, size_t len)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->known[i].kind == kind && strlen(r->known[i].text) == len &&
			!memcmp(r->known[i].text, text, len))
			return r->known[i].number;
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 32;
		void *known = reallocarray(r->known, cap, sizeof *r->known);
		if (!known) {
			r->failed = true;
			return 0;
		}
		r->known = known, r->cap = cap;
	}
	char *copy = strndup(text, len);
	if (!copy) {
		r->failed = true;
		return 0;
	}
	r->known[r->n].kind = kind;
	r->known[r->n].text = copy;
	r->known[r->n].number = ++r->numbers[kind];
	return r->known[r->n++].number;
}

void redact_add(struct redact *r, enum redact_kind kind, const char *name)
{
	if (*name)
		number_of(r, kind, name, strlen(name));
}

void redact_machine(struct redact *r, FILE *passwd, const char *host)
{
	for (struct passwd *p; passwd && (p = fgetpwent(passwd));)
		if (p->pw_uid >= PERSON_UID_MIN && p->pw_uid <= PERSON_UID_MAX)
			redact_add(r, REDACT_USER, p->pw_name);
	redact_add(r, REDACT_HOST, host);
}

void redact_fini(struct redact *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->known[i].text);
	free(r->known);
	*r = (struct redact){ 0 };
}

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* In the middle of a word, or of a number with points. */
static bool inside(const char *text, size_t at)
{
	if (at && word_char(text[at - 1]))
		return true;
	return at > 1 && text[at - 1] == '.' && isdigit((unsigned char)text[at - 2]);
}

static size_t span(const char *s, size_t n, const char *set)
{
	size_t k = 0;
	while (k < n && s[k] && strchr(set, s[k]))
		k++;
	return k;
}

static size_t named(const struct redact *r, const char *s, size_t n, enum redact_kind *ret)
{
	for (size_t i = 0; i < r->n; i++) {
		size_t len = strlen(r->known[i].text);
		if (r->known[i].kind > REDACT_HOST || len > n || memcmp(s, r->known[i].text, len) ||
			(len < n && word_char(s[len])))
			continue;
		*ret = r->known[i].kind;
		return len;
	}
	return 0;
}

static size_t ipv4(const char *s, size_t n)
{
	size_t at = 0;
	for (u32 part = 0; part < 4; part++) {
		size_t digits = span(s + at, n - at, "0123456789");
		if (!digits || digits > 3 || (part < 3 && (at + digits >= n || s[at + digits] != '.')))
			return 0;
		at += digits + (part < 3);
	}
	if (at < n && (word_char(s[at]) || (s[at] == '.' && at + 1 < n && isdigit((unsigned char)s[at + 1]))))
		return 0; /* a version, a longer name */
	return !strncmp(s, "127.", 4) || !strncmp(s, "0.0.0.0", 7) ? 0 : at;
}

/* IPv6 and hardware addresses: hexadecimal and colons. */
static size_t colons(const char *s, size_t n, enum redact_kind *ret)
{
	size_t len = span(s, n, "0123456789abcdefABCDEF:"), count = 0;
	bool twice = false;
	while (len && s[len - 1] == ':' && (len < 2 || s[len - 2] != ':'))
		len--; /* the colon of a sentence */
	if (len < n && word_char(s[len]))
		return 0;
	for (size_t i = 0; i < len; i++) {
		count += s[i] == ':';
		twice |= i + 1 < len && s[i] == ':' && s[i + 1] == ':';
	}
	*ret = REDACT_MAC;
	if (count == 5 && len == 17 && !twice)
		return len;
	*ret = REDACT_ADDRESS;
	if (len == count) /* colons alone */
		return 0;
	bool own = len == 3 && twice && s[2] == '1'; /* ::1 */
	own |= len == 15 && (!memcmp(s, "0:0:0:0:0:0:0:1", 15) || !memcmp(s, "0:0:0:0:0:0:0:0", 15));
	return (twice || count == 7) && !own ? len : 0;
}

static size_t mail(const char *s, size_t n)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-";
	size_t before = span(s, n, set);
	if (!before || before >= n || s[before] != '@')
		return 0;
	size_t behind = span(s + before + 1, n - before - 1, set);
	while (behind && s[before + behind] == '.')
		behind--;
	/* a unit's instance, keep-attest@7.service, is none */
	if (behind > 8 && !memcmp(s + before + 1 + behind - 8, ".service", 8))
		return 0;
	return behind && memchr(s + before + 1, '.', behind) ? before + 1 + behind : 0;
}

static size_t digest(const char *s, size_t n)
{
	size_t len = span(s, n, "0123456789abcdefABCDEF");
	return len >= DIGEST_DIGITS_MIN && (len == n || !word_char(s[len])) ? len : 0;
}

static size_t secret(const char *s, size_t n)
{
	static const char begin[] = "PRIVATE+KEY+", pem[] = "-----BEGIN ";
	bool lower = false, upper = false, figure = false;
	if (n > sizeof begin && !memcmp(s, begin, sizeof begin - 1)) {
		size_t k = 0;
		while (k < n && !isspace((unsigned char)s[k]) && s[k] != '"')
			k++;
		return k;
	}
	if (n > sizeof pem && !memcmp(s, pem, sizeof pem - 1) && memmem(s, MIN(n, 64), "PRIVATE KEY", 11)) {
		const char *end = memmem(s, n, "-----END ", 9),
			   *line = end ? memchr(end, '\n', n - (size_t)(end - s)) : NULL;
		return line ? (size_t)(line - s) : n;
	}
	size_t k = 0;
	for (; k < n && (isalnum((unsigned char)s[k]) || (s[k] && strchr("+/=_-", s[k]))); k++) {
		lower |= islower((unsigned char)s[k]) != 0;
		upper |= isupper((unsigned char)s[k]) != 0;
		figure |= isdigit((unsigned char)s[k]) != 0;
	}
	return k >= SECRET_LEN_MIN && lower && upper && figure ? k : 0;
}

/* What begins at s, and its kind; 0: nothing that must go. */
static size_t find(const struct redact *r, const char *s, size_t n, enum redact_kind *ret)
{
	size_t len = secret(s, n);
	*ret = REDACT_SECRET;
	if (len)
		return len;
	*ret = REDACT_DIGEST;
	if ((len = digest(s, n)))
		return len;
	*ret = REDACT_MAIL;
	if ((len = mail(s, n)))
		return len;
	*ret = REDACT_ADDRESS;
	if ((len = ipv4(s, n)) || (len = colons(s, n, ret)))
		return len;
	return named(r, s, n, ret);
}

void redact_write(struct redact *r, FILE *f, const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		enum redact_kind kind = REDACT_N_KINDS;
		size_t n = inside(text, at) ? 0 : find(r, text + at, len - at, &kind);
		if (!n) {
			putc(text[at++], f);
			continue;
		}
		r->times[kind]++;
		u32 number = kind == REDACT_SECRET ? 0 : number_of(r, kind, text + at, n);
		if (kind == REDACT_SECRET)
			fputs("[secret]", f);
		else if (kind == REDACT_DIGEST)
			fprintf(f, "%.*s...", DIGEST_SHOWN, text + at);
		else
			fprintf(f, "%s-%u", kinds[kind], number);
		at += n;
	}
}
