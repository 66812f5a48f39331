/* Pruned records in a check: where their text is gone, the stored leaf hash stands for them, and the tree proves it. Which ones may be without
 * text is state: of each archive the number and a digest over their indices. So no further text can be taken, and none exchanged for another. */
#include "audit/log_retain.h"
#include "audit/log_db.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct audit_pruned {
	u32 n;
	struct one {
		struct archive_row row;
		struct sha256 set;
		u64 n;
		bool changed; /* it was pruned while the check ran: what was passed before cannot be counted */
	} v[ARCHIVES_MAX];
};

void audit_pruned_fini(struct audit_check *c)
{
	if (c->pruned)
		for (u32 i = 0; i < c->pruned->n; i++)
			sha256_fini(&c->pruned->v[i].set);
	free(c->pruned);
	c->pruned = NULL;
}

static struct one *find(struct audit_pruned *p, u64 index)
{
	for (u32 i = 0; i < p->n; i++)
		if (p->v[i].row.index == index)
			return &p->v[i];
	return NULL;
}

static void take(struct audit_pruned *p, const struct archive_row *row, bool late)
{
	struct one *o = find(p, row->index);
	bool fresh = !o;
	if (fresh)
		o = &p->v[p->n++];
	if (fresh)
		sha256_init(&o->set);
	o->changed |= fresh ? late : o->row.pruned != row->pruned;
	o->row = *row;
}

int audit_pruned_load(struct audit_check *c, struct audit_log *log)
{
	struct retain_state *s = malloc(sizeof *s);
	bool late = c->pruned != NULL;
	if (s && !c->pruned)
		c->pruned = calloc(1, sizeof *c->pruned);
	int r = s && c->pruned ? audit_log_retain(log, s) : err_origin(-ENOMEM);
	for (u32 i = 0; !r && i < s->n_archives; i++)
		if (s->archives[i].pruned)
			take(c->pruned, &s->archives[i], late);
	free(s);
	c->prunes = log->prunes;
	return r < 0 ? r : 0; /* rows of a wrong form: the state's own check says so */
}

bool audit_pruned_note(struct audit_check *c, u64 index)
{
	for (u32 i = 0; c->pruned && i < c->pruned->n; i++) {
		struct one *o = &c->pruned->v[i];
		if (index < o->row.from || index >= o->row.to)
			continue;
		audit_pruned_hash(&o->set, index);
		o->n++;
		return true;
	}
	return false;
}

void audit_pruned_check(struct audit_check *c)
{
	for (u32 i = 0; !c->done && c->pruned && i < c->pruned->n; i++) {
		struct one *o = &c->pruned->v[i];
		u8 set[SHA256_BYTES];
		if (o->changed || o->row.from < c->from)
			continue; /* a whole check sees it all */
		sha256_final(&o->set, set);
		if (o->n != o->row.n_pruned || memcmp(set, o->row.set, sizeof set) != 0)
			audit_check_bad(c, o->row.from,
				"of the records that archive %" PRIu64
				" holds, others are without text than were pruned",
				o->row.index);
	}
}
