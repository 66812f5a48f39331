/* A parsed policy, shared by policy.c and policy_words.c (read) and policy_eval.c (holds). */
#pragma once

#include "attest/policy.h"
#include "attest/spdx.h"
#include "base/arena.h"

#define POLICY_NO_TIME UINT64_MAX

struct policy_pattern {
	struct policy_pattern *next;
	const char *text;
};

struct policy_role {
	struct policy_role *next;
	const char *name;
};

/* [signer PATTERN…]: the first that fits a trust root's name speaks for it. */
struct policy_signer {
	struct policy_signer *next;
	u32 line;
	struct policy_pattern *patterns;
	struct policy_role *roles;
	u32 roles_line;
	u64 not_before, not_after; /* 0 and POLICY_NO_TIME: open */
};

struct policy_need {
	struct policy_need *next;
	u32 n;
	const char *role; /* "any" */
};

struct policy_licence {
	struct policy_licence *next;
	struct spdx_term term;
};

/* [models PATTERN…]: the first that fits a model's name decides. */
struct policy_models {
	struct policy_models *next;
	u32 line;
	struct policy_pattern *patterns;
	struct policy_need *needs;
	u32 require_line, licence_line, min_line, rollback_line, before_line;
	bool any_licence;
	struct policy_licence *licences;
	u64 min_sequence; /* 0: none */
	bool no_rollback;
	u64 not_before; /* 0: open */
};

enum policy_deny_kind { DENY_KEY, DENY_SERIAL, DENY_DIGEST };
struct policy_deny {
	struct policy_deny *next;
	u32 line;
	enum policy_deny_kind kind;
	const char *value; /* lower-case hexadecimal */
	size_t len;
};

struct attest_policy {
	struct arena arena;
	u8 digest[SHA256_BYTES];
	const char *title;
	u32 two_persons; /* enum two_persons */
	struct policy_signer *signers;
	struct policy_models *models;
	struct policy_deny *denied;
};

/* ---- policy_words.c ---- */

bool policy_blank(char c);
/* The next word of *s, words being parted by blanks and commas. False: there is none. */
bool policy_word(const char **s, const char **ret, size_t *ret_len);
bool policy_word_is(const char *w, size_t n, const char *text);
bool policy_pattern_ok(const char *w, size_t n);
bool policy_role_ok(const char *w, size_t n);
/* Decimal, without a leading zero, at most INT64_MAX. 0; 1 it is none. */
_must_use_ int policy_number(const char *w, size_t n, u64 *ret);
/* '*' stands for any characters, '?' for one. */
bool policy_pattern_fits(const char *pattern, const char *name);
