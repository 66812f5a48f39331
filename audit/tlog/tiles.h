/* A log as static files: C2SP tlog-tiles.
 *
 *   checkpoint                  the newest signed tree head
 *   tile/<L>/<N>[.p/<W>]        hashes of complete subtrees of 256^L leaves: 256 of them, or W in a partial tile
 *   tile/entries/<N>[.p/<W>]    the entries under tile/0/<N>: big-endian u16 length, bytes
 *
 * N is written in groups of three digits, all but the last behind an x: 1234067 is x001/x234/067. */
#pragma once

#include "audit/tlog/policy.h"

#define TILE_WIDTH    256u
#define TILE_LEVELS   8u  /* 256^8 is 2^64 leaves */
#define TILE_ENTRIES  64u /* as a level: the entry bundles */
#define TILE_PATH_MAX 64u /* bytes of the longest path with its 0 */

struct tile_name {
	u32 level; /* 0 to 63, or TILE_ENTRIES */
	u32 width; /* 1 to 256 */
	u64 n;
};
/* "tile/…"; out holds TILE_PATH_MAX. */
void tlog_tile_path(const struct tile_name *t, char *out);
/* 0 done; 1 not the one spelling of a tile's path. */
_must_use_ int tlog_tile_path_read(const char *path, struct tile_name *ret);

struct tile {
	u64 n;
	u32 width;
	struct merkle_hash h[TILE_WIDTH];
};

/* Leaves in, tiles out: every full tile once it is full, the partial ones at the end. Zero it, set emit and arg. */
struct tiler {
	struct merkle tree;
	struct tile level[TILE_LEVELS];
	int (*emit)(void *arg, u32 level, const struct tile *t); /* non-zero stops */
	void *arg;
};
_must_use_ int tlog_tiler_add(struct tiler *t, const struct merkle_hash *leaf);
/* The root of the next 256 leaves instead of these: their tile of level 0 is not emitted. The size is a multiple of 256. */
_must_use_ int tlog_tiler_skip(struct tiler *t, const struct merkle_hash *root);
_must_use_ int tlog_tiler_finish(struct tiler *t);
/* Continue at `size` leaves: level[l] holds the partial tile of that size at each level. The tree's root says whether they fit. */
void tlog_tiler_resume(struct tiler *t, u64 size);

/* Leaf hashes of an entry bundle. 0 done, *ret_n of them, at most TILE_WIDTH; 1 malformed, or bytes are left over. */
_must_use_ int tlog_bundle_leaves(const void *data, size_t len, struct merkle_hash *ret, u32 *ret_n);

#define BUNDLE_FILE_BYTES_MAX (TILE_WIDTH * 65537ull)

/* ---- a directory that is written (tiles_dir.c) ---- */

struct tiles_dir {
	int dir;
	struct tiler t;
	u8 *bundle; /* entries of the bundle that is not full yet */
	size_t len, cap;
	u64 from;  /* entries that were there before */
	bool bare; /* the last bundle has leaves only (archive.h) */
};
#define TILES_DIR_NONE    \
	{                 \
		.dir = -1 \
	}
/* Open or make DIR. What it holds of the log with that key is verified up to its checkpoint and continued. 0 done; 1 it holds something
 * else, or is damaged, why[cap]; -errno. */
_must_use_ int tlog_tiles_open(
	const char *dir, const struct note_key *log, struct tiles_dir *ret, char *why, size_t cap);
void tlog_tiles_close(struct tiles_dir *d);
#define _cleanup_tiles_ _cleanup_(tlog_tiles_close)
/* The next entry. 0; 1 longer than 65,535 bytes; -errno. */
_must_use_ int tlog_tiles_add(struct tiles_dir *d, const void *entry, size_t len);
/* What an archive leaves out: the next 256 entries, of which only the root is known; an entry of the last bundle, of which only the leaf
 * is: then no entry follows in that bundle, and none was before. 0; -errno. */
_must_use_ int tlog_tiles_skip(struct tiles_dir *d, const struct merkle_hash *root);
_must_use_ int tlog_tiles_leaf(struct tiles_dir *d, const struct merkle_hash *leaf);
/* A file of the directory itself, durable. 0; -errno. */
_must_use_ int tlog_tiles_put(struct tiles_dir *d, const char *name, const void *data, size_t len);
/* All entries of this checkpoint are there: write what is partial, then, when everything is durable, the checkpoint. 0; 1 the
 * entries are not those that the checkpoint speaks of; -errno. */
_must_use_ int tlog_tiles_finish(struct tiles_dir *d, const char *note, size_t len);

/* ---- a directory that is judged (fsck.c) ---- */

struct fsck_older {
	const char *name; /* for what is said */
	const char *note;
	size_t len;
	struct checkpoint cp; /* set by the check */
};
struct fsck_params {
	const char *dir;
	const struct tlog_policy *policy;
	struct fsck_older *older; /* earlier checkpoints that the log must still contain; they are sorted */
	size_t n_older;
	void (*progress)(u64 done, u64 total); /* may be NULL */
};
struct fsck_result {
	struct policy_verdict checkpoint;
	u64 n_tiles, n_bundles; /* files compared */
	u64 n_beyond; /* files of a tree that is larger than the checkpoint's: only their form was looked at */
	u64 from, to; /* entries that are there: all of the checkpoint's, or those of an archive */
	bool archive;
	char why[512];
};
/* Everything: the checkpoint under the policy, every entry, every hash of every tile, every file's name. 0 whole; 1 not,
 * ret->why names the file; -errno. */
_must_use_ int tlog_fsck(const struct fsck_params *p, struct fsck_result *ret);
