/* Threads of the native device. A job is open while its caller shares it out. Who enters counts itself in `inside` before it looks whether
 * the job is open, and the caller closes the job before it waits for `inside` to be 0: so nobody reads a job that the caller changes. */
#define _GNU_SOURCE
#include "runtime/cpu.h"

#include "base/err.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SPIN_NS \
	20000u /* how long a thread looks for work before it sleeps: an op between two products takes less */
#define SPIN_TURNS 32u /* pauses between two looks at the clock */

struct worker {
	struct cpu_pool *pool;
	u32 index;
	pthread_t thread;
};

/* Items that nobody has taken: the first in the low half, the end in the high half. Its thread takes from the front, so that memory sees one stream
 * after the other; who has nothing left takes from the back. */
struct range {
	_Alignas(64) atomic_ullong items;
};

struct cpu_pool {
	_Alignas(64) atomic_uint epoch; /* rises with every job; sleepers wait for a change of it */
	atomic_uint sleepers;
	atomic_bool open, stop;
	_Alignas(64) atomic_uint inside;
	atomic_bool caller_sleeps;
	_Alignas(64) cpu_job_fn *run;
	const void *arg;
	u32 items, step;
	u32 n_workers;
	struct worker workers[CPU_THREADS_MAX];
	struct range ranges[CPU_THREADS_MAX]; /* of items, one a thread */
};

static void futex_wait(atomic_uint *word, u32 while_it_is)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
}

static void futex_wake_all(atomic_uint *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, CPU_THREADS_MAX, NULL, NULL, 0);
}

static u64 now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static void pause_briefly(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Look at *word until it is not `old`, for SPIN_NS. Is it another now? */
static bool spin_while(atomic_uint *word, u32 old)
{
	u64 end = 0;
	for (;;) {
		for (u32 i = 0; i < SPIN_TURNS; i++) {
			if (atomic_load_explicit(word, memory_order_acquire) != old)
				return true;
			pause_briefly();
		}
		u64 t = now_ns();
		end = end ? end : t + SPIN_NS;
		if (t >= end)
			return false;
	}
}

/* A share of at most `step` items, from the front of the range or from its back. Is there one? */
static bool share_take(struct range *r, u32 step, bool back, u32 *ret_first, u32 *ret_end)
{
	unsigned long long v = atomic_load_explicit(&r->items, memory_order_relaxed), left;
	u32 first, end, n;
	do {
		first = (u32)v;
		end = (u32)(v >> 32);
		if (first >= end)
			return false;
		n = MIN(step, end - first);
		left = back ? v - ((unsigned long long)n << 32) : v + n;
	} while (!atomic_compare_exchange_weak(&r->items, &v, left));
	*ret_first = back ? end - n : first;
	*ret_end = back ? end : first + n;
	return true;
}

static void shares_run(struct cpu_pool *p, u32 thread)
{
	u32 threads = p->n_workers + 1, first, end;
	for (u32 i = 0; i < threads; i++) {
		struct range *r = &p->ranges[(thread + i) % threads];
		while (share_take(r, p->step, i > 0, &first, &end))
			p->run(p->arg, thread, first, end);
	}
}

/* Each thread the same number of shares, or one more. */
static void ranges_set(struct cpu_pool *p)
{
	u32 threads = p->n_workers + 1, shares = DIV_UP(p->items, p->step);
	for (u32 i = 0; i < threads; i++) {
		u64 first = (u64)shares * i / threads * p->step,
		    end = (u64)shares * (i + 1) / threads * p->step;
		atomic_store(&p->ranges[i].items, MIN(end, (u64)p->items) << 32 | MIN(first, (u64)p->items));
	}
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct cpu_pool *p = w->pool;
	u32 seen = 0;
	for (;;) {
		if (!spin_while(&p->epoch, seen)) {
			atomic_fetch_add(&p->sleepers, 1);
			while (atomic_load(&p->epoch) == seen)
				futex_wait(&p->epoch, seen);
			atomic_fetch_sub(&p->sleepers, 1);
		}
		if (atomic_load(&p->stop))
			return NULL;
		seen = atomic_load(&p->epoch);
		atomic_fetch_add(&p->inside, 1);
		if (atomic_load(&p->open))
			shares_run(p, w->index);
		if (atomic_fetch_sub(&p->inside, 1) == 1 && atomic_load(&p->caller_sleeps))
			futex_wake_all(&p->inside);
	}
}

static void wake_workers(struct cpu_pool *p)
{
	atomic_fetch_add(&p->epoch, 1);
	if (atomic_load(&p->sleepers) > 0)
		futex_wake_all(&p->epoch);
}

static void wait_for_workers(struct cpu_pool *p)
{
	u32 n;
	while ((n = atomic_load(&p->inside)) != 0) {
		if (spin_while(&p->inside, n))
			continue;
		atomic_store(&p->caller_sleeps, true);
		n = atomic_load(&p->inside);
		if (n != 0)
			futex_wait(&p->inside, n);
		atomic_store(&p->caller_sleeps, false);
	}
}

void cpu_pool_run(struct cpu_pool *p, cpu_job_fn *run, const void *arg, u32 items, u32 step)
{
	assert(step > 0 && items < 1u << 31 && step < 1u << 24);
	if (p->n_workers == 0 || items <= step) {
		run(arg, 0, 0, items);
		return;
	}
	p->run = run;
	p->arg = arg;
	p->items = items;
	p->step = step;
	ranges_set(p);
	atomic_store(&p->open, true);
	wake_workers(p);
	shares_run(p, 0);
	atomic_store(&p->open, false);
	wait_for_workers(p);
}

u32 cpu_pool_threads(const struct cpu_pool *p)
{
	return p->n_workers + 1;
}

u32 cpu_threads_of_machine(void)
{
	cpu_set_t set;
	u32 n = sched_getaffinity(0, sizeof(set), &set) == 0 ? (u32)CPU_COUNT(&set) : 1;
	return MIN(n, CPU_THREADS_MAX);
}

int cpu_pool_create(u32 threads, struct cpu_pool **ret)
{
	struct cpu_pool *p = aligned_alloc(64, ALIGN_UP(sizeof(*p), 64));
	if (!p)
		return err_origin(-ENOMEM);
	*p = (struct cpu_pool){ 0 };
	for (u32 i = 1; i < MIN(threads, CPU_THREADS_MAX); i++) {
		struct worker *w = &p->workers[i];
		w->pool = p;
		w->index = i;
		if (pthread_create(&w->thread, NULL, worker_main, w) != 0)
			break; /* fewer threads, same bits */
		p->n_workers++;
	}
	*ret = p;
	return 0;
}

struct cpu_pool *cpu_pool_destroy(struct cpu_pool *p)
{
	if (!p)
		return NULL;
	atomic_store(&p->stop, true);
	wake_workers(p);
	for (u32 i = 1; i <= p->n_workers; i++)
		pthread_join(p->workers[i].thread, NULL);
	free(p);
	return NULL;
}
