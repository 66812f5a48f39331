/* What of the quotas (base/quota.h) the gateway holds its clients to, since it needs the words: tools and the pinned system prompt. The
 * numbers are keepd's; here they only say what is meant where a client says nothing. */
#pragma once

#include "base/quota.h"
#include "gateway/api.h"

struct rules {
	u32 line; /* of the section in the file of quotas; 0: none counts */
	u32 context; /* prompt and answer of one request: by the section's context, and by what it allows a minute or a day */
	u32 max_tokens; /* UINT32_MAX: no limit, of both */
	char *system;	/* NULL: none is pinned */
	bool tools_listed;
	char *tools[QUOTA_NAMES_MAX];
	u32 n_tools;
};
/* keepd's answer about one principal. 0; 1 it is malformed; -ENOMEM. */
_must_use_ int rules_read(const void *data, size_t len, struct rules *ret);
void rules_fini(struct rules *r);
/* Hold a request to them: may it offer its tools, and have its own words? What is pinned is put before its conversation.
 * 0; 1 *e; -ENOMEM. */
_must_use_ int rules_apply(const struct rules *r, struct api_ask *in, struct arena *a, struct api_error *e);
