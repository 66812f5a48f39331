/* The log as files that a browser downloads and judges (tiles.c). */
#pragma once

#include "gateway/console/console.h"

void tiles_ask(struct console *c);
void tiles_show(struct console *c, struct page *p);
