/* One request being answered: its prompt as ids, its place in the scheduler, what it has said so far, and its outcome. */
#pragma once

#include "base/request.h"
#include "base/sha256.h"
#include "proto.h"
#include "runtime/grant.h"
#include "runtime/mask.h"
#include "runtime/stops.h"
#include "runtime/think.h"

struct answer {
	struct sched_seq seq; /* first: the scheduler knows only this */
	struct grant *g;
	u32 kind, flags;
	u32 n_logprobs; /* as in the request */
	struct sampler_params sampling;
	struct stops stops;
	struct mask *mask; /* NULL: anything may be said */
	struct think think;
	bool complete; /* what was said is all that the grammar allows */
	struct tok_stream stream;
	struct sha256 tokens, text;
	u32 tokens_max;	 /* given: of prompt and answer, by the ticket; 0: as many as the context holds */
	u32 tokens_ever; /* given: what tokens_max could be at most */
	bool keep;	 /* given: what is said goes to the memory file `kept` as well, for the gate */
	int kept;
	u64 kept_bytes;
	int result; /* memory file that the logits go to */
	u64 result_bytes;
	u64 started_ns, first_ns;
	bool over; /* the outcome stands; nothing more is said */
	struct proto_outcome outcome;

	/* given by the caller. tokens returns 0, or 1: nobody takes any more, stop. over is called once, when the outcome stands; the answer
	 * may be freed in it. */
	int (*on_tokens)(struct answer *a, const struct proto_tokens *t);
	int (*on_probs)(
		struct answer *a, const struct proto_probs *p); /* likewise; where they were asked for */
	void (*on_result)(struct answer *a, int fd, u64 bytes);
	void (*on_over)(struct answer *a);
};

/* Begin to answer the request for a principal; the callbacks, outcome.session and outcome.request are already set. May be over before it returns
 * (TOKENIZE is). request is not kept.
 * 0 begun; 1 refused, *ret_why says why (on_over is not called, the answer is to be freed by answer_fini); 2 likewise, for tokens_max alone. */
_must_use_ int answer_begin(struct answer *a, struct grant *g, const struct request *request, u64 principal,
	const char **ret_why);
/* End it now, from outside the scheduler: on_over is called. */
void answer_abort(struct answer *a, u32 finish, const char *why);
/* When it is over: the memory file with all that was said, sealed; -1 when it is not kept. The answer owns it. */
int answer_kept(struct answer *a, u64 *ret_bytes);
/* Overwrites what it held of prompt and text, and frees. */
void answer_fini(struct answer *a);

/* Bytes of logits of all answers under way. */
u64 answer_result_bytes(void);
