#include "cli/head.h"

#include <string.h>

int head_malformed(void)
{
	return out_fail(CLI_UNDECIDED, "keepd: its answer is malformed");
}

int head_one(struct ctl *k, const struct ctl_query *q, json_t **ret)
{
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	bool bad = false;
	int r = ctl_query(k, q, &a);
	if (r)
		return r;
	struct lines l = lines_of(&a.data);
	*ret = lines_next(&l, &bad);
	return *ret ? CLI_DONE : head_malformed();
}

const char *head_text(const json_t *o, const char *key, size_t *ret_len)
{
	const json_t *v = json_object_get(o, key);
	*ret_len = json_string_length(v);
	return json_string_value(v);
}

void head_free(struct head *h)
{
	json_decref(h->json);
}

int head_ask(struct ctl *k, struct head *ret)
{
	size_t len, text_len;
	int r = head_one(k, &(struct ctl_query){ .what = QUERY_CHECKPOINT }, &ret->json);
	if (r)
		return r;
	ret->vkey = head_text(ret->json, "vkey", &len);
	ret->note = head_text(ret->json, "note", &ret->len);
	if (!ret->vkey || !ret->note || tlog_note_key_from_vkey(ret->vkey, len, &ret->key) ||
		tlog_note_open(ret->note, ret->len, &ret->key, 1, &text_len) ||
		tlog_checkpoint_read(ret->note, text_len, &ret->cp))
		return head_malformed();
	return CLI_DONE;
}
