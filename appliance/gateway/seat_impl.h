/* A seat from inside: what seat.c, which asks and sends, and seat_hear.c, which is answered, share. */
#pragma once

#include "base/fd.h"
#include "gateway/seat.h"

struct seat {
	struct seat *next;
	struct seats *seats;
	struct who who;
	char model[NAME_LEN_MAX + 8];
	int ctl, sock;
	struct event *ctl_ev, *sock_ev, *push, *idle;
	struct ask *asks;
	u64 last_id;
	bool shown, proven, asked, has_rules, wants_session, has_info, open;
	bool stale; /* its rules are not those in force: nobody takes it any more */
	struct rules rules;
	int refused; /* -errno of the connection */
	struct proto_session_open info;
	struct fd_map map;
	struct layout layout;
};

struct seats {
	struct seats_params p;
	struct seat *list;
	u32 n;
};

/* ---- seat.c ---- */

/* The ask of that id; NULL: there is none. */
struct ask *seat_ask_of(const struct seat *t, u64 id);
/* It is over: off the seat. */
void seat_ask_out(struct ask *a);
/* The seat is over, and everybody on it is told. */
void seat_lost(struct seat *t, u32 status, const char *why);
/* Send what is to be sent, and seat whose turn it is, in the loop's next turn. */
void seat_push_soon(struct seat *t);
/* From here on it goes when nobody uses it for a while. */
void seat_idle_arm(struct seat *t);

/* ---- seat_hear.c ---- */

/* keepd has said something. */
void seat_on_ctl(evutil_socket_t fd, short what, void *ctx);
