#define _GNU_SOURCE
#include "gateway/answer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

static int put(struct evbuffer **b, const char *text, size_t len)
{
	if (!*b)
		*b = evbuffer_new();
	return *b && !evbuffer_add(*b, text, len) ? 0 : -ENOMEM;
}

static int call_add(struct answer_log *l, const struct chat_event *e)
{
	struct answer_call *all = reallocarray(l->calls, l->n_calls + 1, sizeof *all);
	if (!all)
		return -ENOMEM;
	l->calls = all;
	all[l->n_calls] = (struct answer_call){ strdup(e->id), strdup(e->name), evbuffer_new(), false };
	const struct answer_call *c = &all[l->n_calls++];
	return c->id && c->name && c->arguments ? 0 : -ENOMEM;
}

int answer_log_add(struct answer_log *l, const struct chat_event *e)
{
	struct answer_call *last = l->n_calls ? &l->calls[l->n_calls - 1] : NULL;
	switch (e->kind) {
	case CHAT_TEXT:
	case CHAT_BROKEN:
		return put(&l->text, e->text, e->len);
	case CHAT_REASONING:
		return put(&l->reasoning, e->text, e->len);
	case CHAT_CALL:
		return call_add(l, e);
	case CHAT_ARGUMENTS:
		return last ? put(&last->arguments, e->text, e->len) : 0;
	case CHAT_CALL_VOID:
		if (last)
			last->is_void = true;
		return 0;
	default:
		return 0;
	}
}

static const char *text_of(struct evbuffer *b, size_t *ret_len)
{
	*ret_len = b ? evbuffer_get_length(b) : 0;
	return *ret_len ? (const char *)evbuffer_pullup(b, -1) : "";
}

void answer_log_whole(struct answer_log *l, struct arena *a, struct api_answer *ret)
{
	struct api_call *calls = arena_alloc(a, (l->n_calls + 1) * sizeof *calls);
	ret->text = text_of(l->text, &ret->text_len);
	ret->reasoning = text_of(l->reasoning, &ret->reasoning_len);
	ret->calls = calls;
	for (size_t i = 0; calls && i < l->n_calls; i++) {
		if (l->calls[i].is_void)
			continue;
		struct api_call *c = &calls[ret->n_calls++];
		*c = (struct api_call){ .id = l->calls[i].id, .name = l->calls[i].name };
		c->arguments = text_of(l->calls[i].arguments, &c->arguments_len);
	}
}

void answer_log_fini(struct answer_log *l)
{
	for (size_t i = 0; l->calls && i < l->n_calls; i++) {
		free(l->calls[i].id);
		free(l->calls[i].name);
		if (l->calls[i].arguments)
			evbuffer_free(l->calls[i].arguments);
	}
	free(l->calls);
	if (l->text)
		evbuffer_free(l->text);
	if (l->reasoning)
		evbuffer_free(l->reasoning);
	*l = (struct answer_log){ 0 };
}
