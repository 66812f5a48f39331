/* A disk that fails when a subject is to be erased, linked into the test's own keepd only: the first byte of the page that
 * KEEP_TEST_DESTROY names says how: k the process is killed before the secrets are overwritten, e that write fails, r the texts cannot be
 * counted before. */
#define _GNU_SOURCE
#include "audit/log_retain.h"
#include "audit/subject.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *page;

static bool destroys(const void *data, size_t len)
{
	static const struct subject empty;
	return len == sizeof empty && memcmp(data, &empty, len) == 0;
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
	if (!page || !page[0] || !destroys(data, len))
		return __real_pwrite64(fd, data, len, at);
	if (page[0] == 'k')
		kill(getpid(), SIGKILL);
	if (page[0] == 'r')
		return __real_pwrite64(fd, data, len, at);
	errno = EIO;
	return -1;
}

int __wrap_audit_log_texts(struct audit_log *log, const char *subject, struct texts_count *ret);
int __real_audit_log_texts(struct audit_log *log, const char *subject, struct texts_count *ret);
int __wrap_audit_log_texts(struct audit_log *log, const char *subject, struct texts_count *ret)
{
	return page && page[0] == 'r' ? -EIO : __real_audit_log_texts(log, subject, ret);
}

__attribute__((constructor)) static void install(void)
{
	const char *path = getenv("KEEP_TEST_DESTROY");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		page = p;
}
