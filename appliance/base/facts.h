/* What a record says, for people: shared by the command line's tables and reports and by the console's pages, so that both say the same. */
#pragma once

#include "base/types.h"

#include <jansson.h>

/* A member as text: strings as they are, numbers in decimal, "yes"/"no", "" when it is not there. At most 511 bytes. */
struct cell {
	char s[512];
};
struct cell facts_cell(const json_t *o, const char *key);
void facts_put(struct cell *c, const json_t *v);
/* The first digits of a hexadecimal member. */
struct cell facts_short(const json_t *o, const char *key);
u64 facts_u64(const json_t *o, const char *key);

/* What a record is about, in one line: the members that matter, by event; "" for an event that has none. */
void facts_line(const json_t *record, char *buf, size_t size);

/* How bad it is that this was recorded. */
enum facts_severity { FACTS_INFO, FACTS_FAILED /* an act did not come to its end */, FACTS_ALARM };
enum facts_severity facts_severity_of(const json_t *record);
/* The word that says how an act ended; "" for records that say no such thing. */
struct cell facts_result(const json_t *record);
