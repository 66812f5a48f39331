#include "gateway/crowd.h"
#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define FNV_START 14695981039346656037ull
#define FNV_PRIME 1099511628211ull

static struct guest **bucket_of(struct crowd *c, const struct origin *o)
{
	u64 h = (FNV_START ^ c->seed ^ o->local) * FNV_PRIME;
	for (u32 i = 0; i < sizeof o->b; i++)
		h = (h ^ o->b[i] ^ h >> 29) * FNV_PRIME;
	return &c->buckets[(h ^ h >> 32) % CROWD_BUCKETS];
}

static bool same(const struct origin *a, const struct origin *b)
{
	return a->local == b->local && !memcmp(a->b, b->b, sizeof a->b);
}

struct guest *crowd_enter(struct crowd *c, const struct origin *o)
{
	struct guest **at = bucket_of(c, o), *g = *at;
	while (g && !same(&g->is, o))
		g = g->next;
	if (!g) {
		g = calloc(1, sizeof *g);
		if (!g)
			return NULL;
		g->is = *o;
		g->next = *at;
		*at = g;
	}
	g->n++;
	return g;
}

void crowd_leave(struct crowd *c, struct guest *g)
{
	assert(g->n);
	if (--g->n)
		return;
	assert(!g->bytes);
	struct guest **at = bucket_of(c, &g->is);
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	free(g);
}

bool crowd_take(struct crowd *c, struct guest *g, u64 bytes)
{
	if (bytes > GATEWAY_BODIES_BYTES_MAX - c->bytes || bytes > GATEWAY_CLIENT_BODIES_BYTES_MAX - g->bytes)
		return false;
	c->bytes += bytes;
	g->bytes += bytes;
	return true;
}

void crowd_give(struct crowd *c, struct guest *g, u64 bytes)
{
	assert(bytes <= g->bytes && bytes <= c->bytes);
	c->bytes -= bytes;
	g->bytes -= bytes;
}
