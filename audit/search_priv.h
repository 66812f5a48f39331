/* Inside of a search: search.c walks and matches, search_sum.c adds up. */
#pragma once

#include "audit/facts.h"
#include "audit/search.h"

#define KNOWN 1024u /* questions that are remembered, by index modulo: answers come soon */

/* What an answer takes from its question. */
struct known {
	u64 index;
	u32 uid;
	bool self, there;
	u32 name_len, model_len;
	char name[NAME_LEN_MAX + 8], model[2 * MODEL_DIGEST_BYTES + 8];
};

/* A record with what its question says. */
struct found {
	struct audit_facts f;
	u32 uid;   /* who asked */
	bool self; /* nobody but keepd */
	struct audit_word name, model;
};

struct search_sum;
_must_use_ int search_sum_new(u32 by, struct search_sum **ret);
void search_sum_free(struct search_sum *s);
void search_sum_add(struct search_sum *s, const struct found *r);
/* 0, *ret to be freed; -ENOMEM. */
_must_use_ int search_sum_lines(struct search_sum *s, u8 **ret, size_t *ret_len);
