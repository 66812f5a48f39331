/* Bodies: each field with what it means, and one row for each way to be wrong, by the field's name; answers as clients read them. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "gateway/api.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define M "\"model\":\"demo\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static int read_ask(
	enum api_form form, const char *body, struct arena *a, struct api_ask *ret, struct api_error *e)
{
	memset(e, 0, sizeof *e);
	return api_ask_read(form, body, strlen(body), a, ret, e);
}

static void test_defaults(void **state)
{
	_cleanup_arena_ struct arena a = { 0 };
	struct api_ask q;
	struct api_error e;
	assert_int_equal(read_ask(API_CHAT, "{" M "}", &a, &q, &e), 0);
	assert_string_equal(q.model, "demo");
	assert_string_equal(q.messages, "[{\"role\":\"user\",\"content\":\"hi\"}]");
	assert_true(
		q.how.temperature == 1 && q.how.top_p == 1 && q.how.repeat_penalty == 1 && !q.how.max_tokens);
	assert_true(!q.stream && !q.usage && !q.tools && !q.schema && !q.seed_given && !q.n_stops);
	assert_int_equal(read_ask(API_COMPLETION, "{\"model\":\"m\",\"prompt\":[\"once\"]}", &a, &q, &e), 0);
	assert_string_equal(q.prompt, "once");
}

static void test_fields(void **state)
{
	_cleanup_arena_ struct arena a = { 0 };
	struct api_ask q;
	struct api_error e;
	static const char body[] =
		"{" M ",\"max_tokens\":7,\"max_completion_tokens\":9,\"temperature\":0.5,"
		"\"top_p\":0.25,\"top_k\":3,\"min_p\":0.125,"
		"\"seed\":-1,\"repeat_penalty\":1.5,\"frequency_penalty\":0,\"logit_bias\":{},\"stop\":["
		"\"a\",\"bc\"],\"n\":1,\"logprobs\":false,"
		"\"stream\":true,\"stream_options\":{\"include_usage\":true},\"user\":{"
		"\"any\":[1]},\"tool_choice\":{\"type\":"
		"\"function\",\"function\":{\"name\":\"f\"}},\"tools\":[{\"type\":\"web_"
		"search\"},{\"type\":\"function\",\"function\":"
		"{\"name\":\"f\"}}],\"parallel_tool_calls\":false,\"response_format\":"
		"null,\"chat_template_kwargs\":{\"x\":1}}";
	assert_int_equal(read_ask(API_CHAT, body, &a, &q, &e), 0);
	assert_true(q.how.max_tokens == 9 && q.how.temperature == 0.5f && q.how.top_p == 0.25f &&
		    q.how.top_k == 3);
	assert_true(q.how.min_p == 0.125f && q.seed_given && q.how.seed == UINT64_MAX &&
		    q.how.repeat_penalty == 1.5f);
	assert_true(q.n_stops == 2 && !strcmp(q.stops[1], "bc") && q.stream && q.usage && q.one_call);
	assert_true(q.choice == CHAT_CALLS_REQUIRED && !strcmp(q.choice_name, "f"));
	assert_string_equal(q.tools, "[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]");
	assert_string_equal(q.vars, "{\"x\":1}");
	assert_int_equal(read_ask(API_CHAT,
				 "{" M ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
				 "\"name\":\"x\",\"schema\":"
				 "{\"type\":\"string\"}}},\"top_p\":0,\"temperature\":0.00001}",
				 &a, &q, &e),
		0);
	assert_string_equal(q.schema, "{\"type\":\"string\"}");
	assert_true(q.how.top_k == 1 && q.how.top_p == 1 && q.how.temperature == 0);
}

static void test_reasoning(void **state)
{
	static const struct {
		enum api_form form;
		const char *body, *vars;
		u32 budget;
	} rows[] = {
		{ API_CHAT, "{" M "}", NULL, THINK_NO_BUDGET },
		{ API_CHAT, "{" M ",\"reasoning_effort\":\"high\"}", "{\"reasoning_effort\":\"high\"}",
			THINK_NO_BUDGET },
		{ API_CHAT, "{" M ",\"reasoning_effort\":\"none\"}",
			"{\"enable_thinking\":false,\"thinking\":false}", 0 },
		{ API_CHAT, "{" M ",\"reasoning_effort\":\"low\",\"chat_template_kwargs\":{}}", "{}",
			THINK_NO_BUDGET },
		{ API_RESPONSES,
			"{\"model\":\"m\",\"input\":\"x\",\"reasoning\":{\"effort\":\"minimal\",\"summary\":"
			"\"auto\"}}",
			"{\"enable_thinking\":false,\"thinking\":false}", 0 },
		{ API_MESSAGES,
			"{" M ",\"max_tokens\":9,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":5}}",
			NULL, 5 },
		{ API_MESSAGES, "{" M ",\"max_tokens\":9,\"thinking\":{\"type\":\"disabled\"}}",
			"{\"enable_thinking\":false,\"thinking\":false}", 0 },
	};
	struct api_ask q;
	struct api_error e;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena a = { 0 };
		assert_int_equal(read_ask(rows[i].form, rows[i].body, &a, &q, &e), 0);
		assert_int_equal(q.think_budget, rows[i].budget);
		assert_string_equal(q.vars ? q.vars : "none", rows[i].vars ? rows[i].vars : "none");
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *param, *code, *body;
	} rows[] = {
		{ "", "invalid_json", "" },
		{ "", "invalid_json", "[]" },
		{ "", "invalid_json", "{" M "} x" },
		{ "", "invalid_json", "{" M ",\"model\":\"twice\"}" },
		{ "", "invalid_json", "{" M ",\"x\":\"\\u0000\"}" },
		{ "", "invalid_json", "{" M ",\"x\":\"\xff\"}" },
		{ "model", "missing_field", "{\"messages\":[{}]}" },
		{ "messages", "missing_field", "{\"model\":\"demo\"}" },
		{ "model", "invalid_value", "{\"model\":\"\",\"messages\":[{}]}" },
		{ "model", "invalid_value", "{\"model\":7,\"messages\":[{}]}" },
		{ "messages", "invalid_value", "{\"model\":\"demo\",\"messages\":[]}" },
		{ "messages", "invalid_value", "{\"model\":\"demo\",\"messages\":\"hi\"}" },
		{ "max_tokens", "invalid_value", "{" M ",\"max_tokens\":0}" },
		{ "max_tokens", "invalid_value", "{" M ",\"max_tokens\":1.5}" },
		{ "max_tokens", "invalid_value", "{" M ",\"max_tokens\":1048577}" },
		{ "temperature", "invalid_value", "{" M ",\"temperature\":-0.1}" },
		{ "temperature", "invalid_value", "{" M ",\"temperature\":\"hot\"}" },
		{ "temperature", "invalid_value", "{" M ",\"temperature\":100.5}" },
		{ "top_p", "invalid_value", "{" M ",\"top_p\":1.01}" },
		{ "min_p", "invalid_value", "{" M ",\"min_p\":true}" },
		{ "top_k", "invalid_value", "{" M ",\"top_k\":-1}" },
		{ "seed", "invalid_value", "{" M ",\"seed\":1.5}" },
		{ "repeat_penalty", "invalid_value", "{" M ",\"repeat_penalty\":0}" },
		{ "frequency_penalty", "unsupported_value", "{" M ",\"frequency_penalty\":0.5}" },
		{ "logit_bias", "unsupported_value", "{" M ",\"logit_bias\":{\"5\":-100}}" },
		{ "logit_bias", "invalid_value", "{" M ",\"logit_bias\":[]}" },
		{ "n", "invalid_value", "{" M ",\"n\":9}" }, /* one past CHOICES_MAX */
		{ "logprobs", "invalid_value", "{" M ",\"logprobs\":5}" },
		{ "top_logprobs", "invalid_value",
			"{" M ",\"logprobs\":true,\"top_logprobs\":21}" }, /* LOGPROBS_MAX */
		{ "top_logprobs", "unsupported_value", "{" M ",\"top_logprobs\":2}" },
		{ "stop", "invalid_value", "{" M ",\"stop\":\"\"}" },
		{ "stop", "invalid_value", "{" M ",\"stop\":[1]}" },
		{ "stop", "invalid_value",
			"{" M ",\"stop\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\","
			"\"11\",\"12\",\"13\",\"14\",\"15\","
			"\"16\",\"17\"]}" }, /* one past STOPS_MAX */
		{ "stream", "invalid_value", "{" M ",\"stream\":\"yes\"}" },
		{ "stream_options", "invalid_value", "{" M ",\"stream_options\":true}" },
		{ "tools", "invalid_value", "{" M ",\"tools\":{}}" },
		{ "tools", "invalid_value", "{" M ",\"tools\":[{}]}" },
		{ "tool_choice", "invalid_value", "{" M ",\"tool_choice\":\"any\"}" },
		{ "parallel_tool_calls", "invalid_value", "{" M ",\"parallel_tool_calls\":1}" },
		{ "response_format", "invalid_value", "{" M ",\"response_format\":{\"type\":\"xml\"}}" },
		{ "response_format", "invalid_value",
			"{" M ",\"response_format\":{\"type\":\"json_schema\"}}" },
		{ "response_format", "unsupported_value",
			"{" M ",\"response_format\":{\"type\":\"json_object\"},\"tools\":[{\"type\":"
			"\"function\"}]}" },
		{ "reasoning_effort", "invalid_value", "{" M ",\"reasoning_effort\":\"some\"}" },
		{ "chat_template_kwargs", "invalid_value", "{" M ",\"chat_template_kwargs\":[]}" },
	};
	struct api_ask q;
	struct api_error e;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		_cleanup_arena_ struct arena a = { 0 };
		int r = read_ask(API_CHAT, rows[i].body, &a, &q, &e);
		if (r != 1 || e.status != 400 || strcmp(e.code, rows[i].code) ||
			strcmp(e.param, rows[i].param) || !e.message[0])
			fail_msg(
				"%s: %d %u %s %s", rows[i].body, r, e.status, e.code ? e.code : "-", e.param);
	}
}

/* One past the nesting that is read. */
static void test_depth(void **state)
{
	_cleanup_arena_ struct arena a = { 0 };
	struct api_ask q;
	struct api_error e;
	for (u32 past = 0; past < 2; past++) {
		char body[2 * JSON_DEPTH_MAX + 256] = "{" M ",\"x\":";
		size_t n = strlen(body), depth = JSON_DEPTH_MAX - 1 + past;
		memset(body + n, '[', depth);
		memset(body + n + depth, ']', depth);
		strcpy(body + n + 2 * depth, "}");
		assert_int_equal(read_ask(API_CHAT, body, &a, &q, &e), (int)past);
	}
}

/* ---- out ------------------------------------------------------------------------------------------------------------------- */

static json_t *parsed(struct jsonw *w)
{
	assert_false(w->full);
	json_t *j = json_loadb(w->buf, w->len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	jsonw_fini(w);
	return j;
}

static const char *text_at(json_t *j, const char *path)
{
	char copy[200], *at = copy;
	snprintf(copy, sizeof copy, "%s", path);
	for (char *key; (key = strsep(&at, "."));)
		j = *key >= '0' && *key <= '9' ? json_array_get(j, (size_t)atoi(key))
					       : json_object_get(j, key);
	return json_is_string(j) ? json_string_value(j) : json_is_null(j) ? "null" : "none";
}

static void test_answer(void **state)
{
	static const u8 model[MODEL_DIGEST_BYTES] = { 0xab };
	const struct proto_outcome o = {
		.finish = FINISH_STOP, .n_prompt = 5, .n_cached = 2, .n_generated = 3
	};
	const struct api_head h = { .form = API_CHAT, .model = "demo", .index = 12, .created = 34 };
	const struct api_call call = { "call_1", "f", "{\"a\":1}", 7 };
	struct api_answer a = { .text = "",
		.reasoning = "hm",
		.reasoning_len = 2,
		.calls = &call,
		.n_calls = 1,
		.outcome = &o,
		.model = model };
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	api_answer_write(&w, &h, &a);
	json_t *j = parsed(&w);
	assert_string_equal(text_at(j, "id"), "chatcmpl-12");
	assert_string_equal(text_at(j, "object"), "chat.completion");
	assert_string_equal(text_at(j, "choices.0.message.content"), "null");
	assert_string_equal(text_at(j, "choices.0.message.reasoning_content"), "hm");
	assert_string_equal(text_at(j, "choices.0.message.tool_calls.0.function.arguments"), "{\"a\":1}");
	assert_string_equal(text_at(j, "choices.0.finish_reason"), "tool_calls");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "usage"), "total_tokens")), 8);
	assert_int_equal(strncmp(text_at(j, "keep.model_digest"), "ab00", 4), 0);
	json_decref(j);
	a = (struct api_answer){ .text = "so", .text_len = 2, .outcome = &o, .model = model };
	jsonw_init_grow(&w, 1u << 20);
	api_answer_write(&w, &(struct api_head){ .form = API_COMPLETION, .model = "demo" }, &a);
	j = parsed(&w);
	assert_string_equal(text_at(j, "choices.0.text"), "so");
	assert_string_equal(text_at(j, "choices.0.finish_reason"), "stop");
	json_decref(j);
	a = (struct api_answer){ .text = "", .calls = &call, .n_calls = 1, .outcome = &o, .model = model };
	jsonw_init_grow(&w, 1u << 20);
	api_answer_write(&w, &(struct api_head){ .form = API_MESSAGES, .model = "demo", .index = 3 }, &a);
	j = parsed(&w);
	assert_string_equal(text_at(j, "id"), "msg_3");
	assert_string_equal(text_at(j, "content.0.type"), "tool_use");
	assert_int_equal(
		json_integer_value(json_object_get(
			json_object_get(json_array_get(json_object_get(j, "content"), 0), "input"), "a")),
		1);
	assert_string_equal(text_at(j, "stop_reason"), "tool_use");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "usage"), "input_tokens")), 3);
	json_decref(j);
}

/* The JSON of the nth event of a stream, of that type where it has one. */
static json_t *event_of(const struct jsonw *w, u32 n, const char *type)
{
	const char *at = w->buf;
	assert_false(w->full);
	for (u32 i = 0; i < n; i++) {
		at = strstr(at, "\n\n");
		assert_non_null(at);
		at += 2;
	}
	if (type) {
		assert_int_equal(strncmp(at, "event: ", 7), 0);
		assert_int_equal(strncmp(at + 7, type, strlen(type)), 0);
		at = strchr(at, '\n') + 1;
	}
	assert_int_equal(strncmp(at, "data: ", 6), 0);
	size_t len = (size_t)(strstr(at, "\n\n") - at) - 6;
	json_t *j = json_loadb(at + 6, len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	if (type)
		assert_string_equal(json_string_value(json_object_get(j, "type")), type);
	return j;
}

static void test_chunks(void **state)
{
	static const struct {
		struct chat_event e;
		const char *path, *want;
	} rows[] = {
		{ { .kind = CHAT_TEXT, .text = "a\"", .len = 2 }, "choices.0.delta.content", "a\"" },
		{ { .kind = CHAT_BROKEN, .text = "<t", .len = 2 }, "choices.0.delta.content", "<t" },
		{ { .kind = CHAT_REASONING, .text = "b", .len = 1 }, "choices.0.delta.reasoning_content",
			"b" },
		{ { .kind = CHAT_CALL, .name = "f", .id = "call_0" },
			"choices.0.delta.tool_calls.0.function.name", "f" },
		{ { .kind = CHAT_ARGUMENTS, .text = "{", .len = 1 },
			"choices.0.delta.tool_calls.0.function.arguments", "{" },
	};
	const struct api_head h = { .form = API_CHAT, .model = "demo", .index = 1 };
	struct api_stream st = { .head = &h, .usage = true };
	const struct proto_outcome o = { .finish = FINISH_LENGTH };
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	api_stream_begin(&st, &w);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		api_stream_event(&st, &w, &rows[i].e);
	api_stream_event(&st, &w, &(struct chat_event){ .kind = CHAT_CALL_END }); /* says nothing */
	api_stream_end(&st, &w, &o, (const u8[MODEL_DIGEST_BYTES]){ 0 });
	json_t *j = event_of(&w, 0, NULL);
	assert_string_equal(text_at(j, "choices.0.delta.role"), "assistant");
	json_decref(j);
	for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
		j = event_of(&w, i + 1, NULL);
		assert_string_equal(text_at(j, rows[i].path), rows[i].want);
		assert_string_equal(text_at(j, "choices.0.finish_reason"), "null");
		json_decref(j);
	}
	j = event_of(&w, ARRAY_LEN(rows) + 1, NULL);
	assert_string_equal(text_at(j, "choices.0.finish_reason"), "length");
	json_decref(j);
	j = event_of(&w, ARRAY_LEN(rows) + 2, NULL);
	assert_int_equal(json_array_size(json_object_get(j, "choices")), 0);
	json_decref(j);
	assert_non_null(strstr(w.buf, "data: [DONE]\n\n"));
	jsonw_fini(&w);
}

/* Blocks begin and end around what they hold, one at a time. */
static void test_blocks(void **state)
{
	static const struct chat_event events[] = { { .kind = CHAT_REASONING, .text = "hm", .len = 2 },
		{ .kind = CHAT_TEXT, .text = "so", .len = 2 }, { .kind = CHAT_TEXT, .text = "!", .len = 1 },
		{ .kind = CHAT_CALL, .name = "f", .id = "call_0" },
		{ .kind = CHAT_ARGUMENTS, .text = "{}", .len = 2 }, { .kind = CHAT_CALL_END } };
	static const struct {
		const char *type, *path, *want;
	} rows[] = {
		{ "message_start", "message.role", "assistant" },
		{ "content_block_start", "content_block.type", "thinking" },
		{ "content_block_delta", "delta.thinking", "hm" },
		{ "content_block_stop", "type", "content_block_stop" },
		{ "content_block_start", "content_block.type", "text" },
		{ "content_block_delta", "delta.text", "so" },
		{ "content_block_delta", "delta.text", "!" },
		{ "content_block_stop", "type", "content_block_stop" },
		{ "content_block_start", "content_block.name", "f" },
		{ "content_block_delta", "delta.partial_json", "{}" },
		{ "content_block_stop", "type", "content_block_stop" },
		{ "message_delta", "delta.stop_reason", "tool_use" },
		{ "message_stop", "type", "message_stop" },
	};
	const struct api_head h = { .form = API_MESSAGES, .model = "demo", .index = 1 };
	struct api_stream st = { .head = &h };
	const struct proto_outcome o = {
		.finish = FINISH_STOP, .n_prompt = 9, .n_cached = 4, .n_generated = 3
	};
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	api_stream_begin(&st, &w);
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		api_stream_event(&st, &w, &events[i]);
	api_stream_end(&st, &w, &o, (const u8[MODEL_DIGEST_BYTES]){ 0 });
	for (u32 i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = event_of(&w, i, rows[i].type);
		if (strcmp(text_at(j, rows[i].path), rows[i].want))
			fail_msg("event %u: %s is %s", i, rows[i].path, text_at(j, rows[i].path));
		if (i == 1)
			assert_string_equal(text_at(j, "content_block.signature"), "");
		json_decref(j);
	}
	jsonw_fini(&w);
}

/* Which of its texts ended an answer; what the runtime says of one that was not given is not believed. */
static void test_stop_sequence(void **state)
{
	static const char *const stops[] = { "x", "END" }, *const want[] = { "null", "x", "END", "null" };
	static const u8 model[MODEL_DIGEST_BYTES];
	const struct api_head h = { .form = API_MESSAGES, .model = "m", .stops = stops, .n_stops = 2 };
	for (u32 i = 0; i < ARRAY_LEN(want); i++) {
		const struct proto_outcome o = { .finish = FINISH_STRING, .stop_string = i };
		const struct api_answer a = { .text = "so", .text_len = 2, .outcome = &o, .model = model };
		struct api_stream st = { .head = &h };
		struct jsonw w;
		jsonw_init_grow(&w, 1u << 20);
		api_answer_write(&w, &h, &a);
		json_t *j = parsed(&w);
		assert_string_equal(text_at(j, "stop_reason"), "stop_sequence");
		assert_string_equal(text_at(j, "stop_sequence"), want[i]);
		json_decref(j);
		jsonw_init_grow(&w, 1u << 20);
		api_stream_begin(&st, &w);
		api_stream_end(&st, &w, &o, model);
		j = event_of(&w, 0, "message_start");
		assert_string_equal(text_at(j, "message.stop_reason"), "null");
		json_decref(j);
		j = event_of(&w, 1, "message_delta");
		assert_string_equal(text_at(j, "delta.stop_sequence"), want[i]);
		json_decref(j);
		jsonw_fini(&w);
	}
}

static void test_messages(void **state)
{
	_cleanup_arena_ struct arena a = { 0 };
	struct api_ask q;
	struct api_error e;
	static const char body[] =
		"{\"model\":\"demo\",\"max_tokens\":5,\"system\":[{\"type\":\"text\",\"text\":\"be\"},{"
		"\"type\":\"text\",\"text\":\"brief\"}],"
		"\"stop_sequences\":[\"x\"],\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_"
		"schema\":{}},{\"type\":\"web_search_1\"}],"
		"\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\",\"disable_parallel_tool_use\":true},"
		"\"messages\":["
		"{\"role\":\"user\",\"content\":\"hi\"},"
		"{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},{\"type\":"
		"\"text\",\"text\":\"so\"},"
		"{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"a\":1}}]},"
		"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\","
		"\"content\":[{\"type\":\"text\",\"text\":\"7\"}]},"
		"{\"type\":\"text\",\"text\":\"go on\"}]}]}";
	assert_int_equal(read_ask(API_MESSAGES, body, &a, &q, &e), 0);
	assert_string_equal(q.messages,
		"[{\"role\":\"system\",\"content\":\"be\\nbrief\"},{\"role\":\"user\",\"content\":\"hi\"},"
		"{\"role\":\"assistant\",\"content\":\"so\",\"tool_calls\":[{\"id\":\"t1\",\"type\":"
		"\"function\",\"function\":{\"name\":\"f\","
		"\"arguments\":\"{\\\"a\\\":1}\"}}],\"reasoning_content\":\"hm\"},"
		"{\"role\":\"tool\",\"tool_call_id\":\"t1\",\"content\":\"7\"},{\"role\":\"user\","
		"\"content\":\"go on\"}]");
	assert_string_equal(q.tools, "[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{},"
				     "\"description\":\"d\"}}]");
	assert_true(q.choice == CHAT_CALLS_REQUIRED && !strcmp(q.choice_name, "f") && q.one_call &&
		    q.n_stops == 1);
	static const struct {
		const char *param, *body;
	} rows[] = {
		{ "max_tokens", "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}" },
		{ "messages", "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"system\","
			      "\"content\":\"x\"}]}" },
		{ "messages", "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\"}]}" },
		{ "messages", "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\","
			      "\"content\":[{\"type\":\"image\"}]}]}" },
		{ "messages", "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"user\","
			      "\"content\":[{\"type\":\"tool_result\"}]}]}" },
		{ "messages", "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[{\"role\":\"assistant\","
			      "\"content\":[{\"type\":\"tool_use\"}]}]}" },
		{ "messages", "{\"model\":\"m\",\"max_tokens\":5,\"system\":7,\"messages\":[{\"role\":"
			      "\"user\",\"content\":\"x\"}]}" },
		{ "tools", "{\"model\":\"m\",\"max_tokens\":5,\"tools\":[{\"name\":\"f\"}],\"messages\":[{"
			   "\"role\":\"user\",\"content\":\"x\"}]}" },
		{ "tool_choice", "{\"model\":\"m\",\"max_tokens\":5,\"tool_choice\":{\"type\":\"tool\"},"
				 "\"messages\":[{\"role\":\"user\",\"content\":"
				 "\"x\"}]}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (read_ask(API_MESSAGES, rows[i].body, &a, &q, &e) != 1 || strcmp(e.param, rows[i].param))
			fail_msg("%s: %s", rows[i].body, e.param);
}

/* Only counted: the same prompt, nothing generated. */
static void test_count(void **state)
{
	_cleanup_arena_ struct arena a = { 0 };
	struct api_ask q;
	struct api_error e;
	struct jsonw w;
	const u32 ids[] = { 7, 8, 9 };
	const struct proto_outcome o = { .finish = FINISH_STOP };
	assert_int_equal(read_ask(API_COUNT, "{" M ",\"thinking\":{\"type\":\"disabled\"}}", &a, &q, &e), 0);
	assert_true(q.how.kind == REQUEST_TOKENIZE && !q.how.max_tokens && q.messages);
	assert_int_equal(read_ask(API_TOKENIZE, "{\"model\":\"m\",\"content\":\"hi\"}", &a, &q, &e), 0);
	assert_true(q.how.kind == REQUEST_TOKENIZE && (q.how.flags & REQUEST_RAW) && !strcmp(q.prompt, "hi"));
	assert_int_equal(read_ask(API_TOKENIZE, "{\"model\":\"m\",\"content\":\"hi\",\"add_special\":true}",
				 &a, &q, &e),
		0);
	assert_false(q.how.flags & REQUEST_RAW);
	assert_int_equal(read_ask(API_TOKENIZE, "{\"model\":\"m\"}", &a, &q, &e), 1);
	assert_string_equal(e.param, "content");
	const struct api_answer whole = {
		.ids = ids, .n_ids = 3, .outcome = &o, .model = (const u8[MODEL_DIGEST_BYTES]){ 0 }
	};
	jsonw_init_grow(&w, 1u << 20);
	api_answer_write(&w, &(struct api_head){ .form = API_COUNT }, &whole);
	json_t *j = parsed(&w);
	assert_int_equal(json_integer_value(json_object_get(j, "input_tokens")), 3);
	json_decref(j);
	jsonw_init_grow(&w, 1u << 20);
	api_answer_write(&w, &(struct api_head){ .form = API_TOKENIZE }, &whole);
	j = parsed(&w);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(j, "tokens"), 2)), 9);
	json_decref(j);
}

static void test_items(void **state)
{
	_cleanup_arena_ struct arena a = { 0 };
	struct api_ask q;
	struct api_error e;
	static const char body[] =
		"{\"model\":\"demo\",\"instructions\":\"be "
		"brief\",\"max_output_tokens\":5,\"store\":false,\"input\":["
		"{\"type\":\"message\",\"role\":\"developer\",\"content\":[{\"type\":\"input_text\",\"text\":"
		"\"a\"},{\"type\":\"input_text\","
		"\"text\":\"b\"}]},{\"role\":\"user\",\"content\":\"hi\"},{\"type\":\"reasoning\","
		"\"summary\":[]},"
		"{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\",\"arguments\":\"{}\"},"
		"{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":\"7\"}],"
		"\"tools\":[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{},\"strict\":true},{"
		"\"type\":\"web_search\"},{\"type\":\"namespace\",\"tools\":[]},{\"type\":\"local_shell\"},"
		"{\"type\":\"custom\",\"name\":\"patch\",\"format\":{\"type\":\"grammar\"}}],"
		"\"tool_choice\":{\"type\":\"function\",\"name\":\"f\"},\"text\":{\"format\":{\"type\":"
		"\"text\"}}}";
	assert_int_equal(read_ask(API_RESPONSES, body, &a, &q, &e), 0);
	assert_string_equal(q.messages, "[{\"role\":\"system\",\"content\":\"be "
					"brief\"},{\"role\":\"developer\",\"content\":\"a\\nb\"},"
					"{\"role\":\"user\",\"content\":\"hi\"},{\"role\":\"assistant\","
					"\"content\":\"\",\"tool_calls\":[{\"id\":\"c1\",\"type\":"
					"\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},"
					"{\"role\":\"tool\",\"tool_call_id\":\"c1\",\"content\":\"7\"}]");
	assert_string_equal(q.tools,
		"[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{},\"strict\":true}}]");
	assert_true(q.how.max_tokens == 5 && !strcmp(q.choice_name, "f"));
	assert_int_equal(read_ask(API_RESPONSES, "{\"model\":\"m\",\"input\":\"hi\"}", &a, &q, &e), 0);
	assert_string_equal(q.messages, "[{\"role\":\"user\",\"content\":\"hi\"}]");
	static const struct {
		const char *param, *body;
	} rows[] = {
		{ "input", "{\"model\":\"m\"}" },
		{ "input", "{\"model\":\"m\",\"input\":[]}" },
		{ "previous_response_id",
			"{\"model\":\"m\",\"input\":\"x\",\"previous_response_id\":\"resp_1\"}" },
		{ "background", "{\"model\":\"m\",\"input\":\"x\",\"background\":true}" },
		{ "input", "{\"model\":\"m\",\"input\":[{\"type\":\"item_reference\"}]}" },
		{ "input", "{\"model\":\"m\",\"input\":[{\"role\":\"tool\",\"content\":\"x\"}]}" },
		{ "input", "{\"model\":\"m\",\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_"
			   "image\"}]}]}" },
		{ "input", "{\"model\":\"m\",\"input\":[{\"type\":\"function_call\",\"name\":\"f\"}]}" },
		{ "input", "{\"model\":\"m\",\"input\":[{\"type\":\"function_call_output\",\"call_id\":\"c\"}"
			   "]}" },
		{ "input", "{\"model\":\"m\",\"instructions\":7,\"input\":\"x\"}" },
		{ "tools", "{\"model\":\"m\",\"input\":\"x\",\"tools\":[{\"type\":\"function\"}]}" },
		{ "text", "{\"model\":\"m\",\"input\":\"x\",\"text\":{\"format\":{\"type\":\"json_schema\"}}"
			  "}" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (read_ask(API_RESPONSES, rows[i].body, &a, &q, &e) != 1 || strcmp(e.param, rows[i].param))
			fail_msg("%s: %s", rows[i].body, e.param);
}

/* What the stream says at its end is what it said piece by piece, and what a whole answer says. */
static void test_items_stream(void **state)
{
	static const u8 model[MODEL_DIGEST_BYTES] = { 0 };
	static const struct chat_event events[] = { { .kind = CHAT_REASONING, .text = "hm", .len = 2 },
		{ .kind = CHAT_TEXT, .text = "so\"", .len = 3 }, { .kind = CHAT_TEXT, .text = "!", .len = 1 },
		{ .kind = CHAT_CALL, .name = "f", .id = "call_0" },
		{ .kind = CHAT_ARGUMENTS, .text = "{}", .len = 2 }, { .kind = CHAT_CALL_END } };
	static const char *const types[] = { "response.created", "response.in_progress",
		"response.output_item.added", "response.content_part.added", "response.reasoning_text.delta",
		"response.reasoning_text.done", "response.content_part.done", "response.output_item.done",
		"response.output_item.added", "response.content_part.added", "response.output_text.delta",
		"response.output_text.delta", "response.output_text.done", "response.content_part.done",
		"response.output_item.done", "response.output_item.added",
		"response.function_call_arguments.delta", "response.function_call_arguments.done",
		"response.output_item.done", "response.completed" };
	const struct api_head h = { .form = API_RESPONSES, .model = "demo", .index = 1 };
	struct api_stream st = { .head = &h };
	const struct proto_outcome o = { .finish = FINISH_STOP, .n_prompt = 9, .n_generated = 3 };
	struct jsonw w;
	json_t *last = NULL;
	jsonw_init_grow(&w, 1u << 20);
	api_stream_begin(&st, &w);
	for (size_t i = 0; i < ARRAY_LEN(events); i++)
		api_stream_event(&st, &w, &events[i]);
	api_stream_end(&st, &w, &o, model);
	for (u32 i = 0; i < ARRAY_LEN(types); i++) {
		json_decref(last);
		last = event_of(&w, i, types[i]);
		assert_int_equal(json_integer_value(json_object_get(last, "sequence_number")), i);
		if (!strcmp(types[i], "response.output_text.done"))
			assert_string_equal(text_at(last, "text"), "so\"!");
	}
	jsonw_fini(&w);
	api_stream_fini(&st);
	const struct api_call call = { "call_0", "f", "{}", 2 };
	const struct api_answer whole = { .reasoning = "hm",
		.reasoning_len = 2,
		.text = "so\"!",
		.text_len = 4,
		.calls = &call,
		.n_calls = 1,
		.outcome = &o,
		.model = model };
	jsonw_init_grow(&w, 1u << 20);
	api_answer_write(&w, &h, &whole);
	json_t *j = parsed(&w);
	assert_true(json_equal(j, json_object_get(last, "response")));
	assert_string_equal(text_at(j, "output.1.content.0.text"), "so\"!");
	assert_string_equal(text_at(j, "output.2.call_id"), "call_0");
	json_decref(j);
	json_decref(last);
}

static void test_error(void **state)
{
	struct api_error e;
	struct jsonw w;
	jsonw_init_grow(&w, 1u << 20);
	assert_int_equal(api_refuse(&e, 429, "quota", "model", "no more \"%s\"", "today"), 1);
	api_error_write(&w, API_CHAT, &e);
	json_t *j = parsed(&w);
	assert_string_equal(text_at(j, "error.message"), "no more \"today\"");
	assert_string_equal(text_at(j, "error.type"), "rate_limit_error");
	assert_string_equal(text_at(j, "error.param"), "model");
	assert_string_equal(text_at(j, "error.code"), "quota");
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_defaults), cmocka_unit_test(test_fields),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_reasoning),
		cmocka_unit_test(test_depth), cmocka_unit_test(test_answer), cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_blocks), cmocka_unit_test(test_stop_sequence),
		cmocka_unit_test(test_messages), cmocka_unit_test(test_count), cmocka_unit_test(test_items),
		cmocka_unit_test(test_items_stream), cmocka_unit_test(test_error) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
