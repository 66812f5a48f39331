/* audit archive: a period of the log on a medium of its own; audit prune: then its records need not stay here whole. */
#define _GNU_SOURCE
#include "audit/tlog/archive.h"
#include "base/bytes.h"
#include "cli/archive.h"
#include "cli/file.h"
#include "cli/filter.h"
#include "cli/head.h"
#include "cli/lines.h"
#include "cli/person.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_RECORDS 10000u /* records of one query: as many as keepd gives at once */

struct job {
	struct ctl k;
	struct head head;  /* the newest checkpoint */
	json_t *witnessed; /* the newest that witnesses cosigned, and the policy */
	const char *note;  /* the one that goes along */
	size_t len;
	struct checkpoint cp;
	struct archive_range r;
	struct tiles_dir d;
	u8 digest[SHA256_BYTES];
};
#define JOB_NONE                                    \
	{                                           \
		.k = CTL_NONE, .d = TILES_DIR_NONE, \
	}
static void job_fini(struct job *j)
{
	tlog_tiles_close(&j->d);
	json_decref(j->witnessed);
	head_free(&j->head);
	ctl_close(&j->k);
}

static int failed(const char *dir, int r, const char *why)
{
	return out_fail(r > 0 ? CLI_REFUSED : CLI_UNDECIDED, "%s: %s", dir, r > 0 ? why : out_reason(r));
}

/* ---- which checkpoint ---- */

/* The cosigned one where it covers the range, else the newest. */
static int choose(struct job *j)
{
	struct ctl_query q = { .what = QUERY_WITNESSED };
	int r = head_ask(&j->k, &j->head);
	r = r ? r : head_one(&j->k, &q, &j->witnessed);
	if (r)
		return r;
	size_t text_len;
	j->note = head_text(j->witnessed, "note", &j->len);
	if (!j->note)
		return head_malformed();
	bool cosigned = lines_u64(j->witnessed, "size") >= j->r.to;
	if (!cosigned) {
		j->note = j->head.note;
		j->len = j->head.len;
	}
	if (tlog_note_open(j->note, j->len, &j->head.key, 1, &text_len) ||
		tlog_checkpoint_read(j->note, text_len, &j->cp))
		return head_malformed();
	if (j->r.to > j->cp.size)
		return out_fail(CLI_REFUSED, "the log has %" PRIu64 " records", j->cp.size);
	j->r = tlog_archive_round(j->r, j->cp.size);
	if (!cosigned)
		out_say("no quorum of witnesses has cosigned a checkpoint over these records yet; what is "
			"archived so cannot be pruned before one has");
	return CLI_DONE;
}

/* ---- hashes of what is left out, entries of what is not ---- */

/* A page of hashes to fn. */
static int hashes(struct job *j, u32 what, u64 first, u64 count,
	int (*fn)(struct tiles_dir *d, const struct merkle_hash *h))
{
	while (count) {
		_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
		struct ctl_query q = { .what = what, .first = first, .count = MIN(count, HASHES_PER_QUERY) };
		const struct merkle_hash *h;
		int r = ctl_query(&j->k, &q, &a);
		if (r)
			return r;
		if (a.data.len != q.count * sizeof *h)
			return head_malformed();
		h = (const void *)a.data.data;
		for (u64 i = 0; !r && i < q.count; i++)
			r = fn(&j->d, &h[i]);
		if (r)
			return out_fail(CLI_UNDECIDED, "archive: %s", out_reason(r));
		first += q.count;
		count -= q.count;
	}
	return CLI_DONE;
}

/* Whole bundles from `from` to `to` by their roots; the rest of the log by its leaves. */
static int leave_out(struct job *j, u64 from, u64 to)
{
	u64 whole = to / TILE_WIDTH - from / TILE_WIDTH;
	int r = hashes(j, QUERY_SUBTREES, from / TILE_WIDTH, whole, tlog_tiles_skip);
	return r ? r
		 : hashes(j, QUERY_LEAVES, to - to % TILE_WIDTH, to > from ? to % TILE_WIDTH : 0,
			   tlog_tiles_leaf);
}

static int add_page(struct job *j, const struct fd_map *page, u64 *ret_n)
{
	struct tlog_text t = tlog_text(page->data, page->len);
	struct tlog_line l;
	for (*ret_n = 0; j->d.t.tree.size < j->r.to && tlog_text_line(&t, &l) == 0; ++*ret_n) {
		if (lines_pruned(l.s, l.len, j->d.t.tree.size))
			return out_fail(CLI_REFUSED, "record %" PRIu64 " is pruned: an older archive has it",
				j->d.t.tree.size);
		int r = tlog_tiles_add(&j->d, l.s, l.len);
		if (r)
			return out_fail(
				CLI_UNDECIDED, "archive: %s", r > 0 ? "a record is too long" : out_reason(r));
	}
	return CLI_DONE;
}

static int entries(struct job *j)
{
	while (j->d.t.tree.size < j->r.to) {
		_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
		u64 n, at = j->d.t.tree.size;
		struct ctl_query q = {
			.what = QUERY_RECORDS, .first = at, .count = MIN(j->r.to - at, PAGE_RECORDS)
		};
		int r = ctl_query(&j->k, &q, &a);
		r = r ? r : add_page(j, &a.data, &n);
		if (r || n == 0)
			return r ? r : head_malformed();
		out_progress("records", j->d.t.tree.size - j->r.from, j->r.to - j->r.from);
	}
	out_progress_end();
	return CLI_DONE;
}

/* ---- the directory ---- */

/* Whom to believe: the installed policy, with this log's key in front where it names no log. */
static int put_policy(struct job *j)
{
	_cleanup_free_ char *text = NULL;
	size_t len, n;
	const char *policy = head_text(j->witnessed, "policy", &n);
	bool names = policy && (strstr(policy, "\nlog ") || strncmp(policy, "log ", 4) == 0);
	FILE *f = policy ? open_memstream(&text, &len) : NULL;
	if (!f)
		return policy ? -ENOMEM : -EIO;
	if (!names)
		fprintf(f, "log %s\n", j->head.vkey);
	fwrite(n ? policy : "quorum none\n", 1, n ? n : 12, f);
	return fclose(f) ? -ENOMEM : tlog_tiles_put(&j->d, "policy", text, len);
}

static int write_dir(struct job *j, const char *dir)
{
	char why[256], text[ARCHIVE_TEXT_MAX];
	if (file_in(dir, "checkpoint") || file_in(dir, ARCHIVE_SUMS))
		return failed(dir, 1, "there is an export, an archive or an excerpt already");
	int r = tlog_tiles_open(dir, &j->head.key, &j->d, why, sizeof why);
	if (r)
		return failed(dir, r, why);
	r = leave_out(j, 0, j->r.from);
	r = r ? r : entries(j);
	r = r ? r : leave_out(j, j->r.to, j->cp.size);
	if (r)
		return r;
	tlog_archive_text(&j->r, text);
	r = tlog_tiles_put(&j->d, ARCHIVE_FILE, text, strlen(text));
	r = r ? r : put_policy(j);
	r = r ? r : tlog_tiles_finish(&j->d, j->note, j->len);
	return r ? failed(dir, r, "what keepd gave is not what the log signed") : CLI_DONE;
}

/* As it lies there: read again, whole. */
static int verify_dir(struct job *j, const char *dir)
{
	char text[NOTE_VKEY_MAX + 32], why[256];
	_cleanup_policy_ struct tlog_policy *p = NULL;
	_cleanup_free_ struct fsck_result *res = calloc(1, sizeof *res);
	snprintf(text, sizeof text, "log %s\nquorum none\n", j->head.vkey);
	tlog_tiles_close(&j->d);
	int r = res ? tlog_archive_sums(dir, j->digest, why, sizeof why) : -ENOMEM;
	if (r)
		return failed(dir, r, why);
	r = tlog_policy_read(text, strlen(text), &p, why, sizeof why);
	if (r)
		return failed(dir, -EIO, why);
	r = tlog_fsck(&(struct fsck_params){ dir, p, NULL, 0, NULL }, res);
	return r ? failed(dir, r, res->why) : CLI_DONE;
}

static int tell(struct job *j, const char *dir, struct proto_archive p, bool json)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	char hex[2 * SHA256_BYTES + 1];
	p.from = j->r.from;
	p.to = j->r.to;
	p.size = j->cp.size;
	memcpy(p.root, j->cp.root.b, sizeof p.root);
	memcpy(p.digest, j->digest, sizeof p.digest);
	int r = ctl_ask(&j->k, CTL_ARCHIVED, &p, sizeof p, -1, &a);
	if (r)
		return r;
	bytes_hex(j->digest, sizeof j->digest, hex);
	if (json)
		printf("{\"archive\":%" PRIu64 ",\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"size\":%" PRIu64
		       ",\"digest\":\"%s\"}\n",
			a.end.index, p.from, p.to, p.size, hex);
	else
		out_say("%s: records %" PRIu64 "..%" PRIu64 ", verified there; archive %" PRIu64
			", SHA-256 of its SHA256SUMS %.16s...",
			dir, p.from, p.to, a.end.index, hex);
	return CLI_DONE;
}

int archive_run(struct cli *c, int argc, char **argv)
{
	bool json = false;
	const char *label = "";
	struct proto_archive p = { 0 };
	int n;
	_cleanup_(job_fini) struct job j = JOB_NONE;
	const struct opt opts[] = { { "--label", OPT_STR, &label, NULL },
		{ "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 2, 2 }, &n))
		return n;
	if (filter_range(argv[0], &j.r.from, &j.r.to) || j.r.from >= j.r.to)
		return out_usage(c, "%s: not a range FROM..TO of records", argv[0]);
	if (bytes_put_str(p.label, sizeof p.label, label))
		return out_usage(c, "--label: at most %zu bytes", sizeof p.label - 1);
	if (j.r.to - j.r.from > ARCHIVE_RECORDS_MAX)
		return out_fail(CLI_REFUSED, "%s: one archive holds at most %u records", argv[0],
			ARCHIVE_RECORDS_MAX);
	int r = ctl_open(c, &j.k);
	r = r ? r : choose(&j);
	r = r ? r : write_dir(&j, argv[1]);
	r = r ? r : verify_dir(&j, argv[1]);
	return r ? r : tell(&j, argv[1], p, json);
}

int archive_prune(struct cli *c, int argc, char **argv)
{
	struct person_opts o = PERSON_OPTS_NONE;
	struct proto_prune p = { 0 };
	int n;
	const struct opt opts[] = { PERSON_OPTS(&o) };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (opt_u64(argv[0], UINT64_MAX - 1, &p.archive))
		return out_usage(c, "%s: not the index of an archive's record", argv[0]);
	if (bytes_put_str(p.text, sizeof p.text, o.reason))
		return out_fail(CLI_USAGE, "--reason: at most %u bytes", REASON_LEN_MAX);
	return person_ask(c, &o, &(struct person_command){ CTL_PRUNE, &p, sizeof p, -1 });
}
