/* The file of quotas: who may use which models, and how much. Lines of text, as an officer wrote them; read by keepd, which holds requests to
 * them, and by the command line, which checks them before they are sent. A pure function of bytes.
 *
 *	# sections in order: the first one that fits counts, and no other
 *	[principal alice@*]               whom the log calls so; * stands for anything
 *	models = demo llama-*             names of models; absent: all
 *	context = 8192                    tokens of one request, prompt and answer
 *	max-tokens = 1024                 tokens of one answer
 *	parallel = 4                      requests that run at once
 *	requests-per-minute = 60          of UTC
 *	tokens-per-minute = 20000         prompts and answers
 *	tokens-per-day = 500000           of UTC
 *	tools = weather search            that a request may offer the model; "none": none; absent: all
 *	system = You answer in German.    stands before every conversation; may come several times, a line each
 *	[role operator]
 *	[everyone]
 *
 * 1. UTF-8, no control characters but line feed and tab; lines of at most QUOTA_LINE_BYTES_MAX; # begins a line that is not read.
 * 2. A key stands once in its section (but for system), its value is not empty; numbers are decimal, at most 2^53.
 * 3. The same section does not come twice; nothing follows [everyone]. */
#pragma once

#include "base/limits.h"
#include "base/types.h"

enum quota_limit {
	QUOTA_CONTEXT,
	QUOTA_ANSWER,
	QUOTA_PARALLEL,
	QUOTA_REQUESTS_MINUTE,
	QUOTA_TOKENS_MINUTE,
	QUOTA_TOKENS_DAY,
	QUOTA_LIMITS
};
#define QUOTA_NONE UINT64_MAX /* no limit is set */
enum quota_who { QUOTA_PRINCIPAL = 1, QUOTA_ROLE, QUOTA_EVERYONE };

struct quota_text {
	const char *s; /* in the file */
	size_t len;    /* 0: not given */
};
struct quota_rule {
	u32 line;		/* where its section begins */
	u32 who;		/* enum quota_who */
	struct quota_text name; /* the pattern, or the role's word */
	struct quota_text models, tools;
	struct quota_text system; /* from the first value to the end of the last line: quota_system */
	u64 limit[QUOTA_LIMITS];
};
struct quota {
	u32 n;
	struct quota_rule v[QUOTA_RULES_MAX];
};
struct quota_error {
	u32 line;
	char text[128];
};

/* 0, *ret points into text; 1 *e says what is wrong and where. */
_must_use_ int quota_parse(const char *text, size_t len, struct quota *ret, struct quota_error *e);
/* The rule that counts for this principal with this role (its word), or NULL: nothing limits it. */
const struct quota_rule *quota_rule_for(const struct quota *q, const char *principal, const char *role);
bool quota_allows_model(const struct quota_rule *r, const char *model);
/* The next word of a list, from *at on, which begins as 0. False behind the last. */
bool quota_word(const struct quota_text *list, size_t *at, struct quota_text *ret);
/* The pinned system prompt, its lines joined; *ret to be freed. 0; 1 there is none; -ENOMEM. */
_must_use_ int quota_system(const struct quota_rule *r, char **ret);
/* The key of a limit, as in the file. */
const char *quota_limit_name(enum quota_limit l);
