/* Drafts: what an answer may well say next, guessed from where its last ids stood before or by a second, smaller model, and computed along with the
 * next token. A guess is used only where it is what the sampler chose there, so drafts change how many steps an answer takes and no bit of it.
 *
 *   draft.c        the guess: an index over a sequence's own ids; and how often guesses were right
 *   draft_pace.c   how many guesses are worth their rows: what steps have cost here, against how often this sequence's guesses were right
 *   draft_model.c  the guesses of a second model (draft_model.h) */
#pragma once

#include "base/limits.h"
#include "base/types.h"

/* ---- guesses (draft.c) -------------------------------------------------------------------------------------------------- */

#define DRAFT_GRAM  3u	/* ids that must have stood together before */
#define DRAFT_MATCH 16u /* how many are compared: a longer match is no better */
#define DRAFT_LOOKS 8u	/* places that are compared, the latest first */
#define DRAFT_KINDS \
	5u /* of guesses, by how much of the past matched: 3; 4 and 5; 6 to 11; more; and those of a draft model: */
#define DRAFT_MODEL 4u

/* How often guesses of a kind were right: of this sequence, the late ones counting more. */
struct draft_luck {
	u32 tried, right;
};

struct draft {
	u32 room, n_buckets, n; /* ids that it can hold; a power of two; ids that it has read */
	u32 *last;		/* [n_buckets] where the latest gram of that hash ended; 0: nowhere */
	u32 *before;		/* [room] of a gram that ends here: where the one before it ended */
	u32 kind;		/* of the guess at hand */
	struct draft_luck luck[DRAFT_KINDS];
};

/* 8 to 12 bytes for each of room ids; nothing is allocated later. 0; -ENOMEM. */
_must_use_ int draft_create(u32 room, struct draft *ret);
/* Overwrites, and frees. */
void draft_fini(struct draft *d);
/* Read ids up to the n-th: those before it were read already, or are read now. Constant time for each. */
void draft_read(struct draft *d, const u32 *ids, u32 n);
/* Guess what follows ids[0..n-1], where d has read up to n - 1: at most `most` ids, to ids[n..]. Returns how many; constant time. */
u32 draft_guess(struct draft *d, u32 *ids, u32 n, u32 most);
/* Whether the next id of the guess at hand was right. Said of every guess that can be judged, computed or not. */
void draft_judge(struct draft *d, bool right);
/* How likely each id of the guess at hand is right, if those before it are: (right + 1) / (tried + 2) of its kind. */
f32 draft_chance(const struct draft *d);
/* What was seen of a draft model in the sequences of whom it guessed for last: nobody's answers move the guesses at another's. */
struct draft_past {
	u64 principal;
	struct draft_luck luck;
};
void draft_past_note(struct draft_past *p, u64 principal, bool right);
/* Of a draft model's: what was seen in other sequences of the same principal counts as DRAFT_PRIOR guesses of this one. */
#define DRAFT_PRIOR 4u
f32 draft_chance_model(const struct draft *d, const struct draft_past *past, u64 principal);

/* ---- what they cost (draft_pace.c) -------------------------------------------------------------------------------------- */

#define DRAFT_PACES  30u     /* sizes of steps that are told apart: 1 … 16 rows, then by 4, 8, 16 */
#define DRAFT_FRESH  1024u   /* steps after which a measurement counts no more */
#define DRAFT_MARGIN 0.03125 /* gains below are noise; and what a sequence without guesses may lose at most */

/* What steps of so many rows have cost lately on this device, with this model. Steps that read prompts do not count. */
struct draft_pace {
	u64 now; /* steps so far */
	struct {
		f32 ns;
		u64 at; /* step of the latest measurement; 0: none */
	} of[DRAFT_PACES];
};

/* A row costs the more the longer what it attends to is, so steps are compared with those at about the same positions only: one table for each. */
#define DRAFT_REACHES 8u
/* Of the table: for a mean position of up to 256, 512, 1,024, … 16,384, and more. */
u32 draft_reach(u64 mean_pos);

/* A step of so many rows, all with logits, took so long. The least of what was seen counts, and creeps up where it is seen no more. */
void draft_pace_note(struct draft_pace *p, u32 rows, u64 ns);
/* Nanoseconds of a step of so many rows: measured, or on the line through the nearest that are. 0: nothing is known, or what is known is so
 * far off (rows more than twice as many) that smaller steps come first. */
f32 draft_pace_of(const struct draft_pace *p, u32 rows);

/* What one sequence of a step has to offer. */
struct draft_offer {
	f32 chance;
	u32 most; /* ids guessed; 0: it has no guess */
	u32 behind; /* they are a draft model's, which first computes so many rows; 0: the first of them is there */
	bool model; /* and the others take a row of it each */
	u32 n;	    /* OUT: rows that it gets for them */
};

/* A step whose rows are shared out. */
struct draft_step {
	const struct draft_pace *pace;	/* of such steps */
	const struct draft_pace *model; /* of the draft model's; NULL: nobody offers a guess of one */
	u32 n;				/* sequences that are in the step, a row each */
	bool others;			/* there is somebody else whose turn comes after this step */
	u32 spare;			/* rows, at most */
	f32 gain; /* OUT: ids expected per time, in those of a step without guesses; 1 where that is not known */
};

/* Share rows out: so that the tokens expected per time are most, and of each sequence no fewer than without (but for DRAFT_MARGIN of those
 * that offer nothing). The time is that of the step and of the steps of the draft model before it. Returns how many in all. */
u32 draft_share(struct draft_step *st, struct draft_offer *offers);
