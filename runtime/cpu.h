/* The native CPU device: the same ops and the same bits as the references, by kernels made for the instruction set at hand. One file per
 * object: cpu_isa (what the machine has), cpu_pool (threads), cpu_pack (weights as panels), cpu_mul (products of quantised weights),
 * cpu_q_*.c (their inner loops, one file an instruction set), cpu_rows and cpu_attention (the other ops), cpu_device (buffers, calls).
 * Nothing outside cpu_*.c, device.c, device_list.c and tests includes this. */
#pragma once

#include "runtime/dev.h"

/* Unrolled by hand, so that accumulators stay in registers; not under sanitizers, whose checks make such code take minutes to compile. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CPU_UNROLL(n)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CPU_UNROLL(n)
#endif
#endif
#ifndef CPU_UNROLL
#define CPU_PRAGMA(text) _Pragma(#text)
#define CPU_UNROLL(n)	 CPU_PRAGMA(GCC unroll n)
#endif

#define CPU_NAME	"CPU native" /* the device's name begins so */
#define CPU_THREADS_MAX 16u	     /* more share the memory's bandwidth without adding to it */
#define CPU_PANEL	16u	     /* rows of a panel of packed weights: lanes of the widest vectors */
#define CPU_TILE_MAX	48u	     /* columns of a tile at most */

/* ---- cpu_isa.c ---- */

enum cpu_level { CPU_PORTABLE, CPU_AVX2, CPU_AVX512, CPU_NEON, CPU_LEVELS_N };

/* Attributes of functions that a compiler turns into vectors of that level. */
#ifdef __x86_64__
#define CPU_ATTR_AVX2 __attribute__((target("avx2")))
#ifdef __clang__
#define CPU_ATTR_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#else
#define CPU_ATTR_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512")))
#endif
#endif

/* Does this machine, with this build, run kernels of that level? */
bool cpu_level_runs(enum cpu_level level);
enum cpu_level cpu_level_best(void);
const char *cpu_level_name(enum cpu_level level); /* "avx512-vnni" */
/* The name that the processor gives itself, or its architecture. */
void cpu_model_name(char *ret, size_t cap);

/* ---- cpu_pool.c ---- */

/* Threads that share the items of one job at a time with whoever calls. Each begins with its own part, in shares; who is done takes shares of the
 * others, so a thread on a slow or busy core does fewer. Between jobs a thread looks for the next one for some microseconds, then sleeps. */
struct cpu_pool;
typedef void cpu_job_fn(const void *arg, u32 thread, u32 first, u32 end); /* thread < cpu_pool_threads */

/* threads >= 1 counts the caller. Fewer are used when the system gives fewer. 0; -ENOMEM. */
int cpu_pool_create(u32 threads, struct cpu_pool **ret);
struct cpu_pool *cpu_pool_destroy(struct cpu_pool *p);
u32 cpu_pool_threads(const struct cpu_pool *p);
/* Processors that this process may run on, at most CPU_THREADS_MAX. */
u32 cpu_threads_of_machine(void);
/* Run all items in shares of at most step, and return when all are done. One caller at a time. */
void cpu_pool_run(struct cpu_pool *p, cpu_job_fn *run, const void *arg, u32 items, u32 step);

/* ---- cpu_pack.c ----
 *
 * A packed matrix holds the bytes of the file in another order, in the same place: its rows in panels of CPU_PANEL, the rows beyond the last
 * whole panel as in the file. In a panel the same 32-bit word of the same block of all rows stands together, row 0 first:
 *   Q4_K, Q5_K          blocks [words of the block][16 rows]
 *   Q4_1, Q5_1, Q2_K, IQ4_XS, NVFP4   the same
 *   Q8_0, Q4_0, Q5_0, IQ4_NL, Q3_K, Q6_K, MXFP4   pairs of blocks (the last may be alone): scales d [1 or 2][16] u16, of
 *                       MXFP4 u8, then as above. Q6_K's words in the
 *                       order sc 0..3, then for h 0..1, i 0..7: low[16 h + i], low[16 h + 8 + i], high[8 h + i]
 * Matrices of other types stay as in the file. */

bool cpu_packs(u32 type); /* the others of this part: only types that it is true of */
/* Turn rows 16 first .. 16 end of the matrix at w into panels, or back. scratch: 16 * row_bytes. */
void cpu_pack_panels(u32 type, u32 k, u8 *w, u32 first, u32 end, u8 *scratch);
void cpu_unpack_panels(u32 type, u32 k, u8 *w, u32 first, u32 end, u8 *scratch);
/* Block b of row r of a packed matrix as in the file. */
void cpu_packed_block(u32 type, u32 k, const u8 *w, u32 n_rows, u32 r, u32 b, u8 *ret);

/* ---- cpu_q_*.c ----
 *
 * y[c, 0..15] (rows of y are stride floats apart) of one panel and the columns of one tile, c < cols <= width of the tile.
 * x is the tile as cpu_mul.c lays it out, a record a block of the weights (width words each of what stands in brackets). S are sums of
 * activations, bias is cpu_weights_bias:
 *   blocks of 32           [8] four int8 each, [1] -bias * S, or with minima (Q4_1, Q5_1) S as float, [1] scale
 *   NVFP4, of terms of 32  [8] four int8 each, [2] -bias * S of 16, [1] scale
 *   Q4_K, Q5_K             [64] four int8 each, [4] S of 32 as pairs of int16: (0, 2) (1, 3) (4, 6) (5, 7), [1] scale
 *   Q2_K                   [64] four int8 each, [8] S of 16 as such pairs, [8] 0, [1] scale
 *   IQ4_XS                 [64] four int8 each, [8] -bias * S of 32, [8] 0, [1] scale
 *   others of 256          [64] four int8 each, [16] -bias * S of 16, [1] scale */
struct cpu_tile {
	const u8 *panel;
	const u32 *x;
	f32 *y;
	size_t stride;
	u32 type, cols;
	u32 blocks; /* terms of a row: blocks, but two a block of NVFP4 */
};
typedef void cpu_tile_fn(const struct cpu_tile *t);

struct cpu_tile_kernel {
	u32 width; /* 0 ends the list; ascending, from 1 */
	cpu_tile_fn *run;
};
/* Kernels for products of that weight type, or NULL. */
const struct cpu_tile_kernel *cpu_q_avx2(u32 type);
const struct cpu_tile_kernel *cpu_q_avx512(u32 type);
const struct cpu_tile_kernel *cpu_q_neon(u32 type);

/* ---- cpu_block.c, cpu_block_*.c: a block of a panel unpacked, then multiplied by what all types share ---- */

/* What is added to the values of a type, so that a kernel may read them as bytes without a sign. */
u32 cpu_weights_bias(u32 type);

/* 256 elements of the 16 rows of a panel: value = sc * w * d - mins * dmin. */
struct cpu_block {
	i8 w[64][CPU_PANEL][4]
		__attribute__((aligned(64))); /* of each row elements 4 i .. 4 i + 3; or plus the bias */
	i32 sc[16][CPU_PANEL] __attribute__((aligned(64)));
	u32 mins[4][CPU_PANEL] __attribute__((aligned(64))); /* a byte each; only Q2_K has some */
	f32 d[CPU_PANEL] __attribute__((aligned(64))), dmin[CPU_PANEL] __attribute__((aligned(64)));
};
/* w (without bias), sc and d of block `block` of a panel whose rows stand as in the file. */
void cpu_block_unpack(const struct cpu_tile *t, u32 block, struct cpu_block *ret);
/* For the types that cpu_q_* do not have; NULL: none. */
const struct cpu_tile_kernel *cpu_block_avx2(u32 type);
const struct cpu_tile_kernel *cpu_block_avx512(u32 type);
const struct cpu_tile_kernel *cpu_block_neon(u32 type);

/* ---- cpu_f_avx512.c ---- */

/* Products of F16 and BF16 weights; NULL for other kernels. */
kernel_ref_fn *cpu_f_avx512(enum kernel k);

/* ---- cpu_rows_avx512.c ---- */

/* quantize and rope; NULL for other kernels. */
kernel_ref_fn *cpu_rows_avx512(enum kernel k);

/* ---- cpu_mul.c ---- */

#define CPU_TILES_BYTES \
	(32u << 20) /* activations of one call, laid out; calls with more columns go in parts */

struct cpu_mul {
	const struct cpu_tile_kernel *kernels;
	u32 type, k, n_out;
	u32 first, cols; /* columns that are computed, of `rows` that act has */
	u32 rows;
	const u8 *w; /* packed */
	const void *act;
	f32 *y;	    /* of column 0 */
	u32 *tiles; /* CPU_TILES_BYTES */
};
/* What mul_mat_q computes. Returns how many bytes of tiles may have been written. */
size_t cpu_mul_run(struct cpu_pool *pool, const struct cpu_mul *m);
/* Rows first .. end of it by the reference; w as in the file. */
void cpu_mul_reference(const struct cpu_mul *m, u32 first, u32 end);

/* ---- cpu_rows.c, cpu_attention.c: in place of a reference, on the same arguments; items as there, but for attention ---- */

/* NULL: no better than the reference. */
kernel_ref_fn *cpu_rows_kernel(enum cpu_level level, enum kernel k);
kernel_ref_fn *cpu_attention_kernel(enum cpu_level level, enum kernel k);
/* Items of an attention: heads of K and V times groups of rows. */
u32 cpu_attention_items(const void *push);

/* ---- cpu_device.c ---- */

struct cpu_params {
	enum cpu_level level; /* one that runs here */
	u32 threads;	      /* 0: as many as cores, at most CPU_THREADS_MAX */
};
int cpu_open_with(const struct cpu_params *p, struct rt_device **ret);
/* What cpu_open would say of itself, without opening. */
void cpu_info(enum cpu_level level, struct rt_device_info *ret);
