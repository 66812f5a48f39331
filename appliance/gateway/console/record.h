/* A record's page (record.c). */
#pragma once

#include "gateway/console/console.h"

void record_ask(struct console *c);
void record_show(struct console *c, struct page *p);
