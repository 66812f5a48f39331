/* SPDX licence expressions (SPDX 2.3, annex D), read and decided exactly:
 *
 *   expression = expression OR expression | expression AND expression | ( expression ) | term
 *   term       = id [+] [WITH id]                AND binds closer than OR; operators in capitals, or all in small letters
 *   id         = letters, digits, '-' and '.'; also LicenseRef-… and DocumentRef-…:LicenseRef-…
 *
 * Ids are compared without regard to case. No list of known ids is kept: what is allowed is what somebody allowed by name. "-or-later"
 * is '+', "-only" is nothing (the GNU family's spelling). No recursion, no allocation. */
#pragma once

#include "base/limits.h"
#include "base/types.h"

struct spdx_term {
	const char *id; /* borrowed from the text; without '+', "-or-later" and "-only" */
	size_t id_len;
	bool later;
	const char *exception; /* NULL: none */
	size_t exception_len;
};

/* One term that fills text[len]. 0; 1 it is none, *ret_why says how. */
_must_use_ int spdx_term_parse(const char *text, size_t len, struct spdx_term *ret, const char **ret_why);

/* Does the licensee who may use what `allowed` names satisfy `asked`? The ids must be equal, or of one family (the same up to the
 * version at the end) where "or later" on one side reaches the other's version; exceptions must be equal. */
bool spdx_term_allows(const struct spdx_term *allowed, const struct spdx_term *asked);

/* Decide text[len], at most SPDX_BYTES_MAX bytes and SPDX_TERMS_MAX terms: OR needs one side, AND both.
 * 0 *ret_ok is the answer; 1 it is no expression, *ret_why says how. */
_must_use_ int spdx_decide(const char *text, size_t len,
	bool (*allowed)(void *ctx, const struct spdx_term *term), void *ctx, bool *ret_ok,
	const char **ret_why);
