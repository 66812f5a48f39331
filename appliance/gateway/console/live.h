/* What happens now (live.c). */
#pragma once

#include "gateway/console/console.h"

void live_ask(struct console *c);
void live_show(struct console *c, struct page *p);
