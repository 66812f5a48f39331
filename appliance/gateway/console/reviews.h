/* Reviews: what was signed off and what stayed open (reviews.c), a text to sign and its way back (sign.c), a report of a span for paper (report.c). */
#pragma once

#include "gateway/console/console.h"

#define REVIEWS_SHOWN 100u

void reviews_ask(struct console *c);
void reviews_show(struct console *c, struct page *p);
void sign_ask(struct console *c);
void sign_show(struct console *c, struct page *p);
void text_show(struct console *c, struct page *p);
void signed_ask(struct console *c);
void signed_show(struct console *c, struct page *p);
void report_ask(struct console *c);
void report_show(struct console *c, struct page *p);
/* A row of the search for sign-offs: the newest REVIEWS_SHOWN, of records up to `to`. */
u32 reviews_look(struct console *c, u64 to);
/* Sign-offs as a table, the newest first. */
void reviews_table(struct page *p, const json_t *records);
