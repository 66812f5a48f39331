#include "audit/zones.h"

#include <stdlib.h>
#include <string.h>

#define ZONES_MAX \
	(1u << 16) /* zones that are remembered: 16 million records, 130 MB; beyond, records are read */

void audit_zones_free(struct audit_zones *z)
{
	for (size_t i = 0; i < z->n; i++)
		free(z->z[i]);
	free(z->z);
	*z = (struct audit_zones){ 0 };
}

const struct audit_zone *audit_zones_get(const struct audit_zones *z, u64 i)
{
	return i < z->n ? z->z[i] : NULL;
}

void audit_zones_put(struct audit_zones *z, u64 i, const struct audit_zone *zone)
{
	assert(zone->n == ZONE_RECORDS);
	if (i >= ZONES_MAX || audit_zones_get(z, i))
		return;
	if (i >= z->n) {
		size_t n = MIN(MAX((size_t)i + 1, 2 * z->n), (size_t)ZONES_MAX);
		struct audit_zone **p = realloc(z->z, n * sizeof *p);
		if (!p)
			return;
		memset(p + z->n, 0, (n - z->n) * sizeof *p);
		z->z = p;
		z->n = n;
	}
	z->z[i] = malloc(sizeof *zone);
	if (z->z[i])
		*z->z[i] = *zone;
}

void audit_zone_add(struct audit_zone *z, const struct audit_zone_row *row)
{
	u32 i = z->n++;
	assert(i < ZONE_RECORDS);
	z->events |= 1ull << row->event % 64;
	z->first_ns = i ? MIN(z->first_ns, row->time_ns) : row->time_ns;
	z->last_ns = MAX(z->last_ns, row->time_ns);
	z->event[i] = (u8)row->event;
	z->actor[i] = row->actor;
	z->name[i] = row->name;
	z->model[i] = row->model;
	z->result[i] = row->result;
}

u16 audit_zone_actor(u32 uid)
{
	return (u16)((uid + 1) % 65535u + 1);
}

/* FNV-1a, folded. */
u16 audit_zone_word(const void *s, size_t len)
{
	u32 h = 2166136261u;
	for (size_t i = 0; i < len; i++)
		h = (h ^ ((const u8 *)s)[i]) * 16777619u;
	return (u16)((h ^ h >> 16) % 65535u + 1);
}
