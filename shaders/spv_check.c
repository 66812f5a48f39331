#include "shaders/spv_check.h"

#include <stdlib.h>
#include <string.h>

#define SPV_MAGIC   0x07230203u
#define SPV_IDS_MAX (1u << 20) /* ids of one module; ours have some thousand */

enum op {
	OP_EXT_INST_IMPORT = 11,
	OP_EXT_INST = 12,
	OP_EXECUTION_MODE = 16,
	OP_CAPABILITY = 17,
	OP_TYPE_INT = 21,
	OP_TYPE_FLOAT = 22,
	OP_TYPE_VECTOR = 23,
	OP_TYPE_MATRIX = 24,
	OP_SPEC_CONSTANT_OP = 52,
	OP_DECORATE = 71,
	OP_MEMBER_DECORATE = 72,
	OP_CONVERT_F_TO_U = 109,
	OP_FADD = 129,
	OP_FSUB = 131,
	OP_FMUL = 133,
	OP_TYPE_COOPERATIVE_MATRIX = 4456,
	OP_COOPERATIVE_MATRIX_MUL_ADD = 4459,
};

enum decoration {
	DEC_RELAXED_PRECISION = 0,
	DEC_FP_ROUNDING_MODE = 39,
	DEC_FP_FAST_MATH_MODE = 40,
	DEC_NO_CONTRACTION = 42,
};

static const struct {
	u16 op;
	const char *why;
} forbidden[] = {
	{ 109, "OpConvertFToU is not portable" },
	{ 110, "OpConvertFToS: use exact_round" },
	{ 112, "OpConvertUToF is wrong on some drivers: go through int" },
	{ 115, "OpFConvert: convert halves by integer code" },
	{ 116, "OpQuantizeToF16: convert halves by integer code" },
	{ 136, "OpFDiv: use exact_recip" },
	{ 140, "OpFRem" },
	{ 141, "OpFMod" },
	{ 142, "OpVectorTimesScalar" },
	{ 143, "OpMatrixTimesScalar" },
	{ 144, "OpVectorTimesMatrix" },
	{ 145, "OpMatrixTimesVector" },
	{ 146, "OpMatrixTimesMatrix" },
	{ 147, "OpOuterProduct" },
	{ 148, "OpDot" },
	{ 207, "OpDPdx" },
	{ 208, "OpDPdy" },
	{ 209, "OpFwidth" },
	{ 210, "OpDPdxFine" },
	{ 211, "OpDPdyFine" },
	{ 212, "OpFwidthFine" },
	{ 213, "OpDPdxCoarse" },
	{ 214, "OpDPdyCoarse" },
	{ 215, "OpFwidthCoarse" },
	{ 265, "OpGroupFAdd: the order of a group's sum is open" },
	{ 266, "OpGroupFMin" },
	{ 269, "OpGroupFMax" },
	{ 350, "OpGroupNonUniformFAdd: the order of a group's sum is open" },
	{ 352, "OpGroupNonUniformFMul" },
	{ 355, "OpGroupNonUniformFMin" },
	{ 358, "OpGroupNonUniformFMax" },
	{ 4453, "OpSDotAccSat saturates" },
	{ 4454, "OpUDotAccSat saturates" },
	{ 4455, "OpSUDotAccSat saturates" },
	{ 5614, "OpAtomicFMinEXT" },
	{ 5615, "OpAtomicFMaxEXT" },
	{ 6035, "OpAtomicFAddEXT: the order of atomics is open" },
	{ 6402, "OpGroupFMulKHR" },
};

/* Of GLSL.std.450: exact for every operand that can occur. */
static const u8 glsl_allowed[] = { 2 /* RoundEven */, 3 /* Trunc */, 4 /* FAbs */, 5 /* SAbs */,
	6 /* FSign */, 7 /* SSign */, 8 /* Floor */, 9 /* Ceil */, 38 /* UMin */, 39 /* SMin */,
	41 /* UMax */, 42 /* SMax */, 44 /* UClamp */, 45 /* SClamp */, 73 /* FindILsb */, 74 /* FindSMsb */,
	75 /* FindUMsb */ };

/* What is known of an id. */
struct id {
	bool no_contraction, is_float, is_matrix, is_glsl;
	u32 width;
};

struct module {
	const u32 *w;
	size_t n;
	struct id *ids;
	u32 n_ids;
};

static bool is_float_arith(u32 op)
{
	return op == OP_FADD || op == OP_FSUB || op == OP_FMUL;
}

static const char *decorate(struct module *m, u32 target, u32 decoration)
{
	if (decoration == DEC_RELAXED_PRECISION)
		return "RelaxedPrecision";
	if (decoration == DEC_FP_ROUNDING_MODE)
		return "FPRoundingMode";
	if (decoration == DEC_FP_FAST_MATH_MODE)
		return "FPFastMathMode";
	if (decoration == DEC_NO_CONTRACTION)
		m->ids[target].no_contraction = true;
	return NULL;
}

/* First pass: types, imports, decorations. a: operands, n: how many. */
static const char *declare(struct module *m, u32 op, const u32 *a, u32 n)
{
	static const char glsl[] = "GLSL.std.450";
	switch (op) {
	case OP_DECORATE:
		return n < 2 ? "short OpDecorate" : decorate(m, a[0], a[1]);
	case OP_MEMBER_DECORATE:
		return n >= 3 && a[2] == DEC_RELAXED_PRECISION ? "RelaxedPrecision" : NULL;
	case OP_TYPE_FLOAT:
		m->ids[a[0]].is_float = true;
		m->ids[a[0]].width = a[1];
		return NULL;
	case OP_TYPE_VECTOR:
	case OP_TYPE_MATRIX:
	case OP_TYPE_COOPERATIVE_MATRIX:
		m->ids[a[0]].is_float = m->ids[a[1]].is_float;
		m->ids[a[0]].width = m->ids[a[1]].width;
		m->ids[a[0]].is_matrix = op == OP_TYPE_COOPERATIVE_MATRIX;
		return NULL;
	case OP_EXT_INST_IMPORT:
		if ((n - 1) * 4 < sizeof(glsl) || memcmp(a + 1, glsl, sizeof(glsl)))
			return "an extended instruction set other than GLSL.std.450";
		m->ids[a[0]].is_glsl = true;
		return NULL;
	case OP_EXECUTION_MODE:
		return n >= 2 && (a[1] == 4459 || a[1] == 4460) ? "a denormal mode: no device has them all"
								: NULL;
	}
	return NULL;
}

static const char *check_arith(const struct module *m, u32 type, u32 result)
{
	if (!m->ids[type].is_float || m->ids[type].width != 32)
		return "float arithmetic that is not of 32 bits";
	if (m->ids[type].is_matrix)
		return "float arithmetic on a cooperative matrix: drivers drop NoContraction there";
	if (!m->ids[result].no_contraction)
		return "OpFAdd, OpFSub or OpFMul without NoContraction";
	return NULL;
}

static const char *check_ext(const struct module *m, u32 set, u32 inst)
{
	if (!m->ids[set].is_glsl)
		return "an extended instruction of an unknown set";
	for (size_t i = 0; i < sizeof(glsl_allowed); i++)
		if (glsl_allowed[i] == inst)
			return NULL;
	return "an instruction of GLSL.std.450 that is not exact everywhere";
}

static const char *check(const struct module *m, u32 op, const u32 *a, u32 n)
{
	for (size_t i = 0; i < ARRAY_LEN(forbidden); i++)
		if (forbidden[i].op == op)
			return forbidden[i].why;
	if (is_float_arith(op))
		return n < 4 ? "short arithmetic" : check_arith(m, a[0], a[1]);
	if (op == OP_EXT_INST)
		return n < 4 ? "short OpExtInst" : check_ext(m, a[2], a[3]);
	if (op == OP_SPEC_CONSTANT_OP && n >= 3 && (is_float_arith(a[2]) || a[2] == 136))
		return "float arithmetic in a specialisation constant";
	if (op == OP_COOPERATIVE_MATRIX_MUL_ADD) {
		if (n < 5 || m->ids[a[0]].is_float)
			return "a cooperative matrix product of floats";
		if (n > 5 && a[5] & 0x10)
			return "a saturating cooperative matrix product";
	}
	return NULL;
}

/* Ids that the passes use as indices lie within the bound. */
static bool ids_ok(const struct module *m, u32 op, const u32 *a, u32 n)
{
	u32 k = 0;
	switch (op) {
	case OP_DECORATE:
	case OP_EXT_INST_IMPORT:
	case OP_TYPE_FLOAT:
		k = 1;
		break;
	case OP_TYPE_VECTOR:
	case OP_TYPE_MATRIX:
	case OP_TYPE_COOPERATIVE_MATRIX:
	case OP_FADD:
	case OP_FSUB:
	case OP_FMUL:
		k = 2;
		break;
	case OP_EXT_INST:
	case OP_COOPERATIVE_MATRIX_MUL_ADD:
		k = 3;
		break;
	}
	if (n < k || (op == OP_TYPE_FLOAT && n < 2))
		return false;
	for (u32 i = 0; i < k; i++)
		if (a[i] >= m->n_ids)
			return false;
	return true;
}

static const char *pass(
	struct module *m, const char *(*each)(struct module *, u32, const u32 *, u32), size_t *ret_at)
{
	for (size_t at = 5; at < m->n;) {
		u32 op = m->w[at] & 0xffff, len = m->w[at] >> 16;
		*ret_at = at;
		if (len == 0 || len > m->n - at)
			return "an instruction that ends beyond the module";
		if (!ids_ok(m, op, m->w + at + 1, len - 1))
			return "an id beyond the bound";
		const char *why = each(m, op, m->w + at + 1, len - 1);
		if (why)
			return why;
		at += len;
	}
	return NULL;
}

static const char *check_one(struct module *m, u32 op, const u32 *a, u32 n)
{
	return check(m, op, a, n);
}

const char *spv_check(const u32 *words, size_t n, size_t *ret_at)
{
	*ret_at = 0;
	if (n < 5 || words[0] != SPV_MAGIC)
		return "not a SPIR-V module";
	if (words[3] > SPV_IDS_MAX)
		return "too many ids";
	struct module m = { .w = words, .n = n, .n_ids = words[3] };
	m.ids = calloc(m.n_ids ? m.n_ids : 1, sizeof(*m.ids));
	if (!m.ids)
		return "out of memory";
	const char *why = pass(&m, declare, ret_at);
	if (!why)
		why = pass(&m, check_one, ret_at);
	free(m.ids);
	return why;
}
