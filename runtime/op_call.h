/* What the files op_*.c share: building and checking a call. */
#pragma once

#include "runtime/dev.h"
#include "runtime/op.h"

/* Operand i of c is `bytes` of v. Whether that lies inside the buffer and what an op may see of one is checked by op_call. */
void op_call_buf(struct rt_call *c, u32 i, struct rt_view v, u64 bytes);
/* Operand i is the rest of the buffer of v, as far as an op may see it: indices from the host say what is touched. */
void op_call_rest(const struct rt_device *d, struct rt_call *c, u32 i, struct rt_view v);
/* Bytes from v on that its buffer has. */
u64 op_view_rest(struct rt_view v);
/* Copies the push constants. */
#define op_call_push(c, p) op_call_push_bytes((c), (p), sizeof(*(p)))
void op_call_push_bytes(struct rt_call *c, const void *p, size_t bytes);
/* Checks and runs. 0, -EINVAL, -EIO. Nothing runs when work is 0. */
int op_call(struct rt_device *d, const struct rt_call *c);
