/* The pipeline table: every way in which a kernel of kernels.h can be computed on a Vulkan device. All rows of a kernel give the same
 * bits. A device takes, for calls of one column (work_y == 1) and of several, the best row that it can run. */
#pragma once

#include "shaders/kernels.h"

enum pipeline_needs {
	PIPELINE_INT_DOT = 1, /* shaderIntegerDotProduct: packed dot product of int8 */
	PIPELINE_ON_CPU = 2,  /* chosen only on a driver that runs on a CPU */
	PIPELINE_ON_GPU = 4,  /* chosen only on hardware */
	PIPELINE_COOPMAT =
		8, /* int8 cooperative matrix of a shape that mul_mat_cm.comp can use; the device gives the tile */
	PIPELINE_K_16 = 16,    /* and of at most 16 along K */
	PIPELINE_UNIFORM = 32, /* a driver on a CPU that loads once what all lanes read alike */
};

struct pipeline_row {
	enum kernel kernel;
	const char *variant; /* "base", "lane8.dot": unique within a kernel */
	const u32 *spirv;
	u32 spirv_bytes;
	u32 items_x, items_y; /* items of work that one workgroup does */
	u32 n_spec;
	u32 spec[5]; /* specialisation constants 0, 1, … */
	u32 experts; /* which of them is EXPERTS of columns.glsl: 0 as listed, or 1; of kernels that are no products 0 */
	u32 needs; /* enum pipeline_needs */
};

/* In rising order of preference: a later row of a kernel is better where it can run. */
extern const struct pipeline_row pipeline_rows[];
extern const u32 pipeline_rows_n;

/* An int8 cooperative matrix of one subgroup: sums [m, n] of products along k. m 0: none. */
struct pipeline_tile {
	u32 lanes, m, n, k;
};
/* Is that a shape that mul_mat_cm.comp can use? */
bool pipeline_tile_fits(const struct pipeline_tile *t);

/* What a device offers. */
struct pipeline_caps {
	bool cpu, int_dot, uniform;
	struct pipeline_tile tile;
	const char *
		only; /* NULL, or prefer rows whose variant starts with this, whatever ON_CPU and ON_GPU say (tests) */
};

/* Can a device with those abilities compute this row correctly? (Whether it would choose it is another question.) */
bool pipeline_row_runs(const struct pipeline_row *row, const struct pipeline_caps *caps);
/* Have products of experts pipelines of their own, so that others do not pay for them? Not on drivers on a CPU, which take long to compile; there tests that
 * prefer rows have them too. */
bool pipeline_experts_apart(const struct pipeline_caps *caps);
/* The row with the constants and items that a device with those abilities gives it; with `experts` as a product of experts takes it. */
struct pipeline_row pipeline_row_resolve(
	const struct pipeline_row *row, const struct pipeline_caps *caps, bool experts);
/* The rows that a device uses for `kernel`: ret[0] for one column, ret[1] for several (the same row where the kernel has only one). */
void pipeline_rows_choose(const struct pipeline_row *rows, u32 n, const struct pipeline_caps *caps,
	enum kernel kernel, const struct pipeline_row *ret[2]);
/* SHA-256 over name, variant, constants and code of the chosen rows of all kernels, in table order. */
void pipeline_rows_digest(
	const struct pipeline_row *rows, u32 n, const struct pipeline_caps *caps, u8 ret[32]);
