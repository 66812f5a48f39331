#include "gateway/rules.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void json_put(json_t **j)
{
	json_decref(*j);
}

void rules_fini(struct rules *r)
{
	free(r->system);
	for (u32 i = 0; i < r->n_tools; i++)
		free(r->tools[i]);
	*r = (struct rules){ 0 };
}

static u32 number(const json_t *j, const char *key)
{
	const json_t *v = json_object_get(j, key);
	json_int_t n = json_is_integer(v) ? json_integer_value(v) : UINT32_MAX;
	return n >= 0 && n < UINT32_MAX ? (u32)n : UINT32_MAX;
}

int rules_read(const void *data, size_t len, struct rules *ret)
{
	_cleanup_(json_put) json_t *j =
		json_loadb(data, len, JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
	const char *system = json_string_value(json_object_get(j, "system"));
	json_t *tools = json_object_get(j, "tools");
	u32 windows = MIN(number(j, "tokens_per_minute"), number(j, "tokens_per_day"));
	struct rules r = { .context = MIN(number(j, "context"), windows),
		.max_tokens = number(j, "max_tokens") };
	if (!json_is_object(j) || !json_is_integer(json_object_get(j, "line")) ||
		json_array_size(tools) > QUOTA_NAMES_MAX)
		return 1;
	r.line = (u32)json_integer_value(json_object_get(j, "line"));
	r.tools_listed = tools != NULL;
	r.system = system ? strdup(system) : NULL;
	bool failed = system && !r.system;
	for (size_t i = 0; i < json_array_size(tools) && !failed; i++) {
		const char *name = json_string_value(json_array_get(tools, i));
		r.tools[r.n_tools] = name ? strdup(name) : NULL;
		failed = !r.tools[r.n_tools];
		r.n_tools += !failed;
	}
	if (failed) {
		rules_fini(&r);
		return err_origin(-ENOMEM);
	}
	*ret = r;
	return 0;
}

/* ---- tools ----------------------------------------------------------------------------------------------------------------- */

static bool listed(const struct rules *r, const char *name)
{
	for (u32 i = 0; i < r->n_tools; i++)
		if (!strcmp(r->tools[i], name))
			return true;
	return false;
}

static int hold_tools(const struct rules *r, const struct api_ask *in, struct api_error *e)
{
	if (!r->tools_listed || !in->tools)
		return 0;
	_cleanup_(json_put) json_t *all = json_loads(in->tools, 0, NULL);
	if (!all)
		return err_origin(-ENOMEM);
	for (size_t i = 0; i < json_array_size(all); i++) {
		const json_t *f = json_object_get(json_array_get(all, i), "function");
		const char *name = json_string_value(json_object_get(f, "name"));
		if (!name || !listed(r, name))
			return api_refuse(e, 403, "tool_not_allowed", "tools",
				"the tool \"%.64s\" is not among those of line %u of the quotas",
				name ? name : "", r->line);
	}
	return 0;
}

/* ---- the pinned prompt ------------------------------------------------------------------------------------------------------ */

/* The first message's own words, where it is a system message of plain text. */
static const char *own_system(json_t *first)
{
	const char *role = json_string_value(json_object_get(first, "role"));
	bool system = role && (!strcmp(role, "system") || !strcmp(role, "developer"));
	return system ? json_string_value(json_object_get(first, "content")) : NULL;
}

/* Before the conversation; before the words of its own system message where it has one, since templates know one of these. */
static int pin(const struct rules *r, struct api_ask *in, struct arena *a, struct api_error *e)
{
	_cleanup_(json_put) json_t *all = json_loadb(in->messages, in->messages_len, 0, NULL);
	if (!all)
		return err_origin(-ENOMEM);
	const char *own = own_system(json_array_get(all, 0));
	json_t *text = own ? json_sprintf("%s\n\n%s", r->system, own) : json_string(r->system);
	json_t *m = json_pack("{s:s,s:o}", "role", "system", "content", text);
	int failed = !m || (own ? json_array_set_new(all, 0, m) : json_array_insert_new(all, 0, m));
	_cleanup_free_ char *out = failed ? NULL : json_dumps(all, JSON_COMPACT);
	if (!out)
		return err_origin(-ENOMEM);
	in->messages_len = strlen(out);
	in->messages = arena_dup(a, out, in->messages_len);
	return in->messages ? 0 : err_origin(-ENOMEM);
}

int rules_apply(const struct rules *r, struct api_ask *in, struct arena *a, struct api_error *e)
{
	int x = hold_tools(r, in, e);
	if (x || !r->system || in->form == API_TOKENIZE)
		return x;
	if (!in->messages)
		return api_refuse(e, 403, "system_pinned", "prompt",
			"line %u of the quotas pins a system prompt: only conversations are taken", r->line);
	return pin(r, in, a, e);
}
