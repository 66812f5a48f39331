/* What needs two people. An act is proposed by one, and done when another one approves it, in the transaction of that approval.
 *
 * A proposal is a record (an intent: it is answered once, by approve, reject or expire) and a row of state with the exact act: the command's
 * struct and the digest of its file, which waits in the table of blobs. What the second person approves is named by its index and by the
 * digest of the act, SHA-256("keep act\n" <name> "\n" <struct> <SHA-256 of the file, or 32 zero bytes>), so what was read is what is
 * done. The same uid never approves its own; it may reject it. Proposals survive a restart and expire by the floor clock. Persons with an
 * enrolled key sign both (role.h). In an appliance of one user nothing can be proposed.
 *
 * To add an act: one row in dual.c's table, with a function that does it from the struct; the frame's handler calls dual_propose (always),
 * or asks dual_wanted first (where the policy says which acts need two). */
#pragma once

#include "audit/keepd.h"

#define DUAL_EXPIRE_S (7 * 86400u) /* a proposal that nobody answered for so long is void */

/* An approved act while it is done. */
struct dual_doing {
	const struct dual_row *row; /* the act is row->body */
	const u8 *file;		    /* NULL: none */
	size_t file_len;
	struct audit_actor who; /* the approver, with the proposal */
};

struct dual_act {
	u32 type;	  /* of the frame that asks for it: enum proto_type */
	const char *name; /* in records, listings and the policy's two-persons */
	u32 approvers;	  /* enum role; who may propose stands in client.c */
	u32 policy;	  /* enum two_persons: needs two people where the policy says so; 0: always */
	/* Why it cannot be done (any more), into why; looked at before it is proposed and before it is done. True: refused. */
	bool (*refused)(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
	/* Do it: write the records and the state, queue the effects. 0 done, *ret_index is the act's own record; -errno the log has failed.
	 * Never asks anybody, never waits. */
	int (*run)(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
	bool drops_file; /* the file of a proposal that was rejected is not kept */
	/* What only its struct says, in the words of its record; NULL: its object is all. */
	void (*put)(struct jsonw *w, const struct dual_row *row);
};

struct dual_proposal {
	u32 type;
	const void *body; /* at most DUAL_BODY_BYTES_MAX */
	u32 len;
	const void *file; /* NULL: none */
	size_t file_len;
	const char *object; /* what it is about, for people */
	const char *reason;
};

/* The row of an act, or NULL. */
const struct dual_act *dual_act(u32 type);
/* Does this act need two people now? */
bool dual_wanted(const struct keepd *k, u32 type);
/* Propose, or refuse; END is sent in both cases. */
void dual_propose(struct conn *c, u64 id, const struct dual_proposal *p);

/* For acts that are a struct proto_name: propose what the frame says. */
int dual_name_frame(struct conn *c, struct ipc_frame *f);
/* The same where two people are wanted; else do it now. */
int dual_or_now(struct conn *c, struct ipc_frame *f);
int decide_frame(struct conn *c, struct ipc_frame *f);
/* Proposals whose time is over. */
void dual_watch(struct keepd *k);
/* The proposals that wait, one JSON line each. */
void dual_list(const struct keepd *k, struct jsonw *w);

/* ---- the acts: each where its struct is read ---- */

bool role_add_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int role_add_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
void role_add_put(struct jsonw *w, const struct dual_row *row);
bool role_rm_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int role_rm_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
bool model_lift_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int model_lift_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
bool model_serve_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int model_serve_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
bool export_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int export_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
bool rotate_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int rotate_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
bool trust_add_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int trust_add_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
void trust_add_put(struct jsonw *w, const struct dual_row *row);
bool trust_rm_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int trust_rm_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
bool witnesses_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int witnesses_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
bool access_add_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int access_add_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
void access_add_put(struct jsonw *w, const struct dual_row *row);
bool policy_set_refused(struct keepd *k, const struct dual_row *row, char why[REASON_LEN_MAX + 1]);
int policy_set_run(struct keepd *k, const struct dual_doing *d, u64 *ret_index);
