/* A llama of made-up weights for benchmarks, in the sizes and mixtures of types that people run. What it says means nothing; what it costs is what
 * such a model costs. */
#pragma once

#include "runtime/model.h"

struct made {
	struct rt_device *d;
	struct model m;
	struct rt_buf *weights;
	u64 bytes, at; /* of weights, and placed so far */
	u64 read;      /* bytes that a token reads */
	u8 *some;      /* RT_STAGE_BYTES of each type, made once */
	u32 some_type;
};

/* b->d is given. file: Q4_0, Q4_K_M, Q8_0, F16, BF16 or F32, in the mixture that llama-quantize gives by that name; size: 0.5b or 1.2b. Ends the
 * program where that cannot be. */
void made_create(struct made *b, const char *file, const char *size, u32 ctx);
void made_fini(struct made *b);

/* The native device, or a level of it, or another device by its name; NULL: the native one at its best level. Ends the program where there is none. */
struct rt_device *made_device(const char *name, bool *ret_native);
/* Buffers for steps of up to `rows` rows of one sequence of up to ctx positions. */
void made_work(struct made *b, u32 rows, u32 ctx, u32 kv_mode, struct model_work *ret);
/* One step: n rows from position `first`, the logits of the last. */
void made_step(struct made *b, const struct model_work *w, u32 first, u32 n);
/* Something in the cache for the first n positions, without computing them: every byte of theirs is written, so that it is memory. */
void made_behind(struct made *b, const struct model_work *w, u32 n);
