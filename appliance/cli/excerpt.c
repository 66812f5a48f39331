#include "cli/excerpt.h"
#include "cli/filter.h"

#include <inttypes.h>
#include <string.h>

#define PAGE_RECORDS 10000u /* records of one query: as many as keepd gives at once */

void excerpt_fini(struct excerpt *e)
{
	head_free(&e->head);
	json_decref(e->json);
}

/* The proof, with its checkpoint signed by the key that this log has now: witnesses may have seen only one of an earlier key, and then the
 * newest is better. */
static int proof(struct ctl *k, struct excerpt *e)
{
	int signed_by = 1;
	for (int newest = 0; newest < 2 && signed_by == 1; newest++) {
		json_decref(e->json);
		e->json = NULL;
		int r = head_one(k,
			&(struct ctl_query){ .what = QUERY_RANGE,
				.name = newest ? "newest" : NULL,
				.first = e->from,
				.count = e->to - e->from },
			&e->json);
		if (r)
			return r;
		e->text = head_text(e->json, "text", &e->len);
		if (!e->text || tlog_range_read(e->text, e->len, &e->range) || e->range.from != e->from ||
			e->range.to != e->to)
			return head_malformed();
		signed_by = head_opens(&e->head, e->range.note, e->range.note_len, &e->cp);
	}
	e->witnessed = json_is_true(json_object_get(e->json, "witnessed"));
	return signed_by ? head_malformed() : 0;
}

struct walk {
	const struct excerpt_params *p;
	struct merkle tree;
};

static int page(void *arg, const struct fd_map *data)
{
	struct walk *w = arg;
	struct tlog_text t = tlog_text(data->data, data->len);
	struct tlog_line l;
	int r = 0;
	while (!r && tlog_text_line(&t, &l) == 0 && w->tree.size < w->p->to) {
		struct merkle_hash leaf = tlog_merkle_leaf(l.s, l.len);
		r = w->p->line ? w->p->line(w->p->arg, w->tree.size, l.s, l.len) : 0;
		tlog_merkle_add(&w->tree, &leaf);
	}
	return r;
}

int excerpt_read(struct ctl *k, const struct excerpt_params *p, struct excerpt *ret)
{
	struct walk w = { .p = p };
	struct filter f = FILTER_NONE;
	struct proto_look q = { .what = LOOK_RECORDS, .from = p->from, .to = p->to, .until_ns = UINT64_MAX };
	ret->from = p->from;
	ret->to = p->to;
	int r = head_ask(k, &ret->head);
	r = r ? r : proof(k, ret);
	if (r)
		return r;
	if (tlog_range_begin(&ret->range, &w.tree))
		return head_malformed();
	r = filter_each(k, &q, &(struct filter_pages){ &f, p->purpose, PAGE_RECORDS, page, &w });
	if (r)
		return r;
	if (w.tree.size != p->to)
		return out_fail(CLI_REFUSED,
			"records %" PRIu64 " to %" PRIu64 ": record %" PRIu64 " is not kept any more",
			p->from, p->to - 1, w.tree.size);
	ret->root_to = tlog_merkle_root(&w.tree);
	if (tlog_range_end(&ret->range, ret->cp.size, &w.tree))
		return head_malformed();
	struct merkle_hash root = tlog_merkle_root(&w.tree);
	if (memcmp(root.b, ret->cp.root.b, sizeof root.b) != 0)
		return out_fail(CLI_REFUSED,
			"records %" PRIu64 " to %" PRIu64 " are not those that the log signed", p->from,
			p->to - 1);
	return 0;
}
