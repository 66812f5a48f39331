/* What the gate hears of work under way: what runs, how far it is, never more often than four times a second, and at last all of it. */
#include "tests/unit/runtime/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define WORDS_MAX 120u /* the client may read them all at the end */

static u64 now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec;
}

static struct proto_busy busy(struct runtime *rt, u64 session)
{
	struct proto_busy b;
	struct ipc_frame *f = hear(rt->gate, GATE_BUSY);
	assert_int_equal(f->h.id, session);
	memcpy(&b, f->body, sizeof b);
	assert_int_equal(b.reserved, 0);
	return b;
}

/* Until that many tokens are said and nothing runs: the first word, and how many there were. */
static u32 until(
	struct runtime *rt, u64 session, u64 written, struct proto_busy *ret_first, struct proto_busy *ret)
{
	u32 n = 0;
	struct proto_busy before = { 0 }, b;
	do {
		b = busy(rt, session);
		assert_true(b.read >= before.read && b.written >= before.written);
		assert_true(b.written <= written);
		if (!n++)
			*ret_first = b;
		before = b;
	} while (b.running || b.written < written);
	*ret = b;
	return n;
}

static void one(void **state)
{
	struct runtime rt;
	struct proto_busy first, last;
	u64 sid;
	start_loaded(&rt);
	int sock = session(&rt, &sid);
	struct sealed s = generation(WORDS_MAX);
	u64 began = now_ns();
	ticket(&rt, sid, 1, s.digest);
	tell(sock, SESSION_REQUEST, 1, NULL, 0, s.fd);
	u32 n = until(&rt, sid, WORDS_MAX, &first, &last);
	assert_int_equal(first.running, 1); /* at once */
	assert_true(first.written < WORDS_MAX);
	assert_true((u64)(n - 1) * 250000000u <= now_ns() - began);
	struct proto_outcome o = done(sock, 1);
	assert_int_equal(last.read, o.n_prompt - o.n_cached);
	assert_int_equal(o.n_generated, WORDS_MAX);
	assert_true(silent(sock)); /* nothing is said of it to the client, nor twice to the gate */
	close(s.fd);
	close(sock);
	assert_int_equal(ended(&rt), 0);
}

/* Several of one session are one sum, of which what is over stays; a session that does nothing is not spoken of. */
static void several(void **state)
{
	struct runtime rt;
	struct proto_busy first, last;
	u64 idle_id, sid, read = 0;
	start_loaded(&rt);
	int idle = session(&rt, &idle_id), sock = session(&rt, &sid);
	struct sealed s[3];
	for (u32 i = 0; i < ARRAY_LEN(s); i++) {
		s[i] = generation(40 + i);
		ticket(&rt, sid, i + 1, s[i].digest);
		tell(sock, SESSION_REQUEST, i + 1, NULL, 0, s[i].fd);
	}
	(void)until(&rt, sid, 40 + 41 + 42, &first, &last);
	for (u32 i = 0; i < ARRAY_LEN(s); i++) {
		struct proto_outcome o;
		memcpy(&o, hear(sock, SESSION_DONE)->body, sizeof o);
		read += o.n_prompt - o.n_cached;
		close(s[i].fd);
	}
	assert_int_equal(last.read, read);
	close(sock);
	close(idle);
	assert_int_equal(ended(&rt), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(one), cmocka_unit_test(several) };
	return cmocka_run_group_tests(tests, rig_open, rig_close);
}
