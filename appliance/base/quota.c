#include "base/quota.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX (1ull << 53)

static const char *const limit_names[QUOTA_LIMITS] = { [QUOTA_CONTEXT] = "context",
	[QUOTA_ANSWER] = "max-tokens",
	[QUOTA_PARALLEL] = "parallel",
	[QUOTA_REQUESTS_MINUTE] = "requests-per-minute",
	[QUOTA_TOKENS_MINUTE] = "tokens-per-minute",
	[QUOTA_TOKENS_DAY] = "tokens-per-day" };

const char *quota_limit_name(enum quota_limit l)
{
	return limit_names[l];
}

struct reading {
	struct quota *q;
	struct quota_rule *rule; /* the open section, or NULL */
	struct quota_error *e;
	u32 line;
};

_printf_(2, 3) static int wrong(struct reading *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	r->e->line = r->line;
	vsnprintf(r->e->text, sizeof r->e->text, fmt, ap);
	va_end(ap);
	return 1;
}

/* ---- words ----------------------------------------------------------------------------------------------------------------- */

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct quota_text trim(struct quota_text t)
{
	while (t.len && blank(*t.s)) {
		t.s++;
		t.len--;
	}
	while (t.len && blank(t.s[t.len - 1]))
		t.len--;
	return t;
}

static bool is(struct quota_text t, const char *word)
{
	return t.len == strlen(word) && !memcmp(t.s, word, t.len);
}

static bool same(struct quota_text a, struct quota_text b)
{
	return a.len == b.len && !memcmp(a.s, b.s, a.len);
}

bool quota_word(const struct quota_text *list, size_t *at, struct quota_text *ret)
{
	size_t i = *at;
	while (i < list->len && blank(list->s[i]))
		i++;
	size_t from = i;
	while (i < list->len && !blank(list->s[i]))
		i++;
	*at = i;
	*ret = (struct quota_text){ list->s + from, i - from };
	return i > from;
}

/* * stands for anything. The last star is tried at each place: no recursion. */
static bool fits(struct quota_text p, const char *name)
{
	size_t i = 0, star = SIZE_MAX;
	const char *from = name;
	while (*name) {
		if (i < p.len && p.s[i] == '*') {
			star = i++;
			from = name;
		} else if (i < p.len && p.s[i] == *name) {
			i++;
			name++;
		} else if (star != SIZE_MAX) {
			i = star + 1;
			name = ++from;
		} else {
			return false;
		}
	}
	while (i < p.len && p.s[i] == '*')
		i++;
	return i == p.len;
}

/* ---- lines ----------------------------------------------------------------------------------------------------------------- */

static int section_who(struct reading *r, struct quota_text t, struct quota_rule *rule)
{
	static const char *const roles[] = { "user", "operator", "officer", "auditor" };
	struct quota_text kind, name, more;
	size_t at = 0;
	bool has = quota_word(&t, &at, &kind), named = quota_word(&t, &at, &name);
	if (!has || quota_word(&t, &at, &more) || name.len > NAME_LEN_MAX)
		return wrong(r, "a section is [principal NAME], [role WORD] or [everyone]");
	rule->name = name;
	if (is(kind, "everyone") && !named) {
		rule->who = QUOTA_EVERYONE;
		return 0;
	}
	rule->who = is(kind, "principal") ? QUOTA_PRINCIPAL : is(kind, "role") ? QUOTA_ROLE : 0;
	if (!rule->who || !named)
		return wrong(r, "a section is [principal NAME], [role WORD] or [everyone]");
	for (size_t i = 0; rule->who == QUOTA_ROLE && i < ARRAY_LEN(roles); i++)
		if (is(name, roles[i]))
			return 0;
	return rule->who == QUOTA_ROLE ? wrong(r, "a role is user, operator, officer or auditor") : 0;
}

static int section(struct reading *r, struct quota_text t)
{
	struct quota *q = r->q;
	struct quota_rule rule = { .line = r->line };
	if (t.len < 2 || t.s[t.len - 1] != ']')
		return wrong(r, "a section ends with ]");
	if (section_who(r, trim((struct quota_text){ t.s + 1, t.len - 2 }), &rule))
		return 1;
	if (q->n && q->v[q->n - 1].who == QUOTA_EVERYONE)
		return wrong(r, "nothing counts behind [everyone]");
	for (u32 i = 0; i < q->n; i++)
		if (q->v[i].who == rule.who && same(q->v[i].name, rule.name))
			return wrong(r, "this section stands in line %u already", q->v[i].line);
	if (q->n == QUOTA_RULES_MAX)
		return wrong(r, "there are more than %u sections", QUOTA_RULES_MAX);
	for (u32 i = 0; i < QUOTA_LIMITS; i++)
		rule.limit[i] = QUOTA_NONE;
	q->v[q->n] = rule;
	r->rule = &q->v[q->n++];
	return 0;
}

static int number(struct reading *r, struct quota_text v, u64 *to)
{
	u64 n = 0;
	for (size_t i = 0; i < v.len; i++) {
		if (v.s[i] < '0' || v.s[i] > '9' || i > 15)
			return wrong(r, "a number is decimal digits, at most 2^53");
		n = n * 10 + (u64)(v.s[i] - '0');
	}
	if (n > NUMBER_MAX)
		return wrong(r, "a number is decimal digits, at most 2^53");
	if (*to != QUOTA_NONE)
		return wrong(r, "this is said in the same section already");
	*to = n;
	return 0;
}

static int words(struct reading *r, struct quota_text v, struct quota_text *to)
{
	struct quota_text word;
	size_t at = 0;
	u32 n = 0;
	if (to->len)
		return wrong(r, "this is said in the same section already");
	for (; quota_word(&v, &at, &word); n++)
		if (word.len > CHAT_NAME_BYTES_MAX)
			return wrong(r, "a name has at most %u bytes", CHAT_NAME_BYTES_MAX);
	if (n > QUOTA_NAMES_MAX)
		return wrong(r, "a list has at most %u names", QUOTA_NAMES_MAX);
	*to = v;
	return 0;
}

static int key(struct reading *r, struct quota_text t)
{
	const char *eq = memchr(t.s, '=', t.len);
	if (!eq)
		return wrong(r, "a line is KEY = VALUE, a [section] or a # comment");
	struct quota_text k = trim((struct quota_text){ t.s, (size_t)(eq - t.s) });
	struct quota_text v = trim((struct quota_text){ eq + 1, (size_t)(t.s + t.len - eq - 1) });
	struct quota_rule *rule = r->rule;
	if (!rule)
		return wrong(r, "this stands before the first section");
	if (!v.len)
		return wrong(r, "its value is missing");
	if (is(k, "models"))
		return words(r, v, &rule->models);
	if (is(k, "tools"))
		return words(r, v, &rule->tools);
	if (is(k, "system")) {
		rule->system.s = rule->system.s ? rule->system.s : v.s;
		rule->system.len = (size_t)(v.s + v.len - rule->system.s);
		return 0;
	}
	for (u32 i = 0; i < QUOTA_LIMITS; i++)
		if (is(k, limit_names[i]))
			return number(r, v, &rule->limit[i]);
	return wrong(r, "\"%.*s\" is no key of a quota", (int)MIN(k.len, 40u), k.s);
}

/* The pinned prompt's lines follow each other: nothing may stand between them. */
static int line(struct reading *r, struct quota_text t, bool *system)
{
	const struct quota_rule *before = r->rule;
	size_t had = before ? before->system.len : 0;
	t = trim(t);
	if (!t.len || *t.s == '#') {
		*system = false;
		return 0;
	}
	int x = *t.s == '[' ? section(r, t) : key(r, t);
	bool grew = !x && r->rule == before && before && before->system.len != had;
	if (grew && had && !*system)
		return wrong(r, "the lines of a system prompt stand together");
	*system = grew;
	return x;
}

static int chars(struct reading *r, const char *text, size_t len)
{
	r->line = 1;
	for (size_t i = 0; i < len; i++) {
		u8 c = (u8)text[i];
		if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
			return wrong(r, "there is a control character");
		r->line += c == '\n';
	}
	r->line = 1;
	return bytes_utf8_ok(text, len) ? 0 : wrong(r, "the file is not UTF-8");
}

int quota_parse(const char *text, size_t len, struct quota *ret, struct quota_error *e)
{
	struct reading r = { .q = ret, .e = e };
	bool system = false;
	ret->n = 0;
	if (len > QUOTA_FILE_BYTES_MAX)
		return wrong(&r, "a file of quotas has at most %u bytes", QUOTA_FILE_BYTES_MAX);
	if (chars(&r, text, len))
		return 1;
	for (const char *at = text, *end = text + len; at < end; r.line++) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		struct quota_text t = { at, (size_t)((nl ? nl : end) - at) };
		if (t.len > QUOTA_LINE_BYTES_MAX)
			return wrong(&r, "a line has at most %u bytes", QUOTA_LINE_BYTES_MAX);
		if (line(&r, t, &system))
			return 1;
		at += t.len + 1;
	}
	return 0;
}

/* ---- questions ------------------------------------------------------------------------------------------------------------- */

const struct quota_rule *quota_rule_for(const struct quota *q, const char *principal, const char *role)
{
	for (u32 i = 0; i < q->n; i++) {
		const struct quota_rule *r = &q->v[i];
		if (r->who == QUOTA_EVERYONE || (r->who == QUOTA_ROLE && is(r->name, role)) ||
			(r->who == QUOTA_PRINCIPAL && fits(r->name, principal)))
			return r;
	}
	return NULL;
}

bool quota_allows_model(const struct quota_rule *r, const char *model)
{
	struct quota_text word;
	size_t at = 0;
	if (!r || !r->models.len)
		return true;
	while (quota_word(&r->models, &at, &word))
		if (fits(word, model))
			return true;
	return false;
}

int quota_system(const struct quota_rule *r, char **ret)
{
	struct quota_text t = r->system;
	if (!t.len)
		return 1;
	char *out = malloc(t.len + 1);
	size_t n = 0;
	if (!out)
		return err_origin(-ENOMEM);
	for (const char *at = t.s, *end = t.s + t.len; at < end;) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		struct quota_text v = trim((struct quota_text){ at, (size_t)((nl ? nl : end) - at) });
		memcpy(out + n, v.s, v.len);
		n += v.len;
		if (!nl)
			break;
		out[n++] = '\n';
		const char *eq = memchr(nl, '=', (size_t)(end - nl));
		at = eq ? eq + 1 : end;
	}
	out[n] = 0;
	*ret = out;
	return 0;
}
