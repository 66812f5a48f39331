#include "chat/format.h"

#include <string.h>

#define DSML(s)	    "<" TAG("｜DSML｜") s
#define DSML_END(s) "</" TAG("｜DSML｜") s

/* The first row whose marks all stand in the template: the more special ones come first. */
static const struct chat_format FORMATS[] = {
	{ .name = "harmony",
		.mark = { "<|channel|>", "<|message|>" },
		.syntax = CHAT_CHANNELS,
		.call = { TAG("<|start|>"), TAG("<|end|>") },
		.name_end = TAG("<|message|>"),
		.flags = CHAT_BEGINS_IN_HEAD },
	{ .name = "kimi",
		.mark = { "<|tool_call_argument_begin|>" },
		.syntax = CHAT_JSON_ARGS,
		.section = { TAG("<|tool_calls_section_begin|>"), TAG("<|tool_calls_section_end|>") },
		.call = { TAG("<|tool_call_begin|>"), TAG("<|tool_call_end|>") },
		.name_end = TAG("<|tool_call_argument_begin|>"),
		.flags = CHAT_ID_IN_NAME },
	{ .name = "deepseek-r1",
		.mark = { "<｜tool▁sep｜>", "```json" },
		.syntax = CHAT_JSON_ARGS,
		.section = { TAG("<｜tool▁calls▁begin｜>"), TAG("<｜tool▁calls▁end｜>") },
		.call = { TAG("<｜tool▁call▁begin｜>") "function" TAG("<｜tool▁sep｜>"),
			"```" TAG("<｜tool▁call▁end｜>") },
		.name_end = "\n```json\n" },
	{ .name = "deepseek",
		.mark = { "<｜tool▁sep｜>" },
		.syntax = CHAT_JSON_ARGS,
		.section = { TAG("<｜tool▁calls▁begin｜>"), TAG("<｜tool▁calls▁end｜>") },
		.call = { TAG("<｜tool▁call▁begin｜>"), TAG("<｜tool▁call▁end｜>") },
		.name_end = TAG("<｜tool▁sep｜>") },
	{ .name = "dsml-functions",
		.mark = { "｜DSML｜", "function_calls>" },
		.syntax = CHAT_XML,
		.section = { DSML("function_calls>"), DSML_END("function_calls>") },
		.call = { DSML("invoke name=\""), DSML_END("invoke>") },
		.name_end = "\">",
		.key = DSML("parameter name=\""),
		.key_end = "\"",
		.value_end = DSML_END("parameter>"),
		.flags = CHAT_STRING_ATTR },
	{ .name = "dsml-tools",
		.mark = { "｜DSML｜", "tool_calls>" },
		.syntax = CHAT_XML,
		.section = { DSML("tool_calls>"), DSML_END("tool_calls>") },
		.call = { DSML("invoke name=\""), DSML_END("invoke>") },
		.name_end = "\">",
		.key = DSML("parameter name=\""),
		.key_end = "\"",
		.value_end = DSML_END("parameter>"),
		.flags = CHAT_STRING_ATTR },
	{ .name = "dsml",
		.mark = { "｜DSML｜", " calls>" },
		.syntax = CHAT_XML,
		.section = { DSML(" calls>"), DSML_END(" calls>") },
		.call = { DSML(" invoke name=\""), DSML_END(" invoke>") },
		.name_end = "\">",
		.key = DSML(" parameter name=\""),
		.key_end = "\"",
		.value_end = DSML_END(" parameter>"),
		.flags = CHAT_STRING_ATTR },
	{ .name = "minimax",
		.mark = { "<minimax:tool_call>", "<invoke name=" },
		.syntax = CHAT_XML,
		.section = { TAG("<minimax:tool_call>"), TAG("</minimax:tool_call>") },
		.call = { "<invoke name=\"", "</invoke>" },
		.name_end = "\">",
		.key = "<parameter name=\"",
		.key_end = "\">",
		.value_end = "</parameter>" },
	{ .name = "glm",
		.mark = { "<tool_call>", "<arg_key>" },
		.syntax = CHAT_XML,
		.call = { TAG("<tool_call>"), TAG("</tool_call>") },
		.key = TAG("<arg_key>"),
		.key_end = TAG("</arg_key>"),
		.value = TAG("<arg_value>"),
		.value_end = TAG("</arg_value>") },
	{ .name = "seed",
		.mark = { "<seed:tool_call>", "<function=" },
		.syntax = CHAT_XML,
		.section = { TAG("<seed:tool_call>"), TAG("</seed:tool_call>") },
		.call = { "<function=", "</function>" },
		.name_end = ">",
		.key = "<parameter=",
		.key_end = ">",
		.value_end = "</parameter>",
		.flags = CHAT_SECTION_EACH },
	{ .name = "qwen-xml",
		.mark = { "<tool_call>", "<function=", "<parameter=" },
		.syntax = CHAT_XML,
		.section = { TAG("<tool_call>"), TAG("</tool_call>") },
		.call = { "<function=", "</function>" },
		.name_end = ">",
		.key = "<parameter=",
		.key_end = ">",
		.value_end = "</parameter>",
		.flags = CHAT_NEWLINES | CHAT_SECTION_EACH },
	{ .name = "gemma",
		.mark = { "<|tool_call>", "<tool_call|>", "<|\"|>" },
		.syntax = CHAT_GEMMA,
		.call = { TAG("<|tool_call>") "call:", TAG("<tool_call|>") },
		.name_end = "{",
		.key = TAG("<|\"|>") },
	{ .name = "lfm",
		.mark = { "<|tool_call_start|>" },
		.syntax = CHAT_PYTHON,
		.section = { TAG("<|tool_call_start|>"), TAG("<|tool_call_end|>") } },
	{ .name = "lfm-list", /* its template writes no call, only the list of tools */
		.mark = { "<|tool_list_start|>" },
		.syntax = CHAT_PYTHON,
		.section = { TAG("<|tool_call_start|>"), TAG("<|tool_call_end|>") } },
	{ .name = "mistral-id",
		.mark = { "[TOOL_CALLS]", "[CALL_ID]" },
		.syntax = CHAT_JSON_ARGS,
		.call = { TAG("[TOOL_CALLS]") },
		.name_end = TAG("[CALL_ID]"),
		.id_end = TAG("[ARGS]") },
	{ .name = "mistral",
		.mark = { "[TOOL_CALLS]", "[ARGS]" },
		.syntax = CHAT_JSON_ARGS,
		.call = { TAG("[TOOL_CALLS]") },
		.name_end = TAG("[ARGS]") },
	{ .name = "mistral-list",
		.mark = { "[TOOL_CALLS]" },
		.syntax = CHAT_JSON_CALL,
		.section = { TAG("[TOOL_CALLS]") },
		.flags = CHAT_ONE_LIST },
	{ .name = "command",
		.mark = { "<|START_ACTION|>" },
		.syntax = CHAT_JSON_CALL,
		.section = { TAG("<|START_ACTION|>"), TAG("<|END_ACTION|>") },
		.name_key = "tool_name",
		.args_key = "parameters",
		.drop = { TAG("<|START_RESPONSE|>"), TAG("<|END_RESPONSE|>") },
		.flags = CHAT_ONE_LIST },
	{ .name = "nemotron",
		.mark = { "<TOOLCALL>" },
		.syntax = CHAT_JSON_CALL,
		.section = { TAG("<TOOLCALL>"), TAG("</TOOLCALL>") },
		.flags = CHAT_ONE_LIST },
	{ .name = "phi",
		.mark = { "<|tool_call|>", "<|/tool_call|>" },
		.syntax = CHAT_JSON_CALL,
		.section = { TAG("<|tool_call|>"), TAG("<|/tool_call|>") },
		.flags = CHAT_ONE_LIST },
	{ .name = "granite",
		.mark = { "<|tool_call|>" },
		.syntax = CHAT_JSON_CALL,
		.section = { TAG("<|tool_call|>") },
		.flags = CHAT_ONE_LIST },
	{ .name = "apriel",
		.mark = { "<tool_calls>", "</tool_calls>" },
		.syntax = CHAT_JSON_CALL,
		.section = { TAG("<tool_calls>"), TAG("</tool_calls>") },
		.flags = CHAT_ONE_LIST },
	{ .name = "functionary",
		.mark = { "<function=" },
		.syntax = CHAT_JSON_ARGS,
		.call = { "<function=", "</function>" },
		.name_end = ">" },
	{ .name = "functionary-heads",
		.mark = { ">>>", "tool_calls" },
		.syntax = CHAT_CHANNELS,
		.call = { ">>>" },
		.name_end = "\n",
		.flags = CHAT_BEGINS_IN_HEAD },
	{ .name = "hermes",
		.mark = { "<tool_call>" },
		.syntax = CHAT_JSON_CALL,
		.section = { TAG("<tool_call>"), TAG("</tool_call>") },
		.flags = CHAT_SECTION_EACH },
	{ .name = "llama",
		.mark = { "<|start_header_id|>", "parameters", "tools" },
		.syntax = CHAT_JSON_CALL,
		.section = { TAG("<|python_tag|>") },
		.args_key = "parameters",
		.flags = CHAT_BARE },
	{ .name = "none" },
};

static const struct chat_think_tags THINKS[] = {
	{ TAG("<think>"), TAG("</think>"), "\n" TAG("</think>") "\n\n" },
	{ TAG("[THINK]"), TAG("[/THINK]"), TAG("[/THINK]") },
	{ TAG("<seed:think>"), TAG("</seed:think>"), "\n" TAG("</seed:think>") "\n" },
	{ TAG("<mm:think>"), TAG("</mm:think>"), "\n" TAG("</mm:think>") "\n\n" },
	{ TAG("<|START_THINKING|>"), TAG("<|END_THINKING|>"), TAG("<|END_THINKING|>") },
	{ TAG("<|channel>") "thought\n", TAG("<channel|>"), "\n" TAG("<channel|>") },
	{ TAG("<|channel|>") "analysis" TAG("<|message|>"), TAG("<|end|>"), TAG("<|end|>") },
};

static bool holds(const char *source, size_t len, const char *text)
{
	size_t n = strlen(text);
	for (const char *p = source; len >= n && (p = memchr(p, text[0], (size_t)(source + len - n + 1 - p)));
		p++)
		if (memcmp(p, text, n) == 0)
			return true;
	return false;
}

const struct chat_format *chat_format_at(size_t i)
{
	return i < ARRAY_LEN(FORMATS) ? &FORMATS[i] : NULL;
}

const struct chat_format *chat_format_of(const char *source, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(FORMATS); i++) {
		bool all = true;
		for (size_t k = 0; k < ARRAY_LEN(FORMATS[i].mark) && FORMATS[i].mark[k]; k++)
			all = all && holds(source, len, FORMATS[i].mark[k]);
		if (all)
			return &FORMATS[i];
	}
	return NULL; /* not reached: the last row has no marks */
}

/* What the close tag looks like in a template: the last tag of its text, bare. Harmony's names a channel instead. */
const struct chat_think_tags *chat_think_of(const char *source, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(THINKS); i++) {
		char tag[64];
		size_t n = 0;
		for (const char *p = THINKS[i].close; *p && n + 1 < sizeof tag; p++)
			if (*p != '\1')
				tag[n++] = *p;
		tag[n] = 0;
		bool head = strchr(THINKS[i].open + 1, '\1')[1] != 0; /* the opening tag is a head */
		if (holds(source, len, tag) &&
			(!head || holds(source, len,
					  i + 1 == ARRAY_LEN(THINKS) ? "<|channel|>" : "<|channel>")))
			return &THINKS[i];
	}
	return NULL;
}

const char *chat_template_calls(const char *source, size_t len)
{
	return chat_format_of(source, len)->name;
}

const char *chat_format_text(const char *text, const struct chat_vocab *v, struct arena *a, size_t *ret_len)
{
	size_t n = 0, cap = strlen(text ? text : "") + 1;
	char *out = arena_alloc(a, cap);
	for (const char *p = text; out && p && *p;) {
		bool tag = *p == '\1';
		p += tag;
		size_t len = strcspn(p, "\1");
		bool control = tag && v->is_control && v->is_control(v->ctx, p, len);
		if (control)
			out[n++] = '\xff';
		memcpy(out + n, p, len);
		n += len;
		if (control)
			out[n++] = '\xff';
		p += len + tag;
	}
	*ret_len = n;
	return out;
}
