/* audit show --content: what was asked or answered, where it was kept. The text is held against the record before it is shown. */
#define _GNU_SOURCE
#include "base/bytes.h"
#include "base/jsonw.h"
#include "base/request.h"
#include "cli/text.h"
#include "cli/head.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_JSON_BYTES_MAX \
	(128u << 20) /* bytes of the JSON of one text: 16 MiB in which every byte is escaped */

int text_ask(struct ctl *k, u64 index, struct ctl_answer *a, struct text *ret)
{
	struct proto_record p = { .index = index };
	int r = ctl_ask(k, CTL_TEXT, &p, sizeof p, -1, a);
	if (r)
		return r;
	if (a->data.len < sizeof ret->h)
		return head_malformed();
	memcpy(&ret->h, a->data.data, sizeof ret->h);
	ret->data = a->data.data + sizeof ret->h;
	if (ret->h.bytes != a->data.len - sizeof ret->h ||
		!bytes_str_ok(ret->h.subject, sizeof ret->h.subject))
		return head_malformed();
	return CLI_DONE;
}

void text_shown(
	const u8 salt[SHA256_BYTES], const u8 digest[SHA256_BYTES], char ret_hex[2 * SHA256_BYTES + 1])
{
	u8 both[2 * SHA256_BYTES], shown[SHA256_BYTES];
	memcpy(both, salt, SHA256_BYTES);
	memcpy(both + SHA256_BYTES, digest, SHA256_BYTES);
	sha256_of(both, sizeof both, shown);
	bytes_hex(shown, sizeof shown, ret_hex);
}

/* Does the record speak of this very text? Its "digest" of a request, its "text" of an answer. */
static bool fits(const json_t *record, const struct text *t)
{
	u8 digest[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];
	bool request = !strcmp(lines_cell(record, "event").s, "request");
	sha256_of(t->data, t->h.bytes, digest);
	text_shown(t->h.salt, digest, hex);
	return !strcmp(hex, lines_cell(record, request ? "digest" : "text").s);
}

/* ---- a request: its parts ---- */

static const char *part_name(u32 kind)
{
	static const char *const names[] = { [REQUEST_TEXT] = "text",
		[REQUEST_TRUSTED] = "template",
		[REQUEST_TOKENS] = "tokens",
		[REQUEST_STOP] = "stop",
		[REQUEST_GRAMMAR] = "grammar" };
	return kind < ARRAY_LEN(names) && names[kind] ? names[kind] : "part";
}

/* 0 the text is a request, and every part went to fn; 1 it is none. */
static int each_part(
	const struct text *t, void (*fn)(void *arg, u32 kind, const u8 *data, u32 len), void *arg)
{
	_cleanup_free_ u8 *copy = aligned_alloc(8, ALIGN_UP(t->h.bytes + 8, (u64)8));
	const struct request_part *part = NULL;
	const u8 *data;
	struct request rq;
	const char *why;
	if (!copy)
		return 1;
	memcpy(copy, t->data, t->h.bytes);
	if (request_open(copy, t->h.bytes, &rq, &why))
		return 1;
	while ((part = request_next(&rq, part, &data)))
		fn(arg, part->kind, data, part->len);
	return 0;
}

static void part_people(void *arg, u32 kind, const u8 *data, u32 len)
{
	bool words = kind == REQUEST_TEXT || kind == REQUEST_TRUSTED || kind == REQUEST_STOP;
	printf("%-9s ", part_name(kind));
	if (words)
		out_text(1, (const char *)data, len);
	else
		printf("%u bytes", len);
	putchar('\n');
}

static void part_json(void *arg, u32 kind, const u8 *data, u32 len)
{
	struct jsonw *w = arg;
	bool words = kind == REQUEST_TEXT || kind == REQUEST_TRUSTED || kind == REQUEST_STOP;
	jsonw_object(w);
	jsonw_kv_str(w, "kind", part_name(kind));
	jsonw_key(w, words ? "text" : "hex");
	if (words)
		jsonw_strn(w, data, len);
	else
		jsonw_hex(w, data, len);
	jsonw_object_end(w);
}

/* ---- showing ---- */

static int show_json(u64 index, const struct text *t, bool request)
{
	struct jsonw w;
	jsonw_init_grow(&w, TEXT_JSON_BYTES_MAX);
	jsonw_object(&w);
	jsonw_kv_u64(&w, "index", index);
	jsonw_kv_str(&w, "subject", t->h.subject);
	jsonw_kv_hex(&w, "salt", t->h.salt, sizeof t->h.salt);
	jsonw_kv_bool(&w, "kept", t->h.kept);
	if (t->h.kept && request) {
		jsonw_key(&w, "parts");
		jsonw_array(&w);
		int r = each_part(t, part_json, &w);
		jsonw_array_end(&w);
		jsonw_kv_bool(&w, "whole", r == 0);
	} else if (t->h.kept) {
		jsonw_key(&w, "text");
		jsonw_strn(&w, t->data, t->h.bytes);
	}
	return out_json(&w);
}

static int show_people(u64 index, const struct text *t, bool request)
{
	char hex[2 * SHA256_BYTES + 1];
	bytes_hex(t->h.salt, sizeof t->h.salt, hex);
	printf("subject   %s\nsalt      %s\n", t->h.subject, hex);
	if (!t->h.kept) {
		out_say("record %" PRIu64 ": no text is kept with it; the salt opens its commitments", index);
		return CLI_DONE;
	}
	if (request && each_part(t, part_people, NULL))
		return out_fail(CLI_REFUSED, "record %" PRIu64 ": what was kept is not a request", index);
	if (!request) {
		printf("%-9s ", "answer");
		out_text(1, (const char *)t->data, t->h.bytes);
		putchar('\n');
	}
	return CLI_DONE;
}

bool text_wanted(int argc, char **argv)
{
	bool wanted = false;
	for (int i = 0; i < argc; i++)
		wanted |= !strcmp(argv[i], "--content");
	return wanted;
}

static int show(struct cli *c, u64 index, bool json)
{
	_cleanup_ctl_ struct ctl k = CTL_NONE;
	_cleanup_answer_ struct ctl_answer a = CTL_ANSWER_NONE;
	_cleanup_json_ json_t *record = NULL;
	struct text t;
	int r = ctl_open(c, &k);
	r = r ? r
	      : head_one(
			&k, &(struct ctl_query){ .what = QUERY_RECORD, .first = index, .count = 1 }, &record);
	r = r ? r : text_ask(&k, index, &a, &t);
	if (r)
		return r;
	bool request = !strcmp(lines_cell(record, "event").s, "request");
	if (t.h.kept && !fits(record, &t))
		return out_fail(CLI_REFUSED,
			"record %" PRIu64 ": what was kept is not what the record speaks of", index);
	return json ? show_json(index, &t, request) : show_people(index, &t, request);
}

int text_show(struct cli *c, int argc, char **argv)
{
	bool json = false, content = false;
	u64 index;
	int n;
	const struct opt opts[] = { { "--content", OPT_FLAG, &content, NULL },
		{ "--json", OPT_FLAG, &json, NULL } };
	if (opt_parse(c, &(struct opt_params){ opts, ARRAY_LEN(opts), argc, argv, 1, 1 }, &n))
		return n;
	if (opt_u64(argv[0], UINT64_MAX - 1, &index))
		return out_usage(c, "%s: not the index of a record", argv[0]);
	return show(c, index, json);
}
