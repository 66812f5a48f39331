/* audit export: the log as files of other people's formats. A directory of tiles is cmd_audit_proofs.c's. */
#include "cli/export.h"
#include "cli/filter.h"
#include "cli/head.h"
#include "cli/proofs.h"

#include <errno.h>
#include <fcntl.h>
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
	return ferror(stdout) ? out_fail(CLI_UNDECIDED, "output: %s", strerror(errno)) : 0;
}

/* Standard output becomes the file, which appears whole at the end or not at all. */
static int redirect(const char *path, char *tmp, size_t cap)
{
	if ((size_t)snprintf(tmp, cap, "%s.part", path) >= cap)
		return out_fail(CLI_REFUSED, "%s: %s", path, strerror(ENAMETOOLONG));
	_cleanup_fd_ int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	fflush(stdout);
	if (fd < 0 || dup2(fd, 1) < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", tmp, strerror(errno));
	return 0;
}

static int finish(const char *path, const char *tmp, int status)
{
	if (!status && (fflush(stdout) || fsync(1) < 0 || rename(tmp, path) < 0))
		status = out_fail(CLI_UNDECIDED, "%s: %s", path, strerror(errno));
	if (status)
		unlink(tmp);
	return status;
}

static int export_records(struct cli *c, const struct filter *f, struct proto_look *q, const char *format)
{
	struct exporting e = { .line = NULL };
	_cleanup_head_ struct head h = { 0 };
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_free_ struct export_question *questions = calloc(EXPORT_QUESTIONS, sizeof *questions);
	char purpose[48];
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		if (!strcmp(format, formats[i].name))
			e.line = formats[i].line;
	snprintf(purpose, sizeof purpose, "export %.20s", format);
	int r = questions ? ctl_open(c, &k) : out_fail(CLI_UNDECIDED, "out of memory");
	r = r ? r : head_ask(&k, &h);
	e.x = (struct exporter){ h.cp.origin, questions };
	r = r ? r : filter_each(&k, q, &(struct filter_pages){ f, purpose, PAGE_RECORDS, on_page, &e });
	if (!r)
		out_say("%llu records", (unsigned long long)e.n);
	return r;
}

int proofs_export(struct cli *c, int argc, char **argv)
{
	struct filter f = FILTER_NONE;
	struct proto_look q;
	const char *dir = NULL, *format = NULL, *out = NULL;
	char tmp[4096];
	bool json = false, known = false;
	int n;
	const struct opt opts[] = { FILTER_OPTS(&f), { "--tiles", OPT_STR, &dir, NULL },
		{ "--format", OPT_STR, &format, NULL }, { "--out", OPT_STR, &out, NULL },
		{ "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 0, 0 }, &n))
		return n;
	if (!dir == !format)
		return out_usage(c, dir ? "--tiles or --format" : "--tiles or --format is missing");
	if (dir)
		return proofs_tiles(c, dir, json);
	for (size_t i = 0; i < ARRAY_LEN(formats); i++)
		known |= !strcmp(format, formats[i].name);
	if (!known)
		return out_usage(c, "--format: jsonl, ocsf, rfc5424 or fhir");
	int r = filter_read(c, &f, &q);
	r = r || !out ? r : redirect(out, tmp, sizeof tmp);
	if (r)
		return r;
	r = export_records(c, &f, &q, format);
	return out ? finish(out, tmp, r) : r;
}
