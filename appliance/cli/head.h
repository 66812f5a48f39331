/* The log's newest checkpoint with the log's key, verified: what proofs are held against. */
#pragma once

#include "audit/tlog/checkpoint.h"
#include "cli/lines.h"

struct head {
	json_t *json;
	const char *note, *vkey;
	size_t len;
	struct note_key key;
	struct checkpoint cp;
};
void head_free(struct head *h);
#define _cleanup_head_ _cleanup_(head_free)
/* 0; otherwise an exit status, said. */
_must_use_ int head_ask(struct ctl *k, struct head *ret);

/* Ask, and take the one object that comes back. 0; otherwise an exit status, said. */
_must_use_ int head_one(struct ctl *k, const struct ctl_query *q, json_t **ret);
/* A string member with its length; NULL when there is none. */
const char *head_text(const json_t *o, const char *key, size_t *ret_len);
int head_malformed(void);
