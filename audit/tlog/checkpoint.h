/* Checkpoints: C2SP tlog-checkpoint 1.0.0.
 *
 *   checkpoint = origin LF size LF base64(root) LF *(extension LF), signed as a note
 *
 * The origin is any non-empty line; a log's key is named as its origin. Extension lines are carried along and never read. */
#pragma once

#include "audit/tlog/note.h"

struct checkpoint {
	char origin[NOTE_NAME_MAX + 1];
	u64 size;
	struct merkle_hash root;
	u32 n_extensions;
};

#define CHECKPOINT_TEXT_MAX (NOTE_NAME_MAX + 80u) /* bytes of a text of ours, with its 0 */

/* The text of a checkpoint; out holds CHECKPOINT_TEXT_MAX. */
void tlog_checkpoint_text(
	const char *origin, u64 size, const struct merkle_hash *root, char *out, size_t cap);
/* Read a checkpoint's text, strictly: a decimal size without leading zero, a canonical root of 32 bytes, no empty line.
 * 0 done; 1 malformed, or an origin longer than NOTE_NAME_MAX. */
_must_use_ int tlog_checkpoint_read(const char *text, size_t len, struct checkpoint *ret);
/* Is it a key of the log with that origin? Its name is the origin; one log from before that rule has another. */
bool tlog_checkpoint_key_fits(const struct checkpoint *c, const struct note_key *k);
