/* The review console: pages for auditors and officers, made here from what keepd says to whoever asks, and from nothing else.
 *
 * A page is a row of console.c's table and two functions. `ask` says what keepd is to be asked, in rounds: it is called before each round, sees
 * the answers of those before, and adds questions; when it adds none, `show` writes the page. All questions of a round go over one connection
 * on which the reader was proven first, so keepd decides what he may see, and writes down under his name what he has read.
 *
 *   static void ask(struct console *c)
 *   {
 *           if (c->round == 0)
 *                   console_query(c, &(struct proto_query){ .what = QUERY_MODEL }, c->arg);
 *   }
 *   static void show(struct console *c, struct page *p)
 *   {
 *           const struct question_one *a = console_answer(c, 0);
 *           const json_t *model = console_row(c, 0);
 *           if (!model)
 *                   return console_fail(c, 404, "%s", a->text);
 *           page_section(p, "what", "What it is");
 *           …
 *   }
 *
 * GET alone, but for rows that say POST: to these a browser of another origin cannot come (console_post_refused). */
#pragma once

#include "gateway/console/form.h"
#include "gateway/console/page.h"
#include "gateway/question.h"

#include <jansson.h>

#define CONSOLE_ASKS_MAX 16u /* questions of one page, of all rounds */

struct console;
struct console_page {
	const char *method,
		*path; /* "/console/models/": what follows the last slash is the argument, one piece of a path */
	const char *name;  /* in the navigation; NULL: it is not there */
	const char *title; /* of the page, where show sets no other */
	bool open;	   /* for whoever comes, proven or not */
	/* NULL: nothing is asked. */
	void (*ask)(struct console *c);
	/* What stands in <main> behind the heading; of a page with another type than HTML the whole body. */
	void (*show)(struct console *c, struct page *p);
	const char *type; /* NULL: HTML; "application/octet-stream": a file */
	bool deep;	  /* the argument is a path: it may hold slashes */
};

/* One page being made. */
struct console {
	struct gateway *g;
	struct http_exchange *x;
	const struct console_page *page;
	u32 reads;		   /* enum role: as whom it reads; 0: nobody was proven */
	struct proto_principal is; /* who */
	char arg[256];		   /* decoded; "" */
	struct form query;	   /* what stands behind the ? */
	const u8 *body;		   /* of a POST, while round is 0; then NULL */
	size_t body_len;
	u64 now_s; /* wall clock, for ages */
	u32 round, n_asks;
	void *own;  /* of the page: freed with it */
	char *held; /* likewise */
	/* what show may say of its page */
	char title[160];
	char headers[512];	    /* further ones, each with CR LF */
	u32 refresh_s;		    /* the page loads itself again; 0: not */
	struct page_url refresh_to; /* from there */
	/* the frame's own */
	u32 fail;
	char fail_text[512];
	char *to;
	struct question_set set;
	struct question_one *asks[CONSOLE_ASKS_MAX];
	json_t *rows[CONSOLE_ASKS_MAX];
};

/* ---- asking: within ask. Each is one more question; its number is what console_answer takes. ---- */

/* name: of a model or whatever the query wants; NULL: as q says. */
u32 console_query(struct console *c, const struct proto_query *q, const char *name);
u32 console_look(struct console *c, const struct proto_look *q);
/* Any other; fd is taken, -1: none goes with it. */
u32 console_ask(struct console *c, const struct question_one *q);

/* The answer to a question of an earlier round: status, text, index, data. */
const struct question_one *console_answer(const struct console *c, u32 i);
/* Its lines of JSON as an array of objects, which the frame owns; numbers of 2^63 and more are approximate. */
const json_t *console_rows(struct console *c, u32 i);
/* Its first; NULL: there is none. */
const json_t *console_row(struct console *c, u32 i);

/* "" where it is no string. */
const char *console_str(const json_t *o, const char *key);
/* 0 where it is no number. */
u64 console_u64(const json_t *o, const char *key);
bool console_true(const json_t *o, const char *key);
/* Seconds of a record's time_ns. */
u64 console_time(const json_t *record);

/* ---- answering: within ask or show ---- */

/* Instead of the page: this status, and why. */
void console_fail(struct console *c, u32 status, const char *fmt, ...) _printf_(3, 4);
/* Instead of the page: 303, to a path of ours. */
void console_redirect(struct console *c, const struct page_url *to);
/* The page's heading, a value. */
void console_title(struct console *c, const char *fmt, ...) _printf_(2, 3);
/* A file that a browser stores under that name, of [a-z0-9._-]. */
void console_download(struct console *c, const char *name);

/* ---- the frame ---- */

/* Is that path of the console? */
bool console_has(const struct http_head *h);
/* enum access_use that it takes; 0: anybody may ask. */
u32 console_use(const struct http_head *h);
void console_serve(struct gateway *g, struct http_exchange *x);
/* A page that says why somebody was not let in. */
void console_refuse(struct http_exchange *x, u32 status, const char *why);
/* Why a POST is not taken: it does not come from a page of ours. NULL: it does. origin, host: headers, s NULL where they are not there. */
const char *console_post_refused(struct http_str origin, struct http_str host, bool tls);

#define CONSOLE_COOKIE "__Host-keep"
/* The frame of a page: everything up to <main>'s content, and behind it. */
struct console_frame {
	const char *title;
	const struct console_page *page; /* NULL: none of the navigation */
	const struct proto_principal *is;
	const char *log; /* the log's origin; "": not known */
	u32 refresh_s;	 /* 0: it does not load itself again */
	const struct page_url *refresh_to;
};
void console_frame_begin(struct page *p, const struct console_frame *f);
void console_frame_end(struct page *p, const struct console_frame *f);

/* ---- pages: one or two of them in a file ---- */

/* overview.c */
void overview_ask(struct console *c);
void overview_show(struct console *c, struct page *p);
/* login.c */
void login_show(struct console *c, struct page *p);
void enter_ask(struct console *c);
void enter_show(struct console *c, struct page *p);
