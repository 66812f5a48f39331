/* A kernel that computes wrongly is caught by the self-test, which names it: rows are replaced by kernels whose source was altered
 * at build time (meson.build), a wrong sign, a dropped term, a clamp that is one off, a weight and a sink left out, a block that ranks itself, ties the other way round, a tile
 * at its expert's first slot, one expert's matrix for all. */
#include "runtime/gpu.h"
#include "runtime/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const u32 wrong_rope[] = {
#include "tests/ops/wrong_rope.spv.inc"
};
static const u32 wrong_rms_norm[] = {
#include "tests/ops/wrong_rms_norm.spv.inc"
};
static const u32 wrong_quantize[] = {
#include "tests/ops/wrong_quantize.spv.inc"
};
static const u32 wrong_combine[] = {
#include "tests/ops/wrong_combine.spv.inc"
};
static const u32 wrong_block_max[] = {
#include "tests/ops/wrong_block_max.spv.inc"
};
static const u32 wrong_top_blocks[] = {
#include "tests/ops/wrong_top_blocks.spv.inc"
};
static const u32 wrong_route[] = {
#include "tests/ops/wrong_route.spv.inc"
};
static const u32 wrong_group[] = {
#include "tests/ops/wrong_group.spv.inc"
};
static const u32 wrong_experts[] = {
#include "tests/ops/wrong_experts.spv.inc"
};
static const u32 wrong_attention[] = {
#include "tests/ops/wrong_attention.spv.inc"
};
static const u32 wrong_attention_part[] = {
#include "tests/ops/wrong_attention_part.spv.inc"
};
static const u32 wrong_attention_join[] = {
#include "tests/ops/wrong_attention_join.spv.inc"
};

static const struct {
	enum kernel kernel;
	const u32 *spirv;
	u32 bytes;
	enum kernel
		named; /* where it is not the kernel's own name: of those of one case the first; 0: it is */
} wrong[] = {
	{ KERNEL_ROPE, wrong_rope, sizeof(wrong_rope) },
	{ KERNEL_RMS_NORM, wrong_rms_norm, sizeof(wrong_rms_norm) },
	{ KERNEL_QUANTIZE_256, wrong_quantize, sizeof(wrong_quantize) },
	{ KERNEL_COMBINE, wrong_combine, sizeof(wrong_combine) },
	{ KERNEL_BLOCK_MAX, wrong_block_max, sizeof(wrong_block_max) },
	{ KERNEL_TOP_BLOCKS, wrong_top_blocks, sizeof(wrong_top_blocks), .named = KERNEL_BLOCK_MAX },
	{ KERNEL_ROUTE, wrong_route, sizeof(wrong_route) },
	{ KERNEL_GROUP, wrong_group, sizeof(wrong_group) },
	{ KERNEL_MUL_MAT_F16, wrong_experts, sizeof(wrong_experts) },
	{ KERNEL_ATTENTION_F32, wrong_attention, sizeof(wrong_attention) },
	{ KERNEL_ATTENTION_PART_F32, wrong_attention_part, sizeof(wrong_attention_part) },
	{ KERNEL_ATTENTION_JOIN, wrong_attention_join, sizeof(wrong_attention_join),
		.named = KERNEL_ATTENTION_PART_F32 },
};

/* The self-test with row `kernel` replaced: the name that it gives, NULL when it finds nothing. */
static const char *caught(struct pipeline_row *rows)
{
	struct rt_device *d;
	const char *why = NULL, *name = NULL;
	const struct gpu_params p = { .rows = rows, .n_rows = pipeline_rows_n };
	int r = gpu_open_with(&p, &d, &why);
	if (r != 0) {
		printf("no Vulkan device to test\n");
		exit(r == 1 ? 77 : 1);
	}
	r = rt_selftest(d, &name);
	rt_device_close(d);
	return r == 1 ? name : NULL;
}

int main(void)
{
	struct pipeline_row *rows = calloc(pipeline_rows_n, sizeof(*rows));
	int bad = 0;
	if (!rows)
		return 1;
	for (u32 i = 0; i < ARRAY_LEN(wrong); i++) {
		memcpy(rows, pipeline_rows, pipeline_rows_n * sizeof(*rows));
		for (u32 k = 0; k < pipeline_rows_n; k++)
			if (rows[k].kernel == wrong[i].kernel) {
				rows[k].spirv = wrong[i].spirv;
				rows[k].spirv_bytes = wrong[i].bytes;
			}
		const char *name = caught(rows),
			   *want = kernel_refs[wrong[i].named ? wrong[i].named : wrong[i].kernel].name;
		bool ok = name && !strcmp(name, want);
		printf("wrong %s: %s%s\n", kernel_refs[wrong[i].kernel].name,
			name ? "caught as " : "NOT caught", name ? name : "");
		bad |= !ok;
	}
	free(rows);
	return bad;
}
