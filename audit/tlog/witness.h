/* A witness: C2SP tlog-witness 1.0.0, add-checkpoint, without its HTTP.
 *
 *   request = "old" SP n LF 0..63(hash LF) LF checkpoint
 *   answer  = 200 and a cosignature line; 409 and "<n>\n"; 400, 403, 404, 422 and a sentence
 *
 * The same bodies travel as files or on paper where there is no network. What the witness has seen of each log lies in its directory:
 *
 *   key                         its secret key, mode 0600
 *   logs                        vkeys of the logs that it knows, one a line
 *   <hex SHA-256(origin)>/checkpoint
 *                               the newest one that it cosigned, with the log's signatures and its own: what a monitor may fetch
 *
 * A request is judged and the new checkpoint is durable, under a lock, before the answer exists. */
#pragma once

#include "audit/tlog/checkpoint.h"

#define WITNESS_PROOF_MAX 63u /* hashes of a request's consistency proof, as the format says */

/* A request whose form is right up to the signatures; points into its bytes. */
struct witness_request {
	u64 old;
	u32 n_proof;
	struct merkle_hash proof[WITNESS_PROOF_MAX];
	bool signatures_bad; /* the text is a checkpoint's, but what stands behind it are no signature lines */
	struct note note;
	const char *checkpoint; /* the note, whole */
	size_t checkpoint_len;
	struct checkpoint cp;
};
/* 0 done; 1 malformed. */
_must_use_ int tlog_witness_read(const void *data, size_t len, struct witness_request *ret);
/* Write a request; *ret to be freed. 0; -ENOMEM. */
_must_use_ int tlog_witness_write(u64 old, const struct merkle_proof *proof, const char *note,
	size_t note_len, char **ret, size_t *ret_len);

/* What the witness last cosigned of a log; size 0 and seen false: nothing. */
struct witness_seen {
	bool seen;
	u64 size;
	struct merkle_hash root;
};
/* HTTP status of a request against what was seen, with the log keys that the witness knows: 200 means that it may be cosigned. */
_must_use_ u32 tlog_witness_judge(const struct witness_request *q, const struct note_key *logs, size_t n_logs,
	const struct witness_seen *seen);

struct witness_answer {
	u32 status;
	char body[NOTE_SIGNATURE_MAX + 64];
	struct checkpoint cp; /* 200 */
};

/* ---- in a directory (witness_dir.c) ---- */

struct witness {
	int dir, lock;
	struct note_key key;
	struct note_key logs[WITNESS_LOGS_MAX];
	size_t n_logs;
};
/* Open the directory, make it and a key when it has none (create), and hold its lock. name: of a new key; NULL: derived from it.
 * 0 done; 1 not a witness's directory, or damaged, or no such name, why[cap]; -errno. */
struct witness_open {
	const char *dir, *name;
	bool create;
};
_must_use_ int tlog_witness_open(const struct witness_open *o, struct witness *ret, char *why, size_t cap);
void tlog_witness_close(struct witness *w);
#define WITNESS_NONE                  \
	{                             \
		.dir = -1, .lock = -1 \
	}
#define _cleanup_witness_ _cleanup_(tlog_witness_close)
/* Know a log, for this process only, or for ever (keep). 0 done, or it is known; 1 one too many, or not a log's key; -errno. */
_must_use_ int tlog_witness_add_log(struct witness *w, const struct note_key *log, bool keep);
/* The newest checkpoint of an origin, as it is stored: *ret to be freed. 0; 1 none; 2 it is damaged; -errno. */
_must_use_ int tlog_witness_newest(const struct witness *w, const char *origin, char **ret, size_t *ret_len,
	struct witness_seen *ret_seen);
/* Judge a request and, when it holds, store it and cosign it as of `now` (seconds, not 0). 0 done, *ret; 1 the state is damaged;
 * -errno, and nothing was answered. */
_must_use_ int tlog_witness_answer(
	struct witness *w, const void *data, size_t len, u64 now, struct witness_answer *ret);
