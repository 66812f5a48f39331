/* Stop strings. Text that might be the beginning of one is held back until it is known not to be. */
#pragma once

#include "base/limits.h"
#include "base/types.h"

/* Most text that one token can add: every byte of it a replacement character. */
#define STOPS_TOKEN_TEXT_MAX (TOKEN_BYTES_MAX * 3 + 16)

struct stops {
	u32 n;
	u32 len[STOPS_MAX];
	u8 text[STOPS_MAX][STOP_BYTES_MAX];
	char held[STOP_BYTES_MAX + 2 * STOPS_TOKEN_TEXT_MAX];
	size_t n_held;
	u32 met; /* which of them was met, once one was */
};

/* Room for more text behind what is held: write it there, then call stops_push. */
static inline char *stops_room(struct stops *s)
{
	return s->held + s->n_held;
}
/* n bytes were written at stops_room. *ret_free: how many bytes from held[0] on are free to be shown.
 * 0; 1 a stop string was met, the text in front of it is free and the rest is of no use. */
int stops_push(struct stops *s, size_t n, size_t *ret_free);
/* The first n bytes were shown. */
void stops_shown(struct stops *s, size_t n);
