#include "audit/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS 1000000000u

const char *audit_clock_source(u32 source)
{
	static const char *const names[] = {
		[CLOCK_NONE] = "none", [CLOCK_BUILD] = "build", [CLOCK_SIGNED] = "signed"
	};
	return source < ARRAY_LEN(names) ? names[source] : "unknown";
}

static u64 read_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec < 0 ? 0 : (u64)t.tv_sec * NS + (u64)t.tv_nsec;
}

struct clock_reading audit_clock_read(const char *boot)
{
	struct clock_reading r = { .wall_ns = read_ns(CLOCK_REALTIME),
		.boottime_ns = read_ns(CLOCK_BOOTTIME) };
	snprintf(r.boot, sizeof r.boot, "%s", boot);
	return r;
}

u64 audit_clock_floor(const struct clock_row *row, const struct clock_reading *now)
{
	bool same = strcmp(row->boot, now->boot) == 0;
	u64 from = same ? row->boottime_ns : 0; /* it was stored before this boot began */
	u64 since = now->boottime_ns > from ? now->boottime_ns - from : 0, floor;
	return __builtin_add_overflow(row->floor_ns, since, &floor) ? UINT64_MAX : floor;
}

u64 audit_clock_judged(const struct clock_row *row, const struct clock_reading *now, bool *ret_by_wall)
{
	u64 floor = audit_clock_floor(row, now);
	*ret_by_wall = now->wall_ns >= floor;
	return MAX(now->wall_ns, floor) / NS;
}

u64 audit_clock_behind(const struct clock_row *row, const struct clock_reading *now)
{
	u64 floor = audit_clock_floor(row, now);
	return floor > now->wall_ns && floor - now->wall_ns > CLOCK_STEP_NS ? (floor - now->wall_ns) / NS : 0;
}

void audit_clock_advance(struct clock_row *row, const struct clock_reading *now, u64 build_s, u64 signed_s)
{
	u64 floor = audit_clock_floor(row, now), most = MAX(floor, now->wall_ns);
	u64 build = build_s < UINT64_MAX / NS ? build_s * NS : 0;
	u64 proved = signed_s < UINT64_MAX / NS ? signed_s * NS : UINT64_MAX;
	most = most > UINT64_MAX - CLOCK_AHEAD_NS ? UINT64_MAX : most + CLOCK_AHEAD_NS;
	if (build > floor) {
		floor = build;
		row->source = CLOCK_BUILD;
	}
	if (MIN(proved, most) > floor && signed_s) {
		floor = MIN(proved, most);
		row->source = CLOCK_SIGNED;
	}
	row->floor_ns = floor;
	row->boottime_ns = now->boottime_ns;
	memset(row->boot, 0, sizeof row->boot);
	memcpy(row->boot, now->boot, strnlen(now->boot, sizeof row->boot - 1));
}

enum clock_news audit_clock_look(
	struct clock_watch *w, const struct clock_row *row, const struct clock_reading *now, i64 *ret_step_ns)
{
	i64 offset = (i64)(now->wall_ns - now->boottime_ns), step = offset - w->offset_ns;
	bool behind = audit_clock_behind(row, now) > 0, first = !w->started;
	if (first)
		*w = (struct clock_watch){
			.started = true, .offset_ns = offset, .saved_ns = now->boottime_ns
		};
	if (!first && (step > (i64)CLOCK_STEP_NS || step < -(i64)CLOCK_STEP_NS)) {
		w->offset_ns = offset;
		w->saved_ns = now->boottime_ns;
		*ret_step_ns = step;
		return CLOCK_STEPPED;
	}
	/* slow drift is no step: the reference moves along */
	w->offset_ns = offset;
	if (behind != w->was_behind) {
		w->was_behind = behind;
		w->saved_ns = now->boottime_ns;
		return behind ? CLOCK_FELL_BEHIND : CLOCK_CAUGHT_UP;
	}
	if (now->boottime_ns - w->saved_ns < (u64)CLOCK_SAVE_S * NS)
		return CLOCK_QUIET;
	w->saved_ns = now->boottime_ns;
	return CLOCK_SAVE;
}
