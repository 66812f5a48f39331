/* People for a keepd of the tests: a client whose socket is bound to the abstract name "keep-as UID GID N" is taken for that user, with N
 * supplementary groups of which the last is GID. So one process plays officers, auditors and strangers, and needs no right to do so.
 * Linked into the test's own keepd only. */
#define _GNU_SOURCE
#include "base/types.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

static bool plays(int fd, u32 *ret_uid, u32 *ret_gid, u32 *ret_n)
{
	struct sockaddr_un a = { 0 };
	socklen_t len = sizeof a;
	if (getpeername(fd, (struct sockaddr *)&a, &len) < 0 || len <= sizeof a.sun_family || a.sun_path[0])
		return false;
	char name[sizeof a.sun_path] = "";
	memcpy(name, a.sun_path + 1, len - sizeof a.sun_family - 1);
	return sscanf(name, "keep-as %u %u %u", ret_uid, ret_gid, ret_n) == 3;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	u32 uid, gid, n;
	int r;
	if (level != SOL_SOCKET || (name != SO_PEERCRED && name != SO_PEERGROUPS) ||
		!plays(fd, &uid, &gid, &n))
		return __real_getsockopt(fd, level, name, value, len);
	if (name == SO_PEERCRED) {
		r = __real_getsockopt(fd, level, name, value, len);
		struct ucred *c = value;
		c->uid = uid;
		c->gid = 99999;
		return r;
	}
	if (*len < n * sizeof(u32)) {
		errno = ERANGE;
		return -1;
	}
	for (u32 i = 0; i < n; i++)
		((u32 *)value)[i] = i + 1 == n ? gid : 90000 + i;
	*len = n * (socklen_t)sizeof(u32);
	return 0;
}
