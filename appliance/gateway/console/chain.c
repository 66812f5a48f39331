#include "gateway/console/chain.h"

#include <string.h>

#define BOX	 168 /* pixels: a box, and from one to the next */
#define STEP	 198
#define HEIGHT	 104
#define ROOM	 23u /* characters of a line that a box has room for */
#define WORDS_AT 42

struct chain_link *chain_add(struct chain *c, const char *what, enum page_mark mark)
{
	assert(c->n < CHAIN_LINKS_MAX);
	struct chain_link *l = &c->v[c->n++];
	*l = (struct chain_link){ .what = what, .mark = mark };
	return l;
}

/* The bytes of the first ROOM characters. */
static size_t fitting(const char *s, bool *ret_all)
{
	size_t n = 0, at = 0;
	while (s[at] && n < ROOM) {
		do
			at++;
		while (((u8)s[at] & 0xc0) == 0x80);
		n++;
	}
	*ret_all = !s[at];
	return at;
}

static void words(struct page *p, i64 x, i64 y, const char *class, const char *s)
{
	bool all;
	size_t n = fitting(s, &all);
	page_html(p, "<text");
	page_attr(p, "class", class);
	page_html(p, " x=\"");
	page_int(p, x);
	page_html(p, "\" y=\"");
	page_int(p, y);
	page_html(p, "\">");
	page_textn(p, s, n);
	if (!all)
		page_html(p, "\xe2\x80\xa6");
	page_html(p, "</text>");
}

static const char *class_of(enum page_mark mark)
{
	static const char *const names[] = { "box good", "box note", "box bad", "box" };
	return names[mark];
}

static void box(struct page *p, const struct chain_link *l, i64 x)
{
	page_html(p, "<g");
	page_attr(p, "class", class_of(l->mark));
	page_html(p, "><rect rx=\"4\" y=\"1\" height=\"102\" width=\"168\" x=\"");
	page_int(p, x);
	page_html(p, "\"/>");
	words(p, x + 10, 22, "what", l->what);
	for (u32 i = 0; i < CHAIN_LINES_MAX; i++)
		words(p, x + 10, WORDS_AT + 18 * (i64)i + 4, "is", l->line[i]);
	page_html(p, "</g>\n");
}

static void arrow(struct page *p, i64 x)
{
	page_html(p, "<path class=\"arrow\" d=\"M");
	page_int(p, x - (STEP - BOX) + 4);
	page_html(p, " 52H");
	page_int(p, x - 5);
	page_html(p, "m-6 -5l6 5l-6 5\"/>");
}

static void list(const struct chain *c, struct page *p)
{
	page_html(p, "<ol class=\"chain\">\n");
	for (u32 i = 0; i < c->n; i++) {
		const struct chain_link *l = &c->v[i];
		page_html(p, "<li>");
		page_state(p, l->mark, l->what);
		for (u32 k = 0; k < CHAIN_LINES_MAX; k++) {
			if (!l->line[k][0])
				continue;
			page_text(p, k ? ", " : ": ");
			if (k == 0 && l->href[0]) {
				page_html(p, "<a");
				page_attr(p, "href", l->href);
				page_html(p, ">");
				page_text(p, l->line[k]);
				page_html(p, "</a>");
			} else {
				page_name(p, l->line[k]);
			}
		}
		page_html(p, "</li>\n");
	}
	page_html(p, "</ol>\n");
}

void chain_write(const struct chain *c, struct page *p)
{
	page_html(p, "<figure class=\"provenance\"><svg aria-hidden=\"true\" height=\"104\" viewBox=\"0 0 ");
	page_int(p, (i64)c->n * STEP - (STEP - BOX));
	page_html(p, " 104\">\n");
	for (u32 i = 0; i < c->n; i++) {
		if (i)
			arrow(p, (i64)i * STEP);
		box(p, &c->v[i], (i64)i * STEP);
	}
	page_html(p, "</svg>\n");
	list(c, p);
	page_html(p, "</figure>\n");
}
