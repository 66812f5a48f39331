/* A rig for the gate: the real keepd, as a process of its own, between a fake keep-attest, a fake keep-runtime and clients, all played
 * by the test over the real sockets. The fake attest is a child process that answers one job per connection; what it answers is written in the
 * bundle: "reject", "die", "hang", or anything else: accepted; policies and trust roots that begin with "bad" are refused. The model's digest is made from the bundle's bytes. */
#pragma once

#include "appliance/proto.h"
#include "base/ipc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

struct rig {
	char root[128], store[160], run[160];
	const char *keepd;   /* program */
	const char *env;     /* one more variable for keepd, "NAME=value", or NULL */
	const char *etc;     /* group and passwd for a keepd of several users; NULL: it has one */
	const char *journal; /* a socket for it; NULL: none */
	int run_dir, ctl, attest_sock, runtime_sock;
	pid_t pid, attest_pid;
};

/* What is being told, for the message of a wait that ends in nothing; "" at first. */
extern char rig_doing[96];
/* A fresh appliance in a directory of its own (under base, or TMPDIR when base is NULL); keepd is not started. */
void rig_init(struct rig *r, const char *keepd, const char *base);
/* Start keepd. 0 it serves; 1 it ended before it served. */
int rig_start(struct rig *r);
/* Signal it and wait. Returns the wait status. */
int rig_end(struct rig *r, int sig);
/* Wait for its own end, at most ms. True: it has ended. */
bool rig_ended(struct rig *r, u32 ms);
void rig_fini(struct rig *r);

/* The fake keep-attest (rig_attest.c), for rig_init. */
pid_t rig_attest(int listening);

/* ---- frames ---- */

/* Wait for a frame: 0; 1 the peer closed; the test fails when rig_idle says so. */
int rig_recv(int sock, struct ipc_frame *f);
/* One more tenth of a second has passed without one. The test fails after ten seconds in which neither keepd nor who plays its peers ran or
 * waited for a processor, and after two minutes in any case. */
struct rig_idle {
	u64 wanted_ns;
	u32 idle, looks;
};
void rig_idle(struct rig_idle *w);
/* Is there nothing to read for ms? */
bool rig_quiet(int sock, u32 ms);

/* ---- clients ---- */

int rig_client(struct rig *r);
/* As that user, with that group as the last of n (with a keepd that people.c is linked into). */
struct rig_person {
	u32 uid, gid, n_groups;
};
int rig_client_as(struct rig *r, const struct rig_person *p);
struct rig_answer {
	u32 status;
	u64 index;
	char text[REASON_LEN_MAX + 1];
	char *data; /* malloc'ed, 0-terminated; NULL when no DATA came */
	struct attest_report report;
	bool has_report, gone;
	u32 n_rules;
};
/* Read until END for id (closing what descriptors come). */
void rig_answer(int sock, u64 id, struct rig_answer *ret);
void rig_answer_fini(struct rig_answer *a);
/* Ask; data is malloc'ed. */
struct rig_answer rig_query(int sock, u32 what, u64 first, u64 count, const char *name);
struct rig_answer rig_trust(int sock, const struct proto_trust *t, int fd);
struct rig_answer rig_name(int sock, u32 type, const char *name, const char *text, int fd);
struct rig_file {
	const char *path, *text;
};
struct rig_answer rig_import(
	int sock, const char *name, const char *bundle, const struct rig_file *files, u32 n);
/* An officer makes a key of that principal's (where there is none yet), and the gateway's connection proves it. */
void rig_prove(int officer, int gateway, const char *principal);
struct rig_session {
	u64 id, grant;
	int sock;
};
/* Ask for a session; the answer may come later. */
void rig_session_ask(int sock, u64 id, const char *name);
/* 0 *ret; else the END's status, in *a. */
u32 rig_session_take(int sock, u64 id, struct rig_session *ret, struct rig_answer *a);
struct rig_begin {
	u64 session, request, replay_of;
	const char *text; /* the request's bytes: the gate does not read them */
	bool wrong_digest, unsealed;
};
void rig_begin_ask(int sock, const struct rig_begin *b);
struct rig_answer rig_begin(int sock, const struct rig_begin *b);

/* ---- the runtime's side ---- */

int rig_runtime(struct rig *r); /* accept keepd's connection */
struct rig_grant {
	u64 id;
	u32 n_files;
	struct proto_grant g;
};
/* Take GRANT … LOAD. */
struct rig_grant rig_take_grant(int gate);
void rig_ready(int gate, u64 grant);
/* Take the frame of that type (the test fails on another); its descriptor goes to *ret_fd. */
struct ipc_frame rig_take(int gate, u32 type, int *ret_fd);
void rig_outcome(int gate, u64 session, u64 request, const char *text, const char *tokens, u32 finish);

/* Count records that contain all of the given texts (NULL-terminated list). */
u32 rig_count(int sock, ...) __attribute__((sentinel));

/* A model named demo of two files, a trusted key, a session: the usual beginning. */
void rig_demo(struct rig *r, int client, int *ret_gate, struct rig_session *ret);
