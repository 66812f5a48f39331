/* What is behind the listings: an address becomes a question and an address again, counts become a picture, and a proof that does not hold is not
 * drawn as one that does. */
#include "base/bytes.h"
#include "gateway/console/filter.h"
#include "gateway/console/proof.h"
#include "gateway/console/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct form form;

static struct filter filter_of(const char *query)
{
	struct filter f;
	const char *why = "";
	assert_int_equal(form_read(query, strlen(query), &form), 0);
	if (filter_read(&form, &f, &why))
		fail_msg("%s: %s", query, why);
	return f;
}

static const char *address(const struct filter *f)
{
	static struct page_url u;
	page_url(&u, "");
	filter_url(f, &u);
	return u.s;
}

/* ---- filters ---- */

static void addresses(void **state)
{
	static const char *const same[] = { "", "?kind=all", "?who=alice%2C1000&model=demo",
		"?kind=acts&since=2026-01-31&until=2026-02-01T12%3A30",
		"?event=request%2Corphan&result=stop&text=%22%26%3Cb%3E%E2%80%AE&from=3&to=9" };
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		struct filter f = filter_of(same[i] + (same[i][0] == '?'));
		assert_string_equal(address(&f), same[i]);
	}
}

static void not_understood(void **state)
{
	static const char *const rows[][2] = { { "kind=some", "kind" }, { "since=yesterday", "since" },
		{ "until=2026-02-30", "until" }, { "since=2026-01-31T25:00", "since" },
		{ "since=1969-01-01", "since" }, { "from=x", "from" }, { "to=18446744073709551615", "to" } };
	struct filter f;
	const char *why;
	char longest[1024];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(form_read(rows[i][0], strlen(rows[i][0]), &form), 0);
		assert_int_equal(filter_read(&form, &f, &why), 1);
		assert_string_equal(why, rows[i][1]);
	}
	snprintf(longest, sizeof longest, "text=%0*d", (int)sizeof f.text, 0);
	assert_int_equal(form_read(longest, strlen(longest), &form), 0);
	assert_int_equal(filter_read(&form, &f, &why), 1);
	longest[strlen(longest) - 1] = 0;
	assert_int_equal(form_read(longest, strlen(longest), &form), 0);
	assert_int_equal(filter_read(&form, &f, &why), 0);
}

static void questions(void **state)
{
	struct proto_look q;
	const char *why;
	char many[256] = "who=";
	struct filter f =
		filter_of("who=alice,+1000+,uid:7,,4294967296&model=demo&since=2026-01-31&until=2026-01-31");
	assert_int_equal(filter_look(&f, &q, &why), 0);
	assert_int_equal(q.n_actors, 2);
	assert_true(q.actors[0] == 1000 && q.actors[1] == 7);
	assert_int_equal(q.n_names, 2);
	assert_string_equal(q.names[0], "alice");
	assert_string_equal(q.names[1], "4294967296"); /* no user has that number */
	assert_int_equal(q.since_ns, 1769817600ull * 1000000000u);
	assert_int_equal(q.until_ns, (1769817600ull + 86400) * 1000000000u - 1);
	assert_int_equal(q.n_events, 3); /* what answers stands beside what asks */
	assert_string_equal(q.events[1], "outcome");
	f = filter_of("kind=acts");
	assert_int_equal(filter_look(&f, &q, &why), 0);
	assert_true(q.flags & LOOK_EXCEPT);
	f = filter_of("kind=all");
	assert_int_equal(filter_look(&f, &q, &why), 0);
	assert_int_equal(q.n_events, 0);
	for (u32 i = 0; i < LOOK_ANY_MAX; i++)
		strcat(many, "a,");
	f = filter_of(many);
	assert_int_equal(filter_look(&f, &q, &why), 0);
	strcat(many, "b");
	f = filter_of(many);
	assert_int_equal(filter_look(&f, &q, &why), 1);
	assert_string_equal(why, "who");
	f = filter_of("event=abcdefghijklmnopqrstuvwxyz");
	assert_int_equal(filter_look(&f, &q, &why), 1);
}

static void times(void **state)
{
	u64 a, b;
	char text[FILTER_TIME_SIZE];
	assert_int_equal(filter_time("2026-01-31T12:30", &a, &b), 0);
	assert_int_equal(b - a, 60 * 1000000000ull - 1);
	filter_time_text(a / 1000000000u, text);
	assert_string_equal(text, "2026-01-31T12:30:00");
	filter_time_text(1769817600, text);
	assert_string_equal(text, "2026-01-31");
	assert_int_equal(filter_time("2026-01-31T", &a, &b), 1);
	assert_int_equal(filter_time("2026-01-31 ", &a, &b), 1);
	assert_int_equal(filter_time("9999-01-01", &a, &b), 1); /* beyond 64 bits of nanoseconds */
	assert_int_equal(filter_time("", &a, &b), 1);
}

/* ---- timelines ---- */

static void link_of(void *arg, const struct timeline_bucket *b, struct page_url *u)
{
	page_url(u, "/x");
	page_url_param_u64(u, "first", b->first);
}

static void timelines(void **state)
{
	static const char rows[] = "[{\"from_ns\":0,\"until_ns\":9,\"first\":0,\"records\":4,\"hits\":1},"
				   "{\"from_ns\":10,\"until_ns\":19,\"first\":4,\"records\":0,\"hits\":0},"
				   "{\"from_ns\":20,\"until_ns\":10,\"first\":4,\"records\":2},"
				   "{\"from_ns\":-1,\"until_ns\":\"<b>\",\"first\":4,\"records\":2},"
				   "{\"from_ns\":20,\"until_ns\":29,\"first\":4,\"records\":2,\"hits\":2}]";
	struct timeline t;
	struct page p;
	u64 hits;
	json_t *j = json_loads(rows, 0, NULL);
	page_init(&p, 1u << 20);
	timeline_read(j, &t);
	assert_int_equal(t.n, 3); /* without those that are none */
	assert_int_equal(timeline_end(&t), 6);
	assert_true(timeline_hits(&t, &hits) && hits == 3);
	timeline_write(&t, &(struct timeline_show){ "<When>", link_of, NULL }, &p);
	page_html(&p, "\0");
	assert_false(p.full);
	assert_non_null(strstr(p.buf, "&lt;When&gt;: 6 records, 3 of them fit."));
	assert_non_null(strstr(p.buf, "<a href=\"/x?first=4\"><title>01 Jan 00:00 UTC: 2 records</title>"));
	page_fini(&p);
	json_decref(j);
	timeline_read(NULL, &t);
	page_init(&p, 1u << 20);
	timeline_write(&t, &(struct timeline_show){ "None", link_of, NULL }, &p);
	assert_int_equal(p.len, 0);
	page_fini(&p);
}

/* ---- proofs ---- */

#define SIZE 7u
static struct merkle_hash leaves[SIZE];

static int row(void *arg, u32 level, u64 first, u32 n, struct merkle_hash *ret)
{
	assert_int_equal(level, 0);
	memcpy(ret, leaves + first, n * sizeof *ret);
	return 0;
}

/* The proof of record i, signed; to be freed. */
static char *proof_of(const struct note_key *key, u64 i, size_t *ret_len)
{
	const struct merkle_source source = { row, NULL, 0 };
	struct tlog_proof proof = { .index = i };
	struct merkle_hash root;
	char text[CHECKPOINT_TEXT_MAX], note[2048], *out;
	assert_int_equal(tlog_merkle_root_at(&source, SIZE, &root), 0);
	assert_int_equal(tlog_merkle_inclusion(&source, i, SIZE, &proof.path), 0);
	tlog_checkpoint_text(key->name, SIZE, &root, text, sizeof text);
	assert_int_equal(tlog_note_sign(key, text, note, sizeof note), 0);
	proof.note = note;
	proof.note_len = strlen(note);
	assert_int_equal(tlog_proof_write(&proof, &out, ret_len), 0);
	return out;
}

static void proofs(void **state)
{
	struct note_key key, other;
	char vkey[NOTE_VKEY_MAX], vkey2[NOTE_VKEY_MAX], entry[16];
	struct proof_view *v = malloc(sizeof *v);
	const char *why;
	assert_non_null(v);
	assert_int_equal(tlog_note_key_make("log.test", NOTE_ED25519, &key), 0);
	assert_int_equal(tlog_note_key_make("log.test", NOTE_ED25519, &other), 0);
	tlog_note_vkey(&key, vkey, sizeof vkey);
	tlog_note_vkey(&other, vkey2, sizeof vkey2);
	for (u32 i = 0; i < SIZE; i++)
		leaves[i] = tlog_merkle_leaf(entry, (size_t)snprintf(entry, sizeof entry, "record %u", i));
	for (u32 i = 0; i < SIZE; i++) {
		struct proof_read r = { .entry = entry, .vkey = vkey, .index = i };
		char *text = proof_of(&key, i, &r.text_len);
		r.text = text;
		r.entry_len = (size_t)snprintf(entry, sizeof entry, "record %u", i);
		assert_int_equal(proof_view_read(&r, v, &why), 0);
		assert_memory_equal(v->n ? v->above[v->n - 1].b : v->leaf.b, v->cp.root.b, SHA256_BYTES);
		r.index = (i + 1) % SIZE; /* of another record */
		assert_int_equal(proof_view_read(&r, v, &why), 1);
		r.index = i;
		r.vkey = vkey2;
		assert_int_equal(proof_view_read(&r, v, &why), 1);
		r.vkey = "nonsense";
		assert_int_equal(proof_view_read(&r, v, &why), 1);
		r.vkey = vkey;
		entry[0] ^= 1; /* the record was changed */
		assert_int_equal(proof_view_read(&r, v, &why), 1);
		assert_string_equal(why, "this record is not in the log that the checkpoint speaks of");
		entry[0] ^= 1;
		for (size_t at = 0; at < r.text_len; at++) { /* any byte of it */
			text[at] ^= 1;
			assert_int_equal(proof_view_read(&r, v, &why), 1);
			text[at] ^= 1;
		}
		assert_int_equal(proof_view_read(&r, v, &why), 0);
		free(text);
	}
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(not_understood),
		cmocka_unit_test(questions),
		cmocka_unit_test(times),
		cmocka_unit_test(timelines),
		cmocka_unit_test(proofs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
