/* Inside of a search: search.c walks, search_filter.c says what fits, search_sum.c adds up. */
#pragma once

#include "audit/facts.h"
#include "audit/search.h"

#define KNOWN 1024u /* questions that are remembered, by index modulo: answers come soon */

/* What an answer takes from its question. */
struct known {
	u64 index;
	u32 uid;
	bool self, there;
	u32 name_len, model_len, principal_len;
	char name[NAME_LEN_MAX + 8], model[2 * MODEL_DIGEST_BYTES + 8], principal[NAME_LEN_MAX + 8];
};

/* A record with what its question says. */
struct found {
	struct audit_facts f;
	u32 uid;   /* who asked */
	bool self; /* nobody but keepd */
	struct audit_word name, model, principal;
};

/* ---- search_filter.c: what fits ---- */

/* The words of a question as zones number them. */
struct search_filter {
	u32 events[LOOK_ANY_MAX];
	u16 actors[LOOK_ANY_MAX], people[LOOK_ANY_MAX], names[LOOK_ANY_MAX];
	u16 models[LOOK_ANY_MAX]; /* 0: not the digits of a digest */
	u8 results[LOOK_ANY_MAX];
};

/* What is wrong with a question, or NULL. */
const char *search_filter_wrong(const struct proto_look *q);
void search_filter_make(const struct proto_look *q, struct search_filter *ret);
bool search_filter_fits(const struct proto_look *q, const struct search_filter *f, const struct found *r);
/* What a zone is to know of a record. */
void search_filter_fold(struct audit_zone *z, const struct found *r);
/* May a record of this zone fit? May record i of it? */
bool search_filter_zone(
	const struct proto_look *q, const struct search_filter *f, const struct audit_zone *z);
bool search_filter_row(
	const struct proto_look *q, const struct search_filter *f, const struct audit_zone *z, u32 i);

/* ---- search_sum.c: how many, by whom or what ---- */

struct search_sum;
_must_use_ int search_sum_new(u32 by, struct search_sum **ret);
void search_sum_free(struct search_sum *s);
void search_sum_add(struct search_sum *s, const struct found *r);
/* 0, *ret to be freed; -ENOMEM. */
_must_use_ int search_sum_lines(struct search_sum *s, u8 **ret, size_t *ret_len);

/* ---- search_time.c: how many records stand where in time ---- */

struct search_time;
_must_use_ int search_time_new(const struct proto_look *q, struct search_time **ret);
void search_time_free(struct search_time *t);
bool search_time_ready(const struct search_time *t);
/* Find the borders of the buckets among records from to to - 1. *ret_from, *ret_to: what is to be read to say how many fit; equal: nothing. 0; -errno. */
struct search_span {
	u64 from, to;
	bool everything; /* the filter leaves nothing out */
};
_must_use_ int search_time_begin(struct search_time *t, struct audit_log *log, struct search_span *span);
void search_time_add(struct search_time *t, u64 index);
_must_use_ int search_time_lines(const struct search_time *t, u8 **ret, size_t *ret_len);
