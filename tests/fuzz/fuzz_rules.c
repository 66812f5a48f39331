/* A policy file, and the same bytes as a licence expression and as a time. What parses is held to a few signers and to what a model may
 * state; a verdict that is a refusal names a rule that fails. */
#include "attest/policy.h"
#include "attest/spdx.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool some(void *ctx, const struct spdx_term *t)
{
	struct spdx_term again;
	const char *why;
	char text[2 * SPDX_BYTES_MAX];
	/* a term that was read can be read again, and allows itself */
	assert(t->id_len > 0 && t->id_len <= SPDX_BYTES_MAX);
	memcpy(text, t->id, t->id_len);
	if (spdx_term_parse(text, t->id_len, &again, &why) == 0 && !t->exception && !t->later)
		assert(spdx_term_allows(&again, t) || again.id_len != t->id_len);
	return t->id_len & 1;
}

static void hold(const struct attest_policy *p, const char *licence)
{
	static const char *const names[] = { "demo", "llama-8b", "" };
	struct attest_signer s[3] = { { .models = "" }, { .models = "demo" }, { .models = NULL } };
	static const char *const who[] = { "pub", "lab-a", "x" };
	for (u32 i = 0; i < ARRAY_LEN(s); i++) {
		memcpy(s[i].facts.name, who[i], strlen(who[i]));
		memset(s[i].facts.key_id, (int)i, sizeof s[i].facts.key_id);
		s[i].facts.time = i ? 1767225600 : 0;
		s[i].facts.time_source = i;
	}
	for (u32 i = 0; i < ARRAY_LEN(names); i++) {
		struct attest_policy_question q = { names[i], s, ARRAY_LEN(s), 1767225600, NULL };
		struct attest_policy_content c = { .name = names[i],
			.licence = licence,
			.licence_from = "header",
			.licence_why = licence ? NULL : "it states no licence",
			.has_sequence = i,
			.sequence = i,
			.newest = 2 };
		struct attest_rules rules = { .n = 0 };
		struct attest_report report;
		attest_report_init(&report);
		int r = attest_policy_signers(p, &q, &rules, &report);
		if (!r)
			r = attest_policy_content(p, &c, &rules, &report);
		assert(r == 0 || r == 1);
		u32 failed = 0;
		for (u32 k = 0; k < rules.n; k++)
			failed += !rules.v[k].holds;
		assert(r == 0 || failed || rules.n == RULES_MAX);
		assert((report.verdict == ATTEST_ACCEPTED) == (r == 0));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct attest_policy *p = NULL;
	struct attest_policy_errors e;
	const char *why = NULL;
	bool ok = false;
	u64 t;
	char *text = malloc(size + 1);
	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	int r = attest_policy_parse(data, size, &p, &e);
	assert(r == 0 || (r == 1 && e.n > 0));
	if (r == 0) {
		hold(p, NULL);
		hold(p, "MIT OR (Apache-2.0 AND GPL-2.0+)");
		if (!memchr(data, 0, size))
			hold(p, text);
	}
	attest_policy_free(p);
	r = spdx_decide((const char *)data, size, some, NULL, &ok, &why);
	assert(r == 0 || (r == 1 && why));
	r = attest_time_parse(text, &t);
	assert(r == 0 || r == 1);
	free(text);
	return 0;
}
