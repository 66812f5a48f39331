#include "gateway/openapi.h"

#include <string.h>

#define CHAT   (1u << API_CHAT)
#define TEXT   (1u << API_COMPLETION)
#define MSGS   (1u << API_MESSAGES)
#define RESP   (1u << API_RESPONSES)
#define COUNT  (1u << API_COUNT)
#define TOKENS (1u << API_TOKENIZE)
#define BOTH   (CHAT | TEXT)
#define ALL    (BOTH | MSGS | RESP)

/* Every field that is read; schema is JSON Schema. */
static const struct {
	const char *key;
	u32 forms, required; /* enum api_form, bits */
	const char *schema, *what;
} fields[] = {
	{ "model", ALL | COUNT | TOKENS, ALL | COUNT | TOKENS, "{\"type\":\"string\"}",
		"the name of a model, or the first digits of its digest" },
	{ "messages", CHAT | MSGS | COUNT, CHAT | MSGS | COUNT, "{\"type\":\"array\",\"minItems\":1}",
		"the conversation, in the form of that path" },
	{ "input", RESP, RESP, "{\"type\":[\"string\",\"array\"]}",
		"a text, or the items of the conversation" },
	{ "previous_response_id", RESP, 0, "{\"type\":\"null\"}", "nothing is stored: refused" },
	{ "background", RESP, 0, "{\"const\":false}", "nothing runs behind an answer" },
	{ "prompt", TEXT, TEXT, "{\"type\":[\"string\",\"array\"]}", "a text as it is, or a list of one" },
	{ "content", TOKENS, TOKENS, "{\"type\":\"string\"}", "the text to be cut into tokens" },
	{ "add_special", TOKENS, 0, "{\"type\":\"boolean\"}", "with the tokens that a prompt begins with" },
	{ "max_tokens", BOTH | MSGS, MSGS, "{\"type\":\"integer\",\"minimum\":1}", "tokens of the answer" },
	{ "max_completion_tokens", CHAT, 0, "{\"type\":\"integer\",\"minimum\":1}", "the same" },
	{ "max_output_tokens", RESP, 0, "{\"type\":\"integer\",\"minimum\":1}", "the same" },
	{ "temperature", ALL, 0, "{\"type\":\"number\",\"minimum\":0,\"maximum\":100}",
		"0: always the most probable token" },
	{ "top_p", ALL, 0, "{\"type\":\"number\",\"minimum\":0,\"maximum\":1}",
		"the shortest list of tokens that is so probable" },
	{ "top_k", ALL, 0, "{\"type\":\"integer\",\"minimum\":0}", "so many tokens; 0: all" },
	{ "min_p", BOTH, 0, "{\"type\":\"number\",\"minimum\":0,\"maximum\":1}",
		"tokens of at least so much of the first one's probability" },
	{ "seed", BOTH, 0, "{\"type\":\"integer\"}", "of the random numbers; drawn where it is not given" },
	{ "repeat_penalty", BOTH, 0, "{\"type\":\"number\",\"minimum\":0.01,\"maximum\":100}",
		"of the last 64 tokens" },
	{ "frequency_penalty", BOTH, 0, "{\"const\":0}", "only 0 is served" },
	{ "presence_penalty", BOTH, 0, "{\"const\":0}", "only 0 is served" },
	{ "logit_bias", BOTH, 0, "{\"type\":\"object\",\"maxProperties\":0}",
		"the chance of no token is changed" },
	{ "suffix", TEXT, 0, "{\"const\":\"\"}", "nothing is filled in before a text" },
	{ "stop", BOTH, 0, "{\"type\":[\"string\",\"array\"]}",
		"texts before which the answer ends, at most 16" },
	{ "stop_sequences", MSGS, 0, "{\"type\":\"array\"}", "the same" },
	{ "n", BOTH, 0, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":8}", "answers to the same" },
	{ "best_of", TEXT, 0, "{\"type\":\"integer\"}", "must equal n" },
	{ "logprobs", CHAT, 0, "{\"type\":\"boolean\"}", "probabilities of the tokens that were said" },
	{ "logprobs", TEXT, 0, "{\"type\":\"integer\",\"minimum\":0,\"maximum\":20}",
		"the same, and of so many alternatives" },
	{ "include", RESP, 0, "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
		"message.output_text.logprobs: the same; what else it names is not here" },
	{ "top_logprobs", CHAT | RESP, 0, "{\"type\":\"integer\",\"minimum\":0,\"maximum\":20}",
		"and of so many alternatives" },
	{ "echo", TEXT, 0, "{\"const\":false}", "the prompt is not repeated" },
	{ "stream", ALL, 0, "{\"type\":\"boolean\"}", "server-sent events" },
	{ "stream_options", BOTH, 0,
		"{\"type\":\"object\",\"properties\":{\"include_usage\":{\"type\":\"boolean\"}}}",
		"whether the counts end the stream" },
	{ "tools", CHAT | MSGS | RESP | COUNT, 0, "{\"type\":\"array\"}",
		"functions that the model may call; other kinds are left out" },
	{ "tool_choice", CHAT | MSGS | RESP | COUNT, 0, "{\"type\":[\"string\",\"object\"]}",
		"whether it must call one, and which" },
	{ "parallel_tool_calls", CHAT | RESP, 0, "{\"type\":\"boolean\"}", "false: one call at most" },
	{ "response_format", CHAT, 0, "{\"type\":\"object\"}",
		"text, json_object or json_schema: the answer always fits" },
	{ "text", RESP, 0, "{\"type\":\"object\"}", "the same, as text.format" },
	{ "chat_template_kwargs", CHAT | MSGS | RESP | COUNT, 0, "{\"type\":\"object\"}",
		"further values for the model's template" },
	{ "reasoning_effort", CHAT, 0,
		"{\"enum\":[\"none\",\"minimal\",\"low\",\"medium\",\"high\",\"xhigh\"]}",
		"how much it reasons first" },
	{ "reasoning", RESP, 0, "{\"type\":\"object\"}", "the same, as reasoning.effort" },
	{ "thinking", MSGS | COUNT, 0, "{\"type\":\"object\"}", "the same, with a budget of tokens" },
};

static const struct {
	enum api_form form; /* 0: nothing is sent */
	const char *path, *what;
} paths[] = {
	{ 0, "/health", "whether the gateway is there" },
	{ 0, "/v1/models", "the models that whoever asks may have, each with its digest" },
	{ API_CHAT, "/v1/chat/completions",
		"a conversation through the model's own template, in OpenAI's form" },
	{ API_COMPLETION, "/v1/completions", "a text as it is, in OpenAI's form" },
	{ API_MESSAGES, "/v1/messages", "a conversation in Anthropic's form" },
	{ API_COUNT, "/v1/messages/count_tokens", "how many tokens such a conversation has" },
	{ API_RESPONSES, "/v1/responses", "a conversation in OpenAI's newer form; nothing is stored" },
	{ API_TOKENIZE, "/tokenize", "the tokens of a text" },
};

static const struct {
	const char *status, *what;
} errors[] = { { "400", "wrong: the field stands in param" }, { "401", "nobody that is known" },
	{ "403", "the gate or the quotas say no" }, { "404", "no such path or model" },
	{ "429", "a quota is spent: Retry-After" }, { "503", "the gate does not answer: ask again" } };

u32 openapi_n_fields(void)
{
	u32 n = 0;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		n += (u32)__builtin_popcount(fields[i].forms);
	return n;
}

const char *openapi_field(enum api_form form, const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if ((fields[i].forms >> form & 1) && !strcmp(fields[i].key, key))
			return fields[i].what;
	return NULL;
}

/* ---- the document ------------------------------------------------------------------------------------------------------------ */

static void body_write(struct jsonw *w, enum api_form form)
{
	jsonw_between(w, ",\"requestBody\":{\"required\":true,\"content\":{\"application/"
			 "json\":{\"schema\":{\"type\":\"object\",\"required\":[");
	const char *comma = "";
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].required >> form & 1) {
			jsonw_between(w, comma);
			jsonw_between(w, "\"");
			jsonw_between(w, fields[i].key);
			jsonw_between(w, "\"");
			comma = ",";
		}
	jsonw_between(w, "],\"properties\":{");
	comma = "";
	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (fields[i].forms >> form & 1) {
			size_t n = strlen(fields[i].schema);
			jsonw_between(w, comma);
			jsonw_between(w, "\"");
			jsonw_between(w, fields[i].key);
			jsonw_between(w, "\":{\"description\":\"");
			jsonw_between(w, fields[i].what);
			jsonw_between(w, "\",");
			jsonw_append(w, fields[i].schema + 1, n - 1);
			comma = ",";
		}
	jsonw_between(w, "}}}}}");
}

void openapi_write(struct jsonw *w)
{
	jsonw_between(
		w, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"Keep\",\"version\":\"1\"},\"paths\":{");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		jsonw_between(w, i ? ",\"" : "\"");
		jsonw_between(w, paths[i].path);
		jsonw_between(
			w, paths[i].form ? "\":{\"post\":{\"summary\":\"" : "\":{\"get\":{\"summary\":\"");
		jsonw_between(w, paths[i].what);
		jsonw_between(w, "\"");
		if (paths[i].form)
			body_write(w, paths[i].form);
		jsonw_between(w, ",\"responses\":{\"200\":{\"description\":\"done\"}");
		for (size_t e = 0; e < ARRAY_LEN(errors); e++) {
			jsonw_between(w, ",\"");
			jsonw_between(w, errors[e].status);
			jsonw_between(w, "\":{\"description\":\"");
			jsonw_between(w, errors[e].what);
			jsonw_between(w, "\"}");
		}
		jsonw_between(w, "}}}");
	}
	jsonw_between(w, "}}");
}

/* ---- the page ---------------------------------------------------------------------------------------------------------------- */

static void row_write(struct jsonw *w, const char *a, const char *b)
{
	jsonw_between(w, "<tr><th scope=\"row\"><code>");
	jsonw_between(w, a);
	jsonw_between(w, "</code></th><td>");
	jsonw_between(w, b);
	jsonw_between(w, "</td></tr>\n");
}

void openapi_page(struct jsonw *w)
{
	jsonw_between(w,
		"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
		"content=\"width=device-width\"><title>Keep: what this gateway speaks</title></head><body>\n"
		"<h1>What this gateway speaks</h1>\n<p>The same for programs: <a "
		"href=\"/openapi.json\">openapi.json</a>. Fields that are not listed, and fields that are "
		"null, "
		"are as if they were not there.</p>\n");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		jsonw_between(w, "<h2><code>");
		jsonw_between(w, paths[i].form ? "POST " : "GET ");
		jsonw_between(w, paths[i].path);
		jsonw_between(w, "</code></h2>\n<p>");
		jsonw_between(w, paths[i].what);
		jsonw_between(w, "</p>\n");
		if (!paths[i].form)
			continue;
		jsonw_between(w, "<table>\n");
		for (size_t f = 0; f < ARRAY_LEN(fields); f++)
			if (fields[f].forms >> paths[i].form & 1)
				row_write(w, fields[f].key, fields[f].what);
		jsonw_between(w, "</table>\n");
	}
	jsonw_between(w, "<h2>Errors</h2>\n<table>\n");
	for (size_t e = 0; e < ARRAY_LEN(errors); e++)
		row_write(w, errors[e].status, errors[e].what);
	jsonw_between(w, "</table>\n</body></html>\n");
}
