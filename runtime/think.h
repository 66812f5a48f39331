/* Reasoning in an answer: between two tags that the request names, at most so many tokens. While it lasts no grammar holds; when its
 * budget is used up, its end is said in the model's place. All of it comes from the request alone, so an answer can be computed again. */
#pragma once

#include "base/request.h"
#include "runtime/mask.h"

struct think {
	bool on;	/* the request has reasoning */
	bool inside;	/* we are in it */
	bool may_begin; /* its tag is still looked for */
	u32 budget, used;
	u8 open[THINK_TAG_BYTES_MAX], close[THINK_TAG_BYTES_MAX];
	u32 n_open, n_close;
	u32 at;		    /* bytes of the tag that is looked for which were said last */
	u64 n_said;	    /* bytes said outside, without blanks at the beginning */
	struct tok_ids end; /* said when the budget is used up */
	size_t forced; /* of these are still to say: end.id[end.n - forced] is next; 0: nothing is forced */
};

/* data is a part REQUEST_THINK that request_open accepted. 0; -ENOMEM. */
_must_use_ int think_begin(struct think *t, const struct tok *tok, const void *data);
void think_fini(struct think *t);

/* Must this token be said next? */
bool think_forces(struct think *t, u32 *ret_id);
/* From the next token on the end is said. */
void think_end(struct think *t);

/* What a token would do, and where in its bytes. */
enum think_turn { THINK_STAYS, THINK_OPENS, THINK_CLOSES };
/* bytes: as a grammar reads the token (mask_token_bytes). *ret_rest: bytes of it behind the tag. The token is not said yet. */
enum think_turn think_look(const struct think *t, const u8 *bytes, size_t len, size_t *ret_rest);
/* It is said now. */
void think_said(struct think *t, const u8 *bytes, size_t len);
