/* Stories that are told again and again while something breaks, and what must hold afterwards:
 *
 *   1. nothing that was acknowledged is missing;
 *   2. the runtime never held a ticket that has no record (no effect without its intent);
 *   3. every intent has exactly one answer, if only that it was orphaned;
 *   4. the store holds the models that the log speaks of, and no other; staging is empty;
 *   5. `audit verify` accepts: state, files of the trust store and the policy's text included;
 *   6. what two people had erased or pruned is in no byte of any file, and what they had not is still there (story_office.c). */
#pragma once

#include "rig.h"

#define ACKED_MAX    96u
#define STORY_ANSWER "what the fake runtime answers" /* where it is kept */

/* What was acknowledged: a record index and its event. */
struct acked {
	u32 n;
	bool whole; /* the story was told to its end, and all of it was granted */
	struct {
		u64 index;
		const char *event;
	} a[ACKED_MAX];
};

struct story {
	const char *name;
	/* Tell it, as far as it goes. With the gate shut every step must be refused, so each is tried even when one before was not granted. */
	void (*tell)(struct rig *r, struct acked *k);
	/* What happened before, without faults; keepd has ended. May be NULL. */
	void (*before)(struct rig *r, struct acked *k);
	/* What else must hold: keepd was started again, without faults. May be NULL. */
	void (*after)(struct rig *r, const struct acked *k, const char *fault);
	bool files; /* it is about more than the database: no story for a disk without power */
};
/* "models": a key, a root and its successor, a policy, two models, a session, requests, a revocation, a removal, one after the other.
 * "crowd": three clients with all their requests on the way at once, a witness policy, a checkpoint that comes home cosigned, a revocation
 * in the middle of requests. "stream": one client with four requests on the way at any time, while others
 * have their ticket and no outcome: their syncs run beside the reading of what comes next. "recovery": a start after a crash in the middle of all that. "office": five people and
 * what takes two of them: texts kept, a hold and its end, an archive, a pruning, a new key, an erasure. */
extern const struct story stories[];
extern const u32 n_stories;

/* An answer of END_DONE is one that must not be lost. False: it was none. */
bool story_ack(struct acked *k, const struct rig_answer *a, const char *event);
/* What the fake runtime saw is forgotten. */
void story_forget(void);
/* A connection that may read everything. */
int story_reader(struct rig *r);

/* story_office.c */
void office_before(struct rig *r, struct acked *k);
void office_tell(struct rig *r, struct acked *k);
void office_after(struct rig *r, const struct acked *k, const char *fault);

/* Once, before the first story: memory that the fake runtime shares. */
void story_setup(void);
/* A fake runtime that answers tickets a few at a time, and remembers them; what it saw before is forgotten. */
pid_t story_runtime(int listening);
/* keepd is started again, without faults, and everything above is looked at; the test fails otherwise. */
void story_check(struct rig *r, const struct story *s, const struct acked *k, const char *fault);
