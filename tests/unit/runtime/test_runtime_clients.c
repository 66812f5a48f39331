/* The real keep-runtime and its clients: who hangs up, breaks the protocol, reads late or never; as many of them as there may be, and one more. */
#include "tests/unit/runtime/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* Of the tiny model: <s> and </s>. */
static bool is_control(u32 id)
{
	return id == 1 || id == 2;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strangers),
		cmocka_unit_test(reads_late),
		cmocka_unit_test(reads_never),
		cmocka_unit_test(limits),
		cmocka_unit_test(many_requests),
		cmocka_unit_test(many_sessions),
	};
	return cmocka_run_group_tests(tests, rig_open, rig_close);
}
