/* keepd answers queries with JSON lines. --json prints them as they came; people get tables made from them. */
#pragma once

#include "base/facts.h"
#include "cli/ctl.h"

/* Print the lines as they came. */
void lines_print(const struct fd_map *data);

struct lines {
	const char *at, *end;
};
struct lines lines_of(const struct fd_map *data);
/* The next document, or NULL after the last or at a malformed one (*ret_bad). The caller json_decrefs it. */
json_t *lines_next(struct lines *l, bool *ret_bad);
void lines_decref(json_t **j);
#define _cleanup_json_ _cleanup_(lines_decref)

static inline struct cell lines_cell(const json_t *o, const char *key)
{
	return facts_cell(o, key);
}
static inline struct cell lines_short(const json_t *o, const char *key)
{
	return facts_short(o, key);
}
static inline u64 lines_u64(const json_t *o, const char *key)
{
	return facts_u64(o, key);
}
/* A member time_ns as local "2026-01-31 12:34:56", "" when it is not there. */
struct cell lines_time(const json_t *o, const char *key);
/* Of a grant that guesses for another of these: the other one's model; "" of any other. */
struct cell lines_drafts_for(const json_t *grants, const json_t *g);
/* Is it what a listing shows instead of record `index`, whose text was pruned? */
bool lines_pruned(const char *line, size_t len, u64 index);
/* All members, one per line: "key   value", nested ones indented. */
void lines_print_object(const json_t *o, int indent);
