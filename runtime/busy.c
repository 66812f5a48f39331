/* How far the requests of each session are, for those who watch the appliance: numbers, and nothing of what is asked or said. */
#include "runtime/serve.h"

#include <string.h>

#define BUSY_NS 250000000ull /* at most four frames a second of each session */

static u64 read_of(const struct req *q)
{
	const struct sched_seq *s = &q->a.seq;
	u32 done = MIN(s->n_read, s->n_prompt); /* who was set aside reads some of it again */
	return done - MIN(done, s->n_cached);
}

void busy_add(struct req *q)
{
	q->s->read += read_of(q);
	q->s->written += q->a.outcome.n_generated;
}

static struct proto_busy busy_of(const struct session *s)
{
	struct proto_busy b = { .read = s->read, .written = s->written };
	for (const struct req *q = s->head; q; q = q->next) {
		if (!q->begun)
			continue;
		b.running += q->a.seq.running;
		b.read += read_of(q);
		b.written += q->a.outcome.n_generated;
	}
	return b;
}

static bool changed(const struct session *s, struct proto_busy *ret)
{
	*ret = busy_of(s);
	return memcmp(ret, &s->told, sizeof *ret) != 0;
}

void busy_turn(struct server *v, u64 now)
{
	struct proto_busy b;
	if (now < v->busy_ns + BUSY_NS || v->out.n)
		return;
	for (u32 i = 0; i < v->n_sessions; i++) {
		struct session *s = v->sessions[i];
		if (!changed(s, &b))
			continue;
		s->told = b;
		v->busy_ns = now;
		serve_tell(v, GATE_BUSY, s->id, &b, sizeof b);
	}
}

u64 busy_due(const struct server *v, u64 now)
{
	struct proto_busy b;
	for (u32 i = 0; i < v->n_sessions && !v->out.n; i++)
		if (changed(v->sessions[i], &b))
			return MAX(now, v->busy_ns + BUSY_NS);
	return UINT64_MAX;
}
