#include "gateway/console/codes.h"
#include "audit/tlog/parts.h"

#include <qrencode.h>
#include <stdio.h>

#define QUIET 4	   /* modules of margin, as the standard wants */
#define ROOM  900u /* bytes of one code: at level M these are read from a screen */

/* Rows of dark modules, as one path. */
static void modules(const QRcode *q, struct page *p)
{
	page_html(p, "<path d=\"");
	for (int y = 0; y < q->width; y++) {
		for (int x = 0, end; x < q->width; x = end) {
			for (end = x; end < q->width && (q->data[y * q->width + end] & 1);)
				end++;
			if (end > x) {
				page_html(p, "M");
				page_int(p, x + QUIET);
				page_html(p, " ");
				page_int(p, y + QUIET);
				page_html(p, "h");
				page_int(p, end - x);
				page_html(p, "v1h-");
				page_int(p, end - x);
				page_html(p, "z");
			} else {
				end++;
			}
		}
	}
	page_html(p, "\"/>");
}

static void code(const QRcode *q, u32 k, u32 n, const char *caption, struct page *p)
{
	int side = q->width + 2 * QUIET;
	page_html(p, "<figure class=\"code\"><svg role=\"img\" shape-rendering=\"crispEdges\"");
	page_attr(p, "aria-label", caption);
	page_html(p, " viewBox=\"0 0 ");
	page_int(p, side);
	page_html(p, " ");
	page_int(p, side);
	page_html(p, "\"><rect width=\"100%\" height=\"100%\"/>");
	modules(q, p);
	page_html(p, "</svg><figcaption>");
	page_text(p, caption);
	if (n > 1)
		page_fmt(p, ", %u of %u", k, n);
	page_html(p, "</figcaption></figure>\n");
}

void codes_write(const void *data, size_t len, const char *caption, struct page *p)
{
	u32 n = tlog_parts_count(len, ROOM);
	char part[ROOM];
	if (!len || n > PARTS_MAX) {
		page_html(p, "<p>It is longer than codes hold: <code>keep audit checkpoint --out "
			     "FILE</code>.</p>\n");
		return;
	}
	page_html(p, "<div class=\"codes\">\n");
	for (u32 k = 1; k <= n; k++) {
		size_t part_len = n > 1 ? tlog_part_write(data, len, k, n, part, sizeof part) : len;
		QRcode *q =
			QRcode_encodeData((int)part_len, n > 1 ? (const void *)part : data, 0, QR_ECLEVEL_M);
		if (q)
			code(q, k, n, caption, p);
		else
			p->full = true;
		QRcode_free(q);
	}
	page_html(p, "</div>\n");
}
