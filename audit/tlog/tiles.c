#include "audit/tlog/tiles.h"
#include "base/bytes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void tlog_tile_path(const struct tile_name *t, char *out)
{
	u32 groups[7], n = 0;
	u64 rest = t->n;
	do
		groups[n++] = (u32)(rest % 1000);
	while ((rest /= 1000) != 0);
	char *p = out;
	if (t->level == TILE_ENTRIES)
		p += sprintf(p, "tile/entries/");
	else
		p += sprintf(p, "tile/%u/", t->level);
	while (n-- > 1)
		p += sprintf(p, "x%03u/", groups[n]);
	p += sprintf(p, "%03u", groups[0]);
	if (t->width != TILE_WIDTH)
		p += sprintf(p, ".p/%u", t->width);
	assert(p - out < (i64)TILE_PATH_MAX);
}

int tlog_tile_path_read(const char *path, struct tile_name *ret)
{
	struct tile_name t = { .width = TILE_WIDTH };
	char again[TILE_PATH_MAX];
	u64 v;
	const char *p = path;
	if (strncmp(p, "tile/", 5) != 0)
		return 1;
	p += 5;
	size_t len = strcspn(p, "/");
	if (len == 7 && memcmp(p, "entries", 7) == 0)
		t.level = TILE_ENTRIES;
	else if (bytes_decimal(p, len, &v) || v >= TILE_ENTRIES)
		return 1;
	else
		t.level = (u32)v;
	p += len;
	for (bool last = false; *p == '/' && !last;) {
		last = *++p != 'x';
		p += !last;
		for (u32 i = 0; i < 3; i++, p++)
			if (*p < '0' || *p > '9' || __builtin_mul_overflow(t.n, 10u, &t.n) ||
				__builtin_add_overflow(t.n, (u64)(*p - '0'), &t.n))
				return 1;
	}
	if (strncmp(p, ".p/", 3) == 0) {
		if (bytes_decimal(p + 3, strlen(p + 3), &v) || v == 0 || v >= TILE_WIDTH)
			return 1;
		t.width = (u32)v;
	} else if (*p) {
		return 1;
	}
	tlog_tile_path(&t, again); /* one spelling: no leading group of zeros */
	if (strcmp(again, path) != 0)
		return 1;
	*ret = t;
	return 0;
}

/* Root of n hashes, a power of two. */
static struct merkle_hash fold(const struct merkle_hash *h, u32 n)
{
	struct merkle m = { 0 };
	for (u32 i = 0; i < n; i++)
		tlog_merkle_add(&m, &h[i]);
	return tlog_merkle_root(&m);
}

/* The next hash of a level, and of those above that it completes. */
static int push(struct tiler *t, u32 level, struct merkle_hash h)
{
	for (u32 l = level; l < TILE_LEVELS; l++) {
		struct tile *tile = &t->level[l];
		tile->h[tile->width++] = h;
		if (tile->width < TILE_WIDTH)
			return 0;
		int r = t->emit(t->arg, l, tile);
		if (r)
			return r;
		h = fold(tile->h, TILE_WIDTH);
		tile->n++;
		tile->width = 0;
	}
	return 0;
}

int tlog_tiler_add(struct tiler *t, const struct merkle_hash *leaf)
{
	tlog_merkle_add(&t->tree, leaf);
	return push(t, 0, *leaf);
}

int tlog_tiler_skip(struct tiler *t, const struct merkle_hash *root)
{
	struct merkle_hash path[MERKLE_PROOF_MAX + 1];
	assert(t->tree.size % TILE_WIDTH == 0);
	tlog_merkle_add_subtree(&t->tree, 8, root, path);
	t->level[0].n++;
	return push(t, 1, *root);
}

int tlog_tiler_finish(struct tiler *t)
{
	for (u32 l = 0; l < TILE_LEVELS; l++) {
		int r = t->level[l].width ? t->emit(t->arg, l, &t->level[l]) : 0;
		if (r)
			return r;
	}
	return 0;
}

void tlog_tiler_resume(struct tiler *t, u64 size)
{
	t->tree = (struct merkle){ .size = size };
	for (u32 l = 0; l < TILE_LEVELS; l++) {
		struct tile *tile = &t->level[l];
		u32 at = 0;
		tile->n = l < 7 ? size >> (8 * (l + 1)) : 0;
		tile->width = (u32)(size >> (8 * l)) % TILE_WIDTH;
		for (u32 bit = 8; bit-- > 0;) {
			if (!(tile->width >> bit & 1))
				continue;
			t->tree.edge[8 * l + bit] = fold(&tile->h[at], 1u << bit);
			at += 1u << bit;
		}
	}
}

int tlog_bundle_leaves(const void *data, size_t len, struct merkle_hash *ret, u32 *ret_n)
{
	const u8 *p = data, *end = p + len;
	u32 n = 0;
	for (; p < end; n++) {
		if (n == TILE_WIDTH || end - p < 2)
			return 1;
		size_t size = (size_t)p[0] << 8 | p[1];
		if (size > (size_t)(end - p) - 2)
			return 1;
		ret[n] = tlog_merkle_leaf(p + 2, size);
		p += 2 + size;
	}
	*ret_n = n;
	return 0;
}
