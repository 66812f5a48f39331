/* The self-test: fixed cases whose outputs every device must reproduce. Their digests stand in shaders/selftest.h, made from the references. */
#pragma once

#include "runtime/op_case.h"
#include "shaders/kernels.h"

struct selftest_case {
	enum kernel kernel; /* what the case is about */
	struct op_case c;
};
extern const struct selftest_case selftest_cases[];
extern const u32 selftest_cases_n;

/* SHA-256 of the case's output on d. 0; -errno. */
_must_use_ int selftest_digest(struct rt_device *d, const struct op_case *c, u8 ret[32]);
/* Runs case i on d. 0 the stored digest; 1 another one; -errno. */
_must_use_ int selftest_run(struct rt_device *d, u32 i);
