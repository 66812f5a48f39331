#define _GNU_SOURCE
#include "cli/doctor.h"
#include "base/build_time.h"
#include "base/fd.h"
#include "base/sandbox.h"
#include "cli/app.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_FEW (2ull << 30) /* bytes: below, no model of use fits beside its cache */
#define DISK_FEW   (4ull << 30) /* bytes free: below, the gate keeps what there is for the log soon */
#define TMPFS	   0x01021994
#define RAMFS	   0x858458f6
#define OVERLAYFS  0x794c7630
#define NFS	   0x6969

void doctor_kernel(struct doctor *d)
{
	struct utsname u;
	if (uname(&u) < 0) {
		doctor_find(d, DOCTOR_UNKNOWN, NULL, "uname: %s", strerror(errno));
		return;
	}
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* VERSION */);
	if (abi < 2)
		doctor_find(d, DOCTOR_BAD,
			"add landlock to the kernel's lsm= and reboot; Debian 12's kernel has it",
			"Linux %s has no Landlock of version 2: no process of Keep starts", u.release);
	else
		doctor_find(d, DOCTOR_OK, NULL, "Linux %s, Landlock %ld", u.release, abi);
	_cleanup_fd_ int fd = memfd_create("doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		doctor_find(d, DOCTOR_BAD, "use a kernel with CONFIG_MEMFD_CREATE",
			"memory files cannot be sealed");
}

/* In a child that has entered the sandbox of a role: which kinds of socket it may still make, as bits; 64: it could not enter. */
static int try_sockets(enum sandbox_role role)
{
	static const struct {
		int family, type;
	} kinds[] = { { AF_INET, SOCK_STREAM }, { AF_INET6, SOCK_DGRAM }, { AF_NETLINK, SOCK_RAW },
		{ AF_PACKET, SOCK_RAW }, { AF_VSOCK, SOCK_STREAM } };
	int made = 0;
	if (sandbox_enter(&(struct sandbox_params){ .role = role }))
		_exit(64);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (socket(kinds[i].family, kinds[i].type, 0) >= 0)
			made |= 1 << i;
	_exit(made);
}

void doctor_sandbox(struct doctor *d)
{
	static const struct {
		enum sandbox_role role;
		const char *name;
	} roles[] = { { SANDBOX_KEEPD, "keepd" }, { SANDBOX_ATTEST, "keep-attest" },
		{ SANDBOX_RUNTIME, "keep-runtime" }, { SANDBOX_GATEWAY, "keep-gateway" } };
	u32 good = 0;
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0)
			try_sockets(roles[i].role);
		int st = pid < 0 ? 127 : app_wait(pid);
		if (st == 0)
			good++;
		else if (st < 32)
			doctor_find(d, DOCTOR_BAD,
				"report this: the filter of system calls does not hold on this kernel",
				"a process in the sandbox of %s can make a network socket (%d)",
				roles[i].name, st);
		else
			doctor_find(d, DOCTOR_BAD,
				"run keep doctor features; outside of containers that forbid seccomp or "
				"Landlock",
				"the sandbox of %s cannot be entered (%d)", roles[i].name, st);
	}
	if (good == ARRAY_LEN(roles))
		doctor_find(d, DOCTOR_OK, NULL,
			"tried in the sandbox of each process: no internet, netlink, packet or vsock socket "
			"can be made");
}

void doctor_cgroup(struct doctor *d)
{
	_cleanup_free_ char *text = NULL;
	if (doctor_read(d, "sys/fs/cgroup/cgroup.controllers", &text))
		doctor_find(d, DOCTOR_NOTE, "boot with systemd.unified_cgroup_hierarchy=1",
			"no unified cgroup hierarchy: the units' bounds on memory and swap do not hold");
	else if (!strstr(text, "memory"))
		doctor_find(d, DOCTOR_NOTE, "boot without cgroup_disable=memory",
			"no memory controller: the units' bounds do not hold");
	else
		doctor_find(d, DOCTOR_OK, NULL, "unified, with memory: the units may not swap");
}

void doctor_swap(struct doctor *d)
{
	_cleanup_free_ char *text = NULL;
	if (doctor_read(d, "proc/swaps", &text)) {
		doctor_find(d, DOCTOR_UNKNOWN, NULL, "/proc/swaps cannot be read");
		return;
	}
	char *line = strchr(text, '\n');
	if (!line || !line[1])
		doctor_find(d, DOCTOR_OK, NULL, "none: no prompt reaches a disk that way");
	else
		doctor_find(d, d->installed ? DOCTOR_OK : DOCTOR_NOTE,
			"swapoff -a, and take swap out of /etc/fstab",
			d->installed ? "%.*s is in use by others; the units may not swap"
				     : "%.*s: prompts may be written there under keep up",
			(int)strcspn(line + 1, " \t\n"), line + 1);
}

void doctor_memory(struct doctor *d)
{
	_cleanup_free_ char *text = NULL;
	unsigned long long total = 0, avail = 0;
	const char *p, *q;
	if (doctor_read(d, "proc/meminfo", &text) || !(p = strstr(text, "MemTotal:")) ||
		!(q = strstr(text, "MemAvailable:")) || sscanf(p, "MemTotal: %llu", &total) != 1 ||
		sscanf(q, "MemAvailable: %llu", &avail) != 1) {
		doctor_find(d, DOCTOR_UNKNOWN, NULL, "/proc/meminfo cannot be read");
		return;
	}
	bool few = avail * 1024 < MEMORY_FEW;
	doctor_find(d, few ? DOCTOR_NOTE : DOCTOR_OK, "free memory, or serve small models only",
		"%s available of %s%s", out_size(avail * 1024).s, out_size(total * 1024).s,
		few ? ": little for a model beside its cache" : "");
}

/* The store's file system, or of the first directory above it that is there. */
static bool store_fs(const struct doctor *d, struct statfs *ret, char at[PATH_MAX])
{
	if (snprintf(at, PATH_MAX, "%s", d->store) >= PATH_MAX)
		return false;
	while (statfs(at, ret) < 0) {
		char *slash = strrchr(at, '/');
		if (!slash)
			return false;
		slash[slash == at] = 0;
		if (slash == at && statfs(at, ret) < 0)
			return false;
	}
	return true;
}

void doctor_disk(struct doctor *d)
{
	char at[PATH_MAX];
	struct statfs s;
	if (!store_fs(d, &s, at)) {
		doctor_find(d, DOCTOR_UNKNOWN, NULL, "%s: %s", d->store, strerror(errno));
		return;
	}
	u64 free_bytes = (u64)s.f_bavail * (u64)s.f_bsize;
	unsigned long type = (unsigned long)s.f_type & 0xffffffff;
	if (type == TMPFS || type == RAMFS)
		doctor_find(d, DOCTOR_BAD, "mount a disk there",
			"%s is in memory: log and models end with the power", at);
	else if (type == NFS)
		doctor_find(d, DOCTOR_BAD, "use a disk of this machine", "%s is on another machine", at);
	else if (type == OVERLAYFS)
		doctor_find(d, DOCTOR_NOTE, "mount a disk there",
			"%s is an overlay: what is below may be gone after a boot", at);
	bool few = free_bytes < DISK_FEW;
	doctor_find(d, few ? DOCTOR_NOTE : DOCTOR_OK, "make room, or put /var/lib/keep on a disk of its own",
		"%s free of %s at %s", out_size(free_bytes).s, out_size((u64)s.f_blocks * (u64)s.f_bsize).s,
		at);
}

void doctor_clock(struct doctor *d)
{
	time_t now = time(NULL);
	char text[32];
	struct tm tm;
	strftime(text, sizeof text, "%F %T UTC", gmtime_r(&now, &tm));
	if ((u64)now < build_time())
		doctor_find(d, DOCTOR_BAD, "timedatectl set-time 'YYYY-MM-DD HH:MM:SS'",
			"%s is before this program was made: certificates are judged by a later time, "
			"records carry a wrong one",
			text);
	else
		doctor_find(d, DOCTOR_OK, NULL, "%s; compare it with a watch", text);
	if (!doctor_there(d, "dev/rtc0") && !doctor_there(d, "dev/rtc"))
		doctor_find(d, DOCTOR_NOTE,
			"set the time at each boot, before keepd starts: timedatectl set-time '...'",
			"no clock that runs while the machine is off");
}

void doctor_entropy(struct doctor *d)
{
	u8 b[16];
	if (getrandom(b, sizeof b, GRND_NONBLOCK) == (ssize_t)sizeof b)
		doctor_find(d, DOCTOR_OK, NULL, "the kernel's random numbers are seeded");
	else
		doctor_find(d, DOCTOR_BAD,
			"wait, or give the machine a source of randomness (virtio-rng, a TPM)",
			"the kernel's random numbers are not seeded yet: no key should be made");
}
