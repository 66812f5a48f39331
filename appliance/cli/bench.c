#define _GNU_SOURCE
#include "cli/bench.h"
#include "cli/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PIECE_BYTES    (1ull << 20) /* taken at once by a thread of the read loop */
#define READ_BYTES_MIN (64ull << 20)
#define READ_BYTES_MAX (512ull << 20)
#define READ_TOTAL_MIN \
	(1ull << 30) /* read for one sample: several passes, so that starting threads does not count */
#define READ_THREADS_MAX 1024u

u64 bench_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void bench_prompt(u64 *state, u32 n_vocab, u32 *ret_ids, u32 n)
{
	for (u32 i = 0; i < n; i++)
		ret_ids[i] = (u32)(bench_random(state) % n_vocab);
}

u64 bench_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

struct bench_spread bench_spread(double *v, u32 n)
{
	assert(n > 0);
	qsort(v, n, sizeof *v, by_value);
	double median = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
	return (struct bench_spread){ median, v[0], v[n - 1] };
}

u64 bench_token_bytes(const struct layout *l)
{
	bool tied = !layout_tensor_find(l, "output.weight");
	u64 sum = 0;
	for (u32 i = 0; i < l->h->n_tensors; i++) {
		const struct layout_tensor *t = &l->tensors[i];
		bool embedding = !strcmp(t->name, "token_embd.weight");
		sum += embedding && !tied ? t->bytes / MAX(t->ne[1], 1u) : t->bytes;
	}
	return sum;
}

/* ---- the read loop ---- */

typedef u64 words __attribute__((vector_size(16))); /* a register of every machine */

struct reader {
	const struct bench_read *b;
	atomic_ullong next; /* piece to take; those of later passes follow */
	u64 pieces, stop;
	atomic_ullong sink;
};

/* Sums that stay in registers: a loop that stored them would be slower than the memory. */
static u64 read_piece(const u8 *at)
{
	const words *w = (const void *)at, *end = w + PIECE_BYTES / sizeof *w;
	words a = { 0 }, b = a, c = a, d = a, e = a, f = a, g = a, h = a;
	for (; w < end; w += 8) {
		a |= w[0];
		b |= w[1];
		c |= w[2];
		d |= w[3];
		e |= w[4];
		f |= w[5];
		g |= w[6];
		h |= w[7];
	}
	a |= b | c | d | e | f | g | h;
	return a[0] | a[1];
}

static void *reader(void *arg)
{
	struct reader *r = arg;
	u64 sum = 0;
	for (u64 i; (i = atomic_fetch_add(&r->next, 1)) < r->stop;)
		sum |= read_piece(r->b->mem + i % r->pieces * PIECE_BYTES);
	atomic_fetch_or(&r->sink, sum);
	return NULL;
}

static u32 cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) ? (int)sysconf(_SC_NPROCESSORS_ONLN) : CPU_COUNT(&set);
	return (u32)MAX(MIN(n, (int)READ_THREADS_MAX), 1);
}

int bench_read_open(u64 bytes, struct bench_read *ret)
{
	u32 all = cpus();
	*ret = (struct bench_read){ .bytes = MIN(MAX(bytes, READ_BYTES_MIN), READ_BYTES_MAX) / PIECE_BYTES *
					     PIECE_BYTES };
	ret->mem = mmap(NULL, ret->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ret->mem == MAP_FAILED) {
		ret->mem = NULL;
		return -ENOMEM;
	}
	memset(ret->mem, 0x5a, ret->bytes); /* pages of their own, not the one of zeros */
	for (u32 n = 1; n < all && ret->n + 1 < BENCH_READS_MAX; n *= 2)
		ret->threads[ret->n++] = n;
	ret->threads[ret->n++] = all;
	return 0;
}

void bench_read_close(struct bench_read *b)
{
	if (b->mem)
		munmap(b->mem, b->bytes);
	b->mem = NULL;
}

/* GB a second with that many threads, this one among them. */
static int read_once(const struct bench_read *b, u32 threads, double *ret_gb)
{
	pthread_t t[READ_THREADS_MAX];
	struct reader r = { .b = b, .pieces = b->bytes / PIECE_BYTES };
	u32 n = 1;
	int e = 0;
	r.stop = DIV_UP(READ_TOTAL_MIN, b->bytes) * r.pieces;
	u64 start = bench_now_ns();
	for (; n < threads && !e; n += !e)
		e = pthread_create(&t[n], NULL, reader, &r);
	if (e)
		atomic_store(&r.next, r.stop);
	(void)reader(&r);
	while (n > 1)
		pthread_join(t[--n], NULL);
	if (e)
		return -e;
	*ret_gb = (double)r.stop * (double)PIECE_BYTES / (double)(bench_now_ns() - start);
	return 0;
}

int bench_read_sample(struct bench_read *b, u32 sample)
{
	int r = 0;
	assert(sample < BENCH_REPEAT_MAX);
	for (u32 i = 0; i < b->n && r == 0; i++)
		r = read_once(b, b->threads[i], &b->gb[i][sample]);
	return r;
}

/* ---- the device ---- */

static int list_devices(struct fd_map *ret)
{
	char *args[] = { "--device-ls", "--json", NULL };
	_cleanup_fd_ int out = memfd_create("devices", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	_cleanup_fd_ int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	pid_t pid;
	if (out < 0 || null < 0 ||
		app_spawn(&(struct app_spawn){ .program = APP_RUNTIME,
				  .args = args,
				  .listen_fd = -1,
				  .err_fd = null,
				  .out_fd = out },
			&pid) ||
		app_wait(pid) ||
		fcntl(out, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return 1;
	return fd_map_sealed(out, SIZE_MAX, ret) ? 1 : 0;
}

int bench_device_kind(const char *device, char ret_kind[32])
{
	struct fd_map m = { 0 };
	bool bad;
	if (list_devices(&m))
		return 1;
	struct lines l = lines_of(&m);
	_cleanup_json_ json_t *all = lines_next(&l, &bad);
	fd_unmap(&m);
	size_t i;
	json_t *d;
	json_array_foreach(
		json_object_get(all, "devices"), i, d) if (!strcmp(lines_cell(d, "name").s, device))
	{
		struct cell kind = lines_cell(d, "kind");
		if (!kind.s[0] || strlen(kind.s) >= 32)
			return 1;
		memcpy(ret_kind, kind.s, strlen(kind.s) + 1);
		return 0;
	}
	return 1;
}

bool bench_kind_is_cpu(const char *kind)
{
	return !strcmp(kind, "native") || !strcmp(kind, "reference") || !strcmp(kind, "cpu");
}
