/* Kernels that each break one rule; -DBREAK=n says which. 0 breaks none. */
#version 450
#extension GL_EXT_shader_explicit_arithmetic_types : require
#if BREAK == 9
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
layout(local_size_x = 64) in;
layout(std430, binding = 0) readonly buffer A
{
	float a[];
};
layout(std430, binding = 1) writeonly buffer B
{
	float b[];
};

void main()
{
	uint i = gl_GlobalInvocationID.x;
	precise float x = a[i];
	precise float y = a[i + 1];
#if BREAK == 0
	precise float r = x * y + 1.0;
#elif BREAK == 1
	float r = a[i] * a[i + 1] + 1.0;
#elif BREAK == 2
	precise float r = x / y;
#elif BREAK == 3
	precise float r = inversesqrt(x);
#elif BREAK == 4
	precise float r = fma(x, y, 1.0);
#elif BREAK == 5
	precise float r = float(i);
#elif BREAK == 6
	precise float r = dot(vec2(x, y), vec2(y, x));
#elif BREAK == 7
	precise float r = float(float16_t(x));
#elif BREAK == 8
	precise float r = exp(x);
#elif BREAK == 9
	precise float r = subgroupAdd(x);
#elif BREAK == 10
	precise float r = float(int(x));
#elif BREAK == 11
	precise float r = max(x, y);
#elif BREAK == 12
	precise float r = float(double(x) * double(y));
#elif BREAK == 13
	precise vec2 v = vec2(x, y) * x;
	precise float r = v.x;
#endif
	b[i] = r;
}
