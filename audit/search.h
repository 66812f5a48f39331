/* Searching the log: the records that fit a filter, oldest or newest first, or what they add up to. Zone by zone (zones.h), in steps, so
 * that others are served in between.
 *
 * Choices of one kind are alternatives, kinds are all wanted. An answer (an outcome, a verdict, a load) counts for who asked and for
 * the model that was asked for: its question's record is looked up. */
#pragma once

#include "audit/log.h"
#include "audit/zones.h"

struct audit_search;

/* 0 done, *ret freed by audit_search_free; 1 the filter is malformed, *ret_why; -errno. `size`: records that there are. */
_must_use_ int audit_search_begin(
	const struct proto_look *q, u64 size, struct audit_search **ret, const char **ret_why);
/* Of a filter that is not malformed otherwise: the first event of it that no record can have, or NULL. */
const char *audit_search_unknown(const struct proto_look *q);
/* Words are looked for in the texts that were kept of records as well, by this function. 0 they are there; 1 not; -errno; *ret_looked: a text
 * was opened for it. */
struct audit_search_row {
	u64 index;
	const char *line;
	size_t len;
	const char *words;
};
typedef int audit_search_kept(void *arg, const struct audit_search_row *row, bool *ret_looked);
void audit_search_texts(struct audit_search *s, audit_search_kept *kept, void *arg);
bool audit_search_in_texts(const struct audit_search *s);
/* Look at about `records` more. 0; -errno. */
_must_use_ int audit_search_step(
	struct audit_search *s, struct audit_log *log, struct audit_zones *z, u64 records);
void audit_search_free(struct audit_search **s);
#define _cleanup_search_ _cleanup_(audit_search_free)

bool audit_search_done(const struct audit_search *s);
/* How far it is, of how much, in records. */
void audit_search_progress(const struct audit_search *s, u64 *ret_done, u64 *ret_total);
/* What was found, as JSON lines, to be freed: records in the order of the log, or groups, the largest first. 0; -errno. */
_must_use_ int audit_search_lines(const struct audit_search *s, u8 **ret, size_t *ret_len);
/* Where the next page begins: `from`, or with LOOK_NEWEST `to`; UINT64_MAX: there is none. */
u64 audit_search_next(const struct audit_search *s);
u64 audit_search_found(const struct audit_search *s);
u64 audit_search_read(const struct audit_search *s); /* records that had to be read */
const struct proto_look *audit_search_asked(const struct audit_search *s);
/* The filter in words, for the record that says that the log was read: "event=request,outcome actor=1000". */
void audit_search_words(const struct proto_look *q, char *out, size_t cap);
