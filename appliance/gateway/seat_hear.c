/* What a seat hears, of keepd and of the runtime: a frame that breaks the protocol ends the seat. */
#include "gateway/seat_impl.h"
#include "base/bytes.h"
#include "base/ipc.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* ---- what keepd says ------------------------------------------------------------------------------------------------------- */

static void on_sock(evutil_socket_t fd, short what, void *ctx);

/* The session is there. 0; 1 what came is not one. */
static int opened(struct seat *t)
{
	const char *why;
	if (!t->has_info || !t->map.data || layout_open(t->map.data, t->map.len, NULL, &t->layout, &why))
		return 1;
	if (fcntl(t->sock, F_SETFL, O_NONBLOCK) < 0)
		return 1;
	t->sock_ev = event_new(t->seats->p.base, t->sock, EV_READ | EV_PERSIST, on_sock, t);
	if (!t->sock_ev || event_add(t->sock_ev, NULL))
		return 1;
	t->open = true;
	seat_push_soon(t);
	return 0;
}

/* 0; 1 the seat is gone. */
static int on_end(struct seat *t, const struct ipc_frame *f)
{
	struct proto_end e;
	memcpy(&e, f->body, sizeof e);
	if (!bytes_str_ok(e.text, sizeof e.text))
		e.text[0] = 0;
	if (!t->proven && e.status == END_DONE && !t->has_info) {
		t->proven = true;
		return 0;
	}
	if (!t->has_rules && e.status == END_DONE && t->map.data &&
		!rules_read(t->map.data, t->map.len, &t->rules)) {
		t->has_rules = t->wants_session = true;
		fd_unmap(&t->map);
		seat_push_soon(t);
		return 0;
	}
	if (!t->open && e.status == END_DONE && !opened(t))
		return 0;
	if (!t->open) {
		seat_lost(t, e.status ? e.status : END_UNDECIDED, e.text[0] ? e.text : "no session came");
		return 1;
	}
	struct ask *a = seat_ask_of(t, f->h.id);
	if (!f->h.id && e.status == END_AGAIN) { /* of its own accord: the rules were changed */
		t->stale = true;
		seat_idle_arm(t);
	}
	if (!a || a->state != ASK_BEGUN)
		return 0;
	a->retry_s = e.retry_s;
	if (e.status == END_AGAIN)
		t->stale = true;
	if (e.status != END_DONE) {
		seat_ask_out(a);
		a->was_open = true;
		a->fns->failed(a, e.status, e.text[0] ? e.text : "the gate refused the request");
	} else {
		a->state = ASK_TO_REQUEST;
		a->fns->recorded(a, e.index);
	}
	seat_push_soon(t);
	return 0;
}

/* 0; 1 the seat is gone; -EPROTO. */
static int ctl_take(struct seat *t, struct ipc_frame *f)
{
	static const struct ipc_rule rules[] = {
		{ .type = CTL_PRINCIPAL, .state = 1, .len = sizeof(struct proto_principal) },
		{ .type = CTL_PROGRESS, .state = 1, .len = sizeof(struct proto_progress) },
		{ .type = CTL_DATA, .state = 1, .len = sizeof(struct proto_data), .wants_fd = true },
		{ .type = CTL_SESSION_OPEN,
			.state = 1,
			.len = sizeof(struct proto_session_open),
			.wants_fd = true },
		{ .type = CTL_END, .state = 3, .len = sizeof(struct proto_end) },
	};
	u64 seen = 0;
	if (!ipc_match(rules, ARRAY_LEN(rules), t->open ? 2 : 1, &seen, f))
		return -EPROTO;
	if (f->h.type == CTL_END)
		return on_end(t, f);
	if (f->h.type == CTL_DATA) {
		fd_unmap(&t->map);
		return fd_map_sealed(f->fd, SIZE_MAX, &t->map) ? -EPROTO : 0;
	}
	if (f->h.type == CTL_SESSION_OPEN) {
		memcpy(&t->info, f->body, sizeof t->info);
		fd_close(&t->sock);
		t->sock = fd_steal(&f->fd);
		t->has_info = bytes_str_ok(t->info.name, sizeof t->info.name);
	}
	return 0;
}

/* ---- what the runtime says ------------------------------------------------------------------------------------------------- */

/* Texts lie one behind the other, inside. */
static bool probs_ok(const struct proto_probs *p)
{
	size_t left = sizeof p->text;
	if (!p->n || p->n > ARRAY_LEN(p->v))
		return false;
	for (u32 i = 0; i < p->n; i++) {
		u32 len = p->v[i].len == PROB_NO_TEXT ? 0 : p->v[i].len;
		if (len > left)
			return false;
		left -= len;
	}
	return true;
}

static int sock_take(struct seat *t, struct ipc_frame *f)
{
	static const struct ipc_rule rules[] = {
		{ .type = SESSION_TOKENS, .state = 1, .len = sizeof(struct proto_tokens) },
		{ .type = SESSION_PROBS, .state = 1, .len = sizeof(struct proto_probs) },
		{ .type = SESSION_RESULT, .state = 1, .len = sizeof(struct proto_data), .wants_fd = true },
		{ .type = SESSION_DONE, .state = 1, .len = sizeof(struct proto_outcome) },
	};
	u64 seen = 0;
	struct ask *a = seat_ask_of(t, f->h.id);
	if (!ipc_match(rules, ARRAY_LEN(rules), 1, &seen, f) || !a || a->state != ASK_RUNS)
		return -EPROTO;
	if (f->h.type == SESSION_TOKENS) {
		const struct proto_tokens *p = (const void *)f->body;
		if (p->n_tokens > TOKENS_PER_FRAME || p->text_len > sizeof p->text)
			return -EPROTO;
		a->fns->tokens(a, p);
		return 0;
	}
	if (f->h.type == SESSION_PROBS) {
		const struct proto_probs *p = (const void *)f->body;
		if (!probs_ok(p))
			return -EPROTO;
		a->fns->probs(a, p);
		return 0;
	}
	if (f->h.type == SESSION_RESULT) {
		_cleanup_map_ struct fd_map map = { 0 };
		if (fd_map_sealed(f->fd, SIZE_MAX, &map))
			return -EPROTO;
		a->fns->result(a, map.data, map.len);
		return 0;
	}
	struct proto_outcome o;
	memcpy(&o, f->body, sizeof o);
	if (!bytes_str_ok(o.why, sizeof o.why) || !bytes_str_ok(o.device, sizeof o.device))
		return -EPROTO;
	seat_ask_out(a);
	seat_push_soon(t); /* the next one's turn */
	a->fns->done(a, &o);
	return 0;
}

/* Frames that are there, but not so many that others wait. */
static void take_all(struct seat *t, int (*take)(struct seat *t, struct ipc_frame *f), bool session)
{
	for (u32 i = 0; i < GATEWAY_FRAMES_A_TURN; i++) {
		struct ipc_frame f;
		int r = ipc_recv(session ? t->sock : t->ctl, &f);
		if (r == 2)
			return;
		bool closed = r == 1;
		if (r == 0)
			r = take(t, &f);
		ipc_frame_fini(&f);
		if (r == 1 && !closed)
			return;
		if (r) {
			seat_lost(t, closed && session ? END_REFUSED : END_UNDECIDED,
				session ? "the gate ended the session" : "the gate is gone");
			return;
		}
	}
}

void seat_on_ctl(evutil_socket_t fd, short what, void *ctx)
{
	take_all(ctx, ctl_take, false);
}

static void on_sock(evutil_socket_t fd, short what, void *ctx)
{
	take_all(ctx, sock_take, true);
}
