/* Holding a verdict to a policy. The order: deny list, the model's section, who counts, how many of which role; then, in the other
 * job, licence and sequence. Distinct means distinct twice: neither a trust root nor a key counts a second time for a role. */
#include "attest/internal.h"
#include "attest/policy_priv.h"
#include "base/bytes.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct asking {
	const struct attest_policy *p;
	const struct attest_policy_question *q;
	struct attest_rules *rules;
	struct attest_report *report;
};

/* One more line for whoever asks why. What does not fit is still held, and the last line says that there was more. */
static void rule(struct attest_rules *rules, u32 line, bool holds, const char *fmt, ...) _printf_(4, 5);
static void rule(struct attest_rules *rules, u32 line, bool holds, const char *fmt, ...)
{
	char text[512];
	if (rules->n == RULES_MAX) {
		snprintf(text, sizeof text, "(more rules were held than are listed)");
		attest_text(rules->v[RULES_MAX - 1].text, sizeof rules->v[0].text, text, strlen(text));
		return;
	}
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	struct proto_rule *r = &rules->v[rules->n++];
	*r = (struct proto_rule){ .line = line, .holds = holds };
	attest_text(r->text, sizeof r->text, text, strlen(text));
}

static bool patterns_fit(const struct policy_pattern *p, const char *name)
{
	for (; p; p = p->next)
		if (policy_pattern_fits(p->text, name))
			return true;
	return false;
}

static const struct policy_models *models_of(const struct attest_policy *p, const char *name)
{
	const struct policy_models *m = p->models;
	while (m && !patterns_fit(m->patterns, name))
		m = m->next;
	return m;
}

static const struct policy_signer *signer_of(const struct attest_policy *p, const char *name)
{
	const struct policy_signer *s = p->signers;
	while (s && !patterns_fit(s->patterns, name))
		s = s->next;
	return s;
}

/* ---- the deny list ---------------------------------------------------------------------------------------------------------- */

static const struct policy_deny *denied(
	const struct attest_policy *p, enum policy_deny_kind kind, const char *hex)
{
	for (const struct policy_deny *d = p->denied; d; d = d->next)
		if (d->kind == kind && strlen(hex) == d->len && !memcmp(hex, d->value, d->len))
			return d;
	return NULL;
}

static int deny(const struct asking *a, const struct policy_deny *d, const char *what, const char *object)
{
	if (!d)
		return 0;
	rule(a->rules, d->line, false, "deny %s: %s", what, object);
	return attest_reject(
		a->report, ATTEST_DENIED, object, "line %u of the policy denies this %s", d->line, what);
}

static int deny_digest(const struct asking *a, const char *what, const u8 *digest, size_t len)
{
	char hex[2 * MODEL_DIGEST_BYTES + 1];
	bytes_hex(digest, len, hex);
	return deny(a, denied(a->p, DENY_DIGEST, hex), what, hex);
}

static int deny_signer(const struct asking *a, const struct proto_signer *s)
{
	char hex[2 * SHA256_BYTES + 1];
	bytes_hex(s->key_id, sizeof s->key_id, hex);
	int r = deny(a, denied(a->p, DENY_KEY, hex), "key", hex);
	if (!r && s->serial[0])
		r = deny(a, denied(a->p, DENY_SERIAL, s->serial), "serial", s->serial);
	r = r ? r : deny_digest(a, "model", s->model, sizeof s->model);
	return r ? r : deny_digest(a, "bundle", s->bundle, sizeof s->bundle);
}

static int denials(const struct asking *a)
{
	int r = 0;
	for (u32 i = 0; i < a->q->n_signers && !r; i++)
		r = deny_signer(a, &a->q->signers[i].facts);
	for (u32 i = 0; a->q->files && i < a->q->files->h->n_files && !r; i++) {
		const struct segments_file *f = &a->q->files->files[i];
		char hex[2 * SHA256_BYTES + 1];
		bytes_hex(f->digest, sizeof f->digest, hex);
		const struct policy_deny *d = denied(a->p, DENY_DIGEST, hex);
		r = deny(a, d, "file", d ? f->path : "");
	}
	return r;
}

/* ---- who counts ----------------------------------------------------------------------------------------------------------------- */

/* Of one signature: may it count for this model at all? Says why not. */
static bool may_vouch(const struct asking *a, const struct policy_models *m, const struct attest_signer *s,
	u32 *ret_line, char why[160])
{
	const struct policy_signer *ps = signer_of(a->p, s->facts.name);
	u64 at = s->facts.time ? s->facts.time : a->q->now;
	char t[24];
	*ret_line = ps ? ps->line : 0;
	if (s->models && s->models[0] && !policy_pattern_fits(s->models, a->q->name)) {
		snprintf(why, 160, "it is trusted for models %s only", s->models);
		return false;
	}
	if (ps && (at < ps->not_before || at > ps->not_after)) {
		bool early = at < ps->not_before;
		attest_time_text(early ? ps->not_before : ps->not_after, t);
		snprintf(why, 160, "it counts %s %s", early ? "from" : "until", t);
		return false;
	}
	if (at < m->not_before) {
		attest_time_text(m->not_before, t);
		*ret_line = m->before_line;
		snprintf(why, 160, "the model counts signatures from %s on", t);
		return false;
	}
	return true;
}

static void roles_text(const struct policy_signer *s, char *out, size_t cap)
{
	size_t n = 0;
	out[0] = 0;
	for (const struct policy_role *r = s ? s->roles : NULL; r && n < cap; r = r->next) {
		int k = snprintf(out + n, cap - n, "%s%s", n ? " " : "", r->name);
		n += k > 0 ? (size_t)k : 0;
	}
}

static void say_signer(const struct asking *a, const struct attest_signer *s, u32 line, const char *why)
{
	static const char *const sources[] = {
		[ATTEST_TIME_LOG] = " by a log", [ATTEST_TIME_STAMP] = " by a stamp"
	};
	char roles[96], t[24];
	const char *source = s->facts.time_source < ARRAY_LEN(sources) && sources[s->facts.time_source]
				     ? sources[s->facts.time_source]
				     : "";
	roles_text(signer_of(a->p, s->facts.name), roles, sizeof roles);
	attest_time_text(s->facts.time ? s->facts.time : a->q->now, t);
	rule(a->rules, line, !why[0], "signer %s, %s%s, at %s%s: %s", s->facts.name,
		roles[0] ? "role " : "no role", roles, t, source, why[0] ? why : "may vouch for this model");
}

static bool has_role(const struct asking *a, const struct attest_signer *s, const char *role)
{
	if (!strcmp(role, "any"))
		return true;
	const struct policy_signer *ps = signer_of(a->p, s->facts.name);
	for (const struct policy_role *r = ps ? ps->roles : NULL; r; r = r->next)
		if (!strcmp(r->name, role))
			return true;
	return false;
}

/* ---- as many as possible ----
 *
 * Which of the signatures count is no matter of their order: of those that may, as many as possible, no two of one trust root or one key. That is
 * a maximum matching between trust roots and keys, whose edges are signatures: it grows along paths that begin at a root that counts nothing,
 * take a signature that does not count and one that does by turns, and end at a key that counts nothing. */

struct counting {
	const struct attest_signer *s;
	u32 n;
	const bool *may;
	bool counts[BUNDLES_MAX];
};

static bool one_root(const struct counting *c, u32 i, u32 j)
{
	return !strcmp(c->s[i].facts.name, c->s[j].facts.name);
}

static bool one_key(const struct counting *c, u32 i, u32 j)
{
	return !memcmp(c->s[i].facts.key_id, c->s[j].facts.key_id, sizeof c->s[i].facts.key_id);
}

/* The signature that counts for i's root, or for its key; n: none does. */
static u32 counted(const struct counting *c, u32 i, bool (*same)(const struct counting *c, u32 i, u32 j))
{
	u32 j = 0;
	while (j < c->n && !(c->counts[j] && same(c, i, j)))
		j++;
	return j;
}

/* Signature `last` ends a path: those on it change places. came[i]: the one before i on it that did not count, or n. */
static void turn_over(struct counting *c, const u32 *came, u32 last)
{
	for (u32 i = last; i < c->n; i = came[i]) {
		u32 old = counted(c, i, one_root);
		if (old < c->n)
			c->counts[old] = false;
		c->counts[i] = true;
	}
}

/* One more counts; false: there cannot be more. */
static bool one_more(struct counting *c)
{
	u32 came[BUNDLES_MAX], queue[BUNDLES_MAX], n = 0;
	bool seen[BUNDLES_MAX] = { false };
	for (u32 i = 0; i < c->n; i++)
		if (c->may[i] && !c->counts[i] && counted(c, i, one_root) == c->n) {
			queue[n++] = i;
			came[i] = c->n;
			seen[i] = true;
		}
	for (u32 at = 0; at < n; at++) {
		u32 i = queue[at], taken = counted(c, i, one_key);
		if (taken == c->n) {
			turn_over(c, came, i);
			return true;
		}
		for (u32 j = 0; j < c->n; j++)
			if (c->may[j] && !c->counts[j] && !seen[j] && one_root(c, j, taken)) {
				queue[n++] = j;
				came[j] = i;
				seen[j] = true;
			}
	}
	return false;
}

static int need_check(const struct asking *a, const struct policy_models *m, const struct policy_need *need,
	const bool *may)
{
	bool for_role[BUNDLES_MAX];
	struct counting c = { .s = a->q->signers, .n = a->q->n_signers, .may = for_role };
	char names[160] = "", expected[96], found[16];
	u32 n = 0;
	size_t at = 0;
	for (u32 i = 0; i < c.n; i++)
		for_role[i] = may[i] && has_role(a, &c.s[i], need->role);
	while (one_more(&c))
		n++;
	for (u32 i = 0; i < c.n; i++) {
		int k = c.counts[i] && at < sizeof names
				? snprintf(names + at, sizeof names - at, " %s", c.s[i].facts.name)
				: 0;
		at += k > 0 ? (size_t)k : 0;
	}
	bool holds = n >= need->n;
	rule(a->rules, m->require_line, holds, "require %u %s: %u%s%s", need->n, need->role, n, n ? ":" : "",
		names);
	if (holds)
		return 0;
	attest_reject(a->report, ATTEST_SIGNERS, a->q->name,
		"line %u of the policy asks for %u distinct signers of role %s; there %s %u", m->require_line,
		need->n, need->role, n == 1 ? "is" : "are", n);
	snprintf(expected, sizeof expected, "%u %.80s", need->n, need->role);
	snprintf(found, sizeof found, "%u", n);
	attest_expected(a->report, expected, found);
	return 1;
}

static int no_section(const struct attest_policy *p, const char *name, struct attest_rules *rules,
	struct attest_report *report)
{
	rule(rules, 0, false, "models: no section speaks for %s", name);
	return attest_reject(
		report, ATTEST_POLICY, name, "no [models] section of the policy fits the name %s", name);
}

int attest_policy_signers(const struct attest_policy *p, const struct attest_policy_question *q,
	struct attest_rules *rules, struct attest_report *report)
{
	struct asking a = { p, q, rules, report };
	bool may[BUNDLES_MAX] = { false };
	assert(q->n_signers <= BUNDLES_MAX);
	int r = denials(&a);
	if (r)
		return r;
	const struct policy_models *m = models_of(p, q->name);
	if (!m)
		return no_section(p, q->name, rules, report);
	rule(rules, m->line, true, "models: this section speaks for %s", q->name);
	for (u32 i = 0; i < q->n_signers; i++) {
		char why[160] = "";
		u32 line;
		may[i] = may_vouch(&a, m, &q->signers[i], &line, why);
		say_signer(&a, &q->signers[i], line, why);
	}
	for (const struct policy_need *n = m->needs; n; n = n->next) {
		struct attest_report later; /* every rule is asked, the first refusal is the verdict's */
		a.report = r ? &later : report;
		r |= need_check(&a, m, n, may);
	}
	return r;
}

/* ---- what was signed ---------------------------------------------------------------------------------------------------------- */

static bool licence_allowed(void *ctx, const struct spdx_term *asked)
{
	for (const struct policy_licence *l = ctx; l; l = l->next)
		if (spdx_term_allows(&l->term, asked))
			return true;
	return false;
}

static int licence_check(const struct policy_models *m, const struct attest_policy_content *c,
	struct attest_rules *rules, struct attest_report *report)
{
	bool ok = false;
	const char *why = "";
	if (m->any_licence) {
		rule(rules, m->licence_line ? m->licence_line : m->line, true, "licence any: %s",
			c->licence ? c->licence : c->licence_why);
		return 0;
	}
	if (!c->licence) {
		rule(rules, m->licence_line, false, "licence: %s", c->licence_why);
		return attest_reject(report, ATTEST_LICENCE, "licence",
			"line %u of the policy lists licences; of the model: %s", m->licence_line,
			c->licence_why);
	}
	if (spdx_decide(c->licence, strlen(c->licence), licence_allowed, m->licences, &ok, &why)) {
		rule(rules, m->licence_line, false, "licence \"%.60s\": %s", c->licence, why);
		return attest_reject(report, ATTEST_LICENCE, c->licence_from,
			"the licence \"%.80s\" in %s is no SPDX expression: %s", c->licence, c->licence_from,
			why);
	}
	rule(rules, m->licence_line, ok, "licence %.80s, from %s: %s", c->licence, c->licence_from,
		ok ? "allowed" : "not allowed");
	if (ok)
		return 0;
	attest_reject(report, ATTEST_LICENCE, c->licence_from,
		"line %u of the policy does not allow the licence %.80s", m->licence_line, c->licence);
	attest_expected(report, "", c->licence);
	return 1;
}

static int sequence_check(const struct policy_models *m, const struct attest_policy_content *c,
	struct attest_rules *rules, struct attest_report *report)
{
	u64 newest = m->no_rollback ? c->newest : 0, least = MAX(m->min_sequence, newest);
	bool asked = m->min_sequence || m->no_rollback;
	u32 line = m->min_sequence >= newest && m->min_line ? m->min_line : m->rollback_line;
	if (!asked)
		return 0;
	if (!c->sequence) {
		const char *why = c->has_sequence ? "holds no number from 1 on" : "is not there";
		rule(rules, line, false, "sequence: %s %s", SEQUENCE_FILE, why);
		return attest_reject(report, ATTEST_SEQUENCE, SEQUENCE_FILE,
			"line %u of the policy asks for a sequence, and the model's file %s %s", line,
			SEQUENCE_FILE, why);
	}
	bool ok = c->sequence >= least;
	rule(rules, line, ok, "sequence %" PRIu64 ", at least %" PRIu64 "%s", c->sequence, least,
		newest > m->min_sequence ? " (accepted before)" : "");
	if (ok)
		return 0;
	attest_reject(report, ATTEST_SEQUENCE, SEQUENCE_FILE,
		"line %u of the policy asks for sequence %" PRIu64 " or a later one; the model is %" PRIu64,
		line, least, c->sequence);
	attest_expected_u64(report, least, c->sequence);
	return 1;
}

int attest_policy_content(const struct attest_policy *p, const struct attest_policy_content *c,
	struct attest_rules *rules, struct attest_report *report)
{
	const struct policy_models *m = models_of(p, c->name);
	if (!m)
		return no_section(p, c->name, rules, report);
	int r = licence_check(m, c, rules, report);
	if (!r)
		return sequence_check(m, c, rules, report);
	struct attest_report second = { 0 }; /* every rule is asked, the first refusal is the verdict's */
	(void)sequence_check(m, c, rules, &second);
	return r;
}
