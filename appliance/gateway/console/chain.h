/* Where a model comes from, as a picture: boxes in a row, each following from the one before. What stands in them is a list as well, which is what
 * is read aloud; the picture repeats it. */
#pragma once

#include "gateway/console/page.h"

#define CHAIN_LINKS_MAX 6u
#define CHAIN_LINES_MAX 3u

struct chain_link {
	const char *what;		 /* "Publisher": a literal */
	enum page_mark mark;		 /* whether it holds */
	char line[CHAIN_LINES_MAX][160]; /* values; "": no line */
	char href[256];			 /* a path of ours; "": no link */
};
struct chain {
	u32 n;
	struct chain_link v[CHAIN_LINKS_MAX];
};
/* The next link. */
struct chain_link *chain_add(struct chain *c, const char *what, enum page_mark mark);
/* Picture and list. */
void chain_write(const struct chain *c, struct page *p);
