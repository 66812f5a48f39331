/* What more than one socket carries. */
#pragma once

#include "base/ipc.h"
#include "base/limits.h"

/* A model's name for ever: SHA-384 of the statement that its publisher signed. */
#define MODEL_DIGEST_BYTES 48u

enum kv_mode { KV_DEFAULT = 0 /* f32 for f32 models, else f16 */, KV_F32 = 1, KV_F16 = 2, KV_INT8 = 3 };

struct proto_index {
	u32 index, reserved;
};
SIZE_PIN(proto_index, 8);
struct proto_file {
	u64 bytes;
	u64 offset;	     /* 0: the whole file; else bytes from there on, of a longer one */
	u32 index, reserved; /* 0, 1, 2, … */
	char path[PATH_LEN_MAX + 1];
};
SIZE_PIN(proto_file, 536);
struct proto_progress {
	u64 done, total; /* bytes, or records */
	char what[64];
};
SIZE_PIN(proto_progress, 80);
struct proto_data {
	u64 bytes;
};
SIZE_PIN(proto_data, 8);
