/* A timeline as a picture: bars of how many records stand in each bucket of time, in them how many fit. A bar is a link that zooms in on it.
 * A pure function of counts; the same numbers stand under the picture as a table. */
#pragma once

#include "gateway/console/page.h"

#include <jansson.h>

#define TIMELINE_BUCKETS 48u

struct timeline_bucket {
	u64 from_ns, until_ns, first, records, hits;
};
struct timeline {
	u32 n;
	bool counted; /* hits are known */
	struct timeline_bucket b[TIMELINE_BUCKETS];
};
/* keepd's answer to LOOK_BY_TIME: whatever of it is not so is left out. */
void timeline_read(const json_t *rows, struct timeline *ret);
/* How many records fit. False: they were not counted. */
bool timeline_hits(const struct timeline *t, u64 *ret);
/* One past the last record in it. */
u64 timeline_end(const struct timeline *t);

struct timeline_show {
	const char *caption;
	/* The address that a bar leads to; NULL: none. */
	void (*link)(void *arg, const struct timeline_bucket *b, struct page_url *u);
	void *arg;
};
void timeline_write(const struct timeline *t, const struct timeline_show *how, struct page *p);
