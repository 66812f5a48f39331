/* One loaded model: what keepd granted, checked and brought onto the device, with everything that answering requests needs. */
#pragma once

#include "base/fd.h"
#include "proto.h"
#include "runtime/load.h"
#include "runtime/mask.h"
#include "runtime/model.h"
#include "runtime/plan.h"
#include "runtime/sampler.h"
#include "runtime/sched.h"
#include "runtime/tok.h"

enum grant_state { GRANT_FREE = 0, GRANT_COLLECTING, GRANT_LOADING, GRANT_READY };

struct grant {
	enum grant_state state;
	u64 id;
	struct proto_grant want;
	/* as they arrived */
	int layout_fd, segments_fd, *files;
	u32 n_files; /* files that have arrived */

	struct grant *
		target; /* given before grant_load where want.drafts_for is not 0: whose guesses it makes; NULL since that one is gone */

	/* since grant_load */
	struct rt_device *devices[RUNTIME_DEVICES_MAX]; /* that it may use, borrowed */
	u32 n_devices;
	struct plan plan;
	struct fd_map layout_map, segments_map;
	struct layout layout;
	struct segments segs;
	struct model model;
	struct load *load;
	struct load_place *places;
	struct rt_buf **weights;
	u32 n_weights;
	u64 weight_bytes, started_ns;
	f32 *rope_factors;

	/* when ready */
	struct model_work work, more[RUNTIME_DEVICES_MAX - 1]; /* of the plan's parts, in a chain */
	struct sched sched;
	struct sampler sampler;
	struct tok *tok;
	struct mask_trie trie;
	u32 ctx_tokens, kv_mode;
	struct proto_ready ready;
};

/* How to run it; zeros are what users get. Results do not depend on any of this. */
struct grant_params {
	struct rt_device *others[RUNTIME_DEVICES_MAX - 1]; /* further devices, borrowed */
	u32 n_others;
	u32 split[RUNTIME_DEVICES_MAX]; /* layers of each device; all 0: as they fit */
	u32 ctx_usual;			/* context of whoever does not say; 0: what plan.h says */
	u64 taken[RUNTIME_DEVICES_MAX]; /* bytes that other grants have of each device */
	u32 chunk, batch, kv_pages, tails, load_threads;
	bool no_cache, no_draft;
	u32 draft; /* chunk to here: as struct sched_params and struct plan_want have them */
	int wake;  /* eventfd that tells that loading has ended, or -1 */
};

/* What grant_load would make of the layout of g->layout_fd, whose digest g->want has: nothing is taken or read. Same outcomes. */
_must_use_ int grant_plan(struct grant *g, struct rt_device *d, const struct grant_params *p,
	struct proto_load_failed *ret_failed);
/* Bytes that a grant has of device d; 0 before it is loaded. */
u64 grant_bytes(const struct grant *g, const struct rt_device *d);
/* Begin: the tables are checked against the grant and each other, memory is taken, threads read. The descriptors are owned by the grant.
 * 0; 1 refused, *ret_failed says why; -errno. */
_must_use_ int grant_load(struct grant *g, struct rt_device *d, const struct grant_params *p,
	struct proto_load_failed *ret_failed);
/* After load_ended: make what answering needs. Same outcomes. */
_must_use_ int grant_ready(
	struct grant *g, const struct grant_params *p, struct proto_load_failed *ret_failed);
/* A ready grant with a target begins to guess for it; no more, before either of them goes. */
void grant_attach(struct grant *g);
void grant_detach(struct grant *g);
/* Overwrite and free everything; the scheduler holds no sequence any more. Any state. */
void grant_fini(struct grant *g);

u64 clock_ns(void);
