/* An evidence bundle as a download (audit/tlog/evidence.h): records with the proof that they are all of their span, what they rest on, and the log's own
 * record that they were taken. Whoever has it needs no appliance to judge it. */
#define _GNU_SOURCE
#include "audit/tlog/evidence.h"
#include "audit/tlog/proof.h"
#include "audit/tlog/range.h"
#include "audit/tlog/report.h"
#include "base/bytes.h"
#include "base/facts.h"
#include "gateway/console/bundle.h"
#include "gateway/console/files.h"
#include "gateway/console/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_RECORDS 10000u /* of one answer of keepd's */
#define LAST_BYTES   65536u /* room for taken.json, its proof, and the end */
#define FILES_MAX    20u
#define TAKES_ANY    "keep audit evidence, at the appliance, takes any number"

/* What the records rest on: the newest record of an event, and the file that it names. */
enum { KEY, WITNESSES, POLICY, GROUNDS };
static const char *const events[GROUNDS] = { "key", "witnesses", "policy-set" };

struct bundle {
	u64 from, to;
	u32 a_head, a_records, a_range, a_zero, a_newest[GROUNDS], a_receipt[GROUNDS], a_blob[GROUNDS],
		a_taken, a_proof;
	bool grounds, receipt[GROUNDS], blob[GROUNDS];
	char vkey[NOTE_VKEY_MAX + 1], sums[FILES_MAX * 192];
	u32 n;
	struct tar_file file[FILES_MAX];
	char name[FILES_MAX][TAR_NAME_MAX + 1];
};

/* ---- asking ----------------------------------------------------------------------------------------------------------------- */

static u32 ask_receipt(struct console *c, u64 index)
{
	return console_query(
		c, &(struct proto_query){ .what = QUERY_RECEIPT, .first = index, .count = 1 }, NULL);
}

static u32 ask_newest(struct console *c, const char *event, u64 to)
{
	struct proto_look q = { .what = LOOK_RECORDS,
		.flags = LOOK_NEWEST,
		.to = to,
		.until_ns = UINT64_MAX,
		.count = 1,
		.n_events = 1,
		.purpose = "evidence context" };
	snprintf(q.events[0], sizeof q.events[0], "%s", event);
	return console_look(c, &q);
}

static void ask_first(struct console *c)
{
	struct bundle *b = c->own = calloc(1, sizeof *b);
	if (!b || form_u64(&c->query, "from", UINT64_MAX - 2, &b->from) ||
		form_u64(&c->query, "to", UINT64_MAX - 1, &b->to) || b->from >= b->to) {
		console_fail(
			c, b ? 400 : 503, b ? "Which records: from one to a later one" : "Out of memory");
		return;
	}
	if (b->to - b->from > MOST_RECORDS) {
		console_fail(c, 400, "A download has at most %u records: " TAKES_ANY, MOST_RECORDS);
		return;
	}
	b->a_head = console_query(c, &(struct proto_query){ .what = QUERY_CHECKPOINT }, NULL);
	b->a_records = console_query(c,
		&(struct proto_query){ .what = QUERY_RECORDS, .first = b->from, .count = b->to - b->from },
		NULL);
	b->a_range = console_query(c,
		&(struct proto_query){ .what = QUERY_RANGE, .first = b->from, .count = b->to - b->from },
		NULL);
	b->a_zero = ask_receipt(c, 0);
	for (u32 i = 0; i < GROUNDS; i++)
		b->a_newest[i] = ask_newest(c, events[i], i == KEY ? UINT64_MAX : b->to);
}

static void ask_grounds(struct console *c, struct bundle *b)
{
	for (u32 i = 0; i < GROUNDS; i++) {
		const json_t *j = console_row(c, b->a_newest[i]);
		u64 index = facts_u64(j, "index");
		if (!j)
			continue;
		b->receipt[i] = index && (index < b->from || index >= b->to);
		b->blob[i] = i != KEY;
		if (b->receipt[i])
			b->a_receipt[i] = ask_receipt(c, index);
		if (b->blob[i])
			b->a_blob[i] = console_query(
				c, &(struct proto_query){ .what = QUERY_BLOB }, console_str(j, "policy"));
	}
}

/* ---- files ------------------------------------------------------------------------------------------------------------------ */

/* 1: it is not there. */
static int add(struct bundle *b, const char *name, const void *data, size_t len)
{
	assert(b->n < FILES_MAX && strlen(name) <= TAR_NAME_MAX);
	strcpy(b->name[b->n], name);
	b->file[b->n] = (struct tar_file){ b->name[b->n], data, len };
	b->n++;
	return !data;
}

static int add_text(struct bundle *b, const char *name, const json_t *j, const char *key)
{
	const json_t *s = json_object_get(j, key);
	return add(b, name, json_string_value(s), json_string_length(s));
}

/* A record with its proof. */
static int add_proven(struct console *c, struct bundle *b, u32 ask, const char *stem)
{
	char name[TAR_NAME_MAX + 1];
	const json_t *j = console_row(c, ask);
	snprintf(name, sizeof name, "%s.json", stem);
	int r = add_text(b, name, j, "entry");
	snprintf(name, sizeof name, "%s.tlog-proof", stem);
	return r | add_text(b, name, j, "text");
}

static int add_context(struct console *c, struct bundle *b, u64 index, u32 ask)
{
	char stem[48];
	snprintf(stem, sizeof stem, EVIDENCE_CONTEXT "/%" PRIu64, index);
	return add_proven(c, b, ask, stem);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct tar_file *)a)->name, ((const struct tar_file *)b)->name);
}

/* The list of all files so far, the last one. */
static void add_sums(struct bundle *b)
{
	size_t at = 0;
	qsort(b->file, b->n, sizeof b->file[0], by_name);
	for (u32 i = 0; i < b->n; i++) {
		char hex[2 * SHA256_BYTES + 1];
		u8 digest[SHA256_BYTES];
		sha256_of(b->file[i].data, b->file[i].len, digest);
		bytes_hex(digest, sizeof digest, hex);
		at += (size_t)snprintf(b->sums + at, sizeof b->sums - at, "%s  %s\n", hex, b->file[i].name);
	}
	(void)add(b, EVIDENCE_SUMS, b->sums, at);
}

static bool whole(const struct bundle *b, const struct question_one *a)
{
	u64 lines = 0;
	for (size_t i = 0; i < a->data.len; i++)
		lines += ((const char *)a->data.data)[i] == '\n';
	return a->status == END_DONE && lines == b->to - b->from;
}

/* The checkpoint that the proof ends in. 0; 1 malformed. */
static int checkpoint_of(const json_t *range, struct checkpoint *ret)
{
	const json_t *text = json_object_get(range, "text");
	struct tlog_range r;
	if (!json_is_string(text) || tlog_range_read(json_string_value(text), json_string_length(text), &r))
		return 1;
	const char *signatures = memmem(r.note, r.note_len, "\n\n", 2);
	return !signatures || tlog_checkpoint_read(r.note, (size_t)(signatures + 1 - r.note), ret);
}

/* 0; 1 a line is no record; -ENOMEM. */
static int read_lines(struct tlog_report *r, u64 from, const void *data, size_t len)
{
	int e = 0;
	const char *s = data;
	for (const char *end; !e && len && (end = memchr(s, '\n', len)); from++) {
		size_t n = (size_t)(end - s);
		e = tlog_report_add(r, from, s, n);
		s += n + 1;
		len -= n + 1;
	}
	return e;
}

/* The text of a file that the records rest on; NULL: there is none. */
static const char *ground(struct console *c, const struct bundle *b, u32 i)
{
	return b->blob[i] ? console_str(console_row(c, b->a_blob[i]), "text") : NULL;
}

static int write_report(struct console *c, struct bundle *b, struct tlog_report *r, size_t *ret_len)
{
	const json_t *range = console_row(c, b->a_range);
	const char *vkey = console_str(console_row(c, b->a_head), "vkey");
	struct checkpoint cp;
	if (checkpoint_of(range, &cp))
		return 1;
	FILE *f = open_memstream(&c->held, ret_len);
	if (!f)
		return 1;
	int e = tlog_report_write(r,
		&(struct tlog_report_facts){ .origin = cp.origin,
			.vkey = vkey,
			.size = cp.size,
			.root = cp.root.b,
			.witnessed = console_true(range, "witnessed"),
			.witnesses = ground(c, b, WITNESSES),
			.policy = ground(c, b, POLICY),
			.made = "made by the review console of Keep" },
		f);
	return fclose(f) || e ? 1 : 0;
}

static int add_report(struct console *c, struct bundle *b)
{
	const struct question_one *records = console_answer(c, b->a_records);
	_cleanup_tlog_report_ struct tlog_report *r = NULL;
	size_t len;
	if (tlog_report_new(b->from, b->to, &r) ||
		read_lines(r, b->from, records->data.data, records->data.len) || write_report(c, b, r, &len))
		return 1;
	return add(b, "report.html", c->held, len);
}

/* 0; 1 something is not there. */
static int files(struct console *c, struct bundle *b)
{
	static const char *const names[GROUNDS] = { NULL, EVIDENCE_WITNESSES, EVIDENCE_POLICY };
	const struct question_one *records = console_answer(c, b->a_records);
	int r = add(b, EVIDENCE_ENTRIES, records->data.data, records->data.len);
	snprintf(b->vkey, sizeof b->vkey, "%s\n", console_str(console_row(c, b->a_head), "vkey"));
	r |= add_text(b, EVIDENCE_RANGE, console_row(c, b->a_range), "text");
	r |= add(b, EVIDENCE_KEY, b->vkey, strlen(b->vkey));
	r |= add(b, "README.txt", tlog_report_readme, strlen(tlog_report_readme));
	r |= add(b, "verify.py", console_verify_py, console_verify_py_len);
	r |= add_context(c, b, 0, b->a_zero);
	for (u32 i = 0; i < GROUNDS; i++) {
		u64 index = facts_u64(console_row(c, b->a_newest[i]), "index");
		if (b->receipt[i])
			r |= add_context(c, b, index, b->a_receipt[i]);
		if (b->blob[i])
			r |= add_text(b, names[i], console_row(c, b->a_blob[i]), "text");
	}
	return r | add_report(c, b);
}

/* As they will stand in the archive. */
static u64 archive_bytes(const struct bundle *b)
{
	u64 n = 0;
	for (u32 i = 0; i < b->n; i++)
		n += tar_bytes(&b->file[i]);
	return n;
}

/* The log is told what leaves before it does. */
static void ask_taken(struct console *c, struct bundle *b)
{
	struct question_one q = { .type = CTL_TAKEN,
		.len = sizeof q.body.taken,
		.body.taken = { .from = b->from, .to = b->to, .what = "evidence" },
		.fd = -1 };
	const struct question_one *records = console_answer(c, b->a_records);
	if (!whole(b, records)) {
		console_fail(c, 400, "These records do not fit into a download: %s",
			records->text[0] ? records->text : TAKES_ANY);
		return;
	}
	if (files(c, b)) {
		console_fail(c, 503, "Something that belongs to the bundle could not be read");
		return;
	}
	add_sums(b);
	if (archive_bytes(b) > CONSOLE_PAGE_BYTES_MAX - LAST_BYTES) {
		console_fail(c, 400, "These records do not fit into a download: " TAKES_ANY);
		return;
	}
	sha256_of(b->sums, b->file[b->n - 1].len, q.body.taken.manifest);
	b->a_taken = console_ask(c, &q);
}

void bundle_ask(struct console *c)
{
	struct bundle *b = c->own;
	u32 first = c->n_asks;
	if (c->round == 0) {
		ask_first(c);
	} else if (!b->grounds) {
		b->grounds = true;
		ask_grounds(c, b);
		if (c->n_asks == first) /* they rest on nothing else */
			ask_taken(c, b);
	} else if (!b->a_taken) {
		ask_taken(c, b);
	} else if (!b->a_proof && console_answer(c, b->a_taken)->status == END_DONE) {
		b->a_proof = ask_receipt(c, console_answer(c, b->a_taken)->index);
	}
}

void bundle_show(struct console *c, struct page *p)
{
	struct bundle *b = c->own;
	char name[64];
	if (!b->a_proof || add_proven(c, b, b->a_proof, "taken")) {
		console_fail(c, 503, "The log could not say that this was taken: %s",
			b->a_taken ? console_answer(c, b->a_taken)->text : "nothing was");
		return;
	}
	for (u32 i = 0; i < b->n; i++)
		tar_put(p, &b->file[i], c->now_s);
	tar_end(p);
	snprintf(name, sizeof name, "evidence-%" PRIu64 "-%" PRIu64 ".tar", b->from, b->to - 1);
	console_download(c, name);
}
