/* FHIR R4 AuditEvent, as NDJSON: what an audit record repository of a hospital takes. Types and subtypes are DICOM's (PS3.15 A.5) as far as it
 * has one; Keep's own event stands beside each. The record stands in the first entity, byte for byte as it was hashed. */
#include "cli/export.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DICOM	   "http://dicom.nema.org/resources/ontology/DCM"
#define TERMS	   "http://terminology.hl7.org/CodeSystem/"
#define KEEP_TERMS "urn:keep:event"

enum kind {
	APPLICATION,
	LOG_USED,
	EXPORTED,
	IMPORTED,
	QUERIED,
	ALERT,
	AUTHENTICATED,
};

struct code {
	const char *code, *display;
};

static const struct code kinds[] = {
	[APPLICATION] = { "110100", "Application Activity" },
	[LOG_USED] = { "110101", "Audit Log Used" },
	[EXPORTED] = { "110106", "Export" },
	[IMPORTED] = { "110107", "Import" },
	[QUERIED] = { "110112", "Query" },
	[ALERT] = { "110113", "Security Alert" },
	[AUTHENTICATED] = { "110114", "User Authentication" },
};

static const struct code started = { "110120", "Application Start" },
			 stopped = { "110121", "Application Stop" }, login = { "110122", "Login" },
			 logout = { "110123", "Logout" }, security = { "110129", "Security Configuration" },
			 restricted = { "110132", "Use of Restricted Function" },
			 attributes = { "110135", "Object Security Attributes Changed" },
			 roles = { "110136", "Security Roles Changed" };

/* By event; one that is not here is Application Activity, executed. */
static const struct event {
	const char *event;
	enum kind kind;
	char action; /* Create, Read, Update, Delete, Execute */
	const struct code *subtype;
} events[] = {
	{ "start", APPLICATION, 'E', &started },
	{ "stop", APPLICATION, 'E', &stopped },
	{ "log-read", LOG_USED, 'R', NULL },
	{ "review", LOG_USED, 'R', NULL },
	{ "archive", EXPORTED, 'R', NULL },
	{ "export", EXPORTED, 'R', NULL },
	{ "import-intent", IMPORTED, 'C', NULL },
	{ "import-verdict", IMPORTED, 'C', NULL },
	{ "request", QUERIED, 'E', NULL },
	{ "outcome", QUERIED, 'E', NULL },
	{ "session", AUTHENTICATED, 'E', &login },
	{ "session-end", AUTHENTICATED, 'E', &logout },
	{ "console-enter", AUTHENTICATED, 'E', &login },
	{ "console-end", AUTHENTICATED, 'E', &logout },
	{ "denied", ALERT, 'E', &restricted },
	{ "trust-add", ALERT, 'C', &security },
	{ "trust-remove", ALERT, 'D', &security },
	{ "policy-set", ALERT, 'U', &security },
	{ "witnesses", ALERT, 'U', &security },
	{ "retention", ALERT, 'U', &security },
	{ "quota-set", ALERT, 'U', &security },
	{ "key", ALERT, 'U', &security },
	{ "tls-set", ALERT, 'U', &security },
	{ "access-add", ALERT, 'C', &security },
	{ "access-remove", ALERT, 'D', &security },
	{ "role-add", ALERT, 'C', &roles },
	{ "role-remove", ALERT, 'D', &roles },
	{ "hold-add", ALERT, 'C', &attributes },
	{ "hold-remove", ALERT, 'D', &attributes },
	{ "erase", ALERT, 'D', &attributes },
	{ "erased", ALERT, 'D', &attributes },
	{ "prune", ALERT, 'D', &attributes },
	{ "model-remove", ALERT, 'D', &attributes },
	{ "revoke", ALERT, 'U', &attributes },
	{ "quarantine", ALERT, 'U', &attributes },
	{ "lift", ALERT, 'U', &attributes },
	{ "serve", ALERT, 'U', &attributes },
	{ "contradiction", ALERT, 'E', NULL },
	{ "gap", ALERT, 'E', NULL },
	{ "fault", ALERT, 'E', NULL },
	{ "storage", ALERT, 'E', NULL },
	{ "reserve", ALERT, 'E', NULL },
};

static struct event event_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		if (!strcmp(events[i].event, name))
			return events[i];
	return (struct event){ name, APPLICATION, 'E', NULL };
}

static json_t *coding(const char *system, const char *code, const char *display)
{
	return json_pack("{s:s, s:s, s:s}", "system", system, "code", code, "display", display);
}

static json_t *dicom(const struct code *c)
{
	return coding(DICOM, c->code, c->display);
}

/* {"identifier": …, "display": …}: what has no address, only a name. */
static json_t *reference(const char *system, const char *value, const char *display)
{
	return json_pack(
		"{s:{s:s, s:s}, s:s}", "identifier", "system", system, "value", value, "display", display);
}

/* ---- who ---- */

/* The account that acted, and its role; a principal by its own name, as the gateway proved it. */
static json_t *agent(const json_t *j)
{
	const json_t *a = json_object_get(j, "actor");
	struct cell uid = lines_cell(a, "uid"), person = lines_cell(a, "person"),
		    role = lines_cell(a, "role"), principal = lines_cell(j, "principal");
	const char *who = principal.s[0] ? principal.s : person.s[0] ? person.s : uid.s;
	json_t *g = json_pack("{s:o, s:s, s:b}", "who", reference("urn:keep:actor", who, who), "altId", uid.s,
		"requestor", strcmp(lines_cell(a, "auth").s, "self") != 0);
	if (person.s[0])
		json_object_set_new(g, "name", json_string(person.s));
	if (role.s[0])
		json_object_set_new(g, "role", json_pack("[{s:s}]", "text", role.s));
	return g;
}

static json_t *source(const char *origin)
{
	return json_pack("{s:s, s:o, s:[o]}", "site", origin, "observer",
		reference("urn:keep:log", origin, "keepd"), "type",
		coding(TERMS "security-source-type", "4", "Application Server"));
}

/* ---- what ---- */

static json_t *detail(const char *type, const char *value)
{
	return json_pack("{s:s, s:s}", "type", type, "valueString", value);
}

/* The record itself, and the intent that it answers. */
static json_t *entity_record(struct exporter *x, const json_t *j, const char *line, size_t len)
{
	char uid[320];
	json_t *details = json_pack("[{s:s, s:o}]", "type", "record", "valueString", json_stringn(line, len));
	if (json_object_get(j, "intent"))
		json_array_append_new(details, detail("intent", lines_cell(j, "intent").s));
	snprintf(uid, sizeof uid, "%s/%" PRIu64, x->origin, lines_u64(j, "index"));
	return json_pack("{s:o, s:o, s:o, s:o}", "what", reference("urn:keep:record", uid, uid), "type",
		coding(TERMS "audit-entity-type", "2", "System Object"), "role",
		coding(TERMS "object-role", "13", "Security Resource"), "detail", details);
}

/* The model that was used, or whatever has a name. NULL: none. */
static json_t *entity_object(const json_t *j)
{
	struct cell name = lines_cell(j, "name"), model = lines_cell(j, "model"),
		    subject = lines_cell(j, "subject");
	const char *called = name.s[0] ? name.s : subject.s;
	json_t *e;
	if (!called[0])
		return NULL;
	e = json_pack("{s:o, s:s}", "type", coding(TERMS "audit-entity-type", "2", "System Object"), "name",
		called);
	if (model.s[0])
		json_object_set_new(e, "what", reference("urn:keep:model", model.s, called));
	return e;
}

/* ---- the event ---- */

static void put_outcome(const json_t *j, json_t *o)
{
	static const char *const outcome[] = {
		[FACTS_INFO] = "0", [FACTS_FAILED] = "4", [FACTS_ALARM] = "8"
	};
	char what[512];
	facts_line(j, what, sizeof what);
	json_object_set_new(o, "outcome", json_string(outcome[facts_severity_of(j)]));
	if (what[0])
		json_object_set_new(o, "outcomeDesc", json_string(what));
}

int export_fhir(struct exporter *x, const json_t *j, const char *line, size_t len)
{
	struct cell name = lines_cell(j, "event");
	struct event e = event_of(name.s);
	char time[EXPORT_TIME_MAX], action[2] = { e.action };
	_cleanup_json_ json_t *o =
		json_pack("{s:s, s:o}", "resourceType", "AuditEvent", "type", dicom(&kinds[e.kind]));
	json_t *subtypes = json_array(), *entities = json_array(), *object = entity_object(j);
	export_time(lines_u64(j, "time_ns"), time);
	if (e.subtype)
		json_array_append_new(subtypes, dicom(e.subtype));
	json_array_append_new(subtypes, coding(KEEP_TERMS, name.s, name.s));
	json_object_set_new(o, "subtype", subtypes);
	json_object_set_new(o, "action", json_string(action));
	json_object_set_new(o, "recorded", json_string(time));
	put_outcome(j, o);
	json_object_set_new(o, "agent", json_pack("[o]", agent(j)));
	json_object_set_new(o, "source", source(x->origin));
	json_array_append_new(entities, entity_record(x, j, line, len));
	if (object)
		json_array_append_new(entities, object);
	json_object_set_new(o, "entity", entities);
	if (!o || json_dumpf(o, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER))
		return 1;
	putchar('\n');
	return 0;
}
