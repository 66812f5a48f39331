/* One session: a socket to a runtime that the gate made, and the requests that go over it. Every request is sealed, shown to keepd
 * (BEGIN), recorded, and only then sent to the runtime. */
#pragma once

#include "base/layout.h"
#include "base/request.h"
#include "cli/ctl.h"

struct session {
	struct ctl *ctl; /* borrowed */
	int sock;
	struct proto_session_open open;
	struct fd_map map; /* the layout's bytes */
	struct layout layout;
	u64 last_id;
	bool over; /* the gate ended it, or the runtime is gone: it was said, and nothing more can be asked */
};
#define SESSION_NONE       \
	{                  \
		.sock = -1 \
	}
void session_fini(struct session *s);
#define _cleanup_session_ _cleanup_(session_fini)

struct session_want {
	const char *model; /* name, or first digits of the digest */
	u32 kv_mode;	   /* enum kv_mode */
	u32 ctx_tokens;	   /* 0: the default */
	const char *draft; /* of a model that guesses for it, likewise; NULL: whichever does, if any */
};
/* Grant, load if need be, connect. 0; otherwise an exit status, said. */
_must_use_ int session_open(struct ctl *k, const struct session_want *w, struct session *ret);

struct session_request {
	const void *data; /* a request blob (base/request.h) */
	size_t len;
	u64 replay_of;						    /* or REPLAY_NONE */
	void (*on_tokens)(void *ctx, const struct proto_tokens *t); /* may be NULL */
	void *ctx;
};
struct session_result {
	u64 index;   /* of the intent record */
	u32 retry_s; /* where a quota left it too little: in so many seconds there is more */
	struct proto_outcome outcome;
	struct fd_map data; /* logits or ids; empty for the other kinds */
	bool done;
};
#define SESSION_RESULT_NONE \
	{                   \
		.index = 0  \
	}
void session_result_fini(struct session_result *r);
#define _cleanup_result_ _cleanup_(session_result_fini)

/* Run one request to its end. Ctrl-C cancels it (the answer so far stands); a second one ends the program.
 * 0 it finished, or was cancelled (see outcome.finish); otherwise an exit status, said. */
_must_use_ int session_run(struct session *s, const struct session_request *q, struct session_result *ret);

/* Open a session for this one request, and run it to its end; cancelled, it counts as refused. */
_must_use_ int session_once(struct ctl *k, const struct session_want *w, const struct session_request *q,
	struct session *ret_session, struct session_result *ret);

/* session_run for n requests at once over one session, results in their order; every one of them must finish well. */
_must_use_ int session_run_all(
	struct session *s, const struct session_request *q, size_t n, struct session_result *ret);

/* A special token's text, "" where the model has none. Borrowed from the layout, *ret_len bytes. */
const char *session_token_text(const struct session *s, u32 id, size_t *ret_len);
const char *session_finish_name(u32 finish);
const char *session_kv_name(u32 kv_mode);
/* "f32", "f16", "int8"; NULL is the default. 0; 1 another word. */
_must_use_ int session_kv_parse(const char *word, u32 *ret);
