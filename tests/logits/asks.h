/* Requests put to a loaded model from a test, without sockets. The digest over every row of logits that a request was given is kept. */
#pragma once

#include "runtime/answer.h"

struct ask {
	/* the question */
	u32 kind; /* 0: REQUEST_GENERATE */
	u32 flags;
	const u32 *ids;
	u32 n_ids, max_tokens, top_k;
	f32 temperature, top_p, repeat_penalty; /* 0 of the last two: off */
	u64 seed, principal;
	bool ends;		 /* an end token ends it */
	const char *text, *stop; /* a piece of text behind the ids; one stop string */
	const void *grammar;	 /* compiled, of n_grammar bytes */
	size_t n_grammar;
	f32 min_p;

	/* what came of it */
	u32 out[512], n_out;
	char said[8192];
	size_t n_said;
	u8 rows[SHA256_BYTES];	 /* of every row of logits */
	u8 result[SHA256_BYTES]; /* of the result's bytes */
	struct proto_outcome outcome;
	const char *refused;
	bool over;

	/* in between */
	struct answer a;
	struct sha256 h;
	int (*row)(struct sched_seq *q, u32 pos, const f32 *logits, u32 *ret_next);
};

void ask_begin(struct ask *k, struct grant *g);
/* The devices of these names that are there, in their order. What is not is said: drivers of Vulkan are no part of what must be. */
u32 ask_devices(const char *const *names, u32 n, struct rt_device **ret);
void ask_devices_close(struct rt_device **devices, u32 n);
/* A grammar for answers: ab(c|d), again and again. Something to guess in every place, and of three guesses one is right half of the time. */
const void *ask_letters(size_t *ret_len);
/* Steps until nothing is left to do. Aborts when the device fails. */
void ask_finish(struct grant *g);
/* All of them at once. */
void ask_all(struct ask *k, u32 n, struct grant *g);
