/* The real keep-runtime and its gate: what is computed for whom, tickets and quotas, revocation and unloading, and what a gate may not do.
 * Clients that misbehave are in test_runtime_clients.c, bytes that were changed in test_runtime_gate_load.c. */
#define _GNU_SOURCE
#include "tests/logits/asks.h"
#include "tests/unit/runtime/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* What is streamed is what the outcome says, and what the library computes for the same request. */
static void serves(void **state)
{
	struct runtime rt;
	u64 sid;
	struct sha256 tokens, text;
	u8 digest[SHA256_BYTES];
	start_loaded(&rt);
	int sock = session(&rt, &sid);
	struct sealed s = generation(40);
	for (u64 id = 10; id < 12; id++) { /* the request first, then the ticket first */
		if (id == 10) {
			tell(sock, SESSION_REQUEST, id, NULL, 0, s.fd);
			assert_true(silent(sock));
			ticket(&rt, sid, id, s.digest);
		} else {
			ticket(&rt, sid, id, s.digest);
			assert_true(silent(rt.gate));
			tell(sock, SESSION_REQUEST, id, NULL, 0, s.fd);
		}
		u32 n = 0;
		sha256_init(&tokens);
		sha256_init(&text);
		for (;;) {
			struct ipc_frame f;
			assert_int_equal(ipc_recv(sock, &f), 0);
			assert_int_equal(f.h.id, id);
			if (f.h.type == SESSION_DONE) {
				struct proto_outcome o, g = outcome(&rt, id);
				memcpy(&o, f.body, sizeof o);
				assert_memory_equal(&o, &g, sizeof o);
				assert_int_equal(o.finish, FINISH_LENGTH);
				assert_int_equal(o.n_generated, 40);
				assert_int_equal(o.session, sid);
				assert_memory_equal(o.request, s.digest, sizeof s.digest);
				sha256_final(&tokens, digest);
				assert_memory_equal(o.tokens, digest, sizeof digest);
				sha256_final(&text, digest);
				assert_memory_equal(o.text, digest, sizeof digest);
				break;
			}
			struct proto_tokens t;
			assert_int_equal(f.h.type, SESSION_TOKENS);
			memcpy(&t, f.body, sizeof t);
			sha256_update(&tokens, t.tokens, t.n_tokens * sizeof t.tokens[0]);
			sha256_update(&text, t.text, t.text_len);
			n += t.n_tokens;
		}
		assert_int_equal(n, 40);
	}
	close(s.fd);
	close(sock);
	assert_int_equal(ended(&rt), 0);
}

static void tokenizes_and_scores(void **state)
{
	struct runtime rt;
	u64 sid;
	struct request_header h = { .kind = REQUEST_TOKENIZE };
	start_loaded(&rt);
	int sock = session(&rt, &sid);
	struct sealed s = seal(&h, "abc");
	ticket(&rt, sid, 1, s.digest);
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	struct ipc_frame *f = hear(sock, SESSION_RESULT);
	struct fd_map map;
	assert_int_equal(fd_map_sealed(f->fd, 1 << 20, &map), 0);
	u32 n = (u32)(map.len / sizeof(u32)), first;
	memcpy(&first, map.data, sizeof first);
	assert_int_equal(first, 1); /* BOS */
	fd_unmap(&map);
	struct proto_outcome o = done(sock, 1);
	assert_int_equal(o.n_prompt, n);
	(void)outcome(&rt, 1);
	close(s.fd);

	h.kind = REQUEST_LOGITS;
	s = seal(&h, "abc");
	ticket(&rt, sid, 2, s.digest);
	tell(sock, SESSION_REQUEST, 2, NULL, 0, s.fd);
	f = hear(sock, SESSION_RESULT);
	assert_int_equal(fd_map_sealed(f->fd, 1 << 20, &map), 0);
	assert_int_equal(map.len, (u64)n * 320 * sizeof(f32));
	u8 digest[SHA256_BYTES];
	sha256_of(map.data, map.len, digest);
	fd_unmap(&map);
	o = done(sock, 2);
	assert_memory_equal(o.tokens, digest, sizeof digest);
	close(s.fd);
	close(sock);
	assert_int_equal(ended(&rt), 0);
}

/* A ticket's tokens: what is more than they are now may come again, what is more than they can be shall not. */
static void quotas(void **state)
{
	static const struct {
		u32 max, ever, finish;
		const char *why;
	} rows[] = {
		{ 4, 8, FINISH_REFUSED, " and 8 to generate exceed the 8 tokens that a quota allows" },
		{ 4, 4, FINISH_REFUSED, "exceed the 4 tokens that a quota allows" },
		{ 4, 400, FINISH_SPENT, "exceed the 4 tokens that a quota leaves now" },
		{ 400, 400, FINISH_LENGTH, "" },
	};
	struct runtime rt;
	u64 sid;
	start_loaded(&rt);
	int sock = session(&rt, &sid);
	struct sealed s = generation(8);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct proto_ticket t = {
			.session = sid, .index = i, .tokens_max = rows[i].max, .tokens_ever = rows[i].ever
		};
		memcpy(t.digest, s.digest, sizeof t.digest);
		tell(rt.gate, GATE_TICKET, i + 1, &t, sizeof t, -1);
		tell(sock, SESSION_REQUEST, i + 1, NULL, 0, s.fd);
		struct proto_outcome o = done(sock, i + 1), g = outcome(&rt, i + 1);
		assert_memory_equal(&o, &g, sizeof o);
		assert_int_equal(o.finish, rows[i].finish);
		assert_non_null(strstr(o.why, rows[i].why));
	}
	close(sock);
	close(s.fd);
	assert_int_equal(ended(&rt), 0);
}

/* Another digest, a used ticket, requests out of order: refused, each ticket with one outcome. */
static void refuses(void **state)
{
	struct runtime rt;
	u64 sid;
	u8 wrong[SHA256_BYTES] = { 1 };
	start_loaded(&rt);
	int sock = session(&rt, &sid);
	struct sealed s = generation(3);

	ticket(&rt, sid, 1, wrong);
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	struct proto_outcome o = done(sock, 1);
	assert_int_equal(o.finish, FINISH_REFUSED);
	assert_non_null(strstr(o.why, "digest"));
	o = outcome(&rt, 1);
	assert_int_equal(o.finish, FINISH_REFUSED);

	ticket(&rt, sid, 2, s.digest);
	tell(sock, SESSION_REQUEST, 2, NULL, 0, s.fd);
	assert_int_equal(done(sock, 2).finish, FINISH_LENGTH);
	assert_int_equal(outcome(&rt, 2).finish, FINISH_LENGTH);
	tell(sock, SESSION_REQUEST, 2, NULL, 0, s.fd); /* used */
	assert_int_equal(done(sock, 2).finish, FINISH_REFUSED);
	assert_true(silent(rt.gate));

	ticket(&rt, sid, 5, s.digest);
	ticket(&rt, sid, 6, s.digest);
	assert_true(silent(rt.gate));
	tell(sock, SESSION_REQUEST, 6, NULL, 0, s.fd);
	assert_int_equal(done(sock, 6).finish, FINISH_LENGTH);
	assert_int_equal(outcome(&rt, 6).finish, FINISH_LENGTH);
	tell(sock, SESSION_REQUEST, 5, NULL, 0, s.fd); /* out of order */
	assert_int_equal(done(sock, 5).finish, FINISH_REFUSED);
	assert_int_equal(outcome(&rt, 5).finish, FINISH_REFUSED);

	int pipes[2]; /* not a memory file */
	assert_int_equal(pipe(pipes), 0);
	ticket(&rt, sid, 7, s.digest);
	tell(sock, SESSION_REQUEST, 7, NULL, 0, pipes[0]);
	assert_int_equal(done(sock, 7).finish, FINISH_REFUSED);
	assert_int_equal(outcome(&rt, 7).finish, FINISH_REFUSED);
	close(pipes[0]);
	close(pipes[1]);

	close(s.fd);
	s = generation(1020); /* with the prompt, more than the context */
	ticket(&rt, sid, 8, s.digest);
	tell(sock, SESSION_REQUEST, 8, NULL, 0, s.fd);
	o = done(sock, 8);
	assert_int_equal(o.finish, FINISH_REFUSED);
	assert_non_null(strstr(o.why, "exceed the context of 1024 tokens"));
	assert_int_equal(outcome(&rt, 8).finish, FINISH_REFUSED);

	ticket(&rt, sid + 99, 1, s.digest); /* a session that is no more */
	assert_int_equal(outcome(&rt, 1).finish, FINISH_REFUSED);
	close(s.fd);
	close(sock);
	assert_int_equal(ended(&rt), 0);
}

/* A request without a ticket and a ticket without a request wait the stated time, then are refused. */
static void halves_expire(void **state)
{
	struct runtime rt;
	u64 sid;
	start_loaded(&rt);
	int sock = session(&rt, &sid);
	struct sealed s = generation(3);
	u64 began = clock_ns();
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	ticket(&rt, sid, 2, s.digest);
	struct proto_outcome o = done(sock, 1);
	assert_int_equal(o.finish, FINISH_REFUSED);
	assert_true(clock_ns() - began >= (u64)TICKET_WAIT_MS_MAX * 1000000u);
	assert_non_null(strstr(o.why, "no ticket"));
	o = outcome(&rt, 2);
	assert_int_equal(o.finish, FINISH_REFUSED);
	assert_non_null(strstr(o.why, "never came"));
	close(s.fd);
	close(sock);
	assert_int_equal(ended(&rt), 0);
}

/* The gate ends a session in the middle of an answer: nothing follows. Others go on. */
static void revokes(void **state)
{
	struct runtime rt;
	u64 sid, other_id;
	bool other;
	start_loaded(&rt);
	int sock = session(&rt, &sid), bystander = session(&rt, &other_id);
	struct sealed s = generation(900), t = generation(60);
	ticket(&rt, sid, 1, s.digest);
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	ticket(&rt, other_id, 1, t.digest);
	tell(bystander, SESSION_REQUEST, 1, NULL, 0, t.fd);
	for (int i = 0; i < 5; i++)
		(void)hear(sock, SESSION_TOKENS);
	tell(rt.gate, GATE_SESSION_END, sid, NULL, 0, -1);
	struct proto_outcome o, second;
	struct ipc_frame *f = hear(rt.gate, GATE_OUTCOME);
	memcpy(&o, f->body, sizeof o);
	f = hear(rt.gate, GATE_OUTCOME);
	memcpy(&second, f->body, sizeof second);
	if (o.session != sid) {
		struct proto_outcome swap = o;
		o = second;
		second = swap;
	}
	assert_int_equal(o.finish, FINISH_REVOKED);
	assert_true(o.n_generated >= 5 && o.n_generated < 900);
	assert_true(drain(sock, &other) + 5 <= o.n_generated);
	assert_false(other);
	assert_int_equal(second.finish, FINISH_LENGTH);
	assert_int_equal(done(bystander, 1).finish, FINISH_LENGTH);
	close(s.fd);
	close(t.fd);
	close(sock);
	close(bystander);
	assert_int_equal(ended(&rt), 0);
}

/* What the gate itself may not do ends the process. */
static void gate_rules(void **state)
{
	struct runtime rt;
	u64 sid;
	u8 digest[SHA256_BYTES] = { 0 };
	struct ipc_frame f;
	for (int i = 0; i < 4; i++) {
		start_loaded(&rt);
		int sock = session(&rt, &sid);
		if (i == 0) { /* too short */
			tell(rt.gate, GATE_TICKET, 1, digest, 8, -1);
		} else if (i == 1) { /* unknown */
			tell(rt.gate, 0x999, 1, NULL, 0, -1);
		} else if (i == 2) { /* ids of tickets increase */
			ticket(&rt, sid, 2, digest);
			ticket(&rt, sid, 2, digest);
		} else { /* out of its state */
			tell(rt.gate, GATE_LOAD, GRANT, NULL, 0, -1);
		}
		while (ipc_recv(rt.gate, &f) == 0)
			ipc_frame_fini(&f);
		close(sock);
		assert_int_equal(ended(&rt), 1);
	}
}

static void unloads(void **state)
{
	struct runtime rt;
	u64 sid;
	bool other;
	start_loaded(&rt);
	int sock = session(&rt, &sid);
	struct sealed s = generation(900);
	ticket(&rt, sid, 1, s.digest);
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	(void)hear(sock, SESSION_TOKENS);
	tell(rt.gate, GATE_UNLOAD, GRANT, NULL, 0, -1);
	assert_int_equal(outcome(&rt, 1).finish, FINISH_REVOKED);
	assert_int_equal(hear(rt.gate, GATE_UNLOADED)->h.id, GRANT);
	(void)drain(sock, &other);
	assert_false(other);
	struct proto_grant want = tiny_wants(&tiny, KV_F32, 512); /* and it may come back */
	offer(&rt, &tiny, &want);
	(void)hear(rt.gate, GATE_READY);
	close(s.fd);
	close(sock);
	assert_int_equal(ended(&rt), 0);
}

/* A gate that asks and never reads: what it asked for waits, up to the limit; then the runtime gives up. */
static void stuck_gate(void **state)
{
	struct runtime rt;
	u32 n = 0;
	start(&rt, "reference");
	while (n < 2 * GATE_QUEUE_MAX && ipc_send(rt.gate, GATE_UNLOAD, 99, NULL, 0, -1) == 0)
		n++;
	/* beyond the queue: what the two sockets hold */
	assert_in_range(n, GATE_QUEUE_MAX, GATE_QUEUE_MAX + 4096);
	assert_int_equal(ended(&rt), 0);
}

/* Asked to end, it ends what it does, says so, and goes. */
static void ends_politely(void **state)
{
	struct runtime rt;
	u64 sid;
	start_loaded(&rt);
	int sock = session(&rt, &sid);
	struct sealed s = generation(900);
	ticket(&rt, sid, 1, s.digest);
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	(void)hear(sock, SESSION_TOKENS);
	assert_int_equal(kill(rt.pid, SIGTERM), 0);
	assert_int_equal(outcome(&rt, 1).finish, FINISH_ERROR);
	close(s.fd);
	close(sock);
	assert_int_equal(ended(&rt), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves),
		cmocka_unit_test(tokenizes_and_scores),
		cmocka_unit_test(quotas),
		cmocka_unit_test(refuses),
		cmocka_unit_test(halves_expire),
		cmocka_unit_test(revokes),
		cmocka_unit_test(gate_rules),
		cmocka_unit_test(unloads),
		cmocka_unit_test(stuck_gate),
		cmocka_unit_test(ends_politely),
	};
	return cmocka_run_group_tests(tests, rig_open, rig_close);
}
