/* What is kept, for how long, and what holds it: the part of the state that privacy and retention need. Like all state it lies in memory
 * whole, its rows are written in the transaction of the record that speaks of them, and its digest is in every record that changes state.
 *
 * Nothing is ever deleted by itself. A text goes when its subject is erased, a record when a period that was archived is pruned; both
 * are acts of two people, both are records, and a hold stops both. */
#pragma once

#include "appliance/proto.h"

/* Of an enum texts_mode, of an enum retain_class. */
const char *audit_texts_name(u32 mode);
const char *audit_retain_name(u32 class);

/* The class of an event. An orphan is of the class of the intent that it answers: RETAIN_ASK. */
#define RETAIN_ASK (RETAIN_CLASSES + 1u)
u32 audit_retain_class(u32 event);

/* The setting; all zero: none was ever made. */
struct retain_row {
	u32 texts;		  /* enum texts_mode */
	u32 days[RETAIN_CLASSES]; /* 0: for ever; else at least RETAIN_DAYS_MIN */
	u32 reserved;
	u64 index; /* record that set it */
};
SIZE_PIN(retain_row, 24);

/* A legal hold: while it stands, the texts of its subject and the records of its range stay. */
struct hold_row {
	char name[NAME_LEN_MAX + 8];
	char subject[NAME_LEN_MAX + 8]; /* "": of everybody */
	u64 from, to;			/* records from..to-1; to UINT64_MAX: and all that come */
	u64 index;			/* record that made it */
	char reason[REASON_LEN_MAX + 1];
};
SIZE_PIN(hold_row, 424);

/* A period that was written to removable media. */
struct archive_row {
	u64 index;		      /* record that says so; its name */
	u64 from, to;		      /* records from..to-1 */
	u64 size;		      /* of the checkpoint that the archive holds */
	u64 pruned;		      /* record that pruned it last; 0: never */
	u64 n_pruned;		      /* records without their text, all in from..to-1 */
	u8 digest[SHA256_BYTES];      /* of the archive's SHA256SUMS */
	u8 set[SHA256_BYTES];	      /* over the indices of the pruned records, u64 each, rising */
	char label[NAME_LEN_MAX + 8]; /* what somebody wrote on the medium */
};
SIZE_PIN(archive_row, 184);

struct retain_state {
	struct retain_row set;
	u32 n_holds, n_archives;
	struct hold_row holds[HOLDS_MAX];	   /* by name */
	struct archive_row archives[ARCHIVES_MAX]; /* by index */
};

/* Feed everything to a digest of the state. */
void audit_retain_hash(const struct retain_state *s, struct sha256 *h);
/* Are rows that were read from a database such as this process writes? Order, ranges, strings, numbers. */
bool audit_retain_ok(const struct retain_state *s);

struct hold_row *audit_hold_find(struct retain_state *s, const char *name);
/* Insert. 0 done; 1 there are HOLDS_MAX, or one of that name. */
_must_use_ int audit_hold_put(struct retain_state *s, const struct hold_row *row);
void audit_hold_drop(struct retain_state *s, const char *name);
/* The hold that keeps a subject's texts, or NULL. */
const struct hold_row *audit_hold_on_subject(const struct retain_state *s, const char *subject);
/* The hold that keeps records of from..to-1, or NULL. One on a subject keeps every record of its range: who is meant by a record of
 * use is not always in the record itself. */
const struct hold_row *audit_hold_on_range(const struct retain_state *s, u64 from, u64 to);

struct archive_row *audit_archive_find(struct retain_state *s, u64 index);
/* Append. 0 done; 1 there are ARCHIVES_MAX. */
_must_use_ int audit_archive_put(struct retain_state *s, const struct archive_row *row);
/* The pruned archive that record `index` lies in, or NULL. */
const struct archive_row *audit_archive_pruned(const struct retain_state *s, u64 index);
/* A pruned archive that has records in common with from..to-1, or NULL. */
const struct archive_row *audit_archive_overlap(const struct retain_state *s, u64 from, u64 to);
