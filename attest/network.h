/* What the files that read the network's hyper-parameters share: a header under way, and rows of keys with their ranges. */
#pragma once

#include "attest/internal.h"

struct reader {
	const struct gguf *g;
	const struct arch *arch;
	struct layout_header *h;
	struct arena *arena;
	struct layout_layer *layers; /* NULL while all are alike */
	struct attest_report *report;
	char key[128]; /* the last one that was asked for */
};

/* The key with the architecture's name before it, in r->key. */
const char *network_key(struct reader *r, const char *suffix);
/* Reject, naming the key: it is missing; what it says contradicts something. 1. */
int network_missing(struct reader *r);
int network_contradiction(struct reader *r, const char *suffix, const char *why);

struct int_row {
	const char *key;
	u32 *at;
	u32 lo, hi;
	bool required; /* else *at holds the default */
	bool layers;   /* may differ between them: the largest is wanted */
};
/* 0, or 1 rejected. */
int network_ints(struct reader *r, const struct int_row *rows, size_t n);

struct float_row {
	const char *key;
	f32 *at;
	f32 lo, hi;
	bool required, zero; /* zero: 0 is allowed too, and means none */
};
int network_floats(struct reader *r, const struct float_row *rows, size_t n);
/* Is that key's number other than 0? *ret stays when it is absent. 0, or 1 rejected. */
int network_is_set(struct reader *r, const char *suffix, bool *ret);
/* A row for each layer in r->layers, all alike so far. 0; -ENOMEM. */
int network_layers_make(struct reader *r);

/* network_experts.c: the mixture of experts, from the number of layers on; those that only draft are left out of it. 0; 1; -ENOMEM. */
int network_experts(struct reader *r);
