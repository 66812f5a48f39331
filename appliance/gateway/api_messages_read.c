/* Anthropic's messages as OpenAI's, which is what templates are written for:
 *
 *	system                         a first message of role system
 *	text blocks                    content, joined by line feeds
 *	tool_use of an assistant       tool_calls, the input as text
 *	thinking of an assistant       reasoning_content
 *	tool_result of a user          a message of role tool each, before the user's own text
 */
#include "gateway/api_forms.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct converting {
	json_t *out;
	const char *why;
};

static int wrong(struct converting *c, const char *why)
{
	c->why = why;
	return 1;
}

static const char *type_of(json_t *block)
{
	const char *t = json_string_value(json_object_get(block, "type"));
	return t ? t : "";
}

/* The text of a string or a list of text blocks, or NULL: it holds something else, or memory ran out. */
static json_t *text_of(json_t *content)
{
	if (json_is_string(content))
		return json_incref(content);
	json_t *all = json_string("");
	for (size_t i = 0; i < json_array_size(content) && all; i++) {
		json_t *t = json_object_get(json_array_get(content, i), "text");
		json_t *more = json_is_string(t) && !strcmp(type_of(json_array_get(content, i)), "text")
				       ? json_sprintf("%s%s%s", json_string_value(all), i ? "\n" : "",
						 json_string_value(t))
				       : NULL;
		json_decref(all);
		all = more;
	}
	return json_is_array(content) ? all : (json_decref(all), NULL);
}

static void add(struct converting *c, const char *role, json_t *content)
{
	json_array_append_new(c->out, json_pack("{s:s,s:o}", "role", role, "content", content));
}

/* ---- what a user says: text, and results of tools ---------------------------------------------------------------------------- */

static int result_add(struct converting *c, json_t *block)
{
	json_t *id = json_object_get(block, "tool_use_id"), *content = json_object_get(block, "content");
	json_t *text = content ? text_of(content) : json_string("");
	if (!json_is_string(id) || !text) {
		json_decref(text);
		return wrong(c, "a tool_result needs a tool_use_id, and text as its content");
	}
	json_array_append_new(
		c->out, json_pack("{s:s,s:O,s:o}", "role", "tool", "tool_call_id", id, "content", text));
	return 0;
}

static int user_add(struct converting *c, json_t *content)
{
	json_t *rest = json_array();
	int r = 0;
	for (size_t i = 0; i < json_array_size(content) && !r; i++) {
		json_t *b = json_array_get(content, i);
		if (!strcmp(type_of(b), "tool_result"))
			r = result_add(c, b);
		else
			json_array_append(rest, b);
	}
	json_t *text = r ? NULL : text_of(json_is_string(content) ? content : rest);
	bool said = json_is_string(content) || json_array_size(rest);
	json_decref(rest);
	if (r)
		return r;
	if (!text)
		return wrong(c, "content must be a text or a list of blocks of type text and tool_result");
	if (said)
		add(c, "user", text);
	else
		json_decref(text);
	return 0;
}

/* ---- what an assistant said -------------------------------------------------------------------------------------------------- */

static int call_add(struct converting *c, json_t *calls, json_t *block)
{
	json_t *id = json_object_get(block, "id"), *name = json_object_get(block, "name"),
	       *input = json_object_get(block, "input");
	if (!json_is_string(id) || !json_is_string(name) || !json_is_object(input))
		return wrong(c, "a tool_use needs id, name and an object as input");
	char *text = json_dumps(input, JSON_COMPACT);
	if (!text)
		return wrong(c, "out of memory");
	json_array_append_new(calls, json_pack("{s:O,s:s,s:{s:O,s:s}}", "id", id, "type", "function",
					     "function", "name", name, "arguments", text));
	free(text);
	return 0;
}

static int assistant_add(struct converting *c, json_t *content)
{
	json_t *calls = json_array(), *texts = json_array(), *thought = NULL, *m = NULL;
	int r = 0;
	for (size_t i = 0; i < json_array_size(content) && !r; i++) {
		json_t *b = json_array_get(content, i);
		if (!strcmp(type_of(b), "tool_use"))
			r = call_add(c, calls, b);
		else if (!strcmp(type_of(b), "thinking"))
			thought = json_object_get(b, "thinking");
		else if (strcmp(type_of(b), "redacted_thinking") != 0)
			json_array_append(texts, b);
	}
	json_t *text = r ? NULL : text_of(json_is_string(content) ? content : texts);
	if (text)
		m = json_pack("{s:s,s:o}", "role", "assistant", "content", text);
	else if (!r)
		r = wrong(
			c, "content must be a text or a list of blocks of type text, thinking and tool_use");
	if (m && json_array_size(calls))
		json_object_set(m, "tool_calls", calls);
	if (m && json_is_string(thought))
		json_object_set(m, "reasoning_content", thought);
	if (m)
		json_array_append_new(c->out, m);
	json_decref(calls);
	json_decref(texts);
	return r;
}

/* ---- all ------------------------------------------------------------------------------------------------------------------- */

static int system_add(struct converting *c, json_t *system)
{
	json_t *text = system ? text_of(system) : NULL;
	if (system && !text)
		return wrong(c, "system must be a text or a list of text blocks");
	if (text)
		add(c, "system", text);
	return 0;
}

static int message_add(struct converting *c, json_t *m)
{
	const char *role = json_string_value(json_object_get(m, "role"));
	json_t *content = json_object_get(m, "content");
	if (!json_is_string(content) && !json_is_array(content))
		return wrong(c, "content must be a text or a list of blocks");
	if (role && !strcmp(role, "user"))
		return user_add(c, content);
	if (role && !strcmp(role, "assistant"))
		return assistant_add(c, content);
	return wrong(c, "a message is of role user or assistant");
}

int api_messages_convert(json_t *system, json_t *messages, json_t **ret, const char **ret_why)
{
	struct converting c = { .out = json_array() };
	int r = system_add(&c, system);
	for (size_t i = 0; i < json_array_size(messages) && !r; i++)
		r = message_add(&c, json_array_get(messages, i));
	if (r)
		json_decref(c.out);
	else
		*ret = c.out;
	*ret_why = c.why;
	return r;
}

int api_tools_convert(json_t *tools, json_t **ret, const char **ret_why)
{
	json_t *out = json_array();
	*ret_why = "a tool needs a name, and an object as input_schema";
	for (size_t i = 0; i < json_array_size(tools); i++) {
		json_t *t = json_array_get(tools, i), *name = json_object_get(t, "name"),
		       *schema = json_object_get(t, "input_schema"),
		       *about = json_object_get(t, "description");
		const char *type = type_of(t);
		if (*type && strcmp(type, "custom") != 0)
			continue; /* of kinds that run on somebody's servers */
		if (!json_is_string(name) || !json_is_object(schema)) {
			json_decref(out);
			return 1;
		}
		json_t *f = json_pack("{s:O,s:O}", "name", name, "parameters", schema);
		if (f && json_is_string(about))
			json_object_set(f, "description", about);
		json_array_append_new(out, json_pack("{s:s,s:o}", "type", "function", "function", f));
	}
	*ret = out;
	return 0;
}
