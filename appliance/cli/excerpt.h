/* Records FROM to TO - 1 of the log, each seen once, and proven against the checkpoint: what a sign-off and an evidence bundle rest on. */
#pragma once

#include "audit/tlog/range.h"
#include "cli/head.h"

struct excerpt {
	u64 from, to;
	struct head head; /* whose key this log has */
	json_t *json;	  /* what `text` lies in */
	const char *text; /* the range proof, as a file */
	size_t len;
	struct tlog_range range;
	struct checkpoint cp; /* that it proves against */
	bool witnessed;
	struct merkle_hash root_to; /* of the log's first `to` records */
};
void excerpt_fini(struct excerpt *e);
#define _cleanup_excerpt_ _cleanup_(excerpt_fini)

struct excerpt_params {
	u64 from, to;
	const char *purpose; /* in the record that the log was read */
	int (*line)(void *arg, u64 index, const char *s,
		size_t len); /* non-zero stops: an exit status, said. May be NULL */
	void *arg;
};
/* 0: the records are those that the log signed; otherwise an exit status, said. */
_must_use_ int excerpt_read(struct ctl *k, const struct excerpt_params *p, struct excerpt *ret);
