/* What stands where: for every record eight bytes that say which questions it cannot answer, so that a search reads only the rest.
 *
 * They are made from records that were read, live in memory, and only ever say no: a zone (256 records) that nobody has read yet may hold
 * anything, and a record that may fit is read and compared again. So a search finds exactly what it would find without zones. 80 MB for
 * ten million records, made as they are first searched. */
#pragma once

#include "base/types.h"

#define ZONE_RECORDS 256u

/* What of a record is kept: numbers that are equal when the words are. */
struct audit_zone {
	u64 events;	       /* bit e % 64: an event e is there */
	u64 first_ns, last_ns; /* earliest and latest time, which need not rise */
	u32 n;		       /* records folded in; ZONE_RECORDS: the zone is known */
	u32 reserved;
	u16 actor[ZONE_RECORDS], name[ZONE_RECORDS], model[ZONE_RECORDS]; /* 0: none */
	u8 event[ZONE_RECORDS], result[ZONE_RECORDS];			  /* result 0: none */
};
SIZE_PIN(audit_zone, 32 + 8 * ZONE_RECORDS);

struct audit_zones {
	struct audit_zone **z; /* NULL: not known */
	size_t n;
};
void audit_zones_free(struct audit_zones *z);
/* Zone i, or NULL when it is not known. */
const struct audit_zone *audit_zones_get(const struct audit_zones *z, u64 i);
/* Remember a whole zone; when there is no memory, or it is beyond ZONES_MAX, it stays unknown. */
void audit_zones_put(struct audit_zones *z, u64 i, const struct audit_zone *zone);

struct audit_zone_row {
	u32 event;
	u64 time_ns;
	u16 actor, name, model;
	u8 result;
};
void audit_zone_add(struct audit_zone *z, const struct audit_zone_row *row);

/* Numbers of words; never 0 of a word. Of users below 65,535, each has its own. */
u16 audit_zone_actor(u32 uid);
u16 audit_zone_word(const void *s, size_t len);
