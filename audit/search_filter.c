/* What is looked for, and whether a record, a zone or a record of a zone has it. Zones know words as numbers, so of them a yes only means: read it. */
#include "audit/search_priv.h"
#include "base/bytes.h"

#include <string.h>

#define DIGITS 8u /* of a digest that zones know; fewer name no model */

static bool hex_digits(const char *s)
{
	return s[strspn(s, "0123456789abcdef")] == 0;
}

static u8 result_number(const char *s, size_t len)
{
	return (u8)(audit_zone_word(s, len) % 255u + 1);
}

static u32 event_of(const char *name)
{
	for (u32 i = 1; i < EVENT_NUMBERS_MAX; i++) {
		const struct audit_event_info *e = audit_event_info(i);
		if (e && !strcmp(e->name, name))
			return i;
	}
	return 0;
}

static const char *strings(const struct proto_look *q)
{
	bool ok = q->n_events <= LOOK_ANY_MAX && q->n_actors <= LOOK_ANY_MAX && q->n_models <= LOOK_ANY_MAX &&
		  q->n_results <= LOOK_ANY_MAX && q->n_names <= LOOK_ANY_MAX &&
		  bytes_str_ok(q->text, sizeof q->text) && bytes_str_ok(q->purpose, sizeof q->purpose);
	for (u32 i = 0; ok && i < LOOK_ANY_MAX; i++)
		ok = bytes_str_ok(q->events[i], sizeof q->events[i]) &&
		     bytes_str_ok(q->models[i], sizeof q->models[i]) &&
		     bytes_str_ok(q->results[i], sizeof q->results[i]) &&
		     bytes_str_ok(q->names[i], sizeof q->names[i]) &&
		     (i < q->n_names) == (q->names[i][0] != 0) &&
		     (i < q->n_events) == (q->events[i][0] != 0) &&
		     (i < q->n_models) == (q->models[i][0] != 0) &&
		     (i < q->n_results) == (q->results[i][0] != 0);
	return ok ? NULL : "it is malformed";
}

const char *search_filter_wrong(const struct proto_look *q)
{
	const char *why = strings(q);
	if (why)
		return why;
	if (q->what == LOOK_BY_TIME &&
		(q->count == 0 || q->count > LOOK_BUCKETS_MAX || q->flags & LOOK_NEWEST))
		return "a timeline has 1 to 64 buckets";
	if (q->what < LOOK_RECORDS || q->what > LOOK_BY_TIME || (q->flags & ~(LOOK_NEWEST | LOOK_EXCEPT)))
		return "there is no such question";
	return audit_search_unknown(q) ? "there is no such event (keep audit events lists them)" : NULL;
}

const char *audit_search_unknown(const struct proto_look *q)
{
	for (u32 i = 0; !strings(q) && i < q->n_events; i++)
		if (!event_of(q->events[i]))
			return q->events[i];
	return NULL;
}

void search_filter_make(const struct proto_look *q, struct search_filter *ret)
{
	for (u32 i = 0; i < q->n_events; i++)
		ret->events[i] = event_of(q->events[i]);
	for (u32 i = 0; i < q->n_actors; i++)
		ret->actors[i] = audit_zone_actor(q->actors[i]);
	for (u32 i = 0; i < q->n_names; i++)
		ret->people[i] = audit_zone_word(q->names[i], strlen(q->names[i]));
	for (u32 i = 0; i < q->n_models; i++) {
		size_t n = strlen(q->models[i]);
		ret->names[i] = audit_zone_word(q->models[i], n);
		ret->models[i] =
			n >= DIGITS && hex_digits(q->models[i]) ? audit_zone_word(q->models[i], DIGITS) : 0;
	}
	for (u32 i = 0; i < q->n_results; i++)
		ret->results[i] = result_number(q->results[i], strlen(q->results[i]));
}

/* ---- does a record fit? ---- */

static bool model_fits(const struct found *r, const char *want)
{
	size_t n = strlen(want);
	return audit_word_is(&r->name, want) ||
	       (n >= DIGITS && n <= r->model.len && hex_digits(want) && !memcmp(r->model.s, want, n));
}

bool search_filter_fits(const struct proto_look *q, const struct search_filter *f, const struct found *r)
{
	bool event = !q->n_events, actor = !q->n_actors && !q->n_names, model = !q->n_models,
	     result = !q->n_results;
	for (u32 i = 0; i < q->n_events; i++)
		event |= f->events[i] == r->f.event;
	event ^= q->n_events && (q->flags & LOOK_EXCEPT);
	for (u32 i = 0; i < q->n_actors; i++)
		actor |= !r->self && !r->principal.len && r->uid == q->actors[i];
	for (u32 i = 0; i < q->n_names; i++)
		actor |= audit_word_is(&r->principal, q->names[i]);
	for (u32 i = 0; i < q->n_models; i++)
		model |= model_fits(r, q->models[i]);
	for (u32 i = 0; i < q->n_results; i++)
		result |= audit_word_is(&r->f.result, q->results[i]);
	return event && actor && model && result && r->f.time_ns >= q->since_ns &&
	       r->f.time_ns <= q->until_ns;
}

/* ---- zones ---- */

void search_filter_fold(struct audit_zone *z, const struct found *r)
{
	audit_zone_add(
		z, &(struct audit_zone_row){ .event = r->f.event,
			   .time_ns = r->f.time_ns,
			   .actor = r->self	       ? 0
				    : r->principal.len ? audit_zone_word(r->principal.s, r->principal.len)
						       : audit_zone_actor(r->uid),
			   .name = r->name.len ? audit_zone_word(r->name.s, r->name.len) : 0,
			   .model = r->model.len >= DIGITS ? audit_zone_word(r->model.s, DIGITS) : 0,
			   .result = r->f.result.len ? result_number(r->f.result.s, r->f.result.len) : 0 });
}

bool search_filter_zone(const struct proto_look *q, const struct search_filter *f, const struct audit_zone *z)
{
	bool event = !q->n_events || (q->flags & LOOK_EXCEPT);
	for (u32 i = 0; i < q->n_events; i++)
		event |= z->events >> f->events[i] % 64 & 1;
	return event && z->last_ns >= q->since_ns && z->first_ns <= q->until_ns;
}

bool search_filter_row(
	const struct proto_look *q, const struct search_filter *f, const struct audit_zone *z, u32 i)
{
	bool event = !q->n_events, actor = !q->n_actors && !q->n_names, model = !q->n_models,
	     result = !q->n_results;
	for (u32 k = 0; k < q->n_events; k++)
		event |= (u8)f->events[k] == z->event[i];
	event ^= q->n_events && (q->flags & LOOK_EXCEPT);
	for (u32 k = 0; k < q->n_actors; k++)
		actor |= f->actors[k] == z->actor[i];
	for (u32 k = 0; k < q->n_names; k++)
		actor |= f->people[k] == z->actor[i];
	for (u32 k = 0; k < q->n_models; k++)
		model |= f->names[k] == z->name[i] || (f->models[k] && f->models[k] == z->model[i]);
	for (u32 k = 0; k < q->n_results; k++)
		result |= f->results[k] == z->result[i];
	return event && actor && model && result;
}
