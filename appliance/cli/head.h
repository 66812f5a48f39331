/* The log's newest checkpoint with the log's key, verified: what proofs are held against. */
#pragma once

#include "audit/tlog/checkpoint.h"
#include "cli/lines.h"

struct head {
	json_t *json;
	const char *note, *vkey;
	size_t len;
	struct note_key key;   /* the one that signs now */
	struct note_key *past; /* those before it, n_past of them */
	size_t n_past;
	struct checkpoint cp;
};
void head_free(struct head *h);
#define _cleanup_head_ _cleanup_(head_free)
/* 0; otherwise an exit status, said. */
_must_use_ int head_ask(struct ctl *k, struct head *ret);

/* A checkpoint of this log, by any of its keys. 0 now; 1 by an earlier key; 2 not signed by this log, or malformed. */
_must_use_ int head_opens(const struct head *h, const char *note, size_t len, struct checkpoint *ret);

/* Ask, and take the one object that comes back. 0; otherwise an exit status, said. */
_must_use_ int head_one(struct ctl *k, const struct ctl_query *q, json_t **ret);
/* A string member with its length; NULL when there is none. */
const char *head_text(const json_t *o, const char *key, size_t *ret_len);
int head_malformed(void);
