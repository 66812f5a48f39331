/* Seats: where a principal sits with a model. A seat is one connection to keepd and one session with the runtime; it answers any
 * number of asks at once, and every ask is recorded by keepd before the runtime may see it. It is made by proving who that is, and serves nobody who came otherwise. Nothing blocks: what happens is told
 * to the ask by its functions.
 *
 * A seat learns the rules of its principal when it is made, and is given up when they have changed: an ask that meets that fails with
 * END_AGAIN, and takes another seat.
 *
 * SEAT_REQUESTS of its asks are under way; the others wait here for their turn, in the order in which they came, and are not seated before it: who
 * waits has no prompt yet, no grammar and no descriptor.
 *
 * An ask is told, in this order: seated; after seat_send, recorded and any number of tokens and results; at last done or failed, once, and
 * nothing after it. */
#pragma once

#include "base/layout.h"
#include "base/limits.h"
#include "gateway/rules.h"
#include "base/types.h"
#include "gateway/who.h"
#include "proto.h"

#include <event2/event.h>

#define SEAT_REQUESTS (TICKETS_WAITING_MAX / 2) /* keepd may hear of an end later than we do */

struct seat;
struct ask;

struct ask_fns {
	void (*seated)(struct ask *a); /* the model is there and it is its turn: seat_layout, seat_open, then
					  seat_send or seat_leave, at once */
	void (*recorded)(struct ask *a, u64 index); /* of the intent */
	void (*tokens)(struct ask *a, const struct proto_tokens *t);
	void (*probs)(struct ask *a, const struct proto_probs *p); /* before the tokens with that token */
	void (*result)(
		struct ask *a, const u8 *data, size_t len); /* of requests that have one; until it returns */
	void (*done)(struct ask *a, const struct proto_outcome *o);
	void (*failed)(struct ask *a, u32 status, const char *why); /* enum end_status */
};

enum ask_state { ASK_NEW, ASK_WAITS, ASK_SEATED, ASK_TO_BEGIN, ASK_BEGUN, ASK_TO_REQUEST, ASK_RUNS };
/* The caller's; zero-filled but for fns. */
struct ask {
	const struct ask_fns *fns;
	struct seat *seat;
	struct ask *next;
	enum ask_state state;
	u64 id;
	int blob; /* the sealed request, until the runtime has it; -1 */
	u8 digest[SHA256_BYTES];
	u32 retry_s; /* set before recorded and failed: as in struct proto_end */
	bool cancelled;
	bool was_open; /* set before failed: there was a session, so the model is one that it may use */
};

struct seats;
struct seats_params {
	struct event_base *base;
	int run_dir; /* with keepd's ctl.sock; borrowed */
};
/* 0; -ENOMEM. */
_must_use_ int seats_create(const struct seats_params *p, struct seats **ret);
/* Every ask has failed or is over. */
struct seats *seats_free(struct seats *s);
u32 seats_count(const struct seats *s);

/* Take a seat, which is made where there is none. Where none can be made, failed is told before this returns. */
void seat_take(struct seats *s, struct ask *a, const struct who *who, const char *model);
const struct layout *seat_layout(const struct ask *a);
const struct proto_session_open *seat_open(const struct ask *a);
/* What of the quotas the principal's requests are held to. */
const struct rules *seat_rules(const struct ask *a);
/* A sealed request. fd is taken. */
void seat_send(struct ask *a, int *fd, const u8 digest[SHA256_BYTES]);
/* End it, whatever its state: nothing more is told. What runs is cancelled. */
void seat_leave(struct ask *a);
