/* report.html: one page that prints well, without a script or anything from elsewhere. It is for reading; what counts are the records and
 * the proof beside it. Everything that a person or a model wrote is escaped. */
#define _GNU_SOURCE
#include "audit/tlog/report.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/facts.h"
#include "base/sha256.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GROUPS_MAX 1024u  /* rows of a table of sums; whatever comes later is one row */
#define LISTED_MAX 20000u /* records that are listed one by one; entries.jsonl has all */
#define CHUNK	   4096u

struct group {
	char key[104];
	u64 n, failed, tokens, first, last;
};
struct groups {
	struct group g[GROUPS_MAX];
	u32 n;
};
struct listed {
	u64 index, time_ns;
	char *event, *what;
	enum facts_severity severity;
};
struct asked { /* a question's own facts, for its answer */
	u64 index;
	char actor[80], model[80];
};
struct tlog_report {
	u64 from, to;
	u64 first_ns, last_ns;
	struct groups events, actors, models;
	struct listed *l;
	size_t n, cap;
	u64 beyond; /* not listed */
	json_t *reviews;
	struct asked asked[CHUNK];
};

const char tlog_report_readme[] =
	"An excerpt of the audit log of a Keep appliance, which proves itself.\n\n"
	"entries.jsonl    the records, byte for byte as they were hashed, one a line\n"
	"range            the proof that these and no others stand there, with the log's signed checkpoint\n"
	"log.vkey         the log's public key, as the log says; compare it with the one that you hold\n"
	"witness-policy   who must have cosigned the checkpoint; when it is not here, nobody\n"
	"policy           whose signatures were enough for which model; when it is not here, none was set\n"
	"context/         records from elsewhere in the log that the above rests on, each with a C2SP "
	"tlog-proof\n"
	"report.html      the same for reading and for paper\n"
	"verify.py        checks all of this; 300 lines of Python that need nothing but Python: read them "
	"first\n"
	"SHA256SUMS       of all these files (sha256sum -c SHA256SUMS)\n"
	"taken.json       the log's own record that this excerpt was made: it holds the digest of "
	"SHA256SUMS\n"
	"taken.tlog-proof its proof\n\n"
	"To check, with a program that you brought yourself:\n\n"
	"  keep-audit-verify evidence DIRECTORY --vkey KEY\n"
	"  python3 verify.py DIRECTORY --vkey KEY\n";

int tlog_report_new(u64 from, u64 to, struct tlog_report **ret)
{
	struct tlog_report *r = calloc(1, sizeof *r);
	if (!r || !(r->reviews = json_array())) {
		free(r);
		return err_origin(-ENOMEM);
	}
	r->from = from;
	r->to = to;
	*ret = r;
	return 0;
}

void tlog_report_free(struct tlog_report **pr)
{
	struct tlog_report *r = *pr;
	*pr = NULL;
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		free(r->l[i].event);
		free(r->l[i].what);
	}
	free(r->l);
	json_decref(r->reviews);
	free(r);
}

/* ---- gathering ---- */

static void count(struct groups *g, const char *key, u64 index, bool failed, u64 tokens)
{
	u32 i = 0;
	if (!*key)
		return;
	while (i < g->n && strcmp(g->g[i].key, key))
		i++;
	if (i == g->n && g->n == GROUPS_MAX)
		key = "others", i = GROUPS_MAX - 1;
	if (i == g->n)
		g->g[g->n++].first = index;
	struct group *p = &g->g[i];
	snprintf(p->key, sizeof p->key, "%s", key);
	p->n++;
	p->failed += failed;
	p->tokens += tokens;
	p->last = index;
}

static void actor_of(const json_t *j, char *out, size_t cap)
{
	const json_t *a = json_object_get(j, "actor");
	struct cell person = facts_cell(a, "person"), uid = facts_cell(a, "uid"),
		    auth = facts_cell(a, "auth");
	if (!strcmp(auth.s, "self"))
		snprintf(out, cap, "keepd");
	else
		snprintf(out, cap, "%.48s%suser %.16s%s", person.s, person.s[0] ? " (" : "", uid.s,
			person.s[0] ? ")" : "");
}

static int list(struct tlog_report *r, const json_t *j, u64 index)
{
	static const char *const quiet[] = { "log-read", "clock" };
	struct cell event = facts_cell(j, "event");
	char what[512];
	for (size_t i = 0; i < ARRAY_LEN(quiet); i++)
		if (!strcmp(event.s, quiet[i]))
			return 0;
	if (r->n == LISTED_MAX) {
		r->beyond++;
		return 0;
	}
	if (r->n == r->cap) {
		size_t cap = r->cap ? 2 * r->cap : 256;
		struct listed *p = realloc(r->l, cap * sizeof *p);
		if (!p)
			return 1;
		r->l = p;
		r->cap = cap;
	}
	facts_line(j, what, sizeof what);
	struct listed *l = &r->l[r->n++];
	*l = (struct listed){ index, facts_u64(j, "time_ns"), strdup(event.s), strdup(what),
		facts_severity_of(j) };
	return !l->event || !l->what;
}

static void add_up(struct tlog_report *r, const json_t *j, u64 index)
{
	struct cell event = facts_cell(j, "event"), name = facts_cell(j, "name");
	struct asked own = { .index = index };
	const struct asked *of = &own;
	u64 intent = facts_u64(j, "intent");
	bool answer = json_object_get(j, "intent") != NULL, failed = facts_severity_of(j) != FACTS_INFO;
	actor_of(j, own.actor, sizeof own.actor);
	if (json_object_get(j, "model"))
		snprintf(own.model, sizeof own.model, "%.64s", name.s);
	if (answer && r->asked[intent % CHUNK].index == intent)
		of = &r->asked[intent % CHUNK];
	if (!answer)
		r->asked[index % CHUNK] = own;
	u64 tokens = facts_u64(j, "n_prompt") + facts_u64(j, "n_generated");
	count(&r->events, event.s, index, failed, tokens);
	count(&r->actors, of->actor, index, failed, tokens);
	count(&r->models, of->model, index, failed, tokens);
}

int tlog_report_add(struct tlog_report *r, u64 index, const char *line, size_t len)
{
	json_t *j = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!j) /* numbers beyond 2^63 */
		j = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	if (!json_is_object(j)) {
		json_decref(j);
		return 1;
	}
	u64 t = facts_u64(j, "time_ns");
	r->first_ns = r->first_ns ? MIN(r->first_ns, t) : t;
	r->last_ns = MAX(r->last_ns, t);
	add_up(r, j, index);
	if (!strcmp(facts_cell(j, "event").s, "review"))
		json_array_append(r->reviews, j);
	int full = list(r, j, index);
	json_decref(j);
	return full ? err_origin(-ENOMEM) : 0;
}

/* ---- writing ---- */

static void text(FILE *f, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc((u8)*s < 0x20 && *s != '\n' ? ' ' : *s, f);
		}
	}
}

static void when(FILE *f, u64 ns)
{
	time_t s = (time_t)(ns / 1000000000u);
	char buf[32];
	struct tm tm;
	gmtime_r(&s, &tm);
	strftime(buf, sizeof buf, "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(f, "<time>%s</time>", buf);
}

static void row(FILE *f, const char *name, const char *value, bool mono)
{
	fprintf(f, "<tr><th scope=\"row\">%s</th><td%s>", name, mono ? " class=\"mono\"" : "");
	text(f, value);
	fputs("</td></tr>\n", f);
}

static const char style[] =
	"<style>\n"
	":root{--ink:#1a1d21;--dim:#5c6570;--line:#d5d9de;--soft:#f4f6f8;--bad:#9b1c1c;--warn:#8a5a00;--good:"
	"#1b6b3a}\n"
	"*{box-sizing:border-box}\n"
	"body{margin:0 auto;padding:2.5rem 1.5rem 4rem;max-width:58rem;color:var(--ink);background:#fff;"
	"font:15px/1.5 system-ui,'DejaVu Sans',sans-serif}\n"
	"h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem;"
	"padding-top:.8rem;border-top:2px solid var(--ink)}\n"
	"p{margin:.5rem 0;max-width:44rem}.dim,time{color:var(--dim)}\n"
	"table{border-collapse:collapse;width:100%;margin:.4rem 0 1rem;font-size:.9rem}\n"
	"th,td{text-align:left;vertical-align:top;padding:.28rem .7rem .28rem 0;border-bottom:1px solid "
	"var(--line)}\n"
	"thead th{color:var(--dim);font-weight:600;border-bottom:1.5px solid var(--ink)}\n"
	".facts th{width:13rem;color:var(--dim);font-weight:500}\n"
	"td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
	".mono,pre,code{font-family:'DejaVu Sans "
	"Mono',ui-monospace,monospace;font-size:.82em;overflow-wrap:anywhere}\n"
	"time{font-variant-numeric:tabular-nums;white-space:nowrap}.e{white-space:nowrap}\n"
	"pre{background:var(--soft);border:1px solid var(--line);padding:.7rem "
	".9rem;white-space:pre-wrap;line-height:1.45}\n"
	".FAILED{color:var(--warn)}.ALARM{color:var(--bad);font-weight:600}.good{color:var(--good)}.warn{"
	"color:var(--warn)}\n"
	".open{border-left:4px solid var(--warn);padding:.1rem 0 .1rem .9rem;margin:.6rem 0}\n"
	"@page{size:A4;margin:18mm 16mm 20mm}\n"
	"@media "
	"print{body{padding:0;max-width:none;font-size:10pt}h2{break-after:avoid}tr,.open{break-inside:avoid}"
	"thead{display:table-header-group}pre{background:none}a{color:inherit;text-decoration:none}}\n"
	"</style>\n";

static void table(FILE *f, const char *title, const char *what, struct groups *g)
{
	if (!g->n)
		return;
	fprintf(f,
		"<h2>%s</h2>\n<table><thead><tr><th>%s</th><th class=\"n\">records</th><th "
		"class=\"n\">failed</th>"
		"<th class=\"n\">tokens</th><th class=\"n\">first</th><th "
		"class=\"n\">last</th></tr></thead><tbody>\n",
		title, what);
	for (u32 i = 0; i < g->n; i++) {
		const struct group *p = &g->g[i];
		fputs("<tr><td>", f);
		text(f, p->key);
		fprintf(f,
			"</td><td class=\"n\">%" PRIu64 "</td><td class=\"n%s\">%" PRIu64
			"</td><td class=\"n\">%" PRIu64 "</td><td class=\"n\">%" PRIu64
			"</td><td class=\"n\">%" PRIu64 "</td></tr>\n",
			p->n, p->failed ? " FAILED" : "", p->failed, p->tokens, p->first, p->last);
	}
	fputs("</tbody></table>\n", f);
}

static void reviews(const struct tlog_report *r, FILE *f)
{
	size_t i;
	json_t *j;
	fputs("<h2>Sign-offs</h2>\n", f);
	if (!json_array_size(r->reviews))
		fputs("<p class=\"dim\">Nobody signed anything off in this range.</p>\n", f);
	json_array_foreach(r->reviews, i, j)
	{
		bool open = facts_u64(j, "questions") > 0;
		char actor[80];
		actor_of(j, actor, sizeof actor);
		fprintf(f, "%s<p>Record %s: ", open ? "<div class=\"open\">" : "", facts_cell(j, "index").s);
		text(f, actor);
		fprintf(f, " on records %s to %" PRIu64 "%s</p>\n<pre>", facts_cell(j, "from").s,
			facts_u64(j, "to") - 1, open ? ", <strong>with open questions</strong>" : "");
		text(f, json_string_value(json_object_get(j, "note"))
				? json_string_value(json_object_get(j, "note"))
				: "");
		fprintf(f, "</pre>%s\n", open ? "</div>" : "");
	}
}

static void acts(const struct tlog_report *r, FILE *f)
{
	static const char *const classes[] = {
		[FACTS_INFO] = "", [FACTS_FAILED] = "FAILED", [FACTS_ALARM] = "ALARM"
	};
	fputs("<h2>Record by record</h2>\n<p class=\"dim\">Times are UTC, as the machine's clock said. "
	      "Reading the log and steps of the "
	      "clock are left out here; entries.jsonl has every record whole.</p>\n"
	      "<table><thead><tr><th "
	      "class=\"n\">record</th><th>time</th><th>event</th><th>what</th></tr></thead><tbody>\n",
		f);
	for (size_t i = 0; i < r->n; i++) {
		const struct listed *l = &r->l[i];
		fprintf(f, "<tr><td class=\"n\">%" PRIu64 "</td><td>", l->index);
		when(f, l->time_ns);
		fprintf(f, "</td><td class=\"e %s\">%s</td><td class=\"mono\">", classes[l->severity],
			l->event);
		text(f, l->what);
		fputs("</td></tr>\n", f);
	}
	fputs("</tbody></table>\n", f);
	if (r->beyond)
		fprintf(f, "<p>%" PRIu64 " more records are not listed here.</p>\n", r->beyond);
}

static void head(const struct tlog_report *r, const struct tlog_report_facts *x, FILE *f)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	      "<meta name=\"viewport\" content=\"width=device-width\">"
	      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	      "'unsafe-inline'\">\n<title>",
		f);
	text(f, x->origin);
	fprintf(f,
		", records %" PRIu64 " to %" PRIu64
		"</title>\n%s</head><body>\n<h1>Audit evidence</h1>\n<p class=\"dim\">",
		r->from, r->to - 1, style);
	text(f, x->made);
	fputs("</p>\n", f);
}

static void facts(const struct tlog_report *r, const struct tlog_report_facts *x, FILE *f)
{
	char buf[128], hex[2 * SHA256_BYTES + 1];
	bytes_hex(x->root, SHA256_BYTES, hex);
	fputs("<table class=\"facts\"><tbody>\n", f);
	row(f, "Log", x->origin, true);
	snprintf(buf, sizeof buf, "%" PRIu64 " to %" PRIu64 ": %" PRIu64 " of them", r->from, r->to - 1,
		r->to - r->from);
	row(f, "Records", buf, false);
	fputs("<tr><th scope=\"row\">From, to</th><td>", f);
	when(f, r->first_ns);
	fputs(" &ndash; ", f);
	when(f, r->last_ns);
	fputs(" UTC</td></tr>\n", f);
	snprintf(buf, sizeof buf, "of %" PRIu64 " records", x->size);
	row(f, "Checkpoint", buf, false);
	row(f, "Root", hex, true);
	row(f, "Log's key", x->vkey, true);
	fprintf(f, "<tr><th scope=\"row\">Witnesses</th><td class=\"%s\">%s</td></tr>\n",
		x->witnessed ? "good" : "warn",
		x->witnessed   ? "the checkpoint is cosigned as the log's witness policy asks"
		: x->witnesses ? "not cosigned yet: only the log itself vouches for this state"
			       : "none are installed: nobody else could tell that the log was rolled back");
	fputs("</tbody></table>\n", f);
}

static void how_to_check(const struct tlog_report_facts *x, FILE *f)
{
	fputs("<h2>How to check</h2>\n<p>This page is for reading. What counts are the records in "
	      "<code>entries.jsonl</code>, which the proof in <code>range</code> ties to the signed "
	      "checkpoint: none can be changed, left out, added or moved without the check failing. "
	      "Compare the key with the one that you hold, then run one of these:</p>\n"
	      "<pre>keep-audit-verify evidence . --vkey '",
		f);
	text(f, x->vkey);
	fputs("'\npython3 verify.py . --vkey '", f);
	text(f, x->vkey);
	fputs("'</pre>\n", f);
}

int tlog_report_write(struct tlog_report *r, const struct tlog_report_facts *x, FILE *f)
{
	head(r, x, f);
	facts(r, x, f);
	how_to_check(x, f);
	reviews(r, f);
	table(f, "By person", "who acted", &r->actors);
	table(f, "By model", "model", &r->models);
	table(f, "By event", "event", &r->events);
	fputs("<h2>Policy in force</h2>\n", f);
	if (x->policy) {
		fputs("<pre>", f);
		text(f, x->policy);
		fputs("</pre>\n", f);
	} else {
		fputs("<p class=\"dim\">None was set: any trusted signer was enough.</p>\n", f);
	}
	acts(r, f);
	fputs("</body></html>\n", f);
	return ferror(f) ? err_origin(-EIO) : 0;
}
