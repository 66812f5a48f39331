/* Who and with what (people.c). */
#pragma once

#include "gateway/console/console.h"

/* Rows of a summary (enum look_what by), each with a link to the page of whom or what it is. */
void people_table(struct page *p, const char *caption, const char *head, u32 by, const json_t *rows);

void people_ask(struct console *c);
void people_show(struct console *c, struct page *p);
void used_ask(struct console *c);
void used_show(struct console *c, struct page *p);
