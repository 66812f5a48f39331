/* The floor clock of a running keepd: looked at in every turn, stored in the transaction of the record that speaks of it. */
#include "audit/keepd.h"
#include "base/build_time.h"
#include "base/daemon.h"

#include <inttypes.h>

static struct clock_reading reading(const struct keepd *k)
{
	return audit_clock_read(audit_log_boot(k->log));
}

struct judged keepd_judged(const struct keepd *k)
{
	struct clock_reading now = reading(k);
	struct judged j = { 0 };
	j.at_s = audit_clock_judged(&k->state.clock, &now, &j.by_wall);
	return j;
}

void keepd_clock_advance(struct keepd *k, u64 signed_s)
{
	struct clock_reading now = reading(k);
	audit_clock_advance(&k->state.clock, &now, build_time(), signed_s);
}

void keepd_clock_fields(struct keepd *k, struct audit_record *rec)
{
	struct clock_reading now = reading(k);
	keepd_clock_advance(k, 0);
	jsonw_kv_u64(&rec->w, "floor_s", k->state.clock.floor_ns / 1000000000u);
	jsonw_kv_str(&rec->w, "source", audit_clock_source(k->state.clock.source));
	jsonw_kv_u64(&rec->w, "wall_s", now.wall_ns / 1000000000u);
	jsonw_kv_u64(&rec->w, "behind_s", audit_clock_behind(&k->state.clock, &now));
}

int keepd_clock_put(struct keepd *k)
{
	return audit_log_put_clock(k->log, &k->state.clock);
}

void keepd_clock_look(struct keepd *k)
{
	static const char *const why[] = { [CLOCK_STEPPED] = "step",
		[CLOCK_FELL_BEHIND] = "behind",
		[CLOCK_CAUGHT_UP] = "caught-up",
		[CLOCK_SAVE] = "save" };
	struct clock_reading now = reading(k);
	i64 step_ns = 0;
	enum clock_news news = audit_clock_look(&k->watch, &k->state.clock, &now, &step_ns);
	if (news == CLOCK_QUIET || audit_log_failed(k->log))
		return;
	struct audit_record rec;
	struct audit_actor self = keepd_self(k);
	audit_log_record(k->log, &rec, EVENT_CLOCK, INTENT_NONE, &self);
	jsonw_kv_str(&rec.w, "why", why[news]);
	jsonw_key(&rec.w, "step_ns");
	jsonw_i64(&rec.w, step_ns);
	keepd_clock_fields(k, &rec);
	int r = audit_log_append(k->log, &rec, &k->state);
	r = r ? r : keepd_clock_put(k);
	if (!r && news == CLOCK_STEPPED)
		daemon_say("clock: it was set by %" PRId64
			   " s; nothing is judged earlier than the floor clock says",
			step_ns / 1000000000);
}
