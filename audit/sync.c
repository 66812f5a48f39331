#define _GNU_SOURCE
#include "audit/sync.h"
#include "audit/keepd.h"
#include "base/err.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct syncer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const struct audit_log *work; /* NULL: none */
	bool stop;
	atomic_bool done;
	int bell, result;
	u64 took_ns;
};

static void *run(void *arg)
{
	struct syncer *s = arg;
	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (!s->work && !s->stop)
			pthread_cond_wait(&s->changed, &s->lock);
		if (!s->work)
			break;
		const struct audit_log *log = s->work;
		pthread_mutex_unlock(&s->lock);
		u64 t = keepd_now_ns();
		int r = audit_log_sync(log);
		t = keepd_now_ns() - t;
		pthread_mutex_lock(&s->lock);
		s->result = r;
		s->took_ns = t;
		s->work = NULL;
		atomic_store(&s->done, true);
		pthread_mutex_unlock(&s->lock);
		eventfd_write(s->bell, 1);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static void syncer_free(struct syncer *s)
{
	fd_close(&s->bell);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int sync_start(struct syncer **ret)
{
	struct syncer *s = calloc(1, sizeof *s);
	if (!s)
		return err_origin(-ENOMEM);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->bell = eventfd(0, EFD_CLOEXEC);
	int r = s->bell < 0 ? err_errno() : -pthread_create(&s->thread, NULL, run, s);
	if (r) {
		syncer_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void sync_stop(struct syncer **ps)
{
	struct syncer *s = *ps;
	*ps = NULL;
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	syncer_free(s);
}

void sync_begin(struct syncer *s, const struct audit_log *log)
{
	pthread_mutex_lock(&s->lock);
	assert(!s->work);
	s->work = log;
	atomic_store(&s->done, false);
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

int sync_bell(const struct syncer *s)
{
	return s->bell;
}

bool sync_done(const struct syncer *s)
{
	return atomic_load(&s->done);
}

int sync_wait(struct syncer *s, u64 *ret_ns)
{
	eventfd_t n;
	int r = eventfd_read(s->bell, &n);
	assert(r == 0);
	pthread_mutex_lock(&s->lock);
	assert(!s->work);
	*ret_ns = s->took_ns;
	r = s->result;
	pthread_mutex_unlock(&s->lock);
	return r;
}
