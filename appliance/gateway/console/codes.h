/* QR codes in a page, as SVG: what fits into one, or parts of it (audit/tlog/parts.h). */
#pragma once

#include "gateway/console/page.h"

/* caption: a literal. What more than PARTS_MAX codes hold is said, and not drawn. */
void codes_write(const void *data, size_t len, const char *caption, struct page *p);
