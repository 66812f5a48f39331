/* An evidence bundle as a download (audit/tlog/evidence.h): records with the proof that they are all of their span, what they rest on, and the log's own
 * record that they were taken. Whoever has it needs no appliance to judge it. */
#define _GNU_SOURCE
#include "audit/tlog/evidence.h"
#include "audit/tlog/proof.h"
#include "base/bytes.h"
#include "base/facts.h"
#include "gateway/console/bundle.h"
#include "gateway/console/files.h"
#include "gateway/console/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_RECORDS 10000u	/* of one answer of keepd's */
#define MOST_BYTES   (6u << 20) /* of records; a page holds them with all else */
#define FILES_MAX    20u

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
		console_fail(c, 400,
			"A download has at most %u records: keep audit evidence, at the appliance, takes any "
			"number",
			MOST_RECORDS);
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

static const char readme[] =
	"An excerpt of the audit log of a Keep appliance, which proves itself.\n\n"
	"entries.jsonl    the records, byte for byte as they were hashed, one a line\n"
	"range            the proof that these and no others stand there, with the log's signed checkpoint\n"
	"log.vkey         the log's public key, as the log says; compare it with the one that you hold\n"
	"witness-policy   who must have cosigned the checkpoint; when it is not here, nobody\n"
	"policy           whose signatures were enough for which model; when it is not here, none was set\n"
	"context/         records from elsewhere in the log that the above rests on, each with its proof\n"
	"verify.py        checks all of this; it needs nothing but Python: read it first\n"
	"SHA256SUMS       of all these files\n"
	"taken.json       the log's own record that this was taken, which holds the digest of SHA256SUMS; "
	"and its proof\n\n"
	"To check, with a program that you brought yourself:\n\n"
	"  keep-audit-verify evidence DIRECTORY --vkey KEY\n"
	"  python3 verify.py DIRECTORY --vkey KEY\n";

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

/* 0; 1 something is not there. */
static int files(struct console *c, struct bundle *b)
{
	static const char *const names[GROUNDS] = { NULL, EVIDENCE_WITNESSES, EVIDENCE_POLICY };
	const struct question_one *records = console_answer(c, b->a_records);
	int r = add(b, EVIDENCE_ENTRIES, records->data.data, records->data.len);
	snprintf(b->vkey, sizeof b->vkey, "%s\n", console_str(console_row(c, b->a_head), "vkey"));
	r |= add_text(b, EVIDENCE_RANGE, console_row(c, b->a_range), "text");
	r |= add(b, EVIDENCE_KEY, b->vkey, strlen(b->vkey));
	r |= add(b, "README.txt", readme, sizeof readme - 1);
	r |= add(b, "verify.py", console_verify_py, console_verify_py_len);
	r |= add_context(c, b, 0, b->a_zero);
	for (u32 i = 0; i < GROUNDS; i++) {
		u64 index = facts_u64(console_row(c, b->a_newest[i]), "index");
		if (b->receipt[i])
			r |= add_context(c, b, index, b->a_receipt[i]);
		if (b->blob[i])
			r |= add_text(b, names[i], console_row(c, b->a_blob[i]), "text");
	}
	return r;
}

/* The log is told what leaves before it does. */
static void ask_taken(struct console *c, struct bundle *b)
{
	struct question_one q = { .type = CTL_TAKEN,
		.len = sizeof q.body.taken,
		.body.taken = { .from = b->from, .to = b->to, .what = "evidence" },
		.fd = -1 };
	const struct question_one *records = console_answer(c, b->a_records);
	if (!whole(b, records) || records->data.len > MOST_BYTES) {
		console_fail(c, 400, "These records do not fit into a download: %s",
			records->text[0] ? records->text
					 : "keep audit evidence, at the appliance, takes any number");
		return;
	}
	if (files(c, b)) {
		console_fail(c, 503, "Something that belongs to the bundle could not be read");
		return;
	}
	add_sums(b);
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
