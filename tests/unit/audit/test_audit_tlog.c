/* Policies, proofs, witnesses and tiles: each limit and one past it, a directory that grows and is judged, a witness that remembers.
 * What the formats accept and refuse otherwise is in tests/vectors/tlog/make.py. */
#define _GNU_SOURCE
#include "audit/tlog/paper.h"
#include "audit/tlog/proof.h"
#include "audit/tlog/tiles.h"
#include "audit/tlog/witness.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct note_key log_key, witness_key;
static char dir[64];

static int setup(void **state)
{
	strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/keep-tlog.XXXXXX" : "/tmp/keep-tlog.XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(tlog_note_key_make("example.org/log", NOTE_ED25519, &log_key), 0);
	assert_int_equal(tlog_note_key_make("example.org/witness", NOTE_COSIGNATURE, &witness_key), 0);
	return 0;
}

static int teardown(void **state)
{
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
	return system(cmd);
}

/* A text that grows. */
struct text {
	char *s;
	size_t len;
	FILE *f;
};
static void text_open(struct text *t)
{
	t->f = open_memstream(&t->s, &t->len);
	assert_non_null(t->f);
}

static void vkey_of(enum note_type type, char out[NOTE_VKEY_MAX])
{
	struct note_key k;
	assert_int_equal(tlog_note_key_make(NULL, type, &k), 0);
	tlog_note_vkey(&k, out, NOTE_VKEY_MAX);
}

/* ---- limits ---- */

static void name_limit(void **state)
{
	struct note_key k, again;
	char name[NOTE_NAME_MAX + 2], vkey[NOTE_VKEY_MAX];
	memset(name, 'n', sizeof name - 1);
	name[NOTE_NAME_MAX + 1] = 0;
	assert_int_equal(tlog_note_key_make(name, NOTE_ED25519, &k), 1);
	name[NOTE_NAME_MAX] = 0;
	assert_int_equal(tlog_note_key_make(name, NOTE_ED25519, &k), 0);
	tlog_note_vkey(&k, vkey, sizeof vkey);
	assert_int_equal(tlog_note_key_from_vkey(vkey, strlen(vkey), &again), 0);
	assert_true(tlog_note_key_same(&k, &again));
	/* an origin of that length can be signed, one longer is not read */
	char text[CHECKPOINT_TEXT_MAX], note[2048];
	struct merkle_hash root = { 0 };
	struct checkpoint cp;
	tlog_checkpoint_text(name, UINT64_MAX, &root, text, sizeof text);
	assert_int_equal(tlog_note_sign(&k, text, note, sizeof note), 0);
	assert_int_equal(tlog_checkpoint_read(text, strlen(text), &cp), 0);
	memmove(note + 1, text, strlen(text) + 1);
	note[0] = 'n';
	assert_int_equal(tlog_checkpoint_read(note, strlen(note), &cp), 1);
}

static void note_limits(void **state)
{
	char line[NOTE_SIGNATURE_MAX];
	struct note n;
	size_t at = NOTE_BYTES_MAX;
	char *note = malloc(NOTE_BYTES_MAX + 2);
	assert_non_null(note);
	memset(note, 'x', NOTE_BYTES_MAX + 1);
	tlog_note_line(&log_key, "text\n", 5, 0, line);
	size_t len = strlen(line);
	memcpy(note + at - len, line, len);
	note[at - len - 1] = note[at - len - 2] = '\n';
	assert_int_equal(tlog_note_parse(note, at, &n), 0);
	memcpy(note + at + 1 - len, line, len);
	note[at - len] = note[at - len - 1] = '\n';
	assert_int_equal(tlog_note_parse(note, at + 1, &n), 1);
	/* signature lines */
	memcpy(note, "text\n\n", 6);
	for (at = 6; at < 6 + len * NOTE_SIGNATURES_MAX; at += len)
		memcpy(note + at, line, len);
	assert_int_equal(tlog_note_parse(note, at, &n), 0);
	assert_int_equal(n.n_lines, NOTE_SIGNATURES_MAX);
	memcpy(note + at, line, len);
	assert_int_not_equal(tlog_note_parse(note, at + len, &n), 0);
	free(note);
}

/* A policy of so many of each. */
static int policy_of(u32 logs, u32 witnesses, u32 groups)
{
	struct text t;
	struct tlog_policy *p;
	char vkey[NOTE_VKEY_MAX], why[200];
	text_open(&t);
	for (u32 i = 0; i < logs; i++) {
		vkey_of(NOTE_ED25519, vkey);
		fprintf(t.f, "log %s\n", vkey);
	}
	for (u32 i = 0; i < witnesses; i++) {
		vkey_of(NOTE_COSIGNATURE, vkey);
		fprintf(t.f, "witness w%u %s\n", i, vkey);
	}
	for (u32 i = 0; i < groups; i++)
		fprintf(t.f, i ? "group g%u any g%u\n" : "group g%u any w0\n", i, i - 1);
	fprintf(t.f, "quorum none\n");
	fclose(t.f);
	int r = tlog_policy_read(t.s, t.len, &p, why, sizeof why);
	if (!r)
		tlog_policy_free(&p);
	free(t.s);
	return r;
}

static void policy_limits(void **state)
{
	struct tlog_policy *p;
	char why[200];
	assert_int_equal(policy_of(POLICY_LOGS_MAX, POLICY_WITNESSES_MAX, POLICY_GROUPS_MAX), 0);
	assert_int_equal(policy_of(POLICY_LOGS_MAX + 1, 1, 1), 1);
	assert_int_equal(policy_of(1, POLICY_WITNESSES_MAX + 1, 1), 1);
	assert_int_equal(policy_of(1, 1, POLICY_GROUPS_MAX + 1), 1);
	char *text = malloc(POLICY_BYTES_MAX + 1);
	assert_non_null(text);
	memset(text, '#', POLICY_BYTES_MAX + 1);
	memcpy(text, "quorum none\n", 12);
	text[POLICY_BYTES_MAX - 1] = '\n';
	assert_int_equal(tlog_policy_read(text, POLICY_BYTES_MAX, &p, why, sizeof why), 0);
	tlog_policy_free(&p);
	text[POLICY_BYTES_MAX] = '\n';
	assert_int_equal(tlog_policy_read(text, POLICY_BYTES_MAX + 1, &p, why, sizeof why), 1);
	free(text);
}

static void proof_limits(void **state)
{
	struct merkle_hash leaf = tlog_merkle_leaf("entry", 5);
	char text[CHECKPOINT_TEXT_MAX], note[1024];
	tlog_checkpoint_text(log_key.name, 1, &leaf, text, sizeof text);
	assert_int_equal(tlog_note_sign(&log_key, text, note, sizeof note), 0);
	for (u32 past = 0; past < 2; past++) {
		size_t overhead = strlen("c2sp.org/tlog-proof@v1\nextra \nindex 0\n\n") + strlen(note), len;
		size_t extra = (PROOF_BYTES_MAX - overhead) / 4 * 4 + 4 * past;
		char *data = malloc(extra), *file;
		assert_non_null(data);
		memset(data, 'A', extra);
		struct tlog_proof p = { .extra = { data, extra }, .note = note, .note_len = strlen(note) };
		assert_int_equal(tlog_proof_write(&p, &file, &len), 0);
		assert_true(past == (len > PROOF_BYTES_MAX));
		assert_int_equal(tlog_proof_read(file, len, &p), past);
		free(file);
		free(data);
	}
}

static void request_limits(void **state)
{
	struct witness_request q;
	struct merkle_proof proof = { .n = WITNESS_PROOF_MAX };
	struct merkle_hash root = { 0 };
	char text[CHECKPOINT_TEXT_MAX], note[1024], *body;
	size_t len;
	tlog_checkpoint_text(log_key.name, 9, &root, text, sizeof text);
	assert_int_equal(tlog_note_sign(&log_key, text, note, sizeof note), 0);
	assert_int_equal(tlog_witness_write(3, &proof, note, strlen(note), &body, &len), 0);
	assert_int_equal(tlog_witness_read(body, len, &q), 0);
	assert_int_equal(q.n_proof, WITNESS_PROOF_MAX);
	free(body);
	proof.n++;
	assert_int_equal(tlog_witness_write(3, &proof, note, strlen(note), &body, &len), 0);
	assert_int_equal(tlog_witness_read(body, len, &q), 1);
	char *big = calloc(1, WITNESS_BYTES_MAX + 1);
	assert_non_null(big);
	memcpy(big, body, len);
	assert_int_equal(tlog_witness_read(big, WITNESS_BYTES_MAX + 1, &q), 1);
	free(big);
	free(body);
	/* a proof of 64 hashes is the longest */
	struct tlog_proof p = { .note = note, .note_len = strlen(note), .path.n = MERKLE_PROOF_MAX };
	assert_int_equal(tlog_proof_write(&p, &body, &len), 0);
	assert_int_equal(tlog_proof_read(body, len, &p), 0);
	free(body);
}

static void witness_logs_limit(void **state)
{
	_cleanup_witness_ struct witness w = WITNESS_NONE;
	char path[128], why[256];
	struct note_key k;
	snprintf(path, sizeof path, "%s/many", dir);
	struct witness_open o = { path, NULL, true };
	assert_int_equal(tlog_witness_open(&o, &w, why, sizeof why), 0);
	for (u32 i = 0; i < WITNESS_LOGS_MAX; i++) {
		assert_int_equal(tlog_note_key_make(NULL, NOTE_ED25519, &k), 0);
		assert_int_equal(tlog_witness_add_log(&w, &k, true), 0);
		assert_int_equal(tlog_witness_add_log(&w, &k, true), 0); /* known */
	}
	assert_int_equal(tlog_witness_add_log(&w, &log_key, true), 1);
	tlog_witness_close(&w);
	o.create = false;
	assert_int_equal(tlog_witness_open(&o, &w, why, sizeof why), 0);
	assert_int_equal(w.n_logs, WITNESS_LOGS_MAX);
	assert_int_equal(tlog_witness_add_log(&w, &witness_key, false), 1); /* not a log's kind of key */
}

/* ---- quorums ---- */

static void quorums(void **state)
{
	static const char form[] = "group a 2 w0 w1 w2\ngroup b any w3 w4\ngroup c all a b\nquorum c\n";
	struct text t;
	struct tlog_policy *p;
	char vkey[NOTE_VKEY_MAX], why[200];
	text_open(&t);
	for (u32 i = 0; i < 5; i++) {
		vkey_of(NOTE_COSIGNATURE, vkey);
		fprintf(t.f, "witness w%u %s\n", i, vkey);
	}
	fputs(form, t.f);
	fclose(t.f);
	assert_int_equal(tlog_policy_read(t.s, t.len, &p, why, sizeof why), 0);
	for (u32 set = 0; set < 32; set++) {
		struct note_signed s[5] = { 0 };
		for (u32 i = 0; i < 5; i++)
			s[i].good = set >> i & 1;
		bool want = __builtin_popcount(set & 7) >= 2 && set >> 3;
		assert_true(tlog_policy_quorum(p, s) == want);
	}
	tlog_policy_free(&p);
	free(t.s);
}

/* ---- tiles ---- */

static void tile_paths(void **state)
{
	static const struct {
		struct tile_name t;
		const char *path;
	} good[] = { { { 0, 256, 0 }, "tile/0/000" }, { { 0, 1, 999 }, "tile/0/999.p/1" },
		{ { 3, 256, 1234067 }, "tile/3/x001/x234/067" },
		{ { TILE_ENTRIES, 255, 1000 }, "tile/entries/x001/000.p/255" },
		{ { 63, 256, UINT64_MAX }, "tile/63/x018/x446/x744/x073/x709/x551/615" } };
	static const char *const bad[] = { "", "tile", "tile/", "tile/0", "tile/0/", "tile/0/00",
		"tile/0/0000", "tile/00/000", "tile/64/000", "tile/0/x000/000", "tile/0/x001",
		"tile/0/001/000", "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/256",
		"tile/0/000.p/01", "tile/0/000.p/1/", "tile/0/000/", "tile/entry/000", "tile/0/-01",
		"/tile/0/000", "tile//000", "tile/0/x018/x446/x744/x073/x709/x551/616",
		"tile/0/x001/x018/x446/x744/x073/x709/x551/615" };
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char path[TILE_PATH_MAX];
		struct tile_name t;
		tlog_tile_path(&good[i].t, path);
		assert_string_equal(path, good[i].path);
		assert_int_equal(tlog_tile_path_read(path, &t), 0);
		assert_true(t.level == good[i].t.level && t.width == good[i].t.width && t.n == good[i].t.n);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct tile_name t;
		if (tlog_tile_path_read(bad[i], &t) != 1)
			fail_msg("%s was read", bad[i]);
	}
}

static void bundles(void **state)
{
	struct merkle_hash h[TILE_WIDTH];
	u8 data[3 * 257] = { 0 };
	u32 n;
	assert_int_equal(tlog_bundle_leaves(data, 2 * 256, h, &n), 0); /* 256 empty entries */
	assert_int_equal(n, 256);
	assert_int_equal(tlog_bundle_leaves(data, 2 * 257, h, &n), 1);
	assert_int_equal(tlog_bundle_leaves(data, 3, h, &n), 1); /* a stray byte */
	data[1] = 2;
	assert_int_equal(tlog_bundle_leaves(data, 3, h, &n), 1); /* cut short */
	assert_int_equal(tlog_bundle_leaves(data, 4, h, &n), 0);
	assert_int_equal(tlog_bundle_leaves(data, 0, h, &n), 0);
	assert_int_equal(n, 0);
}

static struct tlog_policy *policy_for_log(void)
{
	char text[NOTE_VKEY_MAX + 64], why[200];
	struct tlog_policy *p;
	strcpy(text, "log ");
	tlog_note_vkey(&log_key, text + 4, NOTE_VKEY_MAX);
	strcat(text, "\nquorum none\n");
	assert_int_equal(tlog_policy_read(text, strlen(text), &p, why, sizeof why), 0);
	return p;
}

static void sign(const struct merkle *tree, char *note, size_t cap)
{
	char text[CHECKPOINT_TEXT_MAX];
	struct merkle_hash root = tlog_merkle_root(tree);
	tlog_checkpoint_text(log_key.name, tree->size, &root, text, sizeof text);
	assert_int_equal(tlog_note_sign(&log_key, text, note, cap), 0);
}

/* Entry i of the log that the tests write. */
static size_t entry(u64 i, char out[64])
{
	return (size_t)snprintf(out, 64, "entry %llu", (unsigned long long)i);
}

static void grow(const char *path, u64 to, char *note, size_t cap)
{
	_cleanup_tiles_ struct tiles_dir d = TILES_DIR_NONE;
	char why[200], e[64];
	assert_int_equal(tlog_tiles_open(path, &log_key, &d, why, sizeof why), 0);
	assert_true(d.from == d.t.tree.size);
	while (d.t.tree.size < to) {
		size_t len = entry(d.t.tree.size, e);
		assert_int_equal(tlog_tiles_add(&d, e, len), 0);
	}
	sign(&d.t.tree, note, cap);
	assert_int_equal(tlog_tiles_finish(&d, note, strlen(note)), 0);
}

/* Grown by steps and grown at once it is the same log; each step is whole and contains those before it. */
static void tiles_grow(void **state)
{
	static const u64 steps[] = { 0, 1, 255, 256, 257, 300, 512, 700, 65535, 65536, 65537, 66000 };
	struct tlog_policy *p = policy_for_log();
	struct fsck_result *res = malloc(sizeof *res);
	struct fsck_older older[ARRAY_LEN(steps)];
	static char notes[ARRAY_LEN(steps)][1024];
	char path[128], once[128], note[1024];
	snprintf(path, sizeof path, "%s/steps", dir);
	snprintf(once, sizeof once, "%s/once", dir);
	assert_non_null(res);
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		grow(path, steps[i], notes[i], sizeof notes[i]);
		for (size_t j = 0; j <= i; j++) /* they are sorted in place */
			older[j] = (struct fsck_older){
				.name = "older", .note = notes[i - j], .len = strlen(notes[i - j])
			};
		struct fsck_params q = { path, p, older, i + 1, NULL };
		if (tlog_fsck(&q, res))
			fail_msg("%zu: %s", i, res->why);
	}
	grow(once, 66000, note, sizeof note);
	assert_string_equal(note, notes[ARRAY_LEN(steps) - 1]);
	/* rolled back: the older checkpoint knows */
	struct fsck_older newest = { .name = "newest", .note = note, .len = strlen(note) };
	struct fsck_params q = { once, p, &newest, 1, NULL };
	assert_int_equal(tlog_fsck(&q, res), 0);
	char cp[160];
	snprintf(cp, sizeof cp, "%s/checkpoint", once);
	FILE *f = fopen(cp, "w");
	assert_non_null(f);
	fputs(notes[7], f);
	fclose(f);
	assert_int_equal(tlog_fsck(&q, res), 1);
	assert_non_null(strstr(res->why, "rolled back"));
	q.n_older = 0;
	assert_int_equal(tlog_fsck(&q, res), 0); /* whole in itself; nothing else can tell */
	assert_true(res->n_beyond > 0);
	free(res);
	tlog_policy_free(&p);
}

static void tiles_refuse(void **state)
{
	struct tiles_dir d, second;
	char path[128], why[200], note[1024], big[65536] = "";
	snprintf(path, sizeof path, "%s/refuse", dir);
	grow(path, 300, note, sizeof note);
	assert_int_equal(tlog_tiles_open(path, &log_key, &d, why, sizeof why), 0);
	assert_int_equal(tlog_tiles_open(path, &log_key, &second, why, sizeof why), 1); /* locked */
	assert_int_equal(tlog_tiles_add(&d, big, sizeof big), 1);
	assert_int_equal(tlog_tiles_add(&d, big, sizeof big - 1), 0);
	assert_int_equal(
		tlog_tiles_finish(&d, note, strlen(note)), 1); /* not the checkpoint of these entries */
	tlog_tiles_close(&d);
	struct note_key mine = log_key;
	assert_int_equal(tlog_note_key_make("example.org/log", NOTE_ED25519, &log_key), 0);
	assert_int_equal(tlog_tiles_open(path, &log_key, &d, why, sizeof why), 1); /* another log's */
	log_key = mine;
	char tile[160];
	snprintf(tile, sizeof tile, "%s/tile/entries/001.p/44", path);
	int fd = open(tile, O_WRONLY | O_APPEND);
	assert_true(fd >= 0 && pwrite(fd, "x", 1, 5) == 1);
	close(fd);
	assert_int_equal(tlog_tiles_open(path, &log_key, &d, why, sizeof why), 1); /* damaged */
}

/* ---- a witness over time ---- */

static void witness_remembers(void **state)
{
	_cleanup_witness_ struct witness w = WITNESS_NONE;
	struct witness_answer a;
	struct merkle tree = { 0 };
	struct merkle_proof none = { 0 };
	struct note n;
	struct note_signed s;
	char path[128], note[1024], why[200], *body, *newest, joined[2048];
	size_t len;
	u32 ok = 0;
	snprintf(path, sizeof path, "%s/witness", dir);
	struct witness_open o = { path, "example.org/w", true };
	for (u64 size = 0; size < 4; size++) {
		assert_int_equal(tlog_witness_open(&o, &w, why, sizeof why), 0);
		assert_int_equal(tlog_witness_add_log(&w, &log_key, false), 0);
		sign(&tree, note, sizeof note);
		/* the trees of 1, 2 and 3 leaves: a proof of one hash from the second on */
		struct merkle_hash leaf = tlog_merkle_leaf(&size, sizeof size);
		assert_int_equal(
			tlog_witness_write(size ? size - 1 : 0, &none, note, strlen(note), &body, &len), 0);
		assert_int_equal(tlog_witness_answer(&w, body, len, 1700000000 + size, &a), 0);
		free(body);
		if (size < 2) {
			assert_int_equal(a.status, 200);
			snprintf(joined, sizeof joined, "%s%s", note, a.body);
			assert_int_equal(tlog_note_parse(joined, strlen(joined), &n), 0);
			assert_int_equal(tlog_note_judge(&n, &w.key, 1, &s), 0);
			assert_true(s.time == 1700000000 + size);
			ok++;
		} else {
			assert_int_equal(a.status, size == 2 ? 422 : 409);
		}
		tlog_merkle_add(&tree, &leaf);
		tlog_witness_close(&w);
	}
	assert_int_equal(ok, 2);
	/* a damaged state answers nothing */
	assert_int_equal(tlog_witness_open(&o, &w, why, sizeof why), 0);
	struct witness_seen seen;
	assert_int_equal(tlog_witness_newest(&w, log_key.name, &newest, &len, &seen), 0);
	assert_true(seen.seen && seen.size == 1);
	free(newest);
	assert_int_equal(tlog_witness_newest(&w, "another", &newest, &len, &seen), 1);
	snprintf(joined, sizeof joined, "sed -i 's/^1$/0/' %s/*/checkpoint", path);
	assert_int_equal(system(joined), 0);
	assert_int_equal(tlog_witness_newest(&w, log_key.name, &newest, &len, &seen), 2);
	assert_int_equal(tlog_witness_add_log(&w, &log_key, false), 0);
	assert_int_equal(tlog_witness_write(1, &none, note, strlen(note), &body, &len), 0);
	assert_int_equal(tlog_witness_answer(&w, body, len, 1700000000, &a), 1);
	free(body);
}

/* ---- paper ---- */

static void typed(void **state)
{
	u8 data[333], *back;
	char *text;
	size_t len, n;
	u32 line;
	for (size_t size = 0; size <= sizeof data; size += size < 40 ? 1 : 97) {
		randombytes_buf(data, sizeof data);
		FILE *f = open_memstream(&text, &len);
		assert_non_null(f);
		tlog_paper_write(f, data, size);
		fclose(f);
		assert_int_equal(tlog_paper_read(text, len, &back, &n, &line), 0);
		assert_int_equal(n, size);
		assert_memory_equal(back, data, size);
		free(back);
		/* each character typed wrong: the line is named, unless people may write it so */
		for (size_t i = 0; i < len; i += 3) {
			char was = text[i];
			if (was == ' ' || was == '\n')
				continue;
			text[i] = was == '7' ? '8' : '7';
			u32 want = (u32)(i / 26) + 1;
			if (tlog_paper_read(text, len, &back, &n, &line) != 1 || line != want)
				fail_msg("size %zu, character %zu", size, i);
			text[i] = was;
		}
		for (size_t i = 3; i + 1 < len; i++) { /* neighbours swapped, across a blank too */
			size_t j = text[i + 1] == ' ' ? i + 2 : i + 1;
			char a = text[i], b = text[j];
			if (a == b || a == ' ' || a == '\n' || b == '\n' || i % 26 < 3 || j % 26 < 3)
				continue;
			text[i] = b;
			text[j] = a;
			if (tlog_paper_read(text, len, &back, &n, &line) != 1 || line != (u32)(i / 26) + 1)
				fail_msg("size %zu, characters %zu and %zu", size, i, j);
			text[i] = a;
			text[j] = b;
		}
		assert_int_equal(
			tlog_paper_read(text, len - 26, &back, &n, &line), 1); /* the end is missing */
		for (size_t i = 0; i < len; i++) /* lower case, O for 0, no blanks: as people type */
			text[i] = text[i] == ' '   ? '-'
				  : text[i] == '0' ? 'o'
				  : text[i] == '1' ? 'l'
						   : text[i];
		assert_int_equal(tlog_paper_read(text, len, &back, &n, &line), 0);
		assert_memory_equal(back, data, size);
		free(back);
		free(text);
	}
	assert_int_equal(tlog_paper_read("", 0, &back, &n, &line), 1);
}

int main(void)
{
	assert(sodium_init() >= 0);
	const struct CMUnitTest tests[] = { cmocka_unit_test(name_limit), cmocka_unit_test(note_limits),
		cmocka_unit_test(policy_limits), cmocka_unit_test(proof_limits),
		cmocka_unit_test(request_limits), cmocka_unit_test(witness_logs_limit),
		cmocka_unit_test(quorums), cmocka_unit_test(tile_paths), cmocka_unit_test(bundles),
		cmocka_unit_test(tiles_grow), cmocka_unit_test(tiles_refuse),
		cmocka_unit_test(witness_remembers), cmocka_unit_test(typed) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
