#define _GNU_SOURCE
#include "cli/proofs.h"
#include "audit/tlog/archive.h"
#include "audit/tlog/paper.h"
#include "audit/tlog/tiles.h"
#include "audit/tlog/witness.h"
#include "cli/file.h"
#include "cli/head.h"
#include "cli/person.h"
#include "cli/qr.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_RECORDS 10000u /* records of one query: as many as keepd gives at once */

/* ---- export ---- */

static int add_page(struct tiles_dir *d, const struct fd_map *page, u64 size, u64 *ret_n)
{
	struct tlog_text t = tlog_text(page->data, page->len);
	struct tlog_line l;
	for (*ret_n = 0; d->t.tree.size < size && tlog_text_line(&t, &l) == 0; ++*ret_n) {
		if (lines_pruned(l.s, l.len, d->t.tree.size))
			return -ENODATA;
		int r = tlog_tiles_add(d, l.s, l.len);
		if (r)
			return r < 0 ? r : -EMSGSIZE;
	}
	return 0;
}

static int export_pages(struct ctl *k, struct tiles_dir *d, u64 size)
{
	while (d->t.tree.size < size) {
		_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
		u64 n;
		struct ctl_query q = {
			.what = QUERY_RECORDS, .first = d->t.tree.size, .count = PAGE_RECORDS
		};
		int r = ctl_query(k, &q, &a);
		if (r)
			return r;
		r = add_page(d, &a.data, size, &n);
		if (r == -ENODATA)
			return out_fail(CLI_REFUSED,
				"record %" PRIu64
				" is pruned: an archive has it (keep retention show), or an older "
				"export that is continued",
				d->t.tree.size);
		if (r || n == 0)
			return r ? out_fail(CLI_UNDECIDED, "tiles: %s", out_reason(r)) : head_malformed();
		out_progress("records", d->t.tree.size, size);
	}
	out_progress_end();
	return CLI_DONE;
}

int proofs_tiles(struct cli *c, const char *dir, bool json)
{
	char why[256];
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_head_ struct head h = { 0 };
	_cleanup_tiles_ struct tiles_dir d = TILES_DIR_NONE;
	if (file_in(dir, ARCHIVE_FILE) || file_in(dir, ARCHIVE_SUMS))
		return out_fail(
			CLI_REFUSED, "%s: it holds an archive or an excerpt, to which nothing is added", dir);
	int r = ctl_open(c, &k);
	r = r ? r : head_ask(&k, &h);
	if (r)
		return r;
	r = tlog_tiles_open(dir, &h.key, &d, why, sizeof why);
	if (r)
		return out_fail(
			r > 0 ? CLI_REFUSED : CLI_UNDECIDED, "%s: %s", dir, r > 0 ? why : out_reason(r));
	if (d.from > h.cp.size)
		return out_fail(CLI_REFUSED,
			"%s: it holds %" PRIu64 " records of this log, which has %" PRIu64
			": the log was rolled back",
			dir, d.from, h.cp.size);
	r = export_pages(&k, &d, h.cp.size);
	if (r)
		return r;
	r = tlog_tiles_finish(&d, h.note, h.len);
	if (r)
		return out_fail(r > 0 ? CLI_REFUSED : CLI_UNDECIDED, "%s: %s", dir,
			r > 0 ? "its entries and those of the log together are not the ones that the log "
				"signed"
			      : out_reason(r));
	if (json)
		printf("{\"size\":%" PRIu64 ",\"from\":%" PRIu64 "}\n", h.cp.size, d.from);
	else
		out_say("%s: %" PRIu64 " records, %" PRIu64 " of them new", dir, h.cp.size,
			h.cp.size - d.from);
	return CLI_DONE;
}

/* ---- receipts ---- */

int proofs_receipt(struct cli *c, int argc, char **argv)
{
	bool json = false, newest = false;
	int n;
	const char *out = NULL, *entry_file = NULL;
	u64 index;
	size_t len, entry_len;
	const struct opt opts[] = { { "--out", OPT_STR, &out, NULL },
		{ "--entry", OPT_STR, &entry_file, NULL }, { "--newest", OPT_FLAG, &newest, NULL },
		{ "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (opt_u64(argv[0], UINT64_MAX - 1, &index))
		return out_usage(c, "%s: not the index of a record", argv[0]);
	if (!out && !json)
		return out_usage(c, "--out is missing");
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_json_ json_t *j = NULL;
	int r = ctl_open(c, &k);
	r = r ? r
	      : head_one(&k, &(struct ctl_query){ .what = QUERY_RECEIPT, .first = index, .count = newest },
			&j);
	if (r)
		return r;
	const char *text = head_text(j, "text", &len), *entry = head_text(j, "entry", &entry_len);
	if (!text || !entry)
		return head_malformed();
	r = out ? file_write(out, text, len) : CLI_DONE;
	r = r || !entry_file ? r : file_write(entry_file, entry, entry_len);
	if (r == CLI_DONE && json)
		json_dumpf(j, stdout, JSON_COMPACT), putchar('\n');
	else if (r == CLI_DONE)
		out_say("record %" PRIu64 " of %" PRIu64 ", %s", index, lines_u64(j, "size"),
			json_is_true(json_object_get(j, "witnessed"))
				? "under a witnessed checkpoint"
				: "under a checkpoint that no witness has signed yet");
	return r;
}

/* ---- witnesses ---- */

/* What goes to keepd as a file with a frame. */
struct sending {
	const char *path; /* where it is from */
	const char *key;  /* to sign it with; NULL: it need not be */
	u32 type;
	const struct proto_name *body; /* may be NULL */
	bool json;
};
static int send_text(struct cli *c, const struct sending *s, const char *text, size_t len)
{
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	_cleanup_fd_ int fd = -1;
	int r = ctl_open(c, &k);
	if (r)
		return r;
	r = fd_memfd_sealed("keep-file", text, len, &fd);
	if (r)
		return out_fail(CLI_UNDECIDED, "%s", out_reason(r));
	k.about = s->path;
	const struct person_command p = { s->type, s->body, s->body ? sizeof *s->body : 0, fd };
	r = s->key ? person_sign(&k, s->key, &p) : 0;
	r = r ? r : ctl_ask(&k, s->type, p.body, p.len, fd, &a);
	if (s->json)
		printf("{\"ok\":%s,\"index\":%" PRIu64 "}\n", r ? "false" : "true",
			a.end.index == UINT64_MAX ? 0 : a.end.index);
	else if (r == CLI_DONE && !person_proposed(&a))
		out_say("%s; record %" PRIu64, a.end.text, a.end.index);
	return r;
}

int proofs_witnesses(struct cli *c, int argc, char **argv)
{
	bool json = false;
	int n;
	const char *reason = "", *key = NULL;
	char why[512];
	_cleanup_free_ char *text = NULL;
	size_t len;
	struct proto_name body = { 0 };
	const struct opt opts[] = { { "--reason", OPT_STR, &reason, NULL },
		{ "--sign-with", OPT_STR, &key, NULL }, { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (strlen(reason) >= sizeof body.text)
		return out_usage(c, "--reason: at most %zu bytes", sizeof body.text - 1);
	strcpy(body.text, reason);
	int r = file_read(argv[0], POLICY_BYTES_MAX, &text, &len, why, sizeof why);
	const struct sending s = { argv[0], key, CTL_WITNESSES, &body, json };
	return r ? out_fail(r, "%s", why) : send_text(c, &s, text, len);
}

/* What came back may be typed from paper, or only the lines that a witness answered; then the checkpoint is the one that they are for. */
static int join(const char *lines, size_t len, const char *checkpoint, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *note = NULL;
	char why[512];
	size_t note_len;
	struct witness_request q;
	int r = file_read(checkpoint, WITNESS_BYTES_MAX, &note, &note_len, why, sizeof why);
	if (r)
		return out_fail(r, "%s", why);
	const char *cp = note;
	if (tlog_witness_read(note, note_len, &q) == 0) {
		cp = q.checkpoint;
		note_len = q.checkpoint_len;
	}
	*ret = malloc(note_len + len + 1);
	if (!*ret)
		return out_fail(CLI_UNDECIDED, "%s", strerror(ENOMEM));
	memcpy(*ret, cp, note_len);
	memcpy(*ret + note_len, lines, len);
	*ret_len = note_len + len;
	return CLI_DONE;
}

int proofs_cosign(struct cli *c, int argc, char **argv)
{
	bool json = false, paper = false;
	int n;
	const char *checkpoint = NULL;
	char why[512];
	_cleanup_free_ char *text = NULL, *plain = NULL, *whole = NULL;
	size_t len;
	const struct opt opts[] = { { "--checkpoint", OPT_STR, &checkpoint, NULL },
		{ "--paper", OPT_FLAG, &paper, NULL }, { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	int r = file_read_parts(argv[0], WITNESS_BYTES_MAX, &text, &len, why, sizeof why);
	if (r)
		return out_fail(r, "%s", why);
	const char *what = text;
	if (paper) {
		u32 line;
		r = tlog_paper_read(text, len, (u8 **)&plain, &len, &line);
		if (r)
			return r < 0 ? out_fail(CLI_UNDECIDED, "%s", out_reason(r))
				     : out_fail(CLI_REFUSED, "%s: line %u was not typed as it was printed",
					       argv[0], line);
		what = plain;
	}
	if (checkpoint) {
		r = join(what, len, checkpoint, &whole, &len);
		if (r)
			return r;
		what = whole;
	}
	return send_text(c, &(struct sending){ argv[0], NULL, CTL_COSIGN, NULL, json }, what, len);
}

/* ---- checkpoints that leave ---- */

/* The newest checkpoint, or (old) the request to a witness that has seen so many records. */
static int fetch(struct cli *c, bool request, u64 old, json_t **ret)
{
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	int r = ctl_open(c, &k);
	return r ? r
		 : head_one(&k,
			   &(struct ctl_query){ .what = request ? QUERY_REQUEST : QUERY_CHECKPOINT,
				   .first = request ? old : 0 },
			   ret);
}

int proofs_checkpoint(struct cli *c, int argc, char **argv)
{
	bool json = false, qr = false, paper = false, request = false;
	int n;
	const char *out = NULL, *png = NULL;
	u64 old = 0;
	size_t len;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL }, { "--old", OPT_U64, &old, &request },
		{ "--out", OPT_STR, &out, NULL }, { "--qr", OPT_FLAG, &qr, NULL },
		{ "--png", OPT_STR, &png, NULL }, { "--paper", OPT_FLAG, &paper, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (json && (qr || paper))
		return out_usage(c, "--json does not go with --qr or --paper");
	_cleanup_json_ json_t *j = NULL;
	int r = fetch(c, request, old, &j);
	if (r)
		return r;
	const char *text = head_text(j, request ? "text" : "note", &len);
	if (!text)
		return head_malformed();
	if (json)
		json_dumpf(j, stdout, JSON_COMPACT), putchar('\n');
	else if (!out && !qr && !png && !paper)
		fwrite(text, 1, len, stdout);
	if (out)
		r = file_write(out, text, len);
	if (!r && qr)
		r = qr_print(text, len);
	if (!r && png)
		r = qr_png(text, len, png);
	if (!r && paper)
		tlog_paper_write(stdout, text, len);
	if (!r && !json && !request)
		out_say("signed with %s", lines_cell(j, "vkey").s);
	return r;
}
