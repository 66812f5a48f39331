/* The session socket: what the runtime says to whoever asked, and how a request ended, which keepd is told in the same words. */
#pragma once

#include "base/ipc.h"
#include "base/sha256.h"
#include "proto/common.h"

#define TOKENS_PER_FRAME 32u
struct proto_tokens {
	u32 n_tokens, text_len;
	u32 tokens[TOKENS_PER_FRAME];
	char text[1024]; /* whole characters only */
};
SIZE_PIN(proto_tokens, 1160);
/* A token that was said, and what the model held likely in its place (runtime/probs.h). */
#define PROB_NO_TEXT 0xffffffffu
struct proto_prob {
	u32 id;
	f32 logprob;
	u32 len; /* of its text, which stands behind those of the entries before it; PROB_NO_TEXT: it did not fit */
};
struct proto_probs {
	u32 n, reserved; /* the one that was said, then alternatives, likeliest first */
	struct proto_prob v[1 + LOGPROBS_MAX];
	char text[3588]; /* bytes of tokens: not always whole characters */
};
SIZE_PIN(proto_probs, 3848);
enum finish {
	FINISH_STOP = 1, /* end token */
	FINISH_STRING,	 /* stop string */
	FINISH_LENGTH,
	FINISH_CANCELLED,
	FINISH_REVOKED,
	FINISH_REFUSED, /* never started; text says why */
	FINISH_ERROR,
	FINISH_SPENT, /* never started: larger than what a quota leaves now, and no larger than it may leave later */
};
struct proto_outcome {
	u64 session;
	u32 finish, numerics;
	u32 n_prompt, n_cached, n_generated, kv_mode;
	/* rows of guesses at what comes next, and how many were right: what it took, no part of what was said */
	u32 n_drafted, n_accepted;
	u32 n_aside; /* how often it was set aside for want of pages; likewise */
	/* of n_drafted and n_accepted, those of a draft model; the others were found in what stands before */
	u32 n_model_drafted, n_model_accepted;
	u32 stop_string; /* of FINISH_STRING: which of the request's it was, counted from 1; else 0 */
	u64 seed;
	u64 prompt_ns, generate_ns;
	u8 request[SHA256_BYTES];
	/* SHA-256 of the generated ids, u32 each; of the result's bytes for the other kinds */
	u8 tokens[SHA256_BYTES];
	u8 text[SHA256_BYTES]; /* SHA-256 of the text as streamed */
	u8 kernel_set[SHA256_BYTES];
	char device[128];
	char why[REASON_LEN_MAX + 1]; /* for REFUSED and ERROR */
};
SIZE_PIN(proto_outcome, 592);
