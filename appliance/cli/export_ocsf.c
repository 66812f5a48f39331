/* OCSF 1.7. What people ask a model is API Activity with the ai_operation profile; what vouches, is here and may is Entity Management and its
 * relatives; what happens to the log itself is Event Log Activity. The record stands in raw_data, byte for byte as it was hashed, so
 * that what a SIEM holds can be proven too. */
#include "cli/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OTHER 99u

enum ocsf_class {
	LOG_ACTIVITY = 1008,
	ACCOUNT_CHANGE = 3001,
	AUTHENTICATION = 3002,
	AUTHORIZE_SESSION = 3003,
	ENTITY_MANAGEMENT = 3004,
	USER_ACCESS = 3005,
	API_ACTIVITY = 6003,
};

static const struct {
	u32 uid;
	const char *name, *activity[12]; /* by id, as far as they are used */
} classes[] = {
	{ LOG_ACTIVITY, "Event Log Activity",
		{ [2] = "Delete",
			[3] = "Export",
			[4] = "Archive",
			[5] = "Rotate",
			[6] = "Start",
			[7] = "Stop" } },
	{ ACCOUNT_CHANGE, "Account Change", { [6] = "Delete" } },
	{ AUTHENTICATION, "Authentication", { [2] = "Logoff" } },
	{ AUTHORIZE_SESSION, "Authorize Session", { [1] = "Assign Privileges" } },
	{ ENTITY_MANAGEMENT, "Entity Management",
		{ [1] = "Create", [2] = "Read", [3] = "Update", [4] = "Delete" } },
	{ USER_ACCESS, "User Access Management", { [3] = "Assign Role", [4] = "Remove Role" } },
	{ API_ACTIVITY, "API Activity", { [1] = "Create", [2] = "Read", [3] = "Update", [4] = "Delete" } },
};

/* By event; one that is not here is Event Log Activity, Other, by its name. type: of the entity; name: the member that names it. */
static const struct event {
	const char *event;
	u32 class_uid, activity;
	const char *type, *name;
} events[] = {
	{ "start", LOG_ACTIVITY, 6, NULL, NULL },
	{ "stop", LOG_ACTIVITY, 7, NULL, NULL },
	{ "key", LOG_ACTIVITY, 5, NULL, NULL },
	{ "archive", LOG_ACTIVITY, 4, NULL, NULL },
	{ "prune", LOG_ACTIVITY, 2, NULL, NULL },
	{ "erase", ACCOUNT_CHANGE, 6, NULL, "subject" },
	{ "session", AUTHORIZE_SESSION, 1, NULL, NULL },
	{ "session-end", AUTHENTICATION, 2, NULL, NULL },
	{ "trust-add", ENTITY_MANAGEMENT, 1, "trust root", "name" },
	{ "trust-remove", ENTITY_MANAGEMENT, 4, "trust root", "name" },
	{ "policy-set", ENTITY_MANAGEMENT, 3, "policy", "policy" },
	{ "witnesses", ENTITY_MANAGEMENT, 3, "witness policy", "policy" },
	{ "import-intent", ENTITY_MANAGEMENT, 1, "model", "name" },
	{ "import-verdict", ENTITY_MANAGEMENT, 1, "model", "name" },
	{ "model-remove", ENTITY_MANAGEMENT, 4, "model", "name" },
	{ "revoke", ENTITY_MANAGEMENT, 3, "model", "name" },
	{ "quarantine", ENTITY_MANAGEMENT, 3, "model", "name" },
	{ "lift", ENTITY_MANAGEMENT, 3, "model", "name" },
	{ "serve", ENTITY_MANAGEMENT, 3, "model", "name" },
	{ "export", ENTITY_MANAGEMENT, 2, "model", "name" },
	{ "export-allow", ENTITY_MANAGEMENT, 3, "model", "name" },
	{ "role-add", USER_ACCESS, 3, NULL, "name" },
	{ "role-remove", USER_ACCESS, 4, NULL, "name" },
	{ "grant", API_ACTIVITY, 1, NULL, NULL },
	{ "load", API_ACTIVITY, 1, NULL, NULL },
	{ "unload", API_ACTIVITY, 4, NULL, NULL },
	{ "request", API_ACTIVITY, 1, NULL, NULL },
	{ "outcome", API_ACTIVITY, 1, NULL, NULL },
	{ "propose", API_ACTIVITY, 1, NULL, NULL },
	{ "approve", API_ACTIVITY, 3, NULL, NULL },
	{ "reject", API_ACTIVITY, 3, NULL, NULL },
	{ "expire", API_ACTIVITY, 3, NULL, NULL },
	{ "denied", API_ACTIVITY, OTHER, NULL, NULL },
	{ "orphan", API_ACTIVITY, OTHER, NULL, NULL },
};

static struct event event_of(const json_t *j, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (!strcmp(events[i].event, name))
			return events[i];
	/* what was read is still in its place; an excerpt is a copy that leaves */
	bool copy = !strcmp(name, "log-read") && (!strncmp(lines_cell(j, "what").s, "export", 6) ||
							 !strcmp(lines_cell(j, "what").s, "evidence"));
	return (struct event){ name, LOG_ACTIVITY, copy ? 3 : OTHER, NULL, NULL };
}

static void put_str(json_t *o, const char *key, const char *value)
{
	json_object_set_new(o, key, json_string(value));
}
static void put_u64(json_t *o, const char *key, u64 value)
{
	json_object_set_new(o, key, json_integer((json_int_t)value));
}
static json_t *named(const char *name)
{
	return json_pack("{s:s}", "name", name);
}

/* ---- what every event has ---- */

static void put_metadata(struct exporter *x, const json_t *j, json_t *o, bool ai)
{
	json_t *m = json_object(), *product = json_pack("{s:s, s:s}", "name", "Keep", "vendor_name", "Keep");
	char uid[320];
	snprintf(uid, sizeof uid, "%s/%" PRIu64, x->origin, lines_u64(j, "index"));
	put_str(m, "version", "1.7.0");
	json_object_set_new(m, "product", product);
	put_str(m, "uid", uid);
	put_u64(m, "sequence", lines_u64(j, "index"));
	put_str(m, "event_code", lines_cell(j, "event").s);
	put_str(m, "log_name", x->origin);
	put_str(m, "log_provider", "keepd");
	if (json_object_get(j, "intent")) {
		snprintf(uid, sizeof uid, "%s/%" PRIu64, x->origin, lines_u64(j, "intent"));
		put_str(m, "correlation_uid", uid);
	}
	if (ai)
		json_object_set_new(m, "profiles", json_pack("[s]", "ai_operation"));
	json_object_set_new(o, "metadata", m);
}

static void put_class(json_t *o, const struct event *e, const char *event)
{
	u32 class_uid = e->class_uid;
	const char *name = "", *activity = NULL;
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		if (classes[i].uid == class_uid) {
			name = classes[i].name;
			activity = e->activity == OTHER ? NULL : classes[i].activity[e->activity];
		}
	put_u64(o, "category_uid", class_uid / 1000);
	put_u64(o, "class_uid", class_uid);
	put_str(o, "class_name", name);
	put_u64(o, "activity_id", e->activity);
	put_str(o, "activity_name", activity ? activity : event);
	put_u64(o, "type_uid", (u64)class_uid * 100 + e->activity);
}

static bool is_denied(const json_t *j)
{
	return !strcmp(lines_cell(j, "event").s, "denied");
}

static void put_status(const json_t *j, json_t *o)
{
	static const struct {
		u32 id;
		const char *name;
	} severity[] = { { 1, "Informational" }, { 3, "Medium" }, { 5, "Critical" } };
	enum facts_severity s = facts_severity_of(j);
	struct cell result = facts_result(j), why = lines_cell(j, "why");
	put_u64(o, "severity_id", severity[s].id);
	put_str(o, "severity", severity[s].name);
	if (result.s[0] || is_denied(j)) {
		put_u64(o, "status_id", s == FACTS_INFO ? 1 : 2);
		put_str(o, "status", s == FACTS_INFO ? "Success" : "Failure");
		put_str(o, "status_code", result.s[0] ? result.s : "denied");
	}
	if (why.s[0])
		put_str(o, "status_detail", why.s);
}

static json_t *user_of(const json_t *actor)
{
	struct cell person = lines_cell(actor, "person"), role = lines_cell(actor, "role");
	json_t *u = json_object();
	put_str(u, "uid", lines_cell(actor, "uid").s);
	if (person.s[0])
		put_str(u, "name", person.s);
	if (role.s[0])
		json_object_set_new(u, "groups", json_pack("[o]", named(role.s)));
	return u;
}

static void put_actor(const json_t *j, json_t *o)
{
	const json_t *a = json_object_get(j, "actor");
	json_t *actor = json_object();
	json_object_set_new(actor, "user", user_of(a));
	json_object_set_new(actor, "process", json_pack("{s:I}", "pid", (json_int_t)lines_u64(a, "pid")));
	json_object_set_new(o, "actor", actor);
}

/* ---- what a class has ---- */

static struct export_question *question(struct exporter *x, const json_t *j)
{
	const json_t *of = json_object_get(j, "intent");
	struct export_question *q = &x->questions[lines_u64(j, of ? "intent" : "index") % EXPORT_QUESTIONS];
	struct cell event = lines_cell(j, "event");
	if (!of && (!strcmp(event.s, "request") || !strcmp(event.s, "grant"))) {
		*q = (struct export_question){ .index = lines_u64(j, "index"), .there = true };
		snprintf(q->name, sizeof q->name, "%.64s", lines_cell(j, "name").s);
		snprintf(q->model, sizeof q->model, "%.96s", lines_cell(j, "model").s);
		return q;
	}
	return of && q->there && q->index == lines_u64(j, "intent") ? q : NULL;
}

static void put_ai(struct exporter *x, const json_t *j, json_t *o, bool answer)
{
	const struct export_question *q = question(x, j);
	if (q)
		json_object_set_new(o, "ai_model",
			json_pack("{s:s, s:s, s:s}", "model_name", q->name, "ai_provider", "Internal", "uid",
				q->model));
	json_t *m = json_object(), *service = named("keepd");
	put_str(m, "uid", lines_cell(j, "session").s);
	put_u64(m, "ai_role_id", answer ? 2 : 1);
	json_object_set_new(m, "service", service);
	if (answer) {
		put_u64(m, "prompt_tokens", lines_u64(j, "n_prompt"));
		put_u64(m, "completion_tokens", lines_u64(j, "n_generated"));
		put_u64(m, "total_tokens", lines_u64(j, "n_prompt") + lines_u64(j, "n_generated"));
	}
	json_object_set_new(o, "message_context", m);
}

static void put_api(struct exporter *x, const json_t *j, json_t *o)
{
	struct cell event = lines_cell(j, "event");
	bool answer = !strcmp(event.s, "outcome");
	struct cell operation = is_denied(j) ? lines_cell(j, "what") : event; /* what was tried */
	json_t *api = json_pack("{s:s, s:o}", "operation", operation.s, "service", named("keepd"));
	json_object_set_new(o, "api", api);
	json_object_set_new(o, "src_endpoint", json_pack("{s:s}", "name", "local socket"));
	if (answer || !strcmp(event.s, "request"))
		put_ai(x, j, o, answer);
	else
		(void)question(x, j);
}

static void put_entity(const json_t *j, json_t *o, const struct event *e)
{
	json_t *entity = json_pack("{s:s, s:s}", "type", e->type, "name", lines_cell(j, e->name).s);
	struct cell model = lines_cell(j, "model"), key = lines_cell(j, "key_id"),
		    reason = lines_cell(j, "reason");
	if (model.s[0] || key.s[0])
		put_str(entity, "uid", model.s[0] ? model.s : key.s);
	json_object_set_new(o, "entity", entity);
	if (reason.s[0])
		put_str(o, "comment", reason.s);
}

static void put_session(const json_t *j, json_t *o)
{
	char what[160];
	snprintf(what, sizeof what, "use model %.64s", lines_cell(j, "name").s);
	json_object_set_new(o, "user", user_of(json_object_get(j, "actor")));
	json_object_set_new(o, "privileges", json_pack("[s]", what));
	json_object_set_new(o, "session", json_pack("{s:s}", "uid", lines_cell(j, "index").s));
}

static void put_specific(struct exporter *x, const json_t *j, json_t *o, const struct event *e)
{
	struct cell person = lines_cell(j, e->name ? e->name : "name");
	switch (e->class_uid) {
	case LOG_ACTIVITY:
		put_str(o, "log_name", x->origin);
		put_str(o, "log_provider", "keepd");
		break;
	case ACCOUNT_CHANGE:
	case USER_ACCESS:
		json_object_set_new(o, "user", named(person.s));
		if (json_object_get(j, "roles"))
			put_str(o, "iam_role", lines_cell(j, "roles").s);
		break;
	case AUTHENTICATION:
		json_object_set_new(o, "user", user_of(json_object_get(j, "actor")));
		json_object_set_new(o, "service", named("keepd"));
		json_object_set_new(o, "session", json_pack("{s:s}", "uid", lines_cell(j, "session").s));
		break;
	case AUTHORIZE_SESSION:
		put_session(j, o);
		break;
	case ENTITY_MANAGEMENT:
		put_entity(j, o, e);
		break;
	default:
		put_api(x, j, o);
	}
}

int export_ocsf(struct exporter *x, const json_t *j, const char *line, size_t len)
{
	struct cell name = lines_cell(j, "event");
	struct event e = event_of(j, name.s);
	bool ai = !strcmp(name.s, "request") || !strcmp(name.s, "outcome");
	char what[512];
	_cleanup_json_ json_t *o = json_object();
	put_u64(o, "time", lines_u64(j, "time_ns") / 1000000);
	put_class(o, &e, name.s);
	put_status(j, o);
	facts_line(j, what, sizeof what);
	put_str(o, "message", what[0] ? what : name.s);
	put_metadata(x, j, o, ai);
	put_actor(j, o);
	put_specific(x, j, o, &e);
	json_object_set_new(o, "raw_data", json_stringn(line, len));
	if (json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER))
		return 1;
	putchar('\n');
	return 0;
}
