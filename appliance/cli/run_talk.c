#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/jsonw.h"
#include "cli/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages ------------------------------------------------------------------------------------------------------------ */

void talk_clear(struct talk *t, size_t n)
{
	while (t->n > n) {
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
	free(t->files.p);
	t->line = run_line_close(t->line);
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

/* ---- questions ----------------------------------------------------------------------------------------------------------- */

int talk_add_file(struct talk *t, const char *path)
{
	_cleanup_free_ char *text = NULL, *head = NULL;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t n;
	int r = ask_file(path, "what a request may hold", REQUEST_BYTES_MAX, &text, &n);
	if (r)
		return r;
	if (strlen(text) != n || !bytes_utf8_ok(text, n))
		return out_fail(CLI_REFUSED, "%s: not text in UTF-8", path);
	if (n > REQUEST_BYTES_MAX - MIN(t->files.n, (size_t)REQUEST_BYTES_MAX))
		return out_fail(
			CLI_REFUSED, "%s: together with the others longer than a request may be", path);
	bool end = n && text[n - 1] == '\n';
	if (asprintf(&head, "--- %s ---\n", name) < 0) {
		head = NULL;
		return out_fail(CLI_UNDECIDED, "out of memory");
	}
	bool ok = text_add(&t->files, head, strlen(head)) && text_add(&t->files, text, n) &&
		  text_add(&t->files, "\n", end ? 0 : 1) && text_add(&t->files, "--- end of ", 11) &&
		  text_add(&t->files, name, strlen(name)) && text_add(&t->files, " ---\n\n", 6);
	return ok ? 0 : out_fail(CLI_UNDECIDED, "out of memory");
}

int talk_add_question(struct talk *t, const char *text)
{
	if (!t->files.n)
		return talk_add(t, "user", text, NULL);
	int r = text_add(&t->files, text, strlen(text)) ? talk_add(t, "user", t->files.p, NULL)
							: out_fail(CLI_UNDECIDED, "out of memory");
	t->files.n = 0;
	return r;
}

int talk_set_system(struct talk *t, const char *text)
{
	int r = talk_add(t, "system", text, NULL);
	if (r)
		return r;
	struct chat_message last = t->m[--t->n];
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->m[i].role, "system")) {
			struct chat_message was = t->m[i];
			t->m[i] = last;
			t->m[t->n++] = was;
			talk_clear(t, t->n - 1);
			return 0;
		}
	memmove(t->m + 1, t->m, t->n * sizeof *t->m);
	t->m[0] = last;
	t->n++;
	t->n_kept++;
	return 0;
}

/* ---- results of tools ---------------------------------------------------------------------------------------------------- */

/* The result of a call: of --tool-result, each of which counts once; a line of standard input where that is "-", or, in a conversation, a
 * line that is typed. 0 *ret is to be freed; 1 none is known; otherwise an exit status above that, said. */
static int result_of(struct run *q, struct talk *t, const struct run_call *c, bool typed, char **ret)
{
	size_t n = strlen(c->name);
	for (size_t i = t->n_results; i < q->results.n; i++) {
		const char *v = q->results.v[i];
		bool line = !strcmp(v, "-");
		if (!line && (strncmp(v, c->name, n) != 0 || v[n] != '='))
			continue;
		t->n_results = line ? i : i + 1;
		*ret = line ? NULL : strdup(v + n + 1);
		if (line && run_line_read(NULL, "", ret))
			return 1;
		return *ret ? 0 : out_fail(CLI_UNDECIDED, "out of memory");
	}
	char prompt[CHAT_NAME_BYTES_MAX + 16];
	snprintf(prompt, sizeof prompt, "result of %s>", c->name);
	return typed && run_line_read(t->line, prompt, ret) == 0 ? 0 : 1;
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

int talk_ask(struct run *q, struct talk *t, size_t before, bool typed)
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
