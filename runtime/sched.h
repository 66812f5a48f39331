/* Continuous batching over one loaded model. Each step computes one row for every sequence that generates and up to a chunk of rows of
 * prompts, in one submission. What shares a step with what is decided here, and no result depends on it.
 *
 * Principals take turns, however much one of them asks. Who waits is in rounds: the k-th request that a principal has here beyond what the others
 * have begins in the k-th round from now, and rounds begin in their order, within one by arrival. So somebody who has nothing here begins, at the
 * latest, when the next of the running requests ends and its slot and pages suffice; at once where some are free. Then of P principals with
 * prompts to be read each gets the chunk of one step in P, its own prompts in order of arrival.
 *
 * A request has pages of the cache for what it knows, and takes one more when its answer reaches into it. Where none is there, one that runs is set
 * aside: the youngest of the principal that has most running, of several such the youngest of all. So of all that run the one that came first never is,
 * and everybody comes to his end. It goes back to its place among those who wait, and begins again behind what is left of its pages, reading what it
 * said like a prompt; what it says knows nothing of it. For one that waits for pages, those who have more running than it would make way as they
 * would grow: within RT_KV_PAGE steps of an answer.
 *
 * A step that reads no prompt has rows to spare for guesses (draft.h): rows behind a sequence's last known id, computed as if the guess were right.
 * The sequence is shown them as long as each guess is the id that it chose; the rest is forgotten, and its positions are written again before
 * anything reads them, as every position is in the step that computes it. Guesses come from what the sequence itself has said, or from a draft
 * model (draft_model.h), whose steps then run between those of this one. */
#pragma once

#include "runtime/draft.h"
#include "runtime/kv.h"
#include "runtime/model.h"
#include "runtime/sampler.h"

enum sched_want { SCHED_LAST_ROW, SCHED_EVERY_ROW };

struct sched_seq {
	/* given by the caller */
	u64 principal;
	u32 *ids; /* room for n_prompt + n_new; ids[0..n_prompt-1] are the prompt; behind n_ids may stand guesses */
	u32 n_prompt, n_new; /* n_new: most tokens to be generated */
	enum sched_want want;
	/* One row of logits, for position pos. Returns 0 and the next id (in *ret_next, for the last position known), or 1: enough. */
	int (*row)(struct sched_seq *q, u32 pos, const f32 *logits, u32 *ret_next);
	/* The same, of what the device says of the row, where it does not give it as it is: what is wanted of it (NULL: the row), and a choice of that: as
	 * row, or 2: the row is needed after all, and comes. Nothing else has changed then. */
	struct sampler_need (*need)(const struct sched_seq *q);
	int (*few)(struct sched_seq *q, u32 pos, const struct sampler_few *few, u32 *ret_next);
	/* A step has begun that computes the row which chooses the id behind the last known one, and behind it rows for n guesses of what follows,
	 * ids[n_ids ..]: what that choice needs can be made ready while the device works. NULL: nothing. */
	void (*ahead)(struct sched_seq *q, u32 n_guesses);
	/* Nothing is left to be computed; the sequence is out of the scheduler and its memory may be freed. */
	void (*ended)(struct sched_seq *q);

	/* kept by the scheduler */
	u32 n_ids;	     /* known so far: prompt and generated */
	u32 n_computed;	     /* positions whose keys and values are in the cache */
	u32 n_cached;	     /* of these, found there */
	u32 n_read;	     /* the most that n_computed has been */
	u32 n_shown;	     /* rows of logits before this position have been handed out */
	u32 n_aside;	     /* how often it was set aside */
	u64 arrival;	     /* counted */
	u64 round;	     /* in which it begins */
	u64 turn;	     /* last step in which a prompt of its principal was read */
	u64 given;	     /* last step that has rows of it */
	u32 slot;	     /* row of the page table */
	u32 n_pages, *pages; /* that it may ever need */
	u32 n_held;	     /* of these, that it has */
	struct draft draft;
	u32 n_guessed;		    /* ids behind the last known one that are guesses, until one is wrong */
	u32 n_drafted;		    /* of these, whose rows are in the step */
	u32 all_drafted, all_right; /* since it was added: rows of guesses, and how many were right */
	u32 model_drafted, model_right; /* of these, a draft model's */
	struct shadow *shadow; /* where a draft model guesses for it (draft_model.h); NULL: none does */
	struct kv_tail tail;   /* of layers with a window */
	struct sched_seq *prev, *next;
	bool queued, running, enough;
};

struct sched_params {
	u32 ctx_tokens;
	u32 chunk;     /* prompt rows of a step; 0: STEP_PROMPT_ROWS */
	u32 batch;     /* sequences that run at once; 0: BATCH_REQUESTS_MAX */
	bool no_cache; /* never look for cached prefixes */
	bool no_draft; /* never guess */
	bool drafts; /* of a draft model: its sequences are the shadows of others (draft_model.h), and nobody steps it but their scheduler */
	u32 draft; /* rows of guesses of each sequence, whatever they cost, for tests; 0: as many as are worth it */
};

struct sched {
	struct rt_device *d;
	const struct model *m;
	const struct model_work *w;
	struct sched_params p;
	struct kv_pool kv;
	struct kv_pool tails; /* of layers with a window, where they have pages of their own */
	struct kv_span span;
	struct sched_seq *wait_head, *wait_tail, *run_head, *run_tail;
	u32 n_running, n_waiting;
	bool slot_used[BATCH_REQUESTS_MAX];
	u64 n_steps, n_rows;
	u64 n_few, n_whole,
		n_again; /* rows of logits that were reduced, those that were read whole, and of these those that were reduced before */
	u64 n_drafted, n_right;	 /* rows of guesses, and how many of them were right */
	u64 round;		 /* of those that began last */
	u64 n_arrivals, n_aside; /* sequences so far; how often one was set aside */
	struct {
		const struct sched_seq *q; /* who waits for pages, in this step; NULL: nobody */
		u32 pages, tails;	   /* how many it begins with */
	} next;
	struct draft_pace pace[DRAFT_REACHES];
	struct sched *drafts;	/* of the draft model that guesses here; NULL: none does */
	f64 purse;		/* nanoseconds that it may read for */
	struct draft_past past; /* of a draft model: how right it was */
	bool others;		/* given before a step: somebody else computes on its devices too */
};

/* The work buffers that a scheduler of these parameters needs (everything but the KV pages and rope factors). */
struct model_work_params sched_work_params(
	const struct model *m, const struct sched_params *p, u64 range_bytes_max);

/* What a sequence needs of layers with a window, of such a scheduler. */
struct kv_span sched_span(const struct model *m, const struct sched_params *p);

/* Borrows d, m and w. 0; -ENOMEM. */
_must_use_ int sched_create(struct rt_device *d, const struct model *m, const struct model_work *w,
	const struct sched_params *p, struct sched *ret);
/* No sequence may be left in it. */
void sched_fini(struct sched *s);

/* Queue a sequence (n_prompt >= 1). 0 queued; 1 prompt and answer do not fit into the context, or into the cache at all; -ENOMEM. */
_must_use_ int sched_add(struct sched *s, struct sched_seq *q);
/* Take a sequence out, wherever it stands, without calling ended. Not from within row or ended. */
void sched_remove(struct sched *s, struct sched_seq *q);
bool sched_idle(const struct sched *s);
/* One step. 0 done, or nothing to do; -EIO, -EINVAL: the device failed; nothing more can be computed with it. */
_must_use_ int sched_step(struct sched *s);
