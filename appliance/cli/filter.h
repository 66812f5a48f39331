/* The options that choose records, and the pages that keepd answers with: of audit ls, summary, orphans, diff and export. */
#pragma once

#include "cli/lines.h"

struct filter {
	struct opt_list events, actors, models, results;
	const char *since, *until, *text;
	u64 from, to, count, last;
	bool to_given, last_given, acts;
};
#define FILTER_NONE                  \
	{                            \
		.count = UINT64_MAX, \
	}
/* Rows of an option table. */
#define FILTER_OPTS(f)                                                                                      \
	{ "--event", OPT_LIST, &(f)->events, NULL }, { "--actor", OPT_LIST, &(f)->actors, NULL },           \
		{ "--model", OPT_LIST, &(f)->models, NULL }, { "--result", OPT_LIST, &(f)->results, NULL }, \
		{ "--since", OPT_STR, &(f)->since, NULL }, { "--until", OPT_STR, &(f)->until, NULL },       \
		{ "--text", OPT_STR, &(f)->text, NULL }, { "--from", OPT_U64, &(f)->from, NULL },           \
		{ "--to", OPT_U64, &(f)->to, &(f)->to_given },                                              \
	{                                                                                                   \
		"--acts", OPT_FLAG, &(f)->acts, NULL                                                        \
	}

/* Did any of them come? */
bool filter_given(const struct filter *f);
/* The question that they make. 0; otherwise an exit status, said. */
_must_use_ int filter_read(const struct cli *c, const struct filter *f, struct proto_look *ret);
/* "2026-11-23", "2026-11-23T10:00" or "…:00", local time, or UTC with a Z behind; *ret_ns is its first, *ret_last_ns its last nanosecond.
 * 0; 1 not so. */
_must_use_ int filter_time(const char *s, u64 *ret_ns, u64 *ret_last_ns);
/* "FROM..TO": records from FROM to TO - 1. 0; 1 not so. */
_must_use_ int filter_range(const char *s, u64 *ret_from, u64 *ret_to);

/* Ask page after page of at most `page` records, f->count in all, each to fn in the order of the log, until it returns non-zero. Returns
 * that, or an exit status, said. */
struct filter_pages {
	const struct filter *f;
	const char *purpose; /* in the record that the log was read */
	u64 page;
	int (*fn)(void *arg, const struct fd_map *data);
	void *arg;
};
_must_use_ int filter_each(struct ctl *k, struct proto_look *q, const struct filter_pages *p);
