#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/ipc.h"
#include "cli/ctl.h"
#include "cli/model.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* A name from a path: its last part, without .gguf, in our alphabet. 0; 1 nothing is left. */
static int default_name(const char *path, char ret[NAME_LEN_MAX + 8])
{
	char real[PATH_MAX];
	if (!realpath(path, real))
		return 1;
	const char *base = strrchr(real, '/') + 1;
	size_t len = strlen(base), n = 0;
	if (len > 5 && !strcmp(base + len - 5, ".gguf"))
		len -= 5;
	memset(ret, 0, NAME_LEN_MAX + 8);
	for (size_t i = 0; i < len && n < NAME_LEN_MAX; i++) {
		char ch = (char)tolower((u8)base[i]);
		bool ok = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '.' || ch == '_' ||
			  ch == '-';
		if (!ok)
			ch = '-';
		if (n || (ch != '.' && ch != '-'))
			ret[n++] = ch;
	}
	return bytes_name_ok(ret) ? 0 : 1;
}

/* The open files of the model. A bundle that cannot be read tells no names: the whole tree is sent then, and keepd's verdict
 * (which is recorded) says what is wrong with the bundle. 0; otherwise an exit status, said. */
static int open_tree(
	const char *path, const char *bundle, const u8 *data, size_t len, bool json, struct attest_tree *ret)
{
	struct attest_manifest *m = NULL;
	struct attest_report rep;
	attest_report_init(&rep);
	if (attest_bundle_peek(data, len, &m, &rep))
		m = NULL;
	attest_report_init(&rep);
	int r = attest_tree_open(
		&(struct attest_tree_params){ .path = path, .bundle_path = bundle, .listed = m }, ret, &rep);
	attest_manifest_free(m);
	return r ? model_say_result(r, &rep, path, json) : 0;
}

/* keepd may refuse before it has seen everything: then its answer is waiting, and what else we send is in vain. */
static int send_all(
	struct ctl *k, const struct proto_import *imp, const int *bundles, const struct attest_tree *t)
{
	int r = ipc_send(k->sock, CTL_IMPORT, 0, imp, sizeof *imp, bundles[0]);
	for (u32 i = 1; r == 0 && i <= imp->n_bundles; i++) {
		struct proto_index at = { .index = i };
		r = ipc_send(k->sock, CTL_BUNDLE, 0, &at, sizeof at, bundles[i]);
	}
	for (u32 i = 0; r == 0 && i < t->n_files; i++) {
		struct proto_file f = { .bytes = t->files[i].bytes, .index = i };
		if (bytes_put_str(f.path, sizeof f.path, t->files[i].path))
			return out_fail(CLI_REFUSED, "%s: a file's name has at most %u bytes",
				t->files[i].path, PATH_LEN_MAX);
		r = ipc_send(k->sock, CTL_FILE, 0, &f, sizeof f, t->files[i].fd);
	}
	if (r == 0)
		r = ipc_send(k->sock, CTL_IMPORT_GO, 0, NULL, 0, -1);
	return r && r != -EPIPE ? out_fail(CLI_UNDECIDED, "keepd: %s", out_reason(r)) : 0;
}

static int import(struct cli *c, const struct proto_import *imp, const int *bundles,
	const struct attest_tree *t, bool json)
{
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	int r = ctl_open(c, &k);
	r = r ? r : send_all(&k, imp, bundles, t);
	r = r ? r : ctl_finish(&k, &a);
	if (r)
		return r;
	if (a.has_verdict) {
		a.verdict.detail[sizeof a.verdict.detail - 1] = 0;
		struct model_grounds g = { a.signers, a.rules, a.n_signers, a.n_rules };
		r = model_say_grounded(&a.verdict, &g, imp->name, json, a.end.index);
		if (r == CLI_DONE && a.end.status != END_DONE)
			out_say("%s", a.end.text);
	} else if (a.end.status != END_DONE) {
		out_say("%s: %s", imp->name, a.end.text[0] ? a.end.text : "refused");
	}
	if (a.end.status == END_DONE)
		out_next("keep run %s \"...\"", imp->name);
	return a.end.status != END_DONE ? (int)a.end.status : r;
}

struct bundles {
	int fd[BUNDLES_MAX];
	u32 n;
};

static void bundles_close(struct bundles *b)
{
	for (u32 i = 0; i < b->n; i++)
		fd_close(&b->fd[i]);
}

/* 0; otherwise an exit status, said. */
static int bundles_open(const struct opt_list *paths, struct bundles *ret)
{
	for (size_t i = 0; i < paths->n; i++) {
		int fd = open(paths->v[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0)
			return out_fail(CLI_UNDECIDED, "%s: %s", paths->v[i], out_reason(errno));
		ret->fd[ret->n++] = fd;
	}
	return 0;
}

static int import_path(struct cli *c, int argc, char **argv)
{
	const char *name = NULL;
	struct opt_list bundles = { .n = 0 };
	char found[PATH_MAX];
	bool json = false;
	int n;
	const struct opt opts[] = { { "--bundle", OPT_LIST, &bundles, NULL },
		{ "--name", OPT_STR, &name, NULL }, { "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	const char *path = argv[0];
	struct proto_import imp = { 0 };
	if (name && (!bytes_name_ok(name) || bytes_put_str(imp.name, sizeof imp.name, name)))
		return out_fail(CLI_USAGE,
			"%s: a name is 1 to %u of a-z 0-9 . _ - and does not start with . or -", name,
			NAME_LEN_MAX);
	int r = attest_prepare();
	if (r)
		return out_fail(CLI_UNDECIDED, "OpenSSL: %s", out_reason(r));
	if (!bundles.n && (r = model_find_bundle(path, found, sizeof found)))
		return r;
	if (!bundles.n)
		bundles.v[bundles.n++] = found;
	if (bundles.n > BUNDLES_MAX)
		return out_fail(CLI_USAGE, "--bundle: at most %u of them", BUNDLES_MAX);
	_cleanup_(bundles_close) struct bundles open_bundles = { .n = 0 };
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	if ((r = bundles_open(&bundles, &open_bundles)))
		return r;
	const char *bundle = bundles.v[0];
	if ((r = model_read_file(bundle, BUNDLE_BYTES_MAX, &data, &len)))
		return r;
	struct attest_tree t = { 0 };
	if ((r = open_tree(path, bundle, data, len, json, &t)))
		return r;
	imp.n_files = t.n_files;
	imp.n_bundles = open_bundles.n - 1;
	imp.bytes = t.bytes;
	if (!name && default_name(path, imp.name))
		r = out_fail(CLI_USAGE, "%s: no name can be made from it; give --name", path);
	else
		r = import(c, &imp, open_bundles.fd, &t, json);
	attest_tree_fini(&t);
	return r;
}

/* "keep import ls" is "keep ls" and so on. */
int cmd_import(struct cli *c, int argc, char **argv)
{
	static const char *const also[] = { "ls", "show", "revoke", "rm" };
	for (size_t i = 0; argc && i < ARRAY_LEN(also); i++) {
		if (strcmp(argv[0], also[i]))
			continue;
		c->verb = cli_verb_find(also[i]);
		return c->verb->func(c, argc - 1, argv + 1);
	}
	return import_path(c, argc, argv);
}
