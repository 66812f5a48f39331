/* Inside of keepd: one thread with one poll loop, one rule; a second thread does nothing but sync.
 *
 * A turn of the loop reads what is there, lets the handlers write records and queue frames, and commits once. Queued frames leave,
 * and effects happen, only after that commit: so an effect without its record cannot exist, whatever a handler forgets, and requests
 * that arrive together share one sync. When the commit fails, what the turn queued is dropped and the gate is shut. While the sync of
 * requests and outcomes runs, those of the next commit are read (turn.c). */
#pragma once

#include "appliance/proto.h"
#include "audit/clock.h"
#include "audit/console.h"
#include "audit/log.h"
#include "audit/principal.h"
#include "audit/quota.h"
#include "audit/role.h"
#include "audit/store.h"
#include "audit/subject.h"
#include "audit/tlog/policy.h"
#include "audit/zones.h"
#include "base/fd.h"
#include "base/types.h"

#include <sys/statvfs.h>

#define KEEPD_VERSION "0.1.0"

enum conn_kind { CONN_CLIENT, CONN_RUNTIME, CONN_JOB };

/* States of a connection, as bits for struct ipc_rule. */
enum conn_state {
	CLIENT_IDLE = 1,
	CLIENT_FILES = 2, /* IMPORT came, its FILEs are coming */
	CLIENT_WAIT = 4,  /* a long command runs; its END is due */
	CLIENT_SKIP = 8,  /* an import was refused; what the client had already sent of it is skipped */
	RUNTIME_ON = 1,
	JOB_ON = 1,
	JOB_OVER = 2, /* the report came; only the end of the process may follow */
};

struct out; /* a queued frame */

struct conn {
	struct conn *next;
	struct keepd *k;
	enum conn_kind kind;
	int fd;
	u32 state; /* enum conn_state */
	u64 seen;
	struct ipc_peer peer;
	struct out *first, *last;
	u32 n_out, n_held,
		n_released;    /* queued; of these, from the front, with the last commit; behind its sync */
	u32 n_ends, held_ends; /* ENDs among what this turn queued; among what is held */
	u32 due;	       /* ENDs that the last commit let go, and no frame has come since */
	bool stuck;	       /* the kernel has no room for more descriptors in flight: try again soon */
	bool dead;	       /* to be reaped in this turn */
	char why[128];

	/* clients */
	u64 cmd_id;	       /* id of the frame whose END is due */
	u64 last_id;	       /* id of the last frame */
	struct import *import; /* collecting or waiting */
	struct grant *grant;   /* waiting for it to load */
	bool wants_draft;      /* and then for a draft model, which has this digest */
	u8 draft[MODEL_DIGEST_BYTES];
	u64 plan; /* waiting for the answer to this question; 0: none */
	struct audit_check *check;
	struct audit_search *search;
	struct proto_principal who; /* for whom it asks, as it has proven (principal.h); no name: itself */
	u32 group_roles;	    /* enum role: of the groups that it came with */
	u32 role;		    /* under which its command is allowed */
	bool denied;		    /* a denial of its was recorded */
	struct conn_sign {
		bool given; /* for the command with this id */
		bool holds; /* the command that runs was signed */
		u64 id;
		u8 signature[64], file[SHA256_BYTES], digest[SHA256_BYTES];
	} sign;
	/* jobs */
	struct job *job;
};

enum grant_state {
	GRANT_QUEUED /* waits for others to unload */,
	GRANT_LOADING,
	GRANT_READY,
	GRANT_UNLOADING
};

struct grant {
	struct grant *next;
	u64 id; /* index of its intent record */
	u8 model[MODEL_DIGEST_BYTES];
	char name[NAME_LEN_MAX + 8];
	u32 want_kv, want_ctx;
	bool drafts;	      /* it serves no session, and guesses what another says: */
	struct grant *target; /* that one; NULL: it is gone */
	enum grant_state state;
	bool retried; /* idle grants were unloaded for it once */
	struct audit_actor actor;
	struct proto_ready ready;
	int layout; /* sealed memory file */
	u64 layout_len;
	u32 n_sessions;
	u64 drafted, accepted;		   /* as of its outcomes */
	u64 model_drafted, model_accepted; /* of these, a draft model's */
};

struct session {
	struct session *next;
	u64 id; /* index of its record */
	struct grant *grant;
	struct conn *client; /* NULL: ended */
	int sock;	     /* duplicate of the client's end, for shutdown */
	u64 last_request;
	u32 n_open;
	struct audit_actor actor;
	struct proto_principal who; /* for whom the client asked, as it had proven; no name: itself */
	u64 quotas;		    /* record that set those under which it was opened */
	struct meter *meter;	    /* what it uses; NULL: nothing counts it yet */
	struct proto_busy busy;	    /* as the runtime last said */
	u64 busy_ns;		    /* when */
	f64 read_s, written_s;	    /* tokens a second between its last two words */
};

/* Whose words a request and its answer are (content.h). */
struct exchange {
	u32 texts;		 /* enum texts_mode */
	struct subject *subject; /* NULL with digests; stays while the request runs */
	u64 intent;		 /* index of the request's record */
};

struct ticket {
	struct ticket *next;
	struct session *session;
	u64 request, intent, replay_of;
	u8 digest[SHA256_BYTES];
	struct exchange exchange;
	struct quota_charge charge;
	bool keeps, answered; /* its answer is to be kept; it has come */
	struct fd_map answer;
};

enum effect_kind {
	EFFECT_SHUTDOWN,
	EFFECT_PUBLISH,
	EFFECT_WITHDRAW,
	EFFECT_IMPORT,
	EFFECT_KEY,
	EFFECT_ERASE,
	EFFECT_PRUNE,
};

/* What a verdict was judged at: an input of the job, and of its record. */
struct judged {
	u64 at_s;
	bool by_wall; /* the wall clock was the later; else the floor */
};
struct effect {
	struct effect *next;
	enum effect_kind kind;
	int fd;
	u8 model[MODEL_DIGEST_BYTES];
};

/* A checkpoint of ours that came back from witnesses. */
struct witnessed {
	char *note; /* with our signature and theirs; NULL: none */
	size_t len;
	u64 size;
	struct merkle_hash root;
	u32 n;	     /* witnesses of the policy that cosigned it */
	u64 time;    /* of the oldest of these cosignatures, seconds */
	bool quorum; /* the policy is content */
};
struct witness_state {
	struct tlog_policy *policy; /* NULL: none is installed */
	char *text;		    /* of the policy */
	size_t text_len;
	struct witnessed newest;  /* with its quorum */
	struct witnessed pending; /* newer than that, still without */
};

/* How commits are spaced (loop.c). */
struct pace {
	u64 sync_ns;	 /* what a commit takes: the mean of the last few */
	u64 patience_ns; /* how long a commit waits for those whom the one before has answered */
	u32 due;	 /* how many of them have not come back */
	u64 oldest_ns;	 /* since when a record waits for which nobody waits; 0: none */
	u32 fresh;	 /* requests let through since the last commit: their tickets have not left */
};

struct keepd {
	struct store store;
	struct audit_log *log;
	struct audit_state state;
	struct role_groups groups;
	struct {
		u64 since_ns; /* of this hour */
		u32 n;	      /* of strangers in it */
		u64 left_out; /* not recorded since the last that was */
	} denials;
	struct {
		bool sealed; /* it came as a credential */
		bool has_next;
		struct note_key next; /* a credential, for a rotation */
	} key;
	struct reserve {
		int fd;	    /* -1: none */
		u64 bytes;  /* that it holds */
		u32 level;  /* the mark that the medium has crossed, in percent; 0: none */
		u64 due_ns; /* when the medium is looked at again */
		bool looked;
		struct statvfs seen; /* in this turn, when somebody has asked */
	} reserve;
	struct journal {
		int fd; /* -1: there is none */
		u32 n;
		u64 dropped; /* records of turns that had too many */
		struct journal_entry {
			u64 index;
			u32 event, uid;
		} v[64]; /* of the open transaction */
	} journal;
	struct clock_watch watch;
	int run_dir, listen, signals;
	bool single_user;
	u32 uid;
	u64 started_ns;
	bool stopping;
	u64 stop_at_ns;
	bool sweep; /* something may lie in staging */
	bool was_shut;
	u32 n_clients, n_sessions, n_tickets;
	struct conn *conns, *runtime;
	struct grant *grants;
	struct session *sessions;
	struct ticket *tickets, **tickets_end; /* the oldest first: outcomes come in about that order */
	struct import *import;
	struct witness_state witness;
	struct audit_zones zones;
	struct subjects subjects;
	struct quotas *quotas;
	struct console_login logins[CONSOLE_LOGINS_MAX]; /* index 0: free */
	struct {
		u64 requests, spent;				       /* let through; refused by a quota */
		u64 prompt, cached, generated, prompt_ns, generate_ns; /* of outcomes */
		u64 drafted, accepted, model_drafted, model_accepted, aside;
	} totals; /* since the start, for who watches the machine */
	struct {
		u64 intent;
		char subject[NAME_LEN_MAX + 8]; /* "": none is being erased */
	} erasing;
	struct effect *effects, **effects_end;
	struct pace pace;
	struct syncer *syncer;	    /* NULL: every commit is synced where it is made */
	bool syncing;		    /* what the queues hold waits for it */
	struct audit_check *reread; /* of what was unread at the start; NULL: none, or done */
	u64 reread_due_ns;
};

/* ---- loop.c ---- */

u64 keepd_now_ns(void);
/* Serve until SIGTERM. 0; -errno. */
_must_use_ int keepd_serve(struct keepd *k);
/* Accept who knocks (welcome.c). */
void keepd_welcome(struct keepd *k);
/* Forget every connection, grant, session and ticket, without a record: the process ends. */
void keepd_close_all(struct keepd *k);

/* ---- turn.c ---- */

/* The end of a turn: reap what is dead, commit, do the effects, send. With k->syncing the commit's sync has only begun. */
void keepd_turn_end(struct keepd *k);
/* Wait for the sync that is under way, if one is, and send what it lets go; or shut the gate. */
void keepd_sync_end(struct keepd *k);
/* Do something after the commit of this turn. fd is taken, model is copied; either may be NULL. */
void keepd_effect(struct keepd *k, enum effect_kind kind, int *fd, const u8 *model);
/* Every effect of the turn. When the log has failed, only sockets are still shut: that is never wrong. */
void keepd_effects(struct keepd *k);

/* ---- conn.c ---- */

struct conn *conn_add(struct keepd *k, enum conn_kind kind, int *fd, u32 state);
/* Queue a frame: it leaves after the commit of this turn. fd is taken (NULL: none). */
void conn_send(struct conn *c, u32 type, u64 id, const void *body, u32 len, int *fd);
/* Close the connection at the end of this turn. */
void conn_drop(struct conn *c, const char *fmt, ...) _printf_(2, 3);
/* Send what is released, as far as the socket takes it. */
void conn_flush(struct conn *c);
/* Take back what no commit has let go; a client hears that it is undecided, and why. */
void conn_unsay(struct conn *c, const char *why);
/* Free the dead, and end what hung on them. */
void conn_reap(struct keepd *k);
void conn_free_all(struct keepd *k);

struct audit_actor keepd_self(const struct keepd *k);
struct audit_actor conn_actor(const struct conn *c);

/* ---- client.c ---- */

int client_frame(struct conn *c, struct ipc_frame *f);
void client_closed(struct conn *c);
/* What a command is called in records. */
const char *client_word(u32 type);
/* END for the frame `id`. */
void client_end(struct conn *c, u64 id, u32 status, u64 index, const char *fmt, ...) _printf_(5, 6);
/* The same, of a request that a quota has said something about. */
void client_end_quota(struct conn *c, u64 id, const struct quota_no *no);
/* END of the long command that the client waits for; it may give the next. */
void client_done(struct conn *c, u32 status, u64 index, const char *fmt, ...) _printf_(4, 5);
void client_progress(struct conn *c, u64 done, u64 total, const char *what);
/* DATA with a copy of data. 0; -errno. */
_must_use_ int client_data(struct conn *c, u64 id, const void *data, size_t len);
/* The name and the text that a frame brought. 0; -EPROTO: they are none. */
_must_use_ int client_name(const struct ipc_frame *f, struct proto_name *ret);
/* Refuse a command when the gate is shut or, with need_space, when the disk is down to its reserve: END is sent and true returned. */
bool client_refused(struct conn *c, u64 id, u64 need_space);

/* ---- query.c ---- */

int query_frame(struct conn *c, struct ipc_frame *f);
/* query_gov.c: who may do what, and what waits. */
int query_people(struct conn *c, const struct proto_query *q, u64 id);
/* Questions about the log (query_log.c). */
int query_log(struct conn *c, const struct proto_query *q, u64 id);
/* Send w as DATA, then END. */
int query_answer(struct conn *c, u64 id, struct jsonw *w);
/* One slice of every running check. True: there is more to do. */
bool query_work(struct keepd *k);

/* ---- look.c: reviews ---- */

struct audit_search;
int look_frame(struct conn *c, struct ipc_frame *f);
int review_frame(struct conn *c, struct ipc_frame *f);
int taken_frame(struct conn *c, struct ipc_frame *f);
/* One slice of every running search. True: there is more to do. */
bool look_work(struct keepd *k);
/* Record that the log was read. */
struct look_told {
	const char *what;
	u64 first, count;
	const char *filter; /* NULL: none */
	const u8 *manifest; /* of an excerpt's files, or NULL */
};
void look_record(struct conn *c, const struct look_told *t);

/* ---- job.c: connections to keep-attest ---- */

struct job {
	u32 kind; /* enum job_kind */
	struct conn *client;
	struct import *import;
	struct proto_trust trust; /* trust and key jobs: what is being added */
	u8 *data;		  /* trust and policy jobs: the file */
	size_t len;
	char reason[REASON_LEN_MAX + 1]; /* policy jobs */
	bool reported, has_key;
	struct attest_report report;
	struct proto_key key;
	int result;
	u32 n_signers, n_rules;
	struct proto_signer signers[BUNDLES_MAX];
	struct proto_rule rules[RULES_MAX];
};
/* Connect and queue JOB_BEGIN. fd is taken. 0, *ret; 1 keep-attest does not answer; -errno. */
_must_use_ int job_start(struct keepd *k, const struct proto_job *p, int *fd, struct conn **ret);
int job_frame(struct conn *c, struct ipc_frame *f);
void job_closed(struct conn *c);
/* A report of keepd's own, for what keep-attest could not say. */
struct attest_report job_report(u32 verdict, const char *code, const char *fmt, ...) _printf_(3, 4);

/* ---- start.c, journal.c ---- */

/* The records of a start, behind the check of the log: boot, gap, start, orphans. 0; -errno. */
_must_use_ int start_record(struct keepd *k, const struct audit_check *c);
/* Something is missing or broken, and the gate goes on: say and record it. */
void keepd_fault(struct keepd *k, const char *object, const char *why);
/* Before the sandbox; where nothing listens, nothing is sent. */
void journal_open(struct keepd *k, const char *path);
void journal_watch(struct keepd *k);
/* The records of the transaction, once it is durable; otherwise forget them. */
void journal_send(struct keepd *k, bool durable);

/* ---- rotate.c ---- */

/* Which of the keys that are there is the log's, and which its next: the head says. 0; 1 none, *ret_why says; -errno. */
_must_use_ int rotate_choose(struct keepd *k, const char **ret_why);
/* "earlier":[{"until":record,"vkey":…}…]: the keys that the log had before, each until the commit that holds that record. */
void rotate_list(const struct keepd *k, struct jsonw *w);
/* The rotation is durable: its files too. 0; -errno. */
_must_use_ int rotate_settle(struct keepd *k);

/* ---- reserve.c ---- */

/* Open and, where there is room, allocate the reserve. 0; -errno. */
_must_use_ int reserve_open(struct keepd *k);
/* Bytes that users and operators may still use. */
u64 reserve_room(const struct keepd *k);
/* Is there too little room for `need` bytes of theirs, or (0) for an act of an officer or auditor? True: why says so. */
bool reserve_refused(struct keepd *k, u64 need, char why[REASON_LEN_MAX + 1]);
/* Give back what the open transaction may need; may add a record to it. */
void reserve_before_commit(struct keepd *k);
void reserve_watch(struct keepd *k);
void reserve_status(const struct keepd *k, struct jsonw *w);

/* ---- clock_keepd.c ---- */

/* Now, by floor and wall clock. */
struct judged keepd_judged(const struct keepd *k);
/* Advance the floor in the state; signed_s: a time that a verdict proved, or 0. Then the record must carry the state, and
 * keepd_clock_put stores the row behind its audit_log_append. */
void keepd_clock_advance(struct keepd *k, u64 signed_s);
/* The same, and what the clocks say into the record. */
void keepd_clock_fields(struct keepd *k, struct audit_record *rec);
_must_use_ int keepd_clock_put(struct keepd *k);
/* Look at the clocks; record what is new. */
void keepd_clock_look(struct keepd *k);

/* ---- policy.c ---- */

int policy_set_frame(struct conn *c, struct ipc_frame *f);
int explain_frame(struct conn *c, struct ipc_frame *f);
void policy_job_done(struct keepd *k, struct job *j);
void explain_job_done(struct keepd *k, struct job *j);
/* What a verdict rests on, to a client. */
void policy_send_grounds(struct conn *c, u64 id, const struct job *j);

/* ---- trust.c, import.c, admit.c ---- */

/* How much of the trust store a job that judges gets, into p; then send it, and the policy. 0; -errno. */
void trust_count(const struct keepd *k, struct proto_job *p);
_must_use_ int trust_send(struct keepd *k, struct conn *job);
_must_use_ int policy_send(struct keepd *k, struct conn *job);
/* Read a file that a client passed, whole, at most max bytes. 0, *ret to be freed; 1 END was sent. */
_must_use_ int trust_read_file(
	struct conn *c, u64 id, struct ipc_frame *f, const char *what, u64 max, u8 **ret, size_t *ret_len);

int trust_add_frame(struct conn *c, struct ipc_frame *f);
void trust_job_done(struct keepd *k, struct job *j);
int import_frame(struct conn *c, struct ipc_frame *f);
int import_file_frame(struct conn *c, struct ipc_frame *f);
int import_bundle_frame(struct conn *c, struct ipc_frame *f);
int import_go_frame(struct conn *c, struct ipc_frame *f);
/* Refuse an import whose client went silent before GO. */
void import_watch(struct keepd *k);
void import_start(struct keepd *k); /* after the intent's commit */
void import_job_done(struct keepd *k, struct job *j);
void import_cancel(struct import *im, const char *why, bool record);

/* ---- model.c: revoke, remove, quarantine ---- */

int revoke_frame(struct conn *c, struct ipc_frame *f);
int remove_frame(struct conn *c, struct ipc_frame *f);
int export_frame(struct conn *c, struct ipc_frame *f);
int stop_frame(struct conn *c, struct ipc_frame *f);
/* Record the quarantine of a model whose stored bytes are not those of its acceptance. */
struct quarantine {
	const u8 *model;
	const char *why, *path;
	u32 file;
	u64 offset;
};
void model_quarantine(struct keepd *k, const struct quarantine *q);
/* Finish what a crash interrupted: publish what was accepted, withdraw what was removed. 0; -errno. */
_must_use_ int model_recover(struct keepd *k);

/* ---- witness.c ---- */

int witnesses_frame(struct conn *c, struct ipc_frame *f);
int cosign_frame(struct conn *c, struct ipc_frame *f);
/* What the log holds of witnesses, after its check. 0; -errno. */
_must_use_ int witness_load(struct keepd *k, const struct audit_check *c);
void witness_free(struct keepd *k);
void witness_status(const struct keepd *k, struct jsonw *w);
/* The checkpoint that record `index` brought home. 0, *ret->note to be freed; 1 there is none; -errno. */
_must_use_ int witness_cosigned(struct keepd *k, u64 index, struct witnessed *ret);
/* Texts that leave, to be freed. */
struct witness_out {
	char *text;
	size_t len;
	u64 size; /* of the checkpoint in it */
	bool witnessed;
};
/* The tlog-proof of a record, under the newest witnessed checkpoint that covers it, or (newest) under the newest. 0; 1 no such record
 * yet; -errno. */
_must_use_ int witness_receipt(struct keepd *k, u64 index, bool newest, struct witness_out *ret);
/* The proof that records from to to - 1 are those of the newest witnessed checkpoint that covers them, else of the newest. 0; 1 no such
 * records yet; -errno. */
_must_use_ int witness_range(struct keepd *k, u64 from, u64 to, bool newest, struct witness_out *ret);
/* The newest checkpoint as a request to a witness that has seen `old` records. 0; 1 the log has fewer; -errno. */
_must_use_ int witness_request(struct keepd *k, u64 old, struct witness_out *ret);

/* ---- grant.c, gate.c, ticket.c: grants, sessions, tickets ---- */

int session_frame(struct conn *c, struct ipc_frame *f);
/* What a session would take: the runtime is asked, nothing is loaded and nothing recorded. */
int plan_frame(struct conn *c, struct ipc_frame *f);
/* The runtime's answer, and that there will be none. 0; -EPROTO: nobody asked, or it is malformed. */
int gate_planned(struct keepd *k, u64 id, const struct proto_plan *p);
void gate_plans_lost(struct keepd *k, const char *why);
int begin_frame(struct conn *c, struct ipc_frame *f);
/* The client is gone: its sessions end. */
void gate_client_gone(struct conn *c);
/* No stream of this model may go on: shut the sessions, unload the grants. Returns the number of sessions. */
u32 gate_stop_model(struct keepd *k, const u8 *model, const char *why);
u32 gate_sessions_of(const struct keepd *k, const u8 *model);
/* Orderly end: every session ends, every grant is unloaded. */
void gate_stop(struct keepd *k);
/* What still has no outcome when keepd stops. */
void gate_abandon(struct keepd *k);
/* Without records: the log has failed. */
void gate_shut(struct keepd *k);

/* ---- runtime.c: the gate socket ---- */

int runtime_frame(struct conn *c, struct ipc_frame *f);
void runtime_closed(struct conn *c);

/* ---- busy.c: what is under way, for who watches ---- */

/* What the runtime says of a session. 0; -EPROTO: more run than are open. */
int busy_said(struct keepd *k, u64 session, const struct proto_busy *p);
struct busy {
	u32 open, running; /* requests */
	f64 read_s, written_s;
};
/* What is known of s now, added. */
void busy_add(const struct session *s, struct busy *sum);
/* "requests_running", "requests_waiting", "prompt_tokens_s", "generated_tokens_s". */
void busy_put(const struct busy *b, struct jsonw *w);

/* shared by grant.c, gate.c and runtime.c */
void gate_session_end(struct session *s, const char *why);
void gate_session_free(struct keepd *k, struct session *s);
void gate_grant_free(struct keepd *k, struct grant *g);
struct grant *gate_grant_by_id(struct keepd *k, u64 id);
/* One of that model that serves such a wish, or will; NULL: there is none. */
struct grant *gate_grant_for(struct keepd *k, const u8 *model, const struct proto_session_want *want);
/* One that is not made yet, for that client; NULL: out of memory. */
struct grant *gate_grant_new(
	struct conn *c, const struct model_row *m, const struct proto_session_want *want);
/* The grant that guesses for g, or will; NULL: none does. */
struct grant *gate_draft_of(const struct keepd *k, const struct grant *g);
/* The client waits for a draft model of g; it gets its session, or its END, when that is decided. */
void gate_draft_for(struct conn *c, struct grant *g, const struct model_row *m);
/* The model that the client wants and may have, or NULL after END. */
const struct model_row *gate_usable(struct conn *c, u64 id, const char *name);
/* There is a connection to the runtime. 0; 1 nobody listens; -errno. */
_must_use_ int gate_runtime(struct keepd *k);
/* The runtime is to let go of it; a load that is under way has failed for that reason. */
void gate_unload(struct keepd *k, struct grant *g, const char *reason, const char *text);
void gate_load(struct grant *g, struct keepd *k);
void gate_loaded(struct keepd *k, struct grant *g);
void gate_load_over(struct keepd *k, struct grant *g, u32 status, const char *fmt, ...) _printf_(4, 5);
void gate_ticket_free(struct keepd *k, struct ticket *t);
const char *gate_kv_name(u32 kv_mode);
