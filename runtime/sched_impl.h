/* Between the two halves of the scheduler: sched.c, what a step computes; sched_room.c, who runs and on which pages. */
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
/* Pages that passed from one principal to another are overwritten, before any row of a step may read them. 0; as sched_step. */
_must_use_ int sched_scrub(struct sched *s);
