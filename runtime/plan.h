/* Placement: which layers of a model are computed where, and what that takes. Made before anything is loaded, and what is loaded is what it says: the
 * same functions count here and take there. Reads no weight and asks no device for anything but its figures. */
#pragma once

#include "proto.h"
#include "runtime/model.h"

struct plan_want {
	const struct rt_device_info *devices; /* in the order in which they are filled */
	u32 n_devices;
	const u64 *taken; /* [n_devices] bytes that other models have there */
	u32 split
		[RUNTIME_DEVICES_MAX]; /* layers of each device; all 0: as they fit, on as few devices as will do */
	u32 kv_mode, ctx_tokens;       /* 0: the default */
	u32 ctx_usual; /* what is the default, where the model was trained on as much; 0: as many from CTX_TOKENS_DEFAULT
			  to CTX_TOKENS_USUAL as leave half of the memory behind the weights free */
	u32 kv_pages;	  /* of the cache; 0: as many as memory allows, at most KV_CONTEXTS contexts */
	u32 tails;	  /* full windows that the layers with one hold; 0: KV_TAILS */
	u32 chunk, batch; /* as struct sched_params has them */
};

struct plan {
	struct proto_plan p;
	u32 device[RUNTIME_DEVICES_MAX]; /* of each part: its index among the devices */
	u32 kv_pages;
	u32 *layer_of; /* of each tensor (model_layers_of); to be freed by plan_fini */
};

/* 0: a plan, which fits or does not; 1: no plan can be made, ret_p->text says why; -ENOMEM. */
_must_use_ int plan_make(
	const struct layout *l, const struct model *m, const struct plan_want *w, struct plan *ret);
void plan_fini(struct plan *p);
/* The part that tensor t lies in. */
u32 plan_part_of(const struct plan *p, u32 t);
/* What the buffers of a part are made with; rope_factors is for the caller to set. */
struct model_work_params plan_work_params(const struct model *m, const struct plan_want *w,
	const struct plan *p, u32 part, const struct rt_device_info *info);
/* Memory of a device that a model may use: what its driver says, or that of the machine, less a part for the driver itself. */
u64 plan_memory(const struct rt_device_info *info);
/* "A, layers 0 to 11; B, layers 12 to 23", or just "A": for records, cut to len. */
void plan_devices(const struct proto_plan *p, char *ret, size_t len);
