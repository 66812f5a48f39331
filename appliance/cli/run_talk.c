#define _GNU_SOURCE
#include "base/jsonw.h"
#include "cli/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages ------------------------------------------------------------------------------------------------------------ */

static void talk_clear(struct talk *t, size_t keep)
{
	while (t->n > keep) {
		t->n--;
		free((char *)(uintptr_t)t->m[t->n].role);
		free((char *)(uintptr_t)t->m[t->n].content);
		free((char *)(uintptr_t)t->m[t->n].more);
	}
}

void talk_fini(struct talk *t)
{
	talk_clear(t, 0);
	free(t->m);
	*t = (struct talk){ 0 };
}

int talk_add(struct talk *t, const char *role, const char *content, const char *more)
{
	struct chat_message m = { strdup(role), content ? strdup(content) : NULL,
		more ? strdup(more) : NULL };
	struct chat_message *p = t->m;
	bool ok = m.role && (!content || m.content) && (!more || m.more);
	if (ok && t->n == t->cap)
		p = realloc(t->m, (t->cap ? 2 * t->cap : 16) * sizeof *p);
	if (!ok || !p) {
		free((char *)(uintptr_t)m.role);
		free((char *)(uintptr_t)m.content);
		free((char *)(uintptr_t)m.more);
		return out_fail(CLI_UNDECIDED, "out of memory");
	}
	t->cap = t->n == t->cap ? (t->cap ? 2 * t->cap : 16) : t->cap;
	t->m = p;
	t->m[t->n++] = m;
	return 0;
}

/* What the model said, with its calls and what it thought, as templates take it back. */
static int add_answer(struct talk *t, const struct answer *a)
{
	struct jsonw w;
	jsonw_init_grow(&w, REQUEST_BYTES_MAX);
	jsonw_object(&w);
	if (a->reasoning.n) {
		jsonw_key(&w, "reasoning_content");
		jsonw_strn(&w, a->reasoning.p, a->reasoning.n);
	}
	if (a->n_calls) {
		jsonw_key(&w, "tool_calls");
		jsonw_array(&w);
		for (size_t i = 0; i < a->n_calls; i++)
			run_call_json(&w, &a->call[i]);
		jsonw_array_end(&w);
	}
	jsonw_object_end(&w);
	bool more = a->reasoning.n || a->n_calls;
	const char *said = a->content.p		? a->content.p
			   : a->text.p && !more ? a->text.p + strspn(a->text.p, " \n")
						: "";
	int r = w.full ? out_fail(CLI_UNDECIDED, "out of memory")
		       : talk_add(t, "assistant", said, more ? w.buf : NULL);
	jsonw_fini(&w);
	return r;
}

static int add_result(struct talk *t, const struct run_call *c, const char *result)
{
	struct jsonw w;
	jsonw_init_grow(&w, 65536);
	jsonw_object(&w);
	jsonw_kv_str(&w, "tool_call_id", c->id);
	jsonw_kv_str(&w, "name", c->name);
	jsonw_object_end(&w);
	int r = w.full ? out_fail(CLI_UNDECIDED, "out of memory") : talk_add(t, "tool", result, w.buf);
	jsonw_fini(&w);
	return r;
}

/* ---- lines --------------------------------------------------------------------------------------------------------------- */

static void on_prompt_interrupt(int sig)
{
	(void)sig; /* only ends the read */
}

/* One line, without its end. 0; 1 end of input; 2 interrupted. */
static int read_line(const char *prompt, char **line, size_t *cap)
{
	struct sigaction now = { .sa_handler = on_prompt_interrupt }, old;
	if (out_tty(0)) {
		fflush(stdout);
		fprintf(stderr, "%s%s%s ", out_style(2, OUT_BOLD), prompt, out_style(2, OUT_PLAIN));
	}
	sigaction(SIGINT, &now, &old);
	errno = 0;
	ssize_t n = getline(line, cap, stdin);
	int e = errno;
	sigaction(SIGINT, &old, NULL);
	if (n < 0 && e == EINTR) {
		clearerr(stdin);
		fputc('\n', stderr);
		return 2;
	}
	if (n < 0)
		return 1;
	if (n && (*line)[n - 1] == '\n')
		(*line)[n - 1] = 0;
	return 0;
}

/* ---- results of tools ---------------------------------------------------------------------------------------------------- */

/* The result of a call: of --tool-result, each of which counts once; a line of standard input where that is "-", or, in a conversation, a
 * line that is typed. 0 *ret is to be freed; 1 none is known; otherwise an exit status above that, said. */
static int result_of(struct run *q, struct talk *t, const struct run_call *c, bool typed, char **ret)
{
	size_t n = strlen(c->name), cap = 0;
	for (size_t i = t->n_results; i < q->results.n; i++) {
		const char *v = q->results.v[i];
		bool line = !strcmp(v, "-");
		if (!line && (strncmp(v, c->name, n) != 0 || v[n] != '='))
			continue;
		t->n_results = line ? i : i + 1;
		*ret = line ? NULL : strdup(v + n + 1);
		if (line && read_line("", ret, &cap))
			return 1;
		return *ret ? 0 : out_fail(CLI_UNDECIDED, "out of memory");
	}
	char prompt[CHAT_NAME_BYTES_MAX + 16];
	snprintf(prompt, sizeof prompt, "result of %s>", c->name);
	return typed && read_line(prompt, ret, &cap) == 0 ? 0 : 1;
}

/* 0 every call has its result; 1 one is not known: what was asked ends here; otherwise an exit status above that. */
static int add_results(struct run *q, struct talk *t, const struct answer *a, bool typed)
{
	for (size_t i = 0; i < a->n_calls; i++) {
		_cleanup_free_ char *result = NULL;
		int r = result_of(q, t, &a->call[i], typed, &result);
		r = r ? r : add_result(t, &a->call[i], result);
		if (r)
			return r;
	}
	return a->n_calls ? 0 : 1;
}

/* Ask until nothing is called, or a result is not known. before: what to go back to when there is no answer. */
static int ask_on(struct run *q, struct talk *t, size_t before, bool typed)
{
	for (;;) {
		struct answer a = { 0 };
		int r = run_ask(q, t->m, t->n, &a), more = 1;
		if (r && !a.text.n)
			talk_clear(t, before);
		else if (r != CLI_UNDECIDED && (!r || !a.n_calls))
			more = add_answer(t, &a);
		if (!r && !more)
			more = add_results(q, t, &a, typed);
		answer_fini(&a);
		if (r || more)
			return r ? r : more > 1 ? more : 0;
	}
}

int talk_ask(struct run *q, struct talk *t)
{
	return ask_on(q, t, t->n, false);
}

/* ---- at the terminal ----------------------------------------------------------------------------------------------------- */

static const char talk_help[] = "  /reset   forget the conversation\n"
				"  /help    this\n"
				"  /quit    end (or Ctrl-D)\n"
				"  Ctrl-C   stop the answer\n";

/* 0 it was a command; 1 it is a question; 2 end. */
static int talk_command(struct talk *t, const char *line, size_t keep)
{
	if (line[0] != '/')
		return 1;
	if (!strcmp(line, "/quit") || !strcmp(line, "/bye") || !strcmp(line, "/exit"))
		return 2;
	if (!strcmp(line, "/reset")) {
		talk_clear(t, keep);
		fprintf(stderr, "the conversation is forgotten\n");
	} else {
		fputs(talk_help, stderr);
	}
	return 0;
}

int talk_converse(struct run *q, struct talk *t)
{
	_cleanup_free_ char *line = NULL;
	size_t cap = 0, keep = t->n;
	int r = 0;
	fprintf(stderr, "%s%s; /help says what else can be typed%s\n", out_style(2, OUT_DIM),
		q->session.open.name, out_style(2, OUT_PLAIN));
	while (r == 0) {
		int got = read_line(">>>", &line, &cap);
		if (got == 2)
			continue;
		int what = got ? 2 : talk_command(t, line, keep);
		if (what == 2)
			break;
		if (what == 0 || !line[strspn(line, " \t")])
			continue;
		if (q->raw)
			talk_clear(t, keep);
		size_t before = t->n;
		r = talk_add(t, "user", line, NULL);
		int asked = r ? r : ask_on(q, t, before, true);
		r = asked == CLI_UNDECIDED ? asked : r;
	}
	if (out_tty(0) && r == 0)
		fputc('\n', stderr);
	return r;
}
