#define _GNU_SOURCE
#include "audit/tlog/archive.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 10u /* folders below each other: tile/, a level, six groups, .p */

struct archive_range tlog_archive_round(struct archive_range r, u64 size)
{
	r.from -= r.from % TILE_WIDTH;
	r.to = MIN(ALIGN_UP(r.to, (u64)TILE_WIDTH), size);
	return r;
}

void tlog_archive_text(const struct archive_range *r, char *out)
{
	snprintf(
		out, ARCHIVE_TEXT_MAX, "keep archive v1\nfrom %" PRIu64 "\nto %" PRIu64 "\n", r->from, r->to);
}

/* "word N" of a line. */
static int number(struct tlog_text *t, const char *word, u64 *ret)
{
	struct tlog_line l;
	size_t n = strlen(word);
	if (tlog_text_line(t, &l) || l.len <= n || memcmp(l.s, word, n) != 0)
		return 1;
	return bytes_decimal(l.s + n, l.len - n, ret);
}

int tlog_archive_read(const char *text, size_t len, struct archive_range *ret)
{
	struct tlog_text t = tlog_text(text, len);
	struct tlog_line l;
	struct archive_range r;
	if (tlog_text_line(&t, &l) || l.len != 15 || memcmp(l.s, "keep archive v1", 15) != 0 ||
		number(&t, "from ", &r.from) || number(&t, "to ", &r.to) || tlog_text_line(&t, &l) == 0 ||
		r.from >= r.to)
		return 1;
	char again[ARCHIVE_TEXT_MAX];
	tlog_archive_text(&r, again);
	if (strlen(again) != len || memcmp(again, text, len) != 0)
		return 1;
	*ret = r;
	return 0;
}

/* ---- sums ---- */

struct sums {
	int dir;
	char **path;
	size_t n, cap;
	char *why;
	size_t why_cap;
};

static void sums_fini(struct sums *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->path[i]);
	free(s->path);
	fd_close(&s->dir);
}

static int bad(struct sums *s, const char *path, const char *what)
{
	snprintf(s->why, s->why_cap, "%s: %s", path, what);
	return 1;
}

static int add(struct sums *s, const char *path)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 256;
		char **p = realloc(s->path, cap * sizeof *p);
		if (!p)
			return err_origin(-ENOMEM);
		s->path = p;
		s->cap = cap;
	}
	s->path[s->n] = strdup(path);
	return s->path[s->n++] ? 0 : err_origin(-ENOMEM);
}

/* What may lie beside the tiles. */
static bool expected(const char *path)
{
	static const char *const names[] = { ARCHIVE_FILE, "checkpoint", "policy" };
	struct tile_name t;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(path, names[i]) == 0)
			return true;
	return tlog_tile_path_read(path, &t) == 0;
}

static int walk(struct sums *s, int *fd, const char *path, u32 depth);

static int entry(struct sums *s, int at, const char *path, const char *name, u32 depth)
{
	char full[384];
	struct stat st;
	int n = snprintf(full, sizeof full, "%s%s%s", path, *path ? "/" : "", name);
	if (n < 0 || (size_t)n >= sizeof full || fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return bad(s, name, "cannot be looked at");
	if (strcmp(full, ARCHIVE_SUMS) == 0)
		return 0;
	if (S_ISREG(st.st_mode))
		return expected(full) ? add(s, full) : bad(s, full, "belongs to no archive");
	if (!S_ISDIR(st.st_mode) || depth == DEPTH_MAX)
		return bad(s, full, "neither a file nor a folder of an archive");
	int sub = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return sub < 0 ? err_errno() : walk(s, &sub, full, depth + 1);
}

static int walk(struct sums *s, int *fd, const char *path, u32 depth)
{
	DIR *d = fdopendir(*fd);
	if (!d) {
		fd_close(fd);
		return err_origin(-ENOMEM);
	}
	*fd = -1;
	int r = 0;
	for (struct dirent *e; !r && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = entry(s, dirfd(d), path, e->d_name, depth);
	closedir(d);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Read again: what the page cache holds of it is given back first. */
static int hash_file(struct sums *s, const char *path, u8 ret[SHA256_BYTES])
{
	_cleanup_fd_ int fd = openat(s->dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ u8 *data = NULL;
	size_t len;
	if (fd < 0)
		return err_errno();
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	int r = fd_read_file(fd, BUNDLE_FILE_BYTES_MAX, &data, &len);
	if (r)
		return r < 0 ? r : bad(s, path, "too long");
	sha256_of(data, len, ret);
	return 0;
}

static int write_sums(struct sums *s, FILE *f)
{
	for (size_t i = 0; i < s->n; i++) {
		u8 digest[SHA256_BYTES];
		char hex[2 * SHA256_BYTES + 1];
		int r = hash_file(s, s->path[i], digest);
		if (r)
			return r;
		bytes_hex(digest, sizeof digest, hex);
		fprintf(f, "%s  %s\n", hex, s->path[i]);
	}
	return 0;
}

static int put_sums(struct sums *s, const char *text, size_t len)
{
	_cleanup_fd_ int fd =
		openat(s->dir, ARCHIVE_SUMS, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_errno();
	int r = fd_write_all(fd, text, len);
	if (!r && (fsync(fd) < 0 || fsync(s->dir) < 0))
		r = err_errno();
	return r;
}

int tlog_archive_sums(const char *dir, u8 ret[SHA256_BYTES], char *why, size_t cap)
{
	_cleanup_(sums_fini) struct sums s = { .why = why, .why_cap = cap };
	_cleanup_free_ char *text = NULL;
	size_t len;
	s.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int copy = s.dir < 0 ? -1 : openat(s.dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = copy < 0 ? err_errno() : walk(&s, &copy, "", 0);
	if (r)
		return r;
	if (s.n)
		qsort(s.path, s.n, sizeof *s.path, by_name);
	FILE *f = open_memstream(&text, &len);
	if (!f)
		return err_origin(-ENOMEM);
	r = write_sums(&s, f);
	if (fclose(f) && !r)
		r = err_origin(-ENOMEM);
	if (!r)
		r = put_sums(&s, text, len);
	if (!r)
		sha256_of(text, len, ret);
	return r;
}
