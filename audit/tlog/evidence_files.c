/* Evidence: the list of files, and sign-offs. */
#define _GNU_SOURCE
#include "audit/tlog/evidence_priv.h"
#include "audit/tlog/review.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the list ---- */

struct list {
	char *name[EVIDENCE_FILES_MAX];
	u32 n;
};

static void list_free(struct list *l)
{
	for (u32 i = 0; i < l->n; i++)
		free(l->name[i]);
	free(l);
}

static bool after_the_list(const char *name)
{
	return !strcmp(name, EVIDENCE_SUMS) || !strcmp(name, EVIDENCE_TAKEN) ||
	       !strcmp(name, EVIDENCE_TAKEN_PROOF);
}

/* Files of a directory, or of the one below it that may be there. 0; 1 something that belongs to no evidence, *ret_what; -errno. */
static int list_dir(int dir, const char *prefix, struct list *l, char ret_what[600])
{
	int fd = openat(dir, *prefix ? prefix : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		fd_close(&fd);
		return err_errno();
	}
	for (struct dirent *de; !r && (errno = 0, de = readdir(d));) {
		struct stat st;
		const char *name = de->d_name;
		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			r = err_errno();
		} else if (S_ISDIR(st.st_mode) && !*prefix && !strcmp(name, EVIDENCE_CONTEXT)) {
			r = list_dir(dir, name, l, ret_what);
		} else if (!S_ISREG(st.st_mode) || l->n == EVIDENCE_FILES_MAX) {
			snprintf(ret_what, 600, "%s%s%s", prefix, *prefix ? "/" : "", name);
			r = 1;
		} else if (*prefix || !after_the_list(name)) {
			r = asprintf(&l->name[l->n], "%s%s%s", prefix, *prefix ? "/" : "", name) < 0
				    ? err_origin(-ENOMEM)
				    : 0;
			l->n += r == 0;
		}
	}
	closedir(d);
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int digest_of(int dir, const char *name, char hex[2 * SHA256_BYTES + 1])
{
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct sha256 s;
	u8 buf[65536], digest[SHA256_BYTES];
	ssize_t n = fd < 0 ? -1 : 1;
	sha256_init(&s);
	while (n > 0 && (n = read(fd, buf, sizeof buf)) > 0)
		sha256_update(&s, buf, (size_t)n);
	int r = n < 0 ? err_errno() : 0;
	sha256_final(&s, digest);
	bytes_hex(digest, sizeof digest, hex);
	return r;
}

/* The text of the list as it should be. 0, *ret to be freed; 1 *ret_what; -errno. */
static int sums_text(int dir, char **ret, size_t *ret_len, u32 *ret_n, char ret_what[600])
{
	struct list *l = calloc(1, sizeof *l);
	FILE *f = l ? open_memstream(ret, ret_len) : NULL;
	char hex[2 * SHA256_BYTES + 1];
	if (!f) {
		free(l);
		return err_origin(-ENOMEM);
	}
	int r = list_dir(dir, "", l, ret_what);
	qsort(l->name, l->n, sizeof l->name[0], by_name);
	for (u32 i = 0; !r && i < l->n; i++) {
		r = digest_of(dir, l->name[i], hex);
		fprintf(f, "%s  %s\n", hex, l->name[i]);
	}
	*ret_n = l->n;
	list_free(l);
	if (fclose(f) && !r)
		r = err_origin(-ENOMEM);
	if (r)
		free_ptr(ret);
	return r;
}

int tlog_evidence_sums(int dir, u8 ret[SHA256_BYTES])
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	u32 n;
	char what[600];
	int r = sums_text(dir, &text, &len, &n, what);
	if (r)
		return r > 0 ? err_origin(-EEXIST) : r;
	_cleanup_fd_ int fd = openat(dir, EVIDENCE_SUMS, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	r = fd < 0 ? err_errno() : fd_write_all(fd, text, len);
	if (!r && fsync(fd) < 0)
		r = err_errno();
	sha256_of(text, len, ret);
	return r;
}

/* Which line of the list is not what it should be. */
static int differs(struct evidence *e, const struct evidence_file *is, const char *want)
{
	struct tlog_text a = tlog_text(is->data, is->len), b = tlog_text(want, strlen(want));
	struct tlog_line x = { 0 }, y = { 0 };
	for (;;) {
		int end_a = tlog_text_line(&a, &x), end_b = tlog_text_line(&b, &y);
		if (end_b)
			return evidence_bad(e, EVIDENCE_SUMS ": lists what is not here");
		if (end_a || x.len != y.len || memcmp(x.s, y.s, x.len) != 0)
			return evidence_bad(e, "%.*s: not the file that " EVIDENCE_SUMS " lists",
				(int)(y.len > 66 ? MIN(y.len - 66, 200u) : 0), y.s + MIN(y.len, 66u));
	}
}

int evidence_sums_judge(struct evidence *e, u8 ret[SHA256_BYTES])
{
	_cleanup_evidence_file_ struct evidence_file is = { 0 };
	_cleanup_free_ char *want = NULL;
	char what[600] = "";
	size_t len = 0;
	int r = evidence_load(e, EVIDENCE_SUMS, EVIDENCE_FILES_MAX * 512u, &is);
	r = r ? r : sums_text(e->dir, &want, &len, &e->ret->n_files, what);
	if (r)
		return what[0] ? evidence_bad(e, "%s: belongs to no evidence", what) : r;
	sha256_of(is.data, is.len, ret);
	return is.len == len && !memcmp(is.data, want, len) ? 0 : differs(e, &is, want);
}

/* ---- sign-offs ---- */

/* A member's text, its escapes undone. 0; 1 it has none, or not one that keepd writes. */
static int string_of(const struct evidence_record *r, const char *key, char *out, size_t cap, size_t *ret_len)
{
	char mark[32];
	int n = snprintf(mark, sizeof mark, ",\"%s\":\"", key);
	const char *p = memmem(r->fields, r->len, mark, (size_t)n), *end = r->fields + r->len;
	size_t at = 0;
	for (p = p ? p + n : end; p < end && *p != '"'; p++) {
		static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
		const char *esc = *p == '\\' && p + 1 < end ? strchr(from, p[1]) : NULL;
		if (at + 1 >= cap || (*p == '\\' && (!esc || !*esc)))
			return 1;
		out[at++] = esc ? to[esc - from] : *p;
		p += esc != NULL;
	}
	out[at] = 0;
	*ret_len = at;
	return p < end ? 0 : 1;
}

int evidence_review_add(struct evidence *e, const struct evidence_record *r, u64 index)
{
	char note[REVIEW_BYTES_MAX + 1];
	struct tlog_review v;
	size_t len;
	if (string_of(r, "note", note, sizeof note, &len) || tlog_review_open(note, len, &v))
		return evidence_bad(
			e, "record %" PRIu64 ": the sign-off in it is not signed with its key", index);
	if (strcmp(v.origin, e->key.name) || v.to > index || !evidence_has_hex(r, "root", v.root.b))
		return evidence_bad(
			e, "record %" PRIu64 ": the sign-off in it is not about what the record says", index);
	struct evidence_review *p = realloc(e->reviews, (e->n_reviews + 1) * sizeof *p);
	if (!p)
		return err_origin(-ENOMEM);
	e->reviews = p;
	e->reviews[e->n_reviews++] = (struct evidence_review){ index, v.to, v.root };
	e->ret->n_reviews++;
	e->ret->n_questions += v.n_questions;
	return 0;
}

static int reviews_at(struct evidence *e, const struct merkle *tree)
{
	for (size_t i = 0; i < e->n_reviews; i++) {
		if (e->reviews[i].to != tree->size)
			continue;
		struct merkle_hash root = tlog_merkle_root(tree);
		if (memcmp(root.b, e->reviews[i].root.b, sizeof root.b) != 0)
			return evidence_bad(e, "record %" PRIu64 ": what was signed off is not this log",
				e->reviews[i].index);
	}
	return 0;
}

int evidence_reviews_judge(
	struct evidence *e, const struct merkle *before, const struct evidence_file *entries)
{
	struct merkle tree = *before;
	struct tlog_text t = tlog_text(entries->data, entries->len);
	struct tlog_line l;
	int r = e->n_reviews ? reviews_at(e, &tree) : 0;
	while (e->n_reviews && !r && tlog_text_line(&t, &l) == 0) {
		struct merkle_hash leaf = tlog_merkle_leaf(l.s, l.len);
		tlog_merkle_add(&tree, &leaf);
		r = reviews_at(e, &tree);
	}
	return r;
}
