/* Sign-offs: an auditor's word on a range of a log, signed with the auditor's own key.
 *
 * The text of a C2SP signed note:
 *
 *   keep review v1 LF
 *   <origin of the log> LF
 *   range SP <from> SP <to> LF		records from to to - 1
 *   root SP <base64> LF		of the log's first <to> records: what was reviewed is that log and no other
 *   key SP <vkey> LF			that signs this note
 *   time SP <seconds of UTC> LF
 *   remark SP <text> LF		one line
 *   *(question SP <text> LF)		what stays open, one line each
 *
 * It can be signed on another machine than the log's, by a key that never was on it. */
#pragma once

#include "audit/tlog/checkpoint.h"

#define REVIEW_LINE_MAX 1000u /* bytes of a remark or question */

struct tlog_review {
	char origin[NOTE_NAME_MAX + 1];
	u64 from, to, time;
	struct merkle_hash root;
	struct note_key key;
	struct tlog_line remark;
	u32 n_questions;
	struct tlog_line
		question[REVIEW_QUESTIONS_MAX]; /* these point to the text that they were read from */
};

/* The text that is signed, to be freed. 0 done; 1 a remark or question is empty, too long or not one line; -ENOMEM. */
_must_use_ int tlog_review_text(const struct tlog_review *r, char **ret);
/* The form of a text. 0 done; 1 malformed. */
_must_use_ int tlog_review_read(const char *text, size_t len, struct tlog_review *ret);
/* A whole note: its form, and the signature of the key that it names. 0 it holds; 1 malformed; 2 the signature is not of that key. */
_must_use_ int tlog_review_open(const char *note, size_t len, struct tlog_review *ret);
