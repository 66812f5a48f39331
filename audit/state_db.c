/* Tables of state that are short and change seldom: persons and proposals. Each is one value of the table of singles, its rows one after
 * the other, written whole. */
#include "audit/log_db.h"
#include "base/access.h"
#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <string.h>

static int put(struct audit_log *log, const char *name, const void *rows, size_t row_len, u32 n)
{
	return audit_log_put_single(log, name, n ? rows : NULL, n * row_len);
}

int audit_log_put_roles(struct audit_log *log, const struct audit_state *s)
{
	return put(log, "roles", s->roles, sizeof s->roles[0], s->n_roles);
}

int audit_log_put_pending(struct audit_log *log, const struct audit_state *s)
{
	return put(log, "pending", s->pending, sizeof s->pending[0], s->n_pending);
}

int audit_log_put_quota(struct audit_log *log, const struct audit_state *s)
{
	int r = put(log, "quota", &s->quota, sizeof s->quota, 1);
	return r ? r : put(log, "usage", s->usage, sizeof s->usage[0], s->n_usage);
}

int audit_log_put_access(struct audit_log *log, const struct audit_state *s)
{
	static const struct access_head none;
	int r = put(log, "access", &s->access, sizeof s->access, memcmp(&s->access, &none, sizeof none) != 0);
	return r ? r : put(log, "ways", s->ways, sizeof s->ways[0], s->n_access);
}

/* 0 done, *ret_n rows; 1 not whole rows, or too many; -errno. */
static int get(struct audit_log *log, const char *name, void *rows, size_t row_len, u32 max, u32 *ret_n)
{
	sqlite3_stmt *s = audit_log_stmt(log, SQL_SINGLE);
	sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	int rc = sqlite3_step(s), r = 0;
	size_t len = rc == SQLITE_ROW ? (size_t)sqlite3_column_bytes(s, 0) : 0;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		r = err_origin(-EIO);
	else if (len % row_len || len / row_len > max || (rc == SQLITE_ROW && len == 0))
		r = 1;
	else if (len)
		memcpy(rows, sqlite3_column_blob(s, 0), len);
	sqlite3_reset(s);
	*ret_n = r ? 0 : (u32)(len / row_len);
	return r;
}

static bool role_ok(const struct role_row *r)
{
	return bytes_str_ok(r->name, sizeof r->name) && bytes_str_ok(r->vkey, sizeof r->vkey) && r->roles;
}

static bool pending_ok(const struct dual_row *d)
{
	return bytes_str_ok(d->person, sizeof d->person) && bytes_str_ok(d->object, sizeof d->object) &&
	       bytes_str_ok(d->reason, sizeof d->reason) && d->len <= sizeof d->body &&
	       d->file_bytes <= TRUST_FILE_BYTES_MAX;
}

/* As access_add_frame lets them in, in their order. */
static bool way_ok(const struct audit_state *s, u32 i)
{
	return !access_check(&s->ways[i].what) &&
	       (i == 0 || strcmp(s->ways[i - 1].what.name, s->ways[i].what.name) < 0);
}

int audit_log_state_tables(struct audit_log *log, struct audit_state *ret)
{
	int r = get(log, "roles", ret->roles, sizeof ret->roles[0], PERSONS_MAX, &ret->n_roles);
	if (!r)
		r = get(log, "pending", ret->pending, sizeof ret->pending[0], PENDING_MAX, &ret->n_pending);
	u32 n_quota = 0;
	if (!r)
		r = get(log, "quota", &ret->quota, sizeof ret->quota, 1, &n_quota);
	if (!r)
		r = get(log, "usage", ret->usage, sizeof ret->usage[0], QUOTA_PRINCIPALS_MAX, &ret->n_usage);
	if (!r && ret->quota.bytes > QUOTA_FILE_BYTES_MAX)
		r = 1;
	for (u32 i = 0; !r && i < ret->n_usage; i++)
		r = bytes_str_ok(ret->usage[i].principal, sizeof ret->usage[i].principal) ? 0 : 1;
	u32 head = 0;
	if (!r)
		r = get(log, "access", &ret->access, sizeof ret->access, 1, &head);
	if (!r)
		r = get(log, "ways", ret->ways, sizeof ret->ways[0], ACCESS_MAX, &ret->n_access);
	for (u32 i = 0; !r && i < ret->n_access; i++)
		r = way_ok(ret, i) ? 0 : 1;
	if (!r && (!bytes_str_ok(ret->access.tls.subject, sizeof ret->access.tls.subject) ||
			  !bytes_str_ok(ret->access.tls.issuer, sizeof ret->access.tls.issuer)))
		r = 1;
	for (u32 i = 0; !r && i < ret->n_roles; i++)
		r = role_ok(&ret->roles[i]) ? 0 : 1;
	for (u32 i = 0; !r && i < ret->n_pending; i++)
		r = pending_ok(&ret->pending[i]) ? 0 : 1;
	return r;
}
