#include "base/jsonw.h"
#include "cli/file.h"
#include "cli/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- what can be typed besides questions ------------------------------------------------------------------------------------ */

static const char talk_help[] =
	"  /system TEXT   the system message from here on; without TEXT it is shown\n"
	"  /file PATH     put a file of text in front of the next question\n"
	"  /clear         forget the conversation, and files that wait\n"
	"  /save PATH     write the conversation, for --messages\n"
	"  /help          this\n"
	"  /quit          end (or Ctrl-D)\n"
	"  Ctrl-C         stop the answer; what was said stays in the conversation\n"
	"  \"\"\"            begins and ends a message of several lines; a line that ends with \\ goes on\n"
	"A line that begins with a blank is not kept in the history.\n";

static int on_system(struct talk *t, const char *text)
{
	const char *now = "there is no system message";
	if (*text)
		return talk_set_system(t, text);
	for (size_t i = t->n; i-- > 0;)
		if (!strcmp(t->m[i].role, "system") && t->m[i].content)
			now = t->m[i].content;
	out_text(2, now, strlen(now));
	fputc('\n', stderr);
	return 0;
}

static int on_file(struct talk *t, const char *path)
{
	if (!*path) {
		out_say("/file needs a path");
		return 0;
	}
	int r = talk_add_file(t, path);
	if (r == 0)
		fprintf(stderr, "%s goes in front of the next question\n", path);
	return r == CLI_UNDECIDED ? r : 0;
}

static int on_clear(struct talk *t, const char *rest)
{
	(void)rest;
	talk_clear(t, t->n_kept);
	t->files.n = 0;
	fprintf(stderr, "the conversation is forgotten\n");
	return 0;
}

static void write_messages(struct jsonw *w, const struct talk *t)
{
	jsonw_array(w);
	for (size_t i = 0; i < t->n; i++) {
		const struct chat_message *m = &t->m[i];
		jsonw_object(w);
		jsonw_kv_str(w, "role", m->role);
		jsonw_key(w, "content");
		if (m->content)
			jsonw_str(w, m->content);
		else
			jsonw_null(w);
		if (m->more &&
			strlen(m->more) > 2) { /* an object of its own: its members are the message's */
			jsonw_append(w, ",", 1);
			jsonw_append(w, m->more + 1, strlen(m->more) - 2);
		}
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	jsonw_newline(w);
}

static int on_save(struct talk *t, const char *path)
{
	struct jsonw w;
	if (!*path) {
		out_say("/save needs a path");
		return 0;
	}
	jsonw_init_grow(&w, 2 * REQUEST_BYTES_MAX);
	write_messages(&w, t);
	mode_t was = umask(077); /* what was said is nobody else's */
	int r = w.full ? out_fail(CLI_UNDECIDED, "out of memory") : file_write(path, w.buf, w.len);
	(void)umask(was);
	jsonw_fini(&w);
	if (r == 0)
		fprintf(stderr, "%zu messages in %s\n", t->n, path);
	return 0;
}

static int on_help(struct talk *t, const char *rest)
{
	(void)t;
	(void)rest;
	fputs(talk_help, stderr);
	return 0;
}

/* 0; 1 it is a question; 2 end; otherwise an exit status, said. */
static int command(struct talk *t, const char *line)
{
	static const struct {
		const char *name;
		int (*func)(struct talk *t, const char *rest); /* NULL: end */
	} table[] = { { "/system", on_system }, { "/file", on_file }, { "/clear", on_clear },
		{ "/reset", on_clear }, { "/save", on_save }, { "/help", on_help }, { "/?", on_help },
		{ "/quit", NULL }, { "/bye", NULL }, { "/exit", NULL } };
	size_t n = strcspn(line, " \t\n");
	if (line[0] != '/' ||
		strchr(line, '\n')) /* nothing that was pasted with more behind it is a command */
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (strlen(table[i].name) == n && !strncmp(line, table[i].name, n))
			return table[i].func ? table[i].func(t, line + n + strspn(line + n, " \t")) : 2;
	/* a path, or a word about one, is a question */
	if (memchr(line + 1, '/', n - 1))
		return 1;
	out_say("%.*s: no such command; /help lists them", (int)MIN(n, (size_t)40), line);
	return 0;
}

/* ---- the conversation -------------------------------------------------------------------------------------------------------- */

static int question(struct run *q, struct talk *t, const char *text)
{
	if (q->raw)
		talk_clear(t, t->n_kept);
	size_t before = t->n;
	int r = talk_add_question(t, text);
	r = r ? r : talk_ask(q, t, before, true);
	/* a refusal was said; the next question may be another one */
	return r == CLI_UNDECIDED || q->session.over ? r : 0;
}

int talk_converse(struct run *q, struct talk *t)
{
	int r = run_line_open(!q->no_history, &t->line);
	t->n_kept = t->n;
	if (!r)
		fprintf(stderr, "%s%s; /help says what else can be typed%s\n", out_style(2, OUT_DIM),
			q->session.open.name, out_style(2, OUT_PLAIN));
	while (r == 0) {
		_cleanup_free_ char *line = NULL;
		r = run_line_message(t->line, ">>>", &line);
		if (r == 2) { /* interrupted */
			r = 0;
			continue;
		}
		int what = r ? r : command(t, line);
		if (r == 1 || what == 2) {
			fputs(r == 1 ? "\n" : "", stderr);
			return 0;
		}
		r = what == 1 && line[strspn(line, " \t\n")] ? question(q, t, line) : what == 1 ? 0 : what;
	}
	return r;
}
