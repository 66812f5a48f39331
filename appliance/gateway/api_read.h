/* Reading of bodies, among the files of it: each field has a function, and api_read.c the table of them. */
#pragma once

#include "gateway/api_forms.h"

struct reading {
	struct arena *arena;
	struct api_ask *ask;
	struct api_error *e;
	json_t *root;
	bool no_memory;
};

/* *e says that the field must be `want`, or why it is not served. They return 1. */
int api_wrong(struct reading *rd, const char *key, const char *want);
int api_cannot(struct reading *rd, const char *key, const char *why);
/* 0; 1 it is no integer of [min, max], and *e says so. */
_must_use_ int api_u32_in(struct reading *rd, const char *key, json_t *v, u32 min, u32 max, u32 *ret);

/* api_read_choices.c. 0; 1 *e says what is wrong. */
int api_on_n(struct reading *rd, const char *key, json_t *v);
int api_on_best_of(struct reading *rd, const char *key, json_t *v);
int api_on_logprobs(struct reading *rd, const char *key, json_t *v);
int api_on_include(struct reading *rd, const char *key, json_t *v);
int api_on_top_logprobs(struct reading *rd, const char *key, json_t *v);
int api_on_echo(struct reading *rd, const char *key, json_t *v);
