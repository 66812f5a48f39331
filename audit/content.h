/* What records say of requests and answers, and the texts that are kept of them: by the setting (audit/retain.h), per subject
 * (audit/subject.h).
 *
 * A request's text is the sealed request itself, as it came with BEGIN; an answer's comes from the runtime before its outcome, as a sealed
 * memory file. keepd reads neither: it hashes, compares, seals and stores bytes. A replay never keeps a text, and says what its original says,
 * under the original's subject: so that nobody's text lives on under somebody else's key. */
#pragma once

#include "audit/dual.h"

/* What the records of one exchange may say. subject is NULL with digests. Fills in all but intent. NULL; else why the request must not be
 * let through. */
_must_use_ const char *content_exchange(
	struct keepd *k, const struct session *s, u64 replay_of, struct exchange *ret);
/* The digest, or the commitment to it: what a record shows. ret may be digest. */
void content_shown(const struct exchange *x, const u8 digest[SHA256_BYTES], u8 ret[SHA256_BYTES]);
/* The last fields of a record of the exchange: nothing with digests. */
void content_fields(const struct exchange *x, struct audit_record *rec, bool request, bool retained);
/* Seal and store a text of the exchange, behind the append of its record. A failure fails the log. */
void content_keep(struct keepd *k, const struct exchange *x, u64 index, const void *text, size_t len);
/* Bytes of disk that keeping a text takes: in the write-ahead log, then in the database. */
u64 content_room(const struct exchange *x, u64 bytes);

/* Has the runtime handed over another text than the one whose digest it reports? */
bool content_answer_wrong(const struct ticket *t, const u8 text[SHA256_BYTES]);
/* Is the answer there, and room for it? The reserve is not touched: rather an outcome without its text. */
bool content_answer_kept(struct keepd *k, const struct ticket *t);

/* For audit_search_texts; keepd is a struct keepd. */
struct audit_search_row;
int content_search(void *keepd, const struct audit_search_row *row, bool *ret_looked);

/* ---- frames ---- */

int text_frame(struct conn *c, struct ipc_frame *f);	       /* a client wants to read a text */
int content_answer_frame(struct conn *c, struct ipc_frame *f); /* the runtime hands one over */

/* ---- erase.c ---- */

/* An act of two people (dual.h): everything that is kept of a subject is destroyed. */
bool erase_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int erase_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
/* Behind the commit: destroy the slot, scrub, record. 0; -errno. */
_must_use_ int erase_effect(struct keepd *k);
/* At start: finish what a crash interrupted. Outside of a transaction; the records that it appends are to be committed. 0; -errno. */
_must_use_ int erase_resume(struct keepd *k, const struct audit_check *c);
