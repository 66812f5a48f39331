/* A sign-off: the text that an auditor signs elsewhere, and the note that comes back. The text names the root of the records that were reviewed; it is
 * only shown when the log's newest signed checkpoint goes on from that root. */
#define _GNU_SOURCE
#include "audit/tlog/review.h"
#include "audit/tlog/witness.h"
#include "base/fd.h"
#include "gateway/console/reviews.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS 5u /* rows of hashes that keepd answers with: leaves, and roots of 256^1 to 256^4 records */

struct draft {
	struct tlog_review r;
	char remark[REVIEW_LINE_MAX + 1], questions[REVIEW_BYTES_MAX];
	u32 a_head, a_request, a_row[LEVELS];
	char *text;
};

/* ---- what is asked ---------------------------------------------------------------------------------------------------------- */

/* One a line. 0; 1 too many, or too long. */
static int read_questions(struct draft *d, const char *s)
{
	if (snprintf(d->questions, sizeof d->questions, "%s", s) >= (int)sizeof d->questions)
		return 1;
	for (char *at = d->questions, *line; (line = strsep(&at, "\r\n"));) {
		if (!*line)
			continue;
		if (d->r.n_questions == REVIEW_QUESTIONS_MAX)
			return 1;
		d->r.question[d->r.n_questions++] = (struct tlog_line){ line, strlen(line) };
	}
	return 0;
}

static const char *read_draft(struct console *c, struct draft *d)
{
	const char *vkey = form_get(&c->query, "vkey"), *remark = form_get(&c->query, "remark");
	d->r.time = c->now_s;
	if (form_u64(&c->query, "from", UINT64_MAX - 1, &d->r.from) ||
		form_u64(&c->query, "to", UINT64_MAX - 1, &d->r.to) || d->r.from >= d->r.to)
		return "Which records: from one to a later one";
	if (form_u64(&c->query, "time", 253402300799u, &d->r.time) == 2)
		return "That is no time";
	if (tlog_note_key_from_vkey(vkey, strlen(vkey), &d->r.key) || d->r.key.type != NOTE_ED25519)
		return "That is no public key of a person: keep role key makes one, and writes its vkey";
	if (!remark[0] || snprintf(d->remark, sizeof d->remark, "%s", remark) >= (int)sizeof d->remark)
		return "A remark is one line, of at most 1000 bytes";
	if (read_questions(d, form_get(&c->query, "questions")))
		return "At most 16 open questions";
	d->r.remark = (struct tlog_line){ d->remark, strlen(d->remark) };
	return NULL;
}

/* The first of row k that stands behind all whole rows above, and how many do: with them the first `to` records are complete. */
static u64 row_of(u64 to, u32 k, u64 *ret_first)
{
	*ret_first = k + 1 < LEVELS ? to >> 8 * (k + 1) << 8 : 0;
	return (to >> 8 * k) - *ret_first;
}

static void ask_hashes(struct console *c, struct draft *d)
{
	d->a_request =
		console_query(c, &(struct proto_query){ .what = QUERY_REQUEST, .first = d->r.to }, NULL);
	for (u32 k = 0; k < LEVELS; k++) {
		u64 first, n = row_of(d->r.to, k, &first);
		char name[2] = { k > 1 ? (char)('0' + k) : 0 };
		if (n)
			d->a_row[k] = console_query(c,
				&(struct proto_query){ .what = k ? QUERY_SUBTREES : QUERY_LEAVES,
					.first = first,
					.count = n },
				name);
	}
}

void sign_ask(struct console *c)
{
	struct draft *d = c->own;
	if (c->round == 0) {
		d = c->own = calloc(1, sizeof *d);
		const char *why = d ? read_draft(c, d) : "Out of memory";
		if (why) {
			console_fail(c, d ? 400 : 503, "%s", why);
			return;
		}
		console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
		d->a_head = console_query(c, &(struct proto_query){ .what = QUERY_CHECKPOINT }, NULL);
	} else if (c->round == 1) {
		if (d->r.to > console_u64(console_row(c, d->a_head), "size"))
			console_fail(c, 400, "The log has not so many records");
		else
			ask_hashes(c, d);
	}
}

/* ---- the text --------------------------------------------------------------------------------------------------------------- */

/* The root of the first `to` records. 0; 1 a row is not there. */
static int root_of(struct console *c, struct draft *d)
{
	struct merkle m = { 0 };
	struct merkle_hash path[MERKLE_PROOF_MAX + 1];
	for (u32 k = LEVELS; k-- > 0;) {
		u64 first, n = row_of(d->r.to, k, &first);
		const struct question_one *a = n ? console_answer(c, d->a_row[k]) : NULL;
		if (n && (a->status != END_DONE || a->data.len != n * sizeof path[0]))
			return 1;
		for (u64 i = 0; i < n; i++) {
			struct merkle_hash h;
			memcpy(&h, (const u8 *)a->data.data + i * sizeof h, sizeof h);
			(void)tlog_merkle_add_subtree(&m, 8 * k, &h, path);
		}
	}
	d->r.root = tlog_merkle_root(&m);
	return 0;
}

/* Does the newest checkpoint of the log go on from there? NULL: it does. */
static const char *judge(struct console *c, struct draft *d)
{
	const json_t *head = console_row(c, d->a_head), *j = console_row(c, d->a_request),
		     *text = json_object_get(j, "text");
	const char *vkey = console_str(head, "vkey");
	struct witness_request q;
	struct note_key key;
	size_t len;
	if (!text || tlog_witness_read(json_string_value(text), json_string_length(text), &q) ||
		q.old != d->r.to)
		return console_answer(c, d->a_request)->text;
	if (tlog_note_key_from_vkey(vkey, strlen(vkey), &key) ||
		tlog_note_open(q.checkpoint, q.checkpoint_len, &key, 1, &len) ||
		!tlog_checkpoint_key_fits(&q.cp, &key))
		return "the log's checkpoint is not signed by it";
	const struct merkle_consistent p = { d->r.to, q.cp.size, &d->r.root, &q.cp.root, q.proof, q.n_proof };
	if (tlog_merkle_consistency_check(&p))
		return "these records are not those that the log's checkpoint goes on from";
	snprintf(d->r.origin, sizeof d->r.origin, "%s", q.cp.origin);
	return NULL;
}

/* False: the page says why there is none. */
static bool draft_made(struct console *c, struct draft *d)
{
	const char *why = root_of(c, d) ? "the log's hashes could not be read" : judge(c, d);
	if (why)
		console_fail(c, 503, "No text to sign: %s", why);
	else if (tlog_review_text(&d->r, &d->text) || strlen(d->text) + NOTE_SIGNATURE_MAX > REVIEW_BYTES_MAX)
		console_fail(
			c, 400, "A remark and questions are lines of at most 1000 bytes, and 7000 in all");
	return !c->fail;
}

void text_show(struct console *c, struct page *p)
{
	struct draft *d = c->own;
	if (draft_made(c, d)) {
		page_markup(p, d->text, strlen(d->text));
		console_download(c, "review.txt");
	}
	free(d->text);
}

static void text_link(struct console *c, const struct draft *d, struct page *p)
{
	static const char *const same[] = { "from", "to", "vkey", "remark", "questions" };
	struct page_url u;
	page_url(&u, "/console/reviews/text");
	page_url_param_u64(&u, "time", d->r.time);
	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		page_url_param(&u, same[i], form_get(&c->query, same[i]));
	page_html(p, "<p>");
	if (u.full)
		page_html(p, "Copy it from here into a file called <code>review.txt</code>.");
	else
		page_a(p, &u, "Download it as review.txt");
	page_html(p, "</p>\n");
}

void sign_show(struct console *c, struct page *p)
{
	struct draft *d = c->own;
	if (draft_made(c, d)) {
		page_html(p, "<p class=\"lead\">This is what you would sign. The root says which log it is: "
			     "this one, and no "
			     "other.</p>\n<pre id=\"text\">");
		page_lines(p, d->text, strlen(d->text));
		page_html(p, "</pre>\n");
		text_link(c, d, p);
		page_html(p, "<p>On the machine that has your key:</p>\n<pre>keep audit sign-off --sign "
			     "review.txt --key YOUR.key "
			     "--out review.note</pre>\n<p>Then <a href=\"/console/reviews#return\">bring "
			     "review.note back</a>, or "
			     "at the appliance: <code>keep audit sign-off --in review.note</code>.</p>\n");
	}
	free(d->text);
}

/* ---- the way back ----------------------------------------------------------------------------------------------------------- */

/* The note as it stands in the field, else as the file says it; "": neither. */
static const char *brought(const struct form *f)
{
	const char *note = form_get(f, "note");
	return note[strspn(note, " \r\n")] ? note : form_get(f, "file");
}

/* A browser sends CR LF. */
static size_t without_cr(char *s)
{
	size_t n = 0;
	for (const char *from = s; *from; from++)
		if (*from != '\r')
			s[n++] = *from;
	s[n] = 0;
	return n;
}

void signed_ask(struct console *c)
{
	struct question_one q = { .type = CTL_REVIEW, .fd = -1 };
	struct form *form;
	char *note;
	if (c->round)
		return;
	const struct http_str type = http_header_find(c->x->head, "content-type");
	form = c->own = malloc(sizeof *form);
	if (!form || form_read_body(type.s, type.len, (const char *)c->body, c->body_len, form) ||
		!brought(form)[0]) {
		console_fail(c, form ? 400 : 503, form ? "That is no signed note" : "Out of memory");
		return;
	}
	note = strdup(brought(form));
	size_t len = note ? without_cr(note) : 0;
	if (len > REVIEW_BYTES_MAX)
		console_fail(c, 400, "A sign-off has at most %u bytes", REVIEW_BYTES_MAX);
	else if (!note || fd_memfd_sealed("keep-file", note, len, &q.fd))
		console_fail(c, 503, "Out of memory");
	else
		console_ask(c, &q);
	free(note);
}

void signed_show(struct console *c, struct page *p)
{
	const struct question_one *a = console_answer(c, 0);
	struct page_url u;
	if (a->status != END_DONE) {
		console_fail(c, a->status == END_REFUSED ? 400 : 503, "It was not taken: %s", a->text);
		return;
	}
	page_url(&u, "/console/records/");
	page_url_u64(&u, a->index);
	console_redirect(c, &u);
}
