/* Every byte of every file of a small log flipped in turn: see README.md. */
#define _GNU_SOURCE
#include "story.h"
#include "audit/log_db.h"
#include "base/fd.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES	   5u
#define QUERIES	   32u
#define ANSWER_MAX 256u

static const char *keepd_path;
static struct rig rig;
static pid_t runtime;

/* What the log rests on, as it was. */
static struct file {
	const char *name;
	u8 *data;
	size_t len;
} files[FILES] = { { "log.db", NULL, 0 }, { "log.db-wal", NULL, 0 }, { "log.db-head", NULL, 0 },
	{ "keys/log.key", NULL, 0 }, { "keys/log.vkey", NULL, 0 } };
static char work[160];
static char *query[QUERIES]; /* everything that must stay as it was */
static u32 n_queries;
static struct words { /* digests of what each of them returns; the last: of which record answers which */
	u8 b[QUERIES + 1][SHA256_BYTES];
} good;
static struct checkpoint print; /* as it was carried away */

static void path_in(char out[256], const char *base, const char *name)
{
	snprintf(out, 256, "%.120s/%s", base, name);
}

static void put_file(const struct file *f)
{
	char path[256];
	path_in(path, work, f->name);
	if (f->len == 0) {
		unlink(path);
		return;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, f->data, f->len), 0);
	close(fd);
}

static void put_all(void)
{
	for (u32 i = 0; i < FILES; i++)
		put_file(&files[i]);
}

/* ---- what a log says ---- */

static void hash_value(struct sha256 *h, sqlite3_stmt *s, int i)
{
	bool null = sqlite3_column_type(s, i) == SQLITE_NULL; /* text or blob: the same bytes are the same */
	const void *p = sqlite3_column_blob(s, i);
	int n = sqlite3_column_bytes(s, i);
	sha256_update(h, &null, sizeof null);
	sha256_update(h, &n, sizeof n);
	sha256_update(h, p, (size_t)n);
}

/* Every row of every query. 0; 1 somewhere the database says itself that it is damaged: nobody gets a wrong answer. */
static int said(struct audit_log *log, struct words *ret)
{
	struct sha256 h;
	int bad = 0;
	for (u32 i = 0; i < n_queries; i++) {
		sqlite3_stmt *s = NULL;
		sha256_init(&h);
		int rc = sqlite3_prepare_v2(log->db, query[i], -1, &s, NULL);
		while (rc == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
			for (int k = 0; k < sqlite3_column_count(s); k++)
				hash_value(&h, s, k);
		bad |= sqlite3_finalize(s) != SQLITE_OK || rc != SQLITE_OK;
		sha256_final(&h, ret->b[i]);
	}
	sha256_init(&h);
	for (u64 i = 0; i < print.size; i++) {
		u64 answer = INTENT_NONE;
		bad |= audit_log_answer(log, i, &answer) < 0;
		sha256_update(&h, &answer, sizeof answer);
	}
	sha256_final(&h, ret->b[n_queries]);
	return bad;
}

static char *names_of_singles(struct audit_log *log)
{
	sqlite3_stmt *s;
	char *names = NULL;
	assert_int_equal(sqlite3_prepare_v2(log->db,
				 "SELECT group_concat(quote(name)) FROM singles WHERE name <> 'checked'", -1,
				 &s, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_true(asprintf(&names, "%s", (const char *)sqlite3_column_text(s, 0)) > 0);
	sqlite3_finalize(s);
	return names;
}

/* All tables; but of records not the seals, and of single rows not the savepoint: these only help. */
static void name_queries(struct audit_log *log)
{
	sqlite3_stmt *s;
	char *singles = names_of_singles(log);
	assert_int_equal(
		sqlite3_prepare_v2(log->db,
			"SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", -1, &s, NULL),
		SQLITE_OK);
	while (sqlite3_step(s) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(s, 0);
		char **q = &query[n_queries];
		int n = 0;
		assert_true(n_queries < QUERIES);
		if (!strcmp(name, "meta") ||
			!strcmp(name, "contents")) /* texts are sealed: who opens one finds a wrong byte */
			continue;
		if (!strcmp(name, "records"))
			n = asprintf(q, "SELECT idx, event, intent, line, leaf FROM records");
		else if (!strcmp(name, "singles"))
			n = asprintf(q, "SELECT * FROM singles WHERE name IN (%s)", singles);
		else
			n = asprintf(q, "SELECT * FROM %s", name);
		assert_true(n > 0);
		n_queries++;
	}
	sqlite3_finalize(s);
	free(singles);
}

static int read_key(struct note_key *ret)
{
	char path[256];
	u8 *text = NULL;
	size_t len;
	path_in(path, work, "keys/log.key");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd_read_file(fd, NOTE_VKEY_MAX, &text, &len);
	close(fd);
	if (!r)
		r = memchr(text, 0, len) || tlog_note_key_from_secret((char *)text, ret) ||
		    ret->type != NOTE_ED25519;
	free(text);
	return r;
}

enum found { FOUND, SAME, OTHER };

/* Open and check what lies in work, as a start does. why: what was found. */
static enum found judge(char why[ANSWER_MAX], u64 *ret_first)
{
	struct audit_log *log = NULL;
	struct audit_check c;
	struct note_key key;
	const char *text = "";
	char path[256];
	struct words now = { 0 };
	*ret_first = INTENT_NONE;
	snprintf(why, ANSWER_MAX, "the key is none");
	if (read_key(&key))
		return FOUND;
	path_in(path, work, "log.db");
	int r = audit_log_open(path, &key, &log, &text);
	snprintf(why, ANSWER_MAX, "it does not open: %s", text);
	if (r)
		return FOUND;
	r = audit_check_begin(&c, log);
	while (!r && !c.done)
		r = audit_check_step(&c, log, UINT64_MAX);
	enum found f = FOUND;
	if (!r && c.ok)
		f = said(log, &now) ? FOUND : memcmp(&now, &good, sizeof now) != 0 ? OTHER : SAME;
	snprintf(why, ANSWER_MAX, "%s", r ? "it cannot be read" : c.why);
	for (u32 i = 0; f == OTHER && i <= n_queries; i++)
		if (memcmp(now.b[i], good.b[i], SHA256_BYTES) != 0)
			snprintf(why, ANSWER_MAX, "another answer to: %s",
				i < n_queries ? query[i] : "which record answers");
	*ret_first = !r && !c.ok ? c.first_bad : INTENT_NONE;
	audit_check_fini(&c);
	audit_log_close(&log);
	return f;
}

/* ---- the store, once ---- */

static void take(void)
{
	char path[256];
	for (u32 i = 0; i < FILES; i++) {
		path_in(path, rig.store, files[i].name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			fail_msg("%s is not there", path);
		assert_int_equal(fd_read_file(fd, 64u << 20, &files[i].data, &files[i].len), 0);
		close(fd);
		print_message("%s: %zu bytes\n", files[i].name, files[i].len);
	}
}

static int make(void **state)
{
	struct acked k = { 0 };
	struct audit_log *log;
	struct note_key key;
	const char *why;
	char path[256];
	story_setup();
	rig_init(&rig, keepd_path, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NULL);
	runtime = story_runtime(rig.runtime_sock);
	assert_int_equal(rig_start(&rig), 0);
	stories[1].tell(&rig, &k);
	assert_true(k.whole);
	rig_end(&rig, SIGKILL);
	snprintf(work, sizeof work, "%s/work", rig.root);
	path_in(path, work, "keys");
	assert_true(mkdir(work, 0700) == 0 && mkdir(path, 0700) == 0);
	take();
	assert_true(files[0].len && files[1].len && files[2].len);
	put_all();
	assert_int_equal(read_key(&key), 0);
	path_in(path, work, "log.db");
	assert_int_equal(audit_log_open(path, &key, &log, &why), 0);
	print.size = log->head_size;
	print.root = log->head_root;
	name_queries(log);
	assert_int_equal(said(log, &good), 0);
	audit_log_close(&log);
	return 0;
}

static int unmake(void **state)
{
	kill(runtime, SIGKILL);
	waitpid(runtime, NULL, 0);
	rig_fini(&rig);
	return 0;
}

/* ---- one byte ---- */

static int killed, at_rest; /* which shape the store has */

/* As after an orderly end: everything in the database. */
static void move_wal(void)
{
	struct audit_log *log;
	struct note_key key;
	const char *why;
	char path[256];
	put_all();
	assert_int_equal(read_key(&key), 0);
	path_in(path, work, "log.db");
	assert_int_equal(audit_log_open(path, &key, &log, &why), 0);
	audit_log_close(&log);
	free(files[0].data);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd_read_file(fd, 64u << 20, &files[0].data, &files[0].len), 0);
	close(fd);
	files[1].len = 0;
}

static void every_byte(void **state)
{
	if (*state == &at_rest)
		move_wal();
	const char *s = getenv("KEEP_TAMPER_STEP"), *from = getenv("KEEP_TAMPER_FROM");
	size_t step = s ? (size_t)atoi(s) : 211,
	       first = from ? strtoull(from, NULL, 10) : (size_t)getpid() % step;
	const char *only = getenv("KEEP_TAMPER_ONLY"); /* "wal" or "rest": a long run in two halves */
	char why[ANSWER_MAX];
	u64 at;
	if (only && strcmp(only, *state == &at_rest ? "rest" : "wal") != 0)
		return;
	put_all();
	if (judge(why, &at) != SAME)
		fail_msg("as it was: %s", why);
	for (u32 i = 0; i < FILES; i++) {
		u32 n[3] = { 0 };
		for (size_t b = first; b < files[i].len; b += step) {
			u8 was = files[i].data[b];
			files[i].data[b] ^= (u8)(1u << (b * 5 + b / 8) % 8);
			put_all();
			enum found f = judge(why, &at);
			files[i].data[b] = was;
			n[f]++;
			if (f == OTHER)
				fail_msg("%s: byte %zu: the log verifies; %s", files[i].name, b, why);
		}
		print_message("%s: %u flips, from byte %zu on, by %zu: %u found, %u change nothing\n",
			files[i].name, n[FOUND] + n[SAME], first, step, n[FOUND], n[SAME]);
	}
}

/* ---- insiders ---- */

static void sql(sqlite3 *db, const char *text)
{
	char *why = NULL;
	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
}

/* Record `index` gets another time, and everything above it is computed and signed anew. */
static void sign_anew(u64 index)
{
	struct note_key key;
	struct merkle m = { 0 };
	sqlite3 *db;
	sqlite3_stmt *s, *put;
	char path[256], text[SIGNED_TEXT_MAX], note[1024];
	path_in(path, work, "log.db");
	assert_int_equal(read_key(&key), 0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sql(db, "BEGIN; DELETE FROM nodes; UPDATE records SET seal = NULL");
	sqlite3_prepare_v2(db, "SELECT idx, line FROM records ORDER BY idx", -1, &s, NULL);
	sqlite3_prepare_v2(db, "UPDATE records SET line = ?, leaf = ? WHERE idx = ?", -1, &put, NULL);
	while (sqlite3_step(s) == SQLITE_ROW) {
		u8 line[RECORD_BYTES_MAX];
		struct merkle_hash path_up[MERKLE_PROOF_MAX + 1];
		size_t n = (size_t)sqlite3_column_bytes(s, 1);
		u64 i = (u64)sqlite3_column_int64(s, 0);
		memcpy(line, sqlite3_column_blob(s, 1), n);
		if (i == index)
			((char *)memmem(line, n, "\"time_ns\":", 10))[12] ^= 1;
		struct merkle_hash leaf = tlog_merkle_leaf(line, n);
		u32 levels = tlog_merkle_add_path(&m, &leaf, path_up);
		sqlite3_bind_blob(put, 1, line, (int)n, SQLITE_TRANSIENT);
		sqlite3_bind_blob(put, 2, leaf.b, sizeof leaf.b, SQLITE_TRANSIENT);
		sqlite3_bind_int64(put, 3, (sqlite3_int64)i);
		assert_int_equal(sqlite3_step(put), SQLITE_DONE);
		sqlite3_reset(put);
		for (u32 l = 4; l <= levels; l += 4) {
			sqlite3_stmt *node;
			sqlite3_prepare_v2(db, "INSERT INTO nodes VALUES(?, ?, ?)", -1, &node, NULL);
			sqlite3_bind_int64(node, 1, l);
			sqlite3_bind_int64(node, 2, (sqlite3_int64)((m.size >> l) - 1));
			sqlite3_bind_blob(node, 3, path_up[l].b, sizeof path_up[l].b, SQLITE_STATIC);
			assert_int_equal(sqlite3_step(node), SQLITE_DONE);
			sqlite3_finalize(node);
		}
	}
	sqlite3_finalize(s);
	sqlite3_finalize(put);
	struct merkle_hash root = tlog_merkle_root(&m);
	tlog_checkpoint_text(key.name, m.size, &root, text, sizeof text);
	assert_int_equal(tlog_note_sign(&key, text, note, sizeof note), 0);
	sqlite3_prepare_v2(db, "UPDATE head SET root = ?, note = ?", -1, &s, NULL);
	sqlite3_bind_blob(s, 1, root.b, sizeof root.b, SQLITE_STATIC);
	sqlite3_bind_text(s, 2, note, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(s), SQLITE_DONE);
	sqlite3_finalize(s);
	sql(db, "COMMIT");
	sqlite3_close(db);
}

/* Is the log in work one that goes on from the checkpoint that was carried away? */
static bool fits_print(void)
{
	struct note_key key;
	struct audit_log *log;
	const char *why;
	char path[256];
	struct merkle_hash root = { 0 };
	path_in(path, work, "log.db");
	assert_int_equal(read_key(&key), 0);
	assert_int_equal(audit_log_open(path, &key, &log, &why), 0);
	struct merkle_source src = audit_log_hashes(log);
	bool fits = log->head_size >= print.size && tlog_merkle_root_at(&src, print.size, &root) == 0 &&
		    memcmp(root.b, print.root.b, sizeof root.b) == 0;
	audit_log_close(&log);
	return fits;
}

static void signed_anew(void **state)
{
	char why[ANSWER_MAX], head[256];
	u64 at;
	put_all();
	assert_true(fits_print());
	sign_anew(3);
	assert_int_equal(judge(why, &at), FOUND); /* the last head, beside the database, is of another log */
	if (!strstr(why, "written anew"))
		fail_msg("%s", why);
	path_in(head, work, "log.db-head");
	assert_int_equal(unlink(head), 0);
	assert_int_equal(judge(why, &at), OTHER); /* nothing inside can tell */
	assert_false(fits_print());
}

/* The database as it was before the write-ahead log: an older state of the same log. */
static void rolled_back(void **state)
{
	char why[ANSWER_MAX], path[256];
	u64 at;
	put_all();
	path_in(path, work, "log.db-wal");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(judge(why, &at), FOUND);
	assert_true(at < print.size);
	put_all();
	assert_int_equal(unlink(path), 0);
	path_in(path, work, "log.db-head");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(judge(why, &at), OTHER);
	assert_false(fits_print());
}

/* ---- the stored tables of the model, before the gate ---- */

static void flip_table(const char *name, long back)
{
	char cmd[512];
	snprintf(cmd, sizeof cmd,
		"cd %s/models/* && chmod u+w %s && s=$(stat -c %%s %s) && o=$((s - %ld)) && [ $o -ge 0 ] || "
		"o=0; "
		"b=$(od -An -tu1 -j$o -N1 %s | tr -d ' ') && printf \"$(printf '\\\\%%03o' $((b ^ 4)))\" | "
		"dd of=%s bs=1 seek=$o conv=notrunc status=none",
		rig.store, name, name, back, name, name);
	assert_int_equal(system(cmd), 0);
}

static void tables(void **state)
{
	static const char *const names[] = { "segments", "layout" };
	for (u32 i = 0; i < 6; i++) {
		struct rig_session s;
		struct rig_answer a;
		char model[16], bundle[16], weights[24];
		const struct rig_file files_of[] = { { "w.gguf", weights }, { "README", bundle } };
		snprintf(model, sizeof model, "model%u", i);
		snprintf(bundle, sizeof bundle, "bundle%u", i);
		snprintf(weights, sizeof weights, "weights of %u",
			i); /* what was quarantined is never let in again */
		rig_end(&rig, SIGTERM);
		assert_int_equal(rig_start(&rig), 0);
		int c = rig_client(&rig);
		/* the one of the story was revoked; a stored model is removed again, so that there is one directory */
		a = rig_name(c, CTL_REMOVE, "first", "", -1);
		assert_int_equal(rig_import(c, model, bundle, files_of, 2).status, 0);
		flip_table(names[i % 2], 1 + 7 * (long)i);
		rig_session_ask(c, 5, model);
		assert_int_equal(rig_session_take(c, 5, &s, &a), END_REFUSED);
		assert_int_equal(rig_count(c, "\"event\":\"quarantine\"", names[i % 2], model, NULL), 1);
		a = rig_name(c, CTL_REMOVE, model, "", -1);
		assert_int_equal(a.status, 0);
		close(c);
	}
}

int main(int argc, char **argv)
{
	assert(argc == 2);
	keepd_path = argv[1];
	signal(SIGPIPE, SIG_IGN);
	assert(sodium_init() >= 0);
	const struct CMUnitTest tests[] = { cmocka_unit_test_prestate(every_byte, &killed),
		cmocka_unit_test(signed_anew), cmocka_unit_test(rolled_back), cmocka_unit_test(tables),
		cmocka_unit_test_prestate(every_byte, &at_rest) };
	return cmocka_run_group_tests(tests, make, unmake);
}
