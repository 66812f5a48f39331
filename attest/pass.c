/* One pass over files, or over ranges of them, on every core. A task is a range that is hashed in order; each block of it is read
 * once into memory of our own, and that memory is what is hashed and what is written to the stage.
 *
 *   lane    tasks whose blocks are hashed in rounds, strictly one after the other: one task, or two at once where the processor
 *           hashes two messages in little more than the time of one (sha256_pairs) and nothing else is wanted of them
 *   thread  has a lane of its own; when there is no task left to begin it joins another's, so that one large file is still read,
 *           written and cut into segments by all of them, and only its digest is left to one at a time
 *
 *   round:  reserve ─▶ read, write the stage, hash the segment (any order) ─▶ wait for the turn ─▶ digest ─▶ pass the turn on
 *
 * The verdict does not depend on who was faster: of several tasks that fail, the one with the lowest number is reported; those behind
 * it are given up, those before it are finished. */
#define _GNU_SOURCE
#include "attest/internal.h"
#include "base/fd.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAIR_BLOCK_BYTES (256u << 10) /* of each of two tasks: both stay in the second-level cache */
#define APART_MEMBERS	 3u	      /* threads of a lane: then a digest of its own costs nobody time */
#define BYTES_PER_THREAD (4ull << 20) /* below, a thread costs more than it saves */
#define HANDOVER_BYTES \
	(128u << 10) /* the next thread is woken so much earlier, since waking takes as long as hashing them */
#define PROGRESS_NS 50000000ull /* twenty reports a second at most */
static_assert(2 * PAIR_BLOCK_BYTES <= SEGMENT_BYTES, "a thread's memory is one segment");

/* A task that has begun. */
struct stream {
	struct pass_task t;
	u32 index;
	u64 next; /* first byte that nobody has reserved */
	int r;	  /* what went wrong; the report says it */
	struct attest_report report;
	struct hash range;   /* of the range, or of the whole file beside shards */
	struct hash piece;   /* with a table, where the signed digests are not the file's SHA-256 */
	struct hash segment; /* with a table, where they are */
	u64 piece_left, piece_index;
};

/* A block of one task. */
struct part {
	struct stream *s; /* NULL: none */
	u8 *data;
	u64 at;
	u32 len;
	bool last; /* whoever has this one ends the task */
	bool skip; /* the task was given up */
	bool apart; /* the segment is hashed out of turn: it is not worth a pair, or there are threads enough for it */
};
struct round {
	u64 number;
	struct part part[2];
};

struct lane {
	struct stream *slot[2];
	u64 reserved;	  /* rounds */
	_Atomic u64 turn; /* the round whose digests are next; only its thread moves it on */
	u64 soon;	  /* the round whose turn comes within HANDOVER_BYTES */
	u32 members;
	pthread_cond_t moved;
};

struct pass {
	const struct pass_params *p;
	struct attest_report blank;   /* the caller's as it was */
	struct attest_report *report; /* the caller's */
	pthread_mutex_t lock;	      /* all of the following, but for done */
	struct lane lanes[PASS_THREADS_MAX];
	u32 n_threads, n_begun;
	u32 next_task;
	u32 failed; /* number of the first task that failed, UINT32_MAX */
	int r;
	u8 *memory;
	bool pairs;
	_Atomic u64 done;
	pthread_mutex_t progress_lock;
	u64 reported_ns;
};

struct member {
	struct pass *p;
	u32 number;
	pthread_t thread;
	bool running;
};

/* ---- failing -------------------------------------------------------------------------------------------------------------- */

static void fail(struct pass *p, const struct stream *s)
{
	if (s->index >= p->failed)
		return;
	p->failed = s->index;
	p->r = s->r;
	*p->report = s->report;
}

static void stream_fail(struct pass *p, struct stream *s, int r, const struct attest_report *why)
{
	pthread_mutex_lock(&p->lock);
	if (!s->r) {
		s->r = r;
		s->report = *why;
		fail(p, s);
	}
	pthread_mutex_unlock(&p->lock);
}

/* ---- taking tasks and rounds (the lock is held) --------------------------------------------------------------------------------- */

static bool split_digests(const struct pass *p, const struct pass_task *t)
{
	return t->segments && (t->piece_bytes || p->p->hash != HASH_SHA256);
}

static struct stream *stream_begin(struct pass *p)
{
	if (p->next_task == p->p->n || p->failed != UINT32_MAX)
		return NULL;
	struct stream *s = calloc(1, sizeof *s);
	if (!s) {
		if (p->next_task < p->failed) {
			p->failed = p->next_task;
			p->r = err_origin(-ENOMEM);
		}
		return NULL;
	}
	s->index = p->next_task++;
	p->p->task(p->p->ctx, s->index, &s->t);
	assert(s->t.from <= s->t.to && (!s->t.segments || s->t.from == 0));
	s->next = s->t.from;
	hash_init(&s->range, s->t.segments ? (u32)HASH_SHA256 : p->p->hash);
	s->report = p->blank;
	return s;
}

/* A second task at once: only for digests of ranges, and only when every thread has a first one. */
static bool may_pair(const struct pass *p, const struct lane *l)
{
	return p->pairs && p->n_begun == p->n_threads && l->slot[0] && !l->slot[0]->t.segments;
}

static void lane_fill(struct pass *p, struct lane *l)
{
	if (!l->slot[0] && l->slot[1]) {
		l->slot[0] = l->slot[1];
		l->slot[1] = NULL;
	}
	if (!l->slot[0])
		l->slot[0] = stream_begin(p);
	if (!l->slot[1] && may_pair(p, l))
		l->slot[1] = stream_begin(p);
}

static void part_reserve(
	struct pass *p, const struct lane *l, struct stream **slot, u32 block, struct part *ret)
{
	struct stream *s = *slot;
	ret->apart = s->t.segments && (split_digests(p, &s->t) || !p->pairs || l->members >= APART_MEMBERS);
	ret->s = s;
	ret->skip = s->r || s->index > p->failed;
	ret->at = s->next;
	ret->len = ret->skip ? 0 : (u32)MIN(block, s->t.to - s->next);
	s->next += ret->len;
	ret->last = ret->skip || s->next == s->t.to;
	if (ret->last)
		*slot = NULL;
}

/* Is there another round to do in this lane? */
static bool round_reserve(struct pass *p, struct lane *l, u8 *memory, struct round *ret)
{
	lane_fill(p, l);
	if (!l->slot[0])
		return false;
	*ret = (struct round){ .number = l->reserved++ };
	u32 block = l->slot[1] ? PAIR_BLOCK_BYTES : SEGMENT_BYTES;
	for (int i = 0; i < 2; i++) {
		ret->part[i].data = memory + (size_t)i * PAIR_BLOCK_BYTES;
		if (l->slot[i])
			part_reserve(p, l, &l->slot[i], block, &ret->part[i]);
	}
	return true;
}

/* The lane that a thread without a task helps: the one with the fewest helpers. */
static struct lane *lane_to_help(struct pass *p)
{
	struct lane *best = NULL;
	for (u32 i = 0; i < p->n_threads; i++) {
		struct lane *l = &p->lanes[i];
		if (l->slot[0] && (!best || l->members < best->members))
			best = l;
	}
	return best;
}

/* ---- the bytes of a round (the lock is not held) ---------------------------------------------------------------------------------- */

static int changed(const struct pass_task *t, u64 found, struct attest_report *report)
{
	attest_reject(report, ATTEST_CHANGED, t->source->path, "%s is not as long as it was a moment ago",
		t->source->path);
	attest_expected_u64(report, t->source->bytes, found);
	return 1;
}

static int size_check(const struct pass_task *t, struct attest_report *report)
{
	u64 size;
	int r = fd_regular_size(t->source->fd, &size);
	if (r == 1)
		return attest_reject(report, ATTEST_SPECIAL_FILE, t->source->path, "%s is not a regular file",
			t->source->path);
	if (r < 0)
		return attest_about(report, r, t->source->path);
	const struct attest_source *s = t->source;
	bool there = s->offset ? size >= s->offset && size - s->offset >= s->bytes : size == s->bytes;
	return there ? 0 : changed(t, size, report);
}

static int part_copy(const struct pass_task *t, const struct part *b, struct attest_report *report)
{
	int r = b->at == t->from ? size_check(t, report) : 0;
	if (r)
		return r;
	r = fd_pread_all(t->source->fd, b->data, b->len, t->source->offset + b->at);
	if (r == -ENODATA)
		return changed(t, b->at, report);
	r = r || t->stage < 0 ? r : fd_pwrite_all(t->stage, b->data, b->len, b->at);
	return r ? attest_about(report, r, t->source->path) : 0;
}

static void part_read(struct pass *p, struct part *b)
{
	if (!b->s || b->skip)
		return;
	const struct pass_task *t = &b->s->t;
	struct attest_report report = p->blank;
	int r = part_copy(t, b, &report);
	if (r)
		stream_fail(p, b->s, r, &report);
	else if (b->apart && b->len)
		sha256_of(b->data, b->len, t->segments[b->at / SEGMENT_BYTES]);
}

/* The file's SHA-256 beside the signed digests of its pieces. */
static void pieces_digest(struct stream *s, u32 type, const u8 *data, u32 len)
{
	while (len) {
		if (s->piece_left == 0) {
			hash_init(&s->piece, type);
			s->piece_left = s->t.piece_bytes ? s->t.piece_bytes : UINT64_MAX;
		}
		u32 n = (u32)MIN((u64)len, s->piece_left);
		hash_update2(&s->range, data, &s->piece, data, n);
		data += n;
		len -= n;
		s->piece_left -= n;
		if (s->piece_left == 0)
			hash_final(&s->piece, s->t.digests + s->piece_index++ * hash_bytes(type));
	}
}

static void part_digest(struct pass *p, const struct part *b, u32 from, u32 to)
{
	struct stream *s = b->s;
	to = MIN(to, b->len);
	if (!s || from >= to)
		return;
	if (s->t.segments && split_digests(p, &s->t)) {
		pieces_digest(s, p->p->hash, b->data + from, to - from);
	} else if (!s->t.segments || b->apart) {
		hash_update(&s->range, b->data + from, to - from);
	} else {
		if (from == 0)
			hash_init(&s->segment, HASH_SHA256);
		hash_update2(&s->range, b->data + from, &s->segment, b->data + from, to - from);
		if (to == b->len)
			hash_final(&s->segment, s->t.segments[b->at / SEGMENT_BYTES]);
	}
}

static void round_digest(struct pass *p, const struct round *r, u32 from, u32 to)
{
	const struct part *a = &r->part[0], *b = &r->part[1];
	u32 both = a->s && b->s ? MIN(MIN(a->len, b->len), to) : 0;
	if (from < both)
		hash_update2(&a->s->range, a->data + from, &b->s->range, b->data + from, both - from);
	part_digest(p, a, MAX(from, both), to);
	part_digest(p, b, MAX(from, both), to);
}

/* ---- the end of a task -------------------------------------------------------------------------------------------------------- */

static void digests_end(struct pass *p, struct stream *s)
{
	u32 type = p->p->hash;
	if (!s->t.segments) {
		hash_final(&s->range, s->t.digests);
		return;
	}
	hash_final(&s->range, s->t.file);
	if (!split_digests(p, &s->t)) {
		memcpy(s->t.digests, s->t.file, SHA256_BYTES);
		return;
	}
	if (s->t.to == 0 && !s->t.piece_bytes)
		hash_init(&s->piece, type); /* an empty file has a digest, but no shard */
	if (s->piece_left || (s->t.to == 0 && !s->t.piece_bytes))
		hash_final(&s->piece, s->t.digests + s->piece_index * hash_bytes(type));
}

static int stream_finish(struct pass *p, struct stream *s, struct attest_report *report)
{
	digests_end(p, s);
	int r = size_check(&s->t, report); /* a file that grew meanwhile is another file */
	/* here, where it holds up one job: the gate syncs again, and finds nothing left to write */
	if (!r && s->t.stage >= 0 && fdatasync(s->t.stage) < 0)
		r = attest_about(report, err_errno(), s->t.source->path);
	return r ? r : p->p->done(p->p->ctx, s->index, report);
}

static void part_end(struct pass *p, const struct part *b)
{
	if (!b->s || !b->last)
		return;
	struct attest_report report = p->blank;
	int r = b->s->r || b->skip ? 0 : stream_finish(p, b->s, &report);
	if (r)
		stream_fail(p, b->s, r, &report);
	hash_fini(&b->s->range);
	hash_fini(&b->s->piece);
	hash_fini(&b->s->segment);
	free(b->s);
}

static void report_progress(struct pass *p, const struct round *r)
{
	const struct attest_progress *g = p->p->progress;
	u64 n = (u64)r->part[0].len + r->part[1].len, done = atomic_fetch_add(&p->done, n) + n;
	if (!g || !g->call || pthread_mutex_trylock(&p->progress_lock))
		return;
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	u64 now = (u64)t.tv_sec * 1000000000ull + (u64)t.tv_nsec;
	if (now - p->reported_ns >= PROGRESS_NS && done < p->p->total) {
		p->reported_ns = now;
		g->call(g->ctx, done, p->p->total, r->part[0].s->t.source->path);
	}
	pthread_mutex_unlock(&p->progress_lock);
}

/* ---- threads -------------------------------------------------------------------------------------------------------------- */

/* Sleeps until the turn is near, then watches it come. */
static void turn_wait(struct pass *p, struct lane *l, u64 number)
{
	pthread_mutex_lock(&p->lock);
	while (l->soon < number)
		pthread_cond_wait(&l->moved, &p->lock);
	pthread_mutex_unlock(&p->lock);
	while (atomic_load_explicit(&l->turn, memory_order_acquire) != number)
		sched_yield();
}

static void turn_announce(struct pass *p, struct lane *l, u64 number)
{
	pthread_mutex_lock(&p->lock);
	l->soon = number;
	pthread_cond_broadcast(&l->moved);
	pthread_mutex_unlock(&p->lock);
}

/* Enters and leaves with the lock held. */
static void round_run(struct pass *p, struct lane *l, struct round *r)
{
	u32 len = MAX(r->part[0].len, r->part[1].len), rest = MIN(len, HANDOVER_BYTES);
	pthread_mutex_unlock(&p->lock);
	for (int i = 0; i < 2; i++)
		part_read(p, &r->part[i]);
	turn_wait(p, l, r->number);
	round_digest(p, r, 0, len - rest);
	turn_announce(p, l, r->number + 1);
	round_digest(p, r, len - rest, len);
	atomic_store_explicit(&l->turn, r->number + 1, memory_order_release);
	report_progress(p, r);
	for (int i = 0; i < 2; i++)
		part_end(p, &r->part[i]);
	pthread_mutex_lock(&p->lock);
}

static void lane_run(struct pass *p, struct lane *l, u8 *memory)
{
	struct round r;
	l->members++;
	while (round_reserve(p, l, memory, &r))
		round_run(p, l, &r);
	l->members--;
}

static void *work(void *arg)
{
	struct member *m = arg;
	struct pass *p = m->p;
	u8 *memory = p->memory + (size_t)m->number * SEGMENT_BYTES;
	pthread_mutex_lock(&p->lock);
	lane_fill(p, &p->lanes[m->number]);
	p->n_begun++;
	for (struct lane *l = &p->lanes[m->number]; l; l = lane_to_help(p))
		lane_run(p, l, memory);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static u32 threads_wanted(const struct pass_params *p)
{
	cpu_set_t set;
	u64 n = p->threads;
	if (n == 0) {
		n = sched_getaffinity(0, sizeof set, &set) == 0 ? (u32)CPU_COUNT(&set) : 1;
		n = MIN(n, 1 + p->total / BYTES_PER_THREAD);
	}
	return (u32)MAX(MIN(n, (u64)PASS_THREADS_MAX), 1u);
}

static void threads_run(struct pass *p)
{
	struct member m[PASS_THREADS_MAX];
	u32 wanted = p->n_threads;
	for (u32 i = 0; i < wanted; i++)
		m[i] = (struct member){ .p = p, .number = i };
	for (u32 i = 1; i < wanted; i++) {
		m[i].running = pthread_create(&m[i].thread, NULL, work, &m[i]) == 0;
		if (m[i].running)
			continue;
		pthread_mutex_lock(&p->lock);
		p->n_begun++; /* nobody waits for it */
		pthread_mutex_unlock(&p->lock);
	}
	work(&m[0]);
	for (u32 i = 1; i < wanted; i++)
		if (m[i].running)
			pthread_join(m[i].thread, NULL);
}

int pass_run(const struct pass_params *params, struct attest_report *report)
{
	struct pass p = { .p = params,
		.blank = *report,
		.report = report,
		.failed = UINT32_MAX,
		.n_threads = threads_wanted(params),
		.pairs = params->hash == HASH_SHA256 && sha256_pairs() };
	p.memory = aligned_alloc(4096, (size_t)p.n_threads * SEGMENT_BYTES);
	if (!p.memory)
		return err_origin(-ENOMEM);
	pthread_mutex_init(&p.lock, NULL);
	pthread_mutex_init(&p.progress_lock, NULL);
	for (u32 i = 0; i < p.n_threads; i++)
		pthread_cond_init(&p.lanes[i].moved, NULL);
	threads_run(&p);
	for (u32 i = 0; i < p.n_threads; i++)
		pthread_cond_destroy(&p.lanes[i].moved);
	pthread_mutex_destroy(&p.lock);
	pthread_mutex_destroy(&p.progress_lock);
	free(p.memory);
	if (!p.r && params->progress && params->progress->call && params->n) {
		struct pass_task last;
		params->task(params->ctx, params->n - 1, &last);
		params->progress->call(
			params->progress->ctx, params->total, params->total, last.source->path);
	}
	return p.r;
}
