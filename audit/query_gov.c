/* Questions about who may do what, what waits for a second person, and what the log can say at all. */
#include "audit/dual.h"
#include "audit/role.h"

static void put_event(struct jsonw *w, const struct audit_event_info *e)
{
	char id[33];
	audit_event_message_id(e->event, id);
	jsonw_object(w);
	jsonw_kv_u64(w, "number", e->event);
	jsonw_kv_str(w, "event", e->name);
	jsonw_kv_str(w, "kind",
		e->flags & EVENT_OPENS	  ? "intent"
		: e->flags & EVENT_CLOSES ? "answer"
					  : "fact");
	jsonw_kv_bool(w, "state", e->flags & EVENT_STATE);
	jsonw_kv_str(w, "message_id", id);
	jsonw_kv_str(w, "what", e->what ? e->what : "");
	jsonw_kv_str(w, "fields", e->fields);
	jsonw_object_end(w);
	jsonw_newline(w);
}

static void put_events(struct jsonw *w)
{
	for (u32 e = 0; e < EVENT_NUMBERS_MAX; e++)
		if (audit_event_info(e))
			put_event(w, audit_event_info(e));
}

int query_people(struct conn *c, const struct proto_query *q, u64 id)
{
	struct jsonw w;
	jsonw_init_grow(&w, ANSWER_BYTES_MAX);
	if (q->what == QUERY_ROLES)
		role_list(c->k, &w);
	else if (q->what == QUERY_ACCESS)
		access_list(c->k, &w);
	else if (q->what == QUERY_PENDING)
		dual_list(c->k, &w);
	else
		put_events(&w);
	return query_answer(c, id, &w);
}
