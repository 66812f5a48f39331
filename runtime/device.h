/* A device: memory and ops. Layer programs (model_*.c) know nothing else. There are the scalar references of shaders/ (dev_ref.c: slow,
 * complete, what every other must equal), the CPU with kernels made for it (cpu_*.c), and every Vulkan device (gpu_*.c). All give
 * the same bits.
 *
 * One thread uses a device at a time. Ops are recorded between rt_begin and rt_submit and take effect in order: every op sees the
 * results of those before it. Buffers named by a recorded op stay alive until rt_submit or rt_wait has returned. */
#pragma once

#include "base/types.h"

struct rt_device;
struct rt_buf;

enum rt_buf_kind {
	RT_BUF_WEIGHTS, /* written once at load, read by ops */
	RT_BUF_WORK,	/* activations, caches: only ops read and write it */
	RT_BUF_INPUT,	/* the host writes it through rt_host_ptr before rt_submit, ops read it */
	RT_BUF_OUTPUT,	/* ops write it, the host reads it through rt_host_ptr after rt_submit or rt_wait */
};

/* Part of a buffer, from offset bytes on. Offsets are multiples of RT_ALIGN. */
struct rt_view {
	struct rt_buf *buf;
	u64 offset;
};
#define RT_ALIGN 256u /* Vulkan guarantees that minStorageBufferOffsetAlignment is at most this */

struct rt_device_info {
	char name[128];	   /* as `keep device ls` lists and --device takes it */
	char driver[128];  /* driver name and version */
	char kind[16];	   /* "discrete", "integrated", "virtual", "cpu" (by Vulkan), "native", "reference" */
	u8 kernel_set[32]; /* SHA-256 over every kernel that this device would run, in table order */
	u64 memory_bytes;  /* of the heap that weights go to; 0 unknown */
	u64 buf_bytes_max; /* largest single buffer */
	/* An op sees at most this much of a buffer from a view's offset on: K or V of one layer, activations, logits of one call. At least 128 MiB.
	 * Weights, embedding and rope tables may be larger; ops split them. */
	u64 range_bytes_max;
	/* The driver counts the rounds of all loops of an invocation together, and ends every loop after so many, without a word; 0: it does not.
	 * Mesa's on the CPU does. An op that would come near refuses with -ENOTSUP. */
	u32 rounds_max;
	bool parts; /* attention of few rows is faster in parts (op.h) */
	bool tops; /* what the host reads has a way to go: what choosing takes of a row of logits, not the row (op_top_blocks) */
};

struct rt_device_info rt_device_info(const struct rt_device *d);
/* Opens the device of that name ("reference", "native", or a unique case-insensitive substring of a name); NULL: the best there is
 * (discrete, integrated, virtual, other, native CPU; Vulkan on the CPU and the reference come after it, so only by name). Creates
 * all pipelines and compiles one throw-away dispatch, so that nothing is opened or compiled after the sandbox closes. 0; 1 no or several such devices (*ret_why); -errno. */
_must_use_ int rt_device_open(const char *name, struct rt_device **ret, const char **ret_why);
struct rt_device *rt_device_close(struct rt_device *d);

/* bytes > 0, zero-filled. tag names it in messages. 0; -ENOMEM; -EIO device lost. */
_must_use_ int rt_buf_create(
	struct rt_device *d, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_buf **ret);
/* Overwrites the memory with zeros, then frees it; NULL is fine; returns NULL. Never while recorded ops name it. */
struct rt_buf *rt_buf_destroy(struct rt_device *d, struct rt_buf *b);
u64 rt_buf_bytes(const struct rt_buf *b);
struct rt_device *rt_buf_device(const struct rt_buf *b);
/* INPUT and OUTPUT buffers: host memory of rt_buf_bytes. */
void *rt_host_ptr(struct rt_buf *b);

/* Weights arrive through staging memory that is host-cached, so that hashing what is uploaded is cheap. Several threads may each
 * hold one piece of staging at a time. rt_stage_get waits for a free piece of RT_STAGE_BYTES; rt_stage_put copies len bytes of it to dst (WEIGHTS)
 * or, with dst.buf NULL, just gives it back; it returns when the piece may be reused. Thread-safe. 0; -EIO. */
#define RT_STAGE_BYTES (1u << 20) /* one segment */
void *rt_stage_get(struct rt_device *d);
_must_use_ int rt_stage_put(struct rt_device *d, void *stage, struct rt_view dst, u64 stage_offset, u64 len);

/* The matrix [n_out, k] of that type at w (WEIGHTS) is complete, and so is every other part of its buffer: a device that reads weights in a form of
 * its own may turn them now, else its first product does. Changes no result. */
void rt_weights_ready(struct rt_device *d, struct rt_view w, u32 type, u32 k, u32 n_out);

/* Starts a recording; one that was begun and not submitted is thrown away. */
_must_use_ int rt_begin(struct rt_device *d);
/* Starts what was recorded: it may run while the caller does something else, which touches none of its buffers, up to rt_wait. The devices of
 * the CPU run it before this returns. 0; -EIO device lost; nothing has been started then. */
_must_use_ int rt_start(struct rt_device *d);
/* Waits for what was started. 0; -EIO device lost; -ETIME. */
_must_use_ int rt_wait(struct rt_device *d);
/* rt_start and rt_wait. */
_must_use_ int rt_submit(struct rt_device *d);
