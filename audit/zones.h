/* What stands where: for every 256 records a summary that says which questions they cannot answer, so that a search reads only the rest.
 *
 * A summary is made from records that were read, lives in memory, and only ever says no: a zone that nobody has read yet may hold
 * anything, and what a zone may hold is read and compared again. So a search finds exactly what it would find without zones. 64 bytes
 * for 256 records: 2.5 MB for ten million. */
#pragma once

#include "base/types.h"

#define ZONE_RECORDS 256u

/* What a record can be asked for, beside its event and its time. */
enum zone_kind { ZONE_ACTOR = 1, ZONE_NAME, ZONE_MODEL, ZONE_RESULT };

struct audit_zone {
	u64 events;	       /* bit e % 64: an event e may be there */
	u64 words[4];	       /* a Bloom filter of 256 bits over kind and bytes */
	u64 first_ns, last_ns; /* earliest and latest time, which need not rise */
	u64 n;		       /* records folded in; ZONE_RECORDS: the zone is known */
};
SIZE_PIN(audit_zone, 64);

struct audit_zones {
	struct audit_zone *z;
	size_t n, cap;
};
void audit_zones_free(struct audit_zones *z);
/* The summary of zone i, or NULL when it is not known. */
const struct audit_zone *audit_zones_get(const struct audit_zones *z, u64 i);
/* Remember a whole zone; when there is no memory it stays unknown. */
void audit_zones_put(struct audit_zones *z, u64 i, const struct audit_zone *zone);

void audit_zone_add_event(struct audit_zone *z, u32 event, u64 time_ns);
void audit_zone_add_word(struct audit_zone *z, enum zone_kind kind, const void *s, size_t len);
bool audit_zone_may(const struct audit_zone *z, enum zone_kind kind, const void *s, size_t len);
