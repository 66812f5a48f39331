#define _GNU_SOURCE
#include "gateway/api_read.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void json_put(json_t **j)
{
	json_decref(*j);
}

int api_refuse(struct api_error *e, u32 status, const char *code, const char *param, const char *fmt, ...)
{
	*e = (struct api_error){ .status = status, .code = code };
	snprintf(e->param, sizeof e->param, "%s", param ? param : "");
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->message, sizeof e->message, fmt, ap);
	va_end(ap);
	return 1;
}

int api_wrong(struct reading *rd, const char *key, const char *want)
{
	return api_refuse(rd->e, 400, "invalid_value", key, "\"%s\" must be %s", key, want);
}

int api_cannot(struct reading *rd, const char *key, const char *why)
{
	return api_refuse(rd->e, 400, "unsupported_value", key, "\"%s\": %s", key, why);
}

static const char *keep(struct reading *rd, const char *s, size_t n)
{
	const char *p = arena_dup(rd->arena, s, n);
	rd->no_memory |= !p;
	return p;
}

/* A value as text of its own. */
static const char *keep_json(struct reading *rd, json_t *v, size_t *ret_len)
{
	_cleanup_free_ char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
	size_t n = text ? strlen(text) : 0;
	rd->no_memory |= !text;
	if (ret_len)
		*ret_len = n;
	return text ? keep(rd, text, n) : NULL;
}

/* ---- numbers --------------------------------------------------------------------------------------------------------------- */

/* A number of [min, max], as f32. */
static int f32_in(struct reading *rd, const char *key, json_t *v, f64 min, f64 max, f32 *ret)
{
	char want[64];
	f64 d = json_is_number(v) ? json_number_value(v) : NAN;
	if (d >= min && d <= max) {
		*ret = (f32)d;
		return 0;
	}
	snprintf(want, sizeof want, "a number from %g to %g", min, max);
	return api_wrong(rd, key, want);
}

int api_u32_in(struct reading *rd, const char *key, json_t *v, u32 min, u32 max, u32 *ret)
{
	char want[64];
	if (json_is_integer(v) && json_integer_value(v) >= min && json_integer_value(v) <= max) {
		*ret = (u32)json_integer_value(v);
		return 0;
	}
	snprintf(want, sizeof want, "an integer from %u to %u", min, max);
	return api_wrong(rd, key, want);
}

static int on_max_tokens(struct reading *rd, const char *key, json_t *v)
{
	return api_u32_in(rd, key, v, 1, CTX_TOKENS_MAX, &rd->ask->how.max_tokens);
}

static int on_temperature(struct reading *rd, const char *key, json_t *v)
{
	f32 t = 0;
	int r = f32_in(rd, key, v, 0, (f64)TEMPERATURE_MAX, &t);
	if (!r)
		rd->ask->how.temperature = t > 0 && t < TEMPERATURE_MIN ? 0 : t;
	return r;
}

static int on_top_p(struct reading *rd, const char *key, json_t *v)
{
	int r = f32_in(rd, key, v, 0, 1, &rd->ask->how.top_p);
	if (!r && rd->ask->how.top_p <= 0) { /* nothing but the most probable */
		rd->ask->how.top_p = 1;
		rd->ask->how.top_k = 1;
	}
	return r;
}

static int on_min_p(struct reading *rd, const char *key, json_t *v)
{
	return f32_in(rd, key, v, 0, 1, &rd->ask->how.min_p);
}

static int on_top_k(struct reading *rd, const char *key, json_t *v)
{
	return api_u32_in(rd, key, v, 0, UINT32_MAX, &rd->ask->how.top_k);
}

static int on_seed(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_integer(v))
		return api_wrong(rd, key, "an integer");
	rd->ask->how.seed = (u64)json_integer_value(v);
	rd->ask->seed_given = true;
	return 0;
}

static int on_repeat_penalty(struct reading *rd, const char *key, json_t *v)
{
	return f32_in(
		rd, key, v, (f64)REPEAT_PENALTY_MIN, (f64)REPEAT_PENALTY_MAX, &rd->ask->how.repeat_penalty);
}

/* Known, and not done here: only the value that changes nothing is taken. */
static int on_penalty(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_number(v))
		return api_wrong(rd, key, "a number");
	return json_number_value(v) == 0
		       ? 0
		       : api_cannot(rd, key, "only 0 is served here; repeat_penalty may be given");
}

static int on_bias(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_object(v))
		return api_wrong(rd, key, "an object");
	return json_object_size(v) ? api_cannot(rd, key, "the chance of no token is changed here") : 0;
}

/* ---- text and lists -------------------------------------------------------------------------------------------------------- */

static int on_model(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_string(v) || !json_string_length(v) || json_string_length(v) > NAME_LEN_MAX)
		return api_wrong(rd, key, "the name of a model");
	rd->ask->model = keep(rd, json_string_value(v), json_string_length(v));
	return 0;
}

static int on_messages(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_array(v) || !json_array_size(v))
		return api_wrong(rd, key, "a list of at least one message");
	rd->ask->messages = keep_json(rd, v, &rd->ask->messages_len);
	return 0;
}

static int on_prompt(struct reading *rd, const char *key, json_t *v)
{
	if (json_is_array(v) && json_array_size(v) == 1)
		v = json_array_get(v, 0);
	if (!json_is_string(v))
		return api_wrong(rd, key, "one text");
	rd->ask->prompt = keep(rd, json_string_value(v), json_string_length(v));
	return 0;
}

/* What would stand behind the answer: to ignore it would answer another question. */
static int on_suffix(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_string(v))
		return api_wrong(rd, key, "a text");
	return json_string_length(v) ? api_cannot(rd, key, "nothing is filled in before a text here") : 0;
}

static int on_special(struct reading *rd, const char *key, json_t *v)
{
	if (json_is_true(v))
		rd->ask->how.flags &= ~(u32)REQUEST_RAW;
	return json_is_boolean(v) ? 0 : api_wrong(rd, key, "a boolean");
}

static int stop_add(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_string(v) || !json_string_length(v) || json_string_length(v) > STOP_BYTES_MAX ||
		rd->ask->n_stops == STOPS_MAX)
		return api_refuse(rd->e, 400, "invalid_value", key,
			"\"%s\" must be a text or a list of at most %u, each of 1 to %u bytes", key,
			STOPS_MAX, STOP_BYTES_MAX);
	rd->ask->stops[rd->ask->n_stops++] = keep(rd, json_string_value(v), json_string_length(v));
	return 0;
}

static int on_stop(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_array(v))
		return stop_add(rd, key, v);
	int r = 0;
	for (size_t i = 0; i < json_array_size(v) && !r; i++)
		r = stop_add(rd, key, json_array_get(v, i));
	return r;
}

static int on_stream(struct reading *rd, const char *key, json_t *v)
{
	rd->ask->stream = json_is_true(v);
	return json_is_boolean(v) ? 0 : api_wrong(rd, key, "a boolean");
}

static int on_stream_options(struct reading *rd, const char *key, json_t *v)
{
	json_t *usage = json_object_get(v, "include_usage");
	if (!json_is_object(v) || (usage && !json_is_null(usage) && !json_is_boolean(usage)))
		return api_wrong(rd, key, "an object whose include_usage is a boolean");
	rd->ask->usage = json_is_true(usage);
	return 0;
}

/* ---- tools and forms of answers ----------------------------------------------------------------------------------------------- */

/* Functions only; kinds that run on somebody's servers are left out, as if they had not been offered. */
static int on_tools(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_array(v))
		return api_wrong(rd, key, "a list of tools");
	_cleanup_(json_put) json_t *list = json_array();
	for (size_t i = 0; i < json_array_size(v); i++) {
		json_t *t = json_array_get(v, i), *type = json_object_get(t, "type");
		if (!json_is_object(t) || !json_is_string(type))
			return api_wrong(rd, key, "a list of objects with a type");
		if (!strcmp(json_string_value(type), "function"))
			json_array_append(list, t);
	}
	if (json_array_size(list))
		rd->ask->tools = keep_json(rd, list, NULL);
	return 0;
}

static int on_tool_choice(struct reading *rd, const char *key, json_t *v)
{
	static const char *const words[] = {
		[CHAT_CALLS_AUTO] = "auto", [CHAT_CALLS_NONE] = "none", [CHAT_CALLS_REQUIRED] = "required"
	};
	for (u32 i = 0; json_is_string(v) && i < ARRAY_LEN(words); i++)
		if (!strcmp(json_string_value(v), words[i])) {
			rd->ask->choice = (enum chat_choice)i;
			return 0;
		}
	json_t *flat = json_object_get(v, "name"),
	       *name = flat ? flat : json_object_get(json_object_get(v, "function"), "name");
	if (!json_is_string(name))
		return api_wrong(rd, key, "none, auto, required, or an object that names a function");
	rd->ask->choice = CHAT_CALLS_REQUIRED;
	rd->ask->choice_name = keep(rd, json_string_value(name), json_string_length(name));
	return 0;
}

static int on_parallel(struct reading *rd, const char *key, json_t *v)
{
	rd->ask->one_call = json_is_false(v);
	return json_is_boolean(v) ? 0 : api_wrong(rd, key, "a boolean");
}

static int on_response_format(struct reading *rd, const char *key, json_t *v)
{
	json_t *type = json_object_get(v, "type"),
	       *schema = json_object_get(json_object_get(v, "json_schema"), "schema");
	const char *t = json_is_string(type) ? json_string_value(type) : "";
	if (!strcmp(t, "text"))
		return 0;
	if (!strcmp(t, "json_object")) {
		rd->ask->schema = "{\"type\":\"object\"}";
		return 0;
	}
	if (strcmp(t, "json_schema") || !json_is_object(schema))
		return api_wrong(rd, key, "of type text, json_object or json_schema, the last with a schema");
	rd->ask->schema = keep_json(rd, schema, NULL);
	return 0;
}

/* ---- Anthropic's own -------------------------------------------------------------------------------------------------------- */

/* What a converter made of two fields is the ask's messages. */
static int converted(struct reading *rd, const char *key, int r, json_t *list, const char *why)
{
	if (r)
		return api_refuse(rd->e, 400, "invalid_value", key, "\"%s\": %s", key, why);
	rd->ask->messages = keep_json(rd, list, &rd->ask->messages_len);
	json_decref(list);
	return 0;
}

static int on_blocks(struct reading *rd, const char *key, json_t *v)
{
	const char *why;
	json_t *system = json_object_get(rd->root, "system"), *list = NULL;
	if (!json_is_array(v) || !json_array_size(v))
		return api_wrong(rd, key, "a list of at least one message");
	int r = api_messages_convert(json_is_null(system) ? NULL : system, v, &list, &why);
	return converted(rd, key, r, list, why);
}

static int on_items(struct reading *rd, const char *key, json_t *v)
{
	const char *why;
	json_t *list = NULL;
	if (!json_is_string(v) && !json_array_size(v))
		return api_wrong(rd, key, "a text or a list of at least one item");
	int r = api_items_convert(json_object_get(rd->root, "instructions"), v, &list, &why);
	return converted(rd, key, r, list, why);
}

static int tools_converted(struct reading *rd, const char *key, json_t *v,
	int (*convert)(json_t *tools, json_t **ret, const char **ret_why))
{
	const char *why;
	_cleanup_(json_put) json_t *list = NULL;
	if (!json_is_array(v))
		return api_wrong(rd, key, "a list of tools");
	if (convert(v, &list, &why))
		return api_refuse(rd->e, 400, "invalid_value", key, "\"%s\": %s", key, why);
	if (json_array_size(list))
		rd->ask->tools = keep_json(rd, list, NULL);
	return 0;
}

static int on_custom_tools(struct reading *rd, const char *key, json_t *v)
{
	return tools_converted(rd, key, v, api_tools_convert);
}

static int on_flat_tools(struct reading *rd, const char *key, json_t *v)
{
	return tools_converted(rd, key, v, api_flat_tools_convert);
}

static int on_stored(struct reading *rd, const char *key, json_t *v)
{
	return json_is_false(v) ? 0
				: api_cannot(rd, key, "nothing is stored here; send the whole conversation");
}

/* {"format":{"type":"json_schema","name":"x","schema":{}}} */
static int on_text(struct reading *rd, const char *key, json_t *v)
{
	json_t *format = json_object_get(v, "format"), *schema = json_object_get(format, "schema");
	const char *t = json_string_value(json_object_get(format, "type"));
	if (json_is_object(v) && (!format || (t && !strcmp(t, "text"))))
		return 0;
	if (t && !strcmp(t, "json_object")) {
		rd->ask->schema = "{\"type\":\"object\"}";
		return 0;
	}
	if (!t || strcmp(t, "json_schema") || !json_is_object(schema))
		return api_wrong(
			rd, key, "an object whose format is text, json_object or json_schema with a schema");
	rd->ask->schema = keep_json(rd, schema, NULL);
	return 0;
}

static int on_choice(struct reading *rd, const char *key, json_t *v)
{
	static const struct {
		const char *type;
		enum chat_choice choice;
	} rows[] = { { "auto", CHAT_CALLS_AUTO }, { "none", CHAT_CALLS_NONE }, { "any", CHAT_CALLS_REQUIRED },
		{ "tool", CHAT_CALLS_REQUIRED } };
	json_t *type = json_object_get(v, "type"), *name = json_object_get(v, "name");
	for (size_t i = 0; json_is_string(type) && i < ARRAY_LEN(rows); i++) {
		if (strcmp(json_string_value(type), rows[i].type) || (i == 3 && !json_is_string(name)))
			continue;
		rd->ask->choice = rows[i].choice;
		if (i == 3)
			rd->ask->choice_name = keep(rd, json_string_value(name), json_string_length(name));
		rd->ask->one_call = json_is_true(json_object_get(v, "disable_parallel_tool_use"));
		return 0;
	}
	return api_wrong(rd, key, "of type auto, none, any, or tool with a name");
}

/* No reasoning: said to the template, and held to. */
static void think_off(struct reading *rd)
{
	rd->ask->think_budget = 0;
	if (!rd->ask->vars)
		rd->ask->vars = "{\"enable_thinking\":false,\"thinking\":false}";
}

static int on_effort(struct reading *rd, const char *key, json_t *v)
{
	static const char *const words[] = { "none", "minimal", "low", "medium", "high", "xhigh" };
	for (size_t i = 0; json_is_string(v) && i < ARRAY_LEN(words); i++) {
		if (strcmp(json_string_value(v), words[i]) != 0)
			continue;
		_cleanup_(json_put) json_t *vars = json_pack("{s:s}", "reasoning_effort", words[i]);
		if (i < 2)
			think_off(rd);
		else if (!rd->ask->vars)
			rd->ask->vars = keep_json(rd, vars, NULL);
		return 0;
	}
	return api_wrong(rd, key, "none, minimal, low, medium, high or xhigh");
}

static int on_reasoning(struct reading *rd, const char *key, json_t *v)
{
	json_t *effort = json_object_get(v, "effort");
	if (!json_is_object(v))
		return api_wrong(rd, key, "an object");
	return effort && !json_is_null(effort) ? on_effort(rd, key, effort) : 0;
}

static int on_thinking(struct reading *rd, const char *key, json_t *v)
{
	const char *type = json_string_value(json_object_get(v, "type"));
	json_t *budget = json_object_get(v, "budget_tokens");
	if (type && !strcmp(type, "disabled")) {
		think_off(rd);
		return 0;
	}
	if (!type || (strcmp(type, "enabled") && strcmp(type, "adaptive")))
		return api_wrong(rd, key, "of type enabled, adaptive or disabled");
	return budget ? api_u32_in(rd, "thinking", budget, 1, CTX_TOKENS_MAX, &rd->ask->think_budget) : 0;
}

static int on_vars(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_object(v))
		return api_wrong(rd, key, "an object");
	rd->ask->vars = keep_json(rd, v, NULL);
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------------------------------------- */

#define CHAT   (1u << API_CHAT)
#define TEXT   (1u << API_COMPLETION)
#define MSGS   (1u << API_MESSAGES)
#define RESP   (1u << API_RESPONSES)
#define COUNT  (1u << API_COUNT)
#define TOKENS (1u << API_TOKENIZE)
#define BOTH   (CHAT | TEXT)
#define ALL    (BOTH | MSGS | RESP)

static const struct field {
	const char *key;
	u32 forms;
	int (*read)(struct reading *rd, const char *key, json_t *v);
} fields[] = {
	{ "model", ALL | COUNT | TOKENS, on_model },
	{ "messages", CHAT, on_messages },
	{ "messages", MSGS | COUNT, on_blocks },
	{ "input", RESP, on_items },
	{ "previous_response_id", RESP, on_stored },
	{ "background", RESP, on_stored },
	{ "prompt", TEXT, on_prompt },
	{ "suffix", TEXT, on_suffix },
	{ "content", TOKENS, on_prompt },
	{ "add_special", TOKENS, on_special },
	{ "max_tokens", BOTH | MSGS, on_max_tokens },
	{ "max_completion_tokens", CHAT, on_max_tokens },
	{ "max_output_tokens", RESP, on_max_tokens },
	{ "temperature", ALL, on_temperature },
	{ "top_p", ALL, on_top_p },
	{ "top_k", ALL, on_top_k },
	{ "min_p", BOTH, on_min_p },
	{ "seed", BOTH, on_seed },
	{ "repeat_penalty", BOTH, on_repeat_penalty },
	{ "frequency_penalty", BOTH, on_penalty },
	{ "presence_penalty", BOTH, on_penalty },
	{ "logit_bias", BOTH, on_bias },
	{ "stop", BOTH, on_stop },
	{ "stop_sequences", MSGS, on_stop },
	{ "n", BOTH, api_on_n },
	{ "best_of", TEXT, api_on_best_of },
	{ "logprobs", BOTH, api_on_logprobs },
	{ "include", RESP, api_on_include },
	{ "top_logprobs", CHAT | RESP, api_on_top_logprobs },
	{ "echo", TEXT, api_on_echo },
	{ "stream", ALL, on_stream },
	{ "stream_options", BOTH, on_stream_options },
	{ "tools", CHAT, on_tools },
	{ "tools", MSGS | COUNT, on_custom_tools },
	{ "tools", RESP, on_flat_tools },
	{ "tool_choice", CHAT | RESP, on_tool_choice },
	{ "tool_choice", MSGS | COUNT, on_choice },
	{ "parallel_tool_calls", CHAT | RESP, on_parallel },
	{ "response_format", CHAT, on_response_format },
	{ "text", RESP, on_text },
	{ "chat_template_kwargs", CHAT | MSGS | RESP | COUNT, on_vars },
	{ "reasoning_effort", CHAT, on_effort },
	{ "reasoning", RESP, on_reasoning },
	{ "thinking", MSGS | COUNT, on_thinking },
};

const char *api_field_at(size_t i, u32 *ret_forms)
{
	bool there = i < ARRAY_LEN(fields);
	*ret_forms = there ? fields[i].forms : 0;
	return there ? fields[i].key : NULL;
}

static int fields_read(struct reading *rd)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		json_t *v = json_object_get(rd->root, fields[i].key);
		if (!v || json_is_null(v) || !(fields[i].forms >> rd->ask->form & 1))
			continue;
		int r = fields[i].read(rd, fields[i].key, v);
		if (r)
			return r;
	}
	if (!rd->ask->model)
		return api_refuse(rd->e, 400, "missing_field", "model", "\"model\" is missing");
	static const char *const inputs[] = { [API_CHAT] = "messages",
		[API_COMPLETION] = "prompt",
		[API_MESSAGES] = "messages",
		[API_RESPONSES] = "input",
		[API_COUNT] = "messages",
		[API_TOKENIZE] = "content" };
	if (!rd->ask->messages && !rd->ask->prompt)
		return api_refuse(rd->e, 400, "missing_field", inputs[rd->ask->form], "\"%s\" is missing",
			inputs[rd->ask->form]);
	if (rd->ask->form == API_MESSAGES && !rd->ask->how.max_tokens)
		return api_refuse(rd->e, 400, "missing_field", "max_tokens", "\"max_tokens\" is missing");
	if (rd->ask->schema && rd->ask->tools && rd->ask->choice != CHAT_CALLS_NONE)
		return api_cannot(
			rd, "response_format", "an answer is held to a schema or may call tools, not both");
	return rd->no_memory ? err_origin(-ENOMEM) : 0;
}

int api_ask_read(enum api_form form, const void *body, size_t len, struct arena *a, struct api_ask *ret,
	struct api_error *e)
{
	_cleanup_(json_put) json_t *root = NULL;
	int r = api_body_load(body, len, &root, e);
	if (r)
		return r;
	*ret = (struct api_ask){ .form = form,
		.think_budget = THINK_NO_BUDGET,
		.n = 1,
		.how = { .kind = REQUEST_GENERATE, .temperature = 1, .top_p = 1, .repeat_penalty = 1 } };
	if (form == API_COUNT || form == API_TOKENIZE)
		ret->how = (struct request_header){
			.kind = REQUEST_TOKENIZE, .flags = REQUEST_RAW, .top_p = 1, .repeat_penalty = 1
		};
	struct reading rd = { a, ret, e, root, false };
	r = fields_read(&rd);
	if (!r && ret->how.repeat_penalty != 1)
		ret->how.repeat_last_n = 64;
	return r;
}
