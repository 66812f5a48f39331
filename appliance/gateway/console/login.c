/* Logging in by a link that `keep console` printed: a page with one button, and what it sends. The link is only spent by the button, so that
 * a program that looks at links beforehand spends none. keepd knows neither secret: of the link it has a hash, of the cookie it is sent one. */
#define _GNU_SOURCE
#include "gateway/console/console.h"
#include "base/access.h"
#include "base/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define DIGITS (2u * ACCESS_SECRET_BYTES)

/* 0; 1 that is no link's secret. */
static int link_read(const char *text, u8 ret[ACCESS_SECRET_BYTES])
{
	return strlen(text) != DIGITS || bytes_unhex(text, ACCESS_SECRET_BYTES, ret);
}

void login_show(struct console *c, struct page *p)
{
	const char *link = form_get(&c->query, "link");
	u8 secret[ACCESS_SECRET_BYTES];
	if (!form_has(&c->query, "link") || link_read(link, secret)) {
		page_html(p,
			"<p class=\"lead\">The console is opened on the appliance itself: <code>keep "
			"console</code> prints a "
			"link for whoever asks, an officer or an auditor. It is good for one use, for five "
			"minutes.</p>\n"
			"<p>Or show a certificate that a rule gives the use <code>console</code>, and go to "
			"<a href=\"/console\">the overview</a>.</p>\n");
		return;
	}
	explicit_bzero(secret, sizeof secret);
	page_html(p, "<p class=\"lead\">This link is good for one use. It opens the console in this browser, "
		     "in the name of "
		     "whoever asked for it.</p>\n<form method=\"post\" action=\"/console/login\">"
		     "<input type=\"hidden\" name=\"link\"");
	page_attr(p, "value", link);
	page_html(p, "><button type=\"submit\">Open the console</button></form>\n");
}

/* The cookie's secret, while keepd is asked. */
struct entering {
	u8 secret[ACCESS_SECRET_BYTES];
};

void enter_ask(struct console *c)
{
	struct form form;
	u8 secret[ACCESS_SECRET_BYTES], proof[SHA256_BYTES];
	struct question_one q = { .type = CTL_ENTER, .len = sizeof q.body.enter, .fd = -1 };
	struct entering *e;
	if (c->round)
		return;
	if (form_read((const char *)c->body, c->body_len, &form) ||
		link_read(form_get(&form, "link"), secret)) {
		console_fail(c, 400, "That is no link of this console");
		return;
	}
	e = c->own = malloc(sizeof *e);
	if (!e || getrandom(e->secret, sizeof e->secret, 0) != (ssize_t)sizeof e->secret) {
		console_fail(c, 503, "No login can be made now");
		return;
	}
	access_key_proof(secret, q.body.enter.link);
	access_key_proof(e->secret, proof);
	access_key_hash(proof, q.body.enter.login);
	console_ask(c, &q);
	explicit_bzero(&form, sizeof form);
	explicit_bzero(secret, sizeof secret);
	explicit_bzero(proof, sizeof proof);
	explicit_bzero(&q, sizeof q);
}

void enter_show(struct console *c, struct page *p)
{
	const struct question_one *a = console_answer(c, 0);
	struct entering *e = c->own;
	struct page_url home;
	char hex[DIGITS + 1];
	if (a->status != END_DONE) {
		console_fail(c, 401, "That link was used, is too old, or is none: %s", a->text);
		return;
	}
	bytes_hex(e->secret, sizeof e->secret, hex);
	explicit_bzero(e, sizeof *e);
	snprintf(c->headers, sizeof c->headers,
		"Set-Cookie: " CONSOLE_COOKIE "=%s; Path=/; Secure; HttpOnly; SameSite=Strict\r\n", hex);
	explicit_bzero(hex, sizeof hex);
	page_url(&home, "/console");
	console_redirect(c, &home);
}
