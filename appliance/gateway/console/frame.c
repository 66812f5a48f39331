/* What surrounds every page: head, banner, navigation, footer. */
#include "gateway/console/console.h"
#include "gateway/console/table.h"
#include "base/access.h"

#include <stdio.h>
#include <string.h>

static void navigation(struct page *p, const struct console_frame *f)
{
	page_html(p, "<nav aria-label=\"Pages\"><ul>\n");
	for (size_t i = 0; i < console_n_pages; i++) {
		const struct console_page *row = &console_pages[i];
		if (!row->name)
			continue;
		page_html(p, "<li><a");
		page_attr(p, "href", row->path);
		if (f->page && !strncmp(f->page->path, row->path, strlen(row->path)) &&
			(i > 0 || f->page == row))
			page_html(p, " aria-current=\"page\"");
		page_html(p, ">");
		page_text(p, row->name);
		page_html(p, "</a></li>\n");
	}
	page_html(p, "</ul></nav>\n");
}

static const char *role_words(u32 reads)
{
	return reads == (ROLE_OFFICER | ROLE_AUDITOR) ? "officer and auditor"
	       : reads == ROLE_OFFICER		      ? "officer"
						      : "auditor";
}

static void reader(struct page *p, const struct proto_principal *is)
{
	static const char *const how[] = { [HOW_PEER] = "as a user of this machine",
		[HOW_KEY] = "by API key",
		[HOW_CERT] = "by certificate",
		[HOW_LINK] = "by a link of keep console" };
	page_html(p, "<p class=\"reader\"><strong>");
	page_name(p, is->name);
	page_html(p, "</strong>, ");
	page_text(p, role_words(is->reads));
	page_html(p, ", ");
	page_text(p, is->how < ARRAY_LEN(how) && how[is->how] ? how[is->how] : "");
	if (is->expires_s) {
		page_html(p, ", until ");
		page_time(p, is->expires_s);
	}
	page_html(p, "</p>\n");
}

void console_frame_begin(struct page *p, const struct console_frame *f)
{
	page_html(p, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		     "<meta name=\"color-scheme\" content=\"light dark\">\n");
	if (f->refresh_s) { /* without a script too */
		page_html(p, "<meta http-equiv=\"refresh\" content=\"");
		page_int(p, f->refresh_s);
		page_html(p, ";url=");
		page_text(p, f->refresh_to->full ? "/console" : f->refresh_to->s);
		page_html(p, "\">\n");
	}
	page_html(p, "<title>");
	page_text(p, f->title);
	page_html(p,
		" \xc2\xb7 Keep</title>\n<link rel=\"stylesheet\" href=\"/console/style.css\">\n"
		"<link rel=\"icon\" href=\"/console/icon.svg\" type=\"image/svg+xml\">\n</head>\n<body>\n"
		"<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header class=\"banner\">\n"
		"<p class=\"brand\"><a href=\"/console\">Keep</a> <span>review console</span></p>\n");
	if (f->is)
		reader(p, f->is);
	page_html(p, "</header>\n");
	if (f->is)
		navigation(p, f);
	page_html(p, "<main id=\"main\" tabindex=\"-1\">\n<h1>");
	page_text(p, f->title);
	page_html(p, "</h1>\n");
}

void console_frame_end(struct page *p, const struct console_frame *f)
{
	page_html(p, "</main>\n<footer>\n");
	if (f->log && f->log[0]) {
		page_html(p, "<p>Log ");
		page_name(p, f->log);
		page_html(p, ".</p>\n");
	}
	page_html(p,
		"<p>Nothing can be changed here; a sign-off can be handed in. What you read of the log is "
		"recorded under your "
		"name; <code>keep console --end</code> ends what a link "
		"began.</p>\n</footer>\n</body></html>\n");
}
