/* Seats against a keepd and a runtime that are played here, frame by frame, in one loop. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fd.h"
#include "base/ipc.h"
#include "base/limits.h"
#include "gateway/seat.h"
#include "tests/logits/tiny_model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct event_base *base;
static struct seats *seats;
static char dir[] = "/tmp/keep-seat-XXXXXX";
static int run_dir = -1, listener = -1;
static struct tiny model;

struct told {
	struct ask ask; /* first */
	u32 n_seated, n_recorded, n_tokens, n_probs, n_results, n_done, n_failed, status;
	u64 index;
	char why[64];
};

static void seated(struct ask *a)
{
	((struct told *)a)->n_seated++;
}
static void recorded(struct ask *a, u64 index)
{
	((struct told *)a)->n_recorded++;
	((struct told *)a)->index = index;
}
static void tokens(struct ask *a, const struct proto_tokens *t)
{
	((struct told *)a)->n_tokens += t->n_tokens;
}
static void done(struct ask *a, const struct proto_outcome *o)
{
	((struct told *)a)->n_done++;
}
static void failed(struct ask *a, u32 status, const char *why)
{
	struct told *t = (struct told *)a;
	t->n_failed++;
	t->status = status;
	snprintf(t->why, sizeof t->why, "%s", why);
}
static void result(struct ask *a, const u8 *data, size_t len)
{
	assert_memory_equal(data, "ids", 3);
	((struct told *)a)->n_results += len == 3;
}
static void probs(struct ask *a, const struct proto_probs *p)
{
	((struct told *)a)->n_probs += p->n;
}
static const struct ask_fns fns = { seated, recorded, tokens, probs, result, done, failed };

static void turn(void)
{
	for (u32 i = 0; i < 8; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* ---- the other side -------------------------------------------------------------------------------------------------------- */

struct gate {
	int ctl, sock;
};

static struct gate gate_accept(void)
{
	struct gate g = { accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), -1 };
	assert_true(g.ctl >= 0);
	return g;
}

static void gate_close(struct gate *g)
{
	fd_close(&g->ctl);
	fd_close(&g->sock);
	turn();
}

/* The next frame must be of that type. */
static struct ipc_frame next(int fd, u32 type)
{
	struct ipc_frame f;
	turn();
	assert_int_equal(ipc_recv(fd, &f), 0);
	assert_int_equal(f.h.type, type);
	return f;
}

static void nothing(int fd)
{
	struct ipc_frame f;
	turn();
	assert_int_equal(ipc_recv(fd, &f), 2);
}

static void say_end(int fd, u64 id, u32 status, u64 index, const char *text)
{
	struct proto_end e = { .status = status, .index = index };
	snprintf(e.text, sizeof e.text, "%s", text);
	assert_int_equal(ipc_send(fd, CTL_END, id, &e, sizeof e, -1), 0);
	turn();
}

/* The rules of whoever was proven, which a seat asks for first. */
static void say_rules(struct gate *g, const char *rules)
{
	_cleanup_fd_ int fd = -1;
	struct ipc_frame f = next(g->ctl, CTL_QUERY);
	struct proto_query q;
	struct proto_data d = { .bytes = strlen(rules) };
	memcpy(&q, f.body, sizeof q);
	ipc_frame_fini(&f);
	assert_true(q.what == QUERY_USAGE && q.count == 1);
	assert_int_equal(fd_memfd_sealed("rules", rules, strlen(rules), &fd), 0);
	assert_int_equal(ipc_send(g->ctl, CTL_DATA, 0, &d, sizeof d, fd), 0);
	say_end(g->ctl, 0, END_DONE, UINT64_MAX, "");
}

/* Somebody who came by a key of that name. */
static const struct who *by(const char *name)
{
	static struct who w;
	w = (struct who){ .is = { .how = HOW_KEY, .role = ROLE_USER, .uses = USE_ALL },
		.proof = { .type = CTL_PROVE_KEY, .fd = -1 } };
	snprintf(w.is.name, sizeof w.is.name, "%s", name);
	snprintf(w.proof.key.name, sizeof w.proof.key.name, "%s", name);
	return &w;
}

/* The seat proves who sits there before it asks for a session. */
static void proven(struct gate *g, const char *principal)
{
	struct ipc_frame f = next(g->ctl, CTL_PROVE_KEY);
	struct proto_principal p = { .how = HOW_KEY, .role = ROLE_USER, .uses = USE_ALL };
	assert_string_equal(((struct proto_prove_key *)(void *)f.body)->name, principal);
	snprintf(p.name, sizeof p.name, "%s", principal);
	assert_int_equal(ipc_send(g->ctl, CTL_PRINCIPAL, 0, &p, sizeof p, -1), 0);
	say_end(g->ctl, 0, END_DONE, UINT64_MAX, "");
}

/* What keepd says of a session that it opened. */
static void open_session(struct gate *g, const char *principal)
{
	_cleanup_fd_ int theirs = -1, layout = -1;
	proven(g, principal);
	say_rules(g, "{\"line\":3,\"max_tokens\":9,\"tools\":[\"f\"]}\n");
	struct ipc_frame f = next(g->ctl, CTL_SESSION);
	struct proto_session_want w;
	memcpy(&w, f.body, sizeof w);
	assert_string_equal(w.name, "demo");
	assert_int_equal(ipc_pair(&g->sock, &theirs), 0);
	assert_int_equal(fcntl(g->sock, F_SETFL, O_NONBLOCK), 0);
	struct proto_session_open o = { .session = 7, .ctx_tokens = 64, .name = "demo" };
	struct proto_data d = { .bytes = model.layout_len };
	assert_int_equal(fd_memfd_sealed("layout", model.layout, model.layout_len, &layout), 0);
	struct proto_progress p = { .what = "loading" };
	assert_int_equal(ipc_send(g->ctl, CTL_PROGRESS, 0, &p, sizeof p, -1), 0);
	assert_int_equal(ipc_send(g->ctl, CTL_SESSION_OPEN, 0, &o, sizeof o, theirs), 0);
	assert_int_equal(ipc_send(g->ctl, CTL_DATA, 0, &d, sizeof d, layout), 0);
	say_end(g->ctl, 0, END_DONE, 7, "");
}

static void send_blob(struct told *t, const char *text)
{
	u8 digest[SHA256_BYTES];
	int fd = -1;
	sha256_of(text, strlen(text), digest);
	assert_int_equal(fd_memfd_sealed("request", text, strlen(text), &fd), 0);
	seat_send(&t->ask, &fd, digest);
	assert_int_equal(fd, -1);
}

/* ---- stories --------------------------------------------------------------------------------------------------------------- */

#define TOLD                          \
	{                             \
		.ask = {.fns = &fns } \
	}

static void test_one(void **state)
{
	struct told a = TOLD, b = TOLD;
	seat_take(seats, &a.ask, by("uid:1"), "demo");
	struct gate g = gate_accept();
	open_session(&g, "uid:1");
	assert_int_equal(a.n_seated, 1);
	assert_int_equal(seat_open(&a.ask)->session, 7);
	assert_memory_equal(seat_layout(&a.ask)->h, model.layout, sizeof(struct layout_header));
	seat_take(seats, &b.ask, by("uid:1"), "demo"); /* sits beside, on the same seat */
	turn();
	assert_int_equal(b.n_seated, 1);
	assert_int_equal(seats_count(seats), 1);
	send_blob(&a, "one");
	send_blob(&b, "two");
	struct ipc_frame f = next(g.ctl, CTL_BEGIN), f2 = next(g.ctl, CTL_BEGIN);
	assert_true(f.h.id == 1 && f2.h.id == 2 && f.fd >= 0);
	ipc_frame_fini(&f);
	ipc_frame_fini(&f2);
	nothing(g.sock); /* before its record, the runtime sees nothing */
	say_end(g.ctl, 2, END_DONE, 12, "");
	assert_true(b.n_recorded == 1 && b.index == 12 && a.n_recorded == 0);
	f = next(g.sock, SESSION_REQUEST);
	assert_true(f.h.id == 2 && f.fd >= 0);
	ipc_frame_fini(&f);
	say_end(g.ctl, 1, END_REFUSED, UINT64_MAX, "no more for you");
	assert_true(a.n_failed == 1 && a.status == END_REFUSED && !a.ask.seat);
	assert_string_equal(a.why, "no more for you");
	struct proto_tokens t = { .n_tokens = 2, .text_len = 1 };
	struct proto_outcome o = { .finish = FINISH_STOP };
	assert_int_equal(ipc_send(g.sock, SESSION_TOKENS, 2, &t, sizeof t, -1), 0);
	struct proto_data d = { .bytes = 3 };
	int ids = -1;
	assert_int_equal(fd_memfd_sealed("ids", "ids", 3, &ids), 0);
	assert_int_equal(ipc_send(g.sock, SESSION_RESULT, 2, &d, sizeof d, ids), 0);
	fd_close(&ids);
	assert_int_equal(ipc_send(g.sock, SESSION_DONE, 2, &o, sizeof o, -1), 0);
	turn();
	assert_true(b.n_tokens == 2 && b.n_results == 1 && b.n_done == 1 && b.n_failed == 0 && !b.ask.seat);
	gate_close(&g);
	assert_int_equal(seats_count(seats), 0);
}

/* Principals and models never share a seat. */
static void test_apart(void **state)
{
	struct told a = TOLD, b = TOLD;
	seat_take(seats, &a.ask, by("uid:1"), "demo");
	seat_take(seats, &b.ask, by("uid:2"), "demo");
	struct gate g1 = gate_accept(), g2 = gate_accept();
	open_session(&g1, "uid:1");
	assert_true(a.n_seated == 1 && b.n_seated == 0);
	open_session(&g2, "uid:2");
	assert_int_equal(b.n_seated, 1);
	gate_close(&g1);
	assert_true(a.n_failed == 1 && b.n_failed == 0);
	gate_close(&g2);
	assert_int_equal(b.n_failed, 1);
}

/* Who leaves before the record is forgotten; who leaves behind it is cancelled, and nobody is told any more. */
static void test_leave(void **state)
{
	struct told a = TOLD, b = TOLD;
	seat_take(seats, &a.ask, by("uid:1"), "demo");
	struct gate g = gate_accept();
	open_session(&g, "uid:1");
	seat_leave(&a.ask);
	seat_leave(&a.ask); /* again: nothing */
	a = (struct told)TOLD;
	seat_take(seats, &a.ask, by("uid:1"), "demo");
	seat_take(seats, &b.ask, by("uid:1"), "demo");
	turn();
	send_blob(&a, "one");
	send_blob(&b, "two");
	struct ipc_frame f = next(g.ctl, CTL_BEGIN), f2 = next(g.ctl, CTL_BEGIN);
	ipc_frame_fini(&f);
	ipc_frame_fini(&f2);
	seat_leave(&a.ask); /* begun: its request follows, and its end */
	say_end(g.ctl, 1, END_DONE, 11, "");
	f = next(g.sock, SESSION_REQUEST);
	ipc_frame_fini(&f);
	f = next(g.sock, SESSION_CANCEL);
	assert_int_equal(f.h.id, 1);
	say_end(g.ctl, 2, END_DONE, 12, "");
	f = next(g.sock, SESSION_REQUEST);
	ipc_frame_fini(&f);
	seat_leave(&b.ask); /* running */
	f = next(g.sock, SESSION_CANCEL);
	assert_int_equal(f.h.id, 2);
	struct proto_outcome o = { .finish = FINISH_CANCELLED };
	for (u64 id = 1; id <= 2; id++)
		assert_int_equal(ipc_send(g.sock, SESSION_DONE, id, &o, sizeof o, -1), 0);
	turn();
	assert_true(a.n_recorded + a.n_done + a.n_failed + b.n_done + b.n_failed == 0);
	gate_close(&g);
}

static void test_refused(void **state)
{
	struct told a = TOLD;
	seat_take(seats, &a.ask, by("uid:1"), "demo");
	struct gate g = gate_accept();
	proven(&g, "uid:1");
	say_rules(&g, "{\"line\":0}\n");
	struct ipc_frame f = next(g.ctl, CTL_SESSION);
	ipc_frame_fini(&f);
	say_end(g.ctl, 0, END_REFUSED, UINT64_MAX, "no model of that name");
	assert_true(a.n_failed == 1 && a.status == END_REFUSED && a.n_seated == 0);
	assert_string_equal(a.why, "no model of that name");
	gate_close(&g);
	/* nobody listens */
	assert_int_equal(unlinkat(run_dir, "ctl.sock", 0), 0);
	a = (struct told)TOLD;
	seat_take(seats, &a.ask, by("uid:1"), "demo");
	turn();
	assert_true(a.n_failed == 1 && a.status == END_UNDECIDED);
	fd_close(&listener);
	assert_int_equal(ipc_listen(run_dir, "ctl.sock", &listener), 0);
}

/* A quota refuses: for how long. The rules change: nobody takes the seat any more, and it goes with the last who has it. */
static void test_rules(void **state)
{
	struct told a = TOLD, b = TOLD;
	seat_take(seats, &a.ask, by("uid:1"), "demo");
	seat_take(seats, &b.ask, by("uid:1"), "demo");
	struct gate g = gate_accept();
	open_session(&g, "uid:1");
	assert_true(seat_rules(&a.ask)->line == 3 && seat_rules(&a.ask)->max_tokens == 9);
	send_blob(&a, "one");
	struct ipc_frame f = next(g.ctl, CTL_BEGIN);
	ipc_frame_fini(&f);
	struct proto_end e = { .status = END_SPENT, .retry_s = 77, .index = UINT64_MAX };
	assert_int_equal(ipc_send(g.ctl, CTL_END, 1, &e, sizeof e, -1), 0);
	turn();
	assert_true(a.n_failed == 1 && a.status == END_SPENT && a.ask.retry_s == 77);
	struct told c = TOLD;
	seat_take(seats, &c.ask, by("uid:1"), "demo");
	turn();
	send_blob(&c, "two");
	f = next(g.ctl, CTL_BEGIN);
	ipc_frame_fini(&f);
	say_end(g.ctl, 2, END_AGAIN, UINT64_MAX, "changed");
	assert_true(c.n_failed == 1 && c.status == END_AGAIN && seats_count(seats) == 1);
	struct told d = TOLD;
	seat_take(seats, &d.ask, by("uid:1"), "demo"); /* another seat */
	assert_int_equal(seats_count(seats), 2);
	struct gate g2 = gate_accept();
	open_session(&g2, "uid:1");
	assert_int_equal(d.n_seated, 1);
	seat_leave(&b.ask); /* the last on the old one */
	turn();
	assert_int_equal(seats_count(seats), 1);
	say_end(g2.ctl, 0, END_AGAIN, 40, "the quotas were changed"); /* before anybody asked */
	struct told late = TOLD;
	seat_take(seats, &late.ask, by("uid:1"), "demo");
	assert_int_equal(seats_count(seats), 2);
	seat_leave(&late.ask);
	seat_leave(&d.ask);
	gate_close(&g);
	gate_close(&g2);
}

/* A gate or runtime that breaks the protocol: the seat is over. */
static void test_broken(void **state)
{
	for (u32 way = 0; way < 7; way++) {
		struct told a = TOLD;
		struct proto_probs p = { .n = way == 5 ? 2 + LOGPROBS_MAX : 2,
			.v[1].len = way == 6 ? sizeof p.text + 1 : 0 };
		struct proto_tokens t = { .n_tokens = way == 2 ? TOKENS_PER_FRAME + 1 : 1 };
		seat_take(seats, &a.ask, by("uid:1"), "demo");
		struct gate g = gate_accept();
		open_session(&g, "uid:1");
		send_blob(&a, "one");
		struct ipc_frame f = next(g.ctl, CTL_BEGIN);
		ipc_frame_fini(&f);
		if (way)
			say_end(g.ctl, 1, END_DONE, 11, "");
		if (way == 3)
			assert_int_equal(ipc_send(g.ctl, CTL_VERDICT, 1, &t, 16, -1), 0);
		else if (way >= 4) /* probabilities that are none: of nobody, too many, text outside */
			assert_int_equal(
				ipc_send(g.sock, SESSION_PROBS, way == 4 ? 9 : 1, &p, sizeof p, -1), 0);
		else /* tokens before the record; of nobody; too many */
			assert_int_equal(
				ipc_send(g.sock, SESSION_TOKENS, way == 1 ? 9 : 1, &t, sizeof t, -1), 0);
		turn();
		if (a.n_failed != 1 || seats_count(seats))
			fail_msg("way %u: %u failed, %u seats", way, a.n_failed, seats_count(seats));
		gate_close(&g);
	}
}

/* The next requests that are shown to keepd: as many as that, and no more. */
static void begins(const struct gate *g, u64 first, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		struct ipc_frame f = next(g->ctl, CTL_BEGIN);
		assert_int_equal(f.h.id, first + i);
		ipc_frame_fini(&f);
	}
	nothing(g->ctl);
}

static void sends(struct gate *g, struct told *t, u64 id)
{
	assert_int_equal(t->n_seated, 1);
	send_blob(t, "request");
	begins(g, id, 1);
}

/* Of more requests than a seat has under way the rest wait without being seated, and none is refused: each end lets the next one in. */
static void test_turns(void **state)
{
	static struct told all[SEAT_REQUESTS + 3];
	struct proto_outcome o = { .finish = FINISH_STOP };
	struct gate g;
	for (u32 i = 0; i < ARRAY_LEN(all); i++) {
		all[i] = (struct told)TOLD;
		seat_take(seats, &all[i].ask, by("uid:1"), "demo");
		if (i == 0) {
			g = gate_accept();
			open_session(&g, "uid:1");
		}
		turn();
		assert_int_equal(all[i].n_seated, i < SEAT_REQUESTS);
		if (all[i].n_seated)
			send_blob(&all[i], "request");
	}
	begins(&g, 1, SEAT_REQUESTS);
	say_end(g.ctl, 2, END_REFUSED, UINT64_MAX, "not this one");
	sends(&g, &all[SEAT_REQUESTS], SEAT_REQUESTS + 1);
	say_end(g.ctl, 1, END_DONE, 11, "");
	struct ipc_frame f = next(g.sock, SESSION_REQUEST);
	ipc_frame_fini(&f);
	nothing(g.ctl);
	assert_int_equal(all[SEAT_REQUESTS + 1].n_seated, 0); /* recorded is not over */
	assert_int_equal(ipc_send(g.sock, SESSION_DONE, 1, &o, sizeof o, -1), 0);
	turn();
	sends(&g, &all[SEAT_REQUESTS + 1], SEAT_REQUESTS + 2);
	seat_leave(&all[2].ask); /* shown to keepd: it is under way until it ends */
	seat_leave(&all[ARRAY_LEN(all) - 1].ask);
	nothing(g.ctl);
	say_end(g.ctl, 4, END_REFUSED, UINT64_MAX, "nor this");
	nothing(g.ctl);
	assert_true(all[3].ask.was_open && all[ARRAY_LEN(all) - 1].n_seated == 0);
	assert_true(
		all[0].n_done == 1 && all[1].n_failed == 1 && all[3].n_failed == 1 && all[2].n_failed == 0);
	gate_close(&g);
}

/* One past as many as there may be. */
static void test_limit(void **state)
{
	static struct told all[GATEWAY_SEATS_MAX + 1];
	static struct gate gates[GATEWAY_SEATS_MAX];
	char name[32];
	for (u32 i = 0; i <= GATEWAY_SEATS_MAX; i++) {
		all[i] = (struct told)TOLD;
		snprintf(name, sizeof name, "uid:%u", i);
		seat_take(seats, &all[i].ask, by(name), "demo");
		if (i < GATEWAY_SEATS_MAX)
			gates[i] = gate_accept();
	}
	assert_int_equal(seats_count(seats), GATEWAY_SEATS_MAX);
	assert_int_equal(all[GATEWAY_SEATS_MAX].n_failed, 1);
	for (u32 i = 0; i < GATEWAY_SEATS_MAX; i++)
		gate_close(&gates[i]);
	assert_int_equal(seats_count(seats), 0);
	for (u32 i = 0; i < GATEWAY_SEATS_MAX; i++)
		assert_int_equal(all[i].n_failed, 1);
}

static int setup(void **state)
{
	base = event_base_new();
	tiny_make(&(struct tiny_spec){ .type = TENSOR_Q4_0 }, &model);
	if (!base || !mkdtemp(dir))
		return 1;
	run_dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct seats_params p = { base, run_dir };
	return ipc_listen(run_dir, "ctl.sock", &listener) || seats_create(&p, &seats);
}

static int teardown(void **state)
{
	seats_free(seats);
	event_base_free(base);
	tiny_fini(&model);
	unlinkat(run_dir, "ctl.sock", 0);
	fd_close(&listener);
	fd_close(&run_dir);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_one), cmocka_unit_test(test_apart),
		cmocka_unit_test(test_leave), cmocka_unit_test(test_refused), cmocka_unit_test(test_rules),
		cmocka_unit_test(test_broken), cmocka_unit_test(test_turns), cmocka_unit_test(test_limit) };
	return cmocka_run_group_tests(tests, setup, teardown);
}
