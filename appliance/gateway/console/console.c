/* The frame: a request becomes a page. Questions go to keepd as the reader, answers come back, the page is written and sent. */
#define _GNU_SOURCE
#include "gateway/console/console.h"
#include "gateway/console/table.h"
#include "gateway/metrics.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Nothing of another origin is loaded, nothing is framed, forms and scripts reach us alone; no script writes markup. The referrer stays
 * within this origin: without one a browser would hide where a form comes from. */
#define POLICY                                                                                               \
	"Content-Security-Policy: default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; " \
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "                  \
	"require-trusted-types-for 'script'; trusted-types 'none'\r\n"                                       \
	"X-Frame-Options: DENY\r\nCross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: " \
	"same-origin\r\n"                                                                                    \
	"Permissions-Policy: camera=(), microphone=(), geolocation=()\r\nReferrer-Policy: same-origin\r\n"
#define HTML "text/html; charset=utf-8"

/* ---- paths ------------------------------------------------------------------------------------------------------------------ */

static const char root[] = "/console";

bool console_has(const struct http_head *h)
{
	size_t n = sizeof root - 1;
	return h->path.len >= n && !memcmp(h->path.s, root, n) && (h->path.len == n || h->path.s[n] == '/');
}

static const struct console_file *file_of(const struct http_head *h)
{
	for (size_t i = 0; i < console_n_files; i++)
		if (http_str_is(h->path, console_files[i].path))
			return &console_files[i];
	return NULL;
}

/* Does the path fit? *ret_arg: what stands behind it; len 0: nothing. */
static bool fits(const struct console_page *row, struct http_str path, struct http_str *ret_arg)
{
	size_t n = strlen(row->path);
	bool takes = row->path[n - 1] == '/';
	if (path.len < n || memcmp(path.s, row->path, n) || (takes ? path.len == n : path.len != n))
		return false;
	*ret_arg = (struct http_str){ path.s + n, path.len - n };
	return true;
}

/* The row; NULL: none, and ret_allow says by what methods there is one of that path. */
static const struct console_page *page_of(
	const struct http_head *h, struct http_str *ret_arg, const char **ret_allow)
{
	const struct console_page *found = NULL;
	bool get = file_of(h), post = false;
	for (size_t i = 0; i < console_n_pages && !found; i++) {
		if (!fits(&console_pages[i], h->path, ret_arg))
			continue;
		get |= !strcmp(console_pages[i].method, "GET");
		post |= !strcmp(console_pages[i].method, "POST");
		if (http_method_is(h, console_pages[i].method))
			found = &console_pages[i];
	}
	*ret_allow = http_allow(get, post);
	return found;
}

u32 console_use(const struct http_head *h)
{
	struct http_str arg;
	const char *allow;
	const struct console_page *page = page_of(h, &arg, &allow);
	return file_of(h) || (page && page->open) ? 0 : USE_CONSOLE;
}

/* ---- sending ---------------------------------------------------------------------------------------------------------------- */

static void send_page(struct http_exchange *x, u32 status, const char *headers, struct page *p)
{
	static const char lost[] = "<!DOCTYPE html><title>Keep</title><p>The page does not fit into memory.";
	char all[2048];
	snprintf(all, sizeof all, POLICY "%s", headers);
	metrics_status(p->full ? 503 : status);
	if (p->full)
		http_reply(x, 503, HTML, all, lost, sizeof lost - 1);
	else
		http_reply(x, status, HTML, all, p->buf, p->len);
}

static const char *status_title(u32 status)
{
	return status == 401   ? "Log in"
	       : status == 403 ? "Not for you"
	       : status == 404 ? "Not here"
	       : status == 503 ? "No answer"
			       : "Not understood";
}

static void send_refusal(struct http_exchange *x, u32 status, const char *headers, const char *why,
	const struct proto_principal *is)
{
	struct page p;
	struct console_frame f = { .title = status_title(status), .is = is };
	page_init(&p, CONSOLE_PAGE_BYTES_MAX);
	console_frame_begin(&p, &f);
	page_html(&p, "<p class=\"lead\">");
	page_text(&p, why);
	page_html(&p, ".</p>\n");
	if (status == 401)
		page_html(&p, "<p>Officers and auditors come in by a link that <code>keep console</code> "
			      "prints for them on the "
			      "appliance, or by a certificate that a rule gives the use "
			      "<code>console</code>.</p>\n");
	console_frame_end(&p, &f);
	send_page(x, status, headers, &p);
	page_fini(&p);
}

/* A cookie that does not count any more shall not stand before a certificate that does. */
void console_refuse(struct http_exchange *x, u32 status, const char *why)
{
	static const char forget[] =
		"Set-Cookie: " CONSOLE_COOKIE "=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0\r\n";
	bool has = status == 401 && http_header_find(x->head, "cookie").s;
	send_refusal(x, status, has ? forget : "", why, NULL);
}

static void send_file(struct http_exchange *x, const struct console_file *f)
{
	metrics_status(200);
	http_reply(x, 200, f->type, POLICY, f->data, *f->len);
}

/* ---- one page --------------------------------------------------------------------------------------------------------------- */

static void console_free(struct console *c)
{
	question_set_stop(&c->set);
	for (u32 i = 0; i < c->n_asks; i++) {
		question_one_fini(c->asks[i]);
		json_decref(c->rows[i]);
		free(c->asks[i]);
	}
	free(c->own);
	free(c->held);
	free(c->to);
	explicit_bzero(c, sizeof *c);
	free(c);
}

static void on_gone(struct http_exchange *x)
{
	console_free(x->ctx);
}

static const char *origin_of(struct console *c)
{
	for (u32 i = 0; i < c->n_asks; i++)
		if (c->asks[i]->type == CTL_QUERY && c->asks[i]->body.query.what == QUERY_STATUS)
			return console_str(console_row(c, i), "origin");
	return "";
}

static void send_shown(struct console *c, struct page *p)
{
	char all[2048];
	if (!c->page->type) {
		send_page(c->x, 200, c->headers, p);
		return;
	}
	snprintf(all, sizeof all, POLICY "%s", c->headers);
	metrics_status(p->full ? 503 : 200);
	http_reply(c->x, p->full ? 503 : 200, c->page->type, all, p->buf, p->full ? 0 : p->len);
}

/* What the page says, into p. */
static void show(struct console *c, struct page *p)
{
	struct page in;
	page_init(&in, CONSOLE_PAGE_BYTES_MAX);
	if (!c->fail && !c->to)
		c->page->show(c, &in);
	struct console_frame f = { .title = c->title[0] ? c->title : c->page->title,
		.page = c->page,
		.is = c->reads ? &c->is : NULL,
		.log = origin_of(c),
		.refresh_s = c->refresh_s,
		.refresh_to = &c->refresh_to };
	if (!c->page->type)
		console_frame_begin(p, &f);
	page_markup(p, in.buf, in.len);
	p->full |= in.full;
	if (!c->page->type)
		console_frame_end(p, &f);
	page_fini(&in);
}

/* Everything is known: x is answered, and c is no more. */
static void finish(struct console *c)
{
	struct page p;
	char headers[sizeof c->headers + PAGE_URL_BYTES_MAX + 32];
	struct http_exchange *x = c->x;
	x->gone = NULL;
	x->ctx = NULL;
	page_init(&p, CONSOLE_PAGE_BYTES_MAX);
	show(c, &p);
	if (c->fail) {
		send_refusal(x, c->fail, c->headers, c->fail_text, c->reads ? &c->is : NULL);
	} else if (c->to) {
		snprintf(headers, sizeof headers, "%sLocation: %s\r\n", c->headers, c->to);
		metrics_status(303);
		http_reply(x, 303, HTML, headers, "", 0);
	} else {
		send_shown(c, &p);
	}
	page_fini(&p);
	console_free(c);
}

static void step(struct console *c);

static void on_over(struct question_set *s, const char *why)
{
	struct console *c = (struct console *)((char *)s - offsetof(struct console, set));
	if (why)
		console_fail(c, 503, "%s", why);
	c->round++;
	c->body = NULL;
	step(c);
}

/* The next round, or the end. */
static void step(struct console *c)
{
	u32 first = c->n_asks;
	if (!c->fail && !c->to && c->page->ask)
		c->page->ask(c);
	if (c->fail || c->to || c->n_asks == first) {
		finish(c);
		return;
	}
	c->set = (struct question_set){ .g = c->g,
		.proof = c->reads ? &who_of(c->x)->proof : NULL,
		.v = c->asks + first,
		.n = c->n_asks - first,
		.over = on_over };
	question_set_begin(&c->set);
}

/* 0; otherwise x was refused. */
static int read_head(struct console *c, struct http_str arg)
{
	const struct http_head *h = c->x->head;
	if (c->page->deep ? form_path(arg.s, arg.len, c->arg, sizeof c->arg)
			  : form_part(arg.s, arg.len, c->arg, sizeof c->arg))
		console_fail(c, 404, "there is no such page");
	else if (form_read(h->query.s, h->query.len, &c->query))
		console_fail(c, 400, "what stands behind the ? cannot be read");
	const char *bad = http_str_is(h->method, "POST")
				  ? console_post_refused(http_header_find(h, "origin"),
					    http_header_find(h, "host"), http_ssl(c->x) != NULL)
				  : NULL;
	if (!c->fail && bad)
		console_fail(c, 403, "%s", bad);
	return c->fail != 0;
}

static void begin(
	struct gateway *g, struct http_exchange *x, const struct console_page *page, struct http_str arg)
{
	struct console *c = calloc(1, sizeof *c);
	const struct who *who = who_of(x);
	if (!c) {
		console_refuse(x, 503, "Out of memory");
		return;
	}
	c->g = g;
	c->x = x;
	c->page = page;
	c->now_s = (u64)time(NULL);
	c->set.sock = -1;
	c->body = x->body;
	c->body_len = x->head->body_len;
	if (who) {
		c->is = who->is;
		c->reads = who->is.reads;
	}
	x->ctx = c;
	x->gone = on_gone;
	if (read_head(c, arg))
		finish(c);
	else
		step(c);
}

void console_serve(struct gateway *g, struct http_exchange *x)
{
	struct http_str arg = { 0 };
	const char *allow;
	const struct console_file *f = file_of(x->head);
	const struct console_page *page = page_of(x->head, &arg, &allow);
	const struct who *who = who_of(x);
	if (f && http_method_is(x->head, "GET"))
		send_file(x, f);
	else if (!page)
		send_refusal(x, allow[0] ? 405 : 404, allow,
			allow[0] ? "That is not how it is asked for" : "There is no such page",
			who ? &who->is : NULL);
	else if (!page->open && (!who || !who->is.reads))
		console_refuse(x, 403, "The console is for officers and auditors");
	else
		begin(g, x, page, arg);
}

/* ---- asking ----------------------------------------------------------------------------------------------------------------- */

u32 console_ask(struct console *c, const struct question_one *q)
{
	struct question_one *one = malloc(sizeof *one);
	assert(c->n_asks < CONSOLE_ASKS_MAX); /* pages are written here */
	if (!one) {
		int fd = q->fd;
		fd_close(&fd);
		console_fail(c, 503, "Out of memory");
		return 0;
	}
	*one = *q;
	c->asks[c->n_asks] = one;
	return c->n_asks++;
}

u32 console_query(struct console *c, const struct proto_query *q, const char *name)
{
	struct question_one one = { .type = CTL_QUERY, .len = sizeof *q, .body.query = *q, .fd = -1 };
	if (name)
		snprintf(one.body.query.name, sizeof one.body.query.name, "%s", name);
	return console_ask(c, &one);
}

u32 console_look(struct console *c, const struct proto_look *q)
{
	return console_ask(
		c, &(struct question_one){ .type = CTL_LOOK, .len = sizeof *q, .body.look = *q, .fd = -1 });
}

const struct question_one *console_answer(const struct console *c, u32 i)
{
	assert(i < c->n_asks);
	return c->asks[i];
}

/* A line as an object; NULL: it is none. Only where a number does not fit are numbers approximate. */
static json_t *row_of(const char *line, size_t len)
{
	json_t *row = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	row = row ? row : json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	if (json_is_object(row))
		return row;
	json_decref(row);
	return NULL;
}

const json_t *console_rows(struct console *c, u32 i)
{
	assert(i < c->n_asks);
	if (c->rows[i])
		return c->rows[i];
	const char *at = (const char *)c->asks[i]->data.data, *end = at + c->asks[i]->data.len;
	json_t *all = c->rows[i] = json_array();
	while (at && at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((nl ? nl : end) - at);
		json_array_append_new(all, n ? row_of(at, n) : NULL);
		at += n + 1;
	}
	return all;
}

const json_t *console_row(struct console *c, u32 i)
{
	return json_array_get(console_rows(c, i), 0);
}

const char *console_str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

u64 console_u64(const json_t *o, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(o, key));
	return v > 0 ? (u64)v : 0;
}

bool console_true(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

u64 console_time(const json_t *record)
{
	return console_u64(record, "time_ns") / 1000000000u;
}

/* ---- answering -------------------------------------------------------------------------------------------------------------- */

void console_fail(struct console *c, u32 status, const char *fmt, ...)
{
	va_list ap;
	if (c->fail)
		return;
	c->fail = status;
	va_start(ap, fmt);
	vsnprintf(c->fail_text, sizeof c->fail_text, fmt, ap);
	va_end(ap);
}

void console_title(struct console *c, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->title, sizeof c->title, fmt, ap);
	va_end(ap);
}

void console_redirect(struct console *c, const struct page_url *to)
{
	free(c->to);
	c->to = strdup(to->full ? "/console" : to->s);
	if (!c->to)
		console_fail(c, 503, "Out of memory");
}

void console_download(struct console *c, const char *name)
{
	size_t n = strlen(c->headers);
	assert(name[0] && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-")]);
	snprintf(c->headers + n, sizeof c->headers - n,
		"Content-Disposition: attachment; filename=\"%s\"\r\n", name);
}

/* A browser says in Origin which page a form stands on. Programs send none; they come by socket or with a key or certificate that no browser
 * would add for another page, or are refused here as well. */
const char *console_post_refused(struct http_str origin, struct http_str host, bool tls)
{
	static const char *const schemes[] = { "https://", "http://" };
	if (!tls && !origin.s)
		return NULL; /* a unix socket, to which no browser comes */
	for (u32 i = 0; origin.s && host.s && i < (tls ? 1u : 2u); i++) { /* bare: a proxy has the TLS */
		size_t n = strlen(schemes[i]);
		if (origin.len == host.len + n && !memcmp(origin.s, schemes[i], n) &&
			!memcmp(origin.s + n, host.s, host.len))
			return NULL;
	}
	return "That form does not stand on a page of this console";
}
