/* An arena: many small allocations with one lifetime (a job, a grant, a render), freed whole. */
#pragma once

#include "base/types.h"

struct arena {
	struct arena_chunk *head;
	size_t used_bytes; /* handed out so far */
	size_t max_bytes;  /* refuse beyond this; 0 means no bound */
};

/* n bytes, zeroed, aligned to 16; NULL when memory or the arena's bound is exhausted. */
void *arena_alloc(struct arena *a, size_t n);
/* Copy of data[n] with a 0 byte behind it. */
char *arena_dup(struct arena *a, const void *data, size_t n);
void arena_fini(struct arena *a);
#define _cleanup_arena_ _cleanup_(arena_fini)
