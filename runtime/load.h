/* Loading: every byte of every file of a model is read once, hashed where it lies, compared with the segment table, and only then
 * copied to where it is used. Threads take segments in order; the first wrong one stops the load. */
#pragma once

#include "base/layout.h"
#include "proto.h"
#include "runtime/device.h"

/* Where the bytes of one tensor go: to the device, or to host memory (rope factors), or nowhere. */
struct load_place {
	struct rt_view view;
	u8 *host;
};

struct load_params {
	struct rt_device *d; /* for segments that no device gets a part of */
	struct segments segs;
	struct layout layout;
	const int *files;		 /* one for each file of the table, read-only, borrowed */
	const struct load_place *places; /* one for each tensor of the layout, borrowed */
	u32 threads;			 /* 0: as many as the machine has, at most LOAD_THREADS_MAX */
	int wake;			 /* an eventfd that is written when the load ends; -1 for none */
};

struct load;

/* Starts the threads. The descriptors and places stay alive until load_end.
 * 0; 1 a file or tensor is not what the tables say, *ret_failed says which; -errno. */
_must_use_ int load_start(
	const struct load_params *p, struct load **ret, struct proto_load_failed *ret_failed);
/* Bytes done so far. */
u64 load_done_bytes(const struct load *l);
/* Have all threads ended? */
bool load_ended(const struct load *l);
/* Stop early, if need be, and wait for the threads: they look between two segments. */
void load_stop(struct load *l);
/* Wait for the threads, free, and say how it went. 0 all bytes were as admitted; 1 not so, *ret_failed says where; -ECANCELED. */
_must_use_ int load_end(struct load *l, struct proto_load_failed *ret_failed);

/* Do len bytes of a tensor of that type, from its byte `at` on, hold only finite scales (and, for float types, elements of at most
 * 2^40 in magnitude, which the arithmetic can represent)? No scale or element crosses a multiple of 4. */
bool load_numbers_ok(u32 type, u64 at, const u8 *data, u64 len);
