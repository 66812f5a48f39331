/* Several choices, probabilities of tokens, and what the quotas hold a request to. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "gateway/rules.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define M "\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static const u8 model[MODEL_DIGEST_BYTES];

static int read_ask(enum api_form form, const char *body, struct arena *a, struct api_ask *ret)
{
	struct api_error e;
	return api_ask_read(form, body, strlen(body), a, ret, &e);
}

static json_t *parsed(const char *text, size_t len)
{
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
	assert_non_null(j);
	return j;
}

static json_t *at(json_t *j, const char *path)
{
	char key[64];
	for (size_t n; *path; path += n + (path[n] == '.')) {
		n = strcspn(path, ".");
		snprintf(key, sizeof key, "%.*s", (int)n, path);
		j = json_is_array(j) ? json_array_get(j, (size_t)atoi(key)) : json_object_get(j, key);
	}
	return j;
}

static void same_json(json_t *j, const char *path, const char *want)
{
	char *text = at(j, path) ? json_dumps(at(j, path), JSON_COMPACT | JSON_ENCODE_ANY) : strdup("null");
	if (!text || strcmp(text, want) != 0)
		fail_msg("%s is %s, not %s", path, text ? text : "not there", want);
	free(text);
}

static void asked(void **state)
{
	static const struct {
		enum api_form form;
		const char *more;
		u32 n, n_logprobs;
	} rows[] = { { API_CHAT, "", 1, 0 }, { API_CHAT, ",\"n\":8", CHOICES_MAX, 0 },
		{ API_CHAT, ",\"logprobs\":true", 1, 1 },
		{ API_CHAT, ",\"top_logprobs\":20,\"logprobs\":true", 1, 1 + LOGPROBS_MAX },
		{ API_CHAT, ",\"top_logprobs\":0", 1, 0 }, { API_CHAT, ",\"logprobs\":false", 1, 0 },
		{ API_COMPLETION, ",\"logprobs\":5,\"n\":2,\"best_of\":2", 2, 6 },
		{ API_COMPLETION, ",\"logprobs\":0", 1, 1 } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena a = { 0 };
		struct api_ask q;
		char body[256];
		snprintf(body, sizeof body, "{\"prompt\":\"x\"," M "%s}", rows[i].more);
		assert_int_equal(read_ask(rows[i].form, body, &a, &q), 0);
		if (q.n != rows[i].n || q.how.n_logprobs != rows[i].n_logprobs)
			fail_msg("%s: %u %u", rows[i].more, q.n, q.how.n_logprobs);
	}
	_cleanup_arena_ struct arena a = { 0 };
	struct api_ask q;
	assert_int_equal(
		read_ask(API_COMPLETION, "{\"model\":\"m\",\"prompt\":\"x\",\"best_of\":3}", &a, &q), 1);
	/* what would stand behind the answer; nothing is as good as none */
	static const char prompt[] = "{\"model\":\"m\",\"prompt\":\"x\"";
	static const struct {
		const char *suffix;
		int status;
	} fills[] = { { "\"\"", 0 }, { "\"end\"", 1 }, { "5", 1 } };
	for (size_t i = 0; i < ARRAY_LEN(fills); i++) {
		char body[100];
		snprintf(body, sizeof body, "%s,\"suffix\":%s}", prompt, fills[i].suffix);
		assert_int_equal(read_ask(API_COMPLETION, body, &a, &q), fills[i].status);
	}
}

/* A token, and two in its place; the second has a text that did not fit, the third is no character. */
static struct proto_probs some(void)
{
	struct proto_probs p = { .n = 3,
		.v = { { 7, -0.25f, 2 }, { 8, -1.5f, PROB_NO_TEXT }, { 9, -0x1.99999ap-4f, 1 } } };
	memcpy(p.text, "ab\xff", 3);
	return p;
}

static void chat_shape(void **state)
{
	struct api_probs l = { .asked = true };
	struct proto_probs p = some();
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	jsonw_object(&w);
	api_probs_add(&l, API_CHAT, &p);
	p.n = 1;
	api_probs_add(&l, API_CHAT, &p);
	api_probs_write(&l, API_CHAT, &w);
	jsonw_object_end(&w);
	json_t *j = parsed(w.buf, w.len);
	same_json(j, "logprobs.content.0.token", "\"ab\"");
	same_json(j, "logprobs.content.0.bytes", "[97,98]");
	same_json(j, "logprobs.content.0.logprob", "-0.25");
	same_json(j, "logprobs.content.0.top_logprobs.0.bytes", "null");
	same_json(j, "logprobs.content.0.top_logprobs.1.bytes", "[255]");
	same_json(j, "logprobs.content.0.top_logprobs.1.id", "9");
	same_json(j, "logprobs.content.1.top_logprobs", "[]");
	f32 v = (f32)json_number_value(at(j, "logprobs.content.0.top_logprobs.1.logprob"));
	assert_true(v == -0x1.99999ap-4f); /* every bit */
	json_decref(j);
	jsonw_fini(&w);
	assert_false(l.open); /* written once */
}

static void completion_shape(void **state)
{
	struct api_probs l = { .asked = true };
	struct proto_probs p = some();
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	jsonw_object(&w);
	p.v[1].len = 0;
	api_probs_add(&l, API_COMPLETION, &p);
	api_probs_add(&l, API_COMPLETION, &p);
	api_probs_write(&l, API_COMPLETION, &w);
	jsonw_object_end(&w);
	json_t *j = parsed(w.buf, w.len);
	same_json(j, "logprobs.tokens", "[\"ab\",\"ab\"]");
	same_json(j, "logprobs.token_logprobs", "[-0.25,-0.25]");
	same_json(j, "logprobs.text_offset", "[0,2]");
	assert_int_equal(json_array_size(at(j, "logprobs.top_logprobs")), 2);
	json_decref(j);
	jsonw_fini(&w);
	jsonw_init_grow(&w, 1u << 20);
	jsonw_object(&w);
	api_probs_write(&l, API_COMPLETION, &w); /* none came since */
	jsonw_object_end(&w);
	assert_string_equal(w.buf, "{\"logprobs\":null}");
	jsonw_fini(&w);
}

static void several(void **state)
{
	const struct proto_outcome o[] = {
		{ .finish = FINISH_STOP, .n_prompt = 5, .n_cached = 0, .n_generated = 3 },
		{ .finish = FINISH_LENGTH, .n_prompt = 5, .n_cached = 4, .n_generated = 9 }
	};
	const struct api_head h = { .form = API_CHAT, .model = "demo", .index = 12 };
	struct api_answer two = { .text = "b", .text_len = 1, .outcome = &o[1], .model = model, .index = 13 },
			  one = { .text = "a",
				  .text_len = 1,
				  .outcome = &o[0],
				  .model = model,
				  .index = 12,
				  .next = &two };
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	api_answer_write(&w, &h, &one);
	json_t *j = parsed(w.buf, w.len);
	same_json(j, "choices.0.message.content", "\"a\"");
	same_json(j, "choices.1.message.content", "\"b\"");
	same_json(j, "choices.1.index", "1");
	same_json(j, "choices.1.keep.index", "13");
	same_json(j, "choices.1.finish_reason", "\"length\"");
	same_json(j, "usage",
		"{\"prompt_tokens\":5,\"completion_tokens\":12,\"total_tokens\":17,\"prompt_tokens_details\":"
		"{\"cached_tokens\":4}}");
	json_decref(j);
	jsonw_fini(&w);
}

/* Two choices take turns in a stream; it ends once, with what both cost. */
static void streamed(void **state)
{
	const struct proto_outcome o = { .finish = FINISH_STOP, .n_prompt = 5, .n_generated = 2 };
	const struct api_head h = { .form = API_CHAT, .model = "demo", .index = 12 };
	struct api_probs l = { .asked = true };
	struct proto_probs p = some();
	struct api_stream s = { .head = &h, .usage = true, .n = 2 };
	struct jsonw w;
	u32 n = 0, done = 0;
	jsonw_init_grow(&w, 1u << 20);
	api_stream_begin(&s, &w);
	for (u32 i = 0; i < 4; i++) {
		s.choice = i % 2;
		s.probs = s.choice ? &l : NULL;
		if (s.choice)
			api_probs_add(&l, API_CHAT, &p);
		api_stream_event(&s, &w, &(struct chat_event){ .kind = CHAT_TEXT, .text = "x", .len = 1 });
	}
	for (u32 i = 0; i < 2; i++) {
		s.choice = 1 - i;
		s.index = 20 + s.choice;
		s.probs = NULL;
		api_stream_end(&s, &w, &o, model);
	}
	static const struct {
		u32 choice;
		const char *path, *want;
	} rows[] = { { 0, "delta.role", "\"assistant\"" }, { 1, "delta.role", "\"assistant\"" },
		{ 0, "delta.content", "\"x\"" }, { 1, "logprobs.content.0.token", "\"ab\"" },
		{ 0, "delta.content", "\"x\"" }, { 1, "delta.content", "\"x\"" },
		{ 1, "finish_reason", "\"stop\"" }, { 0, "finish_reason", "\"stop\"" } };
	char *line = w.buf;
	for (char *end; (end = strstr(line, "\n\n")); line = end + 2, n++) {
		*end = 0;
		done += !strcmp(line, "data: [DONE]");
		if (n >= ARRAY_LEN(rows))
			continue;
		json_t *j = parsed(line + 6, strlen(line + 6));
		assert_int_equal(json_integer_value(at(j, "choices.0.index")), rows[n].choice);
		same_json(at(j, "choices.0"), rows[n].path, rows[n].want);
		if (n >= 6)
			assert_int_equal(json_integer_value(at(j, "keep.index")), 20 + rows[n].choice);
		json_decref(j);
	}
	assert_true(n == ARRAY_LEN(rows) + 2 && done == 1);
	api_stream_fini(&s);
	jsonw_fini(&w);
}

/* What a client of responses asks for, and what it may not. */
static void responses_asked(void **state)
{
	static const struct {
		const char *more;
		i32 n_logprobs; /* -1: refused */
	} rows[] = { { "", 0 }, { ",\"include\":[\"reasoning.encrypted_content\"]", 0 },
		{ ",\"include\":[\"reasoning.encrypted_content\",\"message.output_text.logprobs\"]", 1 },
		{ ",\"top_logprobs\":3,\"include\":[\"message.output_text.logprobs\"]", 4 },
		{ ",\"top_logprobs\":0", 0 }, { ",\"top_logprobs\":3", -1 },
		{ ",\"top_logprobs\":21,\"include\":[\"message.output_text.logprobs\"]", -1 },
		{ ",\"include\":\"message.output_text.logprobs\"", -1 }, { ",\"include\":[1]", -1 } };
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena a = { 0 };
		struct api_ask q;
		char body[256];
		snprintf(body, sizeof body, "{\"model\":\"m\",\"input\":\"hi\"%s}", rows[i].more);
		int r = read_ask(API_RESPONSES, body, &a, &q);
		if (r != (rows[i].n_logprobs < 0) || (!r && q.how.n_logprobs != (u32)rows[i].n_logprobs))
			fail_msg("%s: %d %u", rows[i].more, r, r ? 0 : q.how.n_logprobs);
	}
}

/* The value of a path in the first event of that type. */
static void event_says(const char *stream, const char *type, const char *path, const char *want)
{
	char first[80];
	snprintf(first, sizeof first, "event: %s\ndata: ", type);
	const char *from = strstr(stream, first);
	assert_non_null(from);
	from += strlen(first);
	json_t *j = parsed(from, strcspn(from, "\n"));
	same_json(j, path, want);
	json_decref(j);
}

/* Probabilities of a message's tokens: in each delta its own, at its end all of them. Those of reasoning and calls are not told. */
static void responses_streamed(void **state)
{
	static const u32 kinds[] = { CHAT_REASONING, CHAT_TEXT, CHAT_TEXT };
	const struct proto_outcome o = { .finish = FINISH_STOP, .n_prompt = 5, .n_generated = 4 };
	const struct api_head h = { .form = API_RESPONSES, .model = "demo", .index = 12 };
	struct api_probs l = { .asked = true };
	struct api_stream s = { .head = &h, .n = 1, .probs = &l };
	struct proto_probs p = some();
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	api_stream_begin(&s, &w);
	for (u32 i = 0; i < ARRAY_LEN(kinds); i++) {
		p.v[0].id = 100 + i;
		api_probs_add(&l, API_RESPONSES, &p);
		api_stream_event(&s, &w, &(struct chat_event){ .kind = kinds[i], .text = "x", .len = 1 });
	}
	api_probs_add(&l, API_RESPONSES, &p); /* of the end, which is no text */
	api_stream_end(&s, &w, &o, model);
	event_says(w.buf, "response.output_text.delta", "logprobs.0.id", "101");
	event_says(w.buf, "response.output_text.delta", "logprobs.0.top_logprobs.1.bytes", "[255]");
	event_says(w.buf, "response.output_text.delta", "logprobs.1", "null");
	event_says(w.buf, "response.output_text.done", "logprobs.1.id", "102");
	event_says(w.buf, "response.output_text.done", "logprobs.2", "null");
	event_says(w.buf, "response.completed", "response.output.1.content.0.logprobs.0.id", "101");
	event_says(w.buf, "response.completed", "response.output.1.content.0.logprobs.1.id", "102");
	event_says(w.buf, "response.completed", "response.output.0.content.0.logprobs", "null");
	api_stream_fini(&s);
	api_probs_fini(&l);
	jsonw_fini(&w);
}

static void responses_whole(void **state)
{
	const struct proto_outcome o = { .finish = FINISH_STOP, .n_prompt = 5, .n_generated = 2 };
	const struct api_head h = { .form = API_RESPONSES, .model = "demo", .index = 12 };
	struct api_probs l = { .asked = true };
	struct api_answer a = { .text = "x", .text_len = 1, .outcome = &o, .model = model, .probs = &l };
	struct proto_probs p = some();
	for (u32 asked = 0; asked < 2; asked++) {
		struct jsonw w;
		jsonw_init_grow(&w, 1u << 20);
		l.asked = asked;
		for (u32 text = 0; text < 2 && asked; text++) {
			api_probs_add(&l, API_RESPONSES, &p);
			api_probs_settle(&l, text);
		}
		api_answer_write(&w, &h, &a);
		json_t *j = parsed(w.buf, w.len);
		same_json(j, "output.0.content.0.logprobs.0.token", asked ? "\"ab\"" : "null");
		same_json(j, "output.0.content.0.logprobs.1", "null");
		json_decref(j);
		jsonw_fini(&w);
	}
	api_probs_fini(&l);
}

/* ---- rules ----------------------------------------------------------------------------------------------------------------- */

static struct rules rules_of(const char *text)
{
	struct rules r;
	assert_int_equal(rules_read(text, strlen(text), &r), 0);
	return r;
}

static void rules_are_read(void **state)
{
	static const char *const bad[] = { "", "{}", "[]", "{\"line\":\"x\"}", "{\"line\":1,\"tools\":[1]}" };
	struct rules r;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(rules_read(bad[i], strlen(bad[i]), &r) != 0);
	r = rules_of("{\"principal\":\"x\",\"line\":0,\"running\":1}\n");
	assert_true(!r.line && !r.system && !r.tools_listed && r.context == UINT32_MAX &&
		    r.max_tokens == UINT32_MAX);
	rules_fini(&r);
	r = rules_of("{\"line\":2,\"context\":300,\"max_tokens\":90,\"tokens_per_minute\":200,\"tokens_per_"
		     "day\":250}");
	assert_true(
		r.context == 200 && r.max_tokens == 90); /* no answer is meant that no minute could hold */
	rules_fini(&r);
}

static void rules_hold(void **state)
{
	static const struct {
		enum api_form form;
		const char *rules, *body, *messages; /* NULL: refused */
	} rows[] = {
		{ API_CHAT, "{\"line\":1}", "{" M "}", "[{\"role\":\"user\",\"content\":\"hi\"}]" },
		{ API_CHAT, "{\"line\":1,\"system\":\"S\"}", "{" M "}",
			"[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"hi\"}]" },
		{ API_CHAT, "{\"line\":1,\"system\":\"S\"}",
			"{\"model\":\"d\",\"messages\":[{\"role\":\"system\",\"content\":\"own\"},{\"role\":"
			"\"user\",\"content\":\"hi\"}]}",
			"[{\"role\":\"system\",\"content\":\"S\\n\\nown\"},{\"role\":\"user\",\"content\":"
			"\"hi\"}]" },
		{ API_MESSAGES, "{\"line\":1,\"system\":\"S\"}",
			"{\"max_tokens\":1,\"system\":\"own\"," M "}",
			"[{\"role\":\"system\",\"content\":\"S\\n\\nown\"},{\"role\":\"user\",\"content\":"
			"\"hi\"}]" },
		{ API_COMPLETION, "{\"line\":1,\"system\":\"S\"}", "{\"model\":\"d\",\"prompt\":\"raw\"}",
			NULL },
		{ API_CHAT, "{\"line\":1,\"tools\":[\"f\",\"g\"]}",
			"{" M ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]}",
			"[{\"role\":\"user\",\"content\":\"hi\"}]" },
		{ API_CHAT, "{\"line\":1,\"tools\":[\"f\"]}",
			"{" M ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]}", NULL },
		{ API_CHAT, "{\"line\":1,\"tools\":[\"none\"]}",
			"{" M ",\"tools\":[{\"type\":\"function\",\"function\":{}}]}", NULL },
		{ API_RESPONSES, "{\"line\":1,\"tools\":[\"f\"]}",
			"{\"model\":\"d\",\"input\":\"hi\",\"tools\":[{\"type\":\"function\",\"name\":\"g\"}]"
			"}",
			NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena a = { 0 };
		struct rules r = rules_of(rows[i].rules);
		struct api_ask q;
		struct api_error e = { 0 };
		assert_int_equal(read_ask(rows[i].form, rows[i].body, &a, &q), 0);
		int x = rules_apply(&r, &q, &a, &e);
		if (x != !rows[i].messages || (x && (e.status != 403 || !e.message[0])))
			fail_msg("row %zu: %d %u", i, x, e.status);
		if (!x && (strlen(rows[i].messages) != q.messages_len ||
				  memcmp(rows[i].messages, q.messages, q.messages_len)))
			fail_msg("row %zu: %.*s", i, (int)q.messages_len, q.messages);
		rules_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(asked), cmocka_unit_test(chat_shape),
		cmocka_unit_test(completion_shape), cmocka_unit_test(several), cmocka_unit_test(streamed),
		cmocka_unit_test(responses_asked), cmocka_unit_test(responses_streamed),
		cmocka_unit_test(responses_whole), cmocka_unit_test(rules_are_read),
		cmocka_unit_test(rules_hold) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
