/* The real keep-runtime on the reference device, driven over its sockets by a gate and by clients that misbehave. KEEP_RUNTIME names
 * the program. */
#define _GNU_SOURCE
#include "tests/logits/asks.h"
#include "tests/unit/runtime/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* Of the tiny model: <s> and </s>. */
static bool is_control(u32 id)
{
	return id == 1 || id == 2;
}

static struct tiny tiny; /* the model of most tests */

static void start_loaded(struct runtime *rt)
{
	struct proto_grant want = tiny_wants(&tiny, KV_DEFAULT, 0);
	start(rt, "reference");
	offer(rt, &tiny, &want);
	struct ipc_frame *f = hear(rt->gate, GATE_READY);
	struct proto_ready ready;
	memcpy(&ready, f->body, sizeof ready);
	assert_int_equal(f->h.id, GRANT);
	assert_string_equal(ready.device, "reference");
	assert_int_equal(ready.ctx_tokens, 1024);
	assert_int_equal(ready.numerics, RT_NUMERICS);
	assert_true(ready.weight_bytes > 0 && ready.kv_bytes > 0);
}

static struct sealed generation_at(f32 temperature, u32 n)
{
	struct request_header h = { .kind = REQUEST_GENERATE,
		.flags = REQUEST_IGNORE_EOS,
		.max_tokens = n,
		.temperature = temperature,
		.top_p = 1,
		.repeat_penalty = 1,
		.seed = 3 };
	return seal(&h, "a small question");
}

static struct sealed generation(u32 n)
{
	return generation_at(0.9f, n);
}

/* Reads until the socket ends; returns how many frames of tokens came, and whether anything else did. */
static u32 drain(int sock, bool *ret_other)
{
	struct ipc_frame f;
	u32 n = 0;
	*ret_other = false;
	while (ipc_recv(sock, &f) == 0) {
		if (f.h.type == SESSION_TOKENS)
			n++;
		else
			*ret_other = true;
		ipc_frame_fini(&f);
	}
	return n;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------ */

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

/* Clients that cancel, hang up, or break the protocol. */
static void strangers(void **state)
{
	struct runtime rt;
	u64 sid;
	bool other;
	start_loaded(&rt);
	struct sealed s = generation(900);

	int sock = session(&rt, &sid);
	ticket(&rt, sid, 1, s.digest);
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	(void)hear(sock, SESSION_TOKENS);
	tell(sock, SESSION_CANCEL, 1, NULL, 0, -1);
	assert_int_equal(done(sock, 1).finish, FINISH_CANCELLED);
	assert_int_equal(outcome(&rt, 1).finish, FINISH_CANCELLED);

	ticket(&rt, sid, 2, s.digest);
	tell(sock, SESSION_REQUEST, 2, NULL, 0, s.fd);
	(void)hear(sock, SESSION_TOKENS);
	close(sock);
	assert_int_equal(outcome(&rt, 2).finish, FINISH_CANCELLED);

	sock = session(&rt, &sid);
	ticket(&rt, sid, 1, s.digest);
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	(void)hear(sock, SESSION_TOKENS);
	tell(sock, SESSION_REQUEST, 2, NULL, 0, -1); /* without its descriptor */
	assert_int_equal(outcome(&rt, 1).finish, FINISH_CANCELLED);
	(void)drain(sock, &other);
	assert_false(other);
	close(sock);

	sock = session(&rt, &sid); /* the process lives */
	close(s.fd);
	s = generation(2);
	ticket(&rt, sid, 1, s.digest);
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	assert_int_equal(done(sock, 1).finish, FINISH_LENGTH);
	close(s.fd);
	close(sock);
	assert_int_equal(ended(&rt), 0);
}

/* All frames of one answer, put together again. */
struct heard {
	struct sha256 tokens, text;
	u32 n, n_frames, n_probs;
	u32 n_inside, n_last; /* control tokens: in front of others of their frame; at the end of several */
};
/* Until DONE, of a request under way. */
static struct proto_outcome hear_all(int sock, u64 id, struct heard *ret)
{
	struct proto_outcome o;
	struct proto_tokens t;
	*ret = (struct heard){ 0 };
	sha256_init(&ret->tokens);
	sha256_init(&ret->text);
	for (;;) {
		struct ipc_frame f;
		assert_int_equal(ipc_recv(sock, &f), 0);
		assert_int_equal(f.h.id, id);
		if (f.h.type == SESSION_DONE) {
			memcpy(&o, f.body, sizeof o);
			return o;
		}
		if (f.h.type == SESSION_PROBS) {
			ret->n_probs++;
			continue;
		}
		assert_int_equal(f.h.type, SESSION_TOKENS);
		memcpy(&t, f.body, sizeof t);
		sha256_update(&ret->tokens, t.tokens, t.n_tokens * sizeof t.tokens[0]);
		sha256_update(&ret->text, t.text, t.text_len);
		ret->n += t.n_tokens;
		ret->n_frames++;
		for (u32 i = 0; i + 1 < t.n_tokens; i++)
			ret->n_inside += is_control(t.tokens[i]);
		ret->n_last += t.n_tokens > 1 && is_control(t.tokens[t.n_tokens - 1]);
	}
}

static void heard_all(struct heard *h, const struct proto_outcome *o)
{
	u8 digest[SHA256_BYTES];
	assert_int_equal(h->n, o->n_generated);
	sha256_final(&h->tokens, digest);
	assert_memory_equal(o->tokens, digest, sizeof digest);
	sha256_final(&h->text, digest);
	assert_memory_equal(o->text, digest, sizeof digest);
}

/* Who reads only when all is said hears every token of it, in far fewer frames than tokens, and a control token where it stands in the text. */
static void reads_late(void **state)
{
	struct runtime rt;
	u64 sid;
	struct heard h;
	start_loaded(&rt);
	struct sealed s =
		generation_at(50, 1000); /* every token is as likely as another, control tokens too */
	int sock = session(&rt, &sid);
	ticket(&rt, sid, 1, s.digest);
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	struct proto_outcome g = outcome(&rt, 1), o = hear_all(sock, 1, &h);
	assert_memory_equal(&o, &g, sizeof o);
	assert_int_equal(o.finish, FINISH_LENGTH);
	heard_all(&h, &o);
	assert_in_range(h.n_frames, 1000 / TOKENS_PER_FRAME, 400); /* the socket itself holds some hundred */
	assert_int_equal(h.n_inside, 0);
	assert_true(h.n_last > 0);
	close(s.fd);
	close(sock);
	assert_int_equal(ended(&rt), 0);
}

/* Who never reads costs SESSION_QUEUE_BYTES_MAX and then loses his requests; what waits for him is whole, and of the others nobody is harmed. */
static void reads_never(void **state)
{
	const struct request_header h = { .kind = REQUEST_GENERATE,
		.flags = REQUEST_IGNORE_EOS,
		.max_tokens = 900,
		.n_logprobs = 1 + LOGPROBS_MAX,
		.top_p = 1,
		.repeat_penalty = 1 };
	struct runtime rt;
	u64 sid, other;
	struct heard all;
	u32 n_finished = 0, n;
	start_loaded(&rt);
	struct sealed s = seal(&h, "a small question"), t = generation(20);
	int sock = session(&rt, &sid), by = session(&rt, &other);
	for (n = 1; n < 20; n++) { /* one after the other: what waits is of one at a time */
		ticket(&rt, sid, n, s.digest);
		tell(sock, SESSION_REQUEST, n, NULL, 0, s.fd);
		if (outcome(&rt, n).finish != FINISH_LENGTH)
			break;
		n_finished++;
	}
	assert_in_range(n_finished, 1, 6); /* 300 bytes or so wait for each token */
	ticket(&rt, other, 1, t.digest);
	tell(by, SESSION_REQUEST, 1, NULL, 0, t.fd);
	assert_int_equal(done(by, 1).finish, FINISH_LENGTH);
	for (u32 i = 1; i <= n; i++) {
		struct proto_outcome o = hear_all(sock, i, &all);
		assert_int_equal(o.finish, i < n ? FINISH_LENGTH : FINISH_CANCELLED);
		if (i < n)
			heard_all(&all, &o);
		else
			assert_string_equal(o.why, "the client reads too slowly");
		assert_in_range(all.n_probs, all.n, all.n + 1);
	}
	close(s.fd);
	close(t.fd);
	close(sock);
	close(by);
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

/* One past what may wait, and one past what may be loaded. */
static void limits(void **state)
{
	struct runtime rt;
	u64 sid;
	start_loaded(&rt);
	int sock = session(&rt, &sid), second = -1;
	struct sealed s = generation(3);
	for (u64 id = 1; id <= TICKETS_WAITING_MAX; id++)
		ticket(&rt, sid, id, s.digest);
	assert_true(silent(rt.gate));
	ticket(&rt, sid, TICKETS_WAITING_MAX + 1, s.digest);
	struct proto_outcome o = outcome(&rt, TICKETS_WAITING_MAX + 1);
	assert_int_equal(o.finish, FINISH_REFUSED);
	assert_non_null(strstr(o.why, "too many tickets"));
	second = session(&rt, &sid);
	for (u64 id = 1; id <= TICKETS_WAITING_MAX; id++)
		tell(second, SESSION_REQUEST, id, NULL, 0, s.fd);
	assert_true(silent(second));
	tell(second, SESSION_REQUEST, TICKETS_WAITING_MAX + 1, NULL, 0, s.fd);
	o = done(second, TICKETS_WAITING_MAX + 1);
	assert_int_equal(o.finish, FINISH_REFUSED);
	assert_non_null(strstr(o.why, "too many requests"));
	close(sock);
	close(second);
	close(s.fd);

	struct proto_grant want = tiny_wants(&tiny, KV_DEFAULT, 64);
	for (u64 id = GRANT + 1; id < GRANT + GRANTS_MAX; id++) {
		offer_as(&rt, &tiny, &want, id);
		assert_int_equal(hear(rt.gate, GATE_READY)->h.id, id);
	}
	struct proto_load_failed f;
	offer_as(&rt, &tiny, &want, GRANT + GRANTS_MAX);
	memcpy(&f, hear(rt.gate, GATE_LOAD_FAILED)->body, sizeof f);
	assert_int_equal(f.reason, LOAD_MEMORY);
	assert_int_equal(ended(&rt), 0);
}

/* As many requests as one runtime holds, spread over sessions, and one more. */
static void many_requests(void **state)
{
	struct runtime rt;
	u64 sid;
	int sock[REQUESTS_QUEUED_MAX / TICKETS_WAITING_MAX + 1];
	start_loaded(&rt);
	struct sealed s = generation(3);
	for (u32 i = 0; i < REQUESTS_QUEUED_MAX; i++) {
		if (i % TICKETS_WAITING_MAX == 0)
			sock[i / TICKETS_WAITING_MAX] = session(&rt, &sid);
		ticket(&rt, sid, 1 + i % TICKETS_WAITING_MAX, s.digest);
	}
	assert_true(silent(rt.gate));
	int last = sock[ARRAY_LEN(sock) - 1] = session(&rt, &sid);
	ticket(&rt, sid, 1, s.digest);
	struct proto_outcome o = outcome(&rt, 1);
	assert_int_equal(o.session, sid);
	assert_non_null(strstr(o.why, "too many tickets"));
	tell(last, SESSION_REQUEST, 2, NULL, 0, s.fd);
	o = done(last, 2);
	assert_non_null(strstr(o.why, "too many requests"));
	close(sock[0]); /* its requests end; then there is room */
	for (u32 id = 1; id <= TICKETS_WAITING_MAX; id++)
		(void)outcome(&rt, id);
	ticket(&rt, sid, 3, s.digest);
	tell(last, SESSION_REQUEST, 3, NULL, 0, s.fd);
	assert_int_equal(done(last, 3).finish, FINISH_LENGTH);
	for (size_t i = 1; i < ARRAY_LEN(sock); i++)
		close(sock[i]);
	close(s.fd);
	assert_int_equal(ended(&rt), 0);
}

/* As many sessions as there may be are served; the gate that makes one more is broken. */
static void many_sessions(void **state)
{
	struct runtime rt;
	u64 sid;
	struct ipc_frame f;
	int sock[IPC_SESSIONS_MAX + 1];
	start(&rt, "reference");
	for (u32 i = 0; i < IPC_SESSIONS_MAX; i++)
		sock[i] = session(&rt, &sid);
	tell(rt.gate, GATE_UNLOAD, 99, NULL, 0, -1);
	assert_int_equal(hear(rt.gate, GATE_UNLOADED)->h.id, 99);
	sock[IPC_SESSIONS_MAX] = session(&rt, &sid);
	while (ipc_recv(rt.gate, &f) == 0)
		ipc_frame_fini(&f);
	for (u32 i = 0; i <= IPC_SESSIONS_MAX; i++)
		close(sock[i]);
	assert_int_equal(ended(&rt), 1);
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

static struct proto_load_failed load_fails(
	struct runtime *rt, const struct tiny *t, const struct proto_grant *want)
{
	struct proto_load_failed f;
	offer(rt, t, want);
	memcpy(&f, hear(rt->gate, GATE_LOAD_FAILED)->body, sizeof f);
	return f;
}

static void flip(int fd, u64 at)
{
	u8 b;
	assert_int_equal(fd_pread_all(fd, &b, 1, at), 0);
	b ^= 0x10;
	assert_int_equal(fd_pwrite_all(fd, &b, 1, at), 0);
}

/* A byte that differs, anywhere in any file, is found; file and offset are named. */
static void flipped(void **state)
{
	struct runtime rt;
	struct tiny_spec spec = { .type = TENSOR_Q8_0, .seed = 4 };
	struct tiny t;
	tiny_make(&spec, &t);
	struct proto_grant want = tiny_wants(&t, KV_DEFAULT, 0);
	start(&rt, "reference");
	const u64 at[] = { 0, 4097, SEGMENT_BYTES - 1, SEGMENT_BYTES,
		tiny_offset(&t, "blk.1.ffn_down.weight") + 99, t.bytes[0] - 1 };
	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		flip(t.files[0], at[i]);
		struct proto_load_failed f = load_fails(&rt, &t, &want);
		assert_int_equal(f.reason, LOAD_SEGMENT);
		assert_int_equal(f.file, 0);
		assert_int_equal(f.offset, at[i] / SEGMENT_BYTES * SEGMENT_BYTES);
		assert_non_null(strstr(f.text, "model.gguf"));
		flip(t.files[0], at[i]);
	}
	flip(t.files[1], 3);
	struct proto_load_failed f = load_fails(&rt, &t, &want);
	assert_int_equal(f.reason, LOAD_SEGMENT);
	assert_int_equal(f.file, 1);
	assert_non_null(strstr(f.text, "LICENSE"));
	flip(t.files[1], 3);

	int keep = t.files[0]; /* replaced by another file */
	t.files[0] = t.files[1];
	f = load_fails(&rt, &t, &want);
	assert_int_equal(f.reason, LOAD_SEGMENT);
	assert_int_equal(f.file, 0);
	t.files[0] = keep;

	offer(&rt, &t, &want); /* as admitted, it loads */
	(void)hear(rt.gate, GATE_READY);
	tiny_fini(&t);
	assert_int_equal(ended(&rt), 0);
}

/* Tables that are not those of the grant; numbers that are none; contexts that are too long. */
static void unfit(void **state)
{
	struct runtime rt;
	struct tiny_spec spec = { .type = TENSOR_F32, .seed = 4 };
	struct tiny t;
	tiny_make(&spec, &t);
	start(&rt, "reference");
	struct proto_grant want = tiny_wants(&t, KV_DEFAULT, 0);
	want.layout[5] ^= 1;
	assert_int_equal(load_fails(&rt, &t, &want).reason, LOAD_LAYOUT);
	want = tiny_wants(&t, KV_DEFAULT, 0);
	want.segments[5] ^= 1;
	assert_int_equal(load_fails(&rt, &t, &want).reason, LOAD_LAYOUT);
	want = tiny_wants(&t, KV_DEFAULT, 257);
	assert_int_equal(load_fails(&rt, &t, &want).reason, LOAD_UNSUPPORTED);
	want = tiny_wants(&t, 9, 0);
	assert_int_equal(load_fails(&rt, &t, &want).reason, LOAD_UNSUPPORTED);
	tiny_fini(&t);
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
		cmocka_unit_test(strangers),
		cmocka_unit_test(reads_late),
		cmocka_unit_test(reads_never),
		cmocka_unit_test(gate_rules),
		cmocka_unit_test(unloads),
		cmocka_unit_test(limits),
		cmocka_unit_test(many_requests),
		cmocka_unit_test(many_sessions),
		cmocka_unit_test(stuck_gate),
		cmocka_unit_test(ends_politely),
		cmocka_unit_test(flipped),
		cmocka_unit_test(unfit),
	};
	struct tiny_spec spec = { .type = TENSOR_Q4_0, .seed = 11, .ctx = 1024 };
	signal(SIGPIPE, SIG_IGN);
	tiny_make(&spec, &tiny);
	int r = cmocka_run_group_tests(tests, NULL, NULL);
	tiny_fini(&tiny);
	return r;
}
