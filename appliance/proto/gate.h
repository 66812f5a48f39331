/* The gate socket: what keepd lets keep-runtime do, and what came of it. How a request ended is in session.h. */
#pragma once

#include "base/ipc.h"
#include "base/sha256.h"
#include "proto/common.h"

struct proto_grant {
	u8 model[MODEL_DIGEST_BYTES];
	/* digests of the two tables, as recorded at acceptance */
	u8 segments[SHA256_BYTES], layout[SHA256_BYTES];
	u32 n_files, kv_mode, ctx_tokens, reserved;
	u64 drafts_for; /* a grant that is loaded: this one serves no session, and guesses what that one says next; 0: none */
};
SIZE_PIN(proto_grant, 136);
struct proto_session {
	u64 grant;
	u64 principal; /* requests of different principals never share a prefix */
};
SIZE_PIN(proto_session, 16);
struct proto_ticket {
	u64 session;
	u64 index; /* of the intent record */
	u8 digest[SHA256_BYTES];
	u32 keep;	 /* 1: what is said is wanted too, by ANSWER */
	u32 tokens_max;	 /* of prompt and answer together; 0: as many as the context holds */
	u32 tokens_ever; /* what it could be at most if nothing had been used: >= tokens_max */
	u32 reserved;
};
SIZE_PIN(proto_ticket, 64);
struct proto_answer {
	u64 session;
	u64 bytes;
};
SIZE_PIN(proto_answer, 16);
/* How far a session's requests are: for those who watch, decides nothing. */
struct proto_busy {
	u32 running, reserved; /* requests that have a place in the steps; the other open ones wait */
	u64 read, written;     /* tokens of the session so far: of its prompts, computed; of its answers */
};
SIZE_PIN(proto_busy, 24);
struct proto_ready {
	char device[128], driver[128];
	u8 kernel_set[SHA256_BYTES];
	u32 numerics, kv_mode, ctx_tokens, n_vocab;
	u64 weight_bytes, kv_bytes, work_bytes;
	u64 load_ns;
};
SIZE_PIN(proto_ready, 336);
/* What a model would take where, before anything of it is loaded. */
struct proto_plan_part {
	char device[128];
	u64 have, taken; /* memory of the device that a model may use, and what other models have of it */
	u64 weights, kv, work; /* bytes of this one */
	u32 first, end;	       /* layers, the first and the one behind the last */
};
SIZE_PIN(proto_plan_part, 176);
struct proto_plan_remedy {
	u32 kv_mode, ctx_tokens;
};
SIZE_PIN(proto_plan_remedy, 8);
#define PLAN_REMEDIES_MAX 4u
struct proto_plan {
	u32 fits; /* 0: not so; text says why, and where there are settings that would do, they are the remedies */
	u32 n_parts, n_remedies, n_layers;
	u32 kv_mode, ctx_tokens, ctx_train;
	u32 kv_tokens; /* that the cache holds, of all requests at once */
	u32 window,
		tail_tokens; /* layers with that window hold so many; tail_tokens 0: as many as the others */
	char text[REASON_LEN_MAX + 1];
	struct proto_plan_remedy remedy[PLAN_REMEDIES_MAX];
	struct proto_plan_part part[RUNTIME_DEVICES_MAX];
};
SIZE_PIN(proto_plan, 1736);
enum load_reason {
	LOAD_SEGMENT = 1, /* a digest differs: quarantine */
	LOAD_LAYOUT,
	LOAD_MEMORY,
	LOAD_IO,
	LOAD_DEVICE,
	LOAD_UNSUPPORTED
};
struct proto_load_failed {
	u32 reason, file; /* file: index, LAYOUT_NONE where it is none */
	u64 offset;	  /* of the segment in the file */
	char text[REASON_LEN_MAX + 1];
};
SIZE_PIN(proto_load_failed, 272);
