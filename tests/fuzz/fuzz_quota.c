/* A file of quotas: what is read lies in the text, and every question about it has an answer. */
#include "base/quota.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool inside(const struct quota_text *t, const char *text, size_t size)
{
	return !t->len || (t->s >= text && t->s + t->len <= text + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct quota q;
	struct quota_error e = { 0 };
	const char *text = (const char *)data;
	if (quota_parse(text, size, &q, &e)) {
		assert(e.text[0]);
		return 0;
	}
	assert(q.n <= QUOTA_RULES_MAX);
	for (u32 i = 0; i < q.n; i++) {
		const struct quota_rule *r = &q.v[i];
		char *system = NULL;
		assert(inside(&r->name, text, size) && inside(&r->models, text, size) &&
			inside(&r->tools, text, size) && inside(&r->system, text, size));
		int n = quota_system(r, &system);
		assert(n >= 0 && (n == 1) == (r->system.len == 0));
		assert(!system || strlen(system) <= r->system.len);
		free(system);
		(void)quota_allows_model(r, "a-model");
	}
	(void)quota_rule_for(&q, "uid:1000", "user");
	return 0;
}
