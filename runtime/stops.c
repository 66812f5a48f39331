#include "runtime/stops.h"

#include <string.h>

/* Where the first stop string begins, and which it is: where two begin together the one that is listed first. */
static bool find(struct stops *s, size_t *ret_at)
{
	for (size_t at = 0; at < s->n_held; at++)
		for (u32 i = 0; i < s->n; i++)
			if (s->len[i] <= s->n_held - at && memcmp(s->held + at, s->text[i], s->len[i]) == 0) {
				*ret_at = at;
				s->met = i;
				return true;
			}
	return false;
}

/* Does the held text from `at` on begin a stop string that is longer? */
static bool may_begin(const struct stops *s, size_t at)
{
	size_t n = s->n_held - at;
	for (u32 i = 0; i < s->n; i++)
		if (n < s->len[i] && memcmp(s->held + at, s->text[i], n) == 0)
			return true;
	return false;
}

int stops_push(struct stops *s, size_t n, size_t *ret_free)
{
	assert(n <= sizeof s->held - s->n_held);
	s->n_held += n;
	if (find(s, ret_free))
		return 1;
	size_t at = s->n_held > STOP_BYTES_MAX ? s->n_held - STOP_BYTES_MAX : 0;
	while (at < s->n_held && !may_begin(s, at))
		at++;
	*ret_free = at;
	return 0;
}

void stops_shown(struct stops *s, size_t n)
{
	assert(n <= s->n_held);
	memmove(s->held, s->held + n, s->n_held - n);
	s->n_held -= n;
}
