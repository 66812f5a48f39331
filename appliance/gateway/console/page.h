/* A writer of HTML. What is ours comes as literals, and only literals compile; every value goes through a function that escapes it for the
 * place where it stands. So a page cannot hold a tag that nobody of us wrote, whatever a model, a person or a record is called.
 *
 *   page_html(p, "<p>")                     markup of ours
 *   page_text(p, name)                      a value between tags
 *   page_attr(p, "title", name)             a value in an attribute:  title="…"
 *   page_link(p, &url)                      a path of ours with values in it, percent-encoded:  href="…"
 *
 * Of a value, what is not UTF-8 becomes U+FFFD, and characters that cannot be seen or that turn the direction of the line (controls, marks and
 * overrides of direction, blanks of no width, tags) are written by their number, ⟨U+202E⟩: an auditor sees what stands there. Letters that
 * run from right to left are legal: the style sheet isolates the direction of each cell, and page_name of what stands in a sentence. */
#pragma once

#include "base/types.h"

struct page {
	char *buf;
	size_t len, cap, max;
	bool full; /* it did not fit, or memory ran out: the text is unusable */
};

/* A page of at most max bytes. */
void page_init(struct page *p, size_t max);
void page_fini(struct page *p);

#define page_html(p, literal) page_markup((p), "" literal "", sizeof(literal) - 1)
/* Not called as it is but for embedded files, and bodies that are no HTML. */
void page_markup(struct page *p, const void *s, size_t len);

/* ---- values ---- */

void page_text(struct page *p, const char *s);
void page_textn(struct page *p, const void *s, size_t len);
/* As page_text with line feeds and tabs as they are: within <pre>. */
void page_lines(struct page *p, const void *s, size_t len);
/* As page_text, of at most 1023 bytes. */
void page_fmt(struct page *p, const char *fmt, ...) _printf_(2, 3);
/* A name in a sentence: its direction is its own. */
void page_name(struct page *p, const char *s);
/* ` name="value"`, with the blank before it; name is a literal. */
#define page_attr(p, name, value) page_attribute((p), " " name "=\"", (value))
void page_attribute(struct page *p, const char *open, const char *value);
/* Digits alone: for attributes and coordinates. */
void page_int(struct page *p, i64 v);

/* ---- values that people read ---- */

void page_count(struct page *p, u64 v);	   /* 1,234,567 */
void page_size(struct page *p, u64 bytes); /* 4.2 GB */
void page_time(struct page *p, u64 s);	   /* <time>2026-01-31 12:00:00 UTC</time>; 0: "never" */
void page_age(struct page *p, u64 s);	   /* "3 days" */
/* A digest in full, breaking where it must; "": "none". */
void page_digest(struct page *p, const char *hex);
/* Its first twelve digits, the rest in the title. */
void page_short(struct page *p, const char *hex);

enum page_mark { PAGE_GOOD, PAGE_NOTE, PAGE_BAD, PAGE_NEUTRAL };
/* A state: sign, word and colour; never the colour alone. */
void page_state(struct page *p, enum page_mark mark, const char *words);

/* ---- addresses ---- */

#define PAGE_URL_BYTES_MAX 2048u
struct page_url {
	char s[PAGE_URL_BYTES_MAX];
	size_t len;
	bool asked; /* a parameter stands there */
	bool full;
};
/* path: a literal. */
#define page_url(u, path) page_url_begin((u), "" path "")
void page_url_begin(struct page_url *u, const char *path);
/* A piece of the path: everything but letters, digits and -._~ is encoded, the slash too. */
void page_url_part(struct page_url *u, const char *value);
void page_url_u64(struct page_url *u, u64 v);
/* ?name=value, or &name=value; name is a literal. "": left out. */
void page_url_param(struct page_url *u, const char *name, const char *value);
void page_url_param_u64(struct page_url *u, const char *name, u64 v);
/* ` href="…"`, with the blank before it. One that is full leads to /console. */
void page_link(struct page *p, const struct page_url *u);
/* A whole link: <a href="…">text</a>. */
void page_a(struct page *p, const struct page_url *u, const char *text);
/* A link to the page of a record: <a href="/console/records/7">7</a>. */
void page_record(struct page *p, u64 index);

/* ---- shapes that every page uses ---- */

/* <section> with its heading; id and title are literals. */
#define page_section(p, id, title) \
	page_html(p, "\n<section aria-labelledby=\"" id "\"><h2 id=\"" id "\">" title "</h2>\n")
#define page_section_end(p) page_html(p, "</section>\n")

/* A table with caption and heads; between: rows of ours. The heads end with NULL; # before one: a column of numbers, whose cells have that class. */
#define page_table(p, caption, ...) \
	page_table_begin((p), (caption), (const char *const[]){ __VA_ARGS__, NULL })
void page_table_begin(struct page *p, const char *caption, const char *const *heads);
#define page_table_end(p) page_html(p, "</tbody></table></div>\n")

/* Pairs of a word and what it is: page_facts, any number of page_fact … page_fact_end, page_facts_end. */
#define page_facts(p)	   page_html(p, "<dl class=\"facts\">\n")
#define page_fact(p, word) page_html(p, "<div><dt>" word "</dt><dd>")
#define page_fact_end(p)   page_html(p, "</dd></div>\n")
#define page_facts_end(p)  page_html(p, "</dl>\n")

/* ---- forms ---- */

/* A line to fill in. */
struct page_field {
	const char *name, *words, *value;
	const char *hint; /* shown while it is empty; NULL: nothing */
	const char *list; /* id of a datalist; NULL: none */
};
void page_field(struct page *p, const struct page_field *f);
