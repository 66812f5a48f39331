/* The floor clock: what time it is at least, when nobody may be asked and the wall clock may lie.
 *
 *   floor  = the greatest of: the build's time; the newest signed time that a verdict proved; both with the time since, as
 *            CLOCK_BOOTTIME counts it (which nobody can set), across restarts and, from the moment that it started, across boots
 *   judged = the later of floor and wall clock
 *
 * So a wall clock that was set back changes nothing but is reported, and one that was set forward is believed as long as it says so: what
 * it says is never stored, so that setting it right again is enough. The floor is part of the state (state.h): it is stored at start and
 * stop, with every verdict, with every step, and every CLOCK_SAVE_S; a crash loses at most what was counted since. Time while the machine
 * is off is not counted.
 *
 * Pure functions of a reading, so that tests bring their own. */
#pragma once

#include "audit/state.h"

#define CLOCK_STEP_NS \
	1000000000u /* the wall clock moved against the boot time by more than this: somebody set it */
#define CLOCK_SAVE_S   21600u				    /* the floor is stored at least so often */
#define CLOCK_AHEAD_NS (SIGNED_AHEAD_S_MAX * 1000000000ull) /* as far ahead may a signed time lie */

enum clock_source { CLOCK_NONE, CLOCK_BUILD, CLOCK_SIGNED };
const char *audit_clock_source(u32 source);

struct clock_reading {
	u64 wall_ns, boottime_ns;
	char boot[40];
};
/* The machine's clocks, and the boot id that is given. */
struct clock_reading audit_clock_read(const char *boot);

/* The floor now. */
u64 audit_clock_floor(const struct clock_row *row, const struct clock_reading *now);
/* Seconds of UTC that a verdict is judged at. */
u64 audit_clock_judged(const struct clock_row *row, const struct clock_reading *now, bool *ret_by_wall);
/* How far the wall clock lies behind the floor, in seconds; 0: not more than a step's noise. */
u64 audit_clock_behind(const struct clock_row *row, const struct clock_reading *now);
/* Store what was counted; raise to the build's time and to signed_s (0: none), which is not believed beyond what would be judged and
 * CLOCK_AHEAD_NS. Never lowers. */
void audit_clock_advance(struct clock_row *row, const struct clock_reading *now, u64 build_s, u64 signed_s);

/* Watches the wall clock against the boot time. */
struct clock_watch {
	bool started, was_behind;
	i64 offset_ns; /* wall - boot time, at the last look */
	u64 saved_ns;  /* boot time of the last look that asked to store */
};
enum clock_news { CLOCK_QUIET, CLOCK_STEPPED, CLOCK_FELL_BEHIND, CLOCK_CAUGHT_UP, CLOCK_SAVE };
/* What is new since the last look. ret_step_ns: of a step. */
enum clock_news audit_clock_look(struct clock_watch *w, const struct clock_row *row,
	const struct clock_reading *now, i64 *ret_step_ns);
