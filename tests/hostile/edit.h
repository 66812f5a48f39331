/* A GGUF file taken apart, bent and put together again, for tests: a good model of a few KiB becomes one with something absurd in its header. The
 * file that comes in is trusted (a vector of tests/vectors/gguf); the one that goes out is not. */
#pragma once

#include "base/types.h"

#define EDIT_KVS_MAX	 96u
#define EDIT_TENSORS_MAX 96u
#define EDIT_BYTES_MAX	 (1u << 20) /* of the file that comes out */

struct edit_kv {
	const u8 *key, *value;
	u64 key_len, value_len;
	u32 type;
};
struct edit_tensor {
	const u8 *name;
	u64 name_len, ne[8], offset;
	u32 n_dims, type;
};
struct edit {
	u32 version, n_kvs, n_tensors;
	u64 say_kvs, say_tensors; /* what the head counts */
	struct edit_kv kvs[EDIT_KVS_MAX];
	struct edit_tensor tensors[EDIT_TENSORS_MAX];
	const u8 *data; /* behind the header */
	u64 data_len;
	u8 room[16384]; /* what edit_say has made: values and names */
	u32 used;
};

/* file [len] stays with the caller until the last edit_write. Aborts when it is no good GGUF of the size that fits here. */
void edit_open(struct edit *e, const u8 *file, u64 len);
/* Changes, separated by blanks; ".KEY" is "ARCHITECTURE.KEY":
 *   KEY=TYPE:VALUE      set or add; TYPE u8 i8 u32 i32 f32 f64 bool str u64 i64
 *   KEY=TYPE*N:VALUE    an array of N times that
 *   KEY=say:TYPE,N      an array's head that says N elements, and none of them
 *   -KEY                leave out
 *   TENSOR~FIELD:VALUE  FIELD type, dims, ne0 to ne4, offset, name
 *   -~TENSOR            leave out
 *   @version:N @kvs:N @tensors:N    the head
 * Aborts on anything else: a table is wrong then. */
void edit_say(struct edit *e, const char *changes);
/* The file, to be freed. */
u8 *edit_write(const struct edit *e, u64 *ret_len);
