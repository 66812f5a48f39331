/* The door: one connection to keepd, on which every request is asked who its client is. Questions are answered in their order; a gate that
 * hangs up fails those that wait, and the next question connects again. */
#pragma once

#include "gateway/who.h"

struct door;
struct door_params {
	struct event_base *base;
	int run_dir; /* with keepd's ctl.sock; borrowed */
};
/* 0; -ENOMEM. */
_must_use_ int door_create(const struct door_params *p, struct door **ret);
/* Whoever waits is told that nobody answers. */
struct door *door_free(struct door *d);

/* The caller's, from door_ask until told is called or it has left. */
struct door_ask {
	struct door_ask *next;
	u64 id;
	bool sent, has;
	struct proof proof; /* type CTL_QUERY: what vouches for clients */
	u64 known;	    /* of which generation it is known already */
	struct proto_principal is;
	struct fd_map clients; /* told may take it */
	/* status: enum end_status. DONE: a->is holds, or a->clients where it is another generation. UNDECIDED with an index: what vouches for certificates is of that
	 * generation now. Not called before door_ask returns. */
	void (*told)(struct door_ask *a, u32 status, u64 index, const char *why);
};
/* Fields from proof on are the caller's to fill before. */
void door_ask(struct door *d, struct door_ask *a);
/* It is not told any more. */
void door_leave(struct door *d, struct door_ask *a);

/* Show a proof (CTL_PROVE_…) on a connection to keepd; the answer is PRINCIPAL and END, or END alone. As ipc_send. */
_must_use_ int proof_send(int ctl, u64 id, const struct proof *p);
