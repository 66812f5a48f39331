/* Fields of bodies about how many answers there are, and what is told of their tokens. */
#include "gateway/api_read.h"

#include <string.h>

int api_on_n(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_integer(v))
		return api_wrong(rd, key, "an integer");
	return api_u32_in(rd, key, v, 1, CHOICES_MAX, &rd->ask->n);
}

/* The best of as many as are given: only all of them. */
int api_on_best_of(struct reading *rd, const char *key, json_t *v)
{
	json_t *n = json_object_get(rd->root, "n");
	if (!json_is_integer(v))
		return api_wrong(rd, key, "an integer");
	return json_integer_value(v) == (json_is_integer(n) ? json_integer_value(n) : 1)
		       ? 0
		       : api_cannot(rd, key, "every answer that is computed is given: it must equal n");
}

int api_on_logprobs(struct reading *rd, const char *key, json_t *v)
{
	u32 top = 0;
	if (rd->ask->form == API_COMPLETION) { /* how many alternatives */
		int r = api_u32_in(rd, key, v, 0, LOGPROBS_MAX, &top);
		rd->ask->how.n_logprobs = r ? 0 : 1 + top;
		return r;
	}
	if (!json_is_boolean(v))
		return api_wrong(rd, key, "a boolean");
	rd->ask->how.n_logprobs = json_is_true(v) ? MAX(rd->ask->how.n_logprobs, 1u) : 0;
	return 0;
}

/* What else an answer shall hold: of the list that OpenAI has, probabilities; the rest is of things that are not here. */
int api_on_include(struct reading *rd, const char *key, json_t *v)
{
	json_t *what;
	size_t i;
	if (!json_is_array(v))
		return api_wrong(rd, key, "a list of texts");
	json_array_foreach(v, i, what)
	{
		if (!json_is_string(what))
			return api_wrong(rd, key, "a list of texts");
		if (!strcmp(json_string_value(what), "message.output_text.logprobs"))
			rd->ask->how.n_logprobs = MAX(rd->ask->how.n_logprobs, 1u);
	}
	return 0;
}

int api_on_top_logprobs(struct reading *rd, const char *key, json_t *v)
{
	u32 top = 0;
	int r = api_u32_in(rd, key, v, 0, LOGPROBS_MAX, &top);
	if (!r && top && !rd->ask->how.n_logprobs)
		return api_cannot(rd, key,
			rd->ask->form == API_RESPONSES
				? "it needs \"include\": [\"message.output_text.logprobs\"]"
				: "it needs \"logprobs\": true");
	if (!r && rd->ask->how.n_logprobs)
		rd->ask->how.n_logprobs = 1 + top;
	return r;
}

int api_on_echo(struct reading *rd, const char *key, json_t *v)
{
	if (!json_is_boolean(v))
		return api_wrong(rd, key, "a boolean");
	return json_is_true(v) ? api_cannot(rd, key, "the prompt is not repeated here") : 0;
}
