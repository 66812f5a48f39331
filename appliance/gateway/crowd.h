/* Who has how many connections, and how many bytes of bodies are under way for whom: a user of this machine, or an address. All of one server
 * together have GATEWAY_BODIES_BYTES_MAX, one of them GATEWAY_CLIENT_BODIES_BYTES_MAX. Finding somebody costs the same whoever else is there. */
#pragma once

#include "base/types.h"

#define CROWD_BUCKETS 4096u

/* Whose connection it is: a user, or an address. */
struct origin {
	u8 b[16];
	bool local;
};

struct guest {
	struct guest *next;
	struct origin is;
	u32 n;	   /* connections */
	u64 bytes; /* of bodies that are read for it */
};

struct crowd {
	struct guest *buckets[CROWD_BUCKETS];
	u64 seed; /* nobody can choose addresses that meet in one bucket */
	u64 bytes;
};

/* One connection more of that origin; valid until as many have left. NULL: out of memory. */
struct guest *crowd_enter(struct crowd *c, const struct origin *o);
void crowd_leave(struct crowd *c, struct guest *g);
/* Room for a body of so many bytes. False: there is none now. */
_must_use_ bool crowd_take(struct crowd *c, struct guest *g, u64 bytes);
void crowd_give(struct crowd *c, struct guest *g, u64 bytes);
