/* What a reader looks for in the log: a query string becomes a question to keepd, and an address again, so that every link keeps what was
 * chosen. An address is all that a saved filter is: nothing of a reader is kept here.
 *
 *   kind    "asks": questions to models and their answers; "acts": what changed; "all"
 *   who     users' numbers and principals' names      model   names, or digests' first digits      event   of the catalogue
 *   result  how an act ended                          text    bytes of the record
 *   since, until   2026-01-31, or with T12:00 or T12:00:30, in UTC
 *   from, to       records from to to - 1
 *
 * Alternatives of one kind are separated by commas. */
#pragma once

#include "gateway/console/console.h"

#define FILTER_TIME_SIZE 24u

struct filter {
	const char *kind;
	char who[512], model[512], event[384], result[256], text[136];
	char since[FILTER_TIME_SIZE], until[FILTER_TIME_SIZE];
	u64 since_ns, until_ns; /* 0, UINT64_MAX: none */
	u64 from, to;		/* 0, UINT64_MAX: none */
};
/* 0; 1 *ret_why names what cannot be understood. */
_must_use_ int filter_read(const struct form *query, struct filter *ret, const char **ret_why);
/* The question. 0; 1 *ret_why: too many alternatives, or words that are too long. */
_must_use_ int filter_look(const struct filter *f, struct proto_look *ret, const char **ret_why);
/* What is not everything, as parameters. */
void filter_url(const struct filter *f, struct page_url *u);
/* In a sentence. */
void filter_words(const struct filter *f, struct page *p);
/* Is anything chosen but the kind and a span? */
bool filter_narrows(const struct filter *f);

/* "2026-01-31T12:00:30" of seconds of UTC; midnight without its time. */
void filter_time_text(u64 s, char ret[FILTER_TIME_SIZE]);
/* Its first and its last nanosecond. 0; 1 not so. */
_must_use_ int filter_time(const char *s, u64 *ret_first_ns, u64 *ret_last_ns);
