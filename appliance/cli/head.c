#include "cli/head.h"

#include <stdlib.h>
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
	free(h->past);
}

static int past_keys(struct head *h)
{
	const json_t *list = json_object_get(h->json, "earlier");
	size_t n = json_array_size(list), len;
	h->past = calloc(n + 1, sizeof *h->past);
	if (!h->past)
		return out_fail(CLI_UNDECIDED, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const char *vkey = head_text(json_array_get(list, i), "vkey", &len);
		if (!vkey || tlog_note_key_from_vkey(vkey, len, &h->past[h->n_past++]))
			return head_malformed();
	}
	return CLI_DONE;
}

int head_opens(const struct head *h, const char *note, size_t len, struct checkpoint *ret)
{
	size_t text_len;
	int r = tlog_note_open(note, len, &h->key, 1, &text_len) ? 1 : 0;
	if (r && (!h->n_past || tlog_note_open(note, len, h->past, h->n_past, &text_len)))
		return 2;
	return tlog_checkpoint_read(note, text_len, ret) ? 2 : r;
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
	return past_keys(ret);
}
