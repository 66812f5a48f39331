/* Quotas in a running keepd: the installed file (base/quota.h), and what each principal has used of it.
 *
 * A request is charged when it is let through, with the most that it can use, and settled when its outcome comes: so what runs at once can
 * never add up to more than was left. The ticket says how much that is, and the runtime refuses what is longer. Windows are the minutes and
 * days of UTC, by the clock that verdicts are judged at; what a request uses counts in the window in which it was let through. A request
 * that never gets an outcome stays charged.
 *
 * What was used is state: rows, one for each principal of the day, written with a record (`usage`) now and then and at a stop. Between these,
 * each request and outcome under a rule says in its own record what was charged; a start adds these up. Whoever has the log can do the same.
 *
 * Tools and pinned prompts are words, which keepd does not read: whoever makes the prompt holds a request to them (keep-gateway). A session
 * that was opened under other quotas than those in force is refused, so that it asks again. */
#pragma once

#include "audit/record.h"
#include "audit/state.h"
#include "base/quota.h"

struct conn;
struct dual_doing;
struct dual_row;
struct ipc_frame;
struct jsonw;
struct keepd;
struct session;

#define USAGE_RECORDS \
	16384u /* records between two rows of usage in the state: what a start adds up, some 20 ms */

/* What somebody has used. It stays while a session or request names it. */
struct meter {
	struct meter *next;
	struct usage_row row;
	u32 n_open;	/* requests that run */
	u32 n_sessions; /* that name it */
	u64 told_day;	/* of which a record says that it was spent */
};
struct quotas {
	struct quota rules;
	char *text;
	size_t len;
	struct meter *meters;
	u32 n;
};

/* Part of a ticket: what it was charged. */
struct quota_charge {
	struct meter *meter; /* NULL: nothing counts it */
	u64 at_s, reserved;
};
/* Why a request is not let through. */
struct quota_no {
	u32 status;  /* enum end_status */
	u32 retry_s; /* as in struct proto_end */
	char text[REASON_LEN_MAX + 1];
};

/* ---- quota.c ---- */

/* After the check of the log: the rules, and what was used. 0; -errno. */
_must_use_ int quota_load(struct keepd *k);
void quota_free(struct keepd *k);
/* May this client's session have that model? False: END was sent. */
bool quota_model_ok(struct conn *c, u64 id, const char *model);
/* Is that model shown to this client, or to whom it has proven to ask for? Staff sees all. */
bool quota_shows_model(const struct conn *c, const char *model);
/* A request: its sealed bytes. 0 let through: *ret (may be of nobody) and the most tokens that it may have, 0: as many as the context holds,
 * how many it could ever be, and in how many seconds there will be more; 1 *no. What no window could ever hold is refused for good. */
struct quota_let {
	struct quota_charge charge;
	u32 tokens_max, tokens_ever, retry_s;
};
_must_use_ int quota_begin(
	struct session *s, const void *request, size_t len, struct quota_let *ret, struct quota_no *no);
/* The charge takes effect: call it when the request's record is made. */
void quota_take(const struct quota_charge *c);
/* Its outcome says that so much was used, no more than was reserved. */
void quota_settle(const struct quota_charge *c, u64 used);
/* The last fields of the records of a request and its outcome: nothing where nothing counts. */
void quota_put(struct audit_record *rec, const struct quota_charge *c, const u64 *used);
/* The ticket or the session is gone. */
void quota_ticket_gone(const struct quota_charge *c);
void quota_session_gone(struct session *s);
/* Where many records stand behind the last rows of usage, or at a stop: a record, and new rows. */
void quota_watch(struct keepd *k, bool stop);

/* ---- quota_set.c ---- */

int quota_set_frame(struct conn *c, struct ipc_frame *f);
bool quota_set_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int quota_set_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
/* Questions: the file; what is left to whom. */
int quota_query(struct conn *c, const struct proto_query *q, u64 id);

/* ---- between both ---- */

/* The name that it is counted under. */
void quota_who(const struct session *s, char ret[NAME_LEN_MAX + 8]);
/* The meter of that name, made where there is none. NULL: QUOTA_PRINCIPALS_MAX are counted, or no memory. */
struct meter *quota_meter(struct quotas *q, const char *name, u64 at_s);
/* Its windows, moved on to that time. */
void quota_roll(struct usage_row *row, u64 at_s);
