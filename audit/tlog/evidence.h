/* Evidence: an excerpt of a log that proves itself, as a directory that anybody can judge who knows the log's key.
 *
 *   entries.jsonl           records from to to - 1, as they were hashed, one a line
 *   range                   that these and no others stand there (range.h), with the checkpoint and its cosignatures
 *   log.vkey                the log's key, as the log itself said; who judges brings an own copy
 *   witness-policy          who must have cosigned; absent: nobody
 *   policy                  Keep's policy that was in force; absent: none was set
 *   context/<n>.json        what a record outside says that the above rests on, and
 *   context/<n>.tlog-proof  its proof: record 0, which names the key; the records that set the two policies
 *   report.html  README.txt  verify.py  …  for readers
 *   SHA256SUMS              of all these
 *   taken.json  taken.tlog-proof  the log's record that this excerpt was taken, which holds the digest of SHA256SUMS: so the log vouches for
 *                           every byte here
 */
#pragma once

#include "audit/tlog/policy.h"

#define EVIDENCE_SUMS	     "SHA256SUMS"
#define EVIDENCE_ENTRIES     "entries.jsonl"
#define EVIDENCE_RANGE	     "range"
#define EVIDENCE_KEY	     "log.vkey"
#define EVIDENCE_WITNESSES   "witness-policy"
#define EVIDENCE_POLICY	     "policy"
#define EVIDENCE_CONTEXT     "context"
#define EVIDENCE_TAKEN	     "taken.json"
#define EVIDENCE_TAKEN_PROOF "taken.tlog-proof"

struct evidence_params {
	const char *dir;
	const struct note_key *key; /* the log's, from elsewhere; NULL: believe log.vkey */
	bool unwitnessed;	    /* a checkpoint without the witnesses that the policy wants will do */
};
struct evidence_result {
	struct checkpoint checkpoint;
	u64 from, to;
	u32 n_witnesses; /* that cosigned */
	u32 n_files, n_context, n_reviews, n_questions;
	u64 n_open; /* intents in it that nothing in it answers */
	bool policy, witness_policy;
	char why[512];
};
/* Everything, again, from the bytes. 0 it holds; 1 it does not, ret->why names the file; -errno. */
_must_use_ int tlog_evidence_judge(const struct evidence_params *p, struct evidence_result *ret);

/* Write SHA256SUMS over every file of an open directory but those that come after it; *ret: its digest. 0; -errno. */
_must_use_ int tlog_evidence_sums(int dir, u8 ret[SHA256_BYTES]);
