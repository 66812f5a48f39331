#define _GNU_SOURCE
#include "audit/tlog/archive.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 10u /* folders below tile/: a level, six groups, .p; more is no tile */

struct fsck {
	const struct fsck_params *p;
	struct fsck_result *ret;
	int dir;
	struct tiler t;
	u64 size;
	u64 first,
		last; /* bundles first to last-1 are there, and their leaves: all, or those of an archive */
	size_t older; /* of p->older: those behind it are not reached yet */
	struct tile upper; /* of level 1, for bundles that are not there */
};

static int bad(struct fsck *f, const char *fmt, ...) _printf_(2, 3);
static int bad(struct fsck *f, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(f->ret->why, sizeof f->ret->why, fmt, ap);
	va_end(ap);
	return 1;
}

/* ---- one file ---- */

/* 0 done, data to be freed; 1 it is not a regular file, or too long; 2 there is none; -errno. */
static int load(struct fsck *f, const struct tile_name *t, u8 **ret, size_t *ret_len)
{
	char path[TILE_PATH_MAX];
	tlog_tile_path(t, path);
	u64 max = t->level == TILE_ENTRIES ? t->width * 65537ull : t->width * (u64)SHA256_BYTES;
	_cleanup_fd_ int fd = openat(f->dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 2
		       : errno == ELOOP			   ? bad(f, "%s: a link", path)
							   : err_errno();
	int r = fd_read_file(fd, max, ret, ret_len);
	return r > 0 ? bad(f, "%s: not a regular file of at most %" PRIu64 " bytes", path, max) : r;
}

/* The hashes in a file of that name, which must be exactly its width. 0, 1, 2 and -errno as load. */
static int hashes_of(struct fsck *f, const struct tile_name *t, struct merkle_hash *ret)
{
	_cleanup_free_ u8 *data = NULL;
	char path[TILE_PATH_MAX];
	size_t len;
	u32 n = 0;
	int r = load(f, t, &data, &len);
	if (r)
		return r;
	tlog_tile_path(t, path);
	if (t->level == TILE_ENTRIES) {
		if (tlog_bundle_leaves(data, len, ret, &n) || n != t->width)
			return bad(f, "%s: not a bundle of %u entries", path, t->width);
	} else {
		if (len != t->width * sizeof *ret)
			return bad(f, "%s: %zu bytes, not %zu", path, len, t->width * sizeof *ret);
		memcpy(ret, data, len);
	}
	if (t->level == TILE_ENTRIES)
		f->ret->n_bundles++;
	else
		f->ret->n_tiles++;
	return 0;
}

/* Compare what a file and the tree have in common. 0; 1 it differs; 2 no such file; -errno. */
static int compare(struct fsck *f, const struct tile_name *t, const struct tile *want)
{
	struct merkle_hash h[TILE_WIDTH];
	char path[TILE_PATH_MAX];
	int r = hashes_of(f, t, h);
	if (r)
		return r;
	tlog_tile_path(t, path);
	for (u32 i = 0; i < MIN(t->width, want->width); i++)
		if (memcmp(h[i].b, want->h[i].b, sizeof h[i].b) != 0)
			return bad(f, "%s: %s %u is not that of the tree", path,
				t->level == TILE_ENTRIES ? "entry" : "hash", i);
	return 0;
}

/* Every file of one tile: the full one and the partial ones. The width that the checkpoint needs must be among them. */
static int compare_all(struct fsck *f, u32 level, const struct tile *want)
{
	struct tile_name t = { level, TILE_WIDTH, want->n };
	char path[TILE_PATH_MAX];
	bool found = false;
	for (u32 pass = 0; pass < 2; pass++) {
		int r = compare(f, &t, want);
		if (r != 2 && r)
			return r;
		found |= r == 0;
		t.width = want->width;
		if (want->width == TILE_WIDTH)
			break;
	}
	tlog_tile_path(&t, path);
	if (!found)
		return bad(f, "%s: missing", path);
	t.width = 1;
	tlog_tile_path(&t, path);
	*strrchr(path, '/') = 0;
	int fd = openat(f->dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno();
	DIR *d = fdopendir(fd);
	if (!d) {
		fd_close(&fd);
		return err_origin(-ENOMEM);
	}
	int r = 0;
	for (struct dirent *e; !r && (e = readdir(d));) {
		u64 w;
		if (bytes_decimal(e->d_name, strlen(e->d_name), &w) || w == 0 || w >= TILE_WIDTH ||
			w == want->width)
			continue; /* names are judged by the walk */
		t.width = (u32)w;
		r = compare(f, &t, want);
	}
	closedir(d);
	return r;
}

static int on_tile(void *arg, u32 level, const struct tile *t)
{
	return compare_all(arg, level, t);
}

/* ---- the tree ---- */

/* Do the older checkpoints of this size have this root? */
static int older_here(struct fsck *f)
{
	struct merkle_hash root;
	bool have = false;
	for (; f->older < f->p->n_older; f->older++) {
		const struct fsck_older *o = &f->p->older[f->older];
		if (o->cp.size != f->t.tree.size)
			break;
		if (!have)
			root = tlog_merkle_root(&f->t.tree);
		have = true;
		if (memcmp(root.b, o->cp.root.b, sizeof root.b) != 0)
			return bad(f,
				"%s: the log is not the one it was: its first %" PRIu64
				" entries had another root",
				o->name, o->cp.size);
	}
	return 0;
}

/* One bundle: its leaves into the tree. */
static int bundle(struct fsck *f, u64 n)
{
	struct tile *leaves = malloc(sizeof *leaves);
	struct tile_name t = { TILE_ENTRIES, (u32)MIN(f->size - n * TILE_WIDTH, TILE_WIDTH), n };
	char path[TILE_PATH_MAX];
	if (!leaves)
		return err_origin(-ENOMEM);
	*leaves = (struct tile){ .n = n, .width = t.width };
	tlog_tile_path(&t, path);
	int r = hashes_of(f, &t, leaves->h);
	if (r == 2 && t.width != TILE_WIDTH) {
		t.width = TILE_WIDTH;
		r = hashes_of(f, &t, leaves->h);
	}
	if (r == 2)
		r = bad(f, "%s: missing", path);
	if (!r)
		r = compare_all(f, TILE_ENTRIES, leaves);
	for (u32 i = 0; !r && i < leaves->width; i++) {
		r = tlog_tiler_add(&f->t, &leaves->h[i]);
		r = r ? r : older_here(f);
	}
	free(leaves);
	return r;
}

/* ---- an archive: what it leaves out ---- */

/* Which bundles must be there. */
static int range(struct fsck *f)
{
	char text[ARCHIVE_TEXT_MAX];
	struct archive_range r = { 0, f->size };
	_cleanup_fd_ int fd = openat(f->dir, ARCHIVE_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno != ENOENT)
		return errno == ELOOP ? bad(f, "archive: a link") : err_errno();
	f->ret->archive = fd >= 0;
	if (fd >= 0) {
		ssize_t n = pread(fd, text, sizeof text, 0);
		if (n < 0)
			return err_errno();
		if (tlog_archive_read(text, (size_t)n, &r) || r.to > f->size)
			return bad(f, "archive: it does not say which entries are here");
		struct archive_range whole = tlog_archive_round(r, f->size);
		if (whole.from != r.from || whole.to != r.to)
			return bad(f, "archive: its range does not end with a bundle");
	}
	f->ret->from = r.from;
	f->ret->to = r.to;
	f->first = r.from / TILE_WIDTH;
	f->last = DIV_UP(r.to, TILE_WIDTH);
	return 0;
}

/* The tile of level 1 that bundle n is in. */
static int upper(struct fsck *f, u64 n)
{
	struct tile_name t = { 1, 0, n / TILE_WIDTH };
	char path[TILE_PATH_MAX];
	if (f->upper.width && f->upper.n == t.n)
		return 0;
	f->upper.n = t.n;
	t.width = f->upper.width = (u32)MIN(f->size / TILE_WIDTH - t.n * TILE_WIDTH, TILE_WIDTH);
	tlog_tile_path(&t, path);
	int r = hashes_of(f, &t, f->upper.h);
	f->ret->n_tiles -= r == 0; /* it is counted when the tree has it */
	return r == 2 ? bad(f, "%s: missing", path) : r;
}

/* 256 entries by their root; the last ones, fewer, by their leaves. */
static int skipped(struct fsck *f, u64 n)
{
	struct tile_name t = { 0, (u32)(f->size % TILE_WIDTH), n };
	struct merkle_hash leaf[TILE_WIDTH];
	char path[TILE_PATH_MAX];
	int r;
	if (f->size - n * TILE_WIDTH >= TILE_WIDTH) {
		r = upper(f, n);
		r = r ? r : tlog_tiler_skip(&f->t, &f->upper.h[n % TILE_WIDTH]);
		return r ? r : older_here(f);
	}
	tlog_tile_path(&t, path);
	r = hashes_of(f, &t, leaf);
	f->ret->n_tiles -= r == 0;
	if (r == 2)
		r = bad(f, "%s: missing", path);
	for (u32 i = 0; !r && i < t.width; i++) {
		r = tlog_tiler_add(&f->t, &leaf[i]);
		r = r ? r : older_here(f);
	}
	return r;
}

/* Every older checkpoint must have been met on the way. */
static int older_all(struct fsck *f)
{
	if (f->older == f->p->n_older)
		return 0;
	const struct fsck_older *o = &f->p->older[f->older];
	return bad(f,
		"%s: of %" PRIu64
		" entries, between two that the archive holds nothing of: it cannot be compared",
		o->name, o->cp.size);
}

static int tree(struct fsck *f)
{
	const struct checkpoint *cp = &f->ret->checkpoint.checkpoint;
	f->t.emit = on_tile;
	f->t.arg = f;
	int r = older_here(f);
	for (u64 n = 0; !r && n * TILE_WIDTH < f->size; n++) {
		if (f->p->progress && n % 64 == 0)
			f->p->progress(n * TILE_WIDTH, f->size);
		r = n >= f->first && n < f->last ? bundle(f, n) : skipped(f, n);
	}
	r = r ? r : older_all(f);
	r = r ? r : tlog_tiler_finish(&f->t);
	if (r)
		return r;
	struct merkle_hash root = tlog_merkle_root(&f->t.tree);
	return memcmp(root.b, cp->root.b, sizeof root.b) == 0
		       ? 0
		       : bad(f, "checkpoint: its root is not that of its %" PRIu64 " entries", cp->size);
}

/* ---- names ---- */

static int on_file(struct fsck *f, const char *path)
{
	struct tile_name t;
	struct merkle_hash h[TILE_WIDTH];
	if (tlog_tile_path_read(path, &t) || (t.level != TILE_ENTRIES && t.level >= TILE_LEVELS))
		return bad(f, "%s: not a tile's name", path);
	u32 shift = t.level == TILE_ENTRIES ? 0 : 8 * t.level;
	bool last = t.level == 0 && t.n == f->size / TILE_WIDTH; /* leaves of the one that is not full */
	if (shift == 0 && !last && f->ret->archive && (t.n < f->first || t.n >= f->last))
		return bad(f, "%s: not of the archive's range", path);
	if (t.n < DIV_UP(f->size >> shift, TILE_WIDTH))
		return 0; /* compared */
	f->ret->n_beyond++;
	return hashes_of(f, &t, h);
}

/* Files below a folder; `fd` is taken. */
static int walk(struct fsck *f, int fd, const char *path, u32 depth)
{
	DIR *d = fdopendir(fd);
	if (!d) {
		fd_close(&fd);
		return err_origin(-ENOMEM);
	}
	int r = 0;
	for (struct dirent *e; !r && (e = readdir(d));) {
		char name[384];
		struct stat st;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		int n = snprintf(name, sizeof name, "%s/%s", path, e->d_name);
		if (n < 0 || (size_t)n >= sizeof name ||
			fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = bad(f, "%s/%.64s: cannot be looked at", path, e->d_name);
		else if (S_ISREG(st.st_mode))
			r = on_file(f, name);
		else if (!S_ISDIR(st.st_mode) || depth == DEPTH_MAX)
			r = bad(f, "%s: neither a file nor a folder of tiles", name);
		else {
			int sub =
				openat(dirfd(d), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			r = sub < 0 ? err_errno() : walk(f, sub, name, depth + 1);
		}
	}
	closedir(d);
	return r;
}

static int names(struct fsck *f)
{
	int fd = openat(f->dir, "tile", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT && f->size == 0 ? 0 : bad(f, "tile: no such folder");
	return walk(f, fd, "tile", 0);
}

/* ---- checkpoints ---- */

static int by_size(const void *a, const void *b)
{
	u64 x = ((const struct fsck_older *)a)->cp.size, y = ((const struct fsck_older *)b)->cp.size;
	return (x > y) - (x < y);
}

static int checkpoints(struct fsck *f)
{
	_cleanup_fd_ int fd = openat(f->dir, "checkpoint", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_free_ u8 *note = NULL;
	size_t len;
	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? bad(f, "checkpoint: missing") : err_errno();
	int r = fd_read_file(fd, NOTE_BYTES_MAX, &note, &len);
	if (r)
		return r < 0 ? r : bad(f, "checkpoint: not a checkpoint");
	enum policy_judged j = tlog_policy_judge(f->p->policy, note, len, &f->ret->checkpoint);
	if (j != POLICY_VALID)
		return bad(f, "checkpoint: %s", tlog_policy_words(j));
	f->ret->checkpoint.note = (struct note){ 0 }; /* its bytes go */
	const struct checkpoint *cp = &f->ret->checkpoint.checkpoint;
	f->size = cp->size;
	for (size_t i = 0; i < f->p->n_older; i++) {
		struct fsck_older *o = &f->p->older[i];
		struct policy_verdict *v = malloc(sizeof *v);
		if (!v)
			return err_origin(-ENOMEM);
		j = tlog_policy_judge(f->p->policy, o->note, o->len, v);
		if (j == POLICY_VALID || j == POLICY_NO_QUORUM)
			o->cp = v->checkpoint;
		free(v);
		if (j != POLICY_VALID && j != POLICY_NO_QUORUM)
			return bad(f, "%s: %s", o->name, tlog_policy_words(j));
		if (strcmp(o->cp.origin, cp->origin) != 0)
			return bad(f, "%s: of another log", o->name);
		if (o->cp.size > cp->size)
			return bad(f, "%s: the log was rolled back: it had %" PRIu64 " entries, now %" PRIu64,
				o->name, o->cp.size, cp->size);
	}
	if (f->p->n_older)
		qsort(f->p->older, f->p->n_older, sizeof *f->p->older, by_size);
	return 0;
}

int tlog_fsck(const struct fsck_params *p, struct fsck_result *ret)
{
	struct fsck *f = calloc(1, sizeof *f);
	if (!f)
		return err_origin(-ENOMEM);
	*ret = (struct fsck_result){ 0 };
	f->p = p;
	f->ret = ret;
	f->dir = open(p->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = f->dir >= 0 ? 0 : err_is_path(errno) ? bad(f, "%s", strerror(errno)) : err_errno();
	r = r ? r : checkpoints(f);
	r = r ? r : range(f);
	r = r ? r : tree(f);
	r = r ? r : names(f);
	fd_close(&f->dir);
	free(f);
	return r;
}
