#define _GNU_SOURCE
#include "cli/file.h"
#include "audit/tlog/parts.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_read(const char *path, u64 max, char **ret, size_t *ret_len, char *why, size_t cap)
{
	_cleanup_fd_ int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : dup(0);
	_cleanup_free_ char *buf = NULL;
	size_t len = 0, size = 4096;
	ssize_t n = 1;
	if (fd < 0) {
		snprintf(why, cap, "%s: %s", path, strerror(errno));
		return err_is_path(errno) ? CLI_REFUSED : CLI_UNDECIDED;
	}
	while (n > 0) {
		if (!buf || len + 1 >= size) {
			char *p = realloc(buf, size = buf ? 2 * size : size);
			if (!p) {
				snprintf(why, cap, "%s: %s", path, strerror(ENOMEM));
				return CLI_UNDECIDED;
			}
			buf = p;
		}
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno == EINTR) {
			n = 1;
			continue;
		}
		if (n < 0) {
			snprintf(why, cap, "%s: %s", path, strerror(errno));
			return err_is_path(errno) ? CLI_REFUSED : CLI_UNDECIDED;
		}
		len += (size_t)n;
		if (len > max) {
			snprintf(why, cap, "%s: longer than %llu bytes", path, (unsigned long long)max);
			return CLI_REFUSED;
		}
	}
	buf[len] = 0;
	*ret = buf;
	*ret_len = len;
	buf = NULL;
	return CLI_DONE;
}

bool file_in(const char *dir, const char *name)
{
	_cleanup_fd_ int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	return fd >= 0 && fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int file_begin(const char *path, mode_t mode, struct file_out *ret)
{
	struct file_out o = { .path = path, .mode = mode };
	struct stat st;
	bool there = stat(path, &st) == 0;
	if (there && S_ISDIR(st.st_mode))
		return out_fail(CLI_REFUSED, "%s: %s", path, strerror(EISDIR));
	o.whole = !there || S_ISREG(st.st_mode);
	if (o.whole && (size_t)snprintf(o.tmp, sizeof o.tmp, "%s.XXXXXX", path) >= sizeof o.tmp)
		return out_fail(CLI_REFUSED, "%s: %s", path, strerror(ENAMETOOLONG));
	o.fd = o.whole ? mkostemp(o.tmp, O_CLOEXEC) : open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (o.fd < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", path, strerror(errno));
	*ret = o;
	return CLI_DONE;
}

int file_end(struct file_out *o, int status)
{
	bool bad = !status && o->whole &&
		   (fchmod(o->fd, o->mode) < 0 || fsync(o->fd) < 0 || rename(o->tmp, o->path) < 0);
	if (bad)
		status = out_fail(CLI_UNDECIDED, "%s: %s", o->path, strerror(errno));
	if (status && o->whole)
		unlink(o->tmp);
	fd_close(&o->fd);
	return status;
}

int file_write(const char *path, const void *data, size_t len)
{
	struct file_out o;
	if (!strcmp(path, "-"))
		return fwrite(data, 1, len, stdout) == len
			       ? CLI_DONE
			       : out_fail(CLI_UNDECIDED, "standard output: %s", strerror(errno));
	mode_t mask = umask(0);
	umask(mask);
	int r = file_begin(path, 0666 & ~mask, &o);
	if (r)
		return r;
	r = fd_write_all(o.fd, data, len);
	return file_end(&o, r ? out_fail(CLI_UNDECIDED, "%s: %s", path, strerror(-r)) : CLI_DONE);
}

int file_read_parts(const char *path, u64 max, char **ret, size_t *ret_len, char *why, size_t cap)
{
	char *whole;
	u32 missing;
	int r = file_read(path, max, ret, ret_len, why, cap);
	int e = r ? 1 : tlog_parts_join(*ret, *ret_len, &whole, ret_len, &missing);
	if (r || e == 1)
		return r;
	free_ptr(ret);
	if (e == 0)
		*ret = whole;
	else if (e == 2)
		snprintf(why, cap, "%s: part %u is missing, damaged or of another text", path, missing);
	else
		snprintf(why, cap, "%s: %s", path, strerror(ENOMEM));
	return e == 0 ? CLI_DONE : e == 2 ? CLI_REFUSED : CLI_UNDECIDED;
}
