/* Attempts: each gives 0 when it was done, or an errno. The table says what each role must get. */
#define _GNU_SOURCE
#include "jail.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/ipc.h"
#include "base/sha256.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int result(long r)
{
	return r < 0 ? errno : 0;
}
static int open_path(const char *path, int flags)
{
	return result(openat(AT_FDCWD, path, flags, 0600));
}
static int t_open_passwd(void)
{
	return open_path("/etc/passwd", O_RDONLY);
}
static int t_open_root(void)
{
	return open_path("/", O_RDONLY | O_DIRECTORY);
}
static int t_open_out(void)
{
	return open_path(w.outf, O_RDONLY);
}
static int t_open_in(void)
{
	return open_path(w.inf, O_RDONLY);
}
static int t_open_in_write(void)
{
	return open_path(w.inf, O_RDWR);
}
static int t_open_in_trunc(void)
{
	return open_path(w.inf, O_RDONLY | O_TRUNC);
}
static int t_create_in(void)
{
	char p[128];
	snprintf(p, sizeof p, "%s/new", w.in);
	return open_path(p, O_CREAT | O_EXCL | O_WRONLY);
}
static int t_create_out(void)
{
	char p[128];
	snprintf(p, sizeof p, "%s/new", w.out);
	return open_path(p, O_CREAT | O_EXCL | O_WRONLY);
}
static int t_create_beneath_fd(void)
{
	return result(openat(w.in_fd, "../out/new2", O_CREAT | O_WRONLY, 0600));
}
static int t_tmpfile(void)
{
	return open_path(w.in, O_TMPFILE | O_RDWR);
}
static int t_openat2(void)
{
	u64 how[3] = { O_RDONLY, 0, 0 };
	return result(syscall(SYS_openat2, AT_FDCWD, w.outf, how, sizeof how));
}
static int t_proc_mem(void)
{
	return open_path("/proc/self/mem", O_RDWR);
}
static int t_proc_fd_reopen(void)
{
	char p[64];
	snprintf(p, sizeof p, "/proc/self/fd/%d", w.file_fd);
	return open_path(p, O_RDWR);
}
static int t_device(void)
{
	return open_path("/dev/null", O_RDWR);
}
static int t_device_other(void)
{
	return open_path("/dev/zero", O_RDWR);
}
static int t_tty(void)
{
	return open_path("/dev/ptmx", O_RDWR);
}
static int t_mkdir_in(void)
{
	return result(mkdirat(w.in_fd, "d", 0700));
}
static int t_rename_in(void)
{
	return result(renameat(w.in_fd, "f", w.in_fd, "g"));
}
static int t_unlink_in(void)
{
	return result(unlinkat(w.in_fd, "f", 0));
}
static int t_unlink_out(void)
{
	return result(unlink(w.outf));
}
static int t_link_out(void)
{
	char p[128];
	snprintf(p, sizeof p, "%s/l", w.in);
	return result(linkat(AT_FDCWD, w.outf, AT_FDCWD, p, 0));
}
static int t_symlink(void)
{
	return result(symlinkat("/etc/passwd", w.in_fd, "sl"));
}
static int t_mknod(void)
{
	return result(mknodat(w.in_fd, "n", S_IFIFO | 0600, 0));
}
static int t_chmod(void)
{
	return result(chmod(w.outf, 0777));
}
static int t_truncate(void)
{
	return result(truncate(w.outf, 0));
}
static int t_setxattr(void)
{
	return result(syscall(SYS_setxattr, w.inf, "user.x", "y", 1, 0));
}
static int t_mount(void)
{
	return result(mount("none", w.out, "tmpfs", 0, NULL));
}
static int t_unshare(void)
{
	return result(unshare(CLONE_NEWUSER | CLONE_NEWNET));
}
static int t_chroot(void)
{
	return result(chroot(w.out));
}

static int t_inet(void)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}
static int t_inet_dgram(void)
{
	return result(socket(AF_INET, SOCK_DGRAM, 0));
}
static int t_inet6(void)
{
	return result(socket(AF_INET6, SOCK_STREAM, 0));
}
static int t_netlink(void)
{
	return result(socket(AF_NETLINK, SOCK_RAW, 0));
}
static int t_packet(void)
{
	return result(socket(AF_PACKET, SOCK_RAW, 0));
}
static int t_vsock(void)
{
	return result(socket(AF_VSOCK, SOCK_STREAM, 0));
}
static int t_inet_pair(void)
{
	int s[2];
	return result(socketpair(AF_INET, SOCK_STREAM, 0, s));
}
static int t_unix(void)
{
	return result(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
}
static int t_unix_dgram(void)
{
	return result(socket(AF_UNIX, SOCK_DGRAM, 0));
}
static int t_unix_pair(void)
{
	int a, b;
	return -ipc_pair(&a, &b);
}
static int t_unix_connect(void)
{
	int fd;
	int r = ipc_connect(w.in_fd, "s", &fd);
	return r < 0 ? -r : r;
}
static int t_listen(void)
{
	return result(listen(w.server, 5));
}

static int t_exec(void)
{
	char *const argv[] = { (char[]){ "true" }, NULL };
	if (execve("/bin/true", argv, argv + 1) < 0)
		return errno;
	return 0;
}
static int t_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	return result(pid);
}
static int t_clone_vm(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0)
		_exit(0);
	return result(pid);
}
static int t_clone3(void)
{
	u64 args[11] = { [4] = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, args, sizeof args);
	if (pid == 0)
		_exit(0);
	return result(pid);
}
static void *nothing(void *p)
{
	return p;
}
static int t_thread(void)
{
	pthread_t t;
	int r = pthread_create(&t, NULL, nothing, NULL);
	return r ? r : pthread_join(t, NULL);
}
static int t_ptrace(void)
{
	return result(ptrace(PTRACE_ATTACH, w.victim, NULL, NULL));
}
static int t_vm_read(void)
{
	char buf[16];
	struct iovec l = { buf, sizeof buf }, r = { w.secret, sizeof buf };
	return result(process_vm_readv(w.victim, &l, 1, &r, 1, 0));
}
static int t_kill(void)
{
	return result(kill(w.victim, 0));
}
static int t_tgkill_other(void)
{
	return result(tgkill(w.victim, w.victim, 0));
}
static int t_tgkill_self(void)
{
	return result(tgkill(getpid(), gettid(), 0));
}
static int t_pidfd(void)
{
	return result(syscall(SYS_pidfd_open, w.victim, 0));
}
static int t_priority(void)
{
	return result(setpriority(PRIO_PROCESS, (id_t)w.victim, 19));
}

static int t_wx(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			       MAP_FAILED
		       ? errno
		       : 0;
}
static int t_exec_map(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, w.file_fd, 0) == MAP_FAILED ? errno : 0;
}
static int t_mprotect_x(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? ENOMEM : result(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}
static int t_pkey_mprotect(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? ENOMEM : result(syscall(SYS_pkey_mprotect, p, 4096, PROT_EXEC, -1));
}
static int t_read_implies_exec(void)
{
	return result(syscall(SYS_personality, 0x0400000));
}
static int t_shm(void)
{
	return result(syscall(SYS_shmget, 0, 4096, 0600));
}

static int t_bpf(void)
{
	union bpf_attr a = {
		.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1
	};
	return result(syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof a));
}
static int t_io_uring(void)
{
	u32 params[30] = { 0 };
	return result(syscall(SYS_io_uring_setup, 4, params));
}
static int t_keyctl(void)
{
	return result(syscall(SYS_keyctl, 0 /* GET_KEYRING_ID */, -3, 0));
}
static int t_userfaultfd(void)
{
	return result(syscall(SYS_userfaultfd, 1 /* USER_MODE_ONLY */));
}
static int t_perf(void)
{
	u32 attr[32] = { [1] = 128 };
	return result(syscall(SYS_perf_event_open, attr, 0, -1, -1, 0));
}
static int t_handle(void)
{
	return result(syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0));
}
static int t_dumpable(void)
{
	return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}
static int t_core_limit(void)
{
	struct rlimit l;
	if (getrlimit(RLIMIT_CORE, &l) < 0)
		return errno;
	l.rlim_cur = l.rlim_max;
	return l.rlim_max == 0 ? EPERM : result(setrlimit(RLIMIT_CORE, &l));
}
static int t_set_limit(void)
{
	struct rlimit l = { 64, 64 };
	return result(setrlimit(RLIMIT_NOFILE, &l));
}
static int t_tiocsti(void)
{
	return result(ioctl(w.file_fd, TIOCSTI, "x"));
}
static int t_ioctl_socket(void)
{
	u8 conf[16] = { 0 };
	return result(ioctl(w.pair[0], 0x8912 /* SIOCGIFCONF */, conf));
}
static int t_x32(void)
{
#ifdef __x86_64__
	return result(syscall(0x40000000 | 39 /* getpid of x32 */));
#else
	return raise(SIGSYS);
#endif
}

/* what they are there to do */
static int t_frames(void)
{
	int fd;
	if (fd_memfd_sealed("test", "abc", 3, &fd) || ipc_send(w.pair[0], 7, 9, "12345678", 8, fd))
		return EIO;
	struct ipc_frame f;
	struct fd_map m;
	if (ipc_recv(w.pair[1], &f) || f.h.type != 7 || f.fd < 0 || fd_map_sealed(f.fd, 3, &m))
		return EIO;
	return memcmp(m.data, "abc", 3) ? EIO : 0;
}
static int t_file_io(void)
{
	char b[3];
	if (fd_pwrite_all(w.file_fd, "abc", 3, 0) || fd_pread_all(w.file_fd, b, 3, 0) ||
		fdatasync(w.file_fd) || ftruncate(w.file_fd, 3) || memcmp(b, "abc", 3))
		return EIO;
	return 0;
}
static int t_sha256(void)
{
	u8 d[SHA256_BYTES];
	sha256_of("abc", 3, d);
	return d[0] == 0xba && d[31] == 0xad ? 0 : EIO;
}
static int t_memory(void)
{
	u8 *p = malloc(64 << 20);
	if (!p)
		return ENOMEM;
	memset(p, 1, 64 << 20);
	free(p);
	return 0;
}
static int t_poll(void)
{
	int e = eventfd(1, EFD_CLOEXEC);
	struct timespec ts = { .tv_nsec = 1000 };
	u64 v;
	return e >= 0 && read(e, &v, 8) == 8 && !nanosleep(&ts, NULL) ? 0 : EIO;
}
static int t_time(void)
{
	time_t now = time(NULL);
	struct tm tm;
	return gmtime_r(&now, &tm) ? 0 : EIO;
}
static int t_list_in(void)
{
	DIR *d = opendir(w.in);
	return d && readdir(d) ? 0 : errno;
}
static int t_abort(void)
{
	signal(SIGABRT, SIG_IGN);
	return result(raise(SIGABRT));
}

const struct attempt attempts[] = {
	{ "open /etc/passwd", t_open_passwd, { EACCES, EACCES, EACCES, EACCES }, DONE },
	{ "open /", t_open_root, { EACCES, EACCES, EACCES, EACCES }, DONE },
	{ "open a file that is not listed", t_open_out, { EACCES, EACCES, EACCES, EACCES }, DONE },
	{ "open a listed file", t_open_in, { EACCES, DONE, DONE, EACCES }, DONE },
	{ "open a listed file for writing", t_open_in_write, { EACCES, DONE, EACCES, EACCES }, DONE },
	{ "empty a listed file by O_TRUNC", t_open_in_trunc, { EACCES, DONE, EACCES, EACCES }, DONE },
	{ "create a file in the listed directory", t_create_in, { EACCES, DONE, EACCES, EACCES }, DONE },
	{ "create a file elsewhere", t_create_out, { EACCES, EACCES, EACCES, EACCES }, DONE },
	{ "create a file by .. of a held directory", t_create_beneath_fd, { EACCES, EACCES, EACCES, EACCES },
		DONE },
	{ "make an unnamed file", t_tmpfile, { EACCES, DONE, EACCES, EACCES }, ANY },
	{ "openat2 outside the list", t_openat2, { EACCES, EACCES, EACCES, EACCES }, DONE },
	{ "open /proc/self/mem", t_proc_mem, { EACCES, EACCES, EACCES, EACCES }, DONE },
	{ "open a held file again by /proc", t_proc_fd_reopen, { EACCES, DONE, EACCES, EACCES }, DONE },
	{ "open the listed device", t_device, { EACCES, EACCES, DONE, EACCES }, DONE },
	{ "open another device", t_device_other, { EACCES, EACCES, EACCES, EACCES }, DONE },
	{ "open a terminal", t_tty, { EACCES, EACCES, EACCES, EACCES }, ANY },
	{ "list the listed directory", t_list_in, { EACCES, DONE, DONE, EACCES }, DONE },
	{ "mkdir", t_mkdir_in, { KILLED, DONE, EACCES, KILLED }, DONE },
	{ "rename", t_rename_in, { KILLED, DONE, EACCES, KILLED }, DONE },
	{ "unlink in the listed directory", t_unlink_in, { KILLED, DONE, EACCES, KILLED }, DONE },
	{ "unlink elsewhere", t_unlink_out, { KILLED, EACCES, EACCES, KILLED }, DONE },
	{ "link a foreign file in", t_link_out, { KILLED, EXDEV, ENOSYS, KILLED }, DONE },
	{ "symlink", t_symlink, { KILLED, KILLED, KILLED, KILLED }, DONE },
	{ "mknod", t_mknod, { KILLED, KILLED, KILLED, KILLED }, DONE },
	{ "chmod", t_chmod, { KILLED, KILLED, EACCES, KILLED }, DONE },
	{ "truncate", t_truncate, { KILLED, KILLED, KILLED, KILLED }, DONE },
	{ "setxattr", t_setxattr, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "mount", t_mount, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "unshare", t_unshare, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "chroot", t_chroot, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "socket AF_INET", t_inet, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "socket AF_INET datagram", t_inet_dgram, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "socket AF_INET6", t_inet6, { EPERM, EPERM, EPERM, EPERM }, ANY },
	{ "socket AF_NETLINK", t_netlink, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "socket AF_PACKET", t_packet, { EPERM, EPERM, EPERM, EPERM }, ANY },
	{ "socket AF_VSOCK", t_vsock, { EPERM, EPERM, EPERM, EPERM }, ANY },
	{ "socketpair AF_INET", t_inet_pair, { EPERM, EPERM, EPERM, EPERM }, EOPNOTSUPP },
	{ "socket AF_UNIX", t_unix, { EPERM, DONE, EPERM, DONE }, DONE },
	{ "socket AF_UNIX of another kind", t_unix_dgram, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "a connected pair", t_unix_pair, { EPERM, DONE, EPERM, EPERM }, DONE },
	{ "connect to a unix socket", t_unix_connect, { EPERM, DONE, EPERM, DONE }, DONE },
	{ "listen", t_listen, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "execve", t_exec, { KILLED, KILLED, KILLED, KILLED }, DONE },
	{ "fork", t_fork, { KILLED, KILLED, KILLED, KILLED }, DONE },
	{ "clone without a thread", t_clone_vm, { KILLED, KILLED, KILLED, KILLED }, DONE },
	{ "clone3", t_clone3, { ENOSYS, ENOSYS, ENOSYS, ENOSYS }, DONE },
	{ "ptrace", t_ptrace, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "process_vm_readv", t_vm_read, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "kill somebody else", t_kill, { KILLED, KILLED, KILLED, KILLED }, DONE },
	{ "tgkill somebody else", t_tgkill_other, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "pidfd_open", t_pidfd, { KILLED, KILLED, KILLED, KILLED }, DONE },
	{ "setpriority", t_priority, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "map writable and executable", t_wx, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "map a file executable", t_exec_map, { EPERM, EPERM, EPERM, EPERM }, ANY },
	{ "make memory executable", t_mprotect_x, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "make memory executable by pkey_mprotect", t_pkey_mprotect, { KILLED, KILLED, ENOSYS, KILLED },
		DONE },
	{ "personality READ_IMPLIES_EXEC", t_read_implies_exec, { KILLED, KILLED, KILLED, KILLED }, DONE },
	{ "shmget", t_shm, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "bpf", t_bpf, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "io_uring_setup", t_io_uring, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "keyctl", t_keyctl, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "userfaultfd", t_userfaultfd, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "perf_event_open", t_perf, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "open_by_handle_at", t_handle, { KILLED, KILLED, KILLED, KILLED }, ANY },
	{ "become dumpable", t_dumpable, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "raise the core limit", t_core_limit, { EPERM, EPERM, EPERM, EPERM }, ANY },
	{ "set a limit", t_set_limit, { EPERM, EPERM, EPERM, EPERM }, DONE },
	{ "type into a terminal", t_tiocsti, { ENOTTY, ENOTTY, ENOTTY, ENOTTY }, ANY },
	{ "list the network interfaces by ioctl", t_ioctl_socket, { ENOTTY, ENOTTY, ENOSYS, ENOTTY }, DONE },
	{ "a call of another ABI", t_x32, { KILLED, KILLED, KILLED, KILLED }, ANY },
	/* and what they are there for */
	{ "frames with descriptors", t_frames, { DONE, DONE, DONE, DONE }, DONE },
	{ "reading and writing held files", t_file_io, { DONE, DONE, DONE, DONE }, DONE },
	{ "SHA-256", t_sha256, { DONE, DONE, DONE, DONE }, DONE },
	{ "memory", t_memory, { DONE, DONE, DONE, DONE }, DONE },
	{ "waiting", t_poll, { DONE, DONE, DONE, DONE }, DONE },
	{ "the time", t_time, { DONE, DONE, DONE, DONE }, DONE },
	{ "threads", t_thread, { DONE, DONE, DONE, DONE }, DONE },
	{ "tgkill itself", t_tgkill_self, { DONE, DONE, DONE, DONE }, DONE },
	{ "abort", t_abort, { DONE, DONE, DONE, DONE }, DONE },
};
const size_t n_attempts = ARRAY_LEN(attempts);
