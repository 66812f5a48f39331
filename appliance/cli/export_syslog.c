/* RFC 5424: <PRI>1 time host keepd - event [keep@32473 …] message. Facility 13 is the log of audits. 32473 is the enterprise number that
 * RFC 5612 keeps for examples: Keep has none of its own. The host is the log's origin: a record says no other. */
#include "cli/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FACILITY_AUDIT 13u
#define NAME_MAX_5424  32 /* characters of a parameter's name */

/* A value: quote, backslash and bracket are escaped, nothing else. */
static void put_value(const char *s)
{
	for (; *s; s++) {
		if (*s == '"' || *s == '\\' || *s == ']')
			putchar('\\');
		putchar(*s);
	}
}

static int put_param(const char *prefix, const char *key, const json_t *v)
{
	char name[NAME_MAX_5424 + 1];
	const char *k;
	json_t *m;
	int r = 0;
	snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "." : "", key);
	if (json_is_object(v)) {
		json_object_foreach((json_t *)(uintptr_t)v, k, m) r = r ? r : put_param(name, k, m);
		return r;
	}
	_cleanup_free_ char *text = json_is_string(v) ? strdup(json_string_value(v))
						      : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	if (!text)
		return 1;
	printf(" %s=\"", name);
	put_value(text);
	putchar('"');
	return 0;
}

void export_time(u64 ns, char ret[EXPORT_TIME_MAX])
{
	time_t s = (time_t)(ns / 1000000000u);
	struct tm tm;
	gmtime_r(&s, &tm);
	size_t n = strftime(ret, EXPORT_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret + n, EXPORT_TIME_MAX - n, ".%06uZ", (u32)(ns % 1000000000u / 1000));
}

int export_syslog(struct exporter *x, const json_t *j, const char *line, size_t len)
{
	static const u32 severity[] = { [FACTS_INFO] = 6, [FACTS_FAILED] = 4, [FACTS_ALARM] = 1 };
	struct cell event = lines_cell(j, "event");
	char what[512], time[EXPORT_TIME_MAX];
	const char *key;
	json_t *v;
	int r = 0;
	export_time(lines_u64(j, "time_ns"), time);
	printf("<%u>1 %s %s keepd - %s [keep@32473", FACILITY_AUDIT * 8 + severity[facts_severity_of(j)],
		time, x->origin, event.s);
	json_object_foreach((json_t *)(uintptr_t)j, key, v) if (strcmp(key, "event") && strcmp(key, "v")) r =
		r ? r : put_param("", key, v);
	facts_line(j, what, sizeof what);
	printf("] \xef\xbb\xbf%s%s%s\n", event.s, what[0] ? ": " : "", what);
	return r;
}
