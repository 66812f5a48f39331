#define _GNU_SOURCE
#include "cli/lines.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void lines_print(const struct fd_map *data)
{
	if (!data->len)
		return;
	fwrite(data->data, 1, data->len, stdout);
	if (data->data[data->len - 1] != '\n')
		putchar('\n');
}

struct lines lines_of(const struct fd_map *data)
{
	return (struct lines){ (const char *)data->data, (const char *)data->data + data->len };
}

json_t *lines_next(struct lines *l, bool *ret_bad)
{
	while (l->at < l->end && *l->at == '\n')
		l->at++;
	if (l->at >= l->end)
		return NULL;
	const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at)), *stop = nl ? nl : l->end;
	size_t n = (size_t)(stop - l->at);
	json_t *j = json_loadb(l->at, n, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
	if (!j) /* numbers beyond 2^63 */
		j = json_loadb(l->at, n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
	*ret_bad = !j;
	l->at = stop;
	return j;
}

void lines_decref(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}

struct cell lines_time(const json_t *o, const char *key)
{
	struct cell c = { "" };
	time_t t = (time_t)(lines_u64(o, key) / 1000000000u);
	struct tm tm;
	if (t && localtime_r(&t, &tm))
		strftime(c.s, sizeof c.s, "%Y-%m-%d %H:%M:%S", &tm);
	return c;
}

struct cell lines_drafts_for(const json_t *grants, const json_t *g)
{
	size_t i;
	const json_t *other;
	json_array_foreach(grants, i, other)
	{
		if (lines_u64(other, "grant") == lines_u64(g, "drafts_for"))
			return lines_cell(other, "name");
	}
	return (struct cell){ "" };
}

#define INDENT	   4
#define INDENT_MAX 8 /* deeper objects are not shown; keepd writes none */

static void print_value(const json_t *v)
{
	struct cell c = { "" };
	facts_put(&c, v);
	out_text(1, c.s[0] ? c.s : "-", c.s[0] ? strlen(c.s) : 1);
	putchar('\n');
}

/* UTC, as everything that was signed; "" where there is no time. */
static struct cell utc(u64 s)
{
	struct cell c = { "" };
	time_t t = (time_t)s;
	struct tm tm;
	if (s && gmtime_r(&t, &tm))
		strftime(c.s, sizeof c.s, "%Y-%m-%dT%H:%M:%S", &tm);
	return c;
}

static void print_array(const json_t *v, int indent)
{
	size_t i;
	json_t *e;
	if (!json_array_size(v)) {
		puts("none");
		return;
	}
	putchar('\n');
	json_array_foreach(v, i, e)
	{
		if (json_is_object(e) && indent < INDENT_MAX) {
			lines_print_object(e, indent + INDENT);
			continue;
		}
		printf("%*s", indent + INDENT, "");
		print_value(e);
	}
}

void lines_print_object(const json_t *o, int indent)
{
	const char *key;
	json_t *v;
	size_t width = 0;
	json_object_foreach((json_t *)(uintptr_t)o, key, v) width = MAX(width, strlen(key));
	json_object_foreach((json_t *)(uintptr_t)o, key, v)
	{
		printf("%*s%s%-*s%s  ", indent, "", out_style(1, OUT_DIM), (int)width, key,
			out_style(1, OUT_PLAIN));
		if (json_is_object(v) && indent < INDENT_MAX) {
			putchar('\n');
			lines_print_object(v, indent + INDENT);
		} else if (json_is_array(v)) {
			print_array(v, indent);
		} else if (!strcmp(key, "time_ns")) {
			u64 ns = lines_u64(o, key);
			printf("%s.%09lluZ\n", utc(ns / 1000000000u).s,
				(unsigned long long)(ns % 1000000000u));
		} else if (!strcmp(key, "expires_s") && lines_u64(o, key)) {
			printf("%sZ\n", utc(lines_u64(o, key)).s);
		} else {
			print_value(v);
		}
	}
}

bool lines_pruned(const char *line, size_t len, u64 index)
{
	char want[64];
	int n = snprintf(
		want, sizeof want, "{\"v\":1,\"index\":%llu,\"pruned\":\"", (unsigned long long)index);
	return len > (size_t)n && memcmp(line, want, (size_t)n) == 0;
}
