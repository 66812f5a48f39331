#define _GNU_SOURCE
#include "audit/tlog/tiles.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---- */

/* The folder of a path below dir, made with its parents when need be; *ret_name is what is left. */
static int folder(int dir, const char *path, int *ret, const char **ret_name)
{
	_cleanup_fd_ int at = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (const char *slash; at >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		char name[32];
		snprintf(name, sizeof name, "%.*s", (int)(slash - path), path);
		if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
			return err_errno();
		int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		fd_close(&at);
		at = next;
	}
	if (at < 0)
		return err_errno();
	*ret = fd_steal(&at);
	*ret_name = path;
	return 0;
}

/* Put a file in place whole. Full tiles are written again when a crash came before the checkpoint, partial ones perhaps never. */
static int put(int dir, const char *path, const void *data, size_t len, bool sync)
{
	_cleanup_fd_ int at = -1;
	const char *name;
	int r = folder(dir, path, &at, &name);
	if (r)
		return r;
	_cleanup_fd_ int fd =
		openat(dir, ".new", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_errno();
	r = fd_write_all(fd, data, len);
	if (!r && ((sync && fdatasync(fd) < 0) || renameat(dir, ".new", at, name) < 0 ||
			  (sync && fsync(at) < 0)))
		r = err_errno();
	return r;
}

/* The first `width` of a tile, from the partial file or the full one. 0; 1 missing or too short; -errno. */
static int get(int dir, const struct tile_name *want, u8 **ret, size_t *ret_len)
{
	struct tile_name t = *want;
	for (int i = 0; i < 2; i++, t.width = TILE_WIDTH) {
		char path[TILE_PATH_MAX];
		tlog_tile_path(&t, path);
		_cleanup_fd_ int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) {
			int r = fd_read_file(fd, BUNDLE_FILE_BYTES_MAX, ret, ret_len);
			return r > 0 ? 1 : r;
		}
		if (errno != ENOENT && errno != ENOTDIR)
			return err_errno();
	}
	return 1;
}

/* ---- opening ---- */

static int load_levels(struct tiles_dir *d, u64 size)
{
	for (u32 l = 0; l < TILE_LEVELS; l++) {
		struct tile_name t = { l, (u32)(size >> (8 * l)) % TILE_WIDTH,
			l < 7 ? size >> (8 * (l + 1)) : 0 };
		_cleanup_free_ u8 *data = NULL;
		size_t len;
		if (t.width == 0)
			continue;
		int r = get(d->dir, &t, &data, &len);
		if (r || len < t.width * sizeof(struct merkle_hash))
			return r < 0 ? r : 1;
		memcpy(d->t.level[l].h, data, t.width * sizeof(struct merkle_hash));
	}
	tlog_tiler_resume(&d->t, size);
	return 0;
}

/* The entries of the bundle that is not full: the bytes of exactly those that level 0 speaks of. */
static int load_bundle(struct tiles_dir *d, u64 size)
{
	struct tile_name t = { TILE_ENTRIES, (u32)(size % TILE_WIDTH), size / TILE_WIDTH };
	_cleanup_free_ u8 *data = NULL;
	struct merkle_hash leaves[TILE_WIDTH];
	size_t len, used = 0;
	u32 n;
	if (t.width == 0)
		return 0;
	int r = get(d->dir, &t, &data, &len);
	if (r)
		return r;
	if (tlog_bundle_leaves(data, len, leaves, &n) || n < t.width ||
		memcmp(leaves, d->t.level[0].h, t.width * sizeof leaves[0]) != 0)
		return 1;
	for (u32 i = 0; i < t.width; i++)
		used += 2u + ((size_t)data[used] << 8 | data[used + 1]);
	d->bundle = data;
	data = NULL;
	d->len = used;
	d->cap = len;
	return 0;
}

static int resume(struct tiles_dir *d, const struct note_key *log, char *why, size_t cap)
{
	_cleanup_fd_ int fd = openat(d->dir, "checkpoint", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ u8 *note = NULL;
	struct checkpoint cp;
	size_t len, text_len;
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno();
	int r = fd_read_file(fd, NOTE_BYTES_MAX, &note, &len);
	if (r < 0)
		return r;
	if (r || tlog_note_open((char *)note, len, log, 1, &text_len) ||
		tlog_checkpoint_read((char *)note, text_len, &cp) || strcmp(cp.origin, log->name) != 0) {
		snprintf(why, cap, "its checkpoint is not one of this log");
		return 1;
	}
	r = load_levels(d, cp.size);
	struct merkle_hash root = tlog_merkle_root(&d->t.tree);
	if (!r)
		r = memcmp(root.b, cp.root.b, sizeof root.b) != 0 || load_bundle(d, cp.size) != 0;
	if (r > 0)
		snprintf(why, cap, "its tiles are not those of its checkpoint; keep tlog fsck says where");
	d->from = cp.size;
	return r;
}

static int emit(void *arg, u32 level, const struct tile *t)
{
	struct tiles_dir *d = arg;
	struct tile_name name = { level, t->width, t->n };
	char path[TILE_PATH_MAX];
	bool partial = t->width != TILE_WIDTH;
	int r = 0;
	if (level == 0 && !d->bare) {
		name.level = TILE_ENTRIES;
		tlog_tile_path(&name, path);
		r = put(d->dir, path, d->bundle, d->len, partial);
		name.level = 0;
		if (!partial)
			d->len = 0;
	}
	tlog_tile_path(&name, path);
	return r ? r : put(d->dir, path, t->h, t->width * sizeof t->h[0], partial);
}

int tlog_tiles_open(const char *dir, const struct note_key *log, struct tiles_dir *ret, char *why, size_t cap)
{
	struct tiles_dir *d = ret;
	*d = (struct tiles_dir)TILES_DIR_NONE;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_errno();
	d->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = d->dir < 0 ? err_errno() : 0;
	if (!r && flock(d->dir, LOCK_EX | LOCK_NB) < 0) {
		snprintf(why, cap, "somebody else writes there");
		r = errno == EWOULDBLOCK ? 1 : err_errno();
	}
	r = r ? r : resume(d, log, why, cap);
	if (r)
		tlog_tiles_close(d);
	d->t.emit = emit;
	d->t.arg = d;
	return r;
}

void tlog_tiles_close(struct tiles_dir *d)
{
	fd_close(&d->dir);
	free_ptr(&d->bundle);
}

/* ---- writing ---- */

int tlog_tiles_add(struct tiles_dir *d, const void *entry, size_t len)
{
	if (len > UINT16_MAX)
		return 1;
	if (d->len + 2 + len > d->cap) {
		size_t cap = MAX(2 * d->cap, ALIGN_UP(d->len + 2 + len, (size_t)65536));
		u8 *p = realloc(d->bundle, cap);
		if (!p)
			return err_origin(-ENOMEM);
		d->bundle = p;
		d->cap = cap;
	}
	d->bundle[d->len] = (u8)(len >> 8);
	d->bundle[d->len + 1] = (u8)len;
	if (len)
		memcpy(d->bundle + d->len + 2, entry, len);
	d->len += 2 + len;
	struct merkle_hash leaf = tlog_merkle_leaf(entry, len);
	return tlog_tiler_add(&d->t, &leaf);
}

int tlog_tiles_skip(struct tiles_dir *d, const struct merkle_hash *root)
{
	assert(d->len == 0);
	return tlog_tiler_skip(&d->t, root);
}

int tlog_tiles_leaf(struct tiles_dir *d, const struct merkle_hash *leaf)
{
	assert(d->len == 0);
	d->bare = true;
	return tlog_tiler_add(&d->t, leaf);
}

int tlog_tiles_put(struct tiles_dir *d, const char *name, const void *data, size_t len)
{
	return put(d->dir, name, data, len, true);
}

int tlog_tiles_finish(struct tiles_dir *d, const char *note, size_t len)
{
	struct note n;
	struct checkpoint cp;
	struct merkle_hash root = tlog_merkle_root(&d->t.tree);
	if (tlog_note_parse(note, len, &n) || tlog_checkpoint_read(n.text, n.text_len, &cp) ||
		cp.size != d->t.tree.size || memcmp(cp.root.b, root.b, sizeof root.b) != 0)
		return 1;
	int r = tlog_tiler_finish(&d->t);
	if (!r && syncfs(d->dir) < 0)
		r = err_errno();
	return r ? r : put(d->dir, "checkpoint", note, len, true);
}
