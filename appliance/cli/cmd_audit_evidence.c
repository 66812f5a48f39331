/* audit evidence: an excerpt that proves itself, in a directory (audit/tlog/evidence.h). What is written is judged before anybody is told
 * that it is there. */
#define _GNU_SOURCE
#include "audit/tlog/evidence.h"
#include "audit/tlog/report.h"
#include "audit/tlog/proof.h"
#include "base/bytes.h"
#include "base/err.h"
#include "cli/evidence.h"
#include "cli/excerpt.h"
#include "cli/filter.h"
#include "cli_config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct making {
	const char *path;
	int dir;
	struct ctl k;
	struct excerpt e;
	struct tlog_report *report;
	FILE *entries;
	char *policy, *witnesses; /* texts; NULL: none */
};

static void making_fini(struct making *m)
{
	if (m->entries)
		fclose(m->entries);
	tlog_report_free(&m->report);
	excerpt_fini(&m->e);
	ctl_close(&m->k);
	fd_close(&m->dir);
	free(m->policy);
	free(m->witnesses);
}

static int failed(const struct making *m, const char *name)
{
	return out_fail(CLI_UNDECIDED, "%s/%s: %s", m->path, name, strerror(errno));
}

static int put(const struct making *m, const char *name, const void *data, size_t len)
{
	_cleanup_fd_ int fd =
		openat(m->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	int r = fd < 0 ? -errno : fd_write_all(fd, data, len);
	if (!r && fsync(fd) < 0)
		r = -errno;
	errno = -r;
	return r ? failed(m, name) : 0;
}

/* ---- the records ---- */

static int on_line(void *arg, u64 index, const char *s, size_t len)
{
	struct making *m = arg;
	if (fwrite(s, 1, len, m->entries) != len || putc('\n', m->entries) == EOF)
		return failed(m, EVIDENCE_ENTRIES);
	int r = tlog_report_add(m->report, index, s, len);
	return r > 0 ? head_malformed() : r ? out_fail(CLI_UNDECIDED, "%s", strerror(-r)) : 0;
}

static int entries(struct making *m, u64 from, u64 to)
{
	int fd = openat(m->dir, EVIDENCE_ENTRIES, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	m->entries = fd < 0 ? NULL : fdopen(fd, "w");
	if (!m->entries)
		return failed(m, EVIDENCE_ENTRIES);
	int r = tlog_report_new(from, to, &m->report);
	r = r ? out_fail(CLI_UNDECIDED, "%s", strerror(-r))
	      : excerpt_read(
			&m->k, &(struct excerpt_params){ from, to, "evidence records", on_line, m }, &m->e);
	if (!r && (fflush(m->entries) || fsync(fd) < 0))
		r = failed(m, EVIDENCE_ENTRIES);
	return r ? r : put(m, EVIDENCE_RANGE, m->e.text, m->e.len);
}

/* ---- what they rest on ---- */

/* Record `index` with its proof, as stem.json and stem.tlog-proof: under a checkpoint that the log's key of now signed. */
static int proven(struct making *m, u64 index, bool newest, const char *stem)
{
	_cleanup_json_ json_t *j = NULL;
	char name[64];
	size_t len, entry_len;
	struct tlog_proof p;
	struct checkpoint cp;
	int r = head_one(
		&m->k, &(struct ctl_query){ .what = QUERY_RECEIPT, .first = index, .count = newest }, &j);
	if (r)
		return r;
	const char *text = head_text(j, "text", &len), *entry = head_text(j, "entry", &entry_len);
	if (!text || !entry || tlog_proof_read(text, len, &p))
		return head_malformed();
	r = head_opens(&m->e.head, p.note, p.note_len, &cp);
	if (r)
		return r == 1 && !newest ? proven(m, index, true, stem) : head_malformed();
	snprintf(name, sizeof name, "%s.json", stem);
	r = put(m, name, entry, entry_len);
	snprintf(name, sizeof name, "%s.tlog-proof", stem);
	return r ? r : put(m, name, text, len);
}

static int context(struct making *m, u64 index)
{
	char stem[48];
	snprintf(stem, sizeof stem, EVIDENCE_CONTEXT "/%" PRIu64, index);
	return proven(m, index, false, stem);
}

struct last {
	json_t *j;
};
static int on_last(void *arg, const struct fd_map *data)
{
	struct last *l = arg;
	bool bad = false;
	struct lines lines = lines_of(data);
	json_t *j = lines_next(&lines, &bad);
	if (j) {
		json_decref(l->j);
		l->j = j;
	}
	return bad ? head_malformed() : 0;
}

/* The newest record of that event before record `to`; where it does not stand in the excerpt, it comes along. *ret stays NULL where there is
 * none. */
static int newest_of(struct making *m, const char *event, u64 to, json_t **ret)
{
	struct last l = { NULL };
	struct filter f = FILTER_NONE;
	struct proto_look q = {
		.what = LOOK_RECORDS, .flags = LOOK_NEWEST, .to = to, .until_ns = UINT64_MAX, .n_events = 1
	};
	f.last_given = true;
	f.last = 1;
	snprintf(q.events[0], sizeof q.events[0], "%s", event);
	int r = filter_each(&m->k, &q, &(struct filter_pages){ &f, "evidence context", 1, on_last, &l });
	*ret = l.j;
	u64 index = l.j ? lines_u64(l.j, "index") : 0;
	return r || !index || (index >= m->e.from && index < m->e.to) ? r : context(m, index);
}

/* The file that the newest such record before the end of the excerpt names as its policy. */
static int policy_of(struct making *m, const char *event, char **ret)
{
	_cleanup_json_ json_t *blob = NULL, *record = NULL;
	size_t len;
	int r = newest_of(m, event, m->e.to, &record);
	if (r || !record)
		return r;
	struct cell digest = lines_cell(record, "policy");
	r = head_one(&m->k, &(struct ctl_query){ .what = QUERY_BLOB, .name = digest.s }, &blob);
	if (r)
		return r;
	const char *text = head_text(blob, "text", &len);
	*ret = text ? strdup(text) : NULL;
	return *ret ? 0 : head_malformed();
}

static int grounds(struct making *m)
{
	char vkey[NOTE_VKEY_MAX + 1];
	_cleanup_json_ json_t *key = NULL;
	if (mkdirat(m->dir, EVIDENCE_CONTEXT, 0755) < 0)
		return failed(m, EVIDENCE_CONTEXT);
	snprintf(vkey, sizeof vkey, "%s\n", m->e.head.vkey);
	int r = put(m, EVIDENCE_KEY, vkey, strlen(vkey));
	r = r ? r : context(m, 0);
	r = r ? r : newest_of(m, "key", m->e.cp.size, &key);
	r = r ? r : policy_of(m, "witnesses", &m->witnesses);
	r = r ? r : policy_of(m, "policy-set", &m->policy);
	if (!r && m->witnesses)
		r = put(m, EVIDENCE_WITNESSES, m->witnesses, strlen(m->witnesses));
	if (!r && m->policy)
		r = put(m, EVIDENCE_POLICY, m->policy, strlen(m->policy));
	return r;
}

/* ---- for readers ---- */

static int readers(struct making *m)
{
	_cleanup_free_ char *page = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&page, &len);
	if (!f)
		return failed(m, "report.html");
	const struct tlog_report_facts facts = { .origin = m->e.cp.origin,
		.vkey = m->e.head.vkey,
		.size = m->e.cp.size,
		.root = m->e.cp.root.b,
		.witnessed = m->e.witnessed,
		.witnesses = m->witnesses,
		.policy = m->policy,
		.made = "made by keep " KEEP_VERSION };
	int r = tlog_report_write(m->report, &facts, f);
	if (fclose(f) || r)
		return failed(m, "report.html");
	r = put(m, "report.html", page, len);
	r = r ? r : put(m, "README.txt", tlog_report_readme, strlen(tlog_report_readme));
	return r ? r : put(m, "verify.py", evidence_script, evidence_script_len);
}

/* The list of files, and the log's record that it was made. */
static int seal(struct making *m, u64 *ret_index)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	struct proto_taken t = { .from = m->e.from, .to = m->e.to, .what = "evidence" };
	int r = tlog_evidence_sums(m->dir, t.manifest);
	if (r)
		return out_fail(CLI_UNDECIDED, "%s/" EVIDENCE_SUMS ": %s", m->path, out_reason(r));
	r = ctl_ask(&m->k, CTL_TAKEN, &t, sizeof t, -1, &a);
	if (r)
		return r;
	*ret_index = a.end.index;
	r = proven(m, a.end.index, true, "taken");
	return r || fsync(m->dir) == 0 ? r : failed(m, ".");
}

static int judged(const struct making *m, u64 index, bool json)
{
	struct evidence_result res;
	int r = tlog_evidence_judge(
		&(struct evidence_params){ .dir = m->path, .key = &m->e.head.key, .unwitnessed = true },
		&res);
	if (r)
		return out_fail(CLI_UNDECIDED, "%s: what was written does not hold: %s", m->path,
			r < 0 ? out_reason(r) : res.why);
	if (json)
		printf("{\"from\":%" PRIu64 ",\"to\":%" PRIu64 ",\"size\":%" PRIu64
		       ",\"witnessed\":%s,\"files\":%u,\"index\":%" PRIu64 "}\n",
			res.from, res.to, res.checkpoint.size, m->e.witnessed ? "true" : "false", res.n_files,
			index);
	else
		out_say("%s: records %" PRIu64 " to %" PRIu64 ", %s; record %" PRIu64, m->path, res.from,
			res.to - 1,
			m->e.witnessed ? "under a witnessed checkpoint"
				       : "under a checkpoint that no witness has signed yet",
			index);
	return CLI_DONE;
}

/* Nothing is left of what failed: the directory was made for it. */
static void undo(const struct making *m)
{
	static const char *const below[] = { EVIDENCE_CONTEXT, "." };
	for (size_t i = 0; i < ARRAY_LEN(below); i++) {
		int fd = openat(m->dir, below[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *d = fd < 0 ? NULL : fdopendir(fd);
		for (struct dirent *e; d && (e = readdir(d));)
			if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
				unlinkat(fd, e->d_name,
					strcmp(e->d_name, EVIDENCE_CONTEXT) ? 0 : AT_REMOVEDIR);
		if (d)
			closedir(d);
		else
			fd_close(&fd);
	}
	rmdir(m->path);
}

int evidence_run(struct cli *c, int argc, char **argv)
{
	_cleanup_(making_fini) struct making m = { .dir = -1, .k = CTL_NONE };
	bool json = false;
	u64 from, to, index = 0;
	int n;
	const struct opt opts[] = { { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 2, 2 }, &n))
		return n;
	if (filter_range(argv[0], &from, &to))
		return out_usage(c, "%s: not a range of records like 0..120", argv[0]);
	m.path = argv[1];
	int r = ctl_open(c, &m.k);
	if (r)
		return r;
	if (mkdir(m.path, 0755) < 0)
		return out_fail(errno == EEXIST || err_is_path(errno) ? CLI_REFUSED : CLI_UNDECIDED, "%s: %s",
			m.path, strerror(errno));
	m.dir = open(m.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m.dir < 0)
		return failed(&m, ".");
	r = entries(&m, from, to);
	r = r ? r : grounds(&m);
	r = r ? r : readers(&m);
	r = r ? r : seal(&m, &index);
	if (r)
		undo(&m);
	return r ? r : judged(&m, index, json);
}
