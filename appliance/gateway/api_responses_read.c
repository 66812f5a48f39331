/* Items of OpenAI's newer form as messages of chats:
 *
 *	instructions                        a first message of role system
 *	message                             a message of its role; its parts input_text and output_text, joined by line feeds
 *	function_call                       tool_calls of an assistant, joined with the message in front of it
 *	function_call_output                a message of role tool
 *	reasoning                           left out: it is not given back to models
 */
#include "gateway/api_forms.h"

#include <jansson.h>
#include <string.h>

static const char *str(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s ? s : "";
}

/* Of a string or a list of parts; NULL: there is something else in it, or memory ran out. */
static json_t *text_of(json_t *content)
{
	if (json_is_string(content))
		return json_incref(content);
	json_t *all = json_is_array(content) ? json_string("") : NULL;
	for (size_t i = 0; i < json_array_size(content) && all; i++) {
		json_t *p = json_array_get(content, i), *more = NULL;
		const char *type = str(p, "type");
		if ((!strcmp(type, "input_text") || !strcmp(type, "output_text") || !strcmp(type, "text")) &&
			json_is_string(json_object_get(p, "text")))
			more = json_sprintf("%s%s%s", json_string_value(all), i ? "\n" : "", str(p, "text"));
		json_decref(all);
		all = more;
	}
	return all;
}

static int message_add(json_t *out, json_t *item, const char **why)
{
	static const char *const roles[] = { "user", "assistant", "system", "developer" };
	json_t *text = text_of(json_object_get(item, "content"));
	const char *role = str(item, "role");
	*why = "a message needs text, as a string or in parts of type input_text and output_text";
	for (size_t i = 0; i < ARRAY_LEN(roles) && text; i++)
		if (!strcmp(role, roles[i])) {
			json_array_append_new(out, json_pack("{s:s,s:o}", "role", role, "content", text));
			return 0;
		}
	if (text)
		*why = "a message is of role user, assistant, system or developer";
	json_decref(text);
	return 1;
}

/* The assistant's message at the end, which calls belong to; made where there is none. Borrowed. */
static json_t *assistant(json_t *out)
{
	size_t n = json_array_size(out);
	json_t *last = n ? json_array_get(out, n - 1) : NULL;
	if (last && !strcmp(str(last, "role"), "assistant"))
		return last;
	json_array_append_new(out, json_pack("{s:s,s:s}", "role", "assistant", "content", ""));
	return json_array_get(out, n);
}

static int call_add(json_t *out, json_t *item, const char **why)
{
	json_t *id = json_object_get(item, "call_id"), *name = json_object_get(item, "name"),
	       *arguments = json_object_get(item, "arguments");
	*why = "a function_call needs call_id, name and arguments";
	if (!json_is_string(id) || !json_is_string(name) || !json_is_string(arguments))
		return 1;
	json_t *m = assistant(out), *calls = json_object_get(m, "tool_calls");
	if (!calls) {
		calls = json_array();
		json_object_set_new(m, "tool_calls", calls);
	}
	json_array_append_new(calls, json_pack("{s:O,s:s,s:{s:O,s:O}}", "id", id, "type", "function",
					     "function", "name", name, "arguments", arguments));
	return 0;
}

static int output_add(json_t *out, json_t *item, const char **why)
{
	json_t *id = json_object_get(item, "call_id"), *text = text_of(json_object_get(item, "output"));
	*why = "a function_call_output needs a call_id, and text as its output";
	if (!json_is_string(id) || !text) {
		json_decref(text);
		return 1;
	}
	json_array_append_new(
		out, json_pack("{s:s,s:O,s:o}", "role", "tool", "tool_call_id", id, "content", text));
	return 0;
}

static int item_add(json_t *out, json_t *item, const char **why)
{
	const char *type = str(item, "type");
	if (!strcmp(type, "message") || (!*type && *str(item, "role")))
		return message_add(out, item, why);
	if (!strcmp(type, "function_call"))
		return call_add(out, item, why);
	if (!strcmp(type, "function_call_output"))
		return output_add(out, item, why);
	*why = "an item is a message, a function_call, a function_call_output or reasoning";
	return strcmp(type, "reasoning") != 0;
}

int api_items_convert(json_t *instructions, json_t *input, json_t **ret, const char **ret_why)
{
	json_t *out = json_array();
	int r = 0;
	*ret_why = "instructions must be a text";
	if (json_is_string(instructions))
		json_array_append_new(out, json_pack("{s:s,s:O}", "role", "system", "content", instructions));
	else if (instructions && !json_is_null(instructions))
		r = 1;
	if (!r && json_is_string(input))
		json_array_append_new(out, json_pack("{s:s,s:O}", "role", "user", "content", input));
	for (size_t i = 0; i < json_array_size(input) && !r; i++)
		r = item_add(out, json_array_get(input, i), ret_why);
	if (r)
		json_decref(out);
	else
		*ret = out;
	return r;
}

int api_flat_tools_convert(json_t *tools, json_t **ret, const char **ret_why)
{
	static const char *const keys[] = { "name", "description", "parameters", "strict" };
	json_t *out = json_array();
	*ret_why = "a function needs a name";
	for (size_t i = 0; i < json_array_size(tools); i++) {
		json_t *t = json_array_get(tools, i), *f = json_object();
		if (strcmp(str(t, "type"), "function") != 0) {
			json_decref(f);
			continue; /* of kinds that run on somebody's servers */
		}
		for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
			json_t *v = json_object_get(t, keys[k]);
			if (v && !json_is_null(v))
				json_object_set(f, keys[k], v);
		}
		json_array_append_new(out, json_pack("{s:s,s:o}", "type", "function", "function", f));
		if (json_is_string(json_object_get(t, "name")))
			continue;
		json_decref(out);
		return 1;
	}
	*ret = out;
	return 0;
}
