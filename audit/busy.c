/* What is under way, as the runtime says it a few times a second: for who watches, and nothing is decided by it. A request that is open and
 * does not run waits: for its bytes, for a slot, for pages. */
#include "audit/keepd.h"

#include <errno.h>

#define SPEED_NS \
	10000000000u /* what was said longer ago is no speed of now; a step of a large model on a slow machine takes seconds */

static f64 per_second(u64 before, u64 now, u64 ns)
{
	return now > before && ns ? (f64)(now - before) * 1e9 / (f64)ns : 0;
}

int busy_said(struct keepd *k, u64 session, const struct proto_busy *p)
{
	struct session *s = k->sessions;
	u64 now = keepd_now_ns();
	while (s && s->id != session)
		s = s->next;
	if (p->reserved)
		return -EPROTO;
	if (!s) /* it has ended meanwhile */
		return 0;
	if (p->running > s->n_open)
		return -EPROTO;
	bool ran = s->busy.running; /* else the time between says nothing of speed */
	s->read_s = ran ? per_second(s->busy.read, p->read, now - s->busy_ns) : 0;
	s->written_s = ran ? per_second(s->busy.written, p->written, now - s->busy_ns) : 0;
	s->busy = *p;
	s->busy_ns = now;
	return 0;
}

void busy_add(const struct session *s, struct busy *sum)
{
	u32 running = MIN(s->busy.running, s->n_open); /* outcomes come before the next word */
	sum->open += s->n_open;
	sum->running += running;
	if (!running || keepd_now_ns() - s->busy_ns > SPEED_NS)
		return;
	sum->read_s += s->read_s;
	sum->written_s += s->written_s;
}

void busy_put(const struct busy *b, struct jsonw *w)
{
	jsonw_kv_u64(w, "requests_running", b->running);
	jsonw_kv_u64(w, "requests_waiting", b->open - b->running);
	jsonw_key(w, "prompt_tokens_s");
	jsonw_f64(w, b->read_s);
	jsonw_key(w, "generated_tokens_s");
	jsonw_f64(w, b->written_s);
}
