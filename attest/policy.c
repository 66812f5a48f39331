/* The policy file (keep-policy(5)). Lines, each ended by a line feed:
 *
 *   ; or # first: a comment        [kind names…]: a section        key = value
 *
 * 1. At most POLICY_FILE_BYTES_MAX bytes of UTF-8, at most POLICY_LINE_BYTES_MAX a line, no control character but the tab.
 * 2. [policy] is the first section and stands there once, with version = 1. An unknown section or key is an error, and so is a key that
 *    stands twice in a section; only [deny] repeats its keys.
 * 3. Nothing is dead: a section behind one that fits every name, and a role that no [signer] gives, are errors. */
#include "attest/policy_priv.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char attest_policy_default[] = "# What holds on an appliance where no policy was set:\n"
				     "# any trusted signer may vouch for any model, under any licence.\n"
				     "[policy]\n"
				     "version = 1\n"
				     "title = default\n"
				     "\n"
				     "[models *]\n"
				     "require = 1 any\n"
				     "licence = any\n";

enum section { SECTION_NONE, SECTION_POLICY, SECTION_SIGNER, SECTION_MODELS, SECTION_DENY };

struct reader {
	struct attest_policy *p;
	struct attest_policy_errors *errors;
	u32 line;
	enum section section;
	u32 section_line, n_sections, n_denied;
	u64 keys; /* that the section has had, one bit each */
	bool has_version;
	u32 all_signers, all_models; /* line of the section that fits every name */
	struct policy_signer **signers_end;
	struct policy_models **models_end;
	struct policy_deny **denied_end;
	struct policy_signer *signer;
	struct policy_models *models;
	bool no_memory;
};

static void wrong(struct reader *r, u32 line, const char *fmt, ...) _printf_(3, 4);
static void wrong(struct reader *r, u32 line, const char *fmt, ...)
{
	struct attest_policy_errors *e = r->errors;
	if (e->n == ARRAY_LEN(e->v)) {
		e->more++;
		return;
	}
	e->v[e->n].line = line;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->v[e->n].text, sizeof e->v[0].text, fmt, ap);
	va_end(ap);
	e->n++;
}

static void *fresh(struct reader *r, size_t n)
{
	void *p = arena_alloc(&r->p->arena, n);
	r->no_memory |= !p;
	return p;
}

static const char *copy(struct reader *r, const char *s, size_t n)
{
	const char *p = arena_dup(&r->p->arena, s, n);
	r->no_memory |= !p;
	return p;
}

/* ---- values -------------------------------------------------------------------------------------------------------------------- */

static void read_time(struct reader *r, const char *v, u64 *ret)
{
	if (attest_time_parse(v, ret))
		wrong(r, r->line, "\"%.60s\" is no time such as 2026-11-22 or 2026-11-22T23:00:00Z", v);
}

static void read_roles(struct reader *r, const char *v)
{
	struct policy_role **end = &r->signer->roles;
	const char *w;
	size_t n;
	u32 count = 0;
	r->signer->roles_line = r->line;
	while (policy_word(&v, &w, &n)) {
		if (!policy_role_ok(w, n))
			wrong(r, r->line, "\"%.*s\" is no name for a role", (int)MIN(n, (size_t)60), w);
		else if (++count > POLICY_ROLES_MAX)
			wrong(r, r->line, "more than %u roles", POLICY_ROLES_MAX);
		struct policy_role *role = fresh(r, sizeof *role);
		if (r->errors->n || !role)
			return;
		role->name = copy(r, w, n);
		*end = role;
		end = &role->next;
	}
	if (!count)
		wrong(r, r->line, "roles names none");
}

static void read_require(struct reader *r, const char *v)
{
	struct policy_need **end = &r->models->needs;
	const char *w, *role;
	size_t n, m;
	u64 k = 0;
	u32 count = 0;
	r->models->require_line = r->line;
	while (policy_word(&v, &w, &n)) {
		if (policy_number(w, n, &k) || k < 1 || k > BUNDLES_MAX || !policy_word(&v, &role, &m) ||
			!(policy_word_is(role, m, "any") || policy_role_ok(role, m))) {
			wrong(r, r->line,
				"require is a list of counts from 1 to %u and roles: 2 publisher, 1 any",
				BUNDLES_MAX);
			return;
		}
		if (++count > POLICY_ROLES_MAX) {
			wrong(r, r->line, "more than %u roles", POLICY_ROLES_MAX);
			return;
		}
		for (const struct policy_need *o = r->models->needs; o; o = o->next)
			if (policy_word_is(role, m, o->role))
				wrong(r, r->line, "the role %s is required twice", o->role);
		struct policy_need *need = fresh(r, sizeof *need);
		if (!need || !(need->role = copy(r, role, m)))
			return;
		need->n = (u32)k;
		*end = need;
		end = &need->next;
	}
	if (!count)
		wrong(r, r->line, "require names no signer");
}

/* Where the next " OR " stands; the end when there is none. */
static const char *or_at(const char *v)
{
	const char *upper = strstr(v, " OR "), *lower = strstr(v, " or ");
	if (!upper || (lower && lower < upper))
		upper = lower;
	return upper ? upper : v + strlen(v);
}

static void read_licence(struct reader *r, const char *v)
{
	struct policy_licence **end = &r->models->licences;
	u32 count = 0;
	r->models->licence_line = r->line;
	r->models->any_licence = !strcmp(v, "any");
	while (!r->models->any_licence) {
		const char *stop = or_at(v), *why = "";
		struct policy_licence *l = fresh(r, sizeof *l);
		const char *text = l ? copy(r, v, (size_t)(stop - v)) : NULL;
		if (!text)
			return;
		if (spdx_term_parse(text, strlen(text), &l->term, &why)) {
			wrong(r, r->line,
				"\"%.60s\": %s; licence is any, or SPDX licences with OR between them", text,
				why);
			return;
		}
		if (++count > POLICY_LICENCES_MAX) {
			wrong(r, r->line, "more than %u licences", POLICY_LICENCES_MAX);
			return;
		}
		*end = l;
		end = &l->next;
		if (!*stop)
			return;
		v = stop + 4;
	}
}

static void read_sequence(struct reader *r, const char *v)
{
	r->models->min_line = r->line;
	if (policy_number(v, strlen(v), &r->models->min_sequence) || !r->models->min_sequence)
		wrong(r, r->line, "min-sequence is a number from 1 on");
}

static void read_rollback(struct reader *r, const char *v)
{
	r->models->rollback_line = r->line;
	r->models->no_rollback = !strcmp(v, "yes");
	if (!r->models->no_rollback && strcmp(v, "no"))
		wrong(r, r->line, "no-rollback is yes or no");
}

static void read_deny(struct reader *r, enum policy_deny_kind kind, const char *v)
{
	static const char *const what[] = {
		"key is the SHA-256 of a key, 64 digits of lower-case hexadecimal",
		"serial is a certificate's, up to 40 digits of lower-case hexadecimal",
		"digest is a SHA-256 or SHA-384, 64 or 96 digits of lower-case hexadecimal"
	};
	size_t n = strlen(v);
	u8 raw[MODEL_DIGEST_BYTES];
	bool ok = kind == DENY_KEY	? n == 2 * SHA256_BYTES
		  : kind == DENY_SERIAL ? n >= 1 && n <= SERIAL_HEX_MAX
					: n == 2 * SHA256_BYTES || n == 2 * MODEL_DIGEST_BYTES;
	if (kind == DENY_SERIAL) /* an odd number of digits is fine there */
		ok &= strspn(v, "0123456789abcdef") == n;
	else
		ok = ok && bytes_unhex(v, n / 2, raw) == 0;
	if (!ok) {
		wrong(r, r->line, "%s", what[kind]);
		return;
	}
	if (++r->n_denied > POLICY_DENIED_MAX) {
		if (r->n_denied == POLICY_DENIED_MAX + 1)
			wrong(r, r->line, "more than %u denied things", POLICY_DENIED_MAX);
		return;
	}
	while (kind == DENY_SERIAL && n > 1 && *v == '0')
		v++, n--;
	struct policy_deny *d = fresh(r, sizeof *d);
	if (!d)
		return;
	*d = (struct policy_deny){ .line = r->line, .kind = kind, .value = copy(r, v, n), .len = n };
	*r->denied_end = d;
	r->denied_end = &d->next;
}

/* ---- keys ---------------------------------------------------------------------------------------------------------------------- */

static void on_version(struct reader *r, const char *v)
{
	r->has_version = true;
	if (strcmp(v, "1"))
		wrong(r, r->line, "version \"%.20s\" is not one that this Keep reads; it reads 1", v);
}
static void on_title(struct reader *r, const char *v)
{
	r->p->title = copy(r, v, strlen(v));
}
static void on_two_persons(struct reader *r, const char *v)
{
	static const char *const acts[] = { "trust", "policy", "serve", "export",
		"access" }; /* in the order of enum two_persons */
	const char *w;
	size_t n;
	while (policy_word(&v, &w, &n)) {
		u32 bit = 0;
		for (u32 i = 0; i < ARRAY_LEN(acts); i++)
			if (policy_word_is(w, n, acts[i]))
				bit = 1u << i;
		if (!bit || (r->p->two_persons & bit))
			wrong(r, r->line,
				"\"%.*s\": two-persons is made of trust, policy, serve, export and access, "
				"each once",
				(int)MIN(n, (size_t)40), w);
		r->p->two_persons |= bit;
	}
}
static void on_roles(struct reader *r, const char *v)
{
	read_roles(r, v);
}
static void on_signer_before(struct reader *r, const char *v)
{
	read_time(r, v, &r->signer->not_before);
}
static void on_signer_after(struct reader *r, const char *v)
{
	read_time(r, v, &r->signer->not_after);
}
static void on_models_before(struct reader *r, const char *v)
{
	r->models->before_line = r->line;
	read_time(r, v, &r->models->not_before);
}
static void on_deny_key(struct reader *r, const char *v)
{
	read_deny(r, DENY_KEY, v);
}
static void on_deny_serial(struct reader *r, const char *v)
{
	read_deny(r, DENY_SERIAL, v);
}
static void on_deny_digest(struct reader *r, const char *v)
{
	read_deny(r, DENY_DIGEST, v);
}

static const struct {
	enum section section;
	bool repeats;
	const char *name;
	void (*read)(struct reader *r, const char *value);
} keys[] = {
	{ SECTION_POLICY, false, "version", on_version },
	{ SECTION_POLICY, false, "title", on_title },
	{ SECTION_POLICY, false, "two-persons", on_two_persons },
	{ SECTION_SIGNER, false, "roles", on_roles },
	{ SECTION_SIGNER, false, "not-before", on_signer_before },
	{ SECTION_SIGNER, false, "not-after", on_signer_after },
	{ SECTION_MODELS, false, "require", read_require },
	{ SECTION_MODELS, false, "licence", read_licence },
	{ SECTION_MODELS, false, "min-sequence", read_sequence },
	{ SECTION_MODELS, false, "no-rollback", read_rollback },
	{ SECTION_MODELS, false, "not-before", on_models_before },
	{ SECTION_DENY, true, "key", on_deny_key },
	{ SECTION_DENY, true, "serial", on_deny_serial },
	{ SECTION_DENY, true, "digest", on_deny_digest },
};
static_assert(ARRAY_LEN(keys) <= 64, "one bit of reader.keys each");

static const char *const sections[] = { NULL, "policy", "signer", "models", "deny" };

static void key_read(struct reader *r, const char *key, size_t key_len, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (keys[i].section != r->section || !policy_word_is(key, key_len, keys[i].name))
			continue;
		if (!keys[i].repeats && (r->keys & 1ull << i))
			wrong(r, r->line, "%s stands twice in this section", keys[i].name);
		else if (!*value)
			wrong(r, r->line, "%s has no value", keys[i].name);
		else
			keys[i].read(r, value);
		r->keys |= 1ull << i;
		return;
	}
	if (r->section == SECTION_NONE)
		wrong(r, r->line, "a key before the first section");
	else
		wrong(r, r->line, "[%s] has no key \"%.*s\"", sections[r->section],
			(int)MIN(key_len, (size_t)40), key);
}

/* ---- sections ------------------------------------------------------------------------------------------------------------------ */

/* The section that ends here must be whole. */
static void section_end(struct reader *r)
{
	struct policy_signer *s = r->signer;
	if (r->section == SECTION_POLICY && !r->has_version)
		wrong(r, r->section_line, "[policy] has no version");
	if (r->section == SECTION_MODELS && !r->models->require_line)
		wrong(r, r->section_line, "[models] has no require");
	if (r->section == SECTION_SIGNER && s->not_before > s->not_after)
		wrong(r, r->section_line, "not-before is later than not-after");
}

static struct policy_pattern *read_patterns(struct reader *r, const char *names, u32 *all)
{
	struct policy_pattern *first = NULL, **end = &first;
	const char *w;
	size_t n;
	u32 count = 0, before = *all;
	if (before)
		wrong(r, r->line, "never reached: line %u fits every name", before);
	while (policy_word(&names, &w, &n)) {
		if (!policy_pattern_ok(w, n)) {
			wrong(r, r->line, "\"%.*s\": a pattern is made of a-z 0-9 . _ - * ?",
				(int)MIN(n, (size_t)60), w);
			return first;
		}
		if (++count > POLICY_PATTERNS_MAX) {
			wrong(r, r->line, "more than %u patterns", POLICY_PATTERNS_MAX);
			return first;
		}
		struct policy_pattern *p = fresh(r, sizeof *p);
		if (!p || !(p->text = copy(r, w, n)))
			return first;
		if (strspn(p->text, "*") == n && !before)
			*all = r->line;
		*end = p;
		end = &p->next;
	}
	if (!count)
		wrong(r, r->line, "[%s] names nothing; * stands for every name", sections[r->section]);
	return first;
}

static void signer_begin(struct reader *r, const char *names)
{
	struct policy_signer *s = fresh(r, sizeof *s);
	if (!s)
		return;
	*s = (struct policy_signer){ .line = r->line, .not_after = POLICY_NO_TIME };
	r->signer = s;
	s->patterns = read_patterns(r, names, &r->all_signers);
	*r->signers_end = s;
	r->signers_end = &s->next;
}

static void models_begin(struct reader *r, const char *names)
{
	struct policy_models *m = fresh(r, sizeof *m);
	if (!m)
		return;
	*m = (struct policy_models){ .line = r->line, .any_licence = true };
	r->models = m;
	m->patterns = read_patterns(r, names, &r->all_models);
	*r->models_end = m;
	r->models_end = &m->next;
}

static void section_begin(struct reader *r, const char *text, size_t n)
{
	char inner[POLICY_LINE_BYTES_MAX + 1];
	const char *names = inner, *w;
	size_t len;
	section_end(r);
	memcpy(inner, text, n);
	inner[n] = 0;
	r->keys = 0;
	enum section old = r->section;
	r->section = SECTION_NONE;
	r->section_line = r->line;
	policy_word(&names, &w, &len);
	for (u32 i = SECTION_POLICY; i <= SECTION_DENY; i++)
		if (policy_word_is(w, len, sections[i]))
			r->section = i;
	if (r->section == SECTION_NONE) {
		wrong(r, r->line, "[%.*s]: a section is policy, signer, models or deny",
			(int)MIN(len, (size_t)40), w);
		r->section = old == SECTION_NONE ? SECTION_POLICY : old; /* go on looking */
		return;
	}
	if ((old == SECTION_NONE) != (r->section == SECTION_POLICY))
		wrong(r, r->line, "%s",
			old == SECTION_NONE ? "the first section is [policy]"
					    : "[policy] stands there once, first");
	if (++r->n_sections > POLICY_SECTIONS_MAX)
		wrong(r, r->line, "more than %u sections", POLICY_SECTIONS_MAX);
	if (r->section == SECTION_SIGNER)
		signer_begin(r, names);
	else if (r->section == SECTION_MODELS)
		models_begin(r, names);
	else if (policy_word(&names, &w, &len))
		wrong(r, r->line, "[%s] names nothing", sections[r->section]);
}

/* ---- lines --------------------------------------------------------------------------------------------------------------------- */

static void line_read(struct reader *r, const char *p, size_t n)
{
	while (n && policy_blank(*p))
		p++, n--;
	while (n && policy_blank(p[n - 1]))
		n--;
	if (!n || *p == '#' || *p == ';')
		return;
	if (*p == '[') {
		if (p[n - 1] != ']')
			wrong(r, r->line, "a section ends with ]");
		else
			section_begin(r, p + 1, n - 2);
		return;
	}
	const char *eq = memchr(p, '=', n);
	if (!eq) {
		wrong(r, r->line, "neither a section, nor key = value, nor a comment");
		return;
	}
	size_t key_len = (size_t)(eq - p), at = key_len + 1;
	while (key_len && policy_blank(p[key_len - 1]))
		key_len--;
	while (at < n && policy_blank(p[at]))
		at++;
	char value[POLICY_LINE_BYTES_MAX + 1];
	memcpy(value, p + at, n - at);
	value[n - at] = 0;
	key_read(r, p, key_len, value);
}

static bool line_ok(struct reader *r, const char *p, size_t n)
{
	if (n > POLICY_LINE_BYTES_MAX) {
		wrong(r, r->line, "longer than %u bytes", POLICY_LINE_BYTES_MAX);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		if (((u8)p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f) {
			wrong(r, r->line, "a control character (%02x)", (u8)p[i]);
			return false;
		}
	if (!bytes_utf8_ok(p, n)) {
		wrong(r, r->line, "not UTF-8");
		return false;
	}
	return true;
}

static bool role_given(const struct attest_policy *p, const char *role)
{
	for (const struct policy_signer *s = p->signers; s; s = s->next)
		for (const struct policy_role *o = s->roles; o; o = o->next)
			if (!strcmp(o->name, role))
				return true;
	return !strcmp(role, "any");
}

static void whole_check(struct reader *r)
{
	section_end(r);
	if (!r->n_sections)
		wrong(r, 0, "there is no [policy] section");
	for (const struct policy_models *m = r->p->models; m && r->n_sections; m = m->next)
		for (const struct policy_need *n = m->needs; n; n = n->next)
			if (!role_given(r->p, n->role))
				wrong(r, m->require_line, "no [signer] has the role %s", n->role);
	if (r->n_sections && !r->p->models)
		wrong(r, 0, "there is no [models] section: no model could be accepted");
}

static void lines_read(struct reader *r, const char *data, size_t len)
{
	for (size_t at = 0; at < len && !r->no_memory;) {
		const char *end = memchr(data + at, '\n', len - at);
		size_t n = end ? (size_t)(end - data) - at : len - at;
		r->line++;
		if (!end)
			wrong(r, r->line, "the last line does not end with a line feed");
		else if (line_ok(r, data + at, n))
			line_read(r, data + at, n);
		at += n + 1;
	}
	if (!r->no_memory)
		whole_check(r);
}

int attest_policy_parse(
	const void *data, size_t len, struct attest_policy **ret, struct attest_policy_errors *errors)
{
	memset(errors, 0, sizeof *errors);
	struct attest_policy *p = calloc(1, sizeof *p);
	if (!p)
		return err_origin(-ENOMEM);
	struct reader r = { .p = p,
		.errors = errors,
		.signers_end = &p->signers,
		.models_end = &p->models,
		.denied_end = &p->denied };
	p->title = "";
	sha256_of(data, len, p->digest);
	if (len > POLICY_FILE_BYTES_MAX)
		wrong(&r, 0, "longer than %u bytes", POLICY_FILE_BYTES_MAX);
	else
		lines_read(&r, data, len);
	if (!r.no_memory && !errors->n) {
		*ret = p;
		return 0;
	}
	attest_policy_free(p);
	return r.no_memory ? err_origin(-ENOMEM) : 1;
}

struct attest_policy *attest_policy_free(struct attest_policy *p)
{
	if (p)
		arena_fini(&p->arena);
	free(p);
	return NULL;
}

const u8 *attest_policy_digest(const struct attest_policy *p)
{
	return p->digest;
}

u32 attest_policy_two_persons(const struct attest_policy *p)
{
	return p->two_persons;
}
