/* Between the two halves of the scheduler: sched.c, what a step computes; sched_room.c, who runs and on which pages; and with
 * draft_model.c, whose sequences have pages by the same rules. */
#pragma once

#include "runtime/sched.h"

/* The last row of the page table names the pages that are being overwritten. */
#define SCHED_SCRUB_SLOT BATCH_REQUESTS_MAX

/* Its next row is the one that chooses what comes behind all that it knows. */
bool sched_generates(const struct sched_seq *q);
/* Whoever is next begins, as long as there are slots and pages. */
void sched_admit(struct sched *s);
/* Everybody who runs has pages for what the next step computes; who has none is set aside. */
void sched_provide(struct sched *s);
/* Positions behind the last known id of q that it has pages for. */
u32 sched_ahead(const struct sched *s, const struct sched_seq *q);
/* Pages for q's next rows and n guesses behind them, of those that nobody waits for. 0; 1 there are not enough now. */
_must_use_ int sched_reach(struct sched *s, struct sched_seq *q, u32 n);
/* The parts of sched_add and sched_remove: the memory of a sequence of n_prompt + n_new positions; to a place among those who wait; out of there, or out
 * of those that run. */
_must_use_ int sched_hold(const struct sched *s, struct sched_seq *q);
void sched_enter(struct sched *s, struct sched_seq *q);
void sched_leave(struct sched *s, struct sched_seq *q);
u64 sched_now_ns(void);
/* Pages that passed from one principal to another are overwritten, before any row of a step may read them. 0; as sched_step. */
_must_use_ int sched_scrub(struct sched *s);
