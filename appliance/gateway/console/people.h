/* Who and with what (people.c). */
#pragma once

#include "gateway/console/console.h"

void people_ask(struct console *c);
void people_show(struct console *c, struct page *p);
void used_ask(struct console *c);
void used_show(struct console *c, struct page *p);
