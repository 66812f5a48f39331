/* What a policy decides: who signed, what was signed, what the files themselves say; and each no with what turns it into a yes. */
#include "attest/policy.h"
#include "attest/spdx.h"
#include "attest/trust.h"
#include "base/bytes.h"
#include "helper.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "[policy]\nversion = 1\n"

/* ---- who signed ------------------------------------------------------------------------------------------------------------------ */

#define T2026 1767225600u /* 2026-01-01 */

static struct attest_signer signer(const char *name, u8 key, u64 time)
{
	struct attest_signer s = { .models = "" };
	snprintf(s.facts.name, sizeof s.facts.name, "%s", name);
	memset(s.facts.key_id, key, sizeof s.facts.key_id);
	memset(s.facts.model, 0x11, sizeof s.facts.model);
	memset(s.facts.bundle, 0x22, sizeof s.facts.bundle);
	s.facts.time = time;
	s.facts.time_source = time ? ATTEST_TIME_STAMP : ATTEST_TIME_NONE;
	return s;
}

static struct attest_rules rules;
static struct attest_report report;

/* "accepted", or the code. */
static const char *ask(const char *policy, const char *name, const struct attest_signer *s, u32 n)
{
	struct attest_policy *p = helper_policy(policy);
	struct attest_policy_question q = { .name = name, .signers = s, .n_signers = n, .now = T2026 };
	rules.n = 0;
	attest_report_init(&report);
	int r = attest_policy_signers(p, &q, &rules, &report);
	attest_policy_free(p);
	assert_true(r == 0 || r == 1);
	assert_int_equal(report.verdict, r ? ATTEST_REJECTED : ATTEST_ACCEPTED);
	/* a refusal has a rule that fails; an acceptance names what holds */
	u32 failed = 0;
	for (u32 i = 0; i < rules.n; i++)
		failed += !rules.v[i].holds;
	assert_true(rules.n > 0 && (!r || failed > 0));
	return report.code;
}

static void test_roles(void **state)
{
	static const char policy[] =
		HEAD "[signer pub-*]\nroles = publisher\n[signer lab-a lab-b]\nroles = lab\n"
		     "[signer both]\nroles = publisher lab\n"
		     "[models llama-*]\nrequire = 1 publisher, 2 lab\n"
		     "[models demo]\nrequire = 1 any\n";
	const struct attest_signer a = signer("pub-x", 1, 0), b = signer("lab-a", 2, 0),
				   c = signer("lab-b", 3, 0), b2 = signer("lab-a", 4, 0),
				   bk = signer("lab-b", 2, 0), all = signer("both", 5, 0),
				   none = signer("else", 6, 0);
	const struct {
		const char *want, *name;
		struct attest_signer s[4];
		u32 n;
	} rows[] = {
		{ "accepted", "llama-8b", { a, b, c }, 3 },
		{ "accepted", "llama-8b", { c, a, b }, 3 },
		{ "accepted", "llama-8b", { a, b, all }, 3 },
		{ "accepted", "llama-8b", { b, all }, 2 }, /* one person in two roles counts in each */
		{ "signers", "llama-8b", { a, b }, 2 },
		{ "signers", "llama-8b", { b, c }, 2 },
		{ "signers", "llama-8b", { a, b, b2 }, 3 }, /* one trust root is one signer */
		{ "signers", "llama-8b", { a, b, bk }, 3 }, /* and so is one key */
		{ "signers", "llama-8b", { a, b, none }, 3 },
		{ "signers", "llama-8b", { none }, 0 },
		{ "accepted", "demo", { none }, 1 },
		{ "signers", "demo", { none }, 0 },
		{ "policy", "other", { a, b, c }, 3 },
		{ "policy", "llama", { a, b, c }, 3 },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(ask(policy, rows[i].name, rows[i].s, rows[i].n), rows[i].want))
			fail_msg("row %zu: %s: %s", i, report.code, report.detail);
	ask(policy, "llama-8b", (struct attest_signer[]){ a, b }, 2);
	assert_string_equal(report.expected, "2 lab");
	assert_string_equal(report.found, "1");
	assert_non_null(strstr(report.detail, "line 10"));
	ask(policy, "llama-8b", &none, 1); /* of two refusals the first is told */
	assert_string_equal(report.expected, "1 publisher");
}

/* The most signatures of which no two share a root or a key, by trying every choice. */
static u32 most_of(const struct attest_signer *s, u32 n)
{
	u32 most = 0;
	for (u32 chosen = 0; chosen < 1u << n; chosen++) {
		bool clash = false;
		for (u32 i = 0; i < n; i++)
			for (u32 j = 0; j < i; j++)
				clash |= (chosen >> i & 1) && (chosen >> j & 1) &&
					 (!strcmp(s[i].facts.name, s[j].facts.name) ||
						 !memcmp(s[i].facts.key_id, s[j].facts.key_id, SHA256_BYTES));
		most = clash ? most : MAX(most, (u32)__builtin_popcount(chosen));
	}
	return most;
}

/* Whoever shares a root with one and a key with another does not push both out, in whatever order they come. */
static void test_as_many_as_possible(void **state)
{
	static const char *const roots[] = { "a", "b", "c", "d", "e", "f" };
	const struct attest_signer three[] = { signer("a", 1, 0), signer("a", 2, 0), signer("b", 1, 0) };
	char policy[128];
	snprintf(policy, sizeof policy, "%s[models *]\nrequire = 2 any\n", HEAD);
	assert_string_equal(ask(policy, "m", three, 3), "accepted");
	assert_non_null(strstr(rules.v[rules.n - 1].text, "require 2 any: 2: a b"));
	u32 seed = 7, more = 0;
	for (u32 round = 0; round < 500; round++) {
		struct attest_signer s[BUNDLES_MAX];
		u32 n = 1 + round % BUNDLES_MAX;
		for (u32 i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			s[i] = signer(roots[(seed >> 10) % 6], (u8)(1 + (seed >> 20) % 6), 0);
		}
		u32 most = most_of(s, n);
		for (u32 want = most; want <= MIN(most + 1, BUNDLES_MAX); want++) {
			snprintf(policy, sizeof policy, "%s[models *]\nrequire = %u any\n", HEAD, want);
			assert_string_equal(ask(policy, "m", s, n), want == most ? "accepted" : "signers");
		}
		more += most > 2;
	}
	assert_true(more > 200);
}

static void test_scope_and_time(void **state)
{
	static const char policy[] = HEAD "[signer old]\nroles = r\nnot-after = 2025-06-30T00:00:00Z\n"
					  "[signer new]\nroles = r\nnot-before = 2026-06-30\n"
					  "[models late-*]\nrequire = 1 any\nnot-before = 2025-06-01\n"
					  "[models *]\nrequire = 1 r\n";
	u64 mid = 0, edge = 0;
	assert_int_equal(attest_time_parse("2025-05-01", &mid), 0);
	assert_int_equal(attest_time_parse("2025-06-30", &edge), 0);
	struct attest_signer s = signer("old", 1, 0);
	assert_string_equal(ask(policy, "m", &s, 1), "signers"); /* nobody proves that it is older than now */
	s = signer("old", 1, mid);
	assert_string_equal(ask(policy, "m", &s, 1), "accepted");
	s = signer("old", 1, edge);
	assert_string_equal(ask(policy, "m", &s, 1), "accepted");
	s = signer("old", 1, edge + 1);
	assert_string_equal(ask(policy, "m", &s, 1), "signers");
	s = signer("new", 1, 0);
	assert_string_equal(ask(policy, "m", &s, 1), "signers"); /* too early: it waits */
	s = signer("else", 1, mid);
	assert_string_equal(ask(policy, "late-1", &s, 1), "signers");
	s = signer("else", 1, edge);
	assert_string_equal(ask(policy, "late-1", &s, 1), "accepted");
	s.models = "late-2*";
	assert_string_equal(ask(policy, "late-1", &s, 1), "signers");
	s.models = "late-?";
	assert_string_equal(ask(policy, "late-1", &s, 1), "accepted");
}

static void test_denied(void **state)
{
	struct attest_signer s[2] = { signer("pub", 0xaa, 0), signer("lab", 0xbb, 0) };
	struct segments_file file = { .path = "weights.gguf" };
	struct segments_header head = { .n_files = 1 };
	struct segments seg = { .h = &head, .files = &file };
	struct attest_policy_question q = {
		.name = "m", .signers = s, .n_signers = 2, .now = T2026, .files = &seg
	};
	memset(file.digest, 0x33, sizeof file.digest);
	strcpy(s[1].facts.serial, "1a2b");
	static const struct {
		const char *key;
		u8 byte;
		u32 n;
		const char *object;
	} rows[] = { { "key", 0xbb, 32, "bbbb" }, { "digest", 0x11, 48, "1111" },
		{ "digest", 0x22, 32, "2222" }, { "digest", 0x33, 32, "weights.gguf" },
		{ "key", 0xcc, 32, NULL }, { "digest", 0xbb, 32, NULL }, { "digest", 0x11, 32, NULL } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[512], hex[2 * MODEL_DIGEST_BYTES + 1];
		u8 raw[MODEL_DIGEST_BYTES];
		memset(raw, rows[i].byte, sizeof raw);
		bytes_hex(raw, rows[i].n, hex);
		snprintf(text, sizeof text, "%s[deny]\n%s = %s\n", attest_policy_default, rows[i].key, hex);
		struct attest_policy *p = helper_policy(text);
		rules.n = 0;
		attest_report_init(&report);
		assert_int_equal(attest_policy_signers(p, &q, &rules, &report), rows[i].object ? 1 : 0);
		attest_policy_free(p);
		if (!rows[i].object)
			continue;
		assert_string_equal(report.code, "denied");
		assert_memory_equal(report.object, rows[i].object, strlen(rows[i].object));
		assert_int_equal(rules.v[0].line, 11);
	}
	static const char *const serials[] = { "1a2b", "001a2b", "1a2" };
	for (size_t i = 0; i < ARRAY_LEN(serials); i++) {
		char text[512];
		snprintf(text, sizeof text, "%s[deny]\nserial = %s\n", attest_policy_default, serials[i]);
		struct attest_policy *p = helper_policy(text);
		attest_report_init(&report);
		assert_int_equal(attest_policy_signers(p, &q, &rules, &report), i < 2 ? 1 : 0);
		attest_policy_free(p);
	}
}

/* More rules than are listed are all held; the last one that is listed says so. */
static void test_many_rules(void **state)
{
	char text[4096] = HEAD "[signer *]\nroles =";
	struct attest_signer s[BUNDLES_MAX];
	size_t at = strlen(text);
	for (u32 i = 0; i < POLICY_ROLES_MAX; i++)
		at += (size_t)sprintf(text + at, " r%u", i);
	at += (size_t)sprintf(text + at, "\n[models *]\nrequire = %u any", BUNDLES_MAX);
	for (u32 i = 0; i + 1 < POLICY_ROLES_MAX; i++)
		at += (size_t)sprintf(text + at, ", 1 r%u", i);
	sprintf(text + at, "\n");
	for (u32 i = 0; i < BUNDLES_MAX; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%u", i);
		s[i] = signer(name, (u8)i, 0);
	}
	assert_string_equal(ask(text, "m", s, BUNDLES_MAX), "accepted");
	assert_int_equal(rules.n, RULES_MAX);
	assert_non_null(strstr(rules.v[RULES_MAX - 1].text, "more rules"));
	assert_string_equal(ask(text, "m", s, BUNDLES_MAX - 1), "signers");
}

/* ---- what was signed -------------------------------------------------------------------------------------------------------------- */

static const char *ask_content(const char *policy, struct attest_policy_content c)
{
	struct attest_policy *p = helper_policy(policy);
	c.name = c.name ? c.name : "m";
	c.licence_why = c.licence ? NULL : "it states no licence";
	c.licence_from = c.licence ? "general.license" : "";
	rules.n = 0;
	attest_report_init(&report);
	int r = attest_policy_content(p, &c, &rules, &report);
	attest_policy_free(p);
	assert_true(r == 0 || r == 1);
	return report.code;
}

static void test_content(void **state)
{
	static const char lic[] = HEAD "[models *]\nrequire = 1 any\nlicence = MIT OR Apache-2.0\n";
	static const char min[] = HEAD "[models *]\nrequire = 1 any\nmin-sequence = 5\n";
	static const char back[] = HEAD "[models *]\nrequire = 1 any\nno-rollback = yes\n";
	static const char both[] = HEAD "[models *]\nrequire = 1 any\nmin-sequence = 5\nno-rollback = yes\n";
	const struct {
		const char *want, *policy;
		struct attest_policy_content c;
	} rows[] = {
		{ "accepted", attest_policy_default, { 0 } },
		{ "accepted", attest_policy_default, { .licence = "nonsense (" } },
		{ "accepted", lic, { .licence = "mit" } },
		{ "licence", lic, { .licence = "GPL-3.0" } },
		{ "licence", lic, { .licence = "nonsense (" } },
		{ "licence", lic, { 0 } },
		{ "sequence", min, { 0 } },
		{ "sequence", min, { .has_sequence = true } },
		{ "sequence", min, { .has_sequence = true, .sequence = 4 } },
		{ "accepted", min, { .has_sequence = true, .sequence = 5 } },
		{ "accepted", min, { .has_sequence = true, .sequence = 5, .newest = 9 } }, /* not asked for */
		{ "accepted", back, { .has_sequence = true, .sequence = 1 } },
		{ "accepted", back, { .has_sequence = true, .sequence = 9, .newest = 9 } },
		{ "sequence", back, { .has_sequence = true, .sequence = 8, .newest = 9 } },
		{ "sequence", back, { .newest = 9 } },
		{ "sequence", both, { .has_sequence = true, .sequence = 4, .newest = 3 } },
		{ "sequence", both, { .has_sequence = true, .sequence = 6, .newest = 7 } },
		{ "accepted", both, { .has_sequence = true, .sequence = 7, .newest = 7 } },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(ask_content(rows[i].policy, rows[i].c), rows[i].want))
			fail_msg("row %zu: %s: %s", i, report.code, report.detail);
	assert_string_equal(
		ask_content(HEAD "[models a]\nrequire = 1 any\n", (struct attest_policy_content){ 0 }),
		"policy");
}

/* ---- cures -------------------------------------------------------------------------------------------------------------------- */

/* Who signed, what was signed, and a trust root: refused for one thing, accepted without it. */
static const struct cure {
	u32 reason;
	const char *policy,
		*well; /* a policy, and the one without the defect; the same: it was in the question */
	u32 signers, well_signers; /* how many signed; 0: asked is what was signed */
	struct attest_policy_content said, well_said;
} cures[] = {
	{ ATTEST_POLICY, HEAD "[models n]\nrequire = 1 any\n", HEAD "[models m]\nrequire = 1 any\n", 1, 1,
		{ 0 }, { 0 } },
	{ ATTEST_SIGNERS, HEAD "[models *]\nrequire = 2 any\n", HEAD "[models *]\nrequire = 2 any\n", 1, 2,
		{ 0 }, { 0 } },
	{ ATTEST_DENIED, HEAD "[deny]\nserial = 1a\n[models *]\nrequire = 1 any\n",
		HEAD "[deny]\nserial = 1b\n[models *]\nrequire = 1 any\n", 1, 1, { 0 }, { 0 } },
	{ ATTEST_LICENCE, HEAD "[models *]\nrequire = 1 any\nlicence = MIT\n",
		HEAD "[models *]\nrequire = 1 any\nlicence = MIT\n", 0, 0, { .licence = "ISC" },
		{ .licence = "MIT" } },
	{ ATTEST_SEQUENCE, HEAD "[models *]\nrequire = 1 any\nno-rollback = yes\n",
		HEAD "[models *]\nrequire = 1 any\nno-rollback = yes\n", 0, 0,
		{ .has_sequence = true, .sequence = 8, .newest = 9 },
		{ .has_sequence = true, .sequence = 9, .newest = 9 } },
};

static const char *cure_ask(const struct cure *c, bool well)
{
	struct attest_signer s[2] = { signer("a", 1, 0), signer("b", 2, 0) };
	const char *policy = well ? c->well : c->policy;
	strcpy(s[0].facts.serial, "1a");
	return c->signers ? ask(policy, "m", s, well ? c->well_signers : c->signers)
			  : ask_content(policy, well ? c->well_said : c->said);
}

/* test_cosigned and test_trust have their own. */
static void test_cures(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cures); i++) {
		assert_string_equal(cure_ask(&cures[i], false), attest_reason_code(cures[i].reason));
		assert_string_equal(cure_ask(&cures[i], true), "accepted");
	}
	for (size_t i = 0; attest_reason_at(i); i++) {
		u32 reason = attest_reason_at(i), n = 0;
		for (size_t k = 0; k < ARRAY_LEN(cures); k++)
			n += cures[k].reason == reason;
		n += reason == ATTEST_COSIGNED || reason == ATTEST_TRUST_ROOT;
		if (n != (reason >= ATTEST_POLICY && reason <= ATTEST_TRUST_ROOT ? 1 : 0))
			fail_msg("%s has %u cures", attest_reason_code(reason), n);
	}
}

/* ---- trust roots -------------------------------------------------------------------------------------------------------------------- */

static void test_trust(void **state)
{
	struct attest_trust *t = NULL;
	struct proto_trust w = { .name = "ca", .kind = TRUST_ROOT };
	struct proto_key key = { .name = "k" };
	static const char junk[] = "no certificate";
	struct attest_blob pem = helper_read(KEEP_VECTORS "/sigstore/ca.pem");
	assert_int_equal(attest_trust_create(&t), 0);
	assert_int_equal(attest_trust_add(t, &w, pem.data, pem.len, &report), 1);
	assert_string_equal(report.code, "trust-root"); /* no pin */
	strcpy(w.identity.san, "a@example.org");
	assert_int_equal(attest_trust_add(t, &w, pem.data, pem.len, &report), 0);
	assert_int_equal(attest_trust_add(t, &w, junk, sizeof junk, &report), 1);
	assert_string_equal(report.code, "certificate");
	w.kind = TRUST_CRL;
	assert_int_equal(attest_trust_add(t, &w, junk, sizeof junk, &report), 1);
	assert_string_equal(report.code, "trust-root"); /* a list vouches for nobody */
	memset(&w.identity, 0, sizeof w.identity);
	assert_int_equal(attest_trust_add(t, &w, junk, sizeof junk, &report), 1);
	assert_string_equal(report.code, "crl");
	w.kind = 77;
	assert_int_equal(attest_trust_add(t, &w, junk, sizeof junk, &report), 1);
	assert_string_equal(report.code, "trust-root");
	for (u32 i = 0; i <= TRUST_KEYS_MAX; i++)
		assert_int_equal(attest_trust_add_key(t, &key, &report), i < TRUST_KEYS_MAX ? 0 : 1);
	assert_string_equal(report.code, "size-limit");
	attest_blob_fini(&pem);
	attest_trust_free(t);
}

/* ---- what the files say ------------------------------------------------------------------------------------------------------- */

/* Of a model with that card and sequence (NULL: none). The weights' header states no licence. */
static struct attest_policy_content said(
	const char *card, size_t card_len, const char *sequence, char *licence)
{
	char *dir = helper_tmp(), path[512];
	struct attest_tree tree = { 0 };
	struct attest_blob table = { 0 }, layout = { 0 },
			   gguf = helper_read(KEEP_VECTORS "/gguf/good-defaults.gguf");
	struct segments seg;
	const char *why;
	snprintf(path, sizeof path, "%s/m.gguf", dir);
	helper_write(path, gguf.data, gguf.len);
	assert_string_equal(helper_layout(path, &report, &layout), "accepted");
	snprintf(path, sizeof path, "%s/README.md", dir);
	if (card)
		helper_write(path, card, card_len);
	snprintf(path, sizeof path, "%s/" SEQUENCE_FILE, dir);
	if (sequence)
		helper_write(path, sequence, strlen(sequence));
	helper_segments(dir, &tree, &table);
	assert_int_equal(segments_open(table.data, table.len, &seg, &why), 0);
	struct attest_policy_content c = { .name = "m" };
	struct attest_content_params p = { .segments = &seg,
		.files = tree.files,
		.n_files = tree.n_files,
		.layout = layout.data,
		.layout_len = layout.len };
	attest_report_init(&report);
	assert_int_equal(attest_content_read(&p, licence, &c, &report), 0);
	attest_tree_fini(&tree);
	attest_blob_fini(&table);
	attest_blob_fini(&layout);
	attest_blob_fini(&gguf);
	helper_rm(dir);
	return c;
}

static void test_said(void **state)
{
	char licence[LICENCE_BYTES_MAX + 1];
	static const struct {
		const char *card, *want; /* NULL: it cannot be told */
	} cards[] = {
		{ "no front matter\nlicense: mit\n", NULL },
		{ "---\nlicense:\n---\n", NULL },
		{ "---\ntags: x\n---\nlicense: bsd\n", NULL },
		{ "---\nlicense: bsd", "bsd" },
		{ "---\r\ntags: [a]\r\nlicense: 'bsd'\r\n---\r\n", "bsd" },
		{ "---\nlicense: \"a b\"\n---\n", "a b" },
		{ "---\nlicense: \xff\n---\n", NULL },
	};
	assert_null(said(NULL, 0, NULL, licence).licence);
	for (size_t i = 0; i < ARRAY_LEN(cards); i++) {
		struct attest_policy_content c = said(cards[i].card, strlen(cards[i].card), NULL, licence);
		if (!c.licence != !cards[i].want || (c.licence && strcmp(c.licence, cards[i].want)))
			fail_msg("card %zu: %s", i, c.licence ? c.licence : c.licence_why);
		assert_true(c.licence || c.licence_why);
	}
	static const struct {
		const char *text;
		u64 want;
	} sequences[] = { { "1", 1 }, { "42\n", 42 }, { "9223372036854775807\n", INT64_MAX },
		{ "9223372036854775808\n", 0 }, { "0", 0 }, { "01", 0 }, { "", 0 }, { "\n", 0 },
		{ "1\n\n", 0 }, { "1 ", 0 }, { "+1", 0 }, { "1.0", 0 } };
	for (size_t i = 0; i < ARRAY_LEN(sequences); i++) {
		struct attest_policy_content c = said(NULL, 0, sequences[i].text, licence);
		assert_true(c.has_sequence);
		assert_int_equal(c.sequence, sequences[i].want);
	}
	assert_false(said(NULL, 0, NULL, licence).has_sequence);
}

/* One past SEQUENCE_BYTES_MAX, LICENCE_BYTES_MAX and CARD_BYTES_MAX. */
static void test_said_limits(void **state)
{
	char licence[LICENCE_BYTES_MAX + 1], long_one[SEQUENCE_BYTES_MAX + 2] = "";
	char *card = malloc(CARD_BYTES_MAX + 1);
	assert_non_null(card);
	memset(long_one, '1', SEQUENCE_BYTES_MAX + 1);
	assert_int_equal(said(NULL, 0, long_one, licence).sequence, 0);
	for (u32 more = 0; more < 2; more++) {
		size_t n = (size_t)sprintf(card, "---\nlicense: ");
		memset(card + n, 'a', LICENCE_BYTES_MAX + more);
		n += LICENCE_BYTES_MAX + more;
		n += (size_t)sprintf(card + n, "\n---\n");
		struct attest_policy_content c = said(card, n, NULL, licence);
		assert_true(more ? !c.licence && strstr(c.licence_why, "too long") : c.licence != NULL);
		memset(card, ' ', CARD_BYTES_MAX + 1);
		memcpy(card, "---\nlicense: mit\n---\n", 21);
		c = said(card, CARD_BYTES_MAX + more, NULL, licence);
		assert_true(more ? !c.licence : c.licence != NULL);
	}
	free(card);
}

static struct attest_manifest *peek(const char *name)
{
	struct attest_manifest *m = NULL;
	char path[512];
	snprintf(path, sizeof path, KEEP_VECTORS "/oms/%s", name);
	struct attest_blob b = helper_read(path);
	assert_int_equal(attest_bundle_peek(b.data, b.len, &m, &report), 0);
	attest_blob_fini(&b);
	return m;
}

static void test_cosigned(void **state)
{
	struct attest_manifest *a = peek("good-p256.sig"), *b = peek("good-p384.sig"),
			       *c = peek("good-shards.sig");
	assert_int_equal(attest_manifests_equal(a, a, &report), 0);
	assert_int_equal(attest_manifests_equal(a, b, &report), 0);
	assert_int_equal(attest_manifests_equal(a, c, &report), 1);
	assert_string_equal(report.code, "cosigned");
	u8 *digests = malloc(b->n_digests * 32u);
	assert_non_null(digests);
	memcpy(digests, b->digests, b->n_digests * 32u);
	digests[b->n_digests * 32u - 1] ^= 1;
	struct attest_manifest other = *b;
	other.digests = digests;
	assert_int_equal(attest_manifests_equal(a, &other, &report), 1);
	other = *b;
	other.n_files--;
	assert_int_equal(attest_manifests_equal(a, &other, &report), 1);
	free(digests);
	attest_manifest_free(a);
	attest_manifest_free(b);
	attest_manifest_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_roles),
		cmocka_unit_test(test_as_many_as_possible), cmocka_unit_test(test_scope_and_time),
		cmocka_unit_test(test_denied), cmocka_unit_test(test_many_rules),
		cmocka_unit_test(test_content), cmocka_unit_test(test_cures), cmocka_unit_test(test_trust),
		cmocka_unit_test(test_cosigned), cmocka_unit_test(test_said),
		cmocka_unit_test(test_said_limits) };
	return attest_prepare() ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
