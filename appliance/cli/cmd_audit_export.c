/* audit export: the log as files of other people's formats. A directory of tiles is cmd_audit_proofs.c's. */
#include "cli/export.h"
#include "cli/file.h"
#include "cli/filter.h"
#include "cli/head.h"
#include "cli/proofs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_RECORDS 10000u /* records of one query */

int export_jsonl(struct exporter *x, const json_t *record, const char *line, size_t len)
{
	fwrite(line, 1, len, stdout);
	putchar('\n');
	return 0;
}

static const struct {
	const char *name;
	export_line *line;
} formats[] = { { "jsonl", export_jsonl }, { "ocsf", export_ocsf }, { "rfc5424", export_syslog },
	{ "fhir", export_fhir } };

struct exporting {
	struct exporter x;
	export_line *line;
	const char *to; /* where they go */
	u64 n;
};

static int on_page(void *arg, const struct fd_map *data)
{
	struct exporting *e = arg;
	struct tlog_text t = tlog_text(data->data, data->len);
	struct tlog_line l;
	for (; tlog_text_line(&t, &l) == 0; e->n++) {
		_cleanup_json_ json_t *j = json_loadb(l.s, l.len, JSON_REJECT_DUPLICATES, NULL);
		if (!j) /* numbers beyond 2^63 */
			j = json_loadb(l.s, l.len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
		if (!j)
			return head_malformed();
		if (e->line(&e->x, j, l.s, l.len))
			return out_fail(CLI_UNDECIDED, "out of memory");
	}
	return fflush(stdout) || ferror(stdout)
		       ? out_fail(CLI_UNDECIDED, "%s: %s", e->to, errno ? strerror(errno) : "not written")
		       : 0;
}

/* Standard output becomes the file. */
static int redirect(const char *path, struct file_out *ret)
{
	int r = file_begin(path, 0600, ret);
	fflush(stdout);
	if (!r && dup2(ret->fd, 1) < 0)
		r = file_end(ret, out_fail(CLI_UNDECIDED, "%s: %s", path, strerror(errno)));
	return r;
}

static int export_records(
	struct cli *c, const struct filter *f, struct proto_look *q, const char *format, struct exporting *e)
{
	_cleanup_head_ struct head h = { 0 };
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_free_ struct export_question *questions = calloc(EXPORT_QUESTIONS, sizeof *questions);
	char purpose[48];
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (!strcmp(format, formats[i].name))
			e->line = formats[i].line;
	snprintf(purpose, sizeof purpose, "export %.20s", format);
	int r = questions ? ctl_open(c, &k) : out_fail(CLI_UNDECIDED, "out of memory");
	r = r ? r : head_ask(&k, &h);
	e->x = (struct exporter){ h.cp.origin, questions };
	return r ? r : filter_each(&k, q, &(struct filter_pages){ f, purpose, PAGE_RECORDS, on_page, e });
}

int proofs_export(struct cli *c, int argc, char **argv)
{
	struct filter f = FILTER_NONE;
	struct proto_look q;
	const char *dir = NULL, *format = NULL, *out = NULL;
	struct file_out file;
	struct exporting e = { .to = "standard output" };
	bool json = false, known = false;
	int n;
	const struct opt opts[] = { FILTER_OPTS(&f), { "--tiles", OPT_STR, &dir, NULL },
		{ "--format", OPT_STR, &format, NULL }, { "--out", OPT_STR, &out, NULL },
		{ "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (!dir == !format)
		return out_usage(c, dir ? "--tiles or --format" : "--tiles or --format is missing");
	if (dir && (out || filter_given(&f)))
		return out_usage(c, "--tiles takes the whole log, and no other option but --json");
	if (dir)
		return proofs_tiles(c, dir, json);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		known |= !strcmp(format, formats[i].name);
	if (!known)
		return out_usage(c, "--format: jsonl, ocsf, rfc5424 or fhir");
	int r = filter_read(c, &f, &q);
	r = r || !out ? r : redirect(out, &file);
	if (r)
		return r;
	e.to = out ? out : e.to;
	r = export_records(c, &f, &q, format, &e);
	r = out ? file_end(&file, r) : r;
	if (!r)
		out_say("%" PRIu64 " records", e.n);
	return r;
}
