/* What records add up to: by actor, model or event. */
#include "audit/search_priv.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS (2u * SUMMARY_GROUPS_MAX) /* of the table that finds a group by its key */

struct group {
	char key[2 * MODEL_DIGEST_BYTES + 8], name[NAME_LEN_MAX + 8];
	u64 records, requests, answers, bad, n_prompt, n_generated;
	u64 first, last, first_ns, last_ns;
};

struct search_sum {
	u32 by; /* enum look_what */
	u32 n;
	struct group g[SUMMARY_GROUPS_MAX + 1]; /* the last: whatever did not fit */
	u32 slot[SLOTS];			/* group + 1; 0: free */
};

int search_sum_new(u32 by, struct search_sum **ret)
{
	struct search_sum *s = calloc(1, sizeof *s);
	if (!s)
		return err_origin(-ENOMEM);
	s->by = by;
	*ret = s;
	return 0;
}

void search_sum_free(struct search_sum *s)
{
	free(s);
}

static struct group *group_of(struct search_sum *s, const char *key)
{
	u32 h = 2166136261u;
	for (const char *p = key; *p; p++)
		h = (h ^ (u8)*p) * 16777619u;
	for (;; h++) {
		u32 *slot = &s->slot[h % SLOTS];
		if (*slot && !strcmp(s->g[*slot - 1].key, key))
			return &s->g[*slot - 1];
		if (*slot)
			continue;
		if (s->n == SUMMARY_GROUPS_MAX)
			break;
		*slot = ++s->n;
		snprintf(s->g[s->n - 1].key, sizeof s->g[0].key, "%s", key);
		return &s->g[s->n - 1];
	}
	struct group *rest = &s->g[SUMMARY_GROUPS_MAX];
	snprintf(rest->key, sizeof rest->key, "others");
	return rest;
}

static struct group *group_for(struct search_sum *s, const struct found *r)
{
	char key[2 * MODEL_DIGEST_BYTES + 8] = "";
	const struct audit_word *w = r->model.len ? &r->model : &r->name;
	if (s->by == LOOK_BY_EVENT)
		snprintf(key, sizeof key, "%s", audit_event_info(r->f.event)->name);
	else if (s->by == LOOK_BY_ACTOR && r->self)
		snprintf(key, sizeof key, "keepd");
	else if (s->by == LOOK_BY_ACTOR && r->principal.len)
		snprintf(key, sizeof key, "%.*s", (int)MIN(r->principal.len, sizeof key - 1), r->principal.s);
	else if (s->by == LOOK_BY_ACTOR)
		snprintf(key, sizeof key, "%" PRIu32, r->uid);
	else
		snprintf(key, sizeof key, "%.*s", (int)MIN(w->len, sizeof key - 1), w->s ? w->s : "");
	return group_of(s, key);
}

void search_sum_add(struct search_sum *s, const struct found *r)
{
	struct group *g = group_for(s, r);
	if (s->by == LOOK_BY_MODEL && r->name.len)
		snprintf(g->name, sizeof g->name, "%.*s", (int)MIN(r->name.len, sizeof g->name - 1),
			r->name.s);
	if (!g->records) {
		g->first = r->f.index;
		g->first_ns = r->f.time_ns;
	}
	g->last = r->f.index;
	g->last_ns = r->f.time_ns;
	g->records++;
	g->requests += r->f.event == EVENT_REQUEST;
	g->answers += r->f.event == EVENT_OUTCOME;
	g->bad += audit_facts_bad(&r->f.result);
	g->n_prompt += r->f.n_prompt;
	g->n_generated += r->f.n_generated;
}

static int larger_first(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	return x->records != y->records ? (x->records < y->records ? 1 : -1) : strcmp(x->key, y->key);
}

static void put(struct jsonw *w, const struct group *g)
{
	jsonw_object(w);
	jsonw_kv_str(w, "key", g->key);
	jsonw_kv_str(w, "name", g->name);
	jsonw_kv_u64(w, "records", g->records);
	jsonw_kv_u64(w, "requests", g->requests);
	jsonw_kv_u64(w, "answers", g->answers);
	jsonw_kv_u64(w, "failed", g->bad);
	jsonw_kv_u64(w, "prompt_tokens", g->n_prompt);
	jsonw_kv_u64(w, "generated_tokens", g->n_generated);
	jsonw_kv_u64(w, "first", g->first);
	jsonw_kv_u64(w, "first_ns", g->first_ns);
	jsonw_kv_u64(w, "last", g->last);
	jsonw_kv_u64(w, "last_ns", g->last_ns);
	jsonw_object_end(w);
	jsonw_newline(w);
}

int search_sum_lines(struct search_sum *s, u8 **ret, size_t *ret_len)
{
	struct jsonw w;
	memset(s->slot, 0, sizeof s->slot); /* the groups move */
	qsort(s->g, s->n, sizeof s->g[0], larger_first);
	jsonw_init_grow(&w, (size_t)(SUMMARY_GROUPS_MAX + 2) * 512);
	for (u32 i = 0; i < s->n; i++)
		put(&w, &s->g[i]);
	if (s->g[SUMMARY_GROUPS_MAX].records)
		put(&w, &s->g[SUMMARY_GROUPS_MAX]);
	if (w.full) {
		jsonw_fini(&w);
		return err_origin(-ENOMEM);
	}
	*ret = (u8 *)w.buf;
	*ret_len = w.len;
	return 0;
}
