/* The Vulkan devices, one file per object: gpu_instance (what is there), gpu_device (one opened), gpu_pipeline, gpu_buf (memory and staging),
 * gpu_sets (descriptors), gpu_cmd (recording and running). Nothing outside gpu_*.c, device_list.c and tests includes this. */
#pragma once

#include "runtime/dev.h"
#include "shaders/pipelines.h"

#include <pthread.h>
#include <stdio.h>
#include <vulkan/vulkan.h>

#define GPU_DEVICES_MAX 16u   /* devices that are listed */
#define GPU_STAGES	8u    /* pieces of staging memory: more than hashing threads */
#define GPU_CALLS	1024u /* calls of one submission; beyond them comes another */
#define GPU_COST_MAX \
	100000000000ull /* multiplications of one submission: a second of a slow integrated GPU, far below what drivers take for hung */
#define GPU_PARTS      16u   /* submissions that are kept to be run again */
#define GPU_SETS       8192u /* descriptor sets; when they are used up, all that is kept is forgotten */
#define GPU_HAZARDS    64u   /* operands remembered since the last barrier; beyond them comes a barrier */
#define GPU_TIMEOUT_NS 600000000000ull /* a submission that takes ten minutes has hung: -ETIME */
#define GPU_BUF_PAD    256u /* bytes after a buffer's end that kernels may read: they read whole words */

/* Run a Vulkan call; on failure say which, set r to -errno and go to error. */
#define GPU_CHECK(call)                                              \
	do {                                                         \
		VkResult vk_r_ = (call);                             \
		if (vk_r_ != VK_SUCCESS) {                           \
			r = gpu_errno_at(vk_r_, __FILE__, __LINE__); \
			goto error;                                  \
		}                                                    \
	} while (0)
bool gpu_has_extension(VkPhysicalDevice phys, const char *name);
int gpu_errno_at(VkResult v, const char *file, int line);

/* ---- gpu_instance.c ---- */

struct gpu_found {
	VkPhysicalDevice phys;
	VkPhysicalDeviceType type;
	struct rt_device_info info; /* kernel_set: of the rows that would be chosen */
	struct pipeline_caps caps;
	bool int_dot_ext;  /* needs VK_KHR_shader_integer_dot_product (Vulkan 1.2) */
	u32 family;	   /* queue family for compute and copies */
	u32 groups_max;	   /* workgroups along x */
	const char *unfit; /* why it lies below the baseline; NULL: it does not */
};

struct gpu_instance {
	VkInstance vk;
	VkDebugUtilsMessengerEXT messenger;
	u32 n_found;
	struct gpu_found found[GPU_DEVICES_MAX];
	u32 messages; /* of the validation layer, so far */
};

/* validate: with VK_LAYER_KHRONOS_validation, whose complaints go to stderr and are counted. 0; -errno. No driver at all is 0 devices. */
int gpu_instance_create(bool validate, struct gpu_instance **ret);
struct gpu_instance *gpu_instance_destroy(struct gpu_instance *i);
/* The device of that name (unique case-insensitive substring), or with NULL the best. 0; 1 none or several. */
int gpu_instance_find(
	const struct gpu_instance *i, const char *name, const struct gpu_found **ret, const char **ret_why);

/* ---- gpu_coopmat.c: all of VK_KHR_cooperative_matrix, where the headers have it ---- */

/* The best tile that the device offers and mul_mat_cm.comp can use; m 0: none. */
struct pipeline_tile gpu_coopmat_tile(VkInstance vk, VkPhysicalDevice phys);
/* Adds what a device with such tiles must enable to the chain of vkCreateDevice: returns the new head. */
const void *gpu_coopmat_enable(const void *next);
extern const char gpu_coopmat_extension[];

/* ---- gpu_pipeline.c ---- */

/* Which of a kernel's pipelines: that for one column or for several; of products, for experts or not. */
#define GPU_SEVERAL 1u
#define GPU_EXPERTS 2u
#define GPU_WAYS    4u

struct gpu;
struct gpu_pipeline {
	VkPipeline vk;
	struct pipeline_row row;
};

/* What all kernels share: one set of KERNEL_BUFS_MAX storage buffers, and push constants. On failure what was made is left in ret_set. */
int gpu_layout_create(VkDevice vk, VkDescriptorSetLayout *ret_set, VkPipelineLayout *ret);
/* flags: beyond those that dispatches with a base want. */
int gpu_pipeline_create(VkDevice vk, VkPipelineLayout layout, const struct pipeline_row *row,
	VkPipelineCreateFlags flags, VkPipeline *ret);
int gpu_pipelines_create(struct gpu *g, const struct pipeline_row *rows, u32 n);
void gpu_pipelines_destroy(struct gpu *g);

/* ---- gpu_buf.c ---- */

struct gpu_buf {
	struct rt_buf b;
	VkBuffer vk;
	VkDeviceMemory mem;
	u64 alloc_bytes;
	u32 serial; /* unlike a handle, never given twice */
};

struct gpu_stage {
	VkCommandPool pool;
	VkCommandBuffer cmd;
	VkFence fence;
};

int gpu_buf_create(
	struct rt_device *d, enum rt_buf_kind kind, u64 bytes, const char *tag, struct rt_buf **ret);
struct rt_buf *gpu_buf_destroy(struct rt_device *d, struct rt_buf *b);
void *gpu_stage_get(struct rt_device *d);
int gpu_stage_put(struct rt_device *d, void *stage, struct rt_view dst, u64 stage_offset, u64 len);
int gpu_stages_create(struct gpu *g);
void gpu_stages_destroy(struct gpu *g);

/* ---- gpu_cmd.c ---- */

struct gpu_hazard {
	const struct rt_buf *buf;
	u64 first, end;
	bool written;
};

/* What makes one call different from another, compared by its bytes. */
struct gpu_said {
	u32 serial[KERNEL_BUFS_MAX]; /* of the buffers; 0 none */
	u32 at[KERNEL_BUFS_MAX];     /* offsets, in RT_ALIGN */
	u32 words[KERNEL_BUFS_MAX];
	u32 kernel, way, work_x, first_y, groups_y;
	u8 push[KERNEL_PUSH_MAX];
};

struct gpu_noted {
	struct gpu_said is;
	const struct gpu_buf *buf[KERNEL_BUFS_MAX];
};

/* A submission that has been recorded. */
struct gpu_part {
	VkCommandPool pool;
	VkCommandBuffer cmd;
	VkFence fence;
	struct gpu_said *calls; /* [GPU_CALLS] */
	u32 n;			/* 0: none */
	bool runs;
	u64 used; /* when, counted in submissions */
};

/* Waits for all parts that run. */
int gpu_finish(struct gpu *g);
/* Forgets all parts and sets; none of them runs. */
void gpu_parts_forget(struct gpu *g);
int gpu_begin(struct rt_device *d);
int gpu_start(struct rt_device *d);
int gpu_wait(struct rt_device *d);
int gpu_call(struct rt_device *d, const struct rt_call *c);
int gpu_cmds_create(struct gpu *g);
void gpu_cmds_destroy(struct gpu *g);
/* Submits cmd and waits for fence. Thread-safe. */
int gpu_run(struct gpu *g, VkCommandBuffer cmd, VkFence fence);

/* ---- gpu_sets.c ---- */

/* What a descriptor set shows. */
struct gpu_shown {
	u32 serial[KERNEL_BUFS_MAX], at[KERNEL_BUFS_MAX], words[KERNEL_BUFS_MAX];
};

/* The set that shows the operands of c. At most GPU_SETS in all since gpu_sets_forget. */
VkDescriptorSet gpu_set_of(struct gpu *g, const struct gpu_noted *c);
void gpu_sets_forget(struct gpu *g);
int gpu_sets_create(struct gpu *g);
void gpu_sets_destroy(struct gpu *g);

/* ---- gpu_device.c ---- */

struct gpu {
	struct rt_device d;
	struct gpu_instance *instance;
	struct gpu_found found;
	VkDevice vk;
	VkQueue queue;
	pthread_mutex_t queue_lock;
	VkPhysicalDeviceMemoryProperties memory;
	bool lost;

	VkDescriptorSetLayout set_layout;
	VkPipelineLayout layout;
	struct gpu_pipeline pipelines[KERNELS_N][GPU_WAYS];

	VkDescriptorPool set_pool;
	VkDescriptorSet sets[GPU_SETS];
	struct gpu_shown *shown; /* [GPU_SETS] */
	u16 *set_slots;		 /* hash table of them: number + 1 */
	u32 n_sets;		 /* used so far */

	struct gpu_part parts[GPU_PARTS];
	u64 parts_used, parts_recorded; /* how often, so far */
	bool recording;
	struct gpu_noted *noted; /* [GPU_CALLS] */
	u32 n_noted;
	u64 cost; /* of what is noted */
	struct gpu_hazard hazards[GPU_HAZARDS];
	u32 n_hazards;

	u32 bufs_made;
	struct rt_buf *stage_buf;
	struct gpu_stage stages[GPU_STAGES];
	pthread_mutex_t stage_lock;
	pthread_cond_t stage_free;
	u32 stages_free; /* bit i: piece i is free */
};

/* A device with one queue and all that its rows want; `extension` (NULL: none) and the features of `next` besides. */
int gpu_vk_create(const struct gpu_found *f, const char *extension, const void *next, VkDevice *ret);

static inline struct gpu *gpu_of(struct rt_device *d)
{
	return (struct gpu *)d;
}

struct gpu_params {
	const char *name;		 /* NULL: the best */
	const struct pipeline_row *rows; /* NULL: pipeline_rows */
	u32 n_rows;
	const char *only; /* see struct pipeline_caps */
	bool validate;
	bool hardware; /* refuse one that computes on the CPU */
};
int gpu_open_with(const struct gpu_params *p, struct rt_device **ret, const char **ret_why);
