/* A model of four files, and what somebody may do to it at any moment. */
#pragma once

#include "attest/internal.h"

#define FILES	  4u
#define BIG_BYTES (SEGMENT_BYTES + 4097u) /* two blocks */

extern const char *const names[FILES];
extern const u32 sizes[FILES];
extern u8 *content[FILES], *other; /* what was signed; something else, as long as the longest */
extern int at_model; /* its directory; "../evil" is another one, "../good" what it is made from */
extern _Atomic u64 random_state;

struct deed {
	const char *name;
	void (*act)(u32 f);
	bool content; /* done before the first look, it must not be accepted */
	bool moves;   /* it touches the other models too */
};
extern const struct deed deeds[];
extern const size_t n_deeds;

_noreturn_ void die(const char *what);
u64 rnd(void);
void put(int at, const char *name, const void *data, size_t len);
