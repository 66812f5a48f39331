/* What the files of the cases share: one under way, and the buffers that it is made of. They are destroyed when it is over. */
#pragma once

#include "runtime/op_case.h"

#include <stdlib.h>

#define CASE_BUFS_MAX 12u
#define WORDS_MAX     128u /* of a list of positions or rows */

struct run {
	struct rt_device *d;
	const struct op_case *c;
	struct rt_buf *bufs[CASE_BUFS_MAX];
	u32 n_bufs;
	struct rt_view out;
	size_t out_len;
};

#define TRY(call)                    \
	do {                         \
		int try_ = (call);   \
		if (try_ < 0)        \
			return try_; \
	} while (0)

static inline void freep(void *p)
{
	free(*(void **)p);
}

u64 op_case_next(u64 *seed); /* splitmix64 */

int make(struct run *r, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_view *ret);
int make_floats(struct run *r, size_t n, u64 seed, const char *tag, struct rt_view *ret);
int make_words(struct run *r, const u32 *words, size_t n, const char *tag, struct rt_view *ret);
/* n numbers below `below`, of which none follows from the one before it; the first is given. */
int make_list(struct run *r, u32 n, u32 first, u32 below, struct rt_view *ret);
/* Uploaded through staging, as a model is. */
int make_weights(struct run *r, u32 type, u32 rows, u32 k, struct rt_view *ret);
/* What a product reads, as an op would have left it. */
int make_activations(struct run *r, u32 rows, u32 k, struct rt_view *ret);
int make_out(struct run *r, size_t bytes, struct rt_view *ret);
/* Where the op writes, with floats in it. */
int make_inout(struct run *r, size_t n, u64 seed, struct rt_view *ret);
