/* One pass over a file: each block is read once into memory of our own, and that memory is what is hashed and what is written to
 * the stage. Three digests of the same bytes are wanted: of the whole file, of each segment, of each shard. They are computed by
 * one thread each, which follow the reader around a ring of blocks:
 *
 *   reader  ──▶ [ block | block | block | … ] ──▶ file digest      (in order)
 *   (caller's thread, also writes the stage)  ──▶ segment digests  (any)
 *                                             ──▶ shard digests    (in order)
 *
 * A block is free again when every digest has passed it. Where no thread can be made the caller's thread does the work itself. */
#define _GNU_SOURCE
#include "attest/internal.h"
#include "base/fd.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RING_BLOCKS \
	8u /* blocks of SEGMENT_BYTES between reader and digests; more than three threads can keep busy */
#define PROGRESS_NS 50000000ull /* twenty reports a second at most */

enum { DIGEST_FILE, DIGEST_SEGMENTS, DIGEST_SHARDS, N_DIGESTS };

struct block {
	u8 *data;
	u32 len;
	u64 index; /* of the segment in its file */
};

struct worker {
	struct pass *pass;
	int what;
	u64 done; /* blocks of all files that this digest has passed */
	pthread_t thread;
	bool running;
	struct sha256 h;
	u64 shard_left; /* bytes until the running shard ends */
	u64 shard_index;
};

struct pass {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct block ring[RING_BLOCKS];
	u8 *memory;
	u64 filled; /* blocks of all files that the reader has put into the ring */
	bool stop;
	struct pass_file *file;
	struct worker workers[N_DIGESTS];
	bool threaded;
	const struct attest_progress *progress;
	u64 done, total, reported_ns;
};

/* ---- digests -------------------------------------------------------------------------------------------------------------- */

static void shard_bytes(struct worker *w, struct pass_file *f, const u8 *p, u32 len)
{
	while (len) {
		if (w->shard_left == 0) {
			sha256_init(&w->h);
			w->shard_left = f->shard_bytes;
		}
		u32 n = (u32)MIN((u64)len, w->shard_left);
		sha256_update(&w->h, p, n);
		p += n;
		len -= n;
		w->shard_left -= n;
		if (w->shard_left == 0)
			sha256_final(&w->h, f->shards[w->shard_index++]);
	}
}

static void digest_block(struct worker *w, struct pass_file *f, const struct block *b)
{
	switch (w->what) {
	case DIGEST_FILE:
		sha256_update(&w->h, b->data, b->len);
		break;
	case DIGEST_SEGMENTS:
		sha256_of(b->data, b->len, f->segments[b->index]);
		break;
	case DIGEST_SHARDS:
		if (f->shard_bytes)
			shard_bytes(w, f, b->data, b->len);
		break;
	}
}

static void digest_begin(struct worker *w)
{
	sha256_fini(&w->h);
	w->shard_left = w->shard_index = 0;
	if (w->what == DIGEST_FILE)
		sha256_init(&w->h);
}

static void digest_end(struct worker *w, struct pass_file *f)
{
	if (w->what == DIGEST_FILE)
		sha256_final(&w->h, f->digest);
	else if (w->what == DIGEST_SHARDS && w->shard_left)
		sha256_final(&w->h, f->shards[w->shard_index]);
	w->shard_left = 0;
}

/* ---- threads -------------------------------------------------------------------------------------------------------------- */

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pass *p = w->pass;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (w->done == p->filled && !p->stop)
			pthread_cond_wait(&p->moved, &p->lock);
		if (w->done == p->filled)
			break;
		const struct block *b = &p->ring[w->done % RING_BLOCKS];
		struct pass_file *f = p->file;
		pthread_mutex_unlock(&p->lock);
		digest_block(w, f, b);
		pthread_mutex_lock(&p->lock);
		w->done++;
		pthread_cond_broadcast(&p->moved);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static u64 slowest(const struct pass *p)
{
	u64 done = UINT64_MAX;
	for (int i = 0; i < N_DIGESTS; i++)
		done = MIN(done, p->workers[i].done);
	return done;
}

/* A free block to read into. */
static struct block *block_next(struct pass *p)
{
	if (p->threaded) {
		pthread_mutex_lock(&p->lock);
		while (p->filled - slowest(p) == RING_BLOCKS)
			pthread_cond_wait(&p->moved, &p->lock);
		pthread_mutex_unlock(&p->lock);
	}
	return &p->ring[p->filled % RING_BLOCKS];
}

static void block_put(struct pass *p, const struct block *b)
{
	if (!p->threaded) {
		for (int i = 0; i < N_DIGESTS; i++)
			digest_block(&p->workers[i], p->file, b);
		p->filled++;
		return;
	}
	pthread_mutex_lock(&p->lock);
	p->filled++;
	pthread_cond_broadcast(&p->moved);
	pthread_mutex_unlock(&p->lock);
}

/* Until every digest has passed every block. */
static void blocks_drain(struct pass *p)
{
	if (!p->threaded)
		return;
	pthread_mutex_lock(&p->lock);
	while (slowest(p) != p->filled)
		pthread_cond_wait(&p->moved, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

static void threads_stop(struct pass *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->moved);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < N_DIGESTS; i++)
		if (p->workers[i].running)
			pthread_join(p->workers[i].thread, NULL);
}

int pass_create(u64 total, const struct attest_progress *progress, struct pass **ret)
{
	struct pass *p = calloc(1, sizeof *p);
	if (!p)
		return err_origin(-ENOMEM);
	p->memory = aligned_alloc(4096, (size_t)RING_BLOCKS * SEGMENT_BYTES);
	if (!p->memory) {
		free(p);
		return err_origin(-ENOMEM);
	}
	for (u32 i = 0; i < RING_BLOCKS; i++)
		p->ring[i].data = p->memory + (size_t)i * SEGMENT_BYTES;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->moved, NULL);
	p->progress = progress;
	p->total = total;
	p->threaded = true;
	for (int i = 0; i < N_DIGESTS; i++)
		p->workers[i] = (struct worker){ .pass = p, .what = i };
	for (int i = 0; i < N_DIGESTS && p->threaded; i++) {
		p->workers[i].running =
			pthread_create(&p->workers[i].thread, NULL, work, &p->workers[i]) == 0;
		p->threaded = p->workers[i].running;
	}
	if (!p->threaded)
		threads_stop(p); /* the few that were made */
	*ret = p;
	return 0;
}

struct pass *pass_destroy(struct pass *p)
{
	if (!p)
		return NULL;
	if (p->threaded)
		threads_stop(p);
	for (int i = 0; i < N_DIGESTS; i++)
		sha256_fini(&p->workers[i].h);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->moved);
	free(p->memory);
	free(p);
	return NULL;
}

/* ---- reading -------------------------------------------------------------------------------------------------------------- */

static void report_progress(struct pass *p, const char *what, bool last)
{
	if (!p->progress || !p->progress->call)
		return;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	u64 now = (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
	if (!last && now - p->reported_ns < PROGRESS_NS)
		return;
	p->reported_ns = now;
	p->progress->call(p->progress->ctx, p->done, p->total, what);
}

static int changed(const struct pass_file *f, u64 found, struct attest_report *report)
{
	attest_reject(report, ATTEST_CHANGED, f->source->path, "%s is not as long as it was a moment ago",
		f->source->path);
	attest_expected_u64(report, f->source->bytes, found);
	return 1;
}

static int size_check(const struct pass_file *f, struct attest_report *report)
{
	u64 size;
	int r = fd_regular_size(f->source->fd, &size);
	if (r == 1)
		return attest_reject(report, ATTEST_SPECIAL_FILE, f->source->path, "%s is not a regular file",
			f->source->path);
	if (r < 0)
		return r;
	return size == f->source->bytes ? 0 : changed(f, size, report);
}

static int blocks_read(struct pass *p, struct pass_file *f, struct attest_report *report)
{
	const struct attest_source *s = f->source;
	for (u64 at = 0; at < s->bytes; at += SEGMENT_BYTES) {
		struct block *b = block_next(p);
		b->len = (u32)MIN(s->bytes - at, (u64)SEGMENT_BYTES);
		b->index = at / SEGMENT_BYTES;
		int r = fd_pread_all(s->fd, b->data, b->len, at);
		if (r == -ENODATA)
			return changed(f, at, report);
		r = r || f->stage < 0 ? r : fd_pwrite_all(f->stage, b->data, b->len, at);
		if (r)
			return attest_about(report, r, s->path);
		block_put(p, b);
		p->done += b->len;
		report_progress(p, s->path, false);
	}
	return size_check(f, report); /* a file that grew meanwhile is another file */
}

int pass_run(struct pass *p, struct pass_file *f, struct attest_report *report)
{
	int r = size_check(f, report);
	if (r)
		return r;
	p->file = f; /* the workers are idle: the ring is drained */
	for (int i = 0; i < N_DIGESTS; i++)
		digest_begin(&p->workers[i]);
	r = blocks_read(p, f, report);
	blocks_drain(p);
	for (int i = 0; i < N_DIGESTS; i++)
		digest_end(&p->workers[i], f);
	/* here, where it holds up one job: the gate syncs again, and finds nothing left to write */
	if (!r && f->stage >= 0 && fdatasync(f->stage) < 0)
		r = attest_about(report, err_errno(), f->source->path);
	if (!r)
		report_progress(p, f->source->path, p->done == p->total);
	return r;
}
