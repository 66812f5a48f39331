#include "audit/retain.h"
#include "audit/record.h"
#include "audit/subject.h"
#include "base/bytes.h"

/* ---- words and classes ---- */

const char *audit_texts_name(u32 mode)
{
	static const char *const names[] = { "digests", "commitments", "content" };
	return mode < ARRAY_LEN(names) ? names[mode] : NULL;
}

const char *audit_retain_name(u32 class)
{
	static const char *const names[] = { "use", "operate", "for ever" };
	return class < ARRAY_LEN(names) ? names[class] : NULL;
}

u32 audit_retain_class(u32 event)
{
	static const struct {
		u8 event, class;
	} classes[] = {
		{ EVENT_SESSION, RETAIN_USE },
		{ EVENT_SESSION_END, RETAIN_USE },
		{ EVENT_REQUEST, RETAIN_USE },
		{ EVENT_OUTCOME, RETAIN_USE },
		{ EVENT_LOG_READ, RETAIN_USE },
		{ EVENT_QUOTA_SPENT, RETAIN_USE },
		{ EVENT_START, RETAIN_OPERATE },
		{ EVENT_STOP, RETAIN_OPERATE },
		{ EVENT_CLOCK, RETAIN_OPERATE },
		{ EVENT_IMPORT_INTENT, RETAIN_OPERATE },
		{ EVENT_IMPORT_VERDICT, RETAIN_OPERATE },
		{ EVENT_GRANT, RETAIN_OPERATE },
		{ EVENT_LOAD, RETAIN_OPERATE },
		{ EVENT_UNLOAD, RETAIN_OPERATE },
		{ EVENT_RUNTIME_LOST, RETAIN_OPERATE },
		{ EVENT_ORPHAN, RETAIN_ASK },
	};
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (classes[i].event == event)
			return classes[i].class;
	return RETAIN_FOREVER;
}

/* ---- all of it ---- */

void audit_retain_hash(const struct retain_state *s, struct sha256 *h)
{
	sha256_update(h, &s->set, sizeof s->set);
	sha256_update(h, &s->n_holds, sizeof s->n_holds);
	sha256_update(h, s->holds, s->n_holds * sizeof s->holds[0]);
	sha256_update(h, &s->n_archives, sizeof s->n_archives);
	sha256_update(h, s->archives, s->n_archives * sizeof s->archives[0]);
}

static bool hold_ok(const struct hold_row *h)
{
	return bytes_str_ok(h->name, sizeof h->name) && bytes_str_ok(h->subject, sizeof h->subject) &&
	       bytes_str_ok(h->reason, sizeof h->reason) && h->from < h->to &&
	       (!h->subject[0] || audit_subject_name_ok(h->subject));
}

static bool archive_ok(const struct archive_row *a)
{
	return a->from < a->to && a->to <= a->size && a->size <= a->index &&
	       bytes_str_ok(a->label, sizeof a->label) && a->n_pruned <= a->to - a->from &&
	       (a->n_pruned > 0) == (a->pruned > 0);
}

bool audit_retain_ok(const struct retain_state *s)
{
	if (s->set.texts > TEXTS_CONTENT || s->n_holds > HOLDS_MAX || s->n_archives > ARCHIVES_MAX)
		return false;
	for (u32 i = 0; i < RETAIN_CLASSES; i++)
		if (s->set.days[i] && s->set.days[i] < RETAIN_DAYS_MIN)
			return false;
	for (u32 i = 0; i < s->n_holds; i++)
		if (!hold_ok(&s->holds[i]) || (i && strcmp(s->holds[i - 1].name, s->holds[i].name) >= 0))
			return false;
	for (u32 i = 0; i < s->n_archives; i++)
		if (!archive_ok(&s->archives[i]) || (i && s->archives[i - 1].index >= s->archives[i].index))
			return false;
	return true;
}

/* ---- holds ---- */

static u32 hold_at(const struct retain_state *s, const char *name)
{
	u32 i = 0;
	while (i < s->n_holds && strcmp(s->holds[i].name, name) < 0)
		i++;
	return i;
}

struct hold_row *audit_hold_find(struct retain_state *s, const char *name)
{
	u32 i = hold_at(s, name);
	return i < s->n_holds && strcmp(s->holds[i].name, name) == 0 ? &s->holds[i] : NULL;
}

int audit_hold_put(struct retain_state *s, const struct hold_row *row)
{
	if (s->n_holds == HOLDS_MAX || audit_hold_find(s, row->name))
		return 1;
	u32 i = hold_at(s, row->name);
	memmove(&s->holds[i + 1], &s->holds[i], (s->n_holds - i) * sizeof *row);
	s->holds[i] = *row;
	s->n_holds++;
	return 0;
}

void audit_hold_drop(struct retain_state *s, const char *name)
{
	struct hold_row *row = audit_hold_find(s, name);
	if (!row)
		return;
	u32 i = (u32)(row - s->holds);
	memmove(row, row + 1, (s->n_holds - i - 1) * sizeof *row);
	s->n_holds--;
	memset(&s->holds[s->n_holds], 0, sizeof *row);
}

const struct hold_row *audit_hold_on_subject(const struct retain_state *s, const char *subject)
{
	for (u32 i = 0; i < s->n_holds; i++)
		if (!s->holds[i].subject[0] || strcmp(s->holds[i].subject, subject) == 0)
			return &s->holds[i];
	return NULL;
}

const struct hold_row *audit_hold_on_range(const struct retain_state *s, u64 from, u64 to)
{
	for (u32 i = 0; i < s->n_holds; i++)
		if (s->holds[i].from < to && from < s->holds[i].to)
			return &s->holds[i];
	return NULL;
}

/* ---- archives ---- */

struct archive_row *audit_archive_find(struct retain_state *s, u64 index)
{
	for (u32 i = 0; i < s->n_archives; i++)
		if (s->archives[i].index == index)
			return &s->archives[i];
	return NULL;
}

int audit_archive_put(struct retain_state *s, const struct archive_row *row)
{
	if (s->n_archives == ARCHIVES_MAX)
		return 1;
	assert(s->n_archives == 0 || s->archives[s->n_archives - 1].index < row->index);
	s->archives[s->n_archives++] = *row;
	return 0;
}

const struct archive_row *audit_archive_pruned(const struct retain_state *s, u64 index)
{
	return index == UINT64_MAX ? NULL : audit_archive_overlap(s, index, index + 1);
}

const struct archive_row *audit_archive_overlap(const struct retain_state *s, u64 from, u64 to)
{
	for (u32 i = 0; i < s->n_archives; i++) {
		const struct archive_row *a = &s->archives[i];
		if (a->pruned && a->from < to && from < a->to)
			return a;
	}
	return NULL;
}
