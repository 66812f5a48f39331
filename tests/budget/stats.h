/* What a vendor's compiler says of a row of pipelines.c: VK_KHR_pipeline_executable_properties, of a device that need not exist (README.md). */
#pragma once

#include "runtime/gpu.h"

#define STATS_TEXTS_MAX 8u

/* Drivers count in their own ways: only figures of one driver compare. Those that a driver does not tell are 0. */
struct stats {
	u32 registers; /* of a lane: vector registers, general ones, or full ones of Adreno */
	u32 spills;    /* registers and predicates that go to memory, and come back */
	u32 scratch;   /* bytes of private memory */
	u32 shared;    /* bytes of shared memory */
	u32 occupancy; /* waves of a SIMD, warps of an SM, waves or threads of a core */
	u32 code;      /* instructions */
	u32 cost;      /* static, of one wave: cycles, or what the driver has for them (stats.c) */
	struct {
		char name[32];
		char *text; /* an intermediate form or the machine code, as the driver prints it; NULL behind the last */
	} text[STATS_TEXTS_MAX];
};

struct stats_device {
	struct gpu_instance *instance;
	const struct gpu_found *found;
	VkDevice vk;
	VkDescriptorSetLayout set_layout;
	VkPipelineLayout layout;
};

/* The first device here that compiles for hardware and tells. 0; 1 there is none (*ret_why); -errno. */
_must_use_ int stats_open(struct stats_device *ret, const char **ret_why);
void stats_close(struct stats_device *d);
/* Compiles a row. *ret is for stats_free, also on failure. 0; -errno. */
_must_use_ int stats_of(const struct stats_device *d, const struct pipeline_row *row, struct stats *ret);
void stats_free(struct stats *s);
