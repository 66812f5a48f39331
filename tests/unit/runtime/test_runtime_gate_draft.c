/* A draft model as the gate gives it to the real program: it guesses for one grant, serves no session, and comes and goes while answers run. */
#include "tests/unit/runtime/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define DRAFT 9u

static void load(struct runtime *rt, u64 id, u64 drafts_for)
{
	struct proto_grant want = tiny_wants(&tiny, KV_DEFAULT, 0);
	want.drafts_for = drafts_for;
	offer_as(rt, &tiny, &want, id);
}

static void ready(struct runtime *rt, u64 id)
{
	assert_int_equal(hear(rt->gate, GATE_READY)->h.id, id);
}

static void fails(struct runtime *rt, u64 id, u64 drafts_for, const char *why)
{
	struct proto_load_failed f;
	load(rt, id, drafts_for);
	memcpy(&f, hear(rt->gate, GATE_LOAD_FAILED)->body, sizeof f);
	assert_int_equal(f.reason, LOAD_UNSUPPORTED);
	assert_string_equal(f.text, why);
}

static void unload(struct runtime *rt, u64 id)
{
	tell(rt->gate, GATE_UNLOAD, id, NULL, 0, -1);
	assert_int_equal(hear(rt->gate, GATE_UNLOADED)->h.id, id);
}

/* One answer of n tokens on a session of its own. */
static struct proto_outcome answer(struct runtime *rt, u64 id, u32 n)
{
	u64 on;
	int sock = session(rt, &on);
	struct sealed s = generation_at(0, n);
	tell(sock, SESSION_REQUEST, id, NULL, 0, s.fd);
	ticket(rt, on, id, s.digest);
	struct proto_outcome o = done(sock, id);
	assert_memory_equal(outcome(rt, id).tokens, o.tokens, sizeof o.tokens);
	close(s.fd);
	close(sock);
	return o;
}

static void same(const struct proto_outcome *a, const struct proto_outcome *b)
{
	assert_int_equal(b->finish, FINISH_LENGTH);
	assert_int_equal(a->n_generated, b->n_generated);
	assert_memory_equal(a->tokens, b->tokens, sizeof a->tokens);
	assert_memory_equal(a->text, b->text, sizeof a->text);
	assert_true(b->n_model_accepted <= b->n_model_drafted && b->n_model_drafted <= b->n_drafted);
}

static void comes_and_goes(void **state)
{
	struct runtime rt;
	start(&rt, "reference");
	fails(&rt, DRAFT, GRANT, "the model that it would guess for is not loaded");
	load(&rt, GRANT, 0);
	ready(&rt, GRANT);
	struct proto_outcome plain = answer(&rt, 1, 40), with;
	load(&rt, DRAFT, GRANT);
	ready(&rt, DRAFT);
	fails(&rt, DRAFT + 1, GRANT, "another model guesses for that one already");
	fails(&rt, DRAFT + 1, DRAFT, "the model that it would guess for is not loaded");
	with = answer(&rt, 2, 40);
	same(&plain, &with);
	unload(&rt, DRAFT);
	with = answer(&rt, 3, 40);
	same(&plain, &with);
	load(&rt, DRAFT, GRANT); /* and it may come back; its target goes first, then it */
	ready(&rt, DRAFT);
	with = answer(&rt, 4, 40);
	same(&plain, &with);
	unload(&rt, GRANT);
	unload(&rt, DRAFT);
	assert_int_equal(ended(&rt), 0);
}

/* Unloaded in the middle of an answer, which ends as if nothing had been. */
static void goes_in_the_middle(void **state)
{
	struct runtime rt;
	u64 on;
	start(&rt, "reference");
	load(&rt, GRANT, 0);
	ready(&rt, GRANT);
	struct proto_outcome plain = answer(&rt, 1, 100);
	load(&rt, DRAFT, GRANT);
	ready(&rt, DRAFT);
	int sock = session(&rt, &on);
	struct sealed s = generation_at(0, 100);
	tell(sock, SESSION_REQUEST, 2, NULL, 0, s.fd);
	ticket(&rt, on, 2, s.digest);
	for (u32 i = 0; i < 10; i++)
		(void)hear(sock, SESSION_TOKENS);
	unload(&rt, DRAFT);
	struct proto_outcome o = done(sock, 2);
	same(&plain, &o);
	close(s.fd);
	close(sock);
	assert_int_equal(ended(&rt), 0);
}

/* A draft model answers nobody, whoever asks. */
static void serves_nobody(void **state)
{
	struct runtime rt;
	int ours = -1, theirs = -1;
	struct proto_session p = { .grant = DRAFT, .principal = 1000 };
	start(&rt, "reference");
	load(&rt, GRANT, 0);
	ready(&rt, GRANT);
	load(&rt, DRAFT, GRANT);
	ready(&rt, DRAFT);
	assert_int_equal(ipc_pair(&ours, &theirs), 0);
	tell(rt.gate, GATE_SESSION, 77, &p, sizeof p, theirs);
	close(theirs);
	struct sealed s = generation_at(0, 4);
	tell(ours, SESSION_REQUEST, 1, NULL, 0, s.fd);
	ticket(&rt, 77, 1, s.digest);
	struct proto_outcome o = done(ours, 1);
	assert_int_equal(o.finish, FINISH_REFUSED);
	assert_string_equal(o.why, "the session has no loaded model");
	close(s.fd);
	close(ours);
	assert_int_equal(ended(&rt), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(comes_and_goes),
		cmocka_unit_test(goes_in_the_middle), cmocka_unit_test(serves_nobody) };
	return cmocka_run_group_tests(tests, rig_open, rig_close);
}
