#define _GNU_SOURCE
#include "attest/transfer.h"
#include "base/bytes.h"
#include "base/ipc.h"
#include "cli/collect.h"
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
	const char *slash = realpath(path, real) ? strrchr(real, '/') : NULL;
	const char *base = slash ? slash + 1 : path;
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
		struct proto_file f = {
			.bytes = t->files[i].bytes, .offset = t->files[i].offset, .index = i
		};
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

/* What was typed. */
struct args {
	const char *path, *name, *into;
	struct opt_list bundles;
	bool json;
};

/* What is imported: open, with everything that signs it. */
struct model {
	const char *path;
	const char *
		beside; /* the bundle's path, which is no file of the model; NULL: the bundle is in a transfer */
	int bundles[BUNDLES_MAX];
	u32 n_bundles;
	u8 *data; /* the first one's */
	size_t len;
	struct attest_tree tree;
	char in_transfer[NAME_LEN_MAX + 8]; /* the name that a transfer has; "": it is none */
};

static void model_close(struct model *m)
{
	for (u32 i = 0; i < m->n_bundles; i++)
		fd_close(&m->bundles[i]);
	free(m->data);
	attest_tree_fini(&m->tree);
}

/* 0; otherwise an exit status, said. */
static int bundles_open(const struct opt_list *paths, struct model *m)
{
	for (size_t i = 0; i < paths->n; i++) {
		int fd = open(paths->v[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (fd < 0)
			return out_fail(CLI_UNDECIDED, "%s: %s", paths->v[i], out_reason(errno));
		m->bundles[m->n_bundles++] = fd;
	}
	m->beside = paths->v[0];
	return model_read_file(m->beside, BUNDLE_BYTES_MAX, &m->data, &m->len);
}

/* Those that a transfer brings, as memory files. 0; otherwise an exit status, said. */
static int bundles_of_transfer(int fd, const struct attest_transfer *t, struct model *m)
{
	for (u32 i = 0; i < t->n_bundles; i++) {
		_cleanup_free_ u8 *data = NULL;
		size_t len;
		int r = attest_transfer_bundle(fd, t, i, &data, &len);
		r = r ? r : fd_memfd_sealed("keep-bundle", data, len, &m->bundles[i]);
		if (r)
			return out_fail(CLI_UNDECIDED, "%s: %s", m->path, out_reason(r));
		m->n_bundles++;
		if (i)
			continue;
		m->data = data;
		m->len = len;
		data = NULL;
	}
	memcpy(m->in_transfer, t->name, sizeof t->name);
	return 0;
}

/* 0 it is one, and its bundles are open; 1 it is none; else an exit status + 1, said. */
static int transfer_open(struct model *m, bool json)
{
	struct attest_transfer t;
	struct attest_report rep;
	_cleanup_fd_ int fd = open(m->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || !attest_transfer_is(fd))
		return 1;
	attest_report_init(&rep);
	int r = attest_transfer_read(fd, &t, &rep);
	if (r)
		return 1 + model_say_result(r, &rep, m->path, json);
	r = bundles_of_transfer(fd, &t, m);
	attest_transfer_fini(&t);
	return r ? 1 + r : 0;
}

/* The bundles: as typed, of the transfer, or where they usually lie. 0; otherwise an exit status, said. */
static int find_bundles(const struct args *a, struct model *m, char found[PATH_MAX])
{
	struct opt_list list = a->bundles;
	int r = list.n ? 1 : transfer_open(m, a->json);
	if (r != 1)
		return r ? r - 1 : 0;
	if (list.n > BUNDLES_MAX)
		return out_fail(CLI_USAGE, "--bundle: at most %u of them", BUNDLES_MAX);
	if (!list.n && (r = model_find_bundle(m->path, found, PATH_MAX)))
		return r;
	if (!list.n)
		list.v[list.n++] = found;
	return bundles_open(&list, m);
}

/* The open files of the model. A bundle that cannot be read tells no names: the whole tree is sent then, and keepd's verdict
 * (which is recorded) says what is wrong with the bundle. 0; otherwise an exit status, said. */
static int open_tree(struct model *m, bool json)
{
	struct attest_manifest *peeked = NULL;
	struct attest_report rep;
	attest_report_init(&rep);
	if (attest_bundle_peek(m->data, m->len, &peeked, &rep))
		peeked = NULL;
	attest_report_init(&rep);
	int r = attest_tree_open(
		&(struct attest_tree_params){
			.path = m->path, .bundle_path = m->beside, .listed = peeked, .transfers = true },
		&m->tree, &rep);
	attest_manifest_free(peeked);
	return r ? model_say_result(r, &rep, m->path, json) : 0;
}

static int import_model(struct cli *c, const struct args *a, struct model *m)
{
	struct proto_import imp = { 0 };
	char found[PATH_MAX];
	if (a->name && (!bytes_name_ok(a->name) || bytes_put_str(imp.name, sizeof imp.name, a->name)))
		return out_fail(CLI_USAGE,
			"%s: a name is 1 to %u of a-z 0-9 . _ - and does not start with . or -", a->name,
			NAME_LEN_MAX);
	int r = attest_prepare();
	if (r)
		return out_fail(CLI_UNDECIDED, "OpenSSL: %s", out_reason(r));
	r = find_bundles(a, m, found);
	r = r ? r : open_tree(m, a->json);
	if (r)
		return r;
	imp.n_files = m->tree.n_files;
	imp.n_bundles = m->n_bundles - 1;
	imp.bytes = m->tree.bytes;
	if (!a->name && default_name(m->in_transfer[0] ? m->in_transfer : m->path, imp.name))
		return out_fail(CLI_USAGE, "%s: no name can be made from it; give --name", m->path);
	return import(c, &imp, m->bundles, &m->tree, a->json);
}

/* Parts of a transfer become the transfer first. */
static int import_path(struct cli *c, int argc, char **argv)
{
	struct args a = { .bundles = { .n = 0 } };
	char file[PATH_MAX], whole[PATH_MAX];
	bool collected = false;
	u32 part;
	int n;
	const struct opt opts[] = { { "--bundle", OPT_LIST, &a.bundles, NULL },
		{ "--name", OPT_STR, &a.name, NULL }, { "--into", OPT_STR, &a.into, NULL },
		{ "--json", OPT_FLAG, &a.json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	_cleanup_(model_close) struct model m = { .path = argv[0] };
	if (collect_wanted(argv[0], file, sizeof file, &part)) {
		const struct collect_params p = { file, part, a.into };
		int r = collect(&p, &collected, whole, sizeof whole);
		if (r || !collected)
			return r;
		m.path = whole;
	}
	int r = import_model(c, &a, &m);
	if (collected && r == CLI_DONE)
		collect_drop(whole);
	else if (collected)
		out_say("%s: the parts, put together, stay there", whole);
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
