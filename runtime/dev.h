/* Between ops and devices. An op (op_*.c) checks its shapes and turns itself into calls of kernels; a device runs calls in order. The
 * kinds of device are tables of functions behind struct rt_device. */
#pragma once

#include "runtime/device.h"
#include "shaders/kernels.h"

struct rt_buf {
	struct rt_device *d;
	enum rt_buf_kind kind;
	u64 bytes;
	void *host; /* INPUT, OUTPUT; on the reference device every buffer */
	char tag[32];
};

/* One kernel on given operands; see shaders/kernels.h. */
struct rt_call {
	enum kernel kernel;
	struct rt_view view[KERNEL_BUFS_MAX];
	u64 bytes
		[KERNEL_BUFS_MAX]; /* how much of the buffer from the view's offset on the kernel may touch */
	u32 work_x, work_y;
	u32 experts; /* of a product that reads a plan (shaders/plan.h), which says where its columns end; 0: it is none */
	u64 cost; /* about how many multiplications: who shares work among threads decides by it */
	u8 push[KERNEL_PUSH_MAX] __attribute__((aligned(8)));
};

struct rt_device_fns {
	struct rt_device *(*close)(struct rt_device *d);
	int (*buf_create)(
		struct rt_device *d, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_buf **ret);
	struct rt_buf *(*buf_destroy)(struct rt_device *d, struct rt_buf *b);
	void *(*stage_get)(struct rt_device *d);
	int (*stage_put)(struct rt_device *d, void *stage, struct rt_view dst, u64 stage_offset, u64 len);
	/* NULL: nothing to do */
	void (*weights_ready)(struct rt_device *d, struct rt_view w, u32 type, u32 k, u32 n_out);
	int (*begin)(struct rt_device *d);
	int (*start)(struct rt_device *d);
	int (*wait)(struct rt_device *d);
	int (*call)(struct rt_device *d, const struct rt_call *c);
};

struct rt_device {
	const struct rt_device_fns *fns;
	struct rt_device_info info;
	struct rt_buf *grids; /* the codebooks of shaders/grids.h; NULL until an op wants them */
};

int dev_ref_open(struct rt_device **ret);
/* Opens the native CPU device, with the best kernels that this machine runs. */
int dev_native_open(struct rt_device **ret);
/* Opens the Vulkan device of that name, or with NULL the best that is not itself a CPU. 0; 1 none or several, *ret_why says which; -errno. */
int gpu_open(const char *name, struct rt_device **ret, const char **ret_why);
