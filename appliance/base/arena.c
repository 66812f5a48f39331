#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

/* A chunk is as long as what stands in those before it: many small arenas take little, and a large one few chunks. */
#define CHUNK_BYTES_MIN ((size_t)4 << 10)
#define CHUNK_BYTES_MAX ((size_t)64 << 10)

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used;
	_Alignas(16) u8 data[];
};

void *arena_alloc(struct arena *a, size_t n)
{
	if (n > SIZE_MAX / 2)
		return NULL;
	n = ALIGN_UP(n ? n : 1, (size_t)16);
	if (a->max_bytes && (n > a->max_bytes || a->used_bytes > a->max_bytes - n))
		return NULL;
	struct arena_chunk *c = a->head;
	if (!c || c->size - c->used < n) {
		size_t size = MAX(n, MIN(MAX(a->used_bytes, CHUNK_BYTES_MIN), CHUNK_BYTES_MAX));
		c = calloc(1, sizeof *c + size);
		if (!c)
			return NULL;
		c->size = size;
		c->next = a->head;
		a->head = c;
	}
	void *p = c->data + c->used;
	c->used += n;
	a->used_bytes += n;
	return p;
}

char *arena_dup(struct arena *a, const void *data, size_t n)
{
	char *p = arena_alloc(a, n + 1);
	if (p && n)
		memcpy(p, data, n);
	return p;
}

void arena_fini(struct arena *a)
{
	for (struct arena_chunk *c = a->head, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	*a = (struct arena){ .max_bytes = a->max_bytes };
}
