/* Entering a sandbox: what it covers (every thread, memory dumps), and that it fails closed. A kernel without Landlock, without
 * seccomp, or one that only pretends, is made by a filter that this test puts around a child before the child enters. */
#define _GNU_SOURCE
#include "base/limits.h"
#include "base/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8

/* Run f in a child; its return value, or -signal. */
static int in_child(int (*f)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(30);
		_exit(f());
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int enter(void)
{
	return -sandbox_enter(&(struct sandbox_params){ .role = SANDBOX_RUNTIME });
}

static void kernel_answers(u32 action, const char *call)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	assert_non_null(f);
	assert_int_equal(seccomp_rule_add(f, action, seccomp_syscall_resolve_name(call), 0), 0);
	assert_int_equal(seccomp_load(f), 0);
	seccomp_release(f);
}

/* As a daemon's main() does: 77 says that it would have served. */
static int serve_unless_refused(void)
{
	int r = enter();
	return r ? r : 77;
}
static int landlock_absent(void)
{
	kernel_answers(SCMP_ACT_ERRNO(ENOSYS), "landlock_create_ruleset");
	return serve_unless_refused();
}
static int landlock_disabled(void)
{
	kernel_answers(SCMP_ACT_ERRNO(EOPNOTSUPP), "landlock_create_ruleset");
	return serve_unless_refused();
}
static int landlock_refuses(void)
{
	kernel_answers(SCMP_ACT_ERRNO(E2BIG), "landlock_restrict_self");
	return serve_unless_refused();
}
static int landlock_pretends(void)
{
	kernel_answers(SCMP_ACT_ERRNO(0), "landlock_restrict_self");
	return serve_unless_refused();
}
static int seccomp_absent(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	struct scmp_arg_cmp set = SCMP_CMP64(0, SCMP_CMP_EQ, PR_SET_SECCOMP);
	assert_int_equal(seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(seccomp), 0), 0);
	assert_int_equal(seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1, &set), 0);
	assert_int_equal(seccomp_load(f), 0);
	seccomp_release(f);
	return serve_unless_refused();
}
static int nothing_wrong(void)
{
	return serve_unless_refused();
}

static void fails_closed(void **state)
{
	assert_int_equal(in_child(nothing_wrong), 77);
	assert_int_equal(in_child(landlock_absent), ENOSYS);
	assert_int_equal(in_child(landlock_disabled), ENOSYS);
	assert_int_equal(in_child(landlock_refuses), E2BIG);
	assert_int_equal(in_child(landlock_pretends), ENOSYS);
	int r = in_child(seccomp_absent);
	assert_true(r > 0 && r != 77);
}

static int go[2], answers[2];
static void *thread(void *blocks)
{
	if (blocks) {
		sigset_t all;
		sigfillset(&all);
		pthread_sigmask(SIG_BLOCK, &all, NULL);
	}
	char c;
	if (write(answers[1], "r", 1) != 1 || read(go[0], &c, 1) != 1)
		return NULL;
	bool open_refused = open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES;
	bool socket_refused = socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM;
	c = open_refused && socket_refused ? 'y' : 'n';
	return write(answers[1], &c, 1) == 1 ? NULL : &go;
}

static int threads_start(u32 n, u32 blocking)
{
	pthread_attr_t small;
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(answers, O_CLOEXEC) < 0 || pthread_attr_init(&small) ||
		pthread_attr_setstacksize(&small, 64 << 10))
		return 1;
	for (u32 i = 0; i < n; i++) {
		pthread_t t;
		char c;
		if (pthread_create(&t, &small, thread, i < blocking ? &go : NULL) ||
			read(answers[0], &c, 1) != 1)
			return 1;
	}
	return 0;
}

static int threads_enter(void)
{
	if (threads_start(THREADS, 0) || enter())
		return 100;
	int refused = 0;
	for (u32 i = 0; i < THREADS; i++) {
		char c;
		if (write(go[1], "g", 1) != 1 || read(answers[0], &c, 1) != 1)
			return 101;
		refused += c == 'y';
	}
	return refused;
}

static int deaf_thread(void)
{
	return threads_start(THREADS, 1) ? 100 : serve_unless_refused();
}

static int most_threads(void)
{
	return threads_start(SANDBOX_THREADS_MAX, 0) ? 100 : serve_unless_refused();
}
static int one_thread_more(void)
{
	return threads_start(SANDBOX_THREADS_MAX + 1, 0) ? 100 : serve_unless_refused();
}

static void covers_threads(void **state)
{
	assert_int_equal(in_child(threads_enter), THREADS);
	struct timespec began, now;
	clock_gettime(CLOCK_MONOTONIC, &began);
	assert_int_equal(in_child(deaf_thread), ETIMEDOUT);
	clock_gettime(CLOCK_MONOTONIC, &now);
	i64 ms = (now.tv_sec - began.tv_sec) * 1000 + (now.tv_nsec - began.tv_nsec) / 1000000;
	assert_true(ms >= (i64)SANDBOX_THREAD_MS_MAX - 1);
	assert_int_equal(in_child(most_threads), 77);
	assert_int_equal(in_child(one_thread_more), E2BIG);
}

static int not_dumpable(void)
{
	struct rlimit l;
	if (prctl(PR_GET_DUMPABLE) != 1 || enter())
		return 100;
	if (syscall(SYS_getrlimit, RLIMIT_CORE, &l) < 0 || l.rlim_cur || l.rlim_max)
		return 1;
	return prctl(PR_GET_DUMPABLE);
}

static void leaves_no_core(void **state)
{
	assert_int_equal(in_child(not_dumpable), 0);
}

static int run_code(bool exec_memory)
{
	struct sandbox_params p = { .role = SANDBOX_RUNTIME, .exec_memory = exec_memory };
	if (sandbox_enter(&p))
		return 100;
	void *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return m == MAP_FAILED ? 101 : mprotect(m, 4096, PROT_READ | PROT_EXEC) < 0 ? errno : 0;
}
static int compiles(void)
{
	return run_code(true);
}
static int does_not_compile(void)
{
	return run_code(false);
}

static void executable_memory_only_where_asked(void **state)
{
	assert_int_equal(in_child(compiles), 0);
	assert_int_equal(in_child(does_not_compile), EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fails_closed),
		cmocka_unit_test(covers_threads),
		cmocka_unit_test(leaves_no_core),
		cmocka_unit_test(executable_memory_only_where_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
