/* What a process may still do after sandbox_enter(), as tables: the calls of each role, the calls that are answered with an error
 * because libraries try them and live without, the calls whose mere attempt shows a captured process, and the Landlock rights.
 *
 *   default action   attest, keepd, gateway: the process is killed.  runtime: ENOSYS, since drivers probe for calls that we cannot know
 *                    and fall back; what a driver never has a reason to try (table `never`) kills there too.
 *
 * Landlock binds threads one by one, and a Vulkan driver has started threads before the sandbox closes: every thread is made to
 * enter by a signal, and entering fails unless all have answered. seccomp binds all threads at once (TSYNC). */
#define _GNU_SOURCE
#include "base/sandbox.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#if SANITIZED
/* The leak checker works by ptrace from a cloned process, which the sandbox exists to forbid; leaks are looked for in the unit
 * tests instead. */
const char *__asan_default_options(void);
__attribute__((visibility("default"))) const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

/* ---- Landlock: numbers of the kernel's ABI; Debian 12's headers do not name them all ------------------------------------ */

struct ll_ruleset_attr {
	u64 fs, net, scoped;
};
struct ll_path_attr {
	u64 access;
	i32 fd;
} __attribute__((packed));

enum {
	LL_EXECUTE = 1 << 0,
	LL_WRITE_FILE = 1 << 1,
	LL_READ_FILE = 1 << 2,
	LL_READ_DIR = 1 << 3,
	LL_REMOVE_DIR = 1 << 4,
	LL_REMOVE_FILE = 1 << 5,
	LL_MAKE_DIR = 1 << 7,
	LL_MAKE_REG = 1 << 8,
	LL_MAKE_SOCK = 1 << 9,
	LL_REFER = 1 << 13,	/* ABI 2 */
	LL_TRUNCATE = 1 << 14,	/* ABI 3 */
	LL_IOCTL_DEV = 1 << 15, /* ABI 5 */
};
#define LL_FS_ABI2 ((1ull << 14) - 1) /* every right up to REFER */
#define LL_NET	   3ull		      /* ABI 4: bind and connect of TCP */
#define LL_SCOPED  3ull		      /* ABI 6: abstract sockets and signals to processes outside */
#define LL_FILES                                                   \
	(LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | LL_TRUNCATE | \
		LL_IOCTL_DEV) /* what a rule on a file may hold */

static u64 rights(u32 access)
{
	u64 r = 0;
	if (access & SANDBOX_READ)
		r |= LL_READ_FILE | LL_READ_DIR;
	if (access & SANDBOX_WRITE)
		r |= LL_WRITE_FILE | LL_TRUNCATE | LL_REMOVE_DIR | LL_REMOVE_FILE | LL_MAKE_DIR |
		     LL_MAKE_REG | LL_MAKE_SOCK | LL_REFER;
	if (access & SANDBOX_DEVICE)
		r |= LL_READ_FILE | LL_WRITE_FILE | LL_IOCTL_DEV;
	return r;
}

static int landlock_path(int ruleset, const struct sandbox_path *p, u64 handled)
{
	_cleanup_fd_ int fd = open(p->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno();
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_errno();
	struct ll_path_attr a = { .access = rights(p->access) & handled, .fd = fd };
	if (!S_ISDIR(st.st_mode))
		a.access &= LL_FILES;
	if (a.access && syscall(SYS_landlock_add_rule, ruleset, 1 /* PATH_BENEATH */, &a, 0) < 0)
		return err_errno();
	return 0;
}

static int landlock_ruleset(const struct sandbox_params *p, int *ret_fd)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* VERSION */);
	if (abi < 2) /* Debian 12 has 2; without REFER keepd could not rename what it admitted */
		return err_origin(-ENOSYS);
	struct ll_ruleset_attr a = { .fs = LL_FS_ABI2 };
	size_t size = 8;
	if (abi >= 3)
		a.fs |= LL_TRUNCATE;
	if (abi >= 4)
		a.net = LL_NET, size = 16;
	if (abi >= 5)
		a.fs |= LL_IOCTL_DEV;
	if (abi >= 6)
		a.scoped = LL_SCOPED, size = 24;
	_cleanup_fd_ int fd = (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
	if (fd < 0)
		return err_errno();
	for (size_t i = 0; i < p->n_paths; i++) {
		int r = landlock_path(fd, &p->paths[i], a.fs);
		if (r)
			return r;
	}
	*ret_fd = fd_steal(&fd);
	return 0;
}

/* One thread: what is bound to a thread and not to the process. */
static int restrict_self(int ruleset)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return -errno;
	return 0;
}

static atomic_int signal_ruleset, signal_error;
static atomic_uint signal_answers;

static void on_signal(int sig)
{
	int saved = errno;
	int r = restrict_self(atomic_load(&signal_ruleset));
	if (r)
		atomic_store(&signal_error, r);
	atomic_fetch_add(&signal_answers, 1);
	errno = saved;
}

static int wait_answers(u32 n)
{
	for (u32 tenths = 0; atomic_load(&signal_answers) < n; tenths++) {
		if (tenths == 10 * SANDBOX_THREAD_MS_MAX)
			return err_origin(-ETIMEDOUT);
		nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
	}
	return 0;
}

static bool is_new(i32 *tids, u32 n, i32 tid)
{
	for (u32 i = 0; i < n; i++)
		if (tids[i] == tid)
			return false;
	return tid != gettid();
}

/* Signal every thread not yet in tids; what one started before it answered is found by the next round. */
static int restrict_round(DIR *d, i32 *tids, u32 *n)
{
	rewinddir(d);
	for (struct dirent *e; (e = readdir(d));) {
		i32 tid = atoi(e->d_name);
		if (tid <= 0 || !is_new(tids, *n, tid))
			continue;
		if (*n == SANDBOX_THREADS_MAX)
			return err_origin(-E2BIG);
		if (tgkill(getpid(), tid, SIGSYS) < 0) {
			if (errno == ESRCH)
				continue;
			return err_errno();
		}
		tids[(*n)++] = tid;
	}
	return wait_answers(*n);
}

/* SIGSYS, because it is the one signal that Mesa leaves unblocked in its threads. */
static int restrict_others(int ruleset)
{
	static i32 tids[SANDBOX_THREADS_MAX];
	DIR *d = opendir("/proc/self/task");
	if (!d)
		return err_errno();
	struct sigaction old, act = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	atomic_store(&signal_ruleset, ruleset);
	int r = sigaction(SIGSYS, &act, &old) < 0 ? err_errno() : 0;
	for (u32 n = 0, before = 1; !r && before != n;) {
		before = n;
		r = restrict_round(d, tids, &n);
		if (!n)
			break;
	}
	closedir(d);
	if (sigaction(SIGSYS, &old, NULL) < 0 && !r)
		r = err_errno();
	return r ? r : atomic_load(&signal_error);
}

/* ---- seccomp ------------------------------------------------------------------------------------------------------------ */

#define A   (1u << SANDBOX_ATTEST)
#define K   (1u << SANDBOX_KEEPD)
#define R   (1u << SANDBOX_RUNTIME)
#define G   (1u << SANDBOX_GATEWAY)
#define ALL (A | K | R | G)

struct group {
	u32 roles;
	const char *names; /* one blank between two */
};

/* Allowed whatever the arguments. A name that this libseccomp or this processor does not know is left out. */
static const struct group allowed[] = {
	/* descriptors that are there already */
	{ ALL, "read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek "
	       "close close_range dup dup2 dup3 fcntl fstat fsync fdatasync ftruncate "
	       "fallocate fadvise64 fstatfs memfd_create pipe2 pipe" },
	{ A | K, "sync_file_range copy_file_range" },
	{ K, "flock syncfs fchmod fchown" },
	/* sockets that are there already; descriptors arrive by recvmsg */
	{ ALL, "sendmsg recvmsg sendto recvfrom shutdown getsockopt setsockopt getsockname "
	       "getpeername" },
	{ A | K | G, "accept accept4" },
	{ K | G, "connect" },
	/* waiting */
	{ ALL, "poll ppoll select pselect6 epoll_create1 epoll_ctl epoll_wait epoll_pwait "
	       "epoll_pwait2 eventfd2 timerfd_create timerfd_settime timerfd_gettime signalfd4 "
	       "nanosleep clock_nanosleep restart_syscall" },
	/* memory; mmap and mprotect stand below, with their arguments */
	{ ALL, "brk munmap mremap madvise msync mincore mlock mlock2 munlock membarrier" },
	{ R, "get_mempolicy mbind" },
	/* threads and signals of the process itself; clone and tgkill stand below */
	{ ALL, "futex futex_waitv set_robust_list get_robust_list rseq set_tid_address gettid "
	       "getpid getppid sched_yield sched_getaffinity sched_getparam sched_getscheduler "
	       "sched_get_priority_max sched_get_priority_min getcpu rt_sigaction "
	       "rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend "
	       "sigaltstack exit exit_group" },
	{ R, "sched_setaffinity getpriority" },
	/* facts */
	{ ALL, "clock_gettime clock_getres gettimeofday time times getrandom uname sysinfo "
	       "getrusage getuid geteuid getgid getegid getresuid getresgid getgroups "
	       "getrlimit umask capget" },
	/* names, inside what Landlock leaves open */
	{ ALL, "newfstatat statx" },
	{ K | R, "statfs stat lstat access faccessat faccessat2 readlink readlinkat getcwd "
		 "getdents64" },
	{ K, "open openat openat2 mkdir mkdirat unlink unlinkat rmdir rename renameat "
	     "renameat2 linkat utimensat" },
#if SANITIZED
	{ R, "open" },
	{ R | A | G, "openat" },
	{ A | G, "readlink readlinkat getdents64" },
	{ A | K | G, "sched_setaffinity ioctl" },
	{ ALL, "prctl prlimit64 personality" },
#endif
};

/* Answered with an error: libraries try these and live without. */
static const struct {
	u32 roles;
	int error;
	const char *names;
} denied[] = {
	/* its flags lie in memory, where no filter sees them; libc falls back to clone */
	{ ALL, ENOSYS, "clone3" },
	{ A | R, EPERM, "socket socketpair connect" },
	{ G, EPERM, "socketpair" },
	{ ALL, EPERM, "bind listen sched_setscheduler setpriority mlockall setrlimit" },
	{ A | G, EACCES,
		"open openat stat lstat access faccessat faccessat2 readlink readlinkat statfs "
		"getcwd" },
	{ A | R | G, EACCES, "openat2" },
	{ R, EACCES,
		"mkdir mkdirat unlink unlinkat rename renameat renameat2 chmod fchmod fchmodat "
		"utimensat" },
	{ R, ENOLCK, "flock" },
	{ A | K | G, EPERM, "sched_setaffinity" },
	{ R, EPERM, "kcmp" },
	{ A | K | G, ENOTTY, "ioctl" },
};

/* No driver and no library of ours has a reason to try these; where the default is an error they kill all the same. */
static const char never[] = "execve execveat fork vfork ptrace process_vm_readv process_vm_writev "
			    "process_madvise process_mrelease pidfd_open pidfd_getfd pidfd_send_signal kill "
			    "tkill rt_sigqueueinfo rt_tgsigqueueinfo mount umount2 move_mount fsopen "
			    "fsconfig fsmount fspick open_tree mount_setattr pivot_root chroot setns "
			    "unshare bpf perf_event_open userfaultfd io_uring_setup io_uring_enter "
			    "io_uring_register keyctl add_key request_key init_module finit_module "
			    "delete_module kexec_load kexec_file_load reboot swapon swapoff setuid setgid "
			    "setreuid setregid setresuid setresgid setgroups setfsuid setfsgid capset acct "
			    "syslog open_by_handle_at name_to_handle_at fanotify_init quotactl quotactl_fd "
			    "settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname "
			    "iopl ioperm modify_ldt personality shmget shmat msgget semget mq_open truncate "
			    "chown lchown fchownat setxattr lsetxattr fsetxattr mknod mknodat symlink "
			    "symlinkat link seccomp landlock_create_ruleset lookup_dcookie vhangup uselib "
			    "nfsservctl";

/* The ioctl families (bits 8 to 15 of the command) that Vulkan drivers speak on device nodes that Landlock let them open.
 * Missing on purpose: 'T' terminals, 0x89 sockets, 'f' and 0x94 file systems. */
static const u32 ioctl_families[] = {
	'd',  /* DRM: amdgpu, i915, xe, nouveau, msm, panthor, v3d … */
	'F',  /* NVIDIA's kernel driver */
	0x00, /* NVIDIA's unified memory: bare numbers */
	'K',  /* AMD compute */
	'>',  /* sync files */
	'b',  /* dma-buf */
	'H',  /* dma heaps */
	'u',  /* udmabuf */
	0x80, /* Mali's own driver */
	0x09, /* Adreno's own driver */
};

/* 0, also for names that this libseccomp does not know. Two rows may name one call: the first row wins where actions differ. */
static int rule(scmp_filter_ctx f, u32 action, const char *name, u32 n, const struct scmp_arg_cmp *args)
{
	int nr = seccomp_syscall_resolve_name(name);
	if (nr == __NR_SCMP_ERROR)
		return 0;
	u32 otherwise = 0;
	int r = seccomp_attr_get(f, SCMP_FLTATR_ACT_DEFAULT, &otherwise);
	if (r || otherwise == action) /* libseccomp refuses to be told its default */
		return r;
	r = seccomp_rule_add_array(f, action, nr, n, args);
	return r == -EEXIST || r == -EDOM ? 0 : r;
}

/* The same for every name in a list. */
static int rule_each(scmp_filter_ctx f, u32 action, const char *names)
{
	int r = 0;
	for (const char *p = names; *p && !r;) {
		char name[32];
		size_t n = strcspn(p, " ");
		assert(n && n < sizeof name);
		memcpy(name, p, n);
		name[n] = 0;
		r = rule(f, action, name, 0, NULL);
		p += n + (p[n] == ' ');
	}
	return r;
}

#define ARG(i, mask, value) (&(struct scmp_arg_cmp){ (i), SCMP_CMP_MASKED_EQ, (mask), (value) })
#define ERRNO(e)	    SCMP_ACT_ERRNO((u32)(e))

/* mmap and mprotect: never executable, unless the driver compiles at run time. */
static int rules_memory(scmp_filter_ctx f, bool exec_memory)
{
	static const char *const calls[] = { "mmap", "mprotect" };
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(calls) && !r; i++) {
		if (exec_memory) {
			r = rule(f, SCMP_ACT_ALLOW, calls[i], 0, NULL);
			continue;
		}
		r = rule(f, SCMP_ACT_ALLOW, calls[i], 1, ARG(2, PROT_EXEC, 0));
		if (!r)
			r = rule(f, ERRNO(EPERM), calls[i], 1, ARG(2, PROT_EXEC, PROT_EXEC));
	}
	return r;
}

/* clone makes threads of this process and nothing else; tgkill reaches this process and nothing else. */
static int rules_threads(scmp_filter_ctx f, u32 role)
{
	const u64 spaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
			   CLONE_NEWPID | CLONE_NEWNET;
	int r = rule(f, SCMP_ACT_ALLOW, "clone", 1,
		ARG(0, spaces | CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM));
	if (!r && role == R)
		r = rule(f, SCMP_ACT_KILL_PROCESS, "clone", 1, ARG(0, CLONE_THREAD, 0));
	struct scmp_arg_cmp me = SCMP_CMP64(0, SCMP_CMP_EQ, (u64)getpid());
	struct scmp_arg_cmp other = SCMP_CMP64(0, SCMP_CMP_NE, (u64)getpid());
	if (!r)
		r = rule(f, SCMP_ACT_ALLOW, "tgkill", 1, &me);
	if (!r)
		r = rule(f, ERRNO(EPERM), "tgkill", 1, &other);
	return r;
}

/* prctl names threads and memory; prlimit64 reads limits of the process itself. */
static int rules_process(scmp_filter_ctx f)
{
	static const u32 not_fine[] = { PR_SET_DUMPABLE, PR_CAPBSET_READ, PR_SET_PTRACER };
	static const u32 fine[] = { PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, 0x53564d41 /* PR_SET_VMA */ };
	if (SANITIZED)
		return 0;
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(fine) && !r; i++)
		r = rule(f, SCMP_ACT_ALLOW, "prctl", 1, ARG(0, 0xffffffff, fine[i]));
	for (size_t i = 0; i < ARRAY_LEN(not_fine) && !r; i++)
		r = rule(f, ERRNO(EPERM), "prctl", 1, ARG(0, 0xffffffff, not_fine[i]));
	struct scmp_arg_cmp own[] = { SCMP_CMP64(0, SCMP_CMP_EQ, 0), SCMP_CMP64(2, SCMP_CMP_EQ, 0) };
	if (!r)
		r = rule(f, SCMP_ACT_ALLOW, "prlimit64", 2, own);
	struct scmp_arg_cmp set = SCMP_CMP64(2, SCMP_CMP_NE, 0);
	if (!r)
		r = rule(f, ERRNO(EPERM), "prlimit64", 1, &set);
	return r;
}

/* keepd connects to attest and runtime by unix sockets of our one kind, and makes the pairs that sessions are; the gateway connects to
 * keepd. */
static int rules_gate(scmp_filter_ctx f, u32 role)
{
	static const char *const calls[] = { "socket", "socketpair" };
	int r = 0;
	for (size_t i = 0; i < (role == K ? ARRAY_LEN(calls) : 1) && !r; i++) {
		struct scmp_arg_cmp ours[] = { SCMP_CMP64(0, SCMP_CMP_EQ, AF_UNIX),
			SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, 0xf, SOCK_SEQPACKET) };
		struct scmp_arg_cmp family = SCMP_CMP64(0, SCMP_CMP_NE, AF_UNIX);
		r = rule(f, SCMP_ACT_ALLOW, calls[i], 2, ours);
		if (!r)
			r = rule(f, ERRNO(EPERM), calls[i], 1, &family);
		static const u32 kinds[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_RAW };
		for (size_t j = 0; j < ARRAY_LEN(kinds) && !r; j++) {
			struct scmp_arg_cmp other[] = { SCMP_CMP64(0, SCMP_CMP_EQ, AF_UNIX),
				SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, 0xf, kinds[j]) };
			r = rule(f, ERRNO(EPERM), calls[i], 2, other);
		}
	}
	return r;
}

/* The runtime opens what exists, on the list; it creates and empties nothing. Its ioctls are those of devices. */
static int rules_runtime(scmp_filter_ctx f)
{
	static const struct {
		const char *name;
		u32 flags; /* index of the argument */
	} opens[] = { { "open", 1 }, { "openat", 2 } };
	const u64 make[] = { O_CREAT, O_TRUNC, O_TMPFILE & ~O_DIRECTORY };
	const u64 any = O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY);
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(opens) && !SANITIZED && !r; i++) {
		r = rule(f, SCMP_ACT_ALLOW, opens[i].name, 1, ARG(opens[i].flags, any, 0));
		for (size_t j = 0; j < ARRAY_LEN(make) && !r; j++)
			r = rule(f, ERRNO(EACCES), opens[i].name, 1, ARG(opens[i].flags, make[j], make[j]));
	}
	for (size_t i = 0; i < ARRAY_LEN(ioctl_families) && !r; i++)
		r = rule(f, SCMP_ACT_ALLOW, "ioctl", 1, ARG(1, 0xff00, ioctl_families[i] << 8));
	if (!r)
		r = rule(f, ERRNO(ENOTTY), "ioctl", 1, ARG(1, 0xff00, 'T' << 8));
	if (!r)
		r = rule_each(f, SCMP_ACT_KILL_PROCESS, never);
	return r;
}

static int rules(scmp_filter_ctx f, const struct sandbox_params *p)
{
	u32 role = 1u << p->role;
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(allowed) && !r; i++)
		if (allowed[i].roles & role)
			r = rule_each(f, SCMP_ACT_ALLOW, allowed[i].names);
	for (size_t i = 0; i < ARRAY_LEN(denied) && !r; i++)
		if (denied[i].roles & role)
			r = rule_each(f, ERRNO(denied[i].error), denied[i].names);
	if (!r)
		r = rules_memory(f, p->exec_memory);
	if (!r)
		r = rules_threads(f, role);
	if (!r)
		r = rules_process(f);
	if (!r && (role & (K | G)))
		r = rules_gate(f, role);
	if (!r && role == R)
		r = rules_runtime(f);
	return r;
}

static void release(void *pp)
{
	seccomp_release(*(scmp_filter_ctx *)pp);
}

static int filter(const struct sandbox_params *p)
{
	u32 otherwise = p->role == SANDBOX_RUNTIME ? ERRNO(ENOSYS) : SCMP_ACT_KILL_PROCESS;
	_cleanup_(release) scmp_filter_ctx f = seccomp_init(otherwise);
	if (!f)
		return err_origin(-ENOSYS);
	int r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!r)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
	if (!r)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!r)
		r = rules(f, p);
	if (!r)
		r = seccomp_load(f);
	return r < 0 ? err_origin(r) : 0;
}

/* ---- entering ----------------------------------------------------------------------------------------------------------- */

/* What libraries would open or ask for at their first use. */
static void warm(void)
{
	u8 digest[SHA256_BYTES];
	sha256_of("", 0, digest);
	tzset();
}

/* The door is tried once from inside: a kernel that accepted everything and closed nothing is caught here. */
static int closed(void)
{
	_cleanup_fd_ int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 || (errno != EACCES && errno != EPERM))
		return err_origin(-ENOSYS);
	return 0;
}

int sandbox_enter(const struct sandbox_params *p)
{
	assert(p->role <= SANDBOX_GATEWAY);
	warm();
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) < 0)
		return err_errno();
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_errno();
	_cleanup_fd_ int ruleset = -1;
	int r = landlock_ruleset(p, &ruleset);
	if (r)
		return r;
	r = restrict_others(ruleset);
	if (r)
		return r;
	r = restrict_self(ruleset);
	if (r)
		return err_origin(r);
	r = filter(p);
	return r ? r : closed();
}
