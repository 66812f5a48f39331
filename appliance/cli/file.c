#define _GNU_SOURCE
#include "cli/file.h"
#include "audit/tlog/parts.h"
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
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES || errno == ENAMETOOLONG
			       ? CLI_REFUSED
			       : CLI_UNDECIDED;
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
			return errno == EISDIR ? CLI_REFUSED : CLI_UNDECIDED;
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

int file_write(const char *path, const void *data, size_t len)
{
	char tmp[4096];
	if (!strcmp(path, "-"))
		return fwrite(data, 1, len, stdout) == len
			       ? CLI_DONE
			       : out_fail(CLI_UNDECIDED, "standard output: %s", strerror(errno));
	if ((size_t)snprintf(tmp, sizeof tmp, "%s.XXXXXX", path) >= sizeof tmp)
		return out_fail(CLI_REFUSED, "%s: %s", path, strerror(ENAMETOOLONG));
	_cleanup_fd_ int fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return out_fail(CLI_UNDECIDED, "%s: %s", path, strerror(errno));
	mode_t mask = umask(0);
	umask(mask);
	int r = fd_write_all(fd, data, len);
	if (!r && (fchmod(fd, 0666 & ~mask) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0))
		r = -errno;
	if (r) {
		unlink(tmp);
		return out_fail(CLI_UNDECIDED, "%s: %s", path, strerror(-r));
	}
	return CLI_DONE;
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
