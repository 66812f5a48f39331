/* The guesses of a draft model: a second, smaller one with the same vocabulary, loaded beside the one that answers. It has a scheduler of its own, of
 * which nobody asks anything: each sequence that generates has a shadow there, with pages of its principal as every sequence has. A shadow reads
 * what its sequence knows, says greedily what may follow, and forgets what turned out otherwise.
 *
 * Its steps run between those of its target, and no bit of an answer knows of them: what it computes is compared with what the sampler chose. What it
 * says in front of a step is paid by that step (draft_share). What it reads to come so far is paid by a purse, into which DRAFT_MARGIN of the
 * target's time goes, and where a sequence is alone also by that sequence: as soon as half of what it has said would have repaid it.
 *
 * Whatever a shadow lacks, a slot, pages, memory, positions: its sequence is answered without its guesses. */
#pragma once

#include "runtime/sched.h"

struct shadow {
	struct sched_seq
		q; /* in the draft model's scheduler; its ids are the sequence's own, n_prompt is how many it may ever know */
	u32 want;    /* guesses that it shall come to, in this step */
	u32 n_ahead; /* of the guesses, those that are computed, behind the last known id */
	u32 n_guess, guess[DRAFT_IDS_MAX];
};

/* ---- for whoever loads models -------------------------------------------------------------------------------------------------- */

/* drafts is a scheduler made with params.drafts, and of no other target: sequences that are added from now on have shadows there. */
void draft_model_attach(struct sched *s, struct sched *drafts);
/* No sequence has a shadow any more. */
void draft_model_detach(struct sched *s);

/* ---- for the scheduler --------------------------------------------------------------------------------------------------------- */

/* q is queued: takes the memory of its shadow, if there is some. */
void shadow_create(struct sched *s, struct sched_seq *q);
void shadow_destroy(struct sched *s, struct sched_seq *q);
/* q runs, or no longer. */
void shadow_begin(struct sched *s, struct sched_seq *q);
void shadow_leave(struct sched *s, struct sched_seq *q);

/* Before each step, of which st says who is in it: shadows learn what was said, take their pages, and read as far as somebody pays. 0; as
 * sched_step. */
_must_use_ int draft_model_turn(struct sched *s, const struct draft_step *st);
/* Where a shadow can guess, and is right more often than what is offered there: its offer instead. One for each sequence that runs; all of them
 * generate. Returns how many it replaced. */
u32 draft_model_offers(const struct sched *s, struct draft_offer *offers);
/* The steps that were shared out: guesses to the ids of their sequences. 0; as sched_step. */
_must_use_ int draft_model_guess(struct sched *s, const struct draft_offer *offers);
