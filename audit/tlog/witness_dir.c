#define _GNU_SOURCE
#include "audit/tlog/witness.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Put a file in place, durable, at once or not at all. */
static int put(int dir, const char *name, mode_t mode, const void *data, size_t len)
{
	char tmp[64];
	snprintf(tmp, sizeof tmp, ".%s.new", name);
	_cleanup_fd_ int fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return err_errno();
	int r = fd_write_all(fd, data, len);
	if (!r && (fsync(fd) < 0 || renameat(dir, tmp, dir, name) < 0 || fsync(dir) < 0))
		r = err_errno();
	return r;
}

/* 0; 1 there is none; 2 not a regular file, or longer than max; -errno. */
static int get(int dir, const char *name, u64 max, char **ret, size_t *ret_len)
{
	u8 *data;
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 1 : err_errno();
	int r = fd_read_file(fd, max, &data, ret_len);
	if (r)
		return r > 0 ? 2 : r;
	*ret = (char *)data;
	return 0;
}

static int key_load(struct witness *w, const struct witness_open *o, char *why, size_t cap)
{
	char *text = NULL, fresh[NOTE_VKEY_MAX + 16];
	size_t len;
	int r = get(w->dir, "key", NOTE_VKEY_MAX, &text, &len);
	if (r == 0) {
		r = strlen(text) != len || tlog_note_key_from_secret(text, &w->key) ||
		    w->key.type != NOTE_COSIGNATURE;
		sodium_memzero(text, len);
		free(text);
		if (r)
			snprintf(why, cap, "%s/key: not a witness's key", o->dir);
		return r;
	}
	if (r != 1 || !o->create) {
		snprintf(why, cap, r == 1 ? "%s: no witness here" : "%s/key: not a witness's key", o->dir);
		return r < 0 ? r : 1;
	}
	if (tlog_note_key_make(o->name, NOTE_COSIGNATURE, &w->key)) {
		snprintf(why, cap, "%s: not a name for a key", o->name);
		return 1;
	}
	tlog_note_key_secret_text(&w->key, fresh, sizeof fresh - 1);
	strcat(fresh, "\n");
	r = put(w->dir, "key", 0600, fresh, strlen(fresh));
	sodium_memzero(fresh, sizeof fresh);
	return r;
}

static int logs_load(struct witness *w, const char *dir, char *why, size_t cap)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = get(w->dir, "logs", POLICY_BYTES_MAX, &text, &len);
	if (r == 1)
		return 0;
	struct tlog_text t = tlog_text(text, r ? 0 : len);
	for (struct tlog_line line; !r && t.p < t.end;) {
		struct note_key k;
		r = tlog_text_line(&t, &line) || tlog_note_key_from_vkey(line.s, line.len, &k) ||
		    tlog_witness_add_log(w, &k, false);
	}
	if (r > 0)
		snprintf(why, cap, "%s/logs: not a list of keys of logs", dir);
	return r < 0 ? r : r != 0;
}

int tlog_witness_open(const struct witness_open *o, struct witness *ret, char *why, size_t cap)
{
	_cleanup_witness_ struct witness w = WITNESS_NONE;
	if (o->create && mkdir(o->dir, 0700) < 0 && errno != EEXIST) {
		snprintf(why, cap, "%s: %s", o->dir, strerror(errno));
		return err_errno();
	}
	w.dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w.dir >= 0)
		w.lock = openat(w.dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r = w.dir < 0 && errno == ENOENT && !o->create ? 1 : 0;
	if (w.dir < 0 || w.lock < 0 || flock(w.lock, LOCK_EX) < 0) {
		snprintf(why, cap, "%s: %s", o->dir, r ? "no witness here" : strerror(errno));
		return r ? r : err_errno();
	}
	r = key_load(&w, o, why, cap);
	r = r ? r : logs_load(&w, o->dir, why, cap);
	if (r) {
		if (r < 0)
			snprintf(why, cap, "%s: %s", o->dir, strerror(-r));
		return r;
	}
	*ret = w;
	w = (struct witness)WITNESS_NONE;
	return 0;
}

void tlog_witness_close(struct witness *w)
{
	fd_close(&w->lock);
	fd_close(&w->dir);
	sodium_memzero(&w->key, sizeof w->key);
}

int tlog_witness_add_log(struct witness *w, const struct note_key *log, bool keep)
{
	char *text = NULL, vkey[NOTE_VKEY_MAX];
	size_t len = 0;
	bool known = false;
	for (size_t i = 0; i < w->n_logs; i++)
		known |= tlog_note_key_same(&w->logs[i], log);
	if (known)
		return 0;
	if (w->n_logs == WITNESS_LOGS_MAX || log->type != NOTE_ED25519)
		return 1;
	if (keep) {
		FILE *f = open_memstream(&text, &len);
		if (!f)
			return err_errno();
		for (size_t i = 0; i <= w->n_logs; i++) {
			tlog_note_vkey(i < w->n_logs ? &w->logs[i] : log, vkey, sizeof vkey);
			fprintf(f, "%s\n", vkey);
		}
		int r = fclose(f) ? err_origin(-ENOMEM) : put(w->dir, "logs", 0600, text, len);
		free(text);
		if (r)
			return r;
	}
	w->logs[w->n_logs++] = *log;
	return 0;
}

struct origin_dir {
	char s[2 * SHA256_BYTES + 1];
};
static struct origin_dir origin_dir(const char *origin)
{
	struct origin_dir d;
	u8 h[SHA256_BYTES];
	sha256_of(origin, strlen(origin), h);
	bytes_hex(h, sizeof h, d.s);
	return d;
}

int tlog_witness_newest(const struct witness *w, const char *origin, char **ret, size_t *ret_len,
	struct witness_seen *ret_seen)
{
	struct origin_dir d = origin_dir(origin);
	struct checkpoint cp;
	char path[80];
	size_t text_len;
	snprintf(path, sizeof path, "%s/checkpoint", d.s);
	*ret_seen = (struct witness_seen){ 0 };
	int r = get(w->dir, path, NOTE_BYTES_MAX, ret, ret_len);
	if (r)
		return r;
	if (tlog_note_open(*ret, *ret_len, &w->key, 1, &text_len) ||
		tlog_checkpoint_read(*ret, text_len, &cp) || strcmp(cp.origin, origin) != 0) {
		free_ptr(ret);
		return 2;
	}
	*ret_seen = (struct witness_seen){ true, cp.size, cp.root };
	return 0;
}

/* The checkpoint with the signatures of its log that were verified, and ours. */
static int store(struct witness *w, const struct witness_request *q, const char *line)
{
	struct origin_dir d = origin_dir(q->cp.origin);
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	if (!f)
		return err_errno();
	fprintf(f, "%.*s\n", (int)q->note.text_len, q->note.text);
	for (size_t i = 0; i < w->n_logs; i++) {
		struct tlog_line l;
		size_t at = 0;
		if (tlog_checkpoint_key_fits(&q->cp, &w->logs[i]) &&
			tlog_note_line_of(&q->note, &w->logs[i], &at, &l) == 0)
			fprintf(f, "%.*s", (int)l.len, l.s);
	}
	fputs(line, f);
	int r = fclose(f) ? err_origin(-ENOMEM) : 0;
	if (!r && mkdirat(w->dir, d.s, 0700) < 0 && errno != EEXIST)
		r = err_errno();
	_cleanup_fd_ int sub = r ? -1 : openat(w->dir, d.s, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (!r && (sub < 0 || fsync(w->dir) < 0))
		r = err_errno();
	r = r ? r : put(sub, "checkpoint", 0600, text, len);
	free(text);
	return r;
}

static void answer(struct witness_answer *a, u32 status, u64 size)
{
	static const struct {
		u32 status;
		const char *words;
	} say[] = { { 400, "the request is malformed\n" }, { 403, "no valid signature of that log's key\n" },
		{ 404, "that log is not known here\n" }, { 422, "the consistency proof does not hold\n" } };
	a->status = status;
	for (size_t i = 0; i < ARRAY_LEN(say); i++)
		if (say[i].status == status)
			snprintf(a->body, sizeof a->body, "%s", say[i].words);
	if (status == 409)
		snprintf(a->body, sizeof a->body, "%" PRIu64 "\n", size);
}

int tlog_witness_answer(struct witness *w, const void *data, size_t len, u64 now, struct witness_answer *ret)
{
	struct witness_answer a = { 0 };
	struct witness_request *q = calloc(1, sizeof *q);
	struct witness_seen seen = { 0 };
	_cleanup_free_ char *newest = NULL;
	size_t newest_len;
	int r = 0;
	assert(now > 0 && now <= INT64_MAX);
	if (!q)
		return err_origin(-ENOMEM);
	if (tlog_witness_read(data, len, q)) {
		answer(&a, 400, 0);
	} else {
		r = tlog_witness_newest(w, q->cp.origin, &newest, &newest_len, &seen);
		r = r == 1 ? 0 : r == 2 ? 1 : r;
		if (!r)
			answer(&a, tlog_witness_judge(q, w->logs, w->n_logs, &seen), seen.size);
		if (!r && a.status == 200) {
			tlog_note_line(&w->key, q->note.text, q->note.text_len, now, a.body);
			a.cp = q->cp;
			r = store(w, q, a.body);
		}
	}
	free(q);
	if (!r)
		*ret = a;
	return r;
}
