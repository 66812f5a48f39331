/* The log as C2SP tlog-tiles has it, for browsers and programs that judge it by themselves:
 *
 *   /console/log/checkpoint          the newest signed note
 *   /console/log/vkey                the key that signs it
 *   /console/log/tile/…              rows of hashes and bundles of records, by the paths of tlog-tiles
 *
 * What is served is keepd's, record by record; bundles are recorded as read. A bundle with a pruned record is not there. */
#define _GNU_SOURCE
#include "audit/tlog/tiles.h"
#include "gateway/console/tiles.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tiles_ask(struct console *c)
{
	struct tile_name t;
	if (c->round)
		return;
	if (!strcmp(c->arg, "checkpoint") || !strcmp(c->arg, "vkey")) {
		console_query(c, &(struct proto_query){ .what = QUERY_CHECKPOINT }, NULL);
		return;
	}
	if (tlog_tile_path_read(c->arg, &t) || (t.level >= 5 && t.level != TILE_ENTRIES)) {
		console_fail(c, 404, "There is no such tile");
		return;
	}
	bool entries = t.level == TILE_ENTRIES;
	char level[2] = { t.level > 1 && !entries ? (char)('0' + t.level) : 0 };
	console_query(c,
		&(struct proto_query){ .what = entries	      ? QUERY_RECORDS
					       : t.level == 0 ? QUERY_LEAVES
							      : QUERY_SUBTREES,
			.first = t.n * TILE_WIDTH,
			.count = t.width },
		level);
}

/* Lines become a bundle: each with its length before it. */
static void bundle(struct console *c, const struct question_one *a, const struct tile_name *t, struct page *p)
{
	const char *at = (const char *)a->data.data, *end = at + a->data.len;
	u64 index = t->n * TILE_WIDTH;
	for (u32 i = 0; i < t->width; i++, index++) {
		const char *nl = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		char pruned[64];
		int n = snprintf(
			pruned, sizeof pruned, "{\"v\":1,\"index\":%" PRIu64 ",\"pruned\":\"", index);
		size_t len = nl ? (size_t)(nl - at) : 0;
		if (!nl || len > UINT16_MAX) {
			console_fail(c, 404, "There is no such tile");
			return;
		}
		if (len > (size_t)n && !memcmp(at, pruned, (size_t)n)) {
			console_fail(c, 404, "Record %" PRIu64 " was pruned: an archive has it", index);
			return;
		}
		u8 head[2] = { (u8)(len >> 8), (u8)len };
		page_markup(p, head, sizeof head);
		page_markup(p, at, len);
		at = nl + 1;
	}
}

void tiles_show(struct console *c, struct page *p)
{
	const struct question_one *a = console_answer(c, 0);
	struct tile_name t;
	if (a->status != END_DONE) {
		console_fail(c, a->status == END_REFUSED ? 404 : 503, "%s", a->text);
	} else if (tlog_tile_path_read(c->arg, &t)) {
		const char *s = console_str(console_row(c, 0), !strcmp(c->arg, "vkey") ? "vkey" : "note");
		page_markup(p, s, strlen(s));
	} else if (t.level == TILE_ENTRIES) {
		bundle(c, a, &t, p);
	} else if (a->data.len != (size_t)t.width * SHA256_BYTES) {
		console_fail(c, 404, "There is no such tile");
	} else {
		page_markup(p, a->data.data, a->data.len);
	}
}
