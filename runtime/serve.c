#define _GNU_SOURCE
#include "runtime/serve.h"
#include "base/daemon.h"
#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROGRESS_NS 50000000ull /* at most twenty frames of progress a second */

/* ---- frames to the gate ---------------------------------------------------------------------------------------------------- */

static void tell(struct server *v, const struct outq_send *f)
{
	bool stuck = v->out.n >= GATE_QUEUE_MAX;
	if (v->gate_gone)
		return;
	if (stuck)
		daemon_say("gate: %u frames wait for it: it is stuck", GATE_QUEUE_MAX);
	if (stuck || outq_put(&v->out, v->gate, f))
		v->gate_gone = true; /* all streams stop at the end of the turn */
}

void serve_tell(struct server *v, u32 type, u64 id, const void *body, u32 len)
{
	tell(v, &(struct outq_send){ .type = type, .id = id, .body = body, .len = len, .fd = -1 });
}

void serve_answer(struct server *v, u64 id, const struct proto_answer *p, int fd)
{
	tell(v, &(struct outq_send){ .type = GATE_ANSWER, .id = id, .body = p, .len = sizeof *p, .fd = fd });
}

void serve_outcome(struct server *v, u64 id, const struct proto_outcome *o)
{
	serve_tell(v, GATE_OUTCOME, id, o, sizeof *o);
}

static void tell_failed(struct server *v, u64 id, const struct proto_load_failed *f)
{
	daemon_say("grant %llu: %s", (unsigned long long)id, f->text);
	serve_tell(v, GATE_LOAD_FAILED, id, f, sizeof *f);
}

/* ---- grants ---------------------------------------------------------------------------------------------------------------- */

static struct grant *grant_find(struct server *v, u64 id)
{
	for (u32 i = 0; i < GRANTS_MAX; i++)
		if (v->grants[i].state != GRANT_FREE && v->grants[i].id == id)
			return &v->grants[i];
	return NULL;
}

/* The one line about a frame that breaks the protocol; a handler that knows better says its own instead. */
static int broken(const struct ipc_frame *f)
{
	daemon_say("gate: frame %#x breaks the protocol", f->h.type);
	return -EPROTO;
}

static int on_grant(void *conn, struct ipc_frame *f)
{
	struct server *v = conn;
	struct grant *g = &v->collecting;
	memcpy(&g->want, f->body, sizeof g->want);
	if (g->want.n_files < 1 || g->want.n_files > MODEL_FILES_MAX || g->want.reserved ||
		grant_find(v, f->h.id)) {
		daemon_say("gate: grant %llu is malformed or not new", (unsigned long long)f->h.id);
		return -EPROTO;
	}
	g->files = malloc(g->want.n_files * sizeof *g->files);
	if (!g->files)
		return err_origin(-ENOMEM);
	g->state = GRANT_COLLECTING;
	g->id = f->h.id;
	g->layout_fd = fd_steal(&f->fd);
	return 0;
}

static int on_segments(void *conn, struct ipc_frame *f)
{
	struct server *v = conn;
	if (f->h.id != v->collecting.id || v->collecting.segments_fd >= 0)
		return broken(f);
	v->collecting.segments_fd = fd_steal(&f->fd);
	return 0;
}

static int on_file(void *conn, struct ipc_frame *f)
{
	struct server *v = conn;
	struct grant *g = &v->collecting;
	struct proto_index p;
	memcpy(&p, f->body, sizeof p);
	if (f->h.id != g->id || p.index != g->n_files || g->n_files == g->want.n_files || p.reserved)
		return broken(f);
	g->files[g->n_files++] = fd_steal(&f->fd);
	return 0;
}

/* -errno of a load becomes what keepd is told. */
static void failed_by_errno(int r, struct proto_load_failed *f)
{
	*f = (struct proto_load_failed){ .file = LAYOUT_NONE };
	f->reason = r == -ENOMEM ? LOAD_MEMORY : r == -EIO ? LOAD_DEVICE : LOAD_IO;
	snprintf(f->text, sizeof f->text, "%s", strerror(-r));
}

/* What guesses for it guesses no more, and it for nobody. */
static void drop(struct server *v, struct grant *g)
{
	for (u32 i = 0; i < GRANTS_MAX; i++)
		if (v->grants[i].target == g)
			grant_detach(&v->grants[i]);
	grant_detach(g);
	grant_fini(g);
}

static void load_failed(struct server *v, struct grant *g, int r, struct proto_load_failed *f)
{
	u64 id = g->id;
	if (r < 0)
		failed_by_errno(r, f);
	drop(v, g);
	tell_failed(v, id, f);
}

/* What the other grants leave of each device. */
static struct grant_params params_of(const struct server *v, const struct grant *g)
{
	struct grant_params p = v->params;
	for (u32 i = 0; i < GRANTS_MAX; i++)
		for (u32 d = 0; d <= p.n_others && &v->grants[i] != g; d++)
			p.taken[d] += grant_bytes(&v->grants[i], d ? p.others[d - 1] : v->d);
	return p;
}

static int on_plan(void *conn, struct ipc_frame *f)
{
	struct server *v = conn;
	struct grant g = { .layout_fd = fd_steal(&f->fd), .segments_fd = -1 };
	struct proto_load_failed failed = { 0 };
	const struct grant_params p = params_of(v, NULL);
	memcpy(&g.want, f->body, sizeof g.want);
	int r = grant_plan(&g, v->d, &p, &failed);
	if (r < 0)
		failed_by_errno(r, &failed);
	if (r)
		memcpy(g.plan.p.text, failed.text, sizeof g.plan.p.text);
	serve_tell(v, GATE_PLANNED, f->h.id, &g.plan.p, sizeof g.plan.p);
	grant_fini(&g);
	return 0;
}

/* The grant that g shall guess for; NULL: there is none. */
static struct grant *target_of(struct server *v, const struct grant *g)
{
	struct grant *t = g->want.drafts_for ? grant_find(v, g->want.drafts_for) : NULL;
	return t && t->state == GRANT_READY && !t->want.drafts_for ? t : NULL;
}

static int on_load(void *conn, struct ipc_frame *f)
{
	struct server *v = conn;
	struct proto_load_failed failed = { 0 };
	struct grant *g = NULL;
	if (f->h.id != v->collecting.id || v->collecting.segments_fd < 0 ||
		v->collecting.n_files != v->collecting.want.n_files)
		return broken(f);
	for (u32 i = 0; i < GRANTS_MAX && !g; i++)
		if (v->grants[i].state == GRANT_FREE)
			g = &v->grants[i];
	if (!g) {
		failed = (struct proto_load_failed){ .reason = LOAD_MEMORY, .file = LAYOUT_NONE };
		snprintf(failed.text, sizeof failed.text, "%u models are loaded already", GRANTS_MAX);
		load_failed(v, &v->collecting, 1, &failed);
		return 0;
	}
	*g = v->collecting;
	v->collecting = (struct grant){ .layout_fd = -1, .segments_fd = -1 };
	g->target = target_of(v, g);
	const struct grant_params p = params_of(v, g);
	int r = grant_load(g, v->d, &p, &failed);
	if (r)
		load_failed(v, g, r, &failed);
	return 0;
}

static void end_sessions_of(struct server *v, const struct grant *g, u32 finish, const char *why)
{
	for (u32 i = v->n_sessions; i-- > 0;)
		if (!g || v->sessions[i]->g == g)
			session_end(v->sessions[i], finish, why);
}

static int on_unload(void *conn, struct ipc_frame *f)
{
	struct server *v = conn;
	struct grant *g = grant_find(v, f->h.id);
	if (v->collecting.state == GRANT_COLLECTING && v->collecting.id == f->h.id)
		grant_fini(&v->collecting);
	if (g) {
		end_sessions_of(v, g, FINISH_REVOKED, "the model was unloaded");
		drop(v, g);
	}
	serve_tell(v, GATE_UNLOADED, f->h.id, NULL, 0);
	return 0;
}

static void ready(struct server *v, struct grant *g)
{
	grant_attach(g);
	serve_tell(v, GATE_READY, g->id, &g->ready, sizeof g->ready);
}

/* Loads under way: progress, and what has ended. */
static void loads_turn(struct server *v, u64 now)
{
	bool due = now >= v->progress_ns + PROGRESS_NS;
	if (due)
		v->progress_ns = now;
	for (u32 i = 0; i < GRANTS_MAX; i++) {
		struct grant *g = &v->grants[i];
		if (g->state != GRANT_LOADING)
			continue;
		bool ended = load_ended(g->load);
		if ((due || ended) && v->out.n == 0) {
			struct proto_progress p = { .done = load_done_bytes(g->load),
				.total = g->segs.h->bytes };
			snprintf(p.what, sizeof p.what, "load");
			serve_tell(v, GATE_LOADING, g->id, &p, sizeof p);
		}
		if (!ended)
			continue;
		struct proto_load_failed failed = { 0 };
		int r = grant_ready(g, &v->params, &failed);
		if (r)
			load_failed(v, g, r, &failed);
		else
			ready(v, g);
	}
}

/* ---- sessions -------------------------------------------------------------------------------------------------------------- */

static int on_session(void *conn, struct ipc_frame *f)
{
	struct server *v = conn;
	struct proto_session p;
	memcpy(&p, f->body, sizeof p);
	if (v->n_sessions == IPC_SESSIONS_MAX || session_find(v, f->h.id)) {
		daemon_say("gate: session %llu is one too many or not new", (unsigned long long)f->h.id);
		return -EPROTO;
	}
	return session_open(v, f->h.id, &p, &f->fd);
}

static int on_ticket(void *conn, struct ipc_frame *f)
{
	struct proto_ticket t;
	memcpy(&t, f->body, sizeof t);
	if (t.keep > 1)
		return broken(f);
	return session_ticket(conn, f->h.id, &t);
}

static int on_session_end(void *conn, struct ipc_frame *f)
{
	struct session *s = session_find(conn, f->h.id);
	if (s)
		session_end(s, FINISH_REVOKED, "the session was ended by the gate");
	return 0;
}

/* ---- the gate -------------------------------------------------------------------------------------------------------------- */

enum { OPEN = 1, GRANTING = 2, ANY = OPEN | GRANTING };

static const struct ipc_rule rules[] = {
	{ GATE_GRANT, OPEN, sizeof(struct proto_grant), true, false, on_grant },
	{ GATE_SEGMENTS, GRANTING, 0, true, false, on_segments },
	{ GATE_FILE, GRANTING, sizeof(struct proto_index), true, false, on_file },
	{ GATE_LOAD, GRANTING, 0, false, false, on_load },
	{ GATE_SESSION, ANY, sizeof(struct proto_session), true, false, on_session },
	{ GATE_TICKET, ANY, sizeof(struct proto_ticket), false, false, on_ticket },
	{ GATE_SESSION_END, ANY, 0, false, false, on_session_end },
	{ GATE_UNLOAD, ANY, 0, false, false, on_unload },
	{ GATE_PLAN, ANY, sizeof(struct proto_grant), true, false, on_plan },
};

static int gate_read(struct server *v)
{
	for (int i = 0; i < 256; i++) {
		struct ipc_frame f;
		int r = ipc_recv(v->gate, &f);
		if (r == 2)
			return 0;
		if (r == 1)
			v->gate_gone = true;
		if (r == -EPROTO)
			daemon_say("gate: broken framing");
		if (r)
			return r == 1 ? 0 : r;
		u32 state = v->collecting.state == GRANT_COLLECTING ? GRANTING : OPEN;
		const struct ipc_rule *rule = ipc_match(rules, ARRAY_LEN(rules), state, &v->seen, &f);
		r = rule ? rule->handler(v, &f) : broken(&f);
		ipc_frame_fini(&f);
		if (r)
			return r;
	}
	return 0;
}

/* ---- turns ------------------------------------------------------------------------------------------------------------------ */

/* Has it something to compute, and in steps of its own? */
static bool computes(const struct grant *g)
{
	return g->state == GRANT_READY && !g->want.drafts_for && !sched_idle(&g->sched);
}

/* How many models have something to compute. */
static u32 computing(const struct server *v)
{
	u32 n = 0;
	for (u32 i = 0; i < GRANTS_MAX; i++)
		n += computes(&v->grants[i]);
	return n;
}

static bool loading(const struct server *v)
{
	for (u32 i = 0; i < GRANTS_MAX; i++)
		if (v->grants[i].state == GRANT_LOADING)
			return true;
	return false;
}

static int wait_ms(struct server *v)
{
	u64 now = clock_ns(), alive = daemon_alive(), next = alive == UINT64_MAX ? alive : now + alive;
	for (u32 i = 0; i < v->n_sessions; i++) {
		session_expire(v->sessions[i], now, &next);
		if (v->sessions[i]->dead)
			return 0;
	}
	if (computing(v))
		return 0;
	if (loading(v))
		next = MIN(next, now + PROGRESS_NS);
	next = MIN(next, busy_due(v, now));
	return next == UINT64_MAX ? -1 : (int)((next - now) / 1000000 + 1);
}

static int wait_turn(struct server *v)
{
	struct pollfd p[2 + IPC_SESSIONS_MAX];
	u32 n = v->n_sessions;
	u64 ignored;
	p[0] = (struct pollfd){ .fd = v->gate, .events = POLLIN | (v->out.n ? POLLOUT : 0) };
	p[1] = (struct pollfd){ .fd = v->wake, .events = POLLIN };
	for (u32 i = 0; i < n; i++)
		p[2 + i] = (struct pollfd){ .fd = v->sessions[i]->sock,
			.events = POLLIN | (v->sessions[i]->out.n ? POLLOUT : 0) };
	if (poll(p, 2 + n, wait_ms(v)) < 0)
		return errno == EINTR ? 0 : err_errno();
	if (p[1].revents)
		(void)!read(v->wake, &ignored, sizeof ignored);
	/* clients first: gate frames may end sessions and so move the table */
	for (u32 i = 0; i < n; i++) {
		struct session *s = v->sessions[i];
		if ((p[2 + i].revents & POLLOUT) && !s->dead)
			session_flush(s);
		if (p[2 + i].revents & ~POLLOUT)
			session_read(s);
	}
	if ((p[0].revents & POLLOUT) && outq_flush(&v->out, v->gate))
		v->gate_gone = true;
	return p[0].revents & ~POLLOUT ? gate_read(v) : 0;
}

static void bury(struct server *v)
{
	for (u32 i = v->n_sessions; i-- > 0;)
		if (v->sessions[i]->dead)
			session_end(v->sessions[i], v->sessions[i]->end, v->sessions[i]->why);
}

static int step_all(struct server *v)
{
	u32 n = computing(v);
	for (u32 i = 0; i < GRANTS_MAX; i++) {
		struct grant *g = &v->grants[i];
		if (!computes(g))
			continue;
		g->sched.others = n > 1;
		int r = sched_step(&g->sched);
		if (r) {
			daemon_say("%s: a step failed: %s", v->info.name, strerror(-r));
			return r;
		}
	}
	return 0;
}

static int turn(struct server *v)
{
	int r = wait_turn(v);
	bury(v);
	if (r || v->gate_gone)
		return r;
	loads_turn(v, clock_ns());
	r = step_all(v);
	if (r)
		end_sessions_of(v, NULL, FINISH_ERROR, "the device failed");
	bury(v);
	busy_turn(v, clock_ns());
	return r;
}

static void server_fini(struct server *v)
{
	end_sessions_of(v, NULL, FINISH_ERROR, "the runtime ends");
	for (u32 i = 0; i < GRANTS_MAX; i++)
		drop(v, &v->grants[i]);
	grant_fini(&v->collecting);
	outq_fini(&v->out);
	fd_close(&v->gate);
	fd_close(&v->wake);
}

/* A polite end is a lost gate: streams stop, memory is overwritten. */
static volatile sig_atomic_t asked_to_end;
static int signal_wake = -1;

static void on_signal(int sig)
{
	u64 one = 1;
	int saved = errno;
	asked_to_end = 1;
	(void)!write(signal_wake, &one, sizeof one);
	errno = saved;
}

static int catch_signals(int wake)
{
	struct sigaction act = { .sa_handler = on_signal };
	signal_wake = wake;
	return sigaction(SIGTERM, &act, NULL) < 0 || sigaction(SIGINT, &act, NULL) < 0 ? err_errno() : 0;
}

int serve_gate(struct rt_device *d, int *gate, const struct grant_params *params)
{
	static struct server v;
	v = (struct server){ .d = d, .info = rt_device_info(d), .params = *params, .wake = -1 };
	v.gate = fd_steal(gate);
	for (u32 i = 0; i < GRANTS_MAX; i++)
		v.grants[i] = (struct grant){ .layout_fd = -1, .segments_fd = -1 };
	v.collecting = (struct grant){ .layout_fd = -1, .segments_fd = -1 };
	v.wake = v.params.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = v.wake < 0 ? err_errno() : 0;
	if (!r && fcntl(v.gate, F_SETFL, O_NONBLOCK) < 0)
		r = err_errno();
	if (!r)
		r = catch_signals(v.wake);
	while (!r && !v.gate_gone && !asked_to_end)
		r = turn(&v);
	server_fini(&v);
	return r;
}
