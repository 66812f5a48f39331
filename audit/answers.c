/* The index by which the answer of an intent is found. It is derived, and nothing signed speaks of it, so a check compares it with the rows:
 * the same number, the same sum of a keyed hash of each pair (the key is made at each start, so nobody can aim at a sum), in rising order. */
#include "audit/log_db.h"
#include "base/err.h"

#include <errno.h>
#include <string.h>

static u64 pair(const struct audit_log *log, u64 intent, u64 index)
{
	const u64 in[2] = { intent, index };
	u8 h[crypto_shorthash_BYTES];
	u64 sum;
	crypto_shorthash(h, (const u8 *)in, sizeof in, log->sum_key);
	static_assert(sizeof h == sizeof sum, "one number");
	memcpy(&sum, h, sizeof sum);
	return sum;
}

void audit_answers_note(struct audit_check *c, const struct audit_log *log, u64 intent, u64 index)
{
	c->answers++;
	c->answers_sum += pair(log, intent, index);
}

int audit_answers_check(const struct audit_check *c, struct audit_log *log)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_ANSWERS);
	u64 n = 0, sum = 0, last = 0;
	bool rising = true;
	int rc;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		u64 intent = (u64)sqlite3_column_int64(s, 0);
		rising = rising && (n == 0 || intent > last);
		last = intent;
		n++;
		sum += pair(log, intent, (u64)sqlite3_column_int64(s, 1));
	}
	sqlite3_reset(s);
	if (rc != SQLITE_DONE && (rc & 0xff) != SQLITE_CORRUPT)
		return err_origin(-EIO);
	return rc == SQLITE_DONE && rising && n == c->answers && sum == c->answers_sum ? 0 : 1;
}
