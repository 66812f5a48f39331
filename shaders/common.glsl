/* What every kernel begins with. Baseline: Vulkan 1.2, 32-bit storage buffers, at most 256 invocations and 32 KiB of shared memory. */
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require

#include "exact.h"

#define BUF_IN(n, name)                                                    \
	layout(std430, set = 0, binding = n) readonly buffer buf_##name \
	{                                                                  \
		u32 name[];                                                \
	}
#define BUF_OUT(n, name)                                                    \
	layout(std430, set = 0, binding = n) writeonly buffer buf_##name \
	{                                                                   \
		u32 name[];                                                 \
	}
#define BUF_INOUT(n, name)                                         \
	layout(std430, set = 0, binding = n) buffer buf_##name  \
	{                                                          \
		u32 name[];                                        \
	}

/* Workgroups along x beyond what a device takes go to z. */
#define GROUP_X (gl_WorkGroupID.z * gl_NumWorkGroups.x + gl_WorkGroupID.x)
#define LANE	gl_LocalInvocationID.x

/* A float of a buffer, in the window. */
#define WINDOWED(u) u2f(exact_window_bits(u))

/* Before a loop whose body is large: unrolling it costs seconds of compile time on drivers that run on a CPU and wins nothing. */
#define ROLLED [[dont_unroll]]
