/* A small model made in memory for tests: random weights of any type, a SentencePiece vocabulary of single bytes and letters, its
 * layout, its segment table and its files. The same spec gives the same bytes everywhere. */
#pragma once

#include "base/layout.h"
#include "proto.h"
#include "runtime/grant.h"

#define TINY_FILES 2u
#define TINY_VOCAB 320u

struct tiny_spec {
	u32 type;     /* of every matrix; TINY_MIXED: another one for each */
	u32 ctx;      /* trained context; 0: 256 */
	bool untied;  /* a head of its own */
	bool factors; /* llama-3 rope factors */
	u64 seed;
	u32 ffn;  /* width of the feed-forward part; 0: 512 */
	u32 arch; /* enum layout_arch; 0: llama. The others have all that their row of base/arch.h allows */
	bool scales; /* of every matrix that may have one */
	u32 layers;  /* 0: 2; at most 8, and not for Gemma 4, which has 3 */
};
#define TINY_MIXED 0xffffu

struct tiny {
	u8 *layout, *segments;
	size_t layout_len, segments_len;
	int files[TINY_FILES]; /* "model.gguf" and "LICENSE" */
	u64 bytes[TINY_FILES];
};

/* Aborts when the machine cannot. */
void tiny_make(const struct tiny_spec *spec, struct tiny *ret);
void tiny_fini(struct tiny *t);
/* Where the tensor lies in file 0. */
u64 tiny_offset(const struct tiny *t, const char *tensor);
/* Positions that it was trained on, those of LongRoPE's second training too. */
u32 tiny_ctx_train(const struct tiny *t);
/* What keepd would send. */
struct proto_grant tiny_wants(const struct tiny *t, u32 kv_mode, u32 ctx_tokens);
/* A grant that has collected everything; then it is loaded and ready, of tiny_ctx_train positions where p says no usual context. Aborts when it does
 * not load. */
void tiny_collect(const struct tiny *t, u32 kv_mode, u32 ctx_tokens, struct grant *ret);
void tiny_load(const struct tiny *t, struct rt_device *d, const struct grant_params *p, u32 kv_mode,
	struct grant *ret);

/* A stated stream of numbers, for weights and for prompts; ids of the vocabulary, the next n of such a stream. */
u64 tiny_random(u64 *state);
void tiny_ids(u32 *ret, size_t n, u64 *state);
