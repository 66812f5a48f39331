/* A request, as it is sealed, hashed by keepd, recorded, ticketed, and read by the runtime. One flat little-endian blob:
 * struct request_header, then n_pieces pieces, then n_stops stop strings, then n_grammars grammars, then n_thinks descriptions of
 * reasoning; each of them is struct request_part followed by
 * len bytes and zero padding to a multiple of 4; nothing behind the last. The digest of a request is SHA-256 of the whole blob,
 * and a saved request (`keep run --save-request`) is exactly these bytes. */
#pragma once

#include "base/limits.h"
#include "base/types.h"

#define REQUEST_MAGIC "KEEPREQ1"

enum request_kind {
	REQUEST_GENERATE = 1, /* tokens and text, streamed */
	REQUEST_LOGITS = 2,   /* float32 [n_tokens, n_vocab], one row per input position */
	REQUEST_TOKENIZE = 3, /* the ids of the prompt; nothing is computed */
};

enum request_flags {
	REQUEST_IGNORE_EOS = 1, /* generate on past the end-of-text tokens */
	REQUEST_RAW = 2,	/* no BOS or EOS of the tokenizer's own is added to the pieces */
	REQUEST_FILL = 4,	/* max_tokens is held to what the context has left behind the prompt */
};

struct request_header {
	char magic[8];
	u32 kind;  /* enum request_kind */
	u32 flags; /* enum request_flags */
	u32 n_pieces, n_stops;
	u32 max_tokens;	    /* tokens to generate; 0 for the other kinds */
	u32 top_k;	    /* 0: off */
	f32 temperature;    /* 0: the most probable token, lowest index first */
	f32 top_p, min_p;   /* 1 and 0: off */
	f32 repeat_penalty; /* 1: off */
	u32 repeat_last_n;  /* tokens that the penalty looks back at */
	u32 choice;	    /* index of this answer among several to one prompt; enters the random numbers */
	u64 seed;	    /* always given: whoever makes the request draws it where the user did not */
	u32 n_grammars;	    /* 0, or 1: what the answer must be (base/grammar.h) */
	u32 n_thinks;	    /* 0, or 1: how reasoning is told from the rest */
	u32 n_logprobs;	    /* 0; else 1 + how many alternatives each token is given with (LOGPROBS_MAX) */
	u8 reserved[4];
};
SIZE_PIN(request_header, 80);

enum request_part_kind {
	REQUEST_TEXT = 1,    /* UTF-8 from a user: never becomes a control token */
	REQUEST_TRUSTED = 2, /* UTF-8 from a template: special tokens are parsed */
	REQUEST_TOKENS = 3,  /* u32 token ids */
	REQUEST_STOP = 4,    /* a stop string */
	REQUEST_GRAMMAR = 5, /* a compiled grammar; the answer ends with it */
	REQUEST_THINK = 6,   /* struct request_think and its texts */
};

/* Reasoning stands between the texts open and close; a control token in them is 0xff, its name, 0xff, as in grammars. No grammar holds it.
 * When it has had `budget` tokens, the text end is said in the model's place; end holds close. */
#define THINK_NO_BUDGET 0xffffffffu
struct request_think {
	u32 budget; /* tokens; THINK_NO_BUDGET: as many as it likes */
	u32 inside; /* 1: the prompt has opened it */
	u16 open_len, close_len, end_len, reserved;
};
SIZE_PIN(request_think, 16);

struct request_part {
	u32 kind; /* enum request_part_kind */
	u32 len;  /* bytes that follow, before padding */
};
SIZE_PIN(request_part, 8);

struct request {
	const struct request_header *h;
	const u8 *parts; /* the first struct request_part */
	const u8 *end;
};

/* Check a blob from a stranger: sizes, kinds, UTF-8, finite sampling numbers in range, limits. 0 done, *ret points into data;
 * 1 malformed, *ret_why says how. data must be aligned to 8. */
_must_use_ int request_open(const void *data, size_t len, struct request *ret, const char **ret_why);

/* Walk the parts of a request that request_open accepted: *at starts as NULL. Returns the next part, its bytes in *ret_data, or
 * NULL after the last. */
const struct request_part *request_next(
	const struct request *r, const struct request_part *at, const u8 **ret_data);

/* Building one: init with the header's fields (magic and counts are filled in), add parts, then take the bytes. */
struct request_builder {
	u8 *buf;
	size_t len, cap;
	bool failed;
};
void request_build(struct request_builder *b, const struct request_header *h);
void request_add(struct request_builder *b, u32 kind, const void *data, size_t len);
/* 0 done, *ret_data (to be freed) and *ret_len; 1 too large for the limits; -ENOMEM. Ends the builder either way. */
_must_use_ int request_built(struct request_builder *b, u8 **ret_data, size_t *ret_len);
