/* Signed notes, keys and checkpoints against public vectors (KEEP_SHARED/vectors/tlog), and against every kind of damage. */
#define _GNU_SOURCE
#include "audit/tlog/checkpoint.h"
#include "base/bytes.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static char *load(const char *shared, const char *name, size_t *ret_len)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/vectors/tlog/%s", shared, name);
	FILE *f = fopen(path, "rb");
	if (!f)
		fail_msg("%s: cannot be read", path);
	char *buf = calloc(1, 65536);
	*ret_len = fread(buf, 1, 65535, f);
	fclose(f);
	return buf;
}

static const char *shared_or_skip(void)
{
	const char *shared = getenv("KEEP_SHARED");
	if (!shared) {
		print_message("KEEP_SHARED is not set: no public vectors\n");
		skip();
	}
	return shared;
}

static void base64(void **state)
{
	static const char *const bad[] = { "A", "AA", "AAA", "A===", "AB==", "AAB=", "AA=A",
		"AA\n=", "A-==", "=AAA", "AAAA=", "AA==AAAA" };
	u8 out[64];
	char text[128];
	size_t n;
	for (size_t len = 0; len <= 40; len++) {
		u8 data[40];
		randombytes_buf(data, sizeof data);
		tlog_base64(data, len, text);
		assert_int_equal(strlen(text), 4 * DIV_UP(len, 3));
		assert_int_equal(tlog_unbase64(text, strlen(text), out, sizeof out, &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(out, data, len);
		if (len)
			assert_int_equal(tlog_unbase64(text, strlen(text), out, len - 1, &n), 1);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(tlog_unbase64(bad[i], strlen(bad[i]), out, sizeof out, &n), 1);
}

static void own_key(void **state)
{
	struct note_key k, again, pub;
	char text[NOTE_VKEY_MAX], vkey[NOTE_VKEY_MAX], note[1024];
	size_t n;
	assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &k), 0);
	tlog_note_key_secret_text(&k, text, sizeof text);
	assert_int_equal(tlog_note_key_from_secret(text, &again), 0);
	assert_memory_equal(&k, &again, sizeof k);
	tlog_note_vkey(&k, vkey, sizeof vkey);
	assert_int_equal(tlog_note_key_from_vkey(vkey, strlen(vkey), &pub), 0);
	assert_int_equal(tlog_note_sign(&again, "origin\n1\nx\n", note, sizeof note), 0);
	assert_int_equal(tlog_note_open(note, strlen(note), &pub, 1, &n), 0);
	assert_int_equal(n, 11);
	/* flip each bit of it: never accepted */
	size_t len = strlen(note);
	for (size_t i = 0; i < len * 8; i++) {
		note[i / 8] ^= (char)(1 << (i % 8));
		assert_int_not_equal(tlog_note_open(note, len, &pub, 1, &n), 0);
		note[i / 8] ^= (char)(1 << (i % 8));
	}
	assert_int_equal(tlog_note_open(note, len, &pub, 0, &n), 3);
	assert_int_equal(tlog_note_open(note, len - 1, &pub, 1, &n), 1);
}

static void public_keys(void **state)
{
	const char *shared = shared_or_skip();
	size_t len;
	char *data = load(shared, "xmod-note/keys.tsv", &len);
	u32 seen = 0;
	for (char *line = strtok(data, "\n"); line; line = strtok(NULL, "\n"), seen++) {
		char kind[16], want[16], text[512];
		struct note_key k;
		assert_int_equal(sscanf(line, "%15s %15s %511s", kind, want, text), 3);
		int r = kind[0] == 's' ? tlog_note_key_from_secret(text, &k)
				       : tlog_note_key_from_vkey(text, strlen(text), &k);
		assert_int_equal(r != 0, strcmp(want, "ok") != 0);
	}
	assert_int_equal(seen, 5);
	free(data);
}

static void public_notes(void **state)
{
	const char *shared = shared_or_skip();
	size_t len, n;
	char *cases = load(shared, "xmod-note/cases.tsv", &len), *save;
	u32 seen = 0;
	for (char *line = strtok_r(cases, "\n", &save); line; line = strtok_r(NULL, "\n", &save), seen++) {
		char file[64], want[16], v1[256] = "", v2[256] = "", path[128];
		struct note_key keys[2];
		size_t n_keys = 0, note_len;
		assert_true(sscanf(line, "%63s %15s %255s %255s", file, want, v1, v2) >= 2);
		if (v1[0])
			assert_int_equal(tlog_note_key_from_vkey(v1, strlen(v1), &keys[n_keys++]), 0);
		if (v2[0])
			assert_int_equal(tlog_note_key_from_vkey(v2, strlen(v2), &keys[n_keys++]), 0);
		snprintf(path, sizeof path, "xmod-note/%s", file);
		char *note = load(shared, path, &note_len);
		int r = tlog_note_open(note, note_len, keys, n_keys, &n);
		if ((r == 0) != (strncmp(want, "ok", 2) == 0))
			fail_msg("%s: %d, wanted %s", file, r, want);
		free(note);
	}
	assert_int_equal(seen, 13);
	free(cases);
	char *vkey = load(shared, "c2sp-examples/signed-note-foo.vkey", &len);
	char *note = load(shared, "c2sp-examples/signed-note-foo.note", &len);
	struct note_key k;
	vkey[strcspn(vkey, "\n")] = 0;
	assert_int_equal(tlog_note_key_from_vkey(vkey, strlen(vkey), &k), 0);
	assert_int_equal(tlog_note_open(note, len, &k, 1, &n), 0);
	free(vkey);
	free(note);
}

/* A log that others wrote: its leaves, its roots, its signatures, byte for byte as we would sign them. */
static void public_log(void **state)
{
	static const char *const leaf[] = { "one", "two", "three", "four", "five", "six", "seven", "eit",
		"nain", "ten", "ileven", "twelf", "threeten", "fourten", "fivten" };
	const char *shared = shared_or_skip();
	size_t len, n;
	char *keys = load(shared, "tessera/keys.tsv", &len);
	struct note_key k;
	char *sk = strstr(keys, "PRIVATE+KEY+");
	sk[strcspn(sk, "\n")] = 0;
	assert_int_equal(tlog_note_key_from_secret(sk, &k), 0);
	struct merkle m = { 0 };
	for (u32 size = 0; size <= ARRAY_LEN(leaf); size++) {
		char name[64], text[256], ours[1024];
		struct checkpoint c;
		struct merkle_hash root = tlog_merkle_root(&m);
		snprintf(name, sizeof name, "tessera/testdata/log/checkpoint.%u", size);
		char *note = load(shared, name, &len);
		assert_int_equal(tlog_note_open(note, len, &k, 1, &n), 0);
		assert_int_equal(tlog_checkpoint_read(note, n, &c), 0);
		assert_int_equal(c.size, size);
		assert_string_equal(c.origin, "example.com/log/testdata");
		assert_memory_equal(c.root.b, root.b, sizeof root.b);
		tlog_checkpoint_text(k.name, size, &root, text, sizeof text);
		assert_int_equal(tlog_note_sign(&k, text, ours, sizeof ours), 0);
		assert_string_equal(ours, note);
		free(note);
		if (size < ARRAY_LEN(leaf)) {
			struct merkle_hash h = tlog_merkle_leaf(leaf[size], strlen(leaf[size]));
			tlog_merkle_add(&m, &h);
		}
	}
	free(keys);
}

static void checkpoint_damage(void **state)
{
	static const char root[] = "gy5gl3aksFyiCO95a/1vLXz88A3dRq+0l9Sxte8ZqZQ=";
	static const char *const bad[] = {
		"o\n05\n%s\n",
		"o\n\n%s\n",
		"o\n5\n%s",
		"\n5\n%s\n",
		"o\n5\n%s\nextra",
		"o\n5\n%s\nextra\n\n",
		"o\n-5\n%s\n",
		"o\n5 \n%s\n",
		"o\n5\n%s\n\n",
		"o\r\n5\n%s\n",
		"o\n+5\n%s\n",
		"o\n0x5\n%s\n",
		"o\n00\n%s\n",
		"o\n5\n %s\n",
		"o\n18446744073709551616\n%s\n",
		"o\n5\nA%s\n",
		"o\n5\nAAAA\n",
		"o\n5\n%s=\n",
	};
	char text[256];
	struct checkpoint c;
	snprintf(text, sizeof text, "o\n18446744073709551615\n%s\n", root);
	assert_int_equal(tlog_checkpoint_read(text, strlen(text), &c), 0);
	assert_true(c.size == UINT64_MAX);
	snprintf(text, sizeof text, "o\n0\n%s\n", root);
	assert_int_equal(tlog_checkpoint_read(text, strlen(text), &c), 0);
	snprintf(text, sizeof text, "an origin with blanks\n5\n%s\none\ntwo\n", root);
	assert_int_equal(tlog_checkpoint_read(text, strlen(text), &c), 0);
	assert_int_equal(c.n_extensions, 2);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *at = strstr(bad[i], "%s");
		snprintf(text, sizeof text, "%.*s%s%s", at ? (int)(at - bad[i]) : (int)strlen(bad[i]), bad[i],
			at ? root : "", at ? at + 2 : "");
		if (tlog_checkpoint_read(text, strlen(text), &c) != 1)
			fail_msg("case %zu was read", i);
	}
}

int main(void)
{
	assert(sodium_init() >= 0);
	const struct CMUnitTest tests[] = { cmocka_unit_test(base64), cmocka_unit_test(own_key),
		cmocka_unit_test(public_keys), cmocka_unit_test(public_notes), cmocka_unit_test(public_log),
		cmocka_unit_test(checkpoint_damage) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
