#define _GNU_SOURCE
#include "gateway/console/filter.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND 1000000000u

/* Questions with all that may answer them, so that both stand in one listing. */
static const struct {
	const char *opens, *closes;
} pairs[] = { { "request", "outcome" }, { "request", "orphan" }, { "grant", "load" }, { "grant", "orphan" },
	{ "import-intent", "import-verdict" }, { "import-intent", "orphan" }, { "propose", "approve" },
	{ "propose", "reject" }, { "propose", "expire" }, { "erase", "erased" } };
/* What happens every day, as opposed to acts that change who vouches, what is here and who may. */
static const char routine[] =
	"session,session-end,request,outcome,grant,load,unload,log-read,clock,import-intent";

/* ---- times ----------------------------------------------------------------------------------------------------------------- */

int filter_time(const char *s, u64 *ret_first_ns, u64 *ret_last_ns)
{
	static const struct {
		const char *form;
		u64 s;
	} forms[] = { { "%Y-%m-%dT%H:%M:%S", 1 }, { "%Y-%m-%dT%H:%M", 60 }, { "%Y-%m-%d", 86400 } };
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(s, forms[i].form, &tm);
		int day = tm.tm_mday;
		time_t t = end && !*end ? timegm(&tm) : -1;
		if (t < 0)
			continue;
		if (tm.tm_mday != day) /* the 31st of February */
			return 1;
		if ((u64)t > UINT64_MAX / SECOND - 86400)
			return 1;
		*ret_first_ns = (u64)t * SECOND;
		*ret_last_ns = *ret_first_ns + forms[i].s * SECOND - 1;
		return 0;
	}
	return 1;
}

void filter_time_text(u64 s, char ret[FILTER_TIME_SIZE])
{
	time_t t = (time_t)s;
	struct tm tm;
	ret[0] = 0;
	if (gmtime_r(&t, &tm))
		strftime(ret, FILTER_TIME_SIZE, s % 86400 ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d", &tm);
}

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

static bool copy(const struct form *q, const char *name, char *to, size_t size)
{
	return snprintf(to, size, "%s", form_get(q, name)) < (int)size;
}

static const char *kind_of(const char *s)
{
	static const char *const kinds[] = { "asks", "acts", "all" };
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (!strcmp(s, kinds[i]))
			return kinds[i];
	return *s ? NULL : kinds[0];
}

int filter_read(const struct form *q, struct filter *ret, const char **ret_why)
{
	struct filter f = { .until_ns = UINT64_MAX, .to = UINT64_MAX };
	u64 unused;
	f.kind = kind_of(form_get(q, "kind"));
	*ret_why = !f.kind					       ? "kind"
		   : !copy(q, "who", f.who, sizeof f.who)	       ? "who"
		   : !copy(q, "model", f.model, sizeof f.model)	       ? "model"
		   : !copy(q, "event", f.event, sizeof f.event)	       ? "event"
		   : !copy(q, "result", f.result, sizeof f.result)     ? "result"
		   : !copy(q, "text", f.text, sizeof f.text)	       ? "text"
		   : !copy(q, "since", f.since, sizeof f.since)	       ? "since"
		   : !copy(q, "until", f.until, sizeof f.until)	       ? "until"
		   : form_u64(q, "from", UINT64_MAX - 1, &f.from) == 2 ? "from"
		   : form_u64(q, "to", UINT64_MAX - 1, &f.to) == 2     ? "to"
								       : NULL;
	if (!*ret_why && f.since[0] && filter_time(f.since, &f.since_ns, &unused))
		*ret_why = "since";
	if (!*ret_why && f.until[0] && filter_time(f.until, &unused, &f.until_ns))
		*ret_why = "until";
	if (*ret_why)
		return 1;
	*ret = f;
	return 0;
}

/* ---- asking ---------------------------------------------------------------------------------------------------------------- */

/* "a, b" into fixed fields. 0; 1 a word is too long or there are too many. */
static int words_of(const char *s, void *fields, size_t size, u32 *n)
{
	while (*s) {
		size_t len = strcspn(s, ","), front = strspn(s, " "), back = len;
		while (back > front && s[back - 1] == ' ')
			back--;
		if (back > front) {
			if (*n == LOOK_ANY_MAX || back - front >= size)
				return 1;
			memcpy((char *)fields + *n * size, s + front, back - front);
			++*n;
		}
		s += len + (s[len] == ',');
	}
	return 0;
}

static int people_of(const char *s, struct proto_look *q)
{
	char word[LOOK_ANY_MAX][sizeof q->names[0]] = { { 0 } };
	u32 n = 0;
	if (words_of(s, word, sizeof word[0], &n))
		return 1;
	for (u32 i = 0; i < n; i++) {
		const char *w = word[i] + (strncmp(word[i], "uid:", 4) ? 0 : 4);
		u64 uid = 0;
		size_t digits = strspn(w, "0123456789");
		for (size_t k = 0; k < digits && digits <= 10; k++)
			uid = 10 * uid + (u64)(w[k] - '0');
		if (digits && digits <= 10 && !w[digits] && uid <= UINT32_MAX)
			q->actors[q->n_actors++] = (u32)uid;
		else
			memcpy(q->names[q->n_names++], word[i], sizeof word[i]);
	}
	return 0;
}

static bool has_event(const struct proto_look *q, const char *event)
{
	for (u32 i = 0; i < q->n_events; i++)
		if (!strcmp(q->events[i], event))
			return true;
	return false;
}

/* Whoever asks for questions sees what came of them. */
static void add_answers(struct proto_look *q)
{
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		if (has_event(q, pairs[i].opens) && !has_event(q, pairs[i].closes) &&
			q->n_events < LOOK_ANY_MAX)
			strcpy(q->events[q->n_events++], pairs[i].closes);
}

int filter_look(const struct filter *f, struct proto_look *ret, const char **ret_why)
{
	struct proto_look q = { .what = LOOK_RECORDS,
		.from = f->from,
		.to = f->to,
		.since_ns = f->since_ns,
		.until_ns = f->until_ns };
	const char *events = f->event[0]		? f->event
			     : !strcmp(f->kind, "asks") ? "request"
			     : !strcmp(f->kind, "acts") ? routine
							: "";
	*ret_why = words_of(events, q.events, sizeof q.events[0], &q.n_events)	       ? "event"
		   : people_of(f->who, &q)					       ? "who"
		   : words_of(f->model, q.models, sizeof q.models[0], &q.n_models)     ? "model"
		   : words_of(f->result, q.results, sizeof q.results[0], &q.n_results) ? "result"
										       : NULL;
	if (*ret_why)
		return 1;
	memcpy(q.text, f->text, sizeof q.text);
	if (!f->event[0] && !strcmp(f->kind, "acts"))
		q.flags |= LOOK_EXCEPT;
	else
		add_answers(&q);
	*ret = q;
	return 0;
}

/* ---- showing --------------------------------------------------------------------------------------------------------------- */

void filter_url(const struct filter *f, struct page_url *u)
{
	page_url_param(u, "kind", strcmp(f->kind, "asks") ? f->kind : "");
	page_url_param(u, "who", f->who);
	page_url_param(u, "model", f->model);
	page_url_param(u, "event", f->event);
	page_url_param(u, "result", f->result);
	page_url_param(u, "text", f->text);
	page_url_param(u, "since", f->since);
	page_url_param(u, "until", f->until);
	if (f->from)
		page_url_param_u64(u, "from", f->from);
	if (f->to != UINT64_MAX)
		page_url_param_u64(u, "to", f->to);
}

bool filter_narrows(const struct filter *f)
{
	return f->who[0] || f->model[0] || f->event[0] || f->result[0] || f->text[0];
}

static void word(struct page *p, const char *what, const char *value)
{
	if (!*value)
		return;
	page_fmt(p, ", %s ", what);
	page_html(p, "<strong>");
	page_name(p, value);
	page_html(p, "</strong>");
}

void filter_words(const struct filter *f, struct page *p)
{
	page_text(p, f->event[0]		? "Records"
		     : !strcmp(f->kind, "asks") ? "Questions to models and their answers"
		     : !strcmp(f->kind, "acts") ? "Acts that changed something"
						: "All records");
	word(p, "of the event", f->event);
	word(p, "by", f->who);
	word(p, "of the model", f->model);
	word(p, "that ended with", f->result);
	word(p, "with the words", f->text);
	word(p, "since", f->since);
	word(p, "until the end of", f->until);
	if (f->from || f->to != UINT64_MAX)
		page_html(p, ", from a part of the log");
}
