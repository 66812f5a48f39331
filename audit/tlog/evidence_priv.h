/* Inside of judging evidence: evidence.c the log, evidence_files.c the files and the sign-offs. */
#pragma once

#include "audit/tlog/evidence.h"
#include "audit/tlog/merkle.h"

struct evidence_file {
	u8 *data;
	size_t len;
};
void evidence_file_free(struct evidence_file *f);
#define _cleanup_evidence_file_ _cleanup_(evidence_file_free)

/* A sign-off in the excerpt: of a log whose first `to` records have this root. */
struct evidence_review {
	u64 index, to;
	struct merkle_hash root;
};

/* Which record names something, and is that what lies here? */
struct evidence_named {
	u64 index;
	bool fits;
};

struct evidence {
	const struct evidence_params *p;
	struct evidence_result *ret;
	int dir;
	struct note_key key;
	struct tlog_policy *policy;
	u8 policy_digest[SHA256_BYTES], witnesses_digest[SHA256_BYTES];
	struct evidence_named key_named, policy_named,
		witnesses_named; /* by the newest record that names one */
	struct evidence_review *reviews;
	size_t n_reviews;
};

struct evidence_record {
	char event[32];
	u64 intent;	    /* UINT64_MAX: answers none */
	const char *fields; /* from the actor on */
	size_t len;
};

int evidence_bad(struct evidence *e, const char *fmt, ...) _printf_(2, 3);
/* 0 done; 1 it is missing, or no regular file, said; -errno. */
_must_use_ int evidence_load(struct evidence *e, const char *path, u64 max, struct evidence_file *ret);
/* Does the record hold ,"key":"<hex>"? */
bool evidence_has_hex(const struct evidence_record *r, const char *key, const u8 digest[SHA256_BYTES]);

/* Every file is listed with its digest, every digest is that of a file; *ret: of the list. 0; 1; -errno. */
_must_use_ int evidence_sums_judge(struct evidence *e, u8 ret[SHA256_BYTES]);
/* A record of a sign-off: its signature, and that the record says the same. 0; 1; -errno. */
_must_use_ int evidence_review_add(struct evidence *e, const struct evidence_record *r, u64 index);
/* The roots that sign-offs name, where this excerpt can know them. 0; 1; -errno. */
_must_use_ int evidence_reviews_judge(
	struct evidence *e, const struct merkle *before, const struct evidence_file *entries);
