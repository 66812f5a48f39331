/* Between two tokens of a generation that runs, a grammar's or a free one, nothing is allocated or freed and no lock is taken; and what a grammar allows
 * next is made while the device works. This program's malloc, pthread_mutex_lock and their kin
 * stand in front of the C library's and count while a counter is armed; the scheduler, the sampler, the stream and the frames are the real ones. */
#define _GNU_SOURCE
#include "tests/logits/asks.h"
#include "tests/logits/still_device.h"
#include "tests/logits/tiny_model.h"
#include "runtime/outq.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define SEQS  8u
#define STEPS 200u

/* ---- who counts ----------------------------------------------------------------------------------------------------------- */

#define _shown_ __attribute__((visibility("default"))) /* so that the C library calls them too */

static atomic_bool armed;
static atomic_uint n_memory, n_locks;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t m);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

static void note(atomic_uint *n)
{
	if (atomic_load(&armed))
		atomic_fetch_add(n, 1);
}

_shown_ void *malloc(size_t n)
{
	note(&n_memory);
	return __libc_malloc(n);
}

_shown_ void *calloc(size_t n, size_t m)
{
	note(&n_memory);
	return __libc_calloc(n, m);
}

_shown_ void *realloc(void *p, size_t n)
{
	note(&n_memory);
	return __libc_realloc(p, n);
}

_shown_ void *aligned_alloc(size_t align, size_t n)
{
	note(&n_memory);
	return __libc_memalign(align, n);
}

_shown_ int posix_memalign(void **ret, size_t align, size_t n)
{
	note(&n_memory);
	*ret = __libc_memalign(align, n);
	return *ret ? 0 : ENOMEM;
}

_shown_ void free(void *p)
{
	if (p)
		note(&n_memory);
	__libc_free(p);
}

static int (*real_lock)(pthread_mutex_t *);
static int (*real_wait)(pthread_cond_t *, pthread_mutex_t *);

/* Looked up before the first thread is made. */
static void find_real(void)
{
	void *lock = dlsym(RTLD_NEXT, "pthread_mutex_lock"), *wait = dlsym(RTLD_NEXT, "pthread_cond_wait");
	memcpy(&real_lock, &lock, sizeof lock);
	memcpy(&real_wait, &wait, sizeof wait);
}

_shown_ int pthread_mutex_lock(pthread_mutex_t *m)
{
	note(&n_locks);
	if (!real_lock)
		find_real();
	return real_lock(m);
}

_shown_ int pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	note(&n_locks);
	return real_wait(c, m);
}

/* ---- generations ---------------------------------------------------------------------------------------------------------- */

static struct tiny tiny;
static struct grant grant;
static struct ask asks[SEQS];
static struct outq queue;
static int pair[2];
static u32 n_frames, n_ahead;
static struct rt_device *still; /* NULL: the device is another */

static int send_tokens(struct answer *a, const struct proto_tokens *t)
{
	struct outq_send f = { .type = SESSION_TOKENS, .id = 1, .body = t, .len = sizeof *t, .fd = -1 };
	struct ipc_frame got;
	assert_int_equal(outq_put(&queue, pair[0], &f), 0);
	assert_int_equal(ipc_recv(pair[1], &got), 0);
	n_frames++;
	return 0;
}

/* Anything without an end, but brackets come in pairs: stacks and sets that were not there before. */
static const void *brackets(size_t *ret_len)
{
	static struct {
		struct grammar_header h;
		u32 first[5];
		struct grammar_edge e[7];
	} g = { .h = { .n_states = 4, .n_edges = 7, .start = 3 },
		.first = { 0, 4, 5, 6, 7 },
		.e = { { GRAMMAR_BYTE, 0, '(' - 1, 0, 0, 0 }, { GRAMMAR_BYTE, ')' + 1, 0xfe, 0, 0, 0 },
			{ GRAMMAR_BYTE, '(', '(', 0, 1, 0 }, { GRAMMAR_RETURN, 0, 0, 0, 0, 0 },
			{ GRAMMAR_CALL, 0, 0, 0, 2, 0 }, { GRAMMAR_BYTE, ')', ')', 0, 0, 0 },
			{ GRAMMAR_CALL, 0, 0, 0, 3, 0 } } };
	memcpy(g.h.magic, GRAMMAR_MAGIC, 8);
	*ret_len = sizeof g;
	return &g;
}

static int (*real_row)(struct sched_seq *q, u32 pos, const f32 *logits, u32 *ret_next);
static void (*real_ahead)(struct sched_seq *q, u32 n_guesses);

/* No mask is made here, where the sampler waits for it. */
static int row(struct sched_seq *q, u32 pos, const f32 *logits, u32 *ret_next)
{
	const struct answer *a = (const struct answer *)q;
	u64 made = a->mask ? mask_stats(a->mask).masks_made : 0;
	assert_false(still && still_runs(still));
	int r = real_row(q, pos, logits, ret_next);
	assert_int_equal(a->mask ? mask_stats(a->mask).masks_made : 0, made);
	return r;
}

static void ahead(struct sched_seq *q, u32 n_guesses)
{
	assert_true(!still || still_runs(still));
	real_ahead(q, n_guesses);
	n_ahead++;
}

/* Each samples in its own way; one looks for a stop string; the last four are held by a grammar. */
static void begin(u32 i)
{
	static const u32 prompt[40] = { 1, 5, 9 };
	asks[i] = (struct ask){ .ids = prompt,
		.n_ids = 3 + i,
		.max_tokens = 300,
		.temperature = i % 2 ? 0.8f : 0,
		.top_k = i % 4 == 1 ? 20 : 0,
		.top_p = i % 4 == 3 ? 0.9f : 1,
		.repeat_penalty = i % 3 ? 1 : 1.2f,
		.seed = i,
		.principal = i,
		.stop = i == 5 ? "never said" : NULL };
	if (i >= SEQS / 2) {
		asks[i].grammar = brackets(&asks[i].n_grammar);
		asks[i].ends = true;
	}
	ask_begin(&asks[i], &grant);
	assert_null(asks[i].refused);
	asks[i].a.on_tokens = send_tokens;
	real_row = asks[i].a.seq.row;
	real_ahead = asks[i].a.seq.ahead;
	asks[i].a.seq.row = row;
	asks[i].a.seq.ahead = ahead;
}

static void one_step(void)
{
	assert_int_equal(sched_step(&grant.sched), 0);
}

/* Counts over n steps of SEQS generations, none of which begins or ends in them; with so many rows of guesses for each. */
static void generate_on(struct rt_device *d, u32 n, u32 guesses)
{
	const struct grant_params p = { .wake = -1, .no_draft = !guesses, .draft = guesses };
	u64 seed = 4;
	tiny_load(&tiny, d, &p, KV_F16, &grant);
	f32 *logits = rt_host_ptr(grant.work.logits);
	for (u64 i = 0; i < rt_buf_bytes(grant.work.logits) / sizeof *logits; i++)
		logits[i] = (f32)(tiny_random(&seed) % 1000) / 100.0f;
	for (u32 i = 0; i < SEQS; i++)
		begin(i);
	one_step(); /* the prompts */
	one_step();
	u64 rows = grant.sched.n_rows, drafted = grant.sched.n_drafted, right = grant.sched.n_right;
	n_frames = n_ahead = 0;
	atomic_store(&n_memory, 0);
	atomic_store(&n_locks, 0);
	atomic_store(&armed, true);
	for (u32 i = 0; i < n; i++)
		one_step();
	atomic_store(&armed, false);
	drafted = grant.sched.n_drafted - drafted;
	right = grant.sched.n_right - right;
	assert_int_equal(grant.sched.n_rows - rows, n * SEQS + drafted);
	assert_int_equal(n_frames, n * SEQS + right);
	assert_int_equal(n_ahead, n * SEQS);
	assert_true(!guesses || (drafted && right));
	for (u32 i = 0; i < SEQS; i++)
		answer_abort(&asks[i].a, FINISH_CANCELLED, "test");
	grant_fini(&grant);
	assert_int_equal(atomic_load(&n_memory), 0);
	assert_int_equal(atomic_load(&n_locks), 0);
}

static void nothing_is_allocated_nor_locked(void **state)
{
	still = still_open();
	generate_on(still, STEPS, 0);
	generate_on(still, STEPS / 4, 4);
	rt_device_close(still);
	still = NULL;
}

/* However many sequences a step has rows of, prompts, answers and guesses, with experts and without: the device is asked once. */
static void one_submission_a_step(void **state)
{
	static const struct {
		u32 arch, guesses;
	} ways[] = { { 0, 0 }, { 0, 4 }, { LAYOUT_ARCH_GPT_OSS, 0 }, { LAYOUT_ARCH_GPT_OSS, 4 } };
	struct rt_device *d = still_open();
	for (u32 i = 0; i < ARRAY_LEN(ways); i++) {
		const struct tiny_spec spec = {
			.type = TENSOR_Q8_0, .seed = 3, .ctx = 1024, .arch = ways[i].arch
		};
		const struct grant_params p = { .wake = -1, .draft = ways[i].guesses };
		struct tiny t;
		tiny_make(&spec, &t);
		tiny_load(&t, d, &p, KV_F16, &grant);
		for (u32 k = 0; k < SEQS; k++)
			begin(k);
		for (u32 k = 0; k < 20; k++) {
			u64 before = still_submits(d);
			one_step();
			assert_int_equal(still_submits(d) - before, 1);
		}
		for (u32 k = 0; k < SEQS; k++)
			answer_abort(&asks[k].a, FINISH_CANCELLED, "test");
		grant_fini(&grant);
		tiny_fini(&t);
	}
	rt_device_close(d);
}

/* Nor do the kernels of the native device and its threads. */
static void nor_on_the_native_device(void **state)
{
	struct rt_device *d;
	const char *why;
	assert_int_equal(rt_device_open("native", &d, &why), 0);
	generate_on(d, STEPS, 0);
	generate_on(d, STEPS / 4, 4);
	rt_device_close(d);
}

/* The counters count. */
static void they_count(void **state)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	atomic_store(&n_memory, 0);
	atomic_store(&n_locks, 0);
	atomic_store(&armed, true);
	char *volatile s = strdup("by the C library itself");
	pthread_mutex_lock(&m);
	atomic_store(&armed, false);
	pthread_mutex_unlock(&m);
	free(s);
	assert_int_equal(atomic_load(&n_memory), 1);
	assert_int_equal(atomic_load(&n_locks), 1);
}

static int open_all(void **state)
{
	struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 3, .ctx = 1024 };
	find_real();
	tiny_make(&spec, &tiny);
	if (ipc_pair(&pair[0], &pair[1]))
		return 1;
	return fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0;
}

static int close_all(void **state)
{
	outq_fini(&queue);
	close(pair[0]);
	close(pair[1]);
	tiny_fini(&tiny);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_count),
		cmocka_unit_test(nothing_is_allocated_nor_locked),
		cmocka_unit_test(one_submission_a_step),
		cmocka_unit_test(nor_on_the_native_device),
	};
	return cmocka_run_group_tests(tests, open_all, close_all);
}
