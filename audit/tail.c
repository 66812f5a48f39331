/* What the last records leave open: kept by the check while it reads, and by the log while it writes. */
#define _GNU_SOURCE
#include "audit/log_db.h"
#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void audit_tail_init(struct audit_tail *t)
{
	*t = (struct audit_tail){ INTENT_NONE, INTENT_NONE, INTENT_NONE, INTENT_NONE, INTENT_NONE, NULL, 0,
		0 };
}

void audit_tail_fini(struct audit_tail *t)
{
	free(t->open);
	audit_tail_init(t);
}

int audit_tail_copy(const struct audit_tail *t, struct audit_tail *ret)
{
	struct audit_open *open = malloc(MAX(t->n_open, (size_t)1) * sizeof *open);
	if (!open)
		return err_origin(-ENOMEM);
	if (t->n_open)
		memcpy(open, t->open, t->n_open * sizeof *open);
	*ret = *t;
	ret->open = open;
	ret->cap_open = MAX(t->n_open, (size_t)1);
	return 0;
}

static int open_add(struct audit_tail *t, u64 index, u32 event)
{
	if (t->n_open == t->cap_open) {
		size_t cap = t->cap_open ? 2 * t->cap_open : 64;
		struct audit_open *p = realloc(t->open, cap * sizeof *p);
		if (!p)
			return err_origin(-ENOMEM);
		t->open = p;
		t->cap_open = cap;
	}
	t->open[t->n_open++] = (struct audit_open){ index, event };
	return 0;
}

/* Indices rise, so the one is found by halving. */
static bool open_drop(struct audit_tail *t, u64 index)
{
	size_t from = 0, to = t->n_open;
	while (from < to) {
		size_t mid = from + (to - from) / 2;
		if (t->open[mid].index < index)
			from = mid + 1;
		else
			to = mid;
	}
	if (from == t->n_open || t->open[from].index != index)
		return false;
	memmove(&t->open[from], &t->open[from + 1], (t->n_open - from - 1) * sizeof *t->open);
	t->n_open--;
	return true;
}

int audit_tail_note(struct audit_tail *t, const struct audit_record_head *h, const void *line, size_t len)
{
	u32 flags = audit_event_info(h->event)->flags;
	if ((flags & EVENT_CLOSES) && !open_drop(t, h->intent))
		return 1;
	if (flags & EVENT_STATE)
		t->state_index = h->index;
	if (h->event == EVENT_KEY)
		t->key_index = h->index;
	if (h->event == EVENT_WITNESSES)
		t->witnesses_index = h->index;
	if (h->event == EVENT_COSIGN)
		t->cosign_index = h->index;
	if (h->event == EVENT_COSIGN && memmem(line, len, ",\"quorum\":true,", 15))
		t->cosigned_index = h->index;
	return flags & EVENT_OPENS ? open_add(t, h->index, h->event) : 0;
}
