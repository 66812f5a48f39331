#include "cli/replay_compare.h"

static int by_token(
	const struct replay_side *was, const struct replay_side *is, struct replay_difference *ret)
{
	size_t n = MIN(was->n_ids, is->n_ids), i = 0;
	while (i < n && was->ids[i] == is->ids[i])
		i++;
	if (i == n && was->n_ids == is->n_ids)
		return 0;
	*ret = (struct replay_difference){ .by_token = true,
		.token = i,
		.ended_was = i == was->n_ids,
		.ended_is = i == is->n_ids,
		.was = i < was->n_ids ? was->ids[i] : 0,
		.is = i < is->n_ids ? is->ids[i] : 0 };
	return 1;
}

static int by_text(const struct replay_side *was, const struct replay_side *is,
	const struct replay_mark *marks, size_t n_marks, struct replay_difference *ret)
{
	size_t n = MIN(was->len, is->len), i = 0;
	while (i < n && was->text[i] == is->text[i])
		i++;
	if (i == n && was->len == is->len)
		return 2; /* other tokens may spell the same text */
	*ret = (struct replay_difference){ .byte = i, .ended_was = i == was->len, .ended_is = i == is->len };
	for (size_t m = 0; m < n_marks && marks[m].byte <= i; m++)
		ret->token = marks[m].token;
	return 1;
}

int replay_differ(const struct replay_side *was, const struct replay_side *is,
	const struct replay_mark *marks, size_t n_marks, struct replay_difference *ret)
{
	if (was->has_ids && is->has_ids)
		return by_token(was, is, ret);
	return was->has_text && is->has_text ? by_text(was, is, marks, n_marks, ret) : 2;
}
