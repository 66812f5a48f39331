#define _GNU_SOURCE
#include "audit/store.h"
#include "audit/log.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int open_dir(int at, const char *name, int *ret_fd)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno();
	*ret_fd = fd;
	return 0;
}

static int make_dir(int at, const char *name, int *ret_fd)
{
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return err_errno();
	return open_dir(at, name, ret_fd);
}

static int sync_fd(int fd)
{
	return fsync(fd) < 0 ? err_errno() : 0;
}

/* A new file with that content, durable (its directory is not yet). */
static int put_file(int dir, const char *name, mode_t mode, const void *data, size_t len)
{
	_cleanup_fd_ int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno();
	int r = fd_write_all(fd, data, len);
	if (r)
		return r;
	if (fchmod(fd, mode) < 0)
		return err_errno();
	return sync_fd(fd);
}

/* A file in the place of the one of that name, if any: whole at any moment, and durable at the end. */
#define NEW_FILE "new"
static int replace_file(int dir, const char *name, mode_t mode, const char *text)
{
	if (unlinkat(dir, NEW_FILE, 0) < 0 && errno != ENOENT)
		return err_errno();
	int r = put_file(dir, NEW_FILE, mode, text, strlen(text));
	if (!r && renameat(dir, NEW_FILE, dir, name) < 0)
		r = err_errno();
	return r ? r : sync_fd(dir);
}

/* ---- making a store ---- */

static int put_keys(int dir, const struct note_key *key, char *vkey, size_t cap)
{
	_cleanup_fd_ int keys = -1;
	int r = make_dir(dir, "keys", &keys);
	if (r)
		return r;
	char text[NOTE_VKEY_MAX + 16];
	tlog_note_key_secret_text(key, text, sizeof text - 1);
	strcat(text, "\n");
	r = put_file(keys, "log.key", 0600, text, strlen(text));
	sodium_memzero(text, sizeof text);
	if (r)
		return r;
	tlog_note_vkey(key, vkey, cap);
	r = put_file(keys, "log.vkey", 0644, vkey, strlen(vkey));
	return r ? r : sync_fd(keys);
}

int audit_store_create(const char *path, const char *version, char *vkey, size_t cap)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno();
	_cleanup_fd_ int dir = -1, models = -1, staging = -1;
	int r = open_dir(AT_FDCWD, path, &dir);
	if (r)
		return r;
	if (faccessat(dir, "log.db", F_OK, 0) == 0 || faccessat(dir, "keys/log.key", F_OK, 0) == 0)
		return 1;
	if (fchmod(dir, 0700) < 0)
		return err_errno();
	r = make_dir(dir, "models", &models);
	if (!r)
		r = make_dir(dir, "staging", &staging);
	if (r)
		return r;
	struct note_key key;
	char db[4096], tmp[4096];
	if ((size_t)snprintf(db, sizeof db, "%s/log.db", path) >= sizeof db ||
		(size_t)snprintf(tmp, sizeof tmp, "%s/log.db.new", path) >= sizeof tmp)
		return err_origin(-ENAMETOOLONG);
	/* the database takes its name last: a store with log.db is whole */
	unlink(tmp);
	r = tlog_note_key_make(NULL, NOTE_ED25519, &key);
	assert(r == 0);
	r = audit_log_create(tmp, &key, version);
	if (!r)
		r = put_keys(dir, &key, vkey, cap);
	sodium_memzero(&key, sizeof key);
	if (r)
		return r;
	if (rename(tmp, db) < 0)
		return err_errno();
	return sync_fd(dir);
}

/* ---- opening ---- */

/* 0 done; 1 not there; 2 not a key; -errno. */
static int read_key(int dir, const char *name, struct note_key *ret)
{
	_cleanup_fd_ int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 1 : err_errno();
	u8 *text = NULL;
	size_t len;
	int r = fd_read_file(fd, NOTE_VKEY_MAX, &text, &len);
	if (r)
		return r < 0 ? r : 2;
	r = tlog_note_key_from_secret((const char *)text, ret) || ret->type != NOTE_ED25519 ? 2 : 0;
	sodium_memzero(text, len);
	free(text);
	return r;
}

int audit_store_keys(const struct store *s, struct store_keys *ret, const char **ret_why)
{
	static const struct {
		const char *name;
		bool credential, next;
	} places[STORE_KEYS_MAX] = { { "keys/log.key", false, false }, { "keep.log.key", true, false },
		{ "keys/log.key.next", false, true }, { "keep.log.key.next", true, true } };
	const char *path = getenv("CREDENTIALS_DIRECTORY");
	_cleanup_fd_ int credentials = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	ret->n = 0;
	for (u32 i = 0; i < ARRAY_LEN(places); i++) {
		if (places[i].credential && credentials < 0)
			continue;
		int r = read_key(
			places[i].credential ? credentials : s->dir, places[i].name, &ret->v[ret->n]);
		if (r < 0)
			return r;
		if (r == 2) {
			*ret_why = "a file of the log's key is malformed";
			return 1;
		}
		ret->credential[ret->n] = places[i].credential;
		ret->next[ret->n] = places[i].next;
		ret->n += r == 0;
	}
	*ret_why = "neither keys/log.key nor the credential keep.log.key is there";
	return ret->n ? 0 : 1;
}

int audit_store_key_next(const struct store *s, const char *name, struct note_key *ret)
{
	char text[NOTE_VKEY_MAX + 16];
	_cleanup_fd_ int keys = -1;
	int r = open_dir(s->dir, "keys", &keys);
	if (r)
		return r;
	r = tlog_note_key_make(name, NOTE_ED25519, ret);
	assert(r == 0); /* it is the name of a key already */
	tlog_note_key_secret_text(ret, text, sizeof text - 1);
	strcat(text, "\n");
	r = replace_file(keys, "log.key.next", 0600, text);
	sodium_memzero(text, sizeof text);
	return r;
}

int audit_store_key_settle(const struct store *s, const struct note_key *now)
{
	char vkey[NOTE_VKEY_MAX];
	_cleanup_fd_ int keys = -1;
	int r = open_dir(s->dir, "keys", &keys);
	if (r)
		return r;
	if (renameat(keys, "log.key.next", keys, "log.key") < 0 && errno != ENOENT)
		return err_errno();
	tlog_note_vkey(now, vkey, sizeof vkey);
	return replace_file(keys, "log.vkey", 0644, vkey);
}

int audit_store_next(const char *path, struct note_key *ret)
{
	_cleanup_fd_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_fd_ int fd = dir < 0 ? -1 : openat(dir, "keys/log.vkey", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ u8 *text = NULL;
	struct note_key is;
	size_t len;
	if (fd < 0)
		return errno == ENOENT ? 1 : err_errno();
	int r = fd_read_file(fd, NOTE_VKEY_MAX, &text, &len);
	r = r ? r : tlog_note_key_from_vkey((const char *)text, len, &is);
	return r ? r : tlog_note_key_make(is.name, NOTE_ED25519, ret);
}

int audit_store_key_drop(const struct store *s)
{
	_cleanup_fd_ int keys = -1;
	int r = open_dir(s->dir, "keys", &keys);
	if (!r && unlinkat(keys, "log.key.next", 0) < 0 && errno != ENOENT)
		r = err_errno();
	if (!r && unlinkat(keys, NEW_FILE, 0) < 0 && errno != ENOENT)
		r = err_errno();
	return r ? r : sync_fd(keys);
}

static int first_key(const struct store *s, struct note_key *ret, const char **ret_why)
{
	struct store_keys keys;
	int r = audit_store_keys(s, &keys, ret_why);
	if (!r)
		*ret = keys.v[0];
	sodium_memzero(&keys, sizeof keys);
	return r;
}

int audit_store_open(const char *path, struct store *ret, struct note_key *ret_key, const char **ret_why)
{
	struct store s = { -1, -1, -1, "" };
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		*ret_why = "no such directory; make it with keep init";
		return errno == ENOENT ? 1 : err_errno();
	}
	s.dir = dir;
	int r = 0;
	if (faccessat(dir, "log.db", F_OK, 0) < 0) {
		*ret_why = "no store is there; make it with keep init";
		r = 1;
	} else if (flock(dir, LOCK_EX | LOCK_NB) < 0) {
		*ret_why = "another keepd has it";
		r = errno == EWOULDBLOCK ? 1 : err_errno();
	} else if ((r = first_key(&s, ret_key, ret_why))) {
		;
	} else {
		r = open_dir(dir, "models", &s.models);
		if (!r)
			r = open_dir(dir, "staging", &s.staging);
		if (!r &&
			(size_t)snprintf(s.db_path, sizeof s.db_path, "%s/log.db", path) >= sizeof s.db_path)
			r = err_origin(-ENAMETOOLONG);
	}
	if (r) {
		audit_store_close(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void audit_store_close(struct store *s)
{
	fd_close(&s->models);
	fd_close(&s->staging);
	fd_close(&s->dir);
}

int audit_store_free(const struct store *s, u64 *ret_bytes)
{
	struct statvfs v;
	if (fstatvfs(s->dir, &v) < 0)
		return err_errno();
	*ret_bytes = (u64)v.f_bavail * v.f_frsize;
	return 0;
}

/* ---- staging ---- */

int audit_store_stage(const struct store *s, const char *name, int *ret_fd)
{
	if (mkdirat(s->staging, name, 0700) < 0)
		return err_errno();
	return open_dir(s->staging, name, ret_fd);
}

int audit_store_stage_file(int stage, u32 index, bool create, int *ret_fd)
{
	char name[16];
	snprintf(name, sizeof name, "%04u", index);
	int flags = create ? O_RDWR | O_CREAT | O_EXCL : O_RDONLY;
	int fd = openat(stage, name, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno();
	*ret_fd = fd;
	return 0;
}

int audit_store_stage_put(int stage, const char *name, const void *data, size_t len)
{
	return put_file(stage, name, 0400, data, len);
}

/* Is it a name of our own in a directory of our own (not . or ..)? */
static bool entry_ok(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int seal_one(int stage, const char *name)
{
	_cleanup_fd_ int fd = openat(stage, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0400) < 0)
		return err_errno();
	return sync_fd(fd);
}

int audit_store_stage_seal(int stage)
{
	int copy = openat(stage, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	if (!d) {
		r = err_errno();
		fd_close(&copy);
		return r;
	}
	for (struct dirent *e; !r && (e = readdir(d));)
		if (entry_ok(e))
			r = seal_one(stage, e->d_name);
	closedir(d);
	return r ? r : sync_fd(stage);
}

static void hex_name(const u8 *digest, const char *prefix, char out[STORE_NAME_BYTES])
{
	char hex[2 * MODEL_DIGEST_BYTES + 1];
	bytes_hex(digest, MODEL_DIGEST_BYTES, hex);
	snprintf(out, STORE_NAME_BYTES, "%s%s", prefix, hex);
}

/* ---- moves ---- */

/* 0 moved and durable; 1 `from` is not there; -errno. */
static int move(int from_dir, const char *from, int to_dir, const char *to)
{
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) < 0)
		return errno == ENOENT ? 1 : err_errno();
	int r = sync_fd(to_dir);
	return r ? r : sync_fd(from_dir);
}

int audit_store_stage_name(const struct store *s, const char *from, const u8 *digest)
{
	char to[STORE_NAME_BYTES];
	hex_name(digest, "", to);
	int r = move(s->staging, from, s->staging, to);
	return r > 0 ? err_origin(-ENOENT) : r;
}

int audit_store_publish(const struct store *s, const u8 digest[MODEL_DIGEST_BYTES])
{
	char name[STORE_NAME_BYTES];
	hex_name(digest, "", name);
	if (faccessat(s->models, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return move(s->staging, name, s->models, name);
}

int audit_store_withdraw(const struct store *s, const u8 digest[MODEL_DIGEST_BYTES])
{
	char name[STORE_NAME_BYTES], gone[STORE_NAME_BYTES];
	hex_name(digest, "", name);
	hex_name(digest, "x", gone);
	int r = move(s->models, name, s->staging, gone);
	return r > 0 ? 0 : r;
}

int audit_store_prune(const struct store *s, bool (*keep)(void *arg, const u8 *digest), void *arg)
{
	int copy = openat(s->models, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	if (!d) {
		r = err_errno();
		fd_close(&copy);
		return r;
	}
	for (struct dirent *e; !r && (e = readdir(d));) {
		u8 digest[MODEL_DIGEST_BYTES];
		if (!entry_ok(e) || strlen(e->d_name) != 2 * sizeof digest ||
			bytes_unhex(e->d_name, sizeof digest, digest) || keep(arg, digest))
			continue;
		r = audit_store_withdraw(s, digest);
	}
	closedir(d);
	return r;
}

/* First entry of a directory that is not `keep`. 0 found; 1 none; -errno. */
static int first_entry(int dir, const char *keep, char *name, size_t cap)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	if (!d) {
		int r = err_errno();
		fd_close(&copy);
		return r;
	}
	int found = 1;
	for (struct dirent *e; found == 1 && (e = readdir(d));)
		if (entry_ok(e) && !(keep && strcmp(e->d_name, keep) == 0)) {
			snprintf(name, cap, "%s", e->d_name);
			found = 0;
		}
	closedir(d);
	return found;
}

int audit_store_sweep(const struct store *s, const char *keep)
{
	char name[256], file[256];
	int r = first_entry(s->staging, keep, name, sizeof name);
	if (r)
		return r > 0 ? 0 : r;
	_cleanup_fd_ int dir = -1;
	r = open_dir(s->staging, name, &dir);
	if (r == -ENOTDIR || r == -ELOOP)
		return unlinkat(s->staging, name, 0) < 0 ? err_errno() : 1;
	if (r)
		return r;
	r = first_entry(dir, NULL, file, sizeof file);
	if (r == 0)
		return unlinkat(dir, file, 0) < 0 ? err_errno() : 1;
	if (r > 0)
		return unlinkat(s->staging, name, AT_REMOVEDIR) < 0 ? err_errno() : 1;
	return r;
}

int audit_store_open_file(
	const struct store *s, const u8 digest[MODEL_DIGEST_BYTES], const char *name, int *ret_fd)
{
	char dir[STORE_NAME_BYTES];
	hex_name(digest, "", dir);
	_cleanup_fd_ int d = -1;
	int r = open_dir(s->models, dir, &d);
	if (r)
		return r;
	int fd = openat(d, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_errno();
	*ret_fd = fd;
	return 0;
}
