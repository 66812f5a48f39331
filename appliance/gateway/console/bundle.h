/* Evidence to take away (bundle.c). */
#pragma once

#include "gateway/console/console.h"

void bundle_ask(struct console *c);
void bundle_show(struct console *c, struct page *p);
