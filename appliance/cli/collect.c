#define _GNU_SOURCE
#include "cli/collect.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_CAP 4096u

struct place {
	char whole[PATH_CAP], partial[PATH_CAP + 16];
	struct carry_list have; /* the parts that are in it */
	int fd;
};

static void place_close(struct place *p)
{
	fd_close(&p->fd);
	carry_list_fini(&p->have);
}

bool collect_wanted(const char *path, char *ret, size_t cap, u32 *ret_part)
{
	char list[PATH_CAP];
	const char *dot = strrchr(path, '.');
	u64 n = 0;
	bool part = dot && strlen(dot) == 4 && opt_u64(dot + 1, TRANSFER_PARTS_MAX, &n) == 0 && n;
	int len = part ? (int)(dot - path) : (int)strlen(path);
	if ((size_t)snprintf(ret, cap, "%.*s", len, path) >= cap ||
		(size_t)snprintf(list, sizeof list, "%s.sha256", ret) >= sizeof list ||
		access(list, F_OK) < 0 || (!part && access(path, F_OK) == 0))
		return false;
	*ret_part = part ? (u32)n - 1 : UINT32_MAX;
	return true;
}

/* ---- where ---- */

/* Every directory of the path, the user's alone. 0; -errno. */
static int make_dirs(char *path)
{
	for (char *p = path + 1;; p++) {
		if (*p && *p != '/')
			continue;
		char was = *p;
		*p = 0;
		int r = mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
		*p = was;
		if (r || !was)
			return r;
	}
}

/* $XDG_STATE_HOME/keep/incoming. 0; otherwise an exit status, said. */
static int own_dir(char *ret, size_t cap)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	bool xdg = state && state[0] == '/';
	if (!xdg && !(home && home[0] == '/'))
		return out_fail(CLI_USAGE, "no home directory to collect parts in: --into DIR");
	int n = xdg ? snprintf(ret, cap, "%s/keep/incoming", state)
		    : snprintf(ret, cap, "%s/.local/state/keep/incoming", home);
	return (size_t)n < cap ? 0 : out_fail(CLI_REFUSED, "--into: %s", out_reason(ENAMETOOLONG));
}

static int place_find(const struct collect_params *p, struct place *ret)
{
	char dir[PATH_CAP] = "";
	const char *slash = strrchr(p->file, '/'), *base = slash ? slash + 1 : p->file;
	int r = p->into ? 0 : own_dir(dir, sizeof dir);
	if (r)
		return r;
	if (p->into)
		snprintf(dir, sizeof dir, "%s", p->into);
	r = make_dirs(dir);
	if (r)
		return out_fail(CLI_UNDECIDED, "%s: %s", dir, out_reason(r));
	if ((size_t)snprintf(ret->whole, sizeof ret->whole, "%s/%s", dir, base) >= sizeof ret->whole - 16)
		return out_fail(CLI_REFUSED, "%s: %s", base, out_reason(ENAMETOOLONG));
	snprintf(ret->partial, sizeof ret->partial, "%s.partial", ret->whole);
	return 0;
}

/* What is there from earlier media, of this transfer. */
static int place_have(const struct carry_list *medium, struct place *pl)
{
	char path[PATH_CAP + 16], why[PATH_CAP + 200];
	_cleanup_free_ char *text = NULL;
	size_t len;
	snprintf(path, sizeof path, "%s.have", pl->whole);
	if (access(path, F_OK) < 0) {
		if (carry_list_text(medium, pl->whole, &text, &len))
			return out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(-ENOMEM));
		len = strlen(medium->what) + 1; /* the parts are not here yet */
	} else {
		int r = file_read(path, TRANSFER_LIST_BYTES_MAX, &text, &len, why, sizeof why);
		if (r)
			return out_fail(r, "%s", why);
	}
	int r = carry_list_parse(text, len, pl->whole, &pl->have);
	if (r || strcmp(pl->have.what, medium->what))
		return out_fail(CLI_REFUSED,
			"%s: is of another transfer; remove it, or give --into another DIR", path);
	return 0;
}

static int place_open(struct place *pl)
{
	pl->fd = open(pl->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (pl->fd < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", pl->partial, out_reason(errno));
	if (fallocate(pl->fd, 0, 0, (off_t)pl->have.bytes) < 0 && errno != EOPNOTSUPP)
		return out_fail(CLI_UNDECIDED, "%s: %s for %s", pl->partial, out_reason(errno),
			out_size(pl->have.bytes).s);
	return 0;
}

/* ---- parts ---- */

/* Its bytes to their place. 0; otherwise an exit status, said. */
static int copy(int from, const char *path, struct place *pl, u32 i, u8 ret[SHA256_BYTES])
{
	u64 bytes = carry_part_bytes(&pl->have, i), base = (u64)i * pl->have.part_bytes, size;
	_cleanup_free_ u8 *buf = malloc(SEGMENT_BYTES);
	struct sha256 sum;
	int r = buf ? fd_regular_size(from, &size) : -ENOMEM;
	if (r == 1 || (r == 0 && size != bytes))
		return out_fail(CLI_REFUSED, "%s: has not the %llu bytes of part %u", path,
			(unsigned long long)bytes, i + 1);
	sha256_init(&sum);
	for (u64 at = 0; !r && at < bytes; at += SEGMENT_BYTES) {
		size_t n = (size_t)MIN((u64)SEGMENT_BYTES, bytes - at);
		r = fd_pread_all(from, buf, n, at);
		r = r ? r : fd_pwrite_all(pl->fd, buf, n, base + at);
		sha256_update(&sum, buf, n);
		out_progress(path, at + n, bytes);
	}
	out_progress_end();
	if (!r && fdatasync(pl->fd) < 0)
		r = -errno;
	sha256_final(&sum, ret);
	return r ? out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(r)) : 0;
}

static int take(const struct collect_params *p, const struct carry_list *medium, struct place *pl, u32 i)
{
	char path[PATH_CAP];
	u8 digest[SHA256_BYTES];
	if (carry_part_name(p->file, i, path, sizeof path))
		return out_fail(CLI_REFUSED, "%s: %s", p->file, out_reason(ENAMETOOLONG));
	if (!medium->has[i])
		return out_fail(CLI_REFUSED, "%s: %s.sha256 does not name it", path, p->file);
	if (pl->have.has[i] && !memcmp(pl->have.digests[i], medium->digests[i], sizeof digest))
		return 0;
	_cleanup_fd_ int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (from < 0 && errno == ENOENT && p->part == UINT32_MAX)
		return 0; /* named here, and on another medium */
	if (from < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", path, out_reason(errno));
	int r = copy(from, path, pl, i, digest);
	if (r)
		return r;
	if (memcmp(digest, medium->digests[i], sizeof digest))
		return out_fail(CLI_REFUSED, "%s: is damaged: its SHA-256 is not the one of the list", path);
	memcpy(pl->have.digests[i], digest, sizeof digest);
	pl->have.has[i] = true;
	return carry_list_save(&pl->have, pl->whole, ".have");
}

/* The parts that are not here: said, at most a line. */
static u32 missing(const struct place *pl, const char *file)
{
	char line[128] = "";
	size_t len = 0;
	u32 n = 0;
	for (u32 i = 0; i < pl->have.n_parts; i++) {
		if (pl->have.has[i])
			continue;
		if (n++ < 16)
			len += (size_t)snprintf(line + len, sizeof line - len, " %03u", i + 1);
	}
	if (n)
		out_say("%s: %u of %u parts are here; to come:%s%s", file, pl->have.n_parts - n,
			pl->have.n_parts, line, n > 16 ? " ..." : "");
	return n;
}

/* FILE itself is there: from parts that were all here, when nobody imported it? */
static int complete(const struct place *pl)
{
	for (u32 i = 0; i < pl->have.n_parts; i++)
		if (!pl->have.has[i])
			return out_fail(
				CLI_REFUSED, "%s: is there already, and was not made of parts", pl->whole);
	return 0;
}

int collect(const struct collect_params *p, bool *ret_whole, char *ret, size_t cap)
{
	_cleanup_(carry_list_fini) struct carry_list medium = { .n_parts = 0 };
	_cleanup_(place_close) struct place pl = { .fd = -1 };
	int r = carry_list_load(p->file, &medium);
	if (r == -ENOENT)
		return out_fail(CLI_REFUSED, "%s.sha256: %s", p->file, out_reason(ENOENT));
	r = r ? r : place_find(p, &pl);
	r = r ? r : place_have(&medium, &pl);
	if (r)
		return r;
	bool whole = access(pl.whole, F_OK) == 0;
	r = whole ? complete(&pl) : place_open(&pl);
	for (u32 i = 0; !whole && !r && i < medium.n_parts; i++)
		if (p->part == i || (p->part == UINT32_MAX && medium.has[i]))
			r = take(p, &medium, &pl, i);
	if (!r && p->part != UINT32_MAX && p->part >= medium.n_parts)
		r = out_fail(CLI_REFUSED, "%s: it has %u parts", p->file, medium.n_parts);
	if (r)
		return r;
	*ret_whole = whole || !missing(&pl, p->file);
	if (*ret_whole && !whole && rename(pl.partial, pl.whole) < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", pl.whole, out_reason(errno));
	snprintf(ret, cap, "%s", pl.whole);
	return CLI_DONE;
}

void collect_drop(const char *whole)
{
	char path[PATH_CAP + 16];
	snprintf(path, sizeof path, "%s.have", whole);
	unlink(path);
	unlink(whole);
}
