/* The runtime's connections: one gate, and the sessions that it made. One thread polls between steps, so whatever the gate says takes
 * effect before the next step begins. */
#pragma once

#include "base/fd.h"
#include "runtime/answer.h"
#include "runtime/grant.h"
#include "runtime/outq.h"

struct server;

/* A request or its ticket, until both are there; then the answer. */
struct req {
	struct answer a; /* first: answers know only this */
	struct session *s;
	struct req *prev, *next;
	u64 id, index, deadline_ns;
	bool ticketed, asked, begun;
	int fd; /* the sealed request, until it begins */
	u8 digest[SHA256_BYTES];
	struct proto_tokens joined; /* said while frames wait for the client, who does not know of them yet */
	bool whole;		    /* nothing is joined to them any more */
};

struct session {
	struct server *server;
	struct grant *g;
	u64 id, principal;
	int sock;
	u64 seen; /* for the table of frames */
	u64 last_ticket, last_request;
	struct req *head, *tail;
	u32 n_waiting;
	struct outq out;
	u64 read, written; /* tokens of requests that are over */
	struct proto_busy told;
	bool dead; /* nothing more is sent or read; it goes at the end of the turn */
	u32 end;   /* enum finish that its requests get then */
	const char *why;
};

struct server {
	struct rt_device *d;
	struct rt_device_info info;
	struct grant_params params;
	int gate, wake;
	u64 seen;
	struct outq out;
	struct grant grants[GRANTS_MAX];
	struct grant collecting; /* between GRANT and LOAD */
	struct session *sessions[IPC_SESSIONS_MAX];
	u32 n_sessions, n_requests;
	u64 progress_ns, busy_ns; /* when the gate was last told */
	bool gate_gone;
};

/* Serve one gate connection (taken) until it closes or SIGTERM comes. params.wake is set here.
 * 0 so it ended; all memory has been overwritten and freed; <0 the gate broke the protocol or the device failed (one line was said). */
_must_use_ int serve_gate(struct rt_device *d, int *gate, const struct grant_params *params);

/* ---- between serve.c and session.c ---- */

/* Takes sock. 0; -ENOMEM */
_must_use_ int session_open(struct server *v, u64 id, const struct proto_session *p, int *sock);
struct session *session_find(struct server *v, u64 id);
/* Its requests end with that outcome, now; nothing more is sent on its socket. Frees it. */
void session_end(struct session *s, u32 finish, const char *why);
/* Mark it: session_end is called at the end of the turn. */
void session_kill(struct session *s, u32 finish, const char *why);
/* Read what the client sent. */
void session_read(struct session *s);
/* Send it what waits. */
void session_flush(struct session *s);
/* A ticket from the gate. 0; -EPROTO: ids of tickets do not increase. */
_must_use_ int session_ticket(struct server *v, u64 id, const struct proto_ticket *t);
/* Refuse requests and tickets that have waited too long; *next_ns: when the next one will have (UINT64_MAX: none waits). */
void session_expire(struct session *s, u64 now_ns, u64 *next_ns);

/* ---- busy.c: what the gate is told of work under way ---- */

/* A request goes: its tokens stay with its session. */
void busy_add(struct req *q);
/* Tell what has changed, where it is time. */
void busy_turn(struct server *v, u64 now);
/* When it will be time to tell something; UINT64_MAX: nothing has changed. */
u64 busy_due(const struct server *v, u64 now);

/* One frame to the gate. */
void serve_tell(struct server *v, u32 type, u64 id, const void *body, u32 len);
void serve_answer(struct server *v, u64 id, const struct proto_answer *p, int fd); /* fd is borrowed */
void serve_outcome(struct server *v, u64 id, const struct proto_outcome *o);
