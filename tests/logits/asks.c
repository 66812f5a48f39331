#include "tests/logits/asks.h"
#include "base/bytes.h"
#include "base/grammar.h"
#include "runtime/dev.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct ask *ask_of(struct sched_seq *q)
{
	return (struct ask *)((char *)q - offsetof(struct ask, a));
}

static int row(struct sched_seq *q, u32 pos, const f32 *logits, u32 *ret_next)
{
	struct ask *k = ask_of(q);
	sha256_update(&k->h, logits, k->a.g->model.n_vocab * sizeof *logits);
	return k->row(q, pos, logits, ret_next);
}

static int on_tokens(struct answer *a, const struct proto_tokens *t)
{
	struct ask *k = ask_of(&a->seq);
	for (u32 i = 0; i < t->n_tokens && k->n_out < ARRAY_LEN(k->out); i++)
		k->out[k->n_out++] = t->tokens[i];
	if (!bytes_utf8_ok(t->text, t->text_len))
		abort(); /* a character was split */
	if (t->text_len <= sizeof k->said - 1 - k->n_said) {
		memcpy(k->said + k->n_said, t->text, t->text_len);
		k->n_said += t->text_len;
	}
	return 0;
}

static void on_result(struct answer *a, int fd, u64 bytes)
{
	struct fd_map map;
	if (fd_map_sealed(fd, RESULT_BYTES_MAX, &map) || map.len != bytes)
		abort();
	sha256_of(map.data, map.len, ask_of(&a->seq)->result);
	fd_unmap(&map);
}

static void on_over(struct answer *a)
{
	struct ask *k = ask_of(&a->seq);
	k->outcome = a->outcome;
	k->over = true;
	sha256_final(&k->h, k->rows);
	answer_fini(a);
}

void ask_begin(struct ask *k, struct grant *g)
{
	struct request_header h = { .kind = k->kind ? k->kind : REQUEST_GENERATE,
		.flags = k->flags | REQUEST_RAW | (k->kind || k->ends ? 0 : REQUEST_IGNORE_EOS),
		.max_tokens = k->max_tokens,
		.top_k = k->top_k,
		.temperature = k->temperature,
		.top_p = k->top_p ? k->top_p : 1,
		.min_p = k->min_p,
		.repeat_penalty = k->repeat_penalty ? k->repeat_penalty : 1,
		.repeat_last_n = 32,
		.seed = k->seed };
	struct request_builder b;
	struct request rq;
	u8 *blob;
	size_t len;
	const char *why;
	request_build(&b, &h);
	if (k->n_ids)
		request_add(&b, REQUEST_TOKENS, k->ids, k->n_ids * sizeof *k->ids);
	if (k->text)
		request_add(&b, REQUEST_TEXT, k->text, strlen(k->text));
	if (k->stop)
		request_add(&b, REQUEST_STOP, k->stop, strlen(k->stop));
	if (k->grammar)
		request_add(&b, REQUEST_GRAMMAR, k->grammar, k->n_grammar);
	if (request_built(&b, &blob, &len) || request_open(blob, len, &rq, &why))
		abort();
	k->a = (struct answer){ .on_tokens = on_tokens, .on_result = on_result, .on_over = on_over };
	k->n_out = 0;
	k->n_said = 0;
	k->over = false;
	sha256_init(&k->h);
	k->refused = NULL;
	if (answer_begin(&k->a, g, &rq, k->principal, &k->refused)) {
		answer_fini(&k->a);
		sha256_fini(&k->h);
	} else {
		k->refused = NULL;
		if (!k->over) {
			k->row = k->a.seq.row;
			k->a.seq.row = row;
		}
	}
	free(blob);
}

void ask_finish(struct grant *g)
{
	while (!sched_idle(&g->sched))
		if (sched_step(&g->sched))
			abort();
}

void ask_all(struct ask *k, u32 n, struct grant *g)
{
	for (u32 i = 0; i < n; i++)
		ask_begin(&k[i], g);
	ask_finish(g);
}

const void *ask_letters(size_t *ret_len)
{
	static struct {
		struct grammar_header h;
		u32 first[4];
		struct grammar_edge e[4];
	} g = { .h = { .n_states = 3, .n_edges = 4 },
		.first = { 0, 1, 2, 4 },
		.e = { { GRAMMAR_BYTE, 'a', 'a', 0, 1, 0 }, { GRAMMAR_BYTE, 'b', 'b', 0, 2, 0 },
			{ GRAMMAR_BYTE, 'c', 'c', 0, 0, 0 }, { GRAMMAR_BYTE, 'd', 'd', 0, 0, 0 } } };
	memcpy(g.h.magic, GRAMMAR_MAGIC, 8);
	*ret_len = sizeof g;
	return &g;
}

u32 ask_devices(const char *const *names, u32 n, struct rt_device **ret)
{
	u32 found = 0;
	const char *why;
	for (u32 i = 0; i < n; i++)
		if (rt_device_open(names[i], &ret[found], &why) == 0)
			found++;
		else
			fprintf(stderr, "%s: %s\n", names[i], why);
	return found;
}

void ask_devices_close(struct rt_device **devices, u32 n)
{
	for (u32 i = 0; i < n; i++)
		rt_device_close(devices[i]);
}
