#include "audit/zones.h"

#include <stdlib.h>
#include <string.h>

#define MAYBE_MAX (1u << 26) /* zones: 2^34 records; beyond, nothing is remembered */

void audit_zones_free(struct audit_zones *z)
{
	free(z->z);
	*z = (struct audit_zones){ 0 };
}

const struct audit_zone *audit_zones_get(const struct audit_zones *z, u64 i)
{
	return i < z->n && z->z[i].n == ZONE_RECORDS ? &z->z[i] : NULL;
}

void audit_zones_put(struct audit_zones *z, u64 i, const struct audit_zone *zone)
{
	assert(zone->n == ZONE_RECORDS);
	if (i >= MAYBE_MAX)
		return;
	if (i >= z->cap) {
		size_t cap = MAX((size_t)(i + 1), 2 * z->cap);
		struct audit_zone *p = realloc(z->z, cap * sizeof *p);
		if (!p)
			return;
		memset(p + z->cap, 0, (cap - z->cap) * sizeof *p);
		z->z = p;
		z->cap = cap;
	}
	z->z[i] = *zone;
	z->n = MAX(z->n, (size_t)i + 1);
}

void audit_zone_add_event(struct audit_zone *z, u32 event, u64 time_ns)
{
	z->events |= 1ull << event % 64;
	z->first_ns = z->n ? MIN(z->first_ns, time_ns) : time_ns;
	z->last_ns = MAX(z->last_ns, time_ns);
	z->n++;
}

/* Two bits of 256, from FNV-1a. */
static void bits(enum zone_kind kind, const void *s, size_t len, u32 ret[2])
{
	u64 h = (0xcbf29ce484222325ull ^ (u64)kind) * 0x100000001b3ull;
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const u8 *)s)[i]) * 0x100000001b3ull;
	h ^= h >> 32;
	ret[0] = (u32)h & 255u;
	ret[1] = (u32)(h >> 8) & 255u;
}

void audit_zone_add_word(struct audit_zone *z, enum zone_kind kind, const void *s, size_t len)
{
	u32 b[2];
	bits(kind, s, len, b);
	for (u32 i = 0; i < 2; i++)
		z->words[b[i] / 64] |= 1ull << b[i] % 64;
}

bool audit_zone_may(const struct audit_zone *z, enum zone_kind kind, const void *s, size_t len)
{
	u32 b[2];
	bits(kind, s, len, b);
	return (z->words[b[0] / 64] >> b[0] % 64 & 1) && (z->words[b[1] / 64] >> b[1] % 64 & 1);
}
