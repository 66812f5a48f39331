/* Overview: what needs attention first, then what Keep promises and how each of it stands, then the state of log, models and machine. */
#include "gateway/console/models.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DAY_S	      86400u
#define WITNESS_OLD_S (7 * DAY_S)  /* as keep status says it */
#define TLS_SOON_S    (30 * DAY_S) /* before its end, when keepd records that too */

#define SECOND_NS 1000000000u

enum { STATUS, MODELS, EVENTS };

/* The newest records alone: a page is quick whatever the log's length, and what is older was seen when it was new. */
static void ask_events(struct console *c)
{
	u64 size = console_u64(console_row(c, STATUS), "log_size");
	console_look(c, &(struct proto_look){ .what = LOOK_BY_EVENT,
				.from = size - MIN(size, (u64)LOOK_TIMELINE_RECORDS),
				.to = UINT64_MAX,
				.until_ns = UINT64_MAX,
				.n_events = 4,
				.events = { "orphan", "import-verdict", "quarantine", "contradiction" } });
}

void overview_ask(struct console *c)
{
	if (c->round == 1)
		ask_events(c);
	if (c->round)
		return;
	console_query(c, &(struct proto_query){ .what = QUERY_STATUS }, NULL);
	console_query(c, &(struct proto_query){ .what = QUERY_MODELS, .count = 1 }, NULL);
}

/* ---- what needs attention --------------------------------------------------------------------------------------------------- */

static void item(struct page *p, u32 *n, enum page_mark mark, const char *what, const char *then)
{
	page_html(p, "<li>");
	page_state(p, mark, what);
	page_html(p, " <span class=\"then\">");
	page_text(p, then);
	page_html(p, "</span></li>\n");
	++*n;
}

static u32 models_of(const json_t *models, const char *status)
{
	u32 n = 0;
	size_t i;
	json_t *m;
	json_array_foreach(models, i, m) n += !strcmp(console_str(m, "status"), status);
	return n;
}

static void witness_items(struct page *p, u32 *n, const json_t *s)
{
	if (!console_u64(s, "witnesses"))
		item(p, n, PAGE_NOTE, "Nobody witnesses this log.",
			"Nobody else could tell that it was put back: keep audit witnesses.");
	else if (!json_object_get(s, "witnessed_age_s"))
		item(p, n, PAGE_NOTE, "No checkpoint is witnessed yet.",
			"keep audit checkpoint, keep audit cosign.");
	else if (console_u64(s, "witnessed_age_s") > WITNESS_OLD_S)
		item(p, n, PAGE_NOTE, "The newest witnessed checkpoint is older than a week.",
			"Carry a newer one to the witnesses.");
}

/* The sum of an event; NULL: it did not happen. */
static const json_t *sum_of(const json_t *events, const char *event)
{
	size_t i;
	const json_t *j;
	json_array_foreach(events, i, j)
	{
		if (!strcmp(console_str(j, "key"), event))
			return j;
	}
	return NULL;
}

static void event_items(struct page *p, u32 *n, const json_t *events)
{
	if (sum_of(events, "contradiction"))
		item(p, n, PAGE_BAD, "A witness has seen another log under this log's name.",
			"See the records of the event contradiction.");
	if (sum_of(events, "orphan"))
		item(p, n, PAGE_NOTE, "Acts were begun and never came to an end.", "See the promises below.");
}

static void attention(struct page *p, const json_t *s, const json_t *models, const json_t *events)
{
	const json_t *clock = json_object_get(s, "clock"), *tls = json_object_get(s, "tls");
	u32 n = 0;
	page_html(p, "<ul class=\"attention\">\n");
	if (strcmp(console_str(s, "gate"), "open"))
		item(p, &n, PAGE_BAD, "The gate is shut: no request is let through.", console_str(s, "why"));
	if (models_of(models, "quarantined"))
		item(p, &n, PAGE_BAD, "A model's stored bytes were found changed.",
			"It is in quarantine: see the models below.");
	if (console_u64(s, "disk_mark") >= 75)
		item(p, &n, console_u64(s, "disk_mark") >= 95 ? PAGE_BAD : PAGE_NOTE,
			"The medium of the log fills up.", "See the storage below.");
	if (console_u64(clock, "behind_s"))
		item(p, &n, PAGE_NOTE, "The wall clock is behind the floor clock.",
			"Verdicts are judged by the floor clock.");
	event_items(p, &n, events);
	witness_items(p, &n, s);
	if (console_u64(s, "log_unread"))
		item(p, &n, PAGE_NOTE, "Some records were not verified again since the start.",
			"They are, while the gate serves.");
	if (console_u64(s, "pending"))
		item(p, &n, PAGE_NOTE, "A proposal waits for a second person.", "keep pending lists it.");
	if (tls && console_u64(tls, "left_s") < TLS_SOON_S)
		item(p, &n, PAGE_NOTE, "The gateway's certificate ends soon.", "keep tls csr.");
	if (console_true(s, "single_user"))
		item(p, &n, PAGE_NOTE, "This appliance has one user, who has all roles.",
			"Nothing here takes two people.");
	if (!n)
		item(p, &n, PAGE_GOOD, "Nothing needs attention.", "");
	page_html(p, "</ul>\n");
}

/* ---- the promises ----------------------------------------------------------------------------------------------------------- */

static void promise(struct page *p, const char *what, enum page_mark mark, const char *words)
{
	page_html(p, "<div><dt>");
	page_text(p, what);
	page_html(p, "</dt><dd>");
	page_state(p, mark, words);
	page_html(p, " ");
}

/* What was looked at. */
static void newest(struct page *p, const char *words)
{
	page_text(p, words);
	page_html(p, "the newest ");
	page_count(p, LOOK_TIMELINE_RECORDS);
	page_html(p, " records");
}

static void events_link(struct page *p, const char *event, const char *words)
{
	struct page_url u;
	page_url(&u, "/console/records");
	page_url_param(&u, "kind", "all");
	page_url_param(&u, "event", event);
	page_a(p, &u, words);
}

static void models_promise(struct page *p, const json_t *models, const json_t *events)
{
	const json_t *verdicts = sum_of(events, "import-verdict");
	u32 bad = models_of(models, "quarantined");
	promise(p, "Nothing runs unverified", bad ? PAGE_BAD : PAGE_GOOD,
		bad ? "one is in quarantine" : "it holds");
	page_count(p, models_of(models, "accepted"));
	page_html(p, " accepted; ");
	if (verdicts) {
		events_link(p, "import-verdict", "the newest verdict");
		page_html(p, " is of ");
		page_time(p, console_u64(verdicts, "last_ns") / SECOND_NS);
	} else {
		newest(p, "no verdict stands in ");
	}
	page_html(p, ". The stored bytes are checked again at each load.");
	page_fact_end(p);
}

static void acts_promise(struct page *p, const json_t *s, const json_t *events)
{
	const json_t *orphans = sum_of(events, "orphan");
	bool open = !strcmp(console_str(s, "gate"), "open");
	promise(p, "Nothing happens unrecorded",
		!open	  ? PAGE_BAD
		: orphans ? PAGE_NOTE
			  : PAGE_GOOD,
		!open	  ? "the gate is shut"
		: orphans ? "with orphans"
			  : "it holds");
	if (orphans) {
		page_count(p, console_u64(orphans, "records"));
		newest(p, " in ");
		page_html(p, ", begun and ");
		events_link(p, "orphan", "never came to an end");
		page_html(p, ", the last of them found at ");
		page_time(p, console_u64(orphans, "last_ns") / SECOND_NS);
	} else {
		page_html(p, "whatever was begun came to an end, or is under way, by ");
		newest(p, "");
	}
	page_html(p, ".");
	page_fact_end(p);
}

static void log_promise(struct page *p, const json_t *s)
{
	bool seen = json_object_get(s, "witnessed_age_s") != NULL,
	     old = console_u64(s, "witnessed_age_s") > WITNESS_OLD_S;
	promise(p, "and nobody rewrites it", seen && !old ? PAGE_GOOD : PAGE_NOTE,
		!seen ? "nobody could tell"
		: old ? "not seen lately"
		      : "it holds");
	if (seen) {
		page_html(p, "witnesses have seen ");
		page_count(p, console_u64(s, "witnessed_size"));
		page_html(p, " records, ");
		page_age(p, console_u64(s, "witnessed_age_s"));
		page_html(p, " ago");
	} else {
		page_html(p, "no witness has seen it yet: <a href=\"/console/reviews#witness\">its "
			     "checkpoint</a>");
	}
	page_html(p, ".");
	page_fact_end(p);
}

/* What answers this request is the program that a network reaches. It asks the kernel for a socket that would reach out. */
static void egress_promise(struct page *p)
{
	int families[] = { AF_INET, AF_INET6, AF_PACKET, AF_NETLINK }, r = 0;
	for (size_t i = 0; i < ARRAY_LEN(families) && r >= 0; i++) {
		int fd = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);
		r = fd < 0 ? 0 : -EISCONN;
		if (fd >= 0)
			close(fd);
	}
	promise(p, "Nothing leaves", r ? PAGE_BAD : PAGE_GOOD, r ? "a socket was given" : "it holds");
	if (r)
		page_html(p, "the program that serves this page could open a connection of its own. ");
	else
		page_html(p, "the program that serves this page asked just now for sockets of four kinds "
			     "that reach a network, and "
			     "was given none. ");
	page_html(p, "Of the whole machine: <code>keep doctor egress</code>.");
	page_fact_end(p);
}

/* A runtime that computes one kernel otherwise than it was specified does not serve. */
static void replay_promise(struct page *p, const json_t *s)
{
	bool runs = console_true(s, "runtime");
	promise(p, "Everything can be repeated", runs ? PAGE_GOOD : PAGE_NOTE,
		runs ? "it holds" : "nothing computes now");
	page_html(p, "when it starts, each kernel of each device must give the bits that its specification "
		     "says, or nothing is served. "
		     "A request of the log is computed again by <code>keep audit replay RECORD</code>.");
	page_fact_end(p);
}

static void promises(struct page *p, const json_t *s, const json_t *models, const json_t *events)
{
	page_facts(p);
	models_promise(p, models, events);
	acts_promise(p, s, events);
	log_promise(p, s);
	egress_promise(p);
	replay_promise(p, s);
	page_facts_end(p);
}

/* ---- the state -------------------------------------------------------------------------------------------------------------- */

static void log_facts(struct page *p, const json_t *s)
{
	page_facts(p);
	page_fact(p, "Gate");
	page_state(p, strcmp(console_str(s, "gate"), "open") ? PAGE_BAD : PAGE_GOOD, console_str(s, "gate"));
	page_fact_end(p);
	page_fact(p, "Records");
	page_count(p, console_u64(s, "log_size"));
	page_fact_end(p);
	page_fact(p, "Root");
	page_digest(p, console_str(s, "log_root"));
	page_fact_end(p);
	page_fact(p, "Verified again since the start");
	page_count(p, console_u64(s, "log_size") - console_u64(s, "log_unread"));
	page_html(p, " of them");
	page_fact_end(p);
	page_fact(p, "Witnessed");
	if (json_object_get(s, "witnessed_age_s")) {
		page_count(p, console_u64(s, "witnessed_size"));
		page_html(p, " records, ");
		page_age(p, console_u64(s, "witnessed_age_s"));
		page_html(p, " ago");
	} else {
		page_html(p, "none");
	}
	page_fact_end(p);
	page_facts_end(p);
}

static void machine_facts(struct page *p, const json_t *s)
{
	const json_t *clock = json_object_get(s, "clock");
	page_facts(p);
	page_fact(p, "Storage");
	page_size(p, console_u64(s, "disk_free"));
	page_html(p, " free of ");
	page_size(p, console_u64(s, "disk_total"));
	page_html(p, "; ");
	page_size(p, console_u64(s, "disk_kept"));
	page_html(p, " of these kept for the log, ");
	page_size(p, console_u64(s, "disk_reserve"));
	page_html(p, " in reserve");
	page_fact_end(p);
	page_fact(p, "Time");
	page_time(p, console_u64(clock, "judged_s"));
	page_html(p, ", by the ");
	page_text(p, console_str(clock, "by"));
	page_html(p, " clock");
	page_fact_end(p);
	page_fact(p, "Requests");
	page_count(p, console_u64(s, "requests_running"));
	page_html(p, " running, ");
	page_count(p, console_u64(s, "requests_waiting"));
	page_html(p, " waiting");
	page_fact_end(p);
	page_fact(p, "Policy");
	page_digest(p, console_str(s, "policy"));
	page_fact_end(p);
	page_fact(p, "Version");
	page_text(p, console_str(s, "version"));
	page_html(p, ", up for ");
	page_age(p, console_u64(s, "uptime_s"));
	page_fact_end(p);
	page_facts_end(p);
}

void overview_show(struct console *c, struct page *p)
{
	const json_t *s = console_row(c, STATUS), *models = console_rows(c, MODELS),
		     *events = console_rows(c, EVENTS);
	if (!s) {
		console_fail(c, 503, "%s", console_answer(c, STATUS)->text);
		return;
	}
	page_section(p, "attention", "What needs attention");
	attention(p, s, models, events);
	page_section_end(p);
	page_section(p, "promises", "What Keep promises");
	promises(p, s, models, events);
	page_section_end(p);
	page_section(p, "log", "The log");
	log_facts(p, s);
	page_section_end(p);
	page_section(p, "models", "Models");
	models_table(p, models);
	page_section_end(p);
	page_section(p, "machine", "The machine");
	machine_facts(p, s);
	page_section_end(p);
}
