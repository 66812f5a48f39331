/* What proofs cost: bench_proof [RECORDS]. A log of that many records (default 10,000,000) in memory, then inclusion proofs of random records
 * and consistency proofs from random sizes, each verified against the head; and what an append costs beside a log without stored subtrees. */
#define _GNU_SOURCE
#include "audit/log_db.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROOFS 2000u

static f64 now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (f64)t.tv_sec * 1e6 + (f64)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	f64 x = *(const f64 *)a, y = *(const f64 *)b;
	return (x > y) - (x < y);
}

static void report(const char *what, f64 *us, u32 n)
{
	qsort(us, n, sizeof *us, by_value);
	printf("%-14s median %.0f us, 99%% %.0f us, worst %.0f us\n", what, us[n / 2], us[n * 99 / 100],
		us[n - 1]);
}

/* Rows as the log writes them, of typical length, without their signatures: proofs do not read those. */
static void fill(sqlite3 *db, struct audit_log *log, u64 records)
{
	char line[400];
	sqlite3_stmt *s;
	memset(line, 'x', sizeof line);
	assert(sqlite3_prepare_v2(db, "INSERT INTO records VALUES(?, 1, NULL, ?, ?, zeroblob(64))", -1, &s,
		       NULL) == SQLITE_OK);
	sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
	for (u64 i = log->tree.size; i < records; i++) {
		struct merkle_hash path[MERKLE_PROOF_MAX + 1];
		memcpy(line, &i, sizeof i);
		struct merkle_hash leaf = tlog_merkle_leaf(line, sizeof line);
		u32 levels = tlog_merkle_add_path(&log->tree, &leaf, path);
		sqlite3_bind_int64(s, 1, (sqlite3_int64)i);
		sqlite3_bind_blob(s, 2, line, sizeof line, SQLITE_STATIC);
		sqlite3_bind_blob(s, 3, leaf.b, sizeof leaf.b, SQLITE_STATIC);
		assert(sqlite3_step(s) == SQLITE_DONE && sqlite3_reset(s) == SQLITE_OK);
		assert(audit_nodes_put(log, log->tree.size, levels, path) == SQLITE_DONE);
	}
	sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	sqlite3_finalize(s);
}

int main(int argc, char **argv)
{
	u64 records = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	char dir[] = "/dev/shm/keep-proof.XXXXXX", path[64];
	static f64 us[PROOFS];
	struct note_key key;
	struct audit_log *log;
	const char *why;
	if (sodium_init() < 0 || !mkdtemp(dir) || tlog_note_key_make(NULL, NOTE_ED25519, &key))
		return 1;
	snprintf(path, sizeof path, "%s/log.db", dir);
	if (audit_log_create(path, &key, "bench") || audit_log_open(path, &key, &log, &why))
		return 1;
	/* the record that create wrote */
	struct merkle_hash first;
	struct merkle_source src = audit_log_hashes(log);
	if (src.row(src.arg, 0, 0, 1, &first))
		return 1;
	tlog_merkle_add(&log->tree, &first);
	sqlite3_exec(log->db, "PRAGMA synchronous=OFF; PRAGMA journal_mode=DELETE", NULL, NULL, NULL);
	f64 at = now_us();
	fill(log->db, log, records);
	struct merkle_hash root = tlog_merkle_root(&log->tree);
	printf("%" PRIu64 " records written in %.0f s\n", records, (now_us() - at) / 1e6);
	srandom(1);
	for (u32 i = 0; i < PROOFS; i++) {
		u64 index = ((u64)random() << 20 ^ (u64)random()) % records;
		struct merkle_proof p;
		struct merkle_hash leaf;
		at = now_us();
		if (tlog_merkle_inclusion(&src, index, records, &p))
			return 1;
		us[i] = now_us() - at;
		struct merkle_included in = { index, records, &leaf, &root, p.h, p.n };
		if (src.row(src.arg, 0, index, 1, &leaf) || tlog_merkle_inclusion_check(&in))
			return 1;
	}
	report("inclusion", us, PROOFS);
	for (u32 i = 0; i < PROOFS; i++) {
		u64 size = 1 + ((u64)random() << 20 ^ (u64)random()) % records;
		struct merkle_proof p;
		struct merkle_hash old;
		at = now_us();
		if (tlog_merkle_consistency(&src, size, records, &p))
			return 1;
		us[i] = now_us() - at;
		if (tlog_merkle_root_at(&src, size, &old))
			return 1;
		struct merkle_consistent c = { size, records, &old, &root, p.h, p.n };
		if (tlog_merkle_consistency_check(&c))
			return 1;
	}
	report("consistency", us, PROOFS);
	/* what the nodes cost an append */
	struct merkle m = { 0 };
	u64 n = 1000000;
	sqlite3_exec(log->db, "DELETE FROM nodes; BEGIN", NULL, NULL, NULL);
	at = now_us();
	for (u64 i = 0; i < n; i++) {
		struct merkle_hash paths[MERKLE_PROOF_MAX + 1];
		u32 levels = tlog_merkle_add_path(&m, &first, paths);
		if (audit_nodes_put(log, m.size, levels, paths) != SQLITE_DONE)
			return 1;
	}
	f64 with = now_us() - at;
	at = now_us();
	for (u64 i = 0; i < n; i++)
		tlog_merkle_add(&m, &first);
	printf("%-14s %.2f us of an append\n", "nodes", (with - (now_us() - at)) / (f64)n);
	sqlite3_exec(log->db, "COMMIT", NULL, NULL, NULL);
	audit_log_close(&log);
	unlink(path);
	return rmdir(dir) ? 1 : 0;
}
