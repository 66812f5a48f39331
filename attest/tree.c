/* The files of a model, opened once. Threats: a name that leads elsewhere (links, "..", mount tricks), a thing that is no file (a
 * FIFO that blocks, a device), a file swapped between listing and reading. Hence: everything is opened below one directory
 * descriptor with openat2(RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS), without following the last name either, non-blocking until fstat
 * has shown a regular file; the descriptor that was looked at is the one that is read. */
#define _GNU_SOURCE
#include "attest/internal.h"
#include "attest/transfer.h"
#include "base/bytes.h"
#include "base/fd.h"

#include <dirent.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct walk {
	const struct attest_tree_params *p;
	struct attest_tree *t;
	struct attest_report *report;
	int root;
	u32 cap;
};

static int open_beneath(int dir, const char *path, u64 flags, int *ret_fd)
{
	struct open_how how = { .flags = flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
	if (fd < 0)
		return errno == ELOOP ? 1 : err_errno();
	*ret_fd = (int)fd;
	return 0;
}

/* ---- what is left out ------------------------------------------------------------------------------------------------------ */

/* Is path that of a rule or below it? */
static bool covers(const char *rule, const char *path)
{
	size_t n = strlen(rule);
	return !strncmp(rule, path, n) && (path[n] == 0 || path[n] == '/');
}

static bool listed(const struct attest_manifest *m, const char *path)
{
	for (u32 i = 0; m && i < m->n_files; i++)
		if (covers(path, m->files[i].path))
			return true;
	return false;
}

static bool ignored(const struct walk *w, const char *path)
{
	static const char *const git[] = { ".git", ".github", ".gitignore", ".gitattributes" };
	const struct attest_manifest *m = w->p->listed;
	bool out = w->t->bundle && !strcmp(w->t->bundle, path);
	for (size_t i = 0; !out && i < ARRAY_LEN(git); i++)
		out = !strcmp(git[i], path) && !listed(m, path);
	for (u32 i = 0; !out && i < w->p->n_ignore; i++)
		out = !strcmp(w->p->ignore[i], path) && !listed(m, path);
	for (u32 i = 0; !out && m && i < m->n_ignore; i++)
		out = !strcmp(m->ignore[i], path) && !listed(m, path);
	return out || (w->p->only_listed && !listed(m, path));
}

/* Where the bundle lies seen from the root; NULL when it lies elsewhere. */
static int bundle_place(const char *root, const char *bundle, char **ret)
{
	_cleanup_free_ char *copy = strdup(bundle), *base = strdup(bundle);
	if (!copy || !base)
		return err_origin(-ENOMEM);
	_cleanup_free_ char *dir = realpath(dirname(copy), NULL), *top = realpath(root, NULL);
	if (!dir || !top)
		return 0;
	if (!covers(top, dir) && strcmp(top, "/"))
		return 0;
	const char *below = dir + strlen(top);
	while (*below == '/')
		below++;
	if (asprintf(ret, "%s%s%s", below, *below ? "/" : "", basename(base)) < 0)
		return err_origin(-ENOMEM);
	return 0;
}

/* ---- files ---------------------------------------------------------------------------------------------------------------- */

static int file_add(struct walk *w, const char *path, int *fd, u64 bytes)
{
	struct attest_tree *t = w->t;
	if (t->n_files == MODEL_FILES_MAX)
		return attest_reject(w->report, ATTEST_FILE_LIMIT, path, "the model has more than %u files",
			MODEL_FILES_MAX);
	if (bytes > MODEL_BYTES_MAX || t->bytes > MODEL_BYTES_MAX - bytes)
		return attest_reject(w->report, ATTEST_FILE_LIMIT, path,
			"the model is larger than %llu bytes", MODEL_BYTES_MAX);
	if (t->n_files == w->cap) {
		u32 cap = w->cap ? 2 * w->cap : 16;
		struct attest_source *more = reallocarray(t->files, cap, sizeof *more);
		if (!more)
			return err_origin(-ENOMEM);
		t->files = more;
		w->cap = cap;
	}
	struct attest_source *s = &t->files[t->n_files++];
	*s = (struct attest_source){ .fd = fd_steal(fd), .bytes = bytes };
	memcpy(s->path, path, strlen(path));
	t->bytes += bytes;
	return 0;
}

static int special(struct walk *w, const char *path, const struct stat *st)
{
	return attest_reject(w->report, ATTEST_SPECIAL_FILE, path, "%s is a %s", path,
		S_ISFIFO(st->st_mode)	? "FIFO"
		: S_ISSOCK(st->st_mode) ? "socket"
		: S_ISBLK(st->st_mode)	? "block device"
		: S_ISCHR(st->st_mode)	? "character device"
					: "thing that is no file");
}

static int symlink_found(struct walk *w, const char *path)
{
	return attest_reject(w->report, ATTEST_SYMLINK, path, "%s is a symbolic link", path);
}

static int file_open(struct walk *w, int dir, const char *name, const char *path)
{
	_cleanup_fd_ int fd = -1;
	struct stat st;
	int r = open_beneath(dir, name, O_RDONLY, &fd);
	if (r == 1)
		return symlink_found(w, path);
	if (r == -ENXIO && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return special(w, path, &st); /* a socket, or a FIFO's other end */
	if (r)
		return attest_about(w->report, r, path);
	if (fstat(fd, &st) < 0)
		return attest_about(w->report, err_errno(), path);
	if (!S_ISREG(st.st_mode))
		return special(w, path, &st);
	return file_add(w, path, &fd, (u64)st.st_size);
}

struct level {
	DIR *dir;
	size_t path_len; /* of the directory's own path, with its '/' */
};

/* One name of a directory: 0 handled; 2 a directory to go into; 1 and -errno end the walk. */
static int entry_visit(struct walk *w, int dir, const struct dirent *e, const char *path)
{
	struct stat st;
	size_t len = strlen(path);
	if (ignored(w, path))
		return 0;
	if (!path_ok(path, len))
		return attest_reject(w->report, ATTEST_PATH, path,
			"the name is not plain UTF-8 of at most %u bytes", PATH_LEN_MAX);
	if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno();
	if (S_ISLNK(st.st_mode))
		return symlink_found(w, path);
	if (S_ISDIR(st.st_mode))
		return 2;
	if (!S_ISREG(st.st_mode))
		return special(w, path, &st);
	return file_open(w, dir, e->d_name, path);
}

static int level_push(struct walk *w, int parent, const char *name, const char *path, struct level *ret)
{
	_cleanup_fd_ int fd = -1;
	int r = open_beneath(parent, name, O_RDONLY | O_DIRECTORY, &fd);
	if (r)
		return r == 1 ? symlink_found(w, path) : attest_about(w->report, r, path);
	DIR *d = fdopendir(fd);
	if (!d)
		return err_errno();
	fd_steal(&fd);
	*ret = (struct level){ .dir = d };
	return 0;
}

/* Depth first, without recursion; the tree is sorted afterwards, so the order of the directory does not matter. */
static int walk_levels(struct walk *w, struct level *levels, u32 *n)
{
	char path[PATH_LEN_MAX + NAME_MAX + 2] = "";
	while (*n) {
		struct level *l = &levels[*n - 1];
		errno = 0;
		struct dirent *e = readdir(l->dir);
		if (!e) {
			if (errno)
				return err_errno();
			closedir(l->dir);
			--*n;
			continue;
		}
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (l->path_len + strlen(e->d_name) >= sizeof path)
			return attest_reject(w->report, ATTEST_PATH, e->d_name,
				"the name is longer than %u bytes", PATH_LEN_MAX);
		memcpy(path + l->path_len, e->d_name, strlen(e->d_name) + 1);
		int r = entry_visit(w, dirfd(l->dir), e, path);
		if (r != 2) {
			if (r)
				return r;
			continue;
		}
		if (*n == TREE_DEPTH_MAX)
			return attest_reject(w->report, ATTEST_FILE_LIMIT, path,
				"directories lie deeper than %u", TREE_DEPTH_MAX);
		r = level_push(w, dirfd(l->dir), e->d_name, path, &levels[*n]);
		if (r)
			return r;
		size_t len = strlen(path);
		path[len] = '/';
		path[len + 1] = 0;
		levels[(*n)++].path_len = len + 1;
	}
	return 0;
}

static int walk_directory(struct walk *w)
{
	struct level levels[TREE_DEPTH_MAX];
	u32 n = 0;
	int r = level_push(w, w->root, ".", ".", &levels[0]);
	if (r)
		return r;
	n = 1;
	r = walk_levels(w, levels, &n);
	while (n)
		closedir(levels[--n].dir);
	return r;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------ */

static int by_path(const void *a, const void *b)
{
	const struct attest_source *x = a, *y = b;
	return strcmp(x->path, y->path);
}

/* Base name of what the path leads to, so that "." and "dir/" have one too. */
static int name_set(struct attest_tree *t, const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	if (!real)
		return err_errno();
	const char *base = strrchr(real, '/') + 1;
	snprintf(t->name, sizeof t->name, "%s", *base ? base : "model");
	return 0;
}

static int single_file(struct walk *w, int *fd, const struct stat *st)
{
	struct attest_tree *t = w->t;
	const char *slash = strrchr(w->p->path, '/'), *base = slash ? slash + 1 : w->p->path;
	if (!path_ok(base, strlen(base)))
		return attest_reject(w->report, ATTEST_PATH, base,
			"the name is not plain UTF-8 of at most %u bytes", PATH_LEN_MAX);
	t->single = true;
	snprintf(t->name, sizeof t->name, "%s", base);
	return file_add(w, base, fd, (u64)st->st_size);
}

/* Every file of a transfer has a descriptor of its own, for whoever it is sent to. */
static int transfer_files(struct walk *w, int fd)
{
	struct attest_transfer tr;
	int r = attest_transfer_read(fd, &tr, w->report);
	if (r)
		return r;
	snprintf(w->t->name, sizeof w->t->name, "%s", tr.name);
	w->t->single = tr.single;
	for (u32 i = 0; !r && i < tr.n_files; i++) {
		if (ignored(w, tr.files[i].path))
			continue;
		_cleanup_fd_ int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		r = own < 0 ? err_errno() : file_add(w, tr.files[i].path, &own, tr.files[i].bytes);
		if (!r)
			w->t->files[w->t->n_files - 1].offset = tr.files[i].offset;
	}
	attest_transfer_fini(&tr);
	return r;
}

static int tree_read(struct walk *w)
{
	/* the caller's own path may lead through links; what it names may not be one */
	_cleanup_fd_ int fd = open(w->p->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	if (fd < 0 && (errno == ELOOP || errno == ENXIO))
		return errno == ELOOP ? symlink_found(w, w->p->path)
				      : attest_reject(w->report, ATTEST_SPECIAL_FILE, w->p->path,
						"%s is no file", w->p->path);
	if (fd < 0)
		return err_errno();
	if (fstat(fd, &st) < 0)
		return err_errno();
	if (S_ISREG(st.st_mode))
		return w->p->transfers && attest_transfer_is(fd) ? transfer_files(w, fd)
								 : single_file(w, &fd, &st);
	if (!S_ISDIR(st.st_mode))
		return special(w, w->p->path, &st);
	w->root = fd;
	int r = name_set(w->t, w->p->path);
	if (!r && w->p->bundle_path)
		r = bundle_place(w->p->path, w->p->bundle_path, &w->t->bundle);
	return r ? r : walk_directory(w);
}

int attest_tree_open(
	const struct attest_tree_params *p, struct attest_tree *ret, struct attest_report *report)
{
	struct attest_tree t = { 0 };
	struct walk w = { .p = p, .t = &t, .report = report, .root = -1 };
	attest_report_init(report);
	fd_limit_raise(65536);
	int r = tree_read(&w);
	if (!r && t.n_files == 0)
		r = attest_reject(report, ATTEST_EMPTY_MODEL, p->path, "%s holds no file", p->path);
	if (r) {
		attest_tree_fini(&t);
		return r;
	}
	qsort(t.files, t.n_files, sizeof *t.files, by_path);
	report->n_files = t.n_files;
	report->bytes = t.bytes;
	*ret = t;
	return 0;
}

void attest_tree_fini(struct attest_tree *t)
{
	for (u32 i = 0; i < t->n_files; i++)
		fd_close(&t->files[i].fd);
	free(t->files);
	free(t->bundle);
	*t = (struct attest_tree){ 0 };
}
