/* What a record says that a review asks for, read from its line by comparing bytes: rule 5 of record.h makes the bytes "key":"value"
 * stand only where that field is. Nothing here is believed: a line that does not read as a record has no facts. */
#pragma once

#include "audit/record.h"

/* Bytes of the line that they were read from. */
struct audit_word {
	const char *s;
	size_t len; /* 0: the record has none */
};

struct audit_facts {
	u64 index, intent; /* INTENT_NONE */
	u64 session;	   /* that it belongs to, or INTENT_NONE */
	u64 time_ns;
	u32 event, uid;
	struct audit_word
		principal; /* for whom the gateway asked; of those who came by their own socket "uid:1000" is uid */
	bool self;	   /* keepd's own act */
	struct audit_word name;	  /* of the model */
	struct audit_word model;  /* its digest, in hexadecimal */
	struct audit_word result; /* how an act ended: its finish, verdict or result; of an orphan "orphan" */
	u64 n_prompt, n_generated;
};
/* 0 done; 1 not a record. */
_must_use_ int audit_facts_read(const char *line, size_t len, struct audit_facts *ret);
/* Is it a word that says that an act did not come to its end as it was asked for? */
bool audit_facts_bad(const struct audit_word *result);
bool audit_word_is(const struct audit_word *w, const char *text);
