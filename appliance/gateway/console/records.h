/* Records for people: what records.c lists, record.c shows one by one, and people.c adds up, in the same words. */
#pragma once

#include "gateway/console/filter.h"
#include "gateway/console/timeline.h"

/* The one of that index; NULL. */
const json_t *records_find(const json_t *all, u64 index);

/* Whom a record is of: what a filter takes, "" of keepd itself. */
struct records_who {
	char s[80];
};
struct records_who records_who(const json_t *record);

/* Does an event wait for an answer? */
bool records_opens(const char *event);
/* In a cell: who, which model, what, how it ended. */
void records_put_who(struct page *p, const json_t *record);
void records_put_model(struct page *p, const json_t *record);
void records_put_what(struct page *p, const json_t *record);
void records_put_end(struct page *p, const json_t *question, const json_t *answer);

/* Questions with their answers, newest first, as a table; extra holds questions whose answers stand in all. */
void records_table(struct page *p, const char *caption, const json_t *all, const json_t *extra);
/* Ask for the questions whose answers stand in all, and themselves do not. False: none is missing, or they stand too far apart. */
bool records_ask_missing(struct console *c, const json_t *all, u32 *ret_ask);

/* A timeline of the filter, each bar a link to the listing of its span. */
void records_timeline(struct page *p, const struct filter *f, const json_t *rows);

void records_ask(struct console *c);
void records_show(struct console *c, struct page *p);
